"""前月との差: the causes of two documents' lines, and that they add up to what the totals differ, whatever the lines."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from billing.difference import MOST_CHANGES, Cause, Line, changes
from billing.models import InvoiceLine
from portal import money
from portal.models import PriceBasis

Origin = InvoiceLine.Origin
MARCH, APRIL = (date(2026, 3, 1), date(2026, 3, 31)), (date(2026, 4, 1), date(2026, 4, 30))
TEN, EIGHT = Decimal("0.10"), Decimal("0.08")


def line(price=1000, quantity=1, days=APRIL, **fields):
    price, quantity = Decimal(price), Decimal(quantity)
    return Line(
        **{
            "item": "サーバ", "starts_on": days[0], "ends_on": days[1], "quantity": quantity, "unit": "台",
            "unit_price": price, "amount": money.line_amount(quantity, price), "trace": ("line", 1),
            "contract": "K0000001", "order": "O202604-000001", "order_kind": "renewal", "invoice": "B202604-000001",
        } | fields
    )  # fmt: skip


def in_march(*args, **fields):
    return line(*args, days=MARCH, **fields)


def total(lines, rate=TEN, mode=money.DOWN):
    """What a document of these lines asks for, all of one tax class."""
    sums = [sum(each.amount for each in lines if each.basis == basis) for basis in PriceBasis.values]
    return sum(money.tax_total(*sums, rate, mode))


def told(before, now, rate=TEN):
    """{cause: yen}, without tax on top."""
    found = changes(before, total(before), now, total(now, rate))
    return {each.cause: each.amount for each in found if each.cause != Cause.TAX}


def it_finds_nothing_between_equal_months():
    assert changes([in_march()], 1100, [line()], 1100) == []


@pytest.mark.parametrize(
    ("before", "now", "causes"),
    [
        ([], [line(order_kind="new")], {Cause.NEW: 1000}),
        ([], [line()], {Cause.RENEWAL: 1000}),
        ([], [line(order_kind="addition")], {Cause.ADDITION: 1000}),
        ([in_march()], [], {Cause.END: -1000}),
        ([in_march(1000, 1)], [line(1000, 2)], {Cause.QUANTITY: 1000}),
        ([in_march(8800, 8)], [line(9000, 8)], {Cause.PRICE: 1600}),
        ([in_march(8800, 7)], [line(9000, 8)], {Cause.QUANTITY: 8800, Cause.PRICE: 1600}),
        ([in_march()], [line(amount=500, days=(APRIL[0], date(2026, 4, 15)), prorated=True)], {Cause.DAYS: -500}),
        ([in_march(trace=("meter", 1))], [line(1000, 3, trace=("meter", 1))], {Cause.USAGE: 2000}),
        ([], [line(trace=("meter", 1), order_kind="")], {Cause.USAGE: 1000}),
        ([in_march(trace=("meter", 1))], [], {Cause.USAGE: -1000}),
        ([in_march(-300, origin=Origin.ADJUSTMENT, trace=None)], [], {Cause.ADJUSTMENT: 300}),
        ([], [line(-300, origin=Origin.DISCOUNT, trace=None)], {Cause.ADJUSTMENT: -300}),
    ],
)
def it_names_the_cause(before, now, causes):
    assert told(before, now) == causes


def it_tells_a_new_tax_rate_as_tax():
    [change] = changes([in_march(10000)], 10800, [line(10000)], 11000)
    assert (change.cause, change.amount, change.words) == (Cause.TAX, 200, "800円 → 1,000円")


def it_says_what_was_and_what_is():
    quantity, price, tax = changes([in_march(8800, 7)], 67760, [line(9000, 8)], 79200)
    assert (quantity.words, price.words, tax.words) == ("7台 → 8台", "8,800円 → 9,000円", "6,160円 → 7,200円")
    assert price.link == ("contract_detail", "K0000001")
    steps = [line(0, 100, trace=("meter", 1)), line(10, 150, trace=("meter", 1))]
    usage, _tax = changes([in_march(trace=("meter", 1))], 1100, steps, 1650)
    assert usage.words == "1台 → 250台"


def it_takes_months_that_are_billed_late_for_themselves():
    """A renewal beside the month that was forgotten didn't become two of it, nor half of it the month after."""
    late = in_march(order_kind="new", alone=True)
    assert told([], [late, line()]) == {Cause.NEW: 1000, Cause.RENEWAL: 1000}
    [change, _tax] = changes([late, in_march()], 2200, [line()], 1100)
    assert (change.cause, change.words) == (Cause.END, "前月のみの請求（2026/03/01～03/31）")


