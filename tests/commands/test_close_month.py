"""The month-end close: once-only, repeatable, all or nothing for each customer."""

import threading
from datetime import date
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from accounts.models import Customer
from billing.documents.rendering import render_waiting
from billing.models import Invoice, InvoiceLine, InvoicePdf, MonthRun, Parked
from billing.month import checks, close, lock
from contracts.models import ContractLine, Term
from orders.models import Order
from portal.models import CalendarDay, Mail, TaxClass
from tests import make


def counts():
    return [model.objects.count() for model in (Term, Order, Invoice, InvoiceLine, InvoicePdf, Mail)]


def it_fixes_amounts_with_tax_once_per_class(cast):
    make.close_month()
    invoice = Invoice.objects.get(customer=cast.a)
    assert (invoice.state, invoice.net, invoice.tax, invoice.total) == ("fixed", 21500, 2120, 23620)
    assert list(invoice.tax_totals.values_list("rate", "base", "tax")) == [
        (Decimal("0.1000"), 20000, 2000),
        (Decimal("0.0800"), 1500, 120),
    ]
    assert (invoice.issued_on, invoice.due_on, invoice.fixed_on) == (date(2026, 4, 30), date(2026, 6, 1), make.IN_MAY)


def it_keeps_addressee_and_issuer_as_they_were(cast):
    make.close_month()
    cast.a.name = "改名株式会社"
    cast.a.save()
    invoice = Invoice.objects.get(customer=cast.a)
    assert invoice.addressee["name"] == "会社C0000001"
    assert invoice.issuer["registration_number"] == "T8990000000001"


def it_can_be_run_three_times_and_gives_one_of_everything(cast):
    for _again in range(3):
        made = make.close_month()
        list(render_waiting())
        assert (made.expected, made.fixed, made.skipped, made.parked) == (2, 2, 0, 0)
        assert counts() == [2, 2, 2, 3, 2, 2]


def it_leaves_nothing_after_a_dry_run(cast):
    before = counts()
    made = make.close_month(dry_run=True)
    assert made.fixed == 2
    assert counts() == before
    assert not MonthRun.objects.exists()


def it_parks_the_one_bad_customer_and_closes_the_others(cast):
    make.close_month()
    ContractLine.objects.filter(contract__customer=cast.b).update(tax_kind="exempt")
    TaxClass.objects.filter(kind="exempt").delete()
    made = make.close_month(make.MAY, date(2026, 6, 3))
    assert (made.fixed, made.parked) == (1, 1)
    assert "税区分" in Parked.objects.get().reason
    assert not Order.objects.filter(customer=cast.b, month=make.MAY).exists()
    make.close_month(make.MAY, date(2026, 6, 3), retry_failed=True)
    assert Parked.objects.get().tries == 2
    TaxClass.objects.create(kind="exempt", rate=0, valid_from=date(1989, 4, 1))
    assert make.close_month(make.MAY, date(2026, 6, 3), retry_failed=True).fixed == 2
    assert not Parked.objects.exists()


def it_parks_a_customer_in_later_months_until_the_earlier_one_is_solved(cast):
    line = ContractLine.objects.get(contract__customer=cast.b)
    ContractLine.objects.filter(pk=line.pk).update(tax_kind="exempt")
    exempt = TaxClass.objects.filter(kind="exempt")
    exempt.update(valid_to=date(2026, 5, 1))
    make.close_month()
    make.close_month(make.MAY, date(2026, 6, 3))
    made = make.close_month(make.JUNE, date(2026, 7, 3))
    assert (made.fixed, made.parked) == (1, 1)
    exempt.update(valid_to=None)
    assert make.close_month(make.MAY, date(2026, 7, 3), retry_failed=True).parked == 0
    assert Parked.objects.get().month == make.JUNE
    assert make.close_month(make.JUNE, date(2026, 7, 3)).parked == 0


def it_parks_a_negative_total_for_a_decision(cast):
    make.open_month(make.APRIL)
    draft = Invoice.objects.get(customer=cast.b, month=make.APRIL)
    InvoiceLine.objects.create(
        customer=cast.b, invoice=draft, position=9, origin="discount", item="値引き", starts_on=make.APRIL,
        ends_on=make.APRIL, unit_price=-10000, amount=-10000, tax_rate=Decimal("0.1"),
    )  # fmt: skip
    made = make.close_month()
    assert (made.fixed, made.parked) == (1, 1)
    draft.refresh_from_db()
    assert (draft.state, draft.total) == ("draft", -2445)


def it_closes_and_counts_only_the_customers_that_are_named(cast):
    said = StringIO()
    call_command("close_month", "2026-04", "--customer", "C0000002", stdout=said)
    assert "お客様 1 = 確定 1 + 対象外 0 + 保留 0" in said.getvalue()
    assert set(Invoice.objects.values_list("customer__number", "state")) == {("C0000002", "fixed")}
    with pytest.raises(close.Refused):  # the month as a whole isn't closed by that
        make.close_month(make.MAY, date(2026, 6, 3))


