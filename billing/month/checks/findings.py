"""What a check finds: questions asked of the database, and their answers with customer, document and both figures."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal.numbers import invoice_series

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

# The verdict of a finding: a broken rule, a customer or file that waits for a decision, a thing to look at.
BROKEN, PARKED, WARNING = "broken", "parked", "warning"
# The gravest first, as people read it, with its mark on pages.
VERDICTS = [
    (BROKEN, gettext_lazy("規則違反"), "bad"),
    (PARKED, gettext_lazy("保留"), "warn"),
    (WARNING, gettext_lazy("注意"), ""),
]

# The key of the mail that tells the company what became of the document `i`; a replaced one is told of with its 修正.
NOTICE = """(CASE WHEN i.state = 'void' THEN 'invoice_void:' WHEN i.state <> 'fixed' THEN NULL
    ELSE CASE i.kind WHEN 'correction' THEN 'invoice_corrected:' WHEN 'return' THEN 'invoice_returned:' ELSE 'invoice_fixed:' END
    END || i.number)"""


@dataclass(frozen=True)
class Asked:
    """The month that is looked at: the last month that a close has finished, and from when on a change is a jump (per cent, yen)."""

    month: date
    last: date
    today: date
    last_closed: date
    share: int
    yen: int

    @property
    def closed(self) -> bool:
        return self.month <= self.last_closed

    def values(self) -> dict[str, Any]:
        """The parameters of every question."""
        values = {"month": self.month, "last": self.last, "today": self.today, "share": self.share, "yen": self.yen}
        values |= {"numbers": f"{invoice_series(self.month)}%"}  # as those of its invoices begin
        return values | {"open": not self.closed, "last_closed": self.last_closed}


class Item(NamedTuple):
    """One thing that is wrong: whose, on which document (or contract), and what it should say and says (yen or text)."""

    customer: str
    document: str
    expected: int | str | None
    found: int | str | None
    text: str


@dataclass
class Finding:
    """One question with its answer: `rows` are (what it concerns, what is wrong), `items` the same in parts; none if all is well."""

    code: str
    kind: str
    title: "StrOrPromise"
    rows: list[tuple[str, str]] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)


@dataclass(frozen=True)
class Question:
    """SQL that finds what is wrong, one row each.

    Its columns are, by name, `customer`, `document`, `expected`, `found` and `text`, those that it has; `what` where a row
    should begin with something else than the document. `after` questions are asked once the month was closed, `before`
    ones until then.
    """

    code: str
    kind: str
    title: "StrOrPromise"
    sql: str
    after: bool = False
    before: bool = False

    def concerns(self, asked: Asked) -> bool:
        return not ((self.after and not asked.closed) or (self.before and asked.closed))


# What SQL alone can't say, for Python has to round or to know the calendar.
Count = Callable[[Asked], Finding]


def answer(question: Question, asked: Asked) -> Finding:
    """Ask the question of the database."""
    return found(question.code, question.kind, question.title, select(question.sql, asked.values()))


def select(sql: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of the SQL by column name, in the order of its first column."""
    return select_with("", sql, values)


def select_with(common: str, sql: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    """The same for SQL that needs `common` table expressions (WITH …)."""
    with connection.cursor() as cursor:
        cursor.execute(f"{common} SELECT * FROM ({sql}) found ORDER BY 1", values)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def found(code: str, kind: str, title: "StrOrPromise", rows: Iterable[dict[str, Any]]) -> Finding:
    """The finding of rows as a `Question` selects them."""
    finding = Finding(code, kind, str(title))
    for row in rows:
        item = Item(
            row.get("customer") or "",
            row.get("document") or "",
            figure(row.get("expected")),
            figure(row.get("found")),
            row.get("text") or "",
        )
        finding.items.append(item)
        what = row.get("what") or item.document or item.customer
        finding.rows.append((what, told(item)))
    return finding


def figure(value: Any) -> int | str | None:
    """Yen as a number, anything else as text."""
    if isinstance(value, date):
        return f"{value:%Y/%m/%d}"
    return f"{value:f}" if isinstance(value, Decimal) else value


def told(item: Item) -> str:
    """The item in one line, without its document."""
    if item.expected is None and item.found is None:
        return item.text or item.customer
    figures = _("正しくは %(expected)s、現在 %(found)s") % {
        "expected": written(item.expected),
        "found": written(item.found),
    }
    return " ".join(filter(None, [item.customer, item.text, figures]))


def written(value: int | str | None) -> str:
    if value is None or value == "":
        return _("なし")
    return f"{value:,}" if isinstance(value, int) else value


def grouped(finding: Finding) -> list[tuple[str, str, int]]:
    """The rows as (what, text, how many are alike); alike are those that say the same of other documents."""
    groups: dict[Sequence[Any], list[int]] = {}
    for place, item in enumerate(finding.items):
        told_alike = item.expected is not None or item.found is not None
        alike = (item.text, item.expected, item.found) if told_alike else (place,)
        groups.setdefault(alike, []).append(place)
    return [(*finding.rows[places[0]], len(places)) for places in groups.values()]
