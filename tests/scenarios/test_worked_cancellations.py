"""The worked examples 5 to 8 and 17 of the billing rules: ends and 解約日 inside what is billed, and taken back."""

from datetime import date

import pytest

from billing.corrections.voiding import void
from billing.models import Invoice
from contracts.models import Contract, Service
from tests.scenarios.words import (
    bill,
    close_month,
    day,
    decide,
    line,
    named,
    new_line,
    orders,
    owed_of,
    refused,
    register,
    run,
    save,
    standing,
    tried,
    yen_of,
)

# 5: a line that ended inside a billed month


@pytest.mark.parametrize("prorated", [True, False])
def it_holds_in_example_5_the_days_behind_a_lines_end_are_proposed(customer, prorated, subtests):
    Service.objects.filter(code="cloud").update(prorate=prorated)
    contract = register(customer, (10000,), (2000,), on="04-01", start="04-01")
    close_month("04", "05-08")
    for end, by_days, may in (
        ("04-15", [5000], [2000]),
        ("04-16", [4667], [2000]),
        ("04-14", [5334], [2000]),
        ("04-30", [], [2000]),
        ("05-15", [], [4838, 2000]),
    ):
        with subtests.test(end), tried():
            save(contract, "05-12", lines=[line(contract, charge_to=day(end))])
            assert yen_of(customer) == (by_days if prorated else [])
            whole = may if prorated or may == [2000] else [10000, 2000]
            assert bill(customer, "05") == whole
    with tried():
        both = [line(contract, position, charge_to=day("04-15")) for position in (1, 2)]
        save(contract, "05-12", lines=both)
        assert yen_of(customer) == ([5000, 1000] if prorated else [])


def it_holds_in_example_5_a_credit_that_no_bill_can_take_up_is_named(prorating, staff):
    contract = register(prorating, (10000,), on="04-01", start="04-01")
    close_month("04", "05-08")
    save(contract, "05-12", lines=[line(contract, charge_to=day("04-15"))])
    assert bill(prorating, "05") is None
    assert len(named("05", "05-12")) == 1
    decide(prorating, "credit", staff)
    assert named("05", "05-12") == []
    assert [row[0] for row in named("05", "05-12", "credit_open")] == ["C0000009"]


# 6: a 解約日 before a billed month


@pytest.fixture
def to_may(customer):
    """April and May are fixed at 10,000, June runs."""
    contract = register(customer, (10000,), on="04-01", start="04-01")
    close_month("04", "05-08")
    close_month("05", "06-03")
    run("06-03")
    return contract


@pytest.fixture
def cancelled(to_may):
    """On 06-04 somebody enters the 解約日 04-30."""
    save(to_may, "06-04", cancel_on=day("04-30"))
    return to_may


def it_holds_in_example_6_what_is_billed_behind_the_cancellation_is_proposed(to_may, subtests):
    for last, proposed in (("04-30", [10000]), ("05-01", []), ("05-31", []), ("04-29", [10000])):
        with subtests.test(last), tried():
            save(to_may, "06-04", cancel_on=day(last))
            assert yen_of(to_may.customer) == proposed
            assert orders(to_may)[2:] == [("06", "renewal", 10000, "reversed")]
            assert [number for number, _text in named("06", "06-04")] == [to_may.number] * len(proposed)


def it_holds_in_example_6_by_the_days_where_the_service_has_them(prorating, subtests):
    contract = register(prorating, (10000,), on="04-01", start="04-01")
    close_month("04", "05-08")
    close_month("05", "06-03")
    for last, by_days in (("04-30", [10000]), ("05-01", [9678]), ("05-31", []), ("04-29", [334, 10000])):
        with subtests.test(last), tried():
            save(contract, "06-04", cancel_on=day(last))
            assert yen_of(prorating) == by_days


def it_holds_in_example_6_the_unbilled_order_goes_and_the_billed_term_stays(cancelled):
    assert orders(cancelled) == [
        ("04", "new", 10000, "billed"), ("05", "renewal", 10000, "billed"), ("06", "renewal", 10000, "reversed"),
    ]  # fmt: skip
    assert bill(cancelled.customer, "06") is None
    assert list(cancelled.terms.standing().order_by("sequence").values_list("starts_on", flat=True)) == [
        day("04-01"), day("05-01"),
    ]  # fmt: skip
    assert Contract.objects.with_state(day("06-10")).get().state == "ended"
    assert Contract.objects.with_state(day("06-10")).get().term_ends_on == day("04-30")