def it_skips_customers_without_lines(cast):
    make.make_customer("C0000009")
    made = make.close_month()
    assert (made.expected, made.fixed, made.skipped) == (3, 2, 1)
    assert close.adds_up(made)


def it_bills_an_order_that_came_late_in_the_next_month(cast):
    make.close_month()
    late = make.make_contract(cast.a, (3000,), today=make.IN_MAY, charge_past=True)
    make.close_month(make.MAY, date(2026, 6, 3))
    months_billed = InvoiceLine.objects.filter(contract=late).values_list("invoice__month", "starts_on")
    assert sorted(months_billed) == [(make.MAY, make.APRIL), (make.MAY, make.MAY)]


def it_prorates_the_first_month_when_the_service_says_so(cast):
    contract = make.make_contract(
        cast.a, (18500, 2), service="line", start_on=date(2026, 4, 16), today=date(2026, 4, 20)
    )
    assert contract.orders.get().amount == 37000 * 15 // 30


def it_makes_net_orders_of_tax_inclusive_lines_and_bills_the_agreed_price(cast):
    customer = make.make_customer("C0000008")
    make.make_contract(customer, (1100, 1, {"price_basis": "inclusive"}))
    make.close_month()
    assert Order.objects.get(customer=customer).amount == 1000
    assert Invoice.objects.get(customer=customer).total == 1100


def it_moves_the_due_date_by_the_vendors_own_calendar(cast):
    CalendarDay.objects.create(day=date(2026, 6, 1), working=False)
    make.close_month()
    assert Invoice.objects.get(customer=cast.a).due_on == date(2026, 6, 2)


@pytest.mark.parametrize(
    ("fixed_on", "due_on"),
    [
        (date(2026, 5, 22), date(2026, 6, 1)),  # 05-31 is a Sunday: ten days are left
        (date(2026, 5, 23), date(2026, 6, 30)),
        (date(2026, 6, 20), date(2026, 6, 30)),
        (date(2026, 6, 21), date(2026, 7, 31)),
        (date(2026, 7, 22), date(2026, 8, 31)),
    ],
)
def it_leaves_ten_days_to_pay_when_a_month_is_fixed_late(cast, fixed_on, due_on):
    """The customer sees the usual day until then (D4), and the one that leaves ten days once it is fixed (D36)."""
    make.open_month(make.APRIL, today=fixed_on)
    assert Invoice.objects.get(customer=cast.a, month=make.APRIL).due_on == date(2026, 6, 1)
    make.close_month(today=fixed_on)
    assert Invoice.objects.get(customer=cast.a, month=make.APRIL).due_on == due_on
    found = {each.code: each.rows for each in checks.check(make.APRIL, today=fixed_on)}
    assert found["recount"] == []


def it_counts_the_ten_days_from_each_customers_own_day(cast):
    """Two months later, moved to the business day before: 06-30, which leaves ten days on 06-20."""
    Customer.objects.filter(pk=cast.b.pk).update(payment_months=2, due_shift="previous")
    make.close_month(today=date(2026, 6, 20))
    make.close_month(make.MAY, today=date(2026, 8, 22))
    assert [each.due_on for each in Invoice.objects.filter(customer=cast.b).order_by("month")] == [
        date(2026, 6, 30),
        date(2026, 9, 30),
    ]


@pytest.mark.parametrize(
    ("month", "words"),
    [
        ("2099-01", "まだ終わっていません"),
        ("26-04", "YYYY-MM"),
        ("2026-04-01", "YYYY-MM"),
        ("2026/3", "運用開始年月"),
    ],
)
def it_refuses_a_month_that_cannot_be_closed(cast, month, words):
    with pytest.raises(CommandError, match=words) as refused:
        call_command("close_month", month)
    assert refused.value.returncode == 2


def it_refuses_a_month_whose_predecessor_was_never_run(cast):
    with pytest.raises(close.Refused, match="2026-04"):
        make.close_month(make.MAY, date(2026, 6, 3))


@pytest.mark.django_db(transaction=True)
def it_answers_75_while_another_run_is_active():
    make.cast()
    with lock.alone(), pytest.raises(CommandError) as busy:
        call_command("close_month", "2026-04")
    assert busy.value.returncode == 75


@pytest.mark.django_db(transaction=True)
def it_makes_one_invoice_when_two_runs_meet_without_the_lock():
    make.cast()
    batch = close.customers_to_run(make.APRIL, None, retry_failed=False, fix=True)
    gate, faults = threading.Barrier(2), []

    def work():
        try:
            gate.wait()
            with transaction.atomic():
                close.work(batch, make.APRIL, MonthRun.objects.last_closed(), make.IN_MAY, True)
        except Exception as fault:
            faults.append(fault)
        finally:
            connection.close()

    runs = [threading.Thread(target=work) for _each in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert faults == []
    assert sorted(Invoice.objects.values_list("customer__number", "state")) == [
        ("C0000001", "fixed"),
        ("C0000002", "fixed"),
    ]
