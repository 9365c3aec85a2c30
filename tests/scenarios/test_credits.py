"""調整残高: given, taken up month by month as far as each tax class allows, taken back, and open again (D9, D28)."""

from datetime import date
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing import credits
from billing.models import Credit, Discount, Invoice, MonthRun, Parked
from billing.month import checks, drafts
from portal import months
from tests import make


@pytest.fixture
def customer(cast):
    customer = make.make_customer("C0000009")
    make.make_contract(customer, (10000,), (2000, 1, {"tax_kind": "reduced"}))
    return customer


def open_months(customer, *found):
    for month in found:
        make.open_month(month, today=months.last_day(month))
    return [Invoice.objects.get(customer=customer, month=month) for month in found]


def left(credit):
    return Credit.objects.with_left().get(pk=credit.pk).left


def total(customer, month):
    return Invoice.objects.get(customer=customer, month=month).total


@pytest.mark.parametrize(
    ("amount", "totals", "balances"),
    [
        (50000, [2160, 2160, 2160, 2160, 2160, 13160], [40000, 30000, 20000, 10000, 0, 0]),
        (49999, [2160, 2160, 2160, 2160, 2161, 13160], [39999, 29999, 19999, 9999, 0, 0]),
        (50001, [2160, 2160, 2160, 2160, 2160, 13158], [40001, 30001, 20001, 10001, 1, 0]),
    ],
)
def it_takes_a_credit_up_over_months_until_nothing_is_left(customer, amount, totals, balances):
    credit = make.make_credit(customer, amount)
    for place, (asked, balance) in enumerate(zip(totals, balances, strict=True)):
        month = months.add_months(make.APRIL, place)
        make.close_month(month, today=months.add_months(month, 1))
        assert (total(customer, month), left(credit)) == (asked, balance)


def it_never_takes_a_credit_up_twice_over_open_months(customer):
    credit = make.make_credit(customer, 15000)
    april, may, june = open_months(customer, make.APRIL, make.MAY, make.JUNE)
    assert [invoice.total for invoice in (april, may, june)] == [2160, 7660, 13160]
    drafts.rebuild([customer.pk], make.APRIL, MonthRun.objects.last_closed())
    assert [total(customer, month) for month in (make.APRIL, make.MAY, make.JUNE)] == [2160, 7660, 13160]
    assert left(credit) == 0


def it_remakes_later_months_when_an_earlier_one_takes_up_less(customer):
    make.make_credit(customer, 15000)
    open_months(customer, make.APRIL, make.MAY)
    drafts.rebuild([customer.pk], make.MAY, MonthRun.objects.last_closed())
    invoice = Invoice.objects.get(customer=customer, month=make.APRIL)
    Discount.objects.create(customer=customer, invoice=invoice, amount=6000)
    drafts.rebuild([customer.pk], make.APRIL, MonthRun.objects.last_closed())
    # 12,000 less 6,000 leaves 5,000 at 10 % and 1,000 at 8 %
    assert [total(customer, month) for month in (make.APRIL, make.MAY)] == [1080, 2160]


@pytest.mark.parametrize(
    "other",
    [{"tax_kind": "reduced", "tax_rate": Decimal("0.08")}, {"price_basis": "inclusive"}, {"tax_rate": Decimal("0.05")}],
)
def it_never_takes_from_another_class(customer, other):
    credit = make.make_credit(customer, 50000, **other)
    make.close_month()
    room = 2000 if other.get("tax_kind") == "reduced" else 0
    assert left(credit) == 50000 - room
    assert total(customer, make.APRIL) == 13160 - room * 108 // 100


def it_makes_no_invoice_of_a_credit_alone(cast):
    customer = make.make_customer("C0000009")
    credit = make.make_credit(customer, 100)
    make.close_month()
    assert not Invoice.objects.filter(customer=customer).exists()
    assert left(credit) == 100


def it_takes_the_oldest_credit_up_first(customer):
    late, early = make.make_credit(customer, 8000, given_on=make.MAY), make.make_credit(customer, 8000)
    make.close_month()
    assert (left(early), left(late)) == (0, 6000)


def it_splits_a_discount_before_credits_and_at_most_what_there_is(customer):
    [april] = open_months(customer, make.APRIL)
    credit = make.make_credit(customer, 1000)
    Discount.objects.create(customer=customer, invoice=april, amount=11999, item="開店記念")
    make.close_month()
    taken = april.lines.filter(origin="discount").values_list("tax_rate", "amount")
    assert sorted(taken) == [(Decimal("0.08"), -2000), (Decimal("0.1"), -9999)]
    assert left(credit) == 999


def it_parks_a_customer_only_for_what_contract_lines_make_negative(cast):
    negative, credited = make.make_customer("C0000008"), make.make_customer("C0000009")
    make.make_contract(negative, (10000,), (-10, 1, {"tax_kind": "reduced"}))
    make.make_contract(credited, (10000,))
    make.make_credit(credited, 99999)
    make.close_month()
    assert [(parked.customer, parked.by_person) for parked in Parked.objects.all()] == [(negative, True)]
    assert total(credited, make.APRIL) == 0


def it_opens_again_what_a_void_document_took_up(customer):
    credit = make.make_credit(customer, 10000)
    make.close_month()
    assert left(credit) == 0
    Invoice.objects.filter(customer=customer).update(state="void")
    assert left(credit) == 10000


# By hand, and taken back


