"""The calendar: months, contract terms, bank business days and due dates.

A month is the `date` of its first day, and where a month is taken any day of it will do. All ranges are inclusive.
"""

from calendar import monthrange
from collections.abc import Collection, Iterator
from datetime import date, datetime, timedelta
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import holidays

TOKYO = ZoneInfo("Asia/Tokyo")
MONTHLY, YEARLY, ONCE = "monthly", "yearly", "once"
_TERM_MONTHS = {MONTHLY: 1, YEARLY: 12, ONCE: 1}
ONE_DAY = timedelta(days=1)
LEAST_DAYS_TO_PAY = 10  # from 確定日 to 支払期日 (D36)
Days = Collection[date]


class Term(NamedTuple):
    """One 契約期間: `sequence` counts from 1 at the contract's start; both dates belong to the term."""

    sequence: int
    starts_on: date
    ends_on: date


def format_month(month: date) -> str:
    """The month as "2026-04"."""
    return f"{month.year:04}-{month.month:02}"


def month_of(day: date) -> date:
    """The month in which the day lies."""
    return date(day.year, day.month, 1)


def last_day(month: date) -> date:
    """The month's last day."""
    return date(month.year, month.month, days_in_month(month))


def add_months(month: date, n: int) -> date:
    """The month `n` months later, or earlier when `n` is negative."""
    return _month_at(_position(month) + n)


def months_between(first: date, last: date) -> Iterator[date]:
    """Iterate over the months from `first` to `last`, both included; none when `last` is earlier."""
    return map(_month_at, range(_position(first), _position(last) + 1))


def days_in_month(month: date) -> int:
    """How many days the month has."""
    return monthrange(month.year, month.month)[1]


def days(starts_on: date, ends_on: date) -> int:
    """How many days there are from `starts_on` to `ends_on`, both counted. Raises ValueError if the end comes first."""
    if ends_on < starts_on:
        raise ValueError(f"{ends_on} lies before {starts_on}")
    return (ends_on - starts_on).days + 1


def today(now: datetime | None = None) -> date:
    """The date in Japan, now or at the aware datetime `now`. Raises ValueError for a naive one."""
    if now is None:
        now = datetime.now(TOKYO)
    elif now.tzinfo is None:
        raise ValueError("a time without a zone has no date in Japan")
    return now.astimezone(TOKYO).date()


def is_over(month: date, today: date) -> bool:
    """Whether the month has ended by the day `today`."""
    return last_day(month) < today


def terms(
    form: str,
    start_on: date,
    *,
    auto_renew: bool = True,
    end_on: date | None = None,
    since: date | None = None,
    until: date,
) -> list[Term]:
    """The contract's terms that start on or before `until` and don't end before `since` (D1, D2), as a list of `Term`.

    The first term starts on `start_on`, later ones on the 1st; a monthly term lasts to its month's end, a yearly one
    through the eleven months after its first. ONCE, and any form without `auto_renew`, has the first term only.
    `end_on` (解約日) cuts the term in which it lies and nothing follows; before `start_on` it leaves no term at all.
    Only the returned terms are computed, however old the contract is. Raises ValueError for an unknown form.
    """
    if end_on is not None:
        until = min(until, end_on)
    first = _number_at(form, start_on, since or start_on)
    last = _number_at(form, start_on, until) if _renews(form, auto_renew) else 0
    found = (_term(form, start_on, end_on, number) for number in range(first, last + 1))
    return [term for term in found if term.starts_on <= until and (since is None or term.ends_on >= since)]


def next_term(
    form: str, start_on: date, *, auto_renew: bool = True, end_on: date | None = None, after: date
) -> Term | None:
    """The first `Term` that starts later than the date `after`, or None. Arguments and errors are those of `terms`."""
    number = 0 if after < start_on else _number_at(form, start_on, after) + 1
    term = _term(form, start_on, end_on, number)
    if (number and not _renews(form, auto_renew)) or term.ends_on < term.starts_on:
        return None
    return term


