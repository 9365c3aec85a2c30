"""The model gives the worked examples 1 to 8, and what is right a day, a month or a line beside them."""

import pytest

from tests.oracle.events import (
    AddLine,
    BillFrom,
    ChangeLine,
    Decided,
    MoveEnd,
)
from tests.oracle.words import (
    APRIL,
    BASIC,
    TEN,
    YEAR,
    cancelled,
    closed,
    day,
    document,
    line,
    month,
    orders,
    play,
    proposals,
    prorated,
    ran,
    refusal,
    registered,
    saved,
    yen,
)

LATER = registered("04-05", "04-20", BASIC)


# 1: registered before it begins


def it_orders_on_the_first_day_and_not_before():
    assert orders(play(LATER, ran("04-06"))) == []
    assert orders(play(LATER, ran("04-19"))) == []
    life = play(LATER, ran("04-20"))
    assert orders(life) == [("new", "04", 10000)]
    assert life.orders[0].ordered_on == day("04-20")
    assert orders(play(registered("04-20", "04-20", BASIC))) == [("new", "04", 10000)]


def it_orders_nothing_for_a_month_that_ends_before_the_start():
    life = play(registered("04-05", "05-20", BASIC), closed("04"))
    assert orders(life) == []
    assert orders(play(registered("04-05", "05-20", BASIC), closed("04"), ran("05-20"))) == [("new", "05", 10000)]
    assert orders(play(LATER, ran("05-01"))) == [("new", "04", 10000), ("renewal", "05", 10000)]


def it_puts_a_line_that_begins_later_in_the_month_into_the_same_order():
    life = play(registered("04-05", "04-20", BASIC, line("option", 5000, "04-25")), ran("04-20"))
    assert orders(life) == [("new", "04", 15000)]


# 2: a price mended before anything is billed


@pytest.mark.parametrize("on", ["04-10", "04-20", "05-10"])
def it_mends_in_place_what_is_not_billed(on):
    life = play(LATER, ran("04-20"), saved(on, ChangeLine("basic", unit_price=12000)), ran("05-10"))
    assert orders(life) == [("new", "04", 12000), ("renewal", "05", 12000)]
    assert list(life.contracts["K1"].lines) == ["basic"]
    assert not [order for order in life.orders if order.cancelled]


def it_goes_on_with_a_copy_once_a_month_is_billed():
    life = play(LATER, closed("04"), saved("05-10", ChangeLine("basic", unit_price=12000, copy="dearer")))
    assert orders(life) == [("new", "04", 10000), ("renewal", "05", 12000)]
    former, copy = life.contracts["K1"].lines.values()
    assert former.charge_to == day("04-30")
    assert (copy.charge_from, copy.forerunner) == (day("05-01"), "basic")


def it_leaves_the_other_line_alone():
    both = registered("04-05", "04-20", BASIC, line("option", 3000))
    assert orders(play(both, saved("04-10", ChangeLine("basic", unit_price=12000)), ran("04-20"))) == [
        ("new", "04", 15000)
    ]


# 3: an option in the running month


@pytest.mark.parametrize(
    ("start", "whole", "by_days"),
    [("04-10", 15000, 13500), ("04-01", 15000, 15000), ("04-11", 15000, 13333), ("05-01", 10000, 10000)],
)
def it_takes_an_option_into_the_unbilled_order(start, whole, by_days):
    option = saved("04-10", AddLine(line("option", 5000, start)))
    for vendor, april in ((None, whole), (prorated(), by_days)):
        life = play(APRIL, option, vendor=vendor)
        assert [order.amount for order in life.orders] == [april]


def it_takes_an_option_into_the_order_of_the_next_month_when_april_is_fixed():
    option = saved("05-09", AddLine(line("option", 5000, "05-10")))
    assert yen(play(APRIL, closed("04"), option), "05") == [10000, 5000]
    assert yen(play(APRIL, closed("04"), option, vendor=prorated()), "05") == [10000, 3548]


