"""The model gives the worked examples 9 to 17, and what is right a day, a month or a line beside them."""

from decimal import Decimal

import pytest

from tests.oracle.events import (
    AddLine,
    Adjusted,
    ChangeLine,
    Corrected,
    Credited,
    Returned,
    TaxEntered,
    Voided,
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

# 9: another quantity from the next term

SEATS = (registered("04-01", "04-01", line("seat", 1000, quantity=2), line("rest", 500)), closed("04"), closed("05"))


@pytest.mark.parametrize(
    ("on", "apply", "begins"),
    [("06-10", "next", "07"), ("06-30", "next", "07"), ("07-01", "next", "08"), ("06-10", "now", "06"), ("07-01", "now", "06"),
     ("07-01", "from:2026-07", "07")],
)  # fmt: skip
def it_ends_the_line_and_copies_it_where_the_change_holds(on, apply, begins):
    life = play(*SEATS, ran("06-01"), saved(on, ChangeLine("seat", apply, quantity=3)), ran("08-01"))
    assert [yen(life, text)[0] for text in ("06", "07", "08")] == [
        3000 if text >= begins else 2000 for text in ("06", "07", "08")
    ]
    seat, _rest, copy = life.contracts["K1"].lines.values()
    assert (copy.charge_from, (copy.charge_from - seat.charge_to).days) == (month(begins), 1)
    assert proposals(life) == []


def it_mends_a_billed_price_on_the_invoice_only():
    assert play(*SEATS, saved("06-10", ChangeLine("seat", "from:2026-04", unit_price=900))).refusals
    april = document(play(*SEATS), "04")
    seat = april.lines[0].key
    life = play(*SEATS, Corrected(day("06-10"), april.number, {seat: 1800}))
    assert yen(life, "04") == [1800, 500]
    life = play(*SEATS, Credited(day("06-10"), april.number, seat, 200), saved("06-11"))
    assert (yen(life, "06"), life.refusals) == ([2000, 500, -200], [])


# 10: a credit larger than a month

MIXED = registered("04-01", "04-01", BASIC, line("food", 2000, kind="reduced"))
FIFTY = Adjusted(day("04-10"), month("04"), -50000)


@pytest.mark.parametrize(
    ("credit", "bills", "left"),
    [(50000, [2160] * 5 + [13160], [40, 30, 20, 10, 0, 0]), (45000, [2160] * 4 + [7660, 13160], [35, 25, 15, 5, 0, 0])],
)
def it_takes_a_credit_up_month_by_month(credit, bills, left):
    log = [MIXED, Adjusted(day("04-10"), month("04"), -credit)]
    for place, text in enumerate(["04", "05", "06", "07", "08", "09"]):
        log.append(closed(text))
        life = play(*log)
        assert document(life, text).total == bills[place]
        assert life.balances().get(TEN, 0) == 1000 * left[place]


def it_counts_a_credit_in_the_month_that_is_not_fixed_yet():
    on_the_day = Adjusted(day("05-08"), month("04"), -50000)
    assert document(play(MIXED, on_the_day, closed("04")), "04").total == 2160
    life = play(MIXED, closed("04"), on_the_day, closed("05"))
    assert (document(life, "04").total, document(life, "05").total) == (13160, 2160)


def it_fixes_an_invoice_of_nothing():
    life = play(APRIL, FIFTY, closed("04"))
    assert (document(life, "04").state, document(life, "04").total, life.parked) == ("fixed", 0, set())


# 11: an invoice with a credit is void

JUNE = registered("06-01", "06-01", BASIC)
VOID = (JUNE, Adjusted(day("06-10"), month("06"), -50000), closed("06"), ran("07-09"))


@pytest.mark.parametrize(("closes", "text"), [((), "07"), ((closed("07"), ran("08-09")), "08")])
def it_opens_the_credits_of_a_void_invoice_and_bills_its_lines_again_where_asked(closes, text):
    vendor = prorated("06")
    before = play(*VOID, *closes, vendor=vendor)
    number, on, later = document(before, "06").number, day(f"{text}-10"), day(f"{text}-11")
    life = play(*VOID, *closes, Voided(on, number), vendor=vendor)
    assert life.balances()[TEN] == before.balances()[TEN] + 10000
    assert life.set_aside(0)
    assert yen(life, text) == [10000, -10000]
    for steps in ([Voided(on, number, rebill=True)], [Voided(on, number), Voided(later, number, rebill=True)]):  # fmt: skip
        life = play(*VOID, *closes, *steps, vendor=vendor)
        assert yen(life, text) == [10000, 10000, -20000]
        assert play(*VOID, *closes, *steps, steps[-1], vendor=vendor).refusals


def it_never_bills_the_order_of_a_void_invoice_by_itself():
    life = play(APRIL, closed("04"), Voided(day("05-10"), "2026-04-1"), saved("05-11"), closed("05"), ran("06-01"))
    assert orders(life) == [("new", "04", 10000), ("renewal", "05", 10000), ("renewal", "06", 10000)]
    assert yen(life, "06") == [10000]


# 12: corrected, and returned of the correction

ADDITION = (YEAR, saved("04-20", AddLine(line("option", 5000, "05-10"))), closed("04"), closed("05"))


def it_never_charges_again_what_was_mended_on_the_invoice():
    may = document(play(*ADDITION), "05")
    [option] = [part.key for part in may.lines]
    corrected = Corrected(day("06-10"), may.number, {option: 4000})
    mended = (*ADDITION, corrected, Returned(day("06-11"), "2026-05-2", {option: 1000}))
    life = play(*mended, saved("06-12"), ran("07-01"))
    assert (life.refusals, life.charge_past, proposals(life)) == ([], [], [])
    assert [(one.kind, one.state, one.net) for one in life.documents[1:]] == [
        ("invoice", "replaced", 5000), ("correction", "fixed", 4000), ("return", "fixed", -1000),
    ]  # fmt: skip
    assert [order.month for order in life.orders] == [month("04"), month("05")]
    for refused in (
        Corrected(day("06-12"), may.number, {option: 3000}),  # not the newest
        Corrected(day("06-12"), "2026-05-2", {option: 3000}),  # a 返還 stands
        Voided(day("06-12"), "2026-05-2"),
        Returned(day("06-12"), "2026-05-2", {option: 3001}),
    ):
        assert play(*mended, refused).refusals
    for allowed in (
        (Returned(day("06-12"), "2026-05-2", {option: 3000}),),
        (Voided(day("06-12"), "2026-05-3"), Corrected(day("06-12"), "2026-05-2", {option: 3000})),
        (Voided(day("06-12"), "2026-05-2", chain=True),),
    ):
        assert play(*mended, *allowed).refusals == []


# 13: a new rate


@pytest.mark.parametrize(
    ("since", "april", "may"),
    [("05-01", "0.10", "0.12"), ("04-30", "0.12", "0.12"), ("05-31", "0.10", "0.12"), ("06-01", "0.10", "0.10")],
)
def it_taxes_what_is_not_billed_by_the_last_day_of_its_period(since, april, may):
    rate = TaxEntered(day("05-11"), "standard", Decimal("0.12"), day(since))
    life = play(MIXED, ran("05-01"), rate)
    assert [document(life, text).lines[0].cls.rate for text in ("04", "05")] == [Decimal(april), Decimal(may)]
    assert [document(life, text).lines[1].cls.rate for text in ("04", "05")] == [Decimal("0.08")] * 2


def it_keeps_the_rate_of_what_is_billed():
    rate = TaxEntered(day("05-11"), "standard", Decimal("0.12"), day("05-01"))
    assert document(play(YEAR, rate), "04").lines[0].cls.rate == Decimal("0.12")
    life = play(YEAR, closed("04"), rate)
    assert (document(life, "04").lines[0].cls.rate, life.refusals) == (Decimal("0.10"), [])
    assert play(YEAR, closed("04"), TaxEntered(day("05-11"), "standard", Decimal("0.12"), day("04-30"))).refusals


# 14: parked

PARKED = (APRIL, ran("05-01"), closed("04", parks=True), ran("06-01"), closed("05", on="06-04"))


@pytest.mark.parametrize(
    ("apply", "bills"),
    [("from:2026-04", [12000] * 4), ("now", [12000] * 4), ("from:2026-05", [10000] + [12000] * 3),
     ("from:2026-06", [10000] * 2 + [12000] * 2), ("next", [10000] * 3 + [12000])],
)  # fmt: skip
def it_offers_the_months_of_a_parked_customer(apply, bills):
    life = play(*PARKED, saved("06-10", ChangeLine("basic", apply, unit_price=12000)), ran("07-01"))
    assert life.refusals == []
    assert [yen(life, text) for text in ("04", "05", "06", "07")] == [[amount] for amount in bills]


@pytest.mark.parametrize(("on", "due"), [("06-20", "06-30"), ("06-21", "07-31")])
def it_leaves_ten_days_to_pay(on, due):
    life = play(*PARKED, closed("04", on=on))
    assert (document(life, "04").state, document(life, "04").due_on) == ("fixed", day(due))
    assert document(life, "05").state == "draft"
    life = play(*PARKED, closed("04", on=on), closed("05", on=on))
    assert (document(life, "05").state, document(life, "05").due_on) == ("fixed", day(due))


# 15: a year that was billed elsewhere

ELSEWHERE = registered("04-01", "2025-06-15", line("year", 120000), form="yearly")


@pytest.mark.parametrize(
    ("start", "by_months", "whole"),
    [("05-01", ("05", 2000), ("05", 24000)), ("04-30", ("04", 4000), ("04", 24000)), ("03-31", None, None)],
)
def it_charges_in_such_a_year_only_what_begins_here(start, by_months, whole):
    option = saved("04-10", AddLine(line("option", 24000, start)))
    for vendor, addition in ((prorated(), by_months), (None, whole)):
        life = play(ELSEWHERE, option, ran("05-31"), vendor=vendor)
        assert orders(life) == ([("addition", *addition)] if addition else [])
        assert [term.ends_on for term in life.terms(life.contracts["K1"])] == [day("05-31")]
        life = play(ELSEWHERE, option, ran("05-31"), ran("06-01"), vendor=vendor)
        assert orders(life)[-1] == ("renewal", "06", 144000)


# 16: an option within a year


@pytest.mark.parametrize("entered", ["05-07", "05-09"])
@pytest.mark.parametrize(
    ("start", "text", "amount"), [("05-20", "05", 33000), ("05-31", "05", 33000), ("06-01", "06", 30000)]
)
def it_charges_an_option_in_its_first_month_for_the_rest_of_the_year(entered, start, text, amount):
    option = saved(entered, AddLine(line("option", 36000, start)))
    log = sorted([closed("04"), option], key=lambda event: event.day)
    assert orders(play(YEAR, *log, ran("05-19"), vendor=prorated())) == [("new", "04", 36000)]
    life = play(YEAR, *log, ran("05-20"), ran("06-01"), vendor=prorated())
    assert orders(life) == [("new", "04", 36000), ("addition", text, amount)]
    assert yen(life, text) == [amount]


def it_takes_an_option_of_the_first_month_into_the_order_of_the_year():
    option = AddLine(line("option", 36000, "04-30"))
    assert orders(play(YEAR, saved("05-07", option), vendor=prorated())) == [("new", "04", 72000)]
    assert refusal(play(YEAR, closed("04"), saved("05-09", option), vendor=prorated())) == (1, 36000)


# 17: a cancellation that was billed, taken back


@pytest.mark.parametrize(
    ("last", "again", "since"), [("04-15", 5000, "04-16"), ("04-16", 4667, "04-17"), ("04-30", 0, None)]
)
def it_charges_the_days_that_were_not_billed(last, again, since):
    log = (APRIL, cancelled("04-02", last), closed("04"))
    if again:
        assert refusal(play(*log, cancelled("05-20", None), vendor=prorated())) == (1, again)
    life = play(*log, cancelled("05-20", None, tick=True), vendor=prorated())
    assert yen(life, "05") == [10000] + ([again] if again else [])
    if again:
        [part] = [order.lines[0] for order in life.orders if order.difference]
        assert (part.starts_on, part.ends_on) == (day(since), day("04-30"))


def it_counts_every_closed_month():
    log = (APRIL, cancelled("04-02", "04-15"), closed("04"), closed("05"))
    assert refusal(play(*log, cancelled("06-20", None), vendor=prorated())) == (2, 15000)
    assert yen(play(*log, cancelled("06-20", None, tick=True), vendor=prorated()), "06") == [10000, 10000, 5000]
