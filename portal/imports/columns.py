"""The columns of a file: how each is headed, read and checked; one definition for imports, their templates and exports."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache, partial
from itertools import islice
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext as _

from portal import characters, reading
from portal.imports.faults import Code, Fault
from portal.imports.sheets import SEPARATORS, Record, Sheet, Unreadable
from portal.lists.columns import FORMULA
from portal.templatetags.figures import plain, ymd

CLEARS = "(空)"  # in a cell: what stands there now is taken away; a blank cell leaves it
ERRORS = "エラー"  # the column that files of errors have more; a mended one may keep it
EXPLAINED = re.compile("（[^）]*）$")
TITLES = 10  # rows above a heading, among which it is looked for
LONGEST_TOTAL = 10  # characters, with the blanks that spread them
TOTALS = {"合計", "小計", "総計", "累計", "計", "総合計", "total"}  # as reading.fold has them
SERIAL = re.compile(r"[1-9]\d{4}", re.ASCII)
SERIAL_BEGINS = date(1899, 12, 30)  # Excel's day 0, for all days after its 29 February 1900
YES, NO = {"1", "○", "〇", "◯", "true", "yes", "はい"}, {"0", "×", "false", "no", "いいえ"}
Read = Callable[[str], Any]


class Column(NamedTuple):
    """A column: `read` makes a value of what is written, `field` (if any) checks it, `example` shows how it is written.

    `also` are other headings that it goes by; `empty` is what (空) stands for where no field says so.
    """

    name: str
    label: str
    read: Read
    field: models.Field | None = None
    required: bool = False
    write: Callable[[Any], str] = str
    example: str = ""
    also: Sequence[str] = ()
    empty: Any = None

    @property
    def is_printed(self) -> bool:
        """Whether documents print it, so that a font must have its characters."""
        return self.field is not None and self.field.name in getattr(self.field.model, "PRINTED", ())

    @property
    def can_be_empty(self) -> bool:
        return self.empty is not None or (
            self.field is not None and not self.required and (self.field.blank or self.field.has_default())
        )

    @property
    def cleared(self) -> Any:
        """What (空) stands for, where the column can be empty."""
        if self.empty is not None:
            return self.empty
        assert self.field
        return "" if self.field.empty_strings_allowed and not self.field.has_default() else self.field.get_default()


class Row(NamedTuple):
    """What a row says, by column; what its cells leave open isn't in it."""

    line: int
    values: dict[str, Any]


def of_model(model: type[models.Model], name: str, read: Read | None = None, **more: Any) -> Column:
    """The column of a model's field, which is read by its kind unless `read` says how."""
    field = model._meta.get_field(name)
    assert isinstance(field, models.Field)
    by_kind, write = kinds(field)
    made = {"write": write, **more}
    return Column(name, str(field.verbose_name), read or by_kind, field, **made)


def kinds(field: models.Field) -> tuple[Read, Callable[[Any], str]]:
    """How a field is read from a cell, and written into one."""
    if field.choices:
        known = {str(key): str(label) for key, label in field.flatchoices}
        return choice(known), known.__getitem__
    if isinstance(field, models.BooleanField):
        return flag, lambda value: "1" if value else "0"
    if isinstance(field, models.DateField):
        return day, ymd
    if isinstance(field, models.DecimalField):
        return reading.number, plain
    if isinstance(field, models.IntegerField):
        return whole, str
    return reading.passage if isinstance(field, models.TextField) else reading.text, str


def choice(known: dict[str, str]) -> Read:
    """Reads one of these by its key or its label (月額 or monthly)."""
    by_words = {reading.fold(words): key for key, label in known.items() for words in (key, label)}

    def read(typed: str) -> str:
        found = by_words.get(reading.fold(typed))
        if found is None:
            raise ValidationError(_("%s のどれかで入力してください。") % "、".join(known.values()))
        return found

    return read


def flag(typed: str) -> bool:
    given = reading.key(typed).lower()
    if given not in YES | NO:
        raise ValidationError(_("○ か 1、または 0 で入力してください。"))
    return given in YES


def day(typed: str) -> date | None:
    """As everywhere; here alone also as the number under which spreadsheets keep a day (D35)."""
    given = reading.key(typed)
    return SERIAL_BEGINS + timedelta(int(given)) if SERIAL.fullmatch(given) else reading.day(typed)


def month(typed: str) -> date | None:
    """A month, or a day of it, as spreadsheets make of 2026/11."""
    try:
        return reading.month(typed)
    except ValidationError as refused:
        with suppress(ValidationError):
            found = day(typed)
            return found and found.replace(day=1)
        raise refused from None


def whole(typed: str) -> int:
    found = reading.number(typed)
    if found is None or found != int(found):
        raise ValidationError(_("「%s」は整数ではありません。") % typed.strip())
    return int(found)


