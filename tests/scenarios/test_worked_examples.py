"""The worked examples of the billing rules, by number, each with cases a day, a month and a line beside it."""

from datetime import date
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError

from accounts.models import User
from billing.models import Decision, Invoice, InvoiceLine, MonthRun
from billing.month import close, parking
from billing.month.open_months import redraft
from contracts.models import Contract, ContractLine, Service
from orders.models import Order
from orders.owed import owed
from orders.services import offers, start_contract
from portal.models import TaxClass
from tests import make


def day(text, year=2026):
    month, number = map(int, text.split("-"))
    return date(year, month, number)


@pytest.fixture
def customer(db):
    make.make_vendor()
    return make.make_customer("C0000009")


@pytest.fixture
def prorating(customer):
    Service.objects.filter(code="cloud").update(prorate=True)
    return customer


def register(customer, *lines, on, start, **fields):
    """A contract as staff register it `on` that day; lines as `make_contract` takes them."""
    return make.make_contract(customer, *lines, today=day(on), start_on=day(start), **fields)


def run(on, month=None):
    """The daily run of that day, for the month that is running or an earlier one."""
    today = day(on)
    if month:
        close.run(day(f"{month}-01"), kind=MonthRun.Kind.OPEN, today=today)
    else:
        close.draft_unclosed_months(today)


def close_month(month, on):
    close.run(day(f"{month}-01"), kind=MonthRun.Kind.CLOSE, today=day(on))


def save(contract, on, *, lines=(), removed=(), apply=None, tick=False, **fields):
    """Staff change the contract's fields and lines, as the form would; returns the changes of orders by number."""
    contract = Contract.objects.get(pk=contract.pk)
    for name, value in fields.items():
        setattr(contract, name, value)
    done = start_contract(contract, lines, removed, today=day(on), apply=apply, charge_past=tick)
    redraft(contract.customer, today=day(on))
    return {change.number: (change.before, change.after) for change in done.changes}


def line(contract, position=1, **fields):
    """A line of the contract with other values; saved by `save`."""
    found = ContractLine.objects.get(contract=contract, position=position)
    for name, value in fields.items():
        setattr(found, name, value)
    return found


def new_line(price, position=2, **fields):
    return ContractLine(position=position, item=f"品目{position}", unit="式", unit_price=Decimal(price), **fields)


def orders(contract):
    """(対象年月, 注文区分, yen, state) of all orders, oldest number first."""
    rows = contract.orders.with_invoice().order_by("month", "number")
    return [(f"{row.month:%m}", row.kind, row.amount, row.state) for row in rows]


def standing(contract):
    return [row[:3] for row in orders(contract) if row[3] != "reversed"]


def bill(customer, month):
    """Amounts of the lines that the month's invoice shows, or None; the totals are those of the lines."""
    invoice = Invoice.objects.filter(customer=customer, month=day(f"{month}-01"), state__in=["draft", "fixed"]).first()
    if invoice is None:
        return None
    amounts = [each.amount for each in invoice.lines.order_by("position")]
    assert invoice.net == sum(amounts)
    return amounts


def refused(code, act):
    """What a save says that is refused with this code; nothing is stored by it."""
    before = list(Order.objects.order_by("pk").values()), list(ContractLine.objects.order_by("pk").values())
    with pytest.raises(ValidationError) as told:
        act()
    errors = (
        [each for found in told.value.error_dict.values() for each in found]
        if hasattr(told.value, "error_dict")
        else told.value.error_list
    )
    assert [each.code for each in errors] == [code]
    assert before == (list(Order.objects.order_by("pk").values()), list(ContractLine.objects.order_by("pk").values()))
    return errors[0].params


# 1, 2: begun on the first day, not before


@pytest.mark.parametrize(
    ("on", "found"),
    [("04-06", []), ("04-19", []), ("04-20", [("04", "new", 10000)]), ("04-21", [("04", "new", 10000)])],
)
def it_holds_in_example_1_a_contract_gives_its_order_on_its_first_day(customer, on, found):
    contract = register(customer, (10000,), on="04-05", start="04-20")
    run(on, "04")
    assert standing(contract) == found
    assert [order.ordered_on for order in contract.orders.all()] == [day("04-20")] * len(found)


