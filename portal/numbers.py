"""Numbers of customers, contracts, orders, invoices and inquiries (D20): unique, never reused, gaps allowed."""

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import date
from threading import local

from django.core.validators import RegexValidator
from django.db import connection
from django.utils.translation import gettext_lazy as _

CUSTOMER, CONTRACT = "C", "K"
WIDTHS = {CUSTOMER: 7, CONTRACT: 7}  # digits of these; all others have six
OWN_FORM = r"^[A-Z0-9-]{1,20}$"  # what an imported number may look like (D20)
LONGEST_COUNTED = 12  # digits; what is longer no counter reaches
own_form = RegexValidator(OWN_FORM, _("半角の英大文字・数字・ハイフンの20文字までで入力してください。"))
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
    first = reserve(series, count)
    return [written(series, number) for number in range(first, first + count)]


def next_number(series: str) -> str:
    """One new number."""
    return next_numbers(series, 1)[0]


def written(series: str, number: int) -> str:
    return f"{series}{number:0{WIDTHS.get(series, 6)}}"


def pass_over(series: str, taken: Collection[str]) -> None:
    """Numbers that come from elsewhere are never given again: the counter goes on behind the highest that looks like its own."""
    found = re.compile(rf"{re.escape(series)}([0-9]{{1,{LONGEST_COUNTED}}})")
    read = {number: int(each[1]) for number in taken if (each := found.fullmatch(number))}
    counted = [value for number, value in read.items() if written(series, value) == number]
    if not (highest := max(counted, default=0)):
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO portal_counter (series, value) VALUES (%s, %s)"
            " ON CONFLICT (series) DO UPDATE SET value = greatest(portal_counter.value, excluded.value)",
            [series, highest],
        )