def places_of(sheet: Sheet, columns: Sequence[Column]) -> tuple[dict[str, int], list[str], list[Fault]]:
    """({name of each column: its place}, headings that nothing is known of, what is wrong with the heading)."""
    by_words = known_words(columns)
    line, places, unknown, faults = sheet.heading.line, {}, [], []
    for place, cell in enumerate(sheet.heading.cells):
        column = by_words.get(reading.fold(cell))
        if column is None:
            if reading.fold(cell) not in ("", reading.fold(ERRORS)):
                unknown.append(characters.trimmed(cell))
        elif column.name in places:
            told = _("見出し「%s」が2つあります。どちらか1つにしてください。") % column.label
            faults.append(Fault(line, column.label, cell, Code.COLUMN_TWICE, told))
        else:
            places[column.name] = place
    for column in columns:
        if column.required and column.name not in places:
            told = _("列「%(label)s」（%(name)s）がありません。") % column._asdict()
            faults.append(Fault(line, column.label, "", Code.NO_COLUMN, told))
    if faults and (below := heading_below(sheet, columns, by_words)):
        told = _("見出しは%d行目にあるようです。その前の行を取り除いてください。") % below
        faults = [Fault(line, "", sheet.heading.cells[0], Code.NO_COLUMN, told)]
    return places, unknown, faults


def known_words(columns: Sequence[Column]) -> dict[str, Column]:
    """The column of each heading, as `fold` has it; what a label explains in parentheses may be left out."""
    found = {reading.fold(words): column for column in columns for words in (column.name, column.label, *column.also)}
    for column in columns:
        found.setdefault(reading.fold(EXPLAINED.sub("", column.label)), column)
    return found


def heading_below(sheet: Sheet, columns: Sequence[Column], by_words: dict[str, Column]) -> int | None:
    """The row near the file's beginning that has every needed column, where a title stands above it."""
    needed = {column.name for column in columns if column.required}
    for separator in SEPARATORS:  # a title has none, so it isn't known yet
        with suppress(Unreadable):
            for record in islice(sheet._replace(separator=separator).records(), TITLES):
                if needed <= {by_words[words].name for words in map(reading.fold, record.cells) if words in by_words}:
                    return record.line
    return None


def reader(
    places: dict[str, int], columns: Iterable[Column], width: int
) -> Callable[[Record], tuple[Row, list[Fault]]]:
    """A function that reads records in these places: what one says, and what is wrong with its cells."""
    read = [
        (column, places[column.name], lru_cache(4096)(partial(value_of, column)))
        for column in columns
        if column.name in places
    ]

    keys = [place for column, place, _value in read if column.required]

    def row_of(record: Record) -> tuple[Row, list[Fault]]:
        row, faults = Row(record.line, {}), []
        if any(characters.trimmed(cell) for cell in record.cells[width:]):
            told = _('見出しより多くの列に書かれています。桁区切りのある数は "12,345" のように囲んでください。')
            return row, [Fault(record.line, "", record.cells[-1], Code.TOO_MANY_CELLS, told)]
        if word := total_of(record.cells, keys):
            told = _("合計の行のようです。取り除いてください。")
            return row, [Fault(record.line, "", word, Code.UNREADABLE, told)]
        for column, place, value in read:
            # Spreadsheets leave out blank cells at the end.
            cell = record.cells[place] if place < len(record.cells) else ""
            if not cell or not characters.trimmed(cell):
                if column.required:
                    told = _("「%s」が空です。") % column.label
                    faults.append(Fault(record.line, column.label, "", Code.NEEDED, told))
                continue
            found = value(cell)
            if isinstance(found, Wrong):
                faults.append(Fault(record.line, column.label, cell, found.code, found.text))
            else:
                row.values[column.name] = found
        return row, faults

    return row_of


def total_of(cells: Sequence[str], keys: Iterable[int]) -> str:
    """The word for a sum that a row begins with, while no key has anything else; '' if it doesn't."""
    first = next((place for place, cell in enumerate(cells) if characters.trimmed(cell)), 0)
    if not cells or len(cells[first]) > LONGEST_TOTAL or reading.fold(cells[first]) not in TOTALS:
        return ""
    others = (cells[place] for place in keys if place != first and place < len(cells))
    return "" if any(characters.trimmed(cell) for cell in others) else cells[first]


class Wrong(NamedTuple):
    code: Code
    text: str


def value_of(column: Column, cell: str) -> Any:
    """What the cell says, or what is wrong with it."""
    if cell.startswith("'") and means_more(cell):
        cell = cell[1:]
    elif reading.fold(cell) == CLEARS:
        if not column.can_be_empty:
            return Wrong(Code.NOT_CLEARED, _("「%s」は空にできません。") % column.label)
        return column.cleared
    try:
        found = column.read(cell)
        return column.field.clean(found, None) if column.field else found
    except ValidationError as refused:
        return Wrong(Code.UNREADABLE, " ".join(refused.messages))


def written(columns: Iterable[Column], row: Any) -> list[str]:
    """The cells of a stored row, as the same columns read them again; what starts like a formula stays text."""
    return [cell_of(column, getattr(row, column.name)) for column in columns]


def cell_of(column: Column, value: Any) -> str:
    made = "" if value is None or value == "" else column.write(value)
    is_figure = isinstance(value, int | Decimal | date)
    return f"'{made}" if not is_figure and value is not column.empty and means_more(made) else made


def means_more(text: str) -> bool:
    """Whether a spreadsheet would run the text (D16), or an import clear the field, but for apostrophes that keep it a text."""
    bare = text.lstrip("'")
    return re.search(FORMULA, bare) is not None or ("空" in bare and reading.fold(bare) == CLEARS)


def heading_of(columns: Iterable[Column]) -> list[str]:
    return [column.label for column in columns]


def chunks(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    held: list[Row] = []
    for row in rows:
        held.append(row)
        if len(held) == size:
            yield held
            held = []
    if held:
        yield held