def it_holds_in_example_1_the_months_close_makes_no_order_of_the_next_month(customer):
    contract = register(customer, (10000,), on="04-05", start="05-01")
    close_month("04", "05-08")
    assert orders(contract) == []
    run("05-08")
    assert standing(contract) == [("05", "new", 10000)]


@pytest.mark.parametrize("on", ["04-10", "04-19", "04-20", "04-30"])
def it_holds_in_example_2_a_price_that_is_mended_before_it_is_billed_changes_in_place(customer, on):
    contract = register(customer, (10000,), (500,), on="04-05", start="04-20")
    run(min("04-06", on), "04")
    save(contract, on, lines=[line(contract, unit_price=Decimal(12000))])
    run("04-30", "04")
    assert standing(contract) == [("04", "new", 12500)]
    assert contract.lines.count() == 2
    assert contract.orders.count() == 1


# 3: a line more, before the term is billed


@pytest.mark.parametrize(("begin", "part"), [("04-10", 3500), ("04-11", 3333), ("04-30", 166), (None, 5000)])
def it_holds_in_example_3_a_line_more_joins_the_order_of_its_month(prorating, begin, part):
    contract = register(prorating, (10000,), on="04-01", start="04-01")
    run("04-02")
    number = contract.orders.get().number
    told = save(contract, "04-10", lines=[new_line(5000, charge_from=begin and day(begin))])
    assert told == {number: (10000, 10000 + part)}
    assert bill(prorating, "04") == [10000, part]


def it_holds_in_example_3_without_日割_it_is_owed_whole(customer):
    contract = register(customer, (10000,), on="04-01", start="04-01")
    run("04-02")
    save(contract, "04-10", lines=[new_line(5000, charge_from=day("04-10"))])
    assert standing(contract) == [("04", "new", 15000)]
    assert bill(customer, "04") == [10000, 5000]


def it_holds_in_example_3_a_line_of_the_next_month_waits_for_it(customer):
    contract = register(customer, (10000,), on="04-01", start="04-01")
    save(contract, "04-10", lines=[new_line(5000, charge_from=day("05-01"))])
    run("05-01")
    assert standing(contract) == [("04", "new", 10000), ("05", "renewal", 15000)]


# 4: a line that ends


@pytest.mark.parametrize(("end", "may"), [("04-30", 10000), ("05-01", 13000), ("04-29", 10000)])
def it_holds_in_example_4_a_line_that_ended_leaves_the_unbilled_order(customer, end, may):
    contract = register(customer, (10000,), (3000,), on="04-01", start="04-01")
    close_month("04", "05-01")
    run("05-01")
    save(contract, "05-02", lines=[line(contract, 2, charge_to=day(end))])
    assert standing(contract) == [("04", "new", 13000), ("05", "renewal", may)]
    assert bill(customer, "04") == [10000, 3000]
    assert sum(bill(customer, "05")) == may


def it_holds_in_example_4_the_only_line_takes_order_and_draft_along(customer):
    contract = register(customer, (3000,), on="04-01", start="04-01")
    close_month("04", "05-01")
    run("05-01")
    save(contract, "05-02", lines=[line(contract, charge_to=day("04-30"))])
    assert orders(contract) == [("04", "new", 3000, "billed"), ("05", "renewal", 3000, "reversed")]
    assert bill(customer, "05") is None
    run("05-03")
    assert orders(contract)[1:] == [("05", "renewal", 3000, "reversed")]
    save(contract, "05-04", lines=[line(contract, charge_to=None)])
    assert standing(contract) == [("04", "new", 3000), ("05", "renewal", 3000)]
    assert contract.orders.count() == 3


# 7: a 解約日 taken back


@pytest.fixture
def cancelled(customer):
    """April and May are fixed at 10,000; on 06-04 somebody enters the 解約日 04-30."""
    contract = register(customer, (10000,), on="04-01", start="04-01")
    close_month("04", "05-08")
    close_month("05", "06-03")
    run("06-03")
    save(contract, "06-04", cancel_on=day("04-30"))
    return contract


