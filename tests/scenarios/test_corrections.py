"""修正, 返還 and 取消 of fixed documents: what arises, what counts, what is refused, and that every sum holds after (D6, D41)."""

from datetime import date
from decimal import Decimal

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from billing import credits
from billing.corrections.giving_back import by_days, by_quantity, give_back
from billing.corrections.reissue import reissue
from billing.corrections.voiding import void
from billing.models import Correction, Credit, Discount, Invoice, InvoiceLine
from billing.month import checks
from billing.services import adjust_invoice
from contracts.models import ContractLine
from orders.models import Order
from orders.services import start_contract
from portal.models import Vendor
from tests import make

JULY = date(2026, 7, 1)
LATER = date(2026, 5, 20)


@pytest.fixture
def customer(cast):
    """One with 10,000 at 10 % twice and 500 at 8 % three times, April closed."""
    make.close_month()
    return cast.a


@pytest.fixture
def april(customer):
    return Invoice.objects.get(customer=customer, month=make.APRIL)


def by_staff(cast, today=LATER):
    return {"reason": "間違い", "by": cast.staff, "today": today}


def faults(today=LATER):
    """What check_month finds wrong about April to June, but for the PDFs that no worker has made here."""
    found = [each for month in (make.APRIL, make.MAY, make.JUNE) for each in checks.check(month, today=today)]
    return {
        each.code: each.rows for each in found if each.kind == "broken" and each.rows and each.code != "pdf_missing"
    }


def line(invoice, position=1):
    return invoice.lines.get(position=position)


def shown(customer, month):
    """Amounts on the month's provisional or standing invoice, each once."""
    invoice = Invoice.objects.get(
        customer=customer, month=month, state__in=["draft", "fixed"], kind__in=["invoice", "correction"]
    )
    return [each.amount for each in invoice.lines.order_by("position")]


# 修正


def it_replaces_a_document_by_one_with_its_own_number(cast, april):
    new = reissue(april, {line(april).pk: {"quantity": Decimal(1)}}, **by_staff(cast))
    april.refresh_from_db()
    assert (april.state, april.total) == ("replaced", 23620)
    assert (new.kind, new.state, new.number, new.corrects, new.month) == (
        "correction",
        "fixed",
        "B202604-000003",
        april,
        make.APRIL,
    )
    assert (new.issued_on, new.fixed_on, new.due_on, new.total) == (LATER, LATER, april.due_on, 12620)
    assert [(each.origin, each.amount, each.replaces_id) for each in new.lines.order_by("position")] == [
        ("correction", 10000, line(april).pk), ("correction", 1500, line(april, 2).pk),
    ]  # fmt: skip
    done = Correction.objects.get()
    assert (done.invoice, done.made, done.what, done.reason, done.by) == (april, new, "reissue", "間違い", cast.staff)
    assert faults() == {}


def it_gives_a_correction_a_new_due_date_once_the_old_one_is_past(cast, april):
    assert april.due_on == date(2026, 6, 1)  # 05-31 is a Sunday
    assert reissue(april, **by_staff(cast, date(2026, 6, 2))).due_on == date(2026, 6, 30)


def it_takes_lines_anew_from_the_orders(cast, april):
    wrong = reissue(april, {line(april).pk: {"amount": 1, "item": "別の品目"}}, **by_staff(cast))
    right = reissue(wrong, from_orders=True, **by_staff(cast))
    assert [(each.item, each.amount) for each in right.lines.order_by("position")] == [
        ("品目1", 20000),
        ("品目2", 1500),
    ]
    assert faults() == {}


def it_corrects_the_tax_class_of_a_line(cast, april):
    new = reissue(april, {line(april, 2).pk: {"tax_kind": "standard"}}, **by_staff(cast))
    assert [(total.rate, total.base, total.tax) for total in new.tax_totals.all()] == [(Decimal("0.1"), 21500, 2150)]
    assert faults() == {}


def it_addresses_a_correction_to_whom_the_customer_names_now(cast, april):
    cast.a.billing_name = "新しい社名"
    cast.a.save()
    assert reissue(april, **by_staff(cast)).addressee["name"] == "新しい社名"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"starts_on": date(2026, 5, 1)}, "ends_on"),
        ({"item": ""}, "item"),
        ({"tax_kind": "standard", "ends_on": date(1980, 1, 1), "starts_on": date(1980, 1, 1)}, None),
        ({"quantity": Decimal(10**8), "unit_price": Decimal(10**8)}, "unit_price"),
    ],
)
def it_refuses_lines_that_cant_be(cast, april, changes, field):
    with pytest.raises(ValidationError) as refused:
        reissue(april, {line(april).pk: changes}, **by_staff(cast))
    assert field is None or list(refused.value.message_dict) == [field]
    april.refresh_from_db()
    assert (april.state, Invoice.objects.filter(corrects=april).count()) == ("fixed", 0)


