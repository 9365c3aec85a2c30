"""What must be so about a month (I1 to I6), and what a person should look at before and after its close (締め前点検).

Each module asks after one noun. Nothing here shares code with what makes orders and invoices, but for `portal.money` and
the calendar: a fault in the making would otherwise be repeated in the counting.
"""

from datetime import date

from billing.models import MonthRun
from billing.month.checks import (
    chains,
    credits,
    documents,
    heads,
    missing,
    orders,
    owed,
    sums,
    terms,
    texts,
    totals,
    unusual,
    usage,
    waiting,
)
from billing.month.checks.findings import (
    BROKEN,
    PARKED,
    VERDICTS,
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

__all__ = ["BROKEN", "PARKED", "VERDICTS", "WARNING", "Finding", "Item", "check", "grouped"]

JUMP_SHARE, JUMP_YEN = 50, 10_000
ASKED_IN_SQL: list[Question] = [
    *missing.QUESTIONS,
    *terms.QUESTIONS,
    *orders.QUESTIONS,
    *usage.QUESTIONS,
    *documents.QUESTIONS,
    *chains.QUESTIONS,
    *sums.QUESTIONS,
    *totals.QUESTIONS,
    *credits.QUESTIONS,
    *waiting.QUESTIONS,
    *unusual.QUESTIONS,
]
COUNTED: list[Count] = [
    owed.unbilled,
    owed.past,
    orders.parts,
    orders.nets,
    usage.prices,
    credits.undecided,
    heads.heads,
    heads.rates,
    totals.tax,
    texts.characters,
    waiting.mails,
    waiting.registration,
    waiting.deadline,
]


def check(month: date, *, today: date, share: int = JUMP_SHARE, yen: int = JUMP_YEN) -> list[Finding]:
    """All findings about the month, empty ones too. `share` is per cent, `yen` the least change that counts as a jump."""
    asked = Asked(month, months.last_day(month), today, MonthRun.objects.last_closed(), share, yen)
    found = [answer(question, asked) for question in ASKED_IN_SQL if question.concerns(asked)]
    found += [count(asked) for count in COUNTED]
    return merged(found)


def merged(findings: list[Finding]) -> list[Finding]:
    """One finding a code, in the order of the first of each."""
    by_code: dict[str, Finding] = {}
    for finding in findings:
        first = by_code.setdefault(finding.code, finding)
        if first is not finding:
            first.rows += finding.rows
            first.items += finding.items
    return list(by_code.values())