def it_holds_in_example_7_the_unbilled_order_goes_and_the_billed_term_stays(cancelled):
    assert orders(cancelled) == [
        ("04", "new", 10000, "billed"), ("05", "renewal", 10000, "billed"), ("06", "renewal", 10000, "reversed"),
    ]  # fmt: skip
    assert bill(cancelled.customer, "06") is None
    assert list(cancelled.terms.standing().order_by("sequence").values_list("starts_on", flat=True)) == [
        day("04-01"), day("05-01"),
    ]  # fmt: skip
    assert Contract.objects.with_state(day("06-10")).get().state == "ended"
    assert Contract.objects.with_state(day("06-10")).get().term_ends_on == day("04-30")


def it_holds_in_example_7_taken_back_undecided_it_needs_no_tick(cancelled):
    save(cancelled, "06-10", cancel_on=None)
    assert standing(cancelled) == [("04", "new", 10000), ("05", "renewal", 10000), ("06", "renewal", 10000)]
    assert cancelled.terms.standing().count() == 3
    assert bill(cancelled.customer, "06") == [10000]


def decide(contract, month, choice, yen, staff):
    """What somebody decided about the month's billed line."""
    billed = InvoiceLine.objects.get(contract=contract, invoice__month=day(f"{month}-01"), origin="order")
    return Decision.objects.create(
        customer=contract.customer, contract_line=billed.order_line.contract_line, term=billed.order.term,
        invoice_line=billed, choice=choice, amount=yen, reason="解約", by=staff,
    )  # fmt: skip


@pytest.fixture
def staff(customer):
    return User.objects.get(email="staff@example.net")


def it_holds_in_example_7_decided_and_with_the_tick(cancelled, staff):
    decide(cancelled, "05", "credit", 10000, staff)
    params = refused("charge_past", lambda: save(cancelled, "06-10", cancel_on=None))
    assert params == {"count": 1, "yen": "10,000"}
    save(cancelled, "06-10", cancel_on=None, tick=True)
    assert standing(cancelled) == [
        ("04", "new", 10000), ("05", "renewal", 10000), ("05", "addition", 10000), ("06", "renewal", 10000),
    ]  # fmt: skip
    assert bill(cancelled.customer, "06") == [10000, 10000]
    close_month("06", "07-03")
    run("07-04")
    assert save(cancelled, "07-04", note="x") == {}


def it_holds_in_example_7_what_was_refused_is_charged_no_second_time(cancelled, staff):
    decide(cancelled, "05", "refused", 10000, staff)
    save(cancelled, "06-10", cancel_on=None)
    assert standing(cancelled) == [("04", "new", 10000), ("05", "renewal", 10000), ("06", "renewal", 10000)]


def it_holds_in_example_7_billed_again_from_july_only_once_it_is_decided(cancelled, staff):
    july = {"cancel_on": None, "bill_from": day("07-01")}
    params = refused("undecided", lambda: save(cancelled, "06-10", **july))
    assert params == {"names": ["2026-05 品目1 10,000円"]}
    decide(cancelled, "05", "credit", 10000, staff)
    save(cancelled, "06-10", cancel_on=None, bill_from=day("07-01"))
    assert standing(cancelled) == [("04", "new", 10000), ("05", "renewal", 10000)]
    run("07-01")
    assert standing(cancelled)[2:] == [("07", "renewal", 10000)]


# 8: a year cut short


@pytest.mark.parametrize(("on", "owes"), [("09-15", 18000), ("09-01", 18000), ("08-31", 15000), ("10-01", 21000)])
def it_holds_in_example_8_a_year_cut_short_owes_the_months_it_touches(prorating, on, owes):
    contract = register(prorating, (36000,), on="04-01", start="04-01", form="yearly")
    close_month("04", "05-08")
    save(contract, "09-01", cancel_on=day(on))
    assert owed_of(contract) == [(owes, 36000)]
    assert standing(contract) == [("04", "new", 36000)]


def it_holds_in_example_8_without_日割_a_year_is_owed_whole(customer):
    contract = register(customer, (36000,), on="04-01", start="04-01", form="yearly")
    close_month("04", "05-08")
    save(contract, "09-01", cancel_on=day("09-15"))
    assert owed_of(contract) == [(36000, 36000)]


def it_holds_in_example_8_a_service_that_gets_日割_later_owes_no_less_of_what_is_billed(customer):
    contract = register(customer, (36000,), on="04-01", start="04-01", form="yearly")
    close_month("04", "05-08")
    Service.objects.filter(code="cloud").update(prorate=True)
    save(contract, "09-01", cancel_on=day("09-15"))
    assert owed_of(contract) == [(36000, 36000)]


