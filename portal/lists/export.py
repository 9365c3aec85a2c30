"""CSV straight from the database: the rows' own SQL through COPY into a temporary file, inside the request's scope."""

import codecs
import contextlib
import csv
import io
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any

from django.core.exceptions import EmptyResultSet
from django.db import OperationalError, connection
from django.db.models import QuerySet
from django.http import FileResponse
from django.utils import timezone
from psycopg.errors import QueryCanceled

from portal.db.rls import patient
from portal.lists.columns import ListColumn
from portal.lists.shift_jis import to_shift_jis

LIMIT = 60  # seconds that an export may take; a screen's limit is much shorter
PIECE = 1000  # rows that are recoded and written at once


class TooLong(Exception):
    """The rows couldn't be written within the limit."""


def csv_of_lines(table: Any, rows: QuerySet[Any], *, name: str, encoding: str | None) -> FileResponse:
    """Every column of a table of lines, shown on the page or not, as `csv_response` does."""
    columns = [column for column in table.base_columns.values() if column.csv() is not None]
    return csv_response(rows, columns, name=name, encoding=encoding)


def csv_response(
    rows: QuerySet[Any], columns: Sequence[ListColumn], *, name: str, encoding: str | None
) -> FileResponse:
    """All rows of the queryset as a CSV download: the columns in their order, CRLF, labels as heads.

    `encoding` is "cp932", or anything else for UTF-8 with BOM. Raises TooLong.
    """
    return counted_csv(rows, columns, name=name, encoding=encoding)[0]


def counted_csv(
    rows: QuerySet[Any], columns: Sequence[ListColumn], *, name: str, encoding: str | None
) -> tuple[FileResponse, int]:
    """The same, and how many rows there are under the heads."""
    shift_jis = encoding == "cp932"
    recode = to_shift_jis if shift_jis else bytes
    file = tempfile.TemporaryFile()
    if not shift_jis:
        file.write(codecs.BOM_UTF8)
    head = io.StringIO()
    csv.writer(head).writerow([str(column.label) for column in columns])
    file.write(recode(head.getvalue().encode()))
    count = 0
    with contextlib.suppress(EmptyResultSet):
        count = copy_rows(selection(rows, columns), file, recode)
    file.seek(0)
    charset = "Shift_JIS" if shift_jis else "utf-8"
    response = FileResponse(
        file,
        as_attachment=True,
        filename=f"{name}-{timezone.localdate():%Y%m%d}.csv",
        content_type=f"text/csv; charset={charset}",
    )
    return response, count


def selection(rows: QuerySet[Any], columns: Sequence[ListColumn]) -> QuerySet[Any]:
    """The rows as their values in the file."""
    aliases = {f"csv_{place}": column.csv() for place, column in enumerate(columns)}
    return rows.select_related(None).annotate(**aliases).values_list(*aliases)


def copy_rows(rows: QuerySet[Any], file: IO[bytes], recode: Callable[[bytes], bytes]) -> int:
    """Returns how many rows were written."""
    sql, params = rows.query.sql_with_params()
    try:
        with (
            patient(LIMIT),
            connection.cursor() as cursor,
        ):
            with (
                connection.wrap_database_errors,
                cursor.copy(f"COPY ({sql}) TO STDOUT WITH (FORMAT csv)", params) as copy,
            ):
                for piece in pieces(copy):
                    file.write(recode(piece))
            return cursor.rowcount
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise TooLong from error
        raise


def pieces(copy: Any) -> Iterator[bytes]:
    """The rows, many at a time, each with CRLF at its end; line ends inside cells stay as they are."""
    rows = []
    for row in copy:  # one row a message, ended by a line feed
        rows.append(bytes(row[:-1]))
        if len(rows) == PIECE:
            yield b"\r\n".join([*rows, b""])
            rows.clear()
    yield b"\r\n".join([*rows, b""])