def it_corrects_only_the_newest_of_a_chain(cast, april):
    new = reissue(april, **by_staff(cast))
    for again in (reissue, give_back, void):
        with pytest.raises(ValidationError, match=new.number):
            again(april, **by_staff(cast))
    reissue(new, **by_staff(cast))
    assert faults() == {}


@pytest.mark.parametrize("act", [reissue, give_back, void])
def it_needs_a_reason_and_the_right_to_correct(cast, april, act):
    with pytest.raises(ValidationError, match="理由"):
        act(april, reason=" ", by=cast.staff, today=LATER)
    with pytest.raises(PermissionDenied):
        act(april, reason="x", by=cast.hanako, today=LATER)
    with pytest.raises(ValidationError, match="未確定"):
        make.open_month(make.MAY, today=LATER)
        act(Invoice.objects.get(customer=cast.a, month=make.MAY), **by_staff(cast))


def it_takes_up_the_same_credit_and_discount_as_far_as_they_fit(cast):
    make.open_month(make.APRIL, today=make.IN_MAY)
    draft = Invoice.objects.get(customer=cast.a, month=make.APRIL)
    Discount.objects.create(customer=cast.a, invoice=draft, amount=4300)
    credit = make.make_credit(cast.a, 9000)
    make.close_month()
    april = Invoice.objects.get(pk=draft.pk)
    assert [each.amount for each in april.lines.order_by("position")] == [20000, 1500, -4000, -300, -9000]
    new = reissue(april, {line(april).pk: {"amount": 10000}}, **by_staff(cast))
    assert [each.amount for each in new.lines.order_by("position")] == [10000, 1500, -3739, -561, -6261]
    assert Credit.objects.with_left().get(pk=credit.pk).open == 9000 - 6261
    assert shown(cast.a, make.MAY) == [20000, 1500, -2739]
    assert faults() == {}


def it_takes_back_what_was_credited_beyond_what_a_line_charges_by_now(cast, april):
    credits.give_credit(line(april), 8000, "値引き", by=cast.staff)
    reissue(april, {line(april).pk: {"amount": 5000}}, **by_staff(cast))
    assert list(Credit.objects.order_by("pk").values_list("amount", flat=True)) == [8000, -3000]
    assert shown(cast.a, make.MAY) == [20000, 1500, -5000]
    assert faults() == {}


# 返還


def it_gives_back_by_quantity_amount_and_days_with_signs_of_its_own(cast, april):
    first, second = line(april), line(april, 2)
    new = give_back(april, {first.pk: by_quantity(first, Decimal(1)), second.pk: 500}, **by_staff(cast))
    assert (new.kind, new.state, new.due_on, new.corrects, new.total) == ("return", "fixed", None, april, -11540)
    assert [(each.origin, each.quantity, each.unit_price, each.amount) for each in new.lines.order_by("position")] == [
        ("return", 1, -10000, -10000), ("return", 1, -500, -500),
    ]  # fmt: skip
    rest = give_back(april, {first.pk: by_days(first, 10)}, **by_staff(cast))
    assert [(each.amount, each.specification) for each in rest.lines.all()] == [(-6666, "10日分（30日中）")]
    assert faults() == {}


def it_gives_back_at_most_what_is_left(cast, april):
    give_back(april, {line(april).pk: 15000}, **by_staff(cast))
    for yen in (5001, 0, -1):
        with pytest.raises(ValidationError, match="5,000"):
            give_back(april, {line(april).pk: yen}, **by_staff(cast))
    whole = give_back(april, **by_staff(cast))
    assert [each.amount for each in whole.lines.order_by("position")] == [-5000, -1500]
    with pytest.raises(ValidationError, match="残りがありません"):
        give_back(april, **by_staff(cast))
    assert faults() == {}