def owed_of(contract):
    return [(each.owed, each.ordered) for each in owed([contract.customer_id])]


# 9: a change from the next term


@pytest.fixture
def two_pieces(customer):
    """1,000 each, quantity 2; April and May are fixed, June is running."""
    contract = register(customer, (1000, 2), on="04-01", start="04-01")
    close_month("04", "05-08")
    close_month("05", "06-03")
    run("06-03")
    return contract


@pytest.mark.parametrize(
    ("apply", "end", "june", "july"),
    [("next", "06-30", 2000, 3000), ("now", "05-31", 3000, 3000), ("from:2026-06", "05-31", 3000, 3000)],
)
def it_holds_in_example_9_a_billed_line_ends_and_its_copy_goes_on(two_pieces, apply, end, june, july):
    save(two_pieces, "06-05", lines=[line(two_pieces, quantity=Decimal(3))], apply=apply)
    former, following = (
        two_pieces.lines.order_by("charge_from")[::-1] if False else two_pieces.lines.order_by("position")
    )
    assert (former.quantity, former.charge_to) == (2, day(end))
    assert (following.quantity, following.continues, (following.charge_from - former.charge_to).days) == (3, former, 1)
    run("07-01")
    assert standing(two_pieces) == [
        ("04", "new", 2000), ("05", "renewal", 2000), ("06", "renewal", june), ("07", "renewal", july),
    ]  # fmt: skip
    assert all(owes == ordered for owes, ordered in owed_of(two_pieces))


@pytest.mark.parametrize(
    "change", [{"unit_price": Decimal(900)}, {"quantity": Decimal(3)}, {"tax_kind": "reduced"}, {"item": "別"}]
)
def it_holds_in_example_9_a_billed_line_asks_from_when_it_changes(two_pieces, change):
    params = refused("apply", lambda: save(two_pieces, "06-05", lines=[line(two_pieces, **change)]))
    assert params["line"] == two_pieces.lines.get().pk


@pytest.mark.parametrize("apply", ["from:2026-04", "from:2026-05", "from:2026-08", "soon"])
def it_holds_in_example_9_a_billed_term_isnt_offered(two_pieces, apply):
    refused("apply", lambda: save(two_pieces, "06-05", lines=[line(two_pieces, quantity=Decimal(3))], apply=apply))


def it_holds_in_example_9_a_billed_line_is_neither_deleted_nor_begun_elsewhere(two_pieces):
    refused("billed", lambda: save(two_pieces, "06-05", removed=[line(two_pieces)]))
    refused("billed", lambda: save(two_pieces, "06-05", lines=[line(two_pieces, charge_from=day("04-02"))]))


def it_holds_in_example_9_the_form_can_say_what_each_choice_costs(two_pieces):
    found = offers(two_pieces, [line(two_pieces, quantity=Decimal(3))], today=day("06-05"))
    assert [(each.apply, each.label, each.yen) for each in found] == [
        ("from:2026-06", "2026年6月の期間から", 1000), ("next", "次の期間から（2026年7月）", 0),
    ]  # fmt: skip
    assert standing(two_pieces)[-1] == ("06", "renewal", 2000)
    assert two_pieces.lines.count() == 1


def it_holds_in_example_9_the_former_line_cant_go_on_beside_its_copy(two_pieces):
    save(two_pieces, "06-05", lines=[line(two_pieces, quantity=Decimal(3))], apply="next")
    refused("continued", lambda: save(two_pieces, "06-06", lines=[line(two_pieces, charge_to=day("07-01"))]))
    refused("continued", lambda: save(two_pieces, "06-06", lines=[line(two_pieces, charge_to=None)]))
    save(two_pieces, "06-06", lines=[line(two_pieces, charge_to=day("06-29"))])


def it_holds_in_example_9_the_copy_can_change_or_go_while_it_isnt_billed(two_pieces):
    save(two_pieces, "06-05", lines=[line(two_pieces, quantity=Decimal(3))], apply="now")
    save(two_pieces, "06-06", lines=[line(two_pieces, 2, quantity=Decimal(4))])
    assert standing(two_pieces)[-1] == ("06", "renewal", 4000)
    save(two_pieces, "06-07", removed=[line(two_pieces, 2)])
    assert orders(two_pieces)[-1] == ("06", "renewal", 4000, "reversed")


