"""What is fixed stays: the database refuses every change of it, to its owner too."""

from copy import copy
from decimal import Decimal

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from billing.corrections.giving_back import give_back
from billing.corrections.reissue import reissue
from billing.corrections.voiding import void
from billing.documents.rendering import render_waiting
from billing.models import Invoice, InvoiceLine, InvoicePdf, TaxTotal
from orders.models import OrderLine, UsageCharge
from portal.db import rls
from portal.db.schema import ROLE
from portal.history import record
from tests import make


@pytest.fixture
def fixed(cast):
    make.use(make.make_meter(cast.a.contracts.get(), 10).contract, 30)
    make.close_month()
    list(render_waiting(Invoice.objects.filter(customer=cast.a)))
    connection.check_constraints()
    return Invoice.objects.get(customer=cast.a)


CHANGES = [
    "UPDATE billing_invoice SET total = total + 1, net = net + 1",
    "UPDATE billing_invoice SET addressee = '{}'",
    "UPDATE billing_invoice SET state = 'draft', fixed_on = NULL",
    "DELETE FROM billing_invoice",
    "UPDATE billing_invoiceline SET item = 'x'",
    "DELETE FROM billing_invoiceline",
    "UPDATE billing_taxtotal SET tax = 0",
    "DELETE FROM billing_taxtotal",
    "UPDATE orders_orderline SET item = 'x'",
    "UPDATE orders_orderline SET order_id = (SELECT min(id) FROM orders_order), position = id",
    "DELETE FROM orders_orderline",
    "UPDATE orders_usagecharge SET amount = amount + 1",
    "UPDATE orders_usagecharge SET dropped_on = '2026-05-08'",
    "DELETE FROM orders_usagecharge",
    "UPDATE billing_invoicepdf SET size = size",
    "DELETE FROM billing_invoicepdf",
]
TABLES = [
    "billing_invoice", "billing_invoiceline", "billing_taxtotal", "billing_invoicepdf", "orders_orderline", "orders_usagecharge",
]  # fmt: skip


def refuses(sql):
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)
    except IntegrityError:
        return True
    return False


def it_refuses_to_change_a_fixed_document(fixed):
    assert [sql for sql in CHANGES if not refuses(sql)] == []


def it_refuses_to_empty_the_tables(fixed):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL portal.test_database = 'off'")
    assert [table for table in TABLES if not refuses(f"TRUNCATE {table} CASCADE")] == []


def it_refuses_new_lines_and_totals_of_a_fixed_document(fixed):
    line = fixed.lines.first()
    line.pk, line.position, line.origin, line.is_order_head = None, 99, "adjustment", False
    with pytest.raises(IntegrityError, match="is fixed"), transaction.atomic():
        line.save()
    with pytest.raises(IntegrityError, match="is fixed"), transaction.atomic():
        TaxTotal.objects.create(customer=fixed.customer, invoice=fixed, kind="exempt", rate=0, base=1, tax=0)


def it_refuses_new_lines_of_what_a_fixed_document_bills(fixed):
    line, charge = OrderLine.objects.filter(customer=fixed.customer).first(), UsageCharge.objects.get()
    line.pk, line.position, charge.pk, charge.position = None, 99, None, 99
    with pytest.raises(IntegrityError, match="is fixed"), transaction.atomic():
        line.save()
    with pytest.raises(IntegrityError, match="is fixed"), transaction.atomic():
        charge.save()


def it_lets_order_lines_change_while_the_invoice_is_provisional(cast):
    make.open_month(make.APRIL)
    assert OrderLine.objects.update(item="x") == 3


def it_lets_only_the_state_of_a_fixed_document_move_on(fixed):
    fixed.state = "void"
    fixed.save(update_fields=["state"])
    fixed.state = "fixed"
    with pytest.raises(IntegrityError), transaction.atomic():
        fixed.save(update_fields=["state"])


def it_refuses_a_pdf_whose_hash_is_wrong_and_one_of_a_draft(cast):
    make.open_month(make.APRIL)
    draft = Invoice.objects.get(customer=cast.a)
    with pytest.raises(IntegrityError, match="not fixed"), transaction.atomic():
        InvoicePdf.objects.create(invoice=draft, customer=cast.a, content=b"x", sha256="0" * 64, size=1)
    make.close_month()
    with pytest.raises(IntegrityError, match="pdf_is_what_was_hashed"), transaction.atomic():
        InvoicePdf.objects.create(invoice=draft, customer=cast.a, content=b"x", sha256="0" * 64, size=1)