def it_asks_before_an_option_charges_the_fixed_month():
    option = AddLine(line("option", 5000, "04-10"))
    assert refusal(play(APRIL, closed("04"), saved("05-09", option))) == (1, 5000)
    life = play(APRIL, ran("05-01"), closed("04"), saved("05-09", option, tick=True))
    assert orders(life) == [("new", "04", 10000), ("renewal", "05", 15000), ("addition", "04", 5000)]
    assert yen(life, "05") == [10000, 5000, 5000]


def it_takes_two_options():
    life = play(APRIL, saved("04-10", AddLine(line("a", 5000, "04-10")), AddLine(line("b", 2000, "04-10"))))
    assert orders(life) == [("new", "04", 17000)]


# 4: a line that ended last month


@pytest.mark.parametrize(
    ("end", "may", "june"), [("04-30", [10000], [10000]), ("05-01", [10000, 3000], [10000]), ("05-31", [10000, 3000], [10000])]
)  # fmt: skip
def it_leaves_an_ended_line_out_of_the_months_behind_its_end(end, may, june):
    both = registered("04-01", "04-01", BASIC, line("option", 3000))
    life = play(both, ran("05-01"), saved("05-02", MoveEnd("option", day(end))), ran("06-01"))
    assert (yen(life, "04"), yen(life, "05"), yen(life, "06")) == ([10000, 3000], may, june)


def it_cancels_the_order_of_the_only_line_and_keeps_the_number_of_its_invoice():
    begun = play(APRIL, ran("05-01"))
    number = document(begun, "05").number
    ended = (APRIL, ran("05-01"), saved("05-02", MoveEnd("basic", day("04-30"))))
    life = play(*ended)
    assert yen(life, "05") == []
    assert [order.cancelled for order in life.orders] == [False, True]
    life = play(*ended, saved("05-05", AddLine(line("other", 2000, "05-05"))))
    assert document(life, "05").number == number
    assert [(order.amount, order.cancelled) for order in life.orders] == [(10000, False), (10000, True), (2000, False)]


# 5: a line that ended inside a billed month


@pytest.mark.parametrize(
    ("end", "proposed", "may"),
    [
        ("04-15", [(1, "basic", 5000)], [2000]),
        ("04-16", [(1, "basic", 4667)], [2000]),
        ("04-30", [], [2000]),
        ("05-15", [], [4838, 2000]),
    ],
)
def it_proposes_the_days_behind_the_end_of_a_line(end, proposed, may):
    both = registered("04-01", "04-01", BASIC, line("other", 2000))
    life = play(both, closed("04"), saved("05-12", MoveEnd("basic", day(end))), vendor=prorated())
    assert proposals(life) == proposed
    assert yen(life, "05") == may


def it_names_a_credit_that_nothing_will_take_up():
    ended = (APRIL, closed("04"), saved("05-12", MoveEnd("basic", day("04-15"))))
    life = play(*ended, Decided(day("05-13"), "K1", 1, "basic", "credit"), vendor=prorated())
    assert (life.credit_open(), life.balances(), proposals(life)) == ([TEN], {TEN: 5000}, [])
    assert proposals(play(*ended)) == []  # without 日割 April is owed whole


def it_proposes_for_each_line():
    both = registered("04-01", "04-01", BASIC, line("other", 2000))
    ends = [MoveEnd(name, day("04-15")) for name in ("basic", "other")]
    life = play(both, closed("04"), saved("05-12", *ends), vendor=prorated())
    assert proposals(life) == [(1, "basic", 5000), (1, "other", 1000)]


# 6: a 解約日 before a billed month

TO_MAY = (APRIL, ran("05-01"), closed("04"), ran("06-01"), closed("05", on="06-03"))


def it_proposes_a_billed_month_behind_the_cancellation_and_marks_its_term():
    life = play(*TO_MAY, cancelled("06-04", "04-30"))
    assert proposals(life) == [(2, "basic", 10000)]
    assert [order.cancelled for order in life.orders] == [False, False, True]
    assert [(term.sequence, term.marked) for term in life.terms(life.contracts["K1"])] == [(1, False), (2, True)]


