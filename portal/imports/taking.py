"""How every file comes in: each bad row told at once, all of it or nothing in one transaction, a dry run the same and taken back."""

import csv
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from portal import fonts, history
from portal.db.copying import copy_in
from portal.imports.columns import ERRORS, Column, Row, places_of, reader
from portal.imports.faults import Code, Fault
from portal.imports.sheets import NAMES, Record, Sheet, Unreadable, sheet_of
from portal.models import Action, HistoryEvent
from portal.reading import fold

SHOWN_ROWS = 5
TOLD_EACH = 500


@dataclass
class Report:
    """What became of a file; `heading`, `first` and `bad` hold cells as they were written, by row, `places` where each label stands.

    `owners` are the numbers of the customers whose drafts have yet to follow; `spoiled` the keys (first column) of rows with a
    bad cell, which `take` doesn't get; `tell` hears now and then how many rows were read; `outcome` is a digest of what was done.
    """

    file: str
    dry_run: bool
    encoding: str = ""
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    rows: int = 0
    errors: list[Fault] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    heading: list[str] = field(default_factory=list)
    first: list[Record] = field(default_factory=list)
    bad: dict[int, list[str]] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    spoiled: set[Any] = field(default_factory=set)
    owners: list[str] = field(default_factory=list)
    sheet: Sheet | None = None
    tell: Callable[[int], None] | None = None
    outcome: Any = field(default_factory=hashlib.sha256)

    def keep(self, events: Iterable[HistoryEvent | None]) -> None:
        """Store what the history has of the file; by this a preview is told apart from a run that does something else."""
        kept = [event for event in events if event]
        for event in kept:
            self.add_outcome(event.action, event.subject, event.detail, event.data)
        copy_in(kept)

    def add_outcome(self, *done: Any) -> None:
        self.outcome.update(repr(done).encode(errors="surrogatepass"))

    def as_json(self) -> dict[str, Any]:
        counts = {"added": self.added, "changed": self.changed, "unchanged": self.unchanged}
        errors = [fault._asdict() for fault in self.errors]
        more = {"ignored": self.unknown, "warnings": self.warnings}
        return {
            "file": self.file,
            "encoding": self.encoding,
            "dry_run": self.dry_run,
            **counts,
            "errors": errors,
            **more,
        }

    def errors_csv(self) -> bytes:
        """The bad rows (`bad_rows`) as they were written, with what is wrong with each, to be mended and sent again; '' without a heading."""
        if self.sheet is None:
            return b""
        told: dict[int, list[str]] = {}
        for fault in self.errors:
            told.setdefault(fault.line, []).append(f"{fault.code} {fault.text}")
        made = io.StringIO(newline="")
        writer = csv.writer(made, delimiter=self.sheet.separator)
        width = len(self.heading)
        writer.writerow([*self.heading, ERRORS])
        for line, cells in sorted(self.bad.items()):
            writer.writerow([*cells, *[""] * (width - len(cells)), " ".join(told.get(line, []))])
        mark = "\ufeff" if self.sheet.encoding.startswith("utf-16") else ""
        return (mark + made.getvalue()).encode(self.sheet.encoding, errors="replace")


class Kind(NamedTuple):
    """A kind of file: `take` stores its rows and counts them in the report, under the locks and rights that it needs.

    It goes on where a row can't be taken, so that all bad ones are told, and leaves what it stored to be taken back.
    `belong_together` says that rows with the same key (first column) are parts of one thing.
    """

    name: str
    label: str
    columns: Sequence[Column]
    take: Callable[..., None]
    belong_together: bool = False


def take_in(
    kind: Kind,
    name: str,
    content: bytes,
    *,
    today: date,
    by: Any = None,
    dry_run: bool = False,
    tell: Callable[[int], None] | None = None,
    **options: Any,
) -> Report:
    """Take a file (bytes) in, all of it or nothing; `by` None is the operator at the command line. Raises PermissionDenied."""
    report = Report(name, dry_run, tell=tell)
    with transaction.atomic():
        try:
            kind.take(read(kind.columns, content, report), report, today=today, by=by, **options)
        except Unreadable as unreadable:
            report.errors.append(unreadable.fault)
        except IntegrityError:
            told = _("ほかの人が同じところを同時に変更しました。もう一度取り込んでください。")
            report.errors.append(Fault(1, "", "", Code.REFUSED, told))
        if report.errors or dry_run:
            transaction.set_rollback(True)
        elif report.added or report.changed:
            note(kind, report, content, by)
    report.errors.sort(key=lambda fault: fault.line)
    if report.errors:
        report.added = report.changed = report.unchanged = 0
        report.bad = bad_rows(kind, report)
        report.errors = [as_written(fault, report) for fault in report.errors]
    return report