def is_business_day(day: date, *, off: Days = frozenset(), on: Days = frozenset()) -> bool:
    """Whether banks work that day (銀行法 15条, 施行令 5条): no weekend, no public holiday, not 12-31 to 01-03.

    `off` are further dates on which the vendor is closed, `on` dates that count as business days whatever else is said.
    """
    if day in on:
        return True
    return day.weekday() < 5 and day not in off and day not in _bank_holidays(day.year)


def next_business_day(day: date, *, off: Days = frozenset(), on: Days = frozenset()) -> date:
    """The day itself if it is a business day, else the first one after it."""
    while not is_business_day(day, off=off, on=on):
        day += ONE_DAY
    return day


def previous_business_day(day: date, *, off: Days = frozenset(), on: Days = frozenset()) -> date:
    """The day itself if it is a business day, else the last one before it."""
    while not is_business_day(day, off=off, on=on):
        day -= ONE_DAY
    return day


def nth_business_day_after(month: date, n: int = 5, *, off: Days = frozenset(), on: Days = frozenset()) -> date:
    """The n-th business day after the month's end; the fifth is the 確定予定日 (A7, D5).

    Raises ValueError if n is below 1.
    """
    if n < 1:
        raise ValueError(f"business days are counted from 1, not {n}")
    day = last_day(month)
    for _ in range(n):
        day = next_business_day(day + ONE_DAY, off=off, on=on)
    return day


def business_days_between(day: date, until: date, *, off: Days = frozenset(), on: Days = frozenset()) -> int:
    """How many business days lie after `day`, up to and with `until`; 0 if `until` isn't later."""
    count = 0
    while day < until:
        day += ONE_DAY
        count += is_business_day(day, off=off, on=on)
    return count


def due_on(
    month: date,
    *,
    months_later: int = 1,
    shift: str = "next",
    fixed_on: date | None = None,
    off: Days = frozenset(),
    on: Days = frozenset(),
) -> date:
    """The 支払期日 of the month's invoice: the end of the month `months_later`, moved off bank holidays (D4).

    Where that leaves fewer than LEAST_DAYS_TO_PAY from `fixed_on` (確定日), it is the next month's end that leaves them
    (D36). `shift` is "next" (民法 142条), "previous" or "none"; anything else is a ValueError.
    """
    while True:
        day = _shifted(last_day(add_months(month, months_later)), shift, off, on)
        if fixed_on is None or (day - fixed_on).days >= LEAST_DAYS_TO_PAY:
            return day
        months_later += 1


def _shifted(day: date, shift: str, off: Days, on: Days) -> date:
    if shift == "next":
        return next_business_day(day, off=off, on=on)
    if shift == "previous":
        return previous_business_day(day, off=off, on=on)
    if shift == "none":
        return day
    raise ValueError(f"{shift!r} is no shift; there are next, previous and none")


def _position(month: date) -> int:
    return month.year * 12 + month.month - 1


def _month_at(position: int) -> date:
    return date(position // 12, position % 12 + 1, 1)


def _length(form: str) -> int:
    if form not in _TERM_MONTHS:
        raise ValueError(f"{form!r} is no contract form; there are {', '.join(_TERM_MONTHS)}")
    return _TERM_MONTHS[form]


def _renews(form: str, auto_renew: bool) -> bool:
    return auto_renew and form != ONCE


def _number_at(form: str, start_on: date, day: date) -> int:
    """Which term, counted from 0, has the day's month; 0 for days before the contract too."""
    return max(0, (_position(day) - _position(start_on)) // _length(form))


def _term(form: str, start_on: date, end_on: date | None, number: int) -> Term:
    """The term of that number, counted from 0; when `end_on` lies before it, it ends before it starts."""
    first = add_months(start_on, number * _length(form))
    ends_on = last_day(add_months(first, _length(form) - 1))
    if end_on is not None:
        ends_on = min(ends_on, end_on)
    return Term(number + 1, first if number else start_on, ends_on)


@cache
def _bank_holidays(year: int) -> frozenset[date]:
    categories = (holidays.PUBLIC, holidays.BANK)
    return frozenset(holidays.country_holidays("JP", years=year, categories=categories))