@pytest.mark.parametrize(
    ("last", "whole", "by_days"),
    [("05-01", [], [(2, "basic", 9678)]), ("05-31", [], []), ("04-29", [(2, "basic", 10000)], [(1, "basic", 334), (2, "basic", 10000)])],
)  # fmt: skip
def it_proposes_by_the_days_only_where_the_service_has_them(last, whole, by_days):
    assert proposals(play(*TO_MAY, cancelled("06-04", last))) == whole
    assert proposals(play(*TO_MAY, cancelled("06-04", last), vendor=prorated())) == by_days


def it_refuses_a_cancellation_before_the_start():
    assert play(*TO_MAY, cancelled("06-04", "03-31")).refusals


# 7: taken back

CANCELLED = (*TO_MAY, cancelled("06-04", "04-30"))
DECIDED = (*CANCELLED, Decided(day("06-05"), "K1", 2, "basic", "credit"))


@pytest.mark.parametrize(("on", "july"), [("06-10", []), ("07-01", [10000])])
def it_forgets_an_undecided_proposal_when_the_cancellation_is_taken_back(on, july):
    life = play(*CANCELLED, cancelled(on, None))
    assert (life.refusals, proposals(life)) == ([], [])
    assert [order.cancelled for order in life.orders][:4] == [False, False, True, False]
    assert (yen(life, "06"), yen(life, "07")) == ([10000], july)
    assert [term.marked for term in life.terms(life.contracts["K1"])][:3] == [False] * 3


def it_charges_again_what_was_credited_if_asked_for():
    assert refusal(play(*DECIDED, cancelled("06-10", None))) == (1, 10000)
    life = play(*DECIDED, cancelled("06-10", None, tick=True))
    assert yen(life, "06") == [10000, 10000, -10000]
    assert document(life, "06").net == 10000
    [again] = [order for order in life.orders if order.difference]
    assert (again.month, again.lines[0].starts_on, again.lines[0].ends_on) == (month("05"), day("05-01"), day("05-31"))


@pytest.mark.parametrize(
    ("bill_from", "undecided", "june", "july"),
    [("07", True, [], [10000, -10000]), ("06", True, [10000, -10000], [10000]), ("05", False, None, None)],
)
def it_wants_proposals_decided_before_their_terms_are_cut_away(bill_from, undecided, june, july):
    back = cancelled("06-10", None, BillFrom(month(bill_from)))
    life = play(*CANCELLED, back)
    assert bool(life.refusals) == undecided
    if undecided:
        assert life.refusals[-1].names == (("K1", 2, "basic"),)
    life = play(*DECIDED, back, ran("07-01"))
    if june is None:
        assert refusal(life) == (1, 10000)
    else:
        assert life.refusals == []
        assert (yen(life, "06"), yen(life, "07")) == (june, july)


def it_charges_again_only_the_line_that_was_credited():
    both = (registered("04-01", "04-01", BASIC, line("other", 2000)), *TO_MAY[1:], cancelled("06-04", "04-30"))
    life = play(*both, Decided(day("06-05"), "K1", 2, "basic", "credit"), cancelled("06-10", None, tick=True))
    assert yen(life, "06") == [10000, 10000, 2000, -10000]


# 8: a year cut short


@pytest.mark.parametrize(
    ("last", "proposed"), [("09-15", 18000), ("09-30", 18000), ("10-01", 15000), ("08-31", 21000), ("2027-03-01", 0)]
)
def it_proposes_the_months_of_a_year_that_are_not_touched(last, proposed):
    life = play(YEAR, closed("04"), cancelled("09-01", last), vendor=prorated())
    assert [amount for _term, _line, amount in proposals(life)] == ([proposed] if proposed else [])
    assert proposals(play(YEAR, closed("04"), cancelled("09-01", last))) == []


def it_cuts_the_order_of_a_year_that_is_not_billed():
    life = play(YEAR, cancelled("05-07", "09-15"), vendor=prorated())
    assert (orders(life), proposals(life)) == ([("new", "04", 18000)], [])


def it_proposes_for_both_lines_of_a_year():
    both = registered("04-01", "04-01", line("year", 36000), line("other", 12000), form="yearly")
    life = play(both, closed("04"), cancelled("09-01", "09-15"), vendor=prorated())
    assert proposals(life) == [(1, "year", 18000), (1, "other", 6000)]