# 13: a new rate


def it_holds_in_example_13_orders_that_arent_billed_follow_a_new_rate(customer):
    monthly = register(customer, (10000,), on="04-01", start="04-01")
    register(customer, (36000,), on="04-01", start="04-01", form="yearly", service="domain")
    later = register(customer, (12000,), on="05-02", start="05-01", form="yearly", service="mail")
    run("05-10")
    TaxClass.objects.filter(kind="standard", valid_to=None).update(valid_to=day("04-30"))
    TaxClass.objects.create(kind="standard", rate=Decimal("0.12"), valid_from=day("05-01"))
    run("05-11")
    rates = InvoiceLine.objects.order_by("contract", "starts_on").values_list("contract", "invoice__month", "tax_rate")
    assert [(f"{month:%m}", rate) for contract, month, rate in rates if contract == monthly.pk] == [
        ("04", Decimal("0.10")), ("05", Decimal("0.12")),
    ]  # fmt: skip
    assert [rate for contract, _month, rate in rates if contract == later.pk] == [Decimal("0.12")]
    assert Invoice.objects.get(month=day("05-01")).tax == 2640


def it_holds_in_example_13_a_billed_order_keeps_its_rate(customer):
    register(customer, (36000,), on="04-01", start="04-01", form="yearly")
    close_month("04", "05-08")
    TaxClass.objects.filter(kind="standard", valid_to=None).update(valid_to=day("04-30"))
    TaxClass.objects.create(kind="standard", rate=Decimal("0.12"), valid_from=day("05-01"))
    run("05-11")
    assert InvoiceLine.objects.get().tax_rate == Decimal("0.10")


# 14: parked


def it_holds_in_example_14_a_parked_month_is_open_for_its_customer(customer):
    contract = register(customer, (10000,), on="04-01", start="04-01")
    TaxClass.objects.filter(kind="standard", valid_to=None).update(valid_to=day("04-15"))
    close_month("04", "05-08")
    assert [parked.month for parked in parking.Parked.objects.all()] == [day("04-01")]
    TaxClass.objects.filter(kind="standard", valid_to=day("04-15")).update(valid_to=None)
    save(contract, "06-10", lines=[new_line(5000, charge_from=day("04-01"))])
    assert standing(contract) == [("04", "new", 15000), ("05", "renewal", 15000), ("06", "renewal", 15000)]
    assert [each.apply for each in offers_of(contract)] == []  # nothing is billed: it changes in place


def offers_of(contract):
    return offers(contract, [line(contract, unit_price=Decimal(1))], today=day("06-10"))


# 15, 16: 追加


@pytest.fixture
def yearly_since_june(prorating):
    return make.make_contract(prorating, (120000,), today=day("04-01"), start_on=date(2025, 6, 15), form="yearly")


def it_holds_in_example_15_a_year_that_began_elsewhere_gives_no_order_until_it_turns(yearly_since_june):
    run("05-31")
    assert orders(yearly_since_june) == []
    assert yearly_since_june.terms.get().starts_on == date(2025, 6, 15)
    run("06-01")
    assert standing(yearly_since_june) == [("06", "renewal", 120000)]


@pytest.mark.parametrize(
    ("begin", "month", "yen"),
    [("05-01", "05", 2000), ("05-31", "05", 2000), ("04-30", "04", 4000), ("04-01", "04", 4000)],
)
def it_holds_in_example_15_a_line_more_of_such_a_year_is_an_order_of_its_own(yearly_since_june, begin, month, yen):
    save(yearly_since_june, "04-01", lines=[new_line(24000, charge_from=day(begin))])
    run("05-31")
    assert standing(yearly_since_june) == [(month, "addition", yen)]
    assert [order.ordered_on for order in yearly_since_june.orders.all()] == [day(begin)]
    run("06-01")
    assert standing(yearly_since_june)[1:] == [("06", "renewal", 144000)]


def it_holds_in_example_15_a_line_that_began_before_the_portal_gives_nothing(yearly_since_june):
    save(yearly_since_june, "04-01", lines=[new_line(24000, charge_from=day("03-31"))])
    run("05-31")
    assert orders(yearly_since_june) == []