# 7: a 解約日 taken back


@pytest.mark.parametrize(("on", "july"), [("06-10", None), ("07-01", [10000])])
def it_holds_in_example_7_taken_back_undecided_it_needs_no_tick(cancelled, on, july):
    save(cancelled, on, cancel_on=None)
    assert standing(cancelled)[:3] == [("04", "new", 10000), ("05", "renewal", 10000), ("06", "renewal", 10000)]
    assert cancelled.terms.standing().count() == (4 if july else 3)
    assert (bill(cancelled.customer, "06"), bill(cancelled.customer, "07")) == ([10000], july)
    assert yen_of(cancelled.customer) == []


def it_holds_in_example_7_decided_and_with_the_tick(cancelled, staff):
    decide(cancelled.customer, "credit", staff)
    params = refused("charge_past", lambda: save(cancelled, "06-10", cancel_on=None))
    assert params == {"count": 1, "yen": "10,000"}
    save(cancelled, "06-10", cancel_on=None, tick=True)
    assert standing(cancelled) == [
        ("04", "new", 10000), ("05", "renewal", 10000), ("05", "addition", 10000), ("06", "renewal", 10000),
    ]  # fmt: skip
    again = cancelled.orders.get(kind="addition")
    assert (again.is_difference, again.starts_on, again.ends_on) == (True, day("05-01"), day("05-31"))
    assert sorted(bill(cancelled.customer, "06")) == [-10000, 10000, 10000]
    close_month("06", "07-03")
    run("07-04")
    assert save(cancelled, "07-04", note="x") == {}


def it_holds_in_example_7_only_the_line_that_was_credited_is_charged_again(customer, staff):
    contract = register(customer, (10000,), (2000,), on="04-01", start="04-01")
    close_month("04", "05-08")
    close_month("05", "06-03")
    save(contract, "06-04", cancel_on=day("04-30"))
    assert yen_of(customer) == [10000, 2000]
    decide(customer, "credit", staff, item="品目1")
    assert refused("charge_past", lambda: save(contract, "06-10", cancel_on=None)) == {"count": 1, "yen": "10,000"}
    save(contract, "06-10", cancel_on=None, tick=True)
    assert sorted(bill(customer, "06")) == [-10000, 2000, 10000, 10000]


def it_holds_in_example_7_what_was_refused_is_charged_no_second_time(cancelled, staff):
    decide(cancelled.customer, "refused", staff)
    save(cancelled, "06-10", cancel_on=None)
    assert standing(cancelled) == [("04", "new", 10000), ("05", "renewal", 10000), ("06", "renewal", 10000)]


@pytest.mark.parametrize(
    ("since", "undecided", "june", "july"),
    [("07", True, None, [10000, -10000]), ("06", True, [10000, -10000], [10000]), ("05", False, None, None)],
)
def it_holds_in_example_7_billed_again_from_a_month_on(cancelled, staff, since, undecided, june, july):
    back = {"cancel_on": None, "bill_from": day(f"{since}-01")}
    if undecided:
        params = refused("undecided", lambda: save(cancelled, "06-10", **back))
        assert params == {"names": ["2026-05 品目1 10,000円"]}
    decide(cancelled.customer, "credit", staff)
    if not undecided:  # May isn't cut away, and would be charged again
        assert refused("charge_past", lambda: save(cancelled, "06-10", **back)) == {"count": 1, "yen": "10,000"}
        return
    save(cancelled, "06-10", **back)
    run("07-01")
    assert (bill(cancelled.customer, "06"), bill(cancelled.customer, "07")) == (june, july)


# 8: a year cut short


