"""The model follows the rules that no worked example shows: decisions taken back, chains of documents, usage, parking."""

from decimal import Decimal

import pytest

from tests.oracle.events import (
    AddLine,
    Adjusted,
    BillFrom,
    ChangeLine,
    Corrected,
    Credited,
    Decided,
    DeleteLine,
    MeterPriced,
    MoveEnd,
    MoveStart,
    ProrationChanged,
    Renew,
    Returned,
    RoundingChanged,
    TakenBack,
    Used,
    Vendor,
    Voided,
    Withdrawn,
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

ENDED = (APRIL, closed("04"), saved("05-12", MoveEnd("basic", day("04-15"))))  # with 日割: a proposal of 5,000


def decided(how, on="05-13", term=1, name="basic"):
    return Decided(day(on), "K1", term, name, how)


def key_of(life, number, place=0):
    return life.document(number).lines[place].key


# Decisions


def it_proposes_only_what_is_more_after_a_decision():
    for how in ("credit", "refused", "return"):
        life = play(*ENDED, decided(how), saved("05-14", MoveEnd("basic", day("04-10"))), vendor=prorated())
        assert proposals(life) == [(1, "basic", 1667)]


def it_refuses_to_decide_on_what_is_not_proposed_and_to_take_back_what_was_not_decided():
    assert play(APRIL, closed("04"), decided("credit")).refusals
    assert play(APRIL, closed("04"), TakenBack(day("05-14"), 0)).refusals


def it_proposes_again_what_a_counter_entry_takes_back():
    for how in ("credit", "refused"):
        life = play(*ENDED, decided(how), TakenBack(day("05-14"), 0), vendor=prorated())
        assert (proposals(life), life.balances()) == ([(1, "basic", 5000)], {})
        assert play(*ENDED, decided(how), *[TakenBack(day("05-14"), 0)] * 2, vendor=prorated()).refusals


def it_proposes_again_what_a_void_return_gave_back():
    returned = (*ENDED, decided("return"))
    life = play(*returned, vendor=prorated())
    assert [(one.kind, one.net, one.total) for one in life.documents] == [
        ("invoice", 10000, 11000), ("return", -5000, -5500),
    ]  # fmt: skip
    assert play(*returned, TakenBack(day("05-14"), 0), vendor=prorated()).refusals
    life = play(*returned, Voided(day("05-14"), life.documents[1].number), vendor=prorated())
    assert proposals(life) == [(1, "basic", 5000)]


def it_takes_back_only_what_no_fixed_invoice_has_taken_up():
    both = registered("04-01", "04-01", BASIC, line("other", 2000))
    log = (both, closed("04"), saved("05-12", MoveEnd("basic", day("04-15"))), decided("credit"), closed("05"))
    life = play(*log, TakenBack(day("06-10"), 0), vendor=prorated())
    assert (yen(life, "05"), life.credits[0].countered, life.balances()) == ([2000, -2000], 3000, {})
    assert proposals(life) == [(1, "basic", 3000)]


def it_never_charges_again_what_was_refused_or_otherwise_returned():
    refused = play(*ENDED, decided("refused"), saved("05-14", MoveEnd("basic", None)), vendor=prorated())
    assert (refused.refusals, yen(refused, "05")) == ([], [10000])
    april = document(play(APRIL, closed("04")), "04")
    returned = Returned(day("05-09"), april.number, {april.lines[0].key: 3000})
    log = (APRIL, closed("04"), returned, saved("05-12", MoveEnd("basic", day("04-15"))))
    assert proposals(play(*log, vendor=prorated())) == [(1, "basic", 2000)]
    life = play(*log, saved("05-14", MoveEnd("basic", None)), vendor=prorated())
    assert (life.refusals, yen(life, "05")) == ([], [10000])


def it_causes_nothing_for_what_is_billed_when_a_setting_changes():
    on, off = ProrationChanged(day("05-10"), "cloud", True), ProrationChanged(day("05-10"), "cloud", False)
    log = (APRIL, cancelled("04-02", "04-15"), closed("04"))
    for switch, vendor, april in ((on, None, 10000), (off, prorated(), 5000)):
        life = play(*log, switch, saved("05-11"), vendor=vendor)
        assert (proposals(life), life.charge_past, life.refusals, yen(life, "04")) == ([], [], [], [april])
    started = registered("04-20", "04-20", BASIC)
    assert yen(play(started, on), "04") == [3666]
    assert yen(play(started, closed("04"), on, ran("05-11"), Voided(day("05-11"), "2026-04-1", rebill=True)), "05") == [
        10000,
        10000,
    ]


def it_rounds_what_is_not_fixed_by_the_new_mode_only():
    change = RoundingChanged(day("05-10"), "up")
    odd = registered("04-01", "04-01", line("basic", 9999))
    life = play(odd, closed("04"), change, ran("05-10"))
    assert [document(life, text).total for text in ("04", "05")] == [10998, 10999]


# Orders


def it_drops_a_line_of_which_nothing_is_billed():
    both = registered("04-01", "04-01", BASIC, line("other", 2000))
    assert orders(play(both, saved("04-02", DeleteLine("other")))) == [("new", "04", 10000)]
    assert play(both, closed("04"), saved("05-09", DeleteLine("other"))).refusals
    assert play(both, closed("04"), saved("05-09", MoveStart("other", day("04-10")))).refusals


def it_mends_an_addition_that_waits_for_its_bill():
    option = saved("05-10", AddLine(line("option", 98000, "05-10")))
    log = (YEAR, closed("04"), option)
    life = play(*log, saved("05-11", ChangeLine("option", unit_price=9800)))
    assert orders(life) == [("new", "04", 36000), ("addition", "05", 9800)]
    life = play(*log, saved("05-11", DeleteLine("option")))
    assert orders(life) == [("new", "04", 36000)]
    life = play(*log, closed("05"), saved("06-10", ChangeLine("option", unit_price=9800)))
    assert life.contracts["K1"].lines["option"].charge_to == day("2027-03-31")


def it_asks_before_an_addition_moves_back_into_a_closed_month():
    option = saved("06-10", AddLine(line("option", 5000, "06-10")))
    log = (YEAR, closed("04"), closed("05"), option)
    back = saved("06-15", MoveStart("option", day("05-10")))
    assert refusal(play(*log, back)) == (1, 5000)
    life = play(*log, saved("06-15", MoveStart("option", day("05-10")), tick=True))
    assert (orders(life), yen(life, "06")) == ([("new", "04", 36000), ("addition", "05", 5000)], [5000])
    assert orders(play(*log, saved("06-15", MoveStart("option", day("06-01")))))[1:] == [("addition", "06", 5000)]


def it_asks_again_before_a_difference_grows_and_lets_it_shrink():
    log = (APRIL, cancelled("04-02", "04-15"), closed("04"), cancelled("05-20", "04-21", tick=True))
    assert yen(play(*log, vendor=prorated()), "05") == [2000]
    assert refusal(play(*log, cancelled("05-21", "04-24"), vendor=prorated())) == (1, 1000)
    assert yen(play(*log, cancelled("05-21", "04-24", tick=True), vendor=prorated()), "05") == [3000]
    assert yen(play(*log, cancelled("05-21", "04-18"), vendor=prorated()), "05") == [1000]
    assert yen(play(*log, cancelled("05-21", "04-15"), vendor=prorated()), "05") == []


def it_charges_nothing_more_of_a_term_that_is_set_aside_but_what_begins_in_it():
    void = (APRIL, cancelled("04-02", "04-15"), closed("04"), Voided(day("05-10"), "2026-04-1"))
    life = play(*void, cancelled("05-20", None), vendor=prorated())
    assert (life.refusals, life.charge_past, yen(life, "05")) == ([], [], [10000])
    option = AddLine(line("option", 3000, "04-21"))
    assert refusal(play(*void, cancelled("05-20", None, option), vendor=prorated())) == (1, 1000)
    option = AddLine(line("option", 3000, "03-21"))  # begins before the contract: on its first day
    assert refusal(play(*void, cancelled("05-20", None, option), vendor=prorated())) == (1, 3000)


def it_charges_nothing_more_of_an_addition_in_a_term_that_is_set_aside():
    option = AddLine(line("option", 12000, "05-10", "06-30"))
    log = (YEAR, closed("04"), saved("05-10", option), closed("05"))
    longer = saved("06-12", MoveEnd("option", day("07-31")))
    assert refusal(play(*log, longer, vendor=prorated())) == (1, 1000)
    assert play(*log, Voided(day("06-11"), "2026-04-1"), longer, vendor=prorated()).refusals == []


def it_wants_a_line_to_end_behind_its_start():
    option = line("option", 3000, "04-10", "04-10")
    assert orders(play(APRIL, saved("04-05", AddLine(option)), vendor=prorated())) == [("new", "04", 10100)]
    assert play(APRIL, saved("04-05", AddLine(line("option", 3000, "04-10", "04-09")))).refusals


def it_takes_what_closed_months_owe_by_a_file_for_no_order_and_names_it():
    late = registered("05-10", "04-01", BASIC, unjudged=True)
    life = play(closed("04"), late, ran("05-11"))
    assert orders(life) == [("renewal", "05", 10000)]
    assert [(past.term, past.yen) for past in life.charge_past] == [(1, 10000)]
    assert refusal(play(closed("04"), late, saved("05-12"))) == (1, 10000)
    assert yen(play(closed("04"), late, saved("05-12", tick=True)), "05") == [10000, 10000]
    assert play(closed("04"), late, saved("05-12", BillFrom(month("05")))).charge_past == []


def it_orders_nothing_before_請求開始年月():
    moved = registered("04-01", "04-01", BASIC, bill_from="06-01")
    assert orders(play(moved, ran("06-01"))) == [("renewal", "06", 10000)]
    life = play(APRIL, ran("05-01"), saved("05-02", BillFrom(month("05"))))
    assert [(order.amount, order.cancelled) for order in life.orders] == [(10000, True), (10000, False)]
    year = (YEAR, closed("04"), cancelled("05-10", "04-30"), cancelled("06-10", None, BillFrom(month("06"))))
    assert orders(play(*year, ran("06-11"))) == [("new", "04", 36000)]


def it_renews_no_further_once_that_is_switched_off():
    life = play(APRIL, ran("05-01"), saved("05-02", Renew(False)), ran("07-01"))
    assert orders(life) == [("new", "04", 10000), ("renewal", "05", 10000)]
    life = play(
        APRIL, ran("05-01"), saved("05-02", Renew(False)), closed("04"), closed("05"), saved("07-02", Renew(True))
    )
    assert orders(life)[2:] == [("renewal", "06", 10000), ("renewal", "07", 10000)]
    once = registered("04-01", "04-01", BASIC, form="once")
    assert orders(play(once, ran("06-01"))) == [("new", "04", 10000)]


def it_withdraws_a_contract_of_which_nothing_is_billed():
    gone = Withdrawn(day("05-09"), "K1")
    life = play(APRIL, ran("05-01"), gone, ran("06-01"))
    assert (orders(life), life.drafts, life.terms(life.contracts["K1"])) == ([], {}, [])
    assert play(APRIL, closed("04"), gone).refusals
    assert play(APRIL, closed("04"), Voided(day("05-09"), "2026-04-1"), gone).refusals == []
    assert play(APRIL, closed("04"), Voided(day("05-09"), "2026-04-1", rebill=True), gone).refusals


# Documents


def it_takes_back_the_credit_that_a_correction_leaves_without_ground():
    log = (APRIL, closed("04"), cancelled("05-12", "04-15"), decided("credit"))
    key = key_of(play(*log, vendor=prorated()), "2026-04-1")
    life = play(*log, Corrected(day("05-14"), "2026-04-1", {key: 3000}), vendor=prorated())
    assert life.balances() == {TEN: 3000}
    life = play(*log, Corrected(day("05-14"), "2026-04-1", {key: 6000}), vendor=prorated())
    assert life.balances() == {TEN: 5000}


def it_takes_up_the_same_credits_in_a_correction_as_far_as_they_fit():
    log = (APRIL, Adjusted(day("04-10"), month("04"), -8000), closed("04"), ran("05-13"))
    key = key_of(play(*log), "2026-04-1")
    life = play(*log, Corrected(day("05-14"), "2026-04-1", {key: 3000}))
    assert (yen(life, "04"), yen(life, "05"), life.balances()) == ([3000, -3000], [10000, -5000], {})
    assert document(life, "04").total == 0


def it_keeps_the_due_date_of_a_correction_unless_it_is_past():
    corrected = [Corrected(day(on), "2026-04-1") for on in ("06-01", "06-02", "06-21")]
    assert [document(play(APRIL, closed("04"), one), "04").due_on for one in corrected] == [
        day("06-01"), day("06-30"), day("07-31"),
    ]  # fmt: skip


def it_goes_back_to_the_orders_if_a_correction_is_asked_to():
    april = play(APRIL, closed("04"))
    lowered = Corrected(day("05-10"), "2026-04-1", {key_of(april, "2026-04-1"): 9000})
    assert yen(play(APRIL, closed("04"), lowered), "04") == [9000]
    again = Corrected(day("05-11"), "2026-04-2", from_orders=True)
    assert yen(play(APRIL, closed("04"), lowered, again), "04") == [10000]


def it_returns_without_regard_to_credits():
    log = (APRIL, Adjusted(day("04-10"), month("04"), -8000), closed("04"), Returned(day("05-10"), "2026-04-1"))
    life = play(*log)
    assert (life.documents[1].net, life.documents[1].total) == (-10000, -11000)
    assert play(*log, Returned(day("05-11"), "2026-04-1")).refusals


def it_voids_what_took_up_credits_of_a_void_document_only_when_told():
    both = registered("04-01", "04-01", BASIC, line("other", 2000))
    log = (
        both,
        closed("04"),
        saved("05-12", MoveEnd("basic", day("04-15"))),
        decided("credit"),
        closed("05"),
        ran("06-09"),
    )
    alone = play(*log, Voided(day("06-10"), "2026-04-1"), vendor=prorated())
    assert alone.refusals[-1].names == ("2026-05-1",)
    life = play(*log, Voided(day("06-10"), "2026-04-1", chain=True), vendor=prorated())
    assert [one.state for one in life.documents] == ["void", "void"]
    assert (life.balances(), proposals(life), yen(life, "06")) == ({}, [], [2000])
    life = play(*log, Voided(day("06-10"), "2026-04-1", rebill=True), vendor=prorated())
    assert (life.refusals, life.balances()) == ([], {})
    assert yen(life, "06") == [10000, 2000, 2000, -3000]
    assert {credit.number for credit in life.credits} == {document(life, "06").number}


def it_bills_again_the_whole_line_of_which_a_part_was_returned():
    log = (APRIL, closed("04"), ran("05-09"), Returned(day("05-09"), "2026-04-1"))
    assert play(*log, Voided(day("05-10"), "2026-04-1", rebill=True)).refusals[-1].names == ("2026-04-2",)
    life = play(*log, Voided(day("05-10"), "2026-04-1", rebill=True, chain=True))
    assert [one.state for one in life.documents] == ["void", "void"]
    assert yen(life, "05") == [10000, 10000]


def it_gives_a_credit_by_hand_up_to_the_line():
    log = (APRIL, closed("04"))
    key = key_of(play(*log), "2026-04-1")
    life = play(*log, Credited(day("05-09"), "2026-04-1", key, 4000), saved("05-10"))
    assert (yen(life, "05"), life.refusals) == ([10000, -4000], [])
    assert play(*log, *[Credited(day("05-09"), "2026-04-1", key, 6000)] * 2).refusals


def it_bills_an_adjustment_once_and_again_only_when_asked():
    log = (APRIL, Adjusted(day("04-10"), month("04"), 3000), closed("04"), ran("05-09"))
    life = play(*log)
    assert (yen(life, "04"), yen(life, "05")) == ([10000, 3000], [10000])
    life = play(*log, Voided(day("05-10"), "2026-04-1", rebill=True))
    assert yen(life, "05") == [10000, 10000, 3000]
    assert play(Adjusted(day("04-10"), month("04"), 3000)).refusals


# Months


def it_parks_a_customer_whose_lines_leave_a_class_below_nothing():
    rebate = registered("04-01", "04-01", line("rebate", -3000), line("food", 5000, kind="reduced"))
    life = play(rebate, closed("04"), closed("05"))
    assert (life.documents, life.parked) == ([], {month("04"), month("05")})
    assert (yen(life, "04"), life.last_closed) == ([5000, -3000], month("05"))


@pytest.mark.parametrize(("text", "on"), [("04", "04-30"), ("03", "04-08"), ("05", "06-08")])
def it_refuses_to_close_a_month_out_of_turn(text, on):
    assert play(APRIL, closed(text, on=on)).refusals


def it_makes_no_term_that_ended_before_the_portal_began():
    life = play(registered("04-01", "2025-11-15", BASIC), ran("04-01"))
    assert [(term.sequence, term.starts_on) for term in life.terms(life.contracts["K1"])] == [(6, day("04-01"))]
    assert orders(life) == [("renewal", "04", 10000)]


# Usage

METERED = (APRIL, MeterPriced(day("04-01"), "K1", "gb", 9, 100, ((500, 7),)))


@pytest.mark.parametrize(
    ("used", "lines"), [(100, [0]), (150, [450, 0]), (Decimal("600.5"), [3600, 703, 0]), (0, [])]
)  # fmt: skip
def it_prices_a_quantity_step_by_step(used, lines):
    life = play(*METERED, Used(day("05-02"), "K1", "gb", month("04"), used))
    assert yen(life, "04") == sorted([10000, *lines], reverse=True)


def it_prices_a_month_by_the_prices_of_that_month():
    dearer = MeterPriced(day("06-03"), "K1", "gb", 20, 0, since=month("06"))
    used = [Used(day("06-02"), "K1", "gb", month(text), 200) for text in ("05", "06")]
    life = play(*METERED, *used, dearer)
    assert (yen(life, "05"), yen(life, "06")) == ([10000, 900, 0], [10000, 4000])
    back = MeterPriced(day("06-03"), "K1", "gb", 20, 0, since=month("04"))
    assert play(*METERED, Used(day("05-02"), "K1", "gb", month("04"), 200), closed("04"), back).refusals


def it_takes_usage_of_standing_terms_only():
    used = [Used(day("06-02"), "K1", "gb", month(text), 200) for text in ("04", "05")]
    life = play(*METERED, cancelled("04-20", "04-30"), *used)
    assert (yen(life, "04"), yen(life, "05"), len(life.refusals)) == ([10000, 900, 0], [], 1)
    life = play(*METERED, *used, cancelled("06-03", "04-30"))
    assert (yen(life, "04"), yen(life, "05")) == ([10000, 900, 0], [])


def it_bills_late_usage_in_the_earliest_open_month_and_keeps_what_is_billed():
    late = Used(day("05-20"), "K1", "gb", month("04"), 200)
    life = play(*METERED, closed("04"), late)
    assert yen(life, "05") == [10000, 900, 0]
    assert play(*METERED, closed("04"), late, closed("05"), Used(day("06-20"), "K1", "gb", month("04"), 300)).refusals
    assert play(*METERED, vendor=Vendor(month("05"))).refusals == []


def it_asks_before_an_order_of_a_closed_month_rises_and_lets_it_fall_or_follow_in_a_run():
    log = (closed("04"), registered("05-10", "04-01", BASIC, tick=True))
    assert refusal(play(*log, saved("05-11", ChangeLine("basic", unit_price=12000)))) == (1, 2000)
    assert yen(play(*log, saved("05-11", ChangeLine("basic", unit_price=12000), tick=True)), "05") == [12000, 12000]
    assert yen(play(*log, saved("05-11", ChangeLine("basic", "from:2026-05", unit_price=12000))), "05") == [
        12000,
        10000,
    ]
    assert yen(play(*log, saved("05-11", ChangeLine("basic", unit_price=9000))), "05") == [9000, 9000]
    by_file = saved("05-11", ChangeLine("basic", unit_price=12000), unjudged=True)
    assert yen(play(*log, by_file, ran("05-12")), "05") == [12000, 12000]
