"""The model's own arithmetic and calendar by known values, and what holds of every life that it plays."""

from copy import deepcopy
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.oracle import arithmetic as ar
from tests.oracle import calendar as cal
from tests.oracle import events as ev
from tests.oracle import play
from tests.oracle.life import step
from tests.oracle.lives import FIRST, lives
from tests.oracle.proof import faults
from tests.oracle.words import day, document, line, month, prorated, registered, yen
from tests.oracle.words import play as lived

TEN, EIGHT = Decimal("0.10"), Decimal("0.08")


def taxed(*parts, mode="down"):
    """(base, tax) of each class; parts are (yen, rate) or (yen, rate, basis)."""
    lines = [(ar.Class("standard", part[1], part[2] if len(part) > 2 else "exclusive"), part[0]) for part in parts]
    return [(total.base, total.tax) for total in ar.totals(lines, mode)]


@pytest.mark.parametrize(
    ("amount", "rate", "down", "half_up", "up"),
    [
        (315, TEN, 31, 32, 32),
        (3045, TEN, 304, 305, 305),
        (2474, EIGHT, 197, 198, 198),
        (9999, TEN, 999, 1000, 1000),
        (1, TEN, 0, 0, 1),
        (5, TEN, 0, 1, 1),
        (13, EIGHT, 1, 1, 2),
        (999999999, TEN, 99999999, 100000000, 100000000),
        (-3045, TEN, -304, -305, -305),
    ],
)
def it_taxes_once_in_each_mode(amount, rate, down, half_up, up):
    found = [taxed((amount, rate), mode=mode)[0][1] for mode in ("down", "half_up", "up")]
    assert found == [down, half_up, up]


@pytest.mark.parametrize(
    ("gross", "rate", "down", "half_up"), [(1999, TEN, 181, 182), (1413, EIGHT, 104, 105), (2530, TEN, 230, 230)]
)
def it_finds_the_tax_within_a_price(gross, rate, down, half_up):
    assert taxed((gross, rate, "inclusive")) == [(gross - down, down)]
    assert taxed((gross, rate, "inclusive"), mode="half_up") == [(gross - half_up, half_up)]


def it_totals_an_invoice_of_several_classes():
    for mode, total in (("down", 6020), ("half_up", 6022), ("up", 6022)):
        assert sum(map(sum, taxed((3045, TEN), (2474, EIGHT), mode=mode))) == total
    assert taxed((105, TEN), (105, TEN), (105, TEN)) == [(315, 31)]
    assert sum(map(sum, taxed((10000, TEN), (200, Decimal(0))))) == 11200


def it_brings_both_bases_to_one_before_it_taxes():
    assert taxed((1000, TEN), (1999, TEN, "inclusive")) == [(2818, 281)]


@pytest.mark.parametrize(
    ("amount", "weights", "parts"),
    [(1000, [8000, 2000], [800, 200]), (1000, [7777, 3333], [700, 300]), (1, [1, 2], [0, 1])],
)
def it_splits_a_discount_in_proportion(amount, weights, parts):
    assert ar.split(amount, weights) == parts


def it_taxes_what_is_left_after_a_discount():
    food = line("food", 2000, kind="reduced")
    life = lived(
        registered("04-01", "04-01", line("basic", 8000), food), ev.Discounted(day("04-20"), month("04"), 1000)
    )
    april = document(life, "04")
    assert [(total.base, total.tax) for total in april.totals] == [(7200, 720), (1800, 144)]
    assert april.total == 9864


def it_names_what_a_discount_leaves_and_gives_the_rest_of_the_class_to_credits():
    april = registered("04-01", "04-01", line("basic", 8000))
    credit = ev.Adjusted(day("04-10"), month("04"), -5000)
    life = lived(april, credit, ev.Discounted(day("04-20"), month("04"), 6000))
    assert (yen(life, "04"), life.balances()[ar.Class("standard", TEN, "exclusive")]) == ([8000, -2000, -6000], 3000)
    life = lived(april, credit, ev.Discounted(day("04-20"), month("04"), 9000))
    assert (yen(life, "04"), life.lapsed) == ([8000, -8000], {month("04"): 1000})


def it_lets_a_discount_go_with_its_invoice():
    first = registered("04-01", "04-01", line("basic", 8000)), ev.Discounted(day("04-20"), month("04"), 6000)
    gone = lived(*first, ev.Withdrawn(day("04-21"), "K1"))
    assert gone.drafts == {}
    back = lived(
        *first, ev.Withdrawn(day("04-21"), "K1"), registered("04-22", "04-01", line("basic", 7000), contract="K2")
    )
    assert yen(back, "04") == [7000]


@pytest.mark.parametrize(
    ("price", "start", "last", "amount"),
    [
        (10000, "2026-10-20", None, 3870),
        (10000, "2026-02-15", None, 5000),
        (10000, "2026-01-31", None, 322),
        (10000, "2026-02-01", None, 10000),
        (10000, "2026-08-01", "2026-08-15", 4838),
        (9800, "2026-11-16", None, 4900),
    ],
)
def it_prorates_by_the_days_of_the_month(price, start, last, amount):
    more = {"cancel_on": last} if last else {}
    life = lived(registered(start, start, line("basic", price), **more), vendor=prorated("01"))
    assert [order.amount for order in life.orders] == [amount]