def it_refuses_a_second_live_invoice_of_a_month(cast):
    make.open_month(make.APRIL)
    twin = Invoice.objects.get(customer=cast.a)
    twin.pk, twin.number = None, "B202604-999999"
    with pytest.raises(IntegrityError, match="one_live_invoice_a_month"), transaction.atomic():
        twin.save()


def it_refuses_to_bill_an_order_line_twice(cast):
    make.open_month(make.APRIL)
    line = InvoiceLine.objects.filter(customer=cast.a).first()
    line.pk, line.position, line.is_order_head = None, 99, False
    with pytest.raises(IntegrityError, match="order_line_billed_once"), transaction.atomic():
        line.save()


def it_refuses_a_child_of_another_customers_parent(cast):
    make.open_month(make.APRIL)
    draft = Invoice.objects.get(customer=cast.a)
    with pytest.raises(IntegrityError, match="billing_invoiceline_invoice_id_own"), transaction.atomic():
        InvoiceLine.objects.create(
            customer=cast.b, invoice=draft, position=99, item="x", starts_on=make.APRIL, ends_on=make.APRIL,
            unit_price=1, amount=1, tax_rate=Decimal(0),
        )  # fmt: skip
        connection.check_constraints()


def it_keeps_one_mail_recipient_and_a_manager_in_every_company(cast):
    with pytest.raises(IntegrityError, match="one_mail_recipient"), transaction.atomic():
        cast.taro.is_recipient = True
        cast.taro.save()
    with pytest.raises(IntegrityError, match="needs one mail recipient"), transaction.atomic():
        cast.hanako.is_recipient = False
        cast.hanako.save()
        connection.check_constraints()


def it_only_ever_adds_to_the_history(cast):
    record("test", "x", by=cast.hanako, customer=cast.a)
    for sql in ("UPDATE portal_historyevent SET subject = 'y'", "DELETE FROM portal_historyevent"):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)


def it_gives_the_webs_role_no_way_to_write_what_documents_say(fixed):
    """Whatever happens to a request, its role reads the company's documents and writes none of them."""
    tables = [
        "billing_invoice", "billing_invoiceline", "billing_taxtotal", "billing_invoicepdf", "billing_correction", "billing_credit",
        "billing_decision", "billing_discount", "orders_orderline", "orders_usagecharge",
    ]  # fmt: skip
    for table in tables:
        for what in (
            "UPDATE {} SET customer_id = customer_id",
            "DELETE FROM {}",
            "INSERT INTO {} DEFAULT VALUES",
            "TRUNCATE {}",
        ):
            refused = pytest.raises(DatabaseError, match="permission denied")
            with refused, transaction.atomic(), rls.scope(ROLE, fixed.customer_id), connection.cursor() as cursor:
                cursor.execute(what.format(table))


def it_keeps_replaced_and_void_documents_and_their_corrections_as_they_are(fixed, cast):
    told = {"reason": "x", "by": cast.staff, "today": make.IN_MAY}
    new = reissue(fixed, **told)
    void(new, **told)
    connection.check_constraints()
    for sql in (
        "UPDATE billing_invoice SET state = 'fixed'",
        "UPDATE billing_invoice SET state = 'void' WHERE state = 'replaced'",
        "DELETE FROM billing_invoice WHERE state = 'void'",
        "UPDATE billing_correction SET reason = 'y'",
        "DELETE FROM billing_correction",
    ):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)


def it_lets_no_document_be_replaced_by_nothing(fixed):
    with pytest.raises(IntegrityError, match="nothing replaces"), transaction.atomic():
        Invoice.objects.filter(pk=fixed.pk).update(state="replaced")
        connection.check_constraints()


def it_lets_a_return_give_back_only_what_was_charged(fixed, cast):
    back = give_back(fixed, {fixed.lines.first().pk: 20000}, reason="x", by=cast.staff, today=make.IN_MAY)
    more = Invoice.objects.get(pk=back.pk)
    more.pk, more.number, more.state, more.fixed_on = None, "B202604-999999", "draft", None
    more.save()
    line = back.lines.get()
    for changes in ({}, {"amount": 1}, {"tax_kind": "reduced"}, {"replaces": fixed.lines.last()}, {"origin": "rebill"}):
        line.pk, line.invoice = None, more
        with pytest.raises(IntegrityError), transaction.atomic():
            InvoiceLine.objects.bulk_create([changed(line, changes)])


def changed(line, changes):
    made = copy(line)
    for name, value in changes.items():
        setattr(made, name, value)
    return made