def note(kind: Kind, report: Report, content: bytes, by: Any) -> None:
    """Keep in the history which file changed something, and what of."""
    told = _("%(name)s: 追加 %(added)s件、変更 %(changed)s件")
    given = {"name": report.file, "added": f"{report.added:,}", "changed": f"{report.changed:,}"}
    kept = {
        "file": report.file,
        "sha256": hashlib.sha256(content).hexdigest(),
        "added": report.added,
        "changed": report.changed,
    }
    history.record(Action.FILE_IMPORTED, kind.label, by=by, detail=told % given, kind=kind.name, **kept)


def as_written(fault: Fault, report: Report) -> Fault:
    """With the cell as the file has it, whatever was read of it."""
    cells, place = report.bad.get(fault.line, []), report.places.get(fault.heading, -1)
    return fault._replace(value=cells[place]) if 0 <= place < len(cells) else fault


def warn_of_characters(row: Row, printed: Iterable[Column], report: Report) -> None:
    """Of what documents print, the characters that no font has; they come in, and `check_month` names them before a close."""
    for column in printed:
        if lacking := fonts.missing(row.values.get(column.name) or ""):
            told = _("%(line)d行目 %(label)s: 書類に印刷できない文字があります（%(lacking)s）。")
            report.warnings.append(told % {"line": row.line, "label": column.label, "lacking": lacking})


def bad_rows(kind: Kind, report: Report) -> dict[int, list[str]]:
    """The cells of every row that something is wrong with, by its number; looked up afterwards, for there may be none.

    Where rows belong together, all of such a thing's: without the others a row's place among them would be another.
    """
    lines = {fault.line for fault in report.errors}
    found = {}
    if report.sheet:
        with suppress(Unreadable):
            found = {record.line: record.cells for record in report.sheet.records() if record.line in lines}
            if kind.belong_together and found and (key := report.places.get(kind.columns[0].label)) is not None:
                keys = {fold(cells[key]) for cells in found.values() if key < len(cells)}
                for record in report.sheet.records():
                    if key < len(record.cells) and fold(record.cells[key]) in keys:
                        found[record.line] = record.cells
    return found


def once_each(rows: Iterable[Row], column: Column, report: Report) -> Iterator[Row]:
    """The rows whose key no row before them has; the others go to the report."""
    seen: dict[Any, int] = {}
    for row in rows:
        key = row.values[column.name]
        if key in seen:
            told = _("%(line)d行目と同じ%(label)sです。") % {"line": seen[key], "label": column.label}
            report.errors.append(Fault(row.line, column.label, str(key), Code.TWICE, told))
        else:
            seen[key] = row.line
            yield row


def needed(row: Row, columns: Iterable[Column], report: Report) -> bool:
    """Whether a row that makes something new says all that it must; what is missing goes to the report."""
    missing = [
        column for column in columns
        if column.name not in row.values and column.field and not (column.field.blank or column.field.has_default())
    ]  # fmt: skip
    for column in missing:
        told = _("「%s」が空です。新しく登録する行では必要です。") % column.label
        report.errors.append(Fault(row.line, column.label, "", Code.NEEDED, told))
    return not missing


def read(columns: Sequence[Column], content: bytes, report: Report) -> Iterator[Row]:
    """The good rows of a file; what is wrong with others, and with its heading, goes to the report. Raises Unreadable."""
    sheet = sheet_of(content)
    report.encoding, report.sheet, report.heading = NAMES[sheet.encoding], sheet, sheet.heading.cells
    places, report.unknown, faults = places_of(sheet, columns)
    report.errors += faults
    if faults:
        return
    report.places = {column.label: places[column.name] for column in columns if column.name in places}
    printed = [column for column in columns if column.is_printed]
    row_of, seen = reader(places, columns, len(sheet.heading.cells)), 0
    for seen, record in enumerate(sheet.records(), start=1):
        if seen <= SHOWN_ROWS:
            report.first.append(record)
        if report.tell and seen % TOLD_EACH == 0:
            report.tell(seen)
        row, wrong = row_of(record)
        report.rows = seen
        warn_of_characters(row, printed, report)
        if wrong:
            report.errors += wrong
            report.spoiled.add(row.values.get(columns[0].name))
        else:
            yield row
    if not seen:
        report.errors.append(Fault(sheet.heading.line, "", "", Code.EMPTY, _("データの行がありません。")))