@pytest.mark.parametrize("entered", ["05-07", "05-09"])
@pytest.mark.parametrize(("begin", "yen"), [("05-20", 33000), ("05-31", 33000), ("06-01", 30000), ("05-01", 33000)])
def it_holds_in_example_16_a_line_more_in_a_year_is_an_order_of_its_own(prorating, entered, begin, yen):
    contract = register(prorating, (36000,), on="04-01", start="04-01", form="yearly")
    if entered == "05-09":
        close_month("04", "05-08")
    save(contract, entered, lines=[new_line(36000, charge_from=day(begin))])
    run("06-01")
    assert standing(contract) == [("04", "new", 36000), (begin[:2], "addition", yen)]
    assert {order.ordered_on for order in contract.orders.filter(kind="addition")} == {day(begin)}


def it_holds_in_example_16_its_unbilled_order_follows_too(prorating):
    contract = register(prorating, (36000,), on="04-01", start="04-01", form="yearly")
    close_month("04", "05-08")
    save(contract, "05-20", lines=[new_line(98000, charge_from=day("05-20"))])
    assert standing(contract)[1:] == [("05", "addition", 89833)]
    save(contract, "05-20", lines=[line(contract, 2, unit_price=Decimal(9800))])
    assert standing(contract)[1:] == [("05", "addition", 8983)]
    assert contract.orders.filter(kind="addition").count() == 1
    save(contract, "05-21", lines=[line(contract, 2, charge_from=day("06-01"))])
    assert standing(contract)[1:] == []
    run("06-01")
    assert standing(contract)[1:] == [("06", "addition", 8166)]


# 17: the part of a billed term that was taken away and given back


@pytest.fixture
def half_april(prorating):
    """10,000 a month, 解約日 04-15: April is billed with 5,000 and closed."""
    contract = register(prorating, (10000,), on="04-01", start="04-01")
    save(contract, "04-10", cancel_on=day("04-15"))
    close_month("04", "05-08")
    return contract


def it_holds_in_example_17_with_the_tick_the_rest_is_charged_once(half_april):
    assert standing(half_april) == [("04", "new", 5000)]
    save(half_april, "05-20", cancel_on=None, tick=True)
    assert standing(half_april) == [("04", "new", 5000), ("04", "addition", 5000), ("05", "renewal", 10000)]
    extra = half_april.orders.get(kind="addition")
    assert (extra.is_difference, extra.starts_on, extra.ends_on) == (True, day("04-16"), day("04-30"))
    [part] = extra.lines.all()
    assert (part.item, part.quantity, part.unit_price) == ("品目1（差額）", 1, 5000)
    assert sorted(bill(half_april.customer, "05")) == [5000, 10000]
    run("05-21")
    close_month("05", "06-03")
    save(half_april, "06-04", note="x")
    assert [row[1:3] for row in orders(half_april) if row[1] == "addition"] == [("addition", 5000)]


@pytest.mark.parametrize(("end", "yen"), [("04-20", 1666), ("04-16", 333), ("04-30", 5000)])
def it_holds_in_example_17_the_difference_is_what_the_days_owe(half_april, end, yen):
    save(half_april, "05-20", cancel_on=day(end), tick=True)
    assert standing(half_april) == [("04", "new", 5000), ("04", "addition", yen)]


def it_holds_in_example_17_without_the_tick_nothing_is_stored(half_april):
    params = refused("charge_past", lambda: save(half_april, "05-20", cancel_on=None))
    assert params == {"count": 1, "yen": "5,000"}
    half_april.refresh_from_db()
    assert half_april.cancel_on == day("04-15")


def it_holds_in_example_17_billed_from_a_later_month_it_needs_no_tick(half_april):
    save(half_april, "05-20", cancel_on=None, bill_from=day("05-01"))
    assert standing(half_april) == [("04", "new", 5000), ("05", "renewal", 10000)]


def it_holds_in_example_17_without_日割_nothing_is_left_to_charge(customer):
    contract = register(customer, (10000,), on="04-01", start="04-01")
    save(contract, "04-10", cancel_on=day("04-15"))
    close_month("04", "05-08")
    save(contract, "05-20", cancel_on=None)
    assert standing(contract) == [("04", "new", 10000), ("05", "renewal", 10000)]
