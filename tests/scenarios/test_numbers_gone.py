"""The number of a provisional invoice that goes is kept, named, and given back to its customer until the month is fixed (D20)."""

from datetime import date

import pytest
from django.db import IntegrityError, connection, transaction

from billing.models import Invoice, InvoiceLine, NumberGone
from billing.month import checks
from billing.month.open_months import redraft
from billing.services import adjust_invoice
from contracts.models import Contract
from orders.services import withdraw_contract
from tests import make

DAY = date(2026, 4, 10)


@pytest.fixture
def gone(cast):
    """Company B's only contract is taken back, so its invoice of April went; A and C have theirs."""
    make.make_contract(make.make_customer("C0000003"), (100,))
    make.open_month(make.APRIL, today=DAY)
    contract = Contract.objects.get(customer=cast.b)
    withdraw_contract(contract, today=DAY, by=cast.staff)
    redraft(cast.b, today=DAY)
    return contract


def named(today=DAY):
    """What `check_month` says of April's numbers, as (customer, number, text)."""
    found = next(each.items for each in checks.check(make.APRIL, today=today) if each.code == "number_gone")
    return [(item.customer, item.document, item.text) for item in found]


def number_of(customer, month=make.APRIL):
    return Invoice.objects.get(customer=customer, month=month).number


def it_keeps_number_month_and_cause_of_an_invoice_that_went(gone, cast):
    assert not Invoice.objects.filter(customer=cast.b).exists()
    kept = NumberGone.objects.with_return().get()
    assert (kept.customer, kept.number, kept.month) == (cast.b, "B202604-000002", make.APRIL)
    assert kept.cause == f"注文の取消 {gone.orders.get().number}"
    assert not kept.came_back
    [(customer, number, text)] = named()
    assert (customer, number) == ("C0000002", "B202604-000002")
    assert text.endswith(kept.cause)


def it_gives_the_number_back_to_the_same_customer_among_others(gone, cast):
    others = [make.make_customer(f"C000000{n}") for n in (4, 5)]
    make.make_contract(others[0], (100,), today=DAY)
    make.make_contract(cast.b, (5000,), today=DAY)
    make.make_contract(others[1], (100,), today=DAY)
    make.close_month()
    assert [number_of(each) for each in (cast.b, *others)] == ["B202604-000002", "B202604-000004", "B202604-000005"]
    assert named(today=make.IN_MAY) == []
    assert NumberGone.objects.with_return().get().came_back


def it_keeps_each_going_of_a_number_that_goes_again(gone, cast):
    second = make.make_contract(cast.b, (5000,), today=DAY)
    redraft(cast.b, today=DAY)
    assert number_of(cast.b) == "B202604-000002"
    withdraw_contract(second, today=DAY, by=cast.staff)
    redraft(cast.b, today=DAY)
    assert list(NumberGone.objects.values_list("number", flat=True)) == ["B202604-000002"] * 2
    assert len(named()) == 1


def it_stays_a_gap_once_the_month_is_closed_without_it(gone, cast):
    make.close_month()
    make.make_contract(cast.b, (5000,), today=make.IN_MAY, charge_past=True)
    make.open_month()
    assert list(Invoice.objects.filter(customer=cast.b).values_list("number", flat=True)) == ["B202605-000002"]
    assert [number for _customer, number, _text in named(today=make.IN_MAY)] == ["B202604-000002"]


def it_lets_an_invoice_go_with_its_last_line_only(gone, cast):
    make.make_contract(cast.b, (5000,), today=DAY)
    redraft(cast.b, today=DAY)
    draft = Invoice.objects.get(customer=cast.b)
    line = InvoiceLine(position=9, item="作業", starts_on=DAY, ends_on=DAY, unit_price=300)
    adjust_invoice(draft, [line], by=cast.staff)
    withdraw_contract(Contract.objects.get(customer=cast.b, withdrawn_on=None), today=DAY, by=cast.staff)
    redraft(cast.b, today=DAY)
    assert named() == []
    adjust_invoice(draft, [], list(draft.lines.all()), by=cast.staff)
    assert len(named()) == 1


def it_keeps_a_number_whoever_deletes_the_invoice_and_only_ever_adds(cast):
    make.open_month(make.APRIL, today=DAY)
    draft = Invoice.objects.get(customer=cast.b)
    draft.tax_totals.all().delete()
    draft.lines.all().delete()
    draft.delete()
    assert NumberGone.objects.get().cause == "請求する明細がなくなったため"
    for sql in ("UPDATE billing_numbergone SET cause = 'x'", "DELETE FROM billing_numbergone"):
        with (
            pytest.raises(IntegrityError, match="only ever added"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(sql)


def it_counts_orders_and_invoices_on_beyond_six_digits(cast):
    """The millionth of a month is written out, and not mixed up with the hundred thousandth."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE portal_counter SET value = 999998 WHERE series = 'O202604-'")
        cursor.execute("INSERT INTO portal_counter VALUES ('B202604-', 999998)")
    for number in ("C0000004", "C0000005", "C0000006"):
        make.make_contract(make.make_customer(number), (100,))
    make.open_month(make.APRIL, today=DAY)
    made = Contract.objects.filter(customer__number__in=["C0000004", "C0000005", "C0000006"])
    assert [each.orders.get().number for each in made.order_by("customer__number")] == [
        "O202604-999999", "O202604-1000000", "O202604-1000001",
    ]  # fmt: skip
    assert Invoice.objects.filter(number__in=["B202604-999999", "B202604-1000000"]).count() == 2
