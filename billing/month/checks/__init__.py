"""What must be so about a month, and what a person should look at before and after its close (締め前点検).

Each module asks after one noun. Nothing here shares code with what makes orders and invoices, but for `portal.money` and
the calendar: a fault in the making would otherwise be repeated in the counting.
"""

from datetime import date

from billing.models import MonthRun
from billing.month.checks import missing, totals, unusual, waiting
from billing.month.checks.findings import (
    BROKEN,
    PARKED,
    WARNING,
    Asked,
    Count,
    Finding,
    Item,
    Question,
    answer,
    grouped,
)
from portal import months

__all__ = ["BROKEN", "PARKED", "WARNING", "Finding", "Item", "check", "grouped"]

JUMP_SHARE, JUMP_YEN = 50, 10_000
ASKED_IN_SQL: list[Question] = [*missing.QUESTIONS, *totals.QUESTIONS, *waiting.QUESTIONS, *unusual.QUESTIONS]
COUNTED: list[Count] = [totals.tax, waiting.registration, waiting.deadline]


def check(month: date, *, today: date, share: int = JUMP_SHARE, yen: int = JUMP_YEN) -> list[Finding]:
    """All findings about the month, empty ones too. `share` is per cent, `yen` the least change that counts as a jump."""
    closed = MonthRun.objects.last_closed() >= month
    asked = Asked(month, months.last_day(month), today, closed, share, yen)
    found = [answer(question, asked) for question in ASKED_IN_SQL if question.concerns(asked)]
    return found + [count(asked) for count in COUNTED]