@pytest.mark.parametrize(("mode", "tax"), [("down", -304), ("half_up", -305), ("up", -305)])
def it_mirrors_what_it_returns_to_the_yen(cast, mode, tax):
    Vendor.objects.update(rounding=mode)
    customer = make.make_customer("C0000009")
    make.make_contract(customer, (1015, 3))
    make.close_month()
    april = Invoice.objects.get(customer=customer)
    Vendor.objects.update(rounding="down" if mode != "down" else "up")  # the original's way holds
    back = give_back(april, **by_staff(cast))
    assert (back.tax, april.total + back.total) == (tax, 0)


def it_holds_in_example_12_what_was_lowered_and_returned_is_never_charged_again(cast):
    customer = make.make_customer("C0000009")
    contract = make.make_contract(customer, (10000,))
    make.close_month()
    extra = ContractLine(position=2, item="追加", unit_price=5000, quantity=1, charge_from=make.MAY)
    start_contract(contract, [extra], today=make.MAY)
    make.close_month(make.MAY, date(2026, 6, 3))
    may = Invoice.objects.get(customer=customer, month=make.MAY)
    new = reissue(may, {may.lines.get(amount=5000).pk: {"amount": 4000}}, **by_staff(cast, date(2026, 6, 4)))
    give_back(new, {new.lines.get(amount=4000).pk: 1000}, **by_staff(cast, date(2026, 6, 4)))
    contract.note = "saved once more"
    start_contract(contract, today=date(2026, 6, 5))  # and needs no tick
    make.close_month(make.JUNE, date(2026, 7, 3))
    assert sorted(shown(customer, make.JUNE)) == [5000, 10000]
    assert faults(date(2026, 7, 3)) == {}
    assert not any(each.rows for each in checks.check(make.JUNE, today=date(2026, 7, 3)) if each.code == "charge_past")


def it_counts_a_return_in_the_month_of_its_original(cast, april, sign_in):
    give_back(april, {line(april).pk: 10000}, **by_staff(cast))
    page = sign_in(cast.hanako).get("/invoices/analysis/").context
    assert page["totals"][-1] == 12620
    rows = sign_in(cast.hanako).get("/invoices/")
    assert "12,620" in rows.content.decode()


def it_credits_by_hand_no_more_than_a_return_left(cast, april):
    give_back(april, {line(april).pk: 15000}, **by_staff(cast))
    with pytest.raises(ValidationError, match="5,000"):
        credits.give_credit(line(april), 5001, "値引き", by=cast.staff)


@pytest.mark.parametrize("act", [reissue, void])
def it_keeps_a_document_while_a_return_of_it_stands(cast, april, act):
    returned = give_back(april, {line(april).pk: 1}, **by_staff(cast))
    with pytest.raises(ValidationError) as refused:
        act(april, **by_staff(cast))
    assert (refused.value.code, refused.value.params["numbers"]) == ("resting", [returned.number])
    void(returned, **by_staff(cast))
    act(april, **by_staff(cast))
    assert faults() == {}


# 取消


def it_sets_the_orders_of_a_void_document_aside(cast, april):
    void(april, **by_staff(cast))
    make.close_month(make.MAY, date(2026, 6, 3))
    assert shown(cast.a, make.MAY) == [20000, 1500]
    assert Order.objects.with_invoice().get(customer=cast.a, month=make.APRIL).state == "billed"
    assert faults(date(2026, 6, 3)) == {}


def it_opens_the_credit_that_a_void_document_took_up(cast):
    credit = make.make_credit(cast.a, 50000)
    make.close_month()
    april = Invoice.objects.get(customer=cast.a)
    assert Credit.objects.with_left().get(pk=credit.pk).open == 30000
    void(april, **by_staff(cast))
    assert Credit.objects.with_left().get(pk=credit.pk).open == 50000
    assert faults() == {}


def it_holds_in_example_11_a_void_month_is_as_if_it_had_never_taken_up_anything(cast):
    customer = make.make_customer("C0000009")
    make.make_contract(customer, (10000,))
    for month, today in ((make.APRIL, make.IN_MAY), (make.MAY, date(2026, 6, 3))):
        make.close_month(month, today)
    credit = make.make_credit(customer, 50000)
    make.close_month(make.JUNE, date(2026, 7, 3))
    june = Invoice.objects.get(customer=customer, month=make.JUNE)
    assert (june.total, Credit.objects.with_left().get(pk=credit.pk).open) == (0, 40000)
    void(june, rebill=True, **by_staff(cast, date(2026, 7, 10)))
    assert shown(customer, JULY) == [10000, 10000, -20000]
    make.close_month(JULY, date(2026, 8, 4))
    assert Credit.objects.with_left().get(pk=credit.pk).open == 30000
    assert faults(date(2026, 8, 4)) == {}


