"""Months, bank business days and due dates."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal import reading
from portal.months import (
    TOKYO,
    add_months,
    days,
    days_in_month,
    due_on,
    format_month,
    is_business_day,
    is_over,
    last_day,
    month_of,
    months_between,
    next_business_day,
    nth_business_day_after,
    previous_business_day,
    today,
)

DAY = timedelta(days=1)


def d(text):
    return date.fromisoformat(text)


# Months


def test_a_month_is_written_with_four_digits_of_its_year():
    assert format_month(d("2026-04-17")) == "2026-04"
    assert format_month(date(999, 1, 1)) == "0999-01"


@settings(max_examples=200, deadline=None)
@given(st.dates(date(1900, 1, 1), date(2999, 12, 31)))
def test_every_month_survives_being_written_and_read(day):
    assert reading.month(format_month(day)) == month_of(day)


@pytest.mark.parametrize(
    ("month", "last"),
    [
        ("2026-01-01", "2026-01-31"),
        ("2026-02-11", "2026-02-28"),
        ("2028-02-29", "2028-02-29"),
        ("2026-12-31", "2026-12-31"),
    ],
)
def test_a_month_knows_its_days(month, last):
    assert last_day(d(month)) == d(last)
    assert days_in_month(d(month)) == d(last).day
    assert month_of(d(last)) == d(last).replace(day=1)


@pytest.mark.parametrize(
    ("month", "n", "result"),
    [
        ("2026-01-01", 1, "2026-02-01"),
        ("2026-12-01", 1, "2027-01-01"),
        ("2026-01-01", -1, "2025-12-01"),
        ("2026-04-01", 0, "2026-04-01"),
        ("2026-04-01", 33, "2029-01-01"),
        ("2026-04-01", -16, "2024-12-01"),
        ("2026-01-31", 1, "2026-02-01"),
    ],
)
def test_months_can_be_added(month, n, result):
    assert add_months(d(month), n) == d(result)


def test_months_between_has_both_ends():
    assert list(map(format_month, months_between(d("2025-11-01"), d("2026-02-01")))) == [
        "2025-11",
        "2025-12",
        "2026-01",
        "2026-02",
    ]
    assert list(months_between(d("2026-02-01"), d("2026-02-28"))) == [d("2026-02-01")]
    assert list(months_between(d("2026-03-01"), d("2026-02-01"))) == []


def test_days_counts_both_ends():
    assert days(d("2026-10-20"), d("2026-10-31")) == 12
    assert days(d("2026-10-20"), d("2026-10-20")) == 1
    with pytest.raises(ValueError, match="lies before"):
        days(d("2026-10-20"), d("2026-10-19"))


@pytest.mark.parametrize(
    ("utc", "in_tokyo"),
    [
        ("2026-04-30T14:59:59", "2026-04-30"),
        ("2026-04-30T15:00:00", "2026-05-01"),
        ("2026-04-30T00:00:00", "2026-04-30"),
    ],
)
def test_the_day_changes_at_midnight_in_tokyo(utc, in_tokyo):
    assert today(datetime.fromisoformat(utc).replace(tzinfo=UTC)) == d(in_tokyo)


def test_today_without_a_time_is_now_in_tokyo():
    before = datetime.now(TOKYO).date()
    assert before <= today() <= datetime.now(TOKYO).date()


def test_a_time_without_a_zone_has_no_day():
    with pytest.raises(ValueError, match="without a zone"):
        today(datetime(2026, 4, 30, 12))


@pytest.mark.parametrize(("day", "over"), [("2026-04-29", False), ("2026-04-30", False), ("2026-05-01", True)])
def test_a_month_is_over_the_day_after_its_last(day, over):
    assert is_over(d("2026-04-01"), d(day)) is over


# Business days


@pytest.mark.parametrize(
    ("day", "following"),
    [
        ("2025-02-21", "2025-02-25"),
        ("2025-05-02", "2025-05-07"),
        ("2025-11-21", "2025-11-25"),
        ("2025-12-30", "2026-01-05"),
        ("2026-05-01", "2026-05-07"),
        ("2026-09-18", "2026-09-24"),
        ("2026-11-20", "2026-11-24"),
        ("2026-12-30", "2027-01-04"),
        ("2027-03-19", "2027-03-23"),
        ("2027-12-30", "2028-01-04"),
    ],
)
def test_between_two_neighbouring_business_days_banks_are_closed(day, following):
    assert next_business_day(d(day)) == d(day)
    assert next_business_day(d(day) + DAY) == d(following)
    assert previous_business_day(d(following) - DAY) == d(day)
    assert previous_business_day(d(following)) == d(following)


@pytest.mark.parametrize("day", ["2024-12-31", "2025-01-01", "2025-01-02", "2025-01-03", "2026-05-06", "2026-09-22"])
def test_banks_rest_at_new_year_and_on_substitute_and_in_between_holidays(day):
    assert d(day).weekday() < 5
    assert not is_business_day(d(day))


@pytest.mark.parametrize(
    ("month", "fifth"),
    [
        ("2024-03", "2024-04-05"),
        ("2024-04", "2024-05-09"),
        ("2025-12", "2026-01-09"),
        ("2026-04", "2026-05-12"),
        ("2026-08", "2026-09-07"),
        ("2026-09", "2026-10-07"),
        ("2026-10", "2026-11-09"),
        ("2026-11", "2026-12-07"),
        ("2026-12", "2027-01-08"),
        ("2027-01", "2027-02-05"),
        ("2027-04", "2027-05-12"),
    ],
)
def test_an_invoice_is_fixed_by_the_fifth_business_day(month, fifth):
    assert nth_business_day_after(d(f"{month}-01")) == d(fifth)


def test_business_days_are_counted_one_by_one():
    month = d("2026-04-01")
    found = [nth_business_day_after(month, n) for n in (1, 2, 3, 4)]
    assert found == [d("2026-05-01"), d("2026-05-07"), d("2026-05-08"), d("2026-05-11")]
    with pytest.raises(ValueError, match="counted from 1"):
        nth_business_day_after(month, 0)


def test_the_vendors_own_days_move_business_days():
    off, on = {d("2026-12-29"), d("2026-12-30")}, {d("2026-12-31"), d("2027-01-02")}
    assert next_business_day(d("2026-12-29"), off=off) == d("2027-01-04")
    assert previous_business_day(d("2026-12-31"), off=off) == d("2026-12-28")
    assert next_business_day(d("2026-12-29"), off=off, on=on) == d("2026-12-31")
    assert previous_business_day(d("2027-01-03"), on=on) == d("2027-01-02")
    assert nth_business_day_after(d("2026-12-01"), 2, on=on) == d("2027-01-04")
    assert nth_business_day_after(d("2026-11-01"), 2, off={d("2026-12-02")}) == d("2026-12-03")


def test_a_day_that_is_worked_stays_worked_even_if_it_is_closed_too():
    assert is_business_day(d("2026-12-29"), off={d("2026-12-29")}, on={d("2026-12-29")})


# Due dates


@pytest.mark.parametrize(
    ("month_end", "following", "previous"),
    [
        ("2025-05-31", "2025-06-02", "2025-05-30"),
        ("2025-08-31", "2025-09-01", "2025-08-29"),
        ("2025-11-30", "2025-12-01", "2025-11-28"),
        ("2025-12-31", "2026-01-05", "2025-12-30"),
        ("2026-01-31", "2026-02-02", "2026-01-30"),
        ("2026-02-28", "2026-03-02", "2026-02-27"),
        ("2026-05-31", "2026-06-01", "2026-05-29"),
        ("2026-10-31", "2026-11-02", "2026-10-30"),
        ("2026-12-31", "2027-01-04", "2026-12-30"),
        ("2027-01-31", "2027-02-01", "2027-01-29"),
        ("2027-12-31", "2028-01-04", "2027-12-30"),
        ("2026-11-30", "2026-11-30", "2026-11-30"),
    ],
)
def test_a_due_date_leaves_bank_holidays_the_way_the_customer_agreed(month_end, following, previous):
    month = add_months(d(month_end), -1)
    assert due_on(month) == due_on(month, shift="next") == d(following)
    assert due_on(month, shift="previous") == d(previous)
    assert due_on(month, shift="none") == d(month_end)


@pytest.mark.parametrize(
    ("months_later", "due"), [(0, "2026-11-30"), (1, "2027-01-04"), (2, "2027-02-01"), (3, "2027-03-01")]
)
def test_payment_can_be_due_more_or_fewer_months_later(months_later, due):
    assert due_on(d("2026-11-01"), months_later=months_later) == d(due)


def test_the_vendors_own_days_move_due_dates():
    november = d("2026-11-01")
    assert due_on(november, off={d("2027-01-04")}) == d("2027-01-05")
    assert due_on(november, on={d("2026-12-31")}) == d("2026-12-31")
    assert due_on(november, shift="previous", off={d("2026-12-30")}) == d("2026-12-29")


def test_an_unknown_shift_is_refused():
    with pytest.raises(ValueError, match="no shift"):
        due_on(d("2026-11-01"), shift="nearest")
