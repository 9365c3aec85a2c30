"""Numbers of customers, contracts, orders, invoices and inquiries (D20): unique, never reused, gaps allowed."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from threading import local

from django.db import connection

CUSTOMER, CONTRACT = "C", "K"
_thread = local()


def order_series(month: date) -> str:
    return f"O{month:%Y%m}-"


def invoice_series(month: date) -> str:
    return f"B{month:%Y%m}-"


def inquiry_series(month: date) -> str:
    """The one series that the web may count on (its role sees no other)."""
    return f"Q{month:%Y%m}-"


@contextmanager
def reserving_apart() -> Iterator[None]:
    """In this thread, numbers are taken by a transaction of their own: side by side, runs would wait for each other's commit.

    A batch that is rolled back leaves a gap then.
    """
    _thread.own = connection.copy()
    try:
        yield
    finally:
        _thread.own.close()
        _thread.own = None


def reserve(series: str, count: int = 1) -> int:
    """Take `count` numbers of a series and return the first, as int. The series stays locked until the commit."""
    own = getattr(_thread, "own", None)
    with (own or connection).cursor() as cursor:
        cursor.execute(
            "INSERT INTO portal_counter (series, value) VALUES (%s, %s)"
            " ON CONFLICT (series) DO UPDATE SET value = portal_counter.value + excluded.value RETURNING value",
            [series, count],
        )
        last: int = cursor.fetchone()[0]
    return last - count + 1


def digits(number: str, width: int = 6) -> str:
    """SQL that writes this counted number as `next_numbers` does: filled up with zeros, never cut (as lpad alone would)."""
    return f"lpad(({number})::text, greatest({width}, length(({number})::text)), '0')"


def next_numbers(series: str, count: int) -> list[str]:
    """New numbers, written as they are shown: C0000001, K0000001, O202404-000001, B202404-000001."""
    width = 7 if series in (CUSTOMER, CONTRACT) else 6
    first = reserve(series, count)
    return [f"{series}{number:0{width}}" for number in range(first, first + count)]


def next_number(series: str) -> str:
    """One new number."""
    return next_numbers(series, 1)[0]