def it_holds_in_example_8_a_year_cut_short_owes_the_months_it_touches(prorating, subtests):
    contract = register(prorating, (36000,), (12000,), on="04-01", start="04-01", form="yearly")
    with tried():  # not billed yet
        save(contract, "05-07", cancel_on=day("09-15"))
        assert (standing(contract), yen_of(prorating)) == ([("04", "new", 24000)], [])
    close_month("04", "05-08")
    for on, owes in (("09-15", 18000), ("09-01", 18000), ("09-30", 18000), ("08-31", 15000), ("10-01", 21000)):
        with subtests.test(on), tried():
            save(contract, "09-01", cancel_on=day(on))
            assert owed_of(contract) == [(owes, 36000), (owes // 3, 12000)]
            assert yen_of(prorating) == [36000 - owes, 12000 - owes // 3]
            assert standing(contract) == [("04", "new", 48000)]
    save(contract, "09-01", cancel_on=date(2027, 3, 1))
    assert yen_of(prorating) == []


def it_holds_in_example_8_without_日割_a_year_is_owed_whole(customer):
    contract = register(customer, (36000,), on="04-01", start="04-01", form="yearly")
    close_month("04", "05-08")
    save(contract, "09-01", cancel_on=day("09-15"))
    assert (owed_of(contract), yen_of(customer)) == ([(36000, 36000)], [])
    Service.objects.filter(code="cloud").update(prorate=True)  # which changes nothing that is billed
    save(contract, "09-02", cancel_on=day("09-14"))
    assert (owed_of(contract), yen_of(customer)) == ([(36000, 36000)], [])


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
    assert not named("04", "05-21", "recount")  # its yen are owed as they are, not once more by the days
    close_month("05", "06-03")
    assert not named("04", "06-03", "recount")
    save(half_april, "06-04", note="x")
    assert [row[1:3] for row in orders(half_april) if row[1] == "addition"] == [("addition", 5000)]


def it_holds_in_example_17_the_difference_is_what_the_days_owe(half_april, subtests):
    for end, yen in (("04-16", 333), ("04-20", 1666), ("04-30", 5000)):
        with subtests.test(end), tried():
            save(half_april, "05-20", cancel_on=day(end), tick=True)
            assert standing(half_april) == [("04", "new", 5000), ("04", "addition", yen)]


def it_holds_in_example_17_without_the_tick_nothing_is_stored(half_april):
    params = refused("charge_past", lambda: save(half_april, "05-20", cancel_on=None))
    assert params == {"count": 1, "yen": "5,000"}
    half_april.refresh_from_db()
    assert half_april.cancel_on == day("04-15")


def it_holds_in_example_17_every_closed_month_counts(half_april):
    close_month("05", "06-03")
    params = refused("charge_past", lambda: save(half_april, "06-20", cancel_on=None))
    assert params == {"count": 2, "yen": "15,000"}
    save(half_april, "06-20", cancel_on=None, tick=True)
    assert sorted(bill(half_april.customer, "06")) == [5000, 10000, 10000]


def it_holds_in_example_17_billed_from_a_later_month_it_needs_no_tick(half_april):
    save(half_april, "05-20", cancel_on=None, bill_from=day("05-01"))
    assert standing(half_april) == [("04", "new", 5000), ("05", "renewal", 10000)]


def it_holds_in_example_17_without_日割_nothing_is_left_to_charge(customer):
    contract = register(customer, (10000,), on="04-01", start="04-01")
    save(contract, "04-10", cancel_on=day("04-15"))
    close_month("04", "05-08")
    save(contract, "05-20", cancel_on=None)
    assert standing(contract) == [("04", "new", 10000), ("05", "renewal", 10000)]


def it_holds_in_example_17_another_line_has_no_part_in_it(half_april):
    """What begins behind the days that were billed is a line of May's, not of April's difference."""
    save(half_april, "05-20", cancel_on=None, lines=[new_line(3000, charge_from=day("05-01"))], tick=True)
    assert standing(half_april) == [("04", "new", 5000), ("04", "addition", 5000), ("05", "renewal", 13000)]


def it_holds_in_example_17_the_difference_stays_when_its_month_is_void_and_billed_again(half_april):
    save(half_april, "05-20", cancel_on=None, tick=True)
    april = Invoice.objects.get(customer=half_april.customer, month=day("04-01"))
    void(april, rebill=True, reason="宛名違い", by=None, today=day("05-21"))
    assert standing(half_april) == [("04", "new", 5000), ("04", "addition", 5000), ("05", "renewal", 10000)]
    assert sorted(bill(half_april.customer, "05")) == [5000, 5000, 10000]