def it_bills_again_each_line_once_as_it_stood(cast, april):
    new = reissue(april, {line(april).pk: {"amount": 4000}}, **by_staff(cast))
    void(new, **by_staff(cast))
    void(new, rebill=True, **by_staff(cast))
    with pytest.raises(ValidationError, match="すでに再請求"):
        void(new, rebill=True, **by_staff(cast))
    with pytest.raises(ValidationError, match="取り消した請求"):
        void(new, **by_staff(cast))
    assert shown(cast.a, make.MAY) == [4000, 1500, 20000, 1500]
    make.open_month(make.MAY, today=LATER)
    make.close_month(make.MAY, date(2026, 6, 3))
    assert shown(cast.a, make.MAY) == [4000, 1500, 20000, 1500]
    assert faults(date(2026, 6, 3)) == {}


def it_bills_an_adjustment_again_too(cast):
    make.open_month(make.APRIL, today=make.IN_MAY)
    draft = Invoice.objects.get(customer=cast.a, month=make.APRIL)
    extra = InvoiceLine(position=9, item="作業費", starts_on=make.APRIL, ends_on=make.APRIL, unit_price=700)
    adjust_invoice(draft, [extra], by=cast.staff)
    make.close_month()
    new = reissue(draft, {line(draft, 3).pk: {"amount": 600}}, **by_staff(cast))
    assert faults() == {}
    void(new, rebill=True, **by_staff(cast))
    assert sorted(shown(cast.a, make.MAY)) == [600, 1500, 1500, 20000, 20000]
    assert faults() == {}


def it_makes_a_draft_for_what_is_billed_again_where_there_is_none(cast):
    customer = make.make_customer("C0000009")
    make.make_contract(customer, (3000,), form="once")
    make.close_month()
    april = Invoice.objects.get(customer=customer)
    void(april, rebill=True, **by_staff(cast))
    assert shown(customer, make.MAY) == [3000]
    assert faults() == {}


def it_names_what_rests_on_a_document_and_voids_it_as_one_step(cast, april):
    credits.give_credit(line(april), 8000, "値引き", by=cast.staff)
    make.close_month(make.MAY, date(2026, 6, 3))
    may = Invoice.objects.get(customer=cast.a, month=make.MAY)
    returned = give_back(may, {line(may).pk: 1}, **by_staff(cast, date(2026, 6, 4)))
    with pytest.raises(ValidationError) as refused:
        void(april, **by_staff(cast, date(2026, 6, 4)))
    assert refused.value.params["numbers"] == [returned.number, may.number]
    void(april, chain=True, **by_staff(cast, date(2026, 6, 4)))
    assert set(Invoice.objects.filter(pk__in=[april.pk, may.pk, returned.pk]).values_list("state", flat=True)) == {
        "void"
    }
    assert sum(Credit.objects.values_list("amount", flat=True)) == 0
    assert faults(date(2026, 6, 4)) == {}


def it_lets_credits_go_on_with_what_is_billed_again(cast, april):
    credits.give_credit(line(april), 8000, "値引き", by=cast.staff)
    make.close_month(make.MAY, date(2026, 6, 3))
    void(april, rebill=True, **by_staff(cast, date(2026, 6, 4)))
    assert sum(Credit.objects.values_list("amount", flat=True)) == 8000
    make.close_month(make.JUNE, date(2026, 7, 3))
    june = Invoice.objects.get(customer=cast.a, month=make.JUNE)
    with pytest.raises(ValidationError) as refused:
        void(june, **by_staff(cast, date(2026, 7, 4)))
    assert refused.value.params["numbers"] == [Invoice.objects.get(customer=cast.a, month=make.MAY).number]
    assert faults(date(2026, 7, 4)) == {}


def it_voids_a_document_that_took_up_a_credit_naming_its_own_line(cast, april):
    credits.give_credit(line(april), 8000, "値引き", by=cast.staff)
    void(april, rebill=True, **by_staff(cast))
    make.close_month(make.MAY, date(2026, 6, 3))
    may = Invoice.objects.get(customer=cast.a, month=make.MAY)
    assert -8000 in shown(cast.a, make.MAY)
    void(may, **by_staff(cast, date(2026, 6, 4)))
    assert sum(Credit.objects.values_list("amount", flat=True)) == 0
    assert faults(date(2026, 6, 4)) == {}
