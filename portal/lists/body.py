"""A table of rows as HTML, for lists and detail pages alike: heads, body and foot from the same columns.

They are put together here, because one template loop over a thousand cells costs more than the query. Every part names
its ARIA role: where the style sheet makes cards of rows, some browsers would forget that they are a table.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from django.db.models import QuerySet
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from portal.lists.columns import NOTHING, ListColumn, YenColumn


@dataclass
class Lines:
    """The table of a detail page, as `lists/_lines.html` draws it.

    On a phone its rows become cards, unless their first cell is a head: that stays in its place then.
    """

    label: object  # a text, here and below
    heads: list
    rows: SafeString
    foot: str
    cards: bool
    empty: object


def annotated(rows: QuerySet[Any], columns: Iterable[ListColumn]) -> QuerySet[Any]:
    """The queryset with what these columns show and the table itself doesn't have: `needs` names the method that adds it."""
    for need in sorted({column.needs for column in columns} - {""}):
        rows = getattr(rows, need)()
    return rows


def lines(
    table: Any,
    rows: Iterable[Any],
    *,
    label: object,
    empty: object = "",
    foot: tuple[object, dict[str, str]] | None = None,
) -> Lines:
    """The rows with the columns that `table` shows; `foot` is (label, {column name: written value})."""
    columns = [column for column in table.base_columns.values() if column.shown]
    return Lines(
        label=label,
        heads=[{"label": mark_safe(column.heading()), "css": column.css} for column in columns],
        rows=body(rows, columns),
        foot=foot_row(table, *foot) if foot else "",
        cards=not columns[0].names_row,
        empty=empty,
    )


def body(rows: Iterable[Any], columns: Sequence[ListColumn], css: Callable[[Any], str] | None = None) -> SafeString:
    """The `<tr>` elements of the rows; `css` gives a row its class."""
    written = [(opening(column), column.writer(), "</th>" if column.names_row else "</td>") for column in columns]
    parts = []
    for row in rows:
        name = css(row) if css else ""
        parts.append(f'<tr role="row" class="{name}">' if name else '<tr role="row">')
        for opened, write, closed in written:
            parts += (opened, write(row), closed)
        parts.append("</tr>")
    return mark_safe("".join(parts))


def opening(column: ListColumn) -> str:
    css = f"{column.css} card-{column.card}" if column.card else column.css
    if column.names_row:
        return f'<th role="rowheader" scope="row" class="{css}">'
    return f'<td role="cell" class="{css}" data-label="{escape(str(column.label))}">'


def foot_row(table: Any, label: object, values: dict[str, str]) -> SafeString:
    """One row below: the label reaches up to the first column that has a value."""
    names = [name for name, column in table.base_columns.items() if column.shown]
    first = next(place for place, name in enumerate(names) if name in values)
    cells = "".join(
        f'<td role="cell" class="{table.base_columns[name].css}">{escape(values.get(name, ""))}</td>'
        for name in names[first:]
    )
    head = f'<th role="rowheader" scope="row" colspan="{first}">{escape(str(label))}</th>'
    return mark_safe(f'<tr role="row">{head}{cells}</tr>')


def facts(table: Any, row: Any, leave_out: Collection[str] = ()) -> list[tuple[object, SafeString]]:
    """(label, cell) of all columns but some, for a detail page that says what its list says."""
    return [(column.label, fact(column, row)) for name, column in table.base_columns.items() if name not in leave_out]


def fact(column: ListColumn, row: Any) -> SafeString:
    """An amount that stands alone says its unit."""
    cell = column.writer()(row)
    return mark_safe(cell + escape(_("円")) if isinstance(column, YenColumn) and cell is not NOTHING else cell)