def it_credits_a_billed_line_at_most_once_over(customer, cast):
    make.close_month()
    line = Invoice.objects.get(customer=customer).lines.get(amount=10000)
    first = credits.give_credit(line, 6000, "誤請求", by=cast.staff)
    with pytest.raises(ValidationError, match="4,000円"):
        credits.give_credit(line, 4001, "誤請求", by=cast.staff)
    credits.take_back(first, "入力誤り", by=cast.staff)
    assert credits.give_credit(line, 10000, "誤請求", by=cast.staff).invoice == line.invoice
    assert left(first) == 0


def it_counts_a_credit_given_before_the_fix_in_that_month(customer, cast):
    make.close_month()
    open_months(customer, make.MAY)
    line = Invoice.objects.get(customer=customer, month=make.APRIL).lines.get(amount=10000)
    credits.give_credit(line, 3000, "誤請求", by=cast.staff)
    assert total(customer, make.MAY) == 13160 - 3300


def it_takes_back_only_what_no_fixed_document_took_up(customer, cast):
    credit = make.make_credit(customer, 15000)
    make.close_month()
    open_months(customer, make.MAY)
    assert credits.take_back(credit, "取り違え", by=cast.staff) == 5000
    assert (total(customer, make.MAY), left(credit)) == (13160, 0)
    with pytest.raises(ValidationError, match="残りがありません"):
        credits.take_back(credit, "もう一度", by=cast.staff)


@pytest.mark.parametrize("reason", ["", " "])
def it_asks_for_a_reason(customer, cast, reason):
    with pytest.raises(ValidationError, match="理由"):
        credits.take_back(make.make_credit(customer, 1), reason, by=cast.staff)


# Against a loop that takes yen after yen

CLASSES = [("standard", Decimal("0.1")), ("reduced", Decimal("0.08"))]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(1, 40), st.integers(0, 3)), max_size=5),
    st.integers(0, 30),
    st.sampled_from([make.APRIL, make.MAY, make.JUNE]),
)
def it_takes_up_what_a_plain_loop_takes_up(db, given_ones, discount, rebuilt):
    with connection.cursor() as cursor:
        cursor.execute("SAVEPOINT drawn")
    try:
        make.make_vendor()
        customer = make.make_customer("C0000009")
        make.make_contract(customer, (13,), (7, 1, {"tax_kind": "reduced"}))
        documents = open_months(customer, make.APRIL, make.MAY, make.JUNE)
        made = [
            make.make_credit(
                customer, amount, tax_kind=CLASSES[kind][0], tax_rate=CLASSES[kind][1], given_on=date(2026, 4, 1 + day)
            )
            for kind, amount, day in given_ones
        ]
        if discount:
            invoice = next(each for each in documents if each.month == rebuilt)
            Discount.objects.create(customer=customer, invoice=invoice, amount=discount)
        drafts.rebuild([customer.pk], rebuilt, MonthRun.objects.last_closed())
        waiting = {credit.pk: credit.amount for credit in made}
        for document in documents:
            lines = list(document.lines.all())
            for kind, _rate in CLASSES:
                room = sum(line.amount for line in lines if line.tax_kind == kind and line.credit_id is None)
                for credit in sorted(made, key=lambda credit: (credit.given_on, credit.pk)):
                    if credit.tax_kind == kind:
                        taken = min(room, waiting[credit.pk])
                        waiting[credit.pk] -= taken
                        room -= taken
                        assert sum(-line.amount for line in lines if line.credit_id == credit.pk) == taken
        assert waiting == {credit.pk: left(credit) for credit in made}
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ROLLBACK TO SAVEPOINT drawn")


# What the check says


def found(month, code, today=make.IN_MAY):
    return next(finding.rows for finding in checks.check(month, today=today) if finding.code == code)


def it_names_a_balance_of_which_the_next_bill_can_take_nothing(customer):
    make.make_credit(customer, 50000)
    make.make_credit(customer, 700, price_basis="inclusive")
    open_months(customer, make.APRIL)
    assert [row for row in found(make.APRIL, "credit_open")] == [("C0000009", "700 standard 0.1000 inclusive")]
    assert found(make.APRIL, "credit_balance") == []


def it_names_a_balance_that_a_draft_says_wrongly(customer):
    make.make_credit(customer, 50000)
    [april] = open_months(customer, make.APRIL)
    Invoice.objects.filter(pk=april.pk).update(credit_left=None)
    [(document, text)] = found(make.APRIL, "credit_balance")
    assert document == april.number and "40,000" in text


@pytest.mark.parametrize(("asked", "lapses"), [(12000, False), (12001, True)])
def it_names_a_discount_that_takes_more_than_there_is(customer, asked, lapses):
    [april] = open_months(customer, make.APRIL)
    Discount.objects.create(customer=customer, invoice=april, amount=asked)
    make.open_month(make.APRIL)
    assert bool(found(make.APRIL, "discount_lapsed")) == lapses


def it_shows_what_is_taken_up_and_what_is_left(customer, web):
    make.make_credit(customer, 50000)
    make.close_month()
    user = make.make_user(customer, "saburo@example.org", is_recipient=True, is_manager=True)
    web.force_login(user)
    invoice = Invoice.objects.get(customer=customer)
    page = web.get(f"/invoices/{invoice.number}/").content.decode()
    assert "-10,000" in page and "40,000円（税抜）" in page and "翌月の請求で調整（継続適用）" in page