def it_says_that_a_year_was_charged_at_once():
    year = line(12000, days=(date(2026, 3, 1), date(2027, 2, 28)))
    [change, _tax] = changes([year], 13200, [], 0)
    assert change.words == "前月のみの請求（2026/03/01～2027/02/28）"


def it_finds_a_corrected_line_by_contract_and_item():
    corrected = replace(line(1200), trace=None, origin=Origin.CORRECTION)
    assert told([in_march()], [corrected]) == {Cause.PRICE: 200}


def it_tells_a_change_within_the_month_as_price_and_days():
    halves = [
        line(1000, amount=500, prorated=True),
        line(2000, amount=1000, days=(date(2026, 4, 16), APRIL[1]), prorated=True),
    ]
    assert told([in_march()], halves) == {Cause.PRICE: 1000, Cause.DAYS: -500}


def it_sums_up_what_moves_least_of_a_long_document():
    many = [line(price, trace=("line", price), order_kind="new") for price in range(1, 401)]
    found = changes([], 0, many, total(many))
    assert len(found) == MOST_CHANGES
    assert found[-1].words == "302件"
    assert sum(each.amount for each in found) == total(many)


days = st.sampled_from([MARCH, APRIL, (date(2026, 4, 16), APRIL[1]), (date(2026, 4, 1), date(2027, 3, 31))])
lines = st.builds(
    line,
    st.decimals(-99999, 99999, places=2),
    st.decimals("0.001", 999, places=3),
    days,
    basis=st.sampled_from(PriceBasis),
    origin=st.sampled_from(Origin),
    trace=st.none() | st.tuples(st.sampled_from(["line", "meter"]), st.integers(1, 4)),
    alone=st.booleans(),
    order_kind=st.sampled_from(["", "new", "renewal", "addition"]),
    prorated=st.booleans(),
    contract=st.sampled_from(["", "K0000001", "K0000002"]),
)
cut_short = st.builds(lambda each, part: replace(each, amount=each.amount * part // 30), lines, st.integers(1, 30))
documents = st.lists(st.tuples(lines | cut_short, st.sampled_from([TEN, EIGHT, Decimal()])), max_size=8)


def asked_for(document, mode):
    return sum(
        total([each for each, of in document if of == rate], rate, mode) for rate in {of for _each, of in document}
    )


@given(documents, documents, st.sampled_from(list(money.MODES)))
@example([(line(1234), TEN)], [(line(5678, basis=PriceBasis.INCLUSIVE), TEN), (line(333), TEN)], money.HALF_UP)
def it_adds_up_to_what_the_totals_differ(before, now, mode):
    was, total_now = asked_for(before, mode), asked_for(now, mode)
    past, present = [each for each, _rate in before], [each for each, _rate in now]
    found = changes(past, was, present, total_now)
    assert sum(each.amount for each in found) == total_now - was
    assert all(each.amount for each in found)
    back = changes(present, total_now, past, was)
    assert sum(each.amount for each in back) == was - total_now
    assert (
        changes(past, was, past, was) == [] or any(each.alone or each.trace is None for each in past) or by_hand(past)
    )


def by_hand(document):
    return any(each.origin in (Origin.ADJUSTMENT, Origin.DISCOUNT) for each in document)
