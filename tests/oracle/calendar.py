"""Months, terms and the bank's calendar. A month is the date of its first day; every range includes both ends."""

from datetime import date, timedelta
from functools import cache

import holidays

MONTHLY, YEARLY, ONCE = "monthly", "yearly", "once"
DAY = timedelta(days=1)


def month_of(day):
    return day.replace(day=1)


def later(month, n):
    """The month `n` months later."""
    place = month.year * 12 + month.month - 1 + n
    return date(place // 12, place % 12 + 1, 1)


def last_day(month):
    return later(month, 1) - DAY


def days(first, last):
    return (last - first).days + 1


def months_touched(first, last):
    return (last.year - first.year) * 12 + last.month - first.month + 1


def overlap(first, last, other_first, other_last):
    """The days that two ranges have in common, an open end being None; None if there are none."""
    begin = max(day for day in (first, other_first) if day)
    ends = [day for day in (last, other_last) if day]
    end = min(ends) if ends else date.max
    return (begin, end) if begin <= end else None


def natural_term(form, start_on, sequence):
    """First and last day of a contract's term, counted from 1, before any 解約日 (D2)."""
    length = 12 if form == YEARLY else 1
    month = later(month_of(start_on), (sequence - 1) * length)
    return (start_on if sequence == 1 else month), later(month, length) - DAY


@cache
def _closed_days(year):
    return holidays.country_holidays("JP", years=year, categories=("public", "bank"))


def business_day(day, step):
    """The day itself, or the next one in the direction of `step` on which banks work."""
    while day.weekday() > 4 or day in _closed_days(day.year):
        day += step * DAY
    return day


def due_on(month, fixed_on, payment_months=1, shift="next"):
    """支払期日 of a month's document: D4, and at least 10 days after it is fixed, else the next month's end (D36)."""
    while True:
        day = last_day(later(month, payment_months))
        if shift != "none":
            day = business_day(day, 1 if shift == "next" else -1)
        if fixed_on is None or (day - fixed_on).days >= 10:
            return day
        payment_months += 1