@pytest.mark.parametrize("first", [date(2024, 1, 1) + timedelta(days=n) for n in range(0, 2190, 37)])
@pytest.mark.parametrize("form", [cal.MONTHLY, cal.YEARLY])
def it_makes_terms_without_gap_or_overlap(form, first):
    spans = [cal.natural_term(form, first, sequence) for sequence in range(1, 30)]
    assert spans[0][0] == first
    for (_first, last), (following, _last) in pairwise(spans):
        assert following == last + cal.DAY
        assert (following.day, (last + cal.DAY).month == first.month or form == cal.MONTHLY) == (1, True)


@pytest.mark.parametrize(
    ("text", "following", "previous"),
    [
        ("2025-05", "2025-06-02", "2025-05-30"),
        ("2025-08", "2025-09-01", "2025-08-29"),
        ("2025-11", "2025-12-01", "2025-11-28"),
        ("2025-12", "2026-01-05", "2025-12-30"),
        ("2026-01", "2026-02-02", "2026-01-30"),
        ("2026-02", "2026-03-02", "2026-02-27"),
        ("2026-05", "2026-06-01", "2026-05-29"),
        ("2026-10", "2026-11-02", "2026-10-30"),
        ("2026-12", "2027-01-04", "2026-12-30"),
        ("2027-01", "2027-02-01", "2027-01-29"),
        ("2027-12", "2028-01-04", "2027-12-30"),
    ],
)
def it_shifts_a_due_date_off_the_bank_s_holidays(text, following, previous):
    before = cal.later(month(text), -1)
    assert cal.due_on(before, None) == day(following)
    assert cal.due_on(before, None, shift="previous") == day(previous)
    assert cal.due_on(before, None, shift="none") == cal.last_day(month(text))


untidy = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@settings(untidy, max_examples=20)
@given(lives(months=8))
def it_adds_up_after_every_event_of_an_untidy_life(drawn):
    adds_up(*drawn)


@pytest.mark.nightly
@settings(untidy, max_examples=400)
@given(lives(months=14))
def it_adds_up_after_every_event_of_many_untidy_lives(drawn):
    adds_up(*drawn)


def adds_up(vendor, log):
    life, taken_back = play(vendor, []), False
    for place, event in enumerate(log):
        before = deepcopy(life)
        life = step(life, event, place)
        assert faults(life) == []
        # An order whose bill was taken back is reckoned anew, and may owe more by what changed meanwhile: told, not charged.
        taken_back = taken_back or isinstance(event, ev.Voided)
        assert life.charge_past == [] or taken_back, "only a save with the tick charges closed months"
        if len(life.refusals) > len(before.refusals):
            before.refusals = life.refusals
            assert life == before, "what is refused changes nothing"
        if isinstance(event, (ev.Ran, ev.Closed)):
            made = life.orders[len(before.orders) :]
            assert all(before.is_open(order.month) for order in made), "runs never make orders of closed months"
        for former, document_now in zip(before.documents, life.documents, strict=False):
            assert (former.lines, former.totals, former.due_on) == (
                document_now.lines,
                document_now.totals,
                document_now.due_on,
            )
        for draft in life.drafts.values():
            taken = {part.cls for part in draft.lines if part.credit is not None}
            assert all(sum(part.amount for part in draft.lines if part.cls == cls) >= 0 for cls in taken)
    assert play(vendor, log) == life


@untidy
@given(
    st.sampled_from(["monthly", "yearly", "once"]),
    st.integers(0, 120),
    st.none() | st.integers(0, 300),
    st.lists(st.tuples(st.integers(1, 40000), st.integers(0, 200)), min_size=1, max_size=3),
    st.booleans(),
)
def it_bills_the_terms_of_a_tidy_life(form, start, stay, priced, by_days):
    """Everything is entered in time; what a line owes of its terms is counted here a second time, day by day."""
    first = FIRST + timedelta(days=start)
    last = first + timedelta(days=stay) if stay is not None else None
    lines = [
        ev.NewLine(f"L{place}", price, charge_from=first + timedelta(days=begins))
        for place, (price, begins) in enumerate(priced)
    ]
    log = [ev.Registered(FIRST, "K1", first, tuple(lines), form=form, cancel_on=last)]
    for n in range(15):
        log += [ev.Ran(cal.later(FIRST, n)), ev.Ran(cal.last_day(cal.later(FIRST, n)))]
        log += [ev.Closed(cal.later(FIRST, n + 1).replace(day=8), cal.later(FIRST, n))]
    life = play(ev.Vendor(FIRST, prorated=("cloud",) if by_days else ()), log)
    until = cal.last_day(cal.later(FIRST, 14))
    owed = sum(counted_by_days(form, first, last, until, one, by_days) for one in lines)
    assert sum(one.net for one in life.documents) == owed
    assert not life.proposals()
    assert not life.refusals


def counted_by_days(form, first, last, until, one, by_days):
    """Yen of a line: each day in use belongs to a term, and a term is charged whole or by its days or months."""
    used = {}
    on = max(first, one.charge_from)
    horizon = until + timedelta(days=366) if form == "yearly" else until
    while on <= min(horizon, last or horizon):
        months = (on.year - first.year) * 12 + on.month - first.month
        sequence = {"monthly": months, "yearly": months // 12, "once": months}[form]
        if form != "once" or sequence == 0:
            used.setdefault(sequence, []).append(on)
        on += timedelta(days=1)
    total = 0
    for days in used.values():
        if days[0] > until:
            continue
        share = Fraction(1)
        if by_days and form == "monthly":
            share = Fraction(len(days), cal.last_day(days[0].replace(day=1)).day)
        if by_days and form == "yearly":
            share = Fraction(len({(each.year, each.month) for each in days}), 12)
        total += int(one.unit_price * share)
    return total
