"""CSV straight from the database: the list's own SQL through COPY into a temporary file, inside the request's scope."""

import codecs
import contextlib
import csv
import io
import tempfile

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.http import FileResponse
from django.utils import timezone

# Characters that Unicode and Shift_JIS spell differently, then 〓 for what Shift_JIS lacks (D16).
LIKE_WINDOWS = str.maketrans("〜‖−¢£¬—", "～∥－￠￡￢―")
codecs.register_error("geta", lambda error: ("〓" * (error.end - error.start), error.end))


def to_utf8(data):
    return data


def to_cp932(data):
    return data.decode().translate(LIKE_WINDOWS).encode("cp932", "geta")


def csv_response(rows, columns, *, name, encoding):
    """All rows of the queryset as a CSV download: visible columns in their order, CRLF, labels as heads.

    `encoding` is "cp932", or anything else for UTF-8 with BOM.
    """
    cp932 = encoding == "cp932"
    recode = to_cp932 if cp932 else to_utf8
    file = tempfile.TemporaryFile()
    if not cp932:
        file.write(codecs.BOM_UTF8)
    head = io.StringIO()
    csv.writer(head).writerow([str(column.label) for column in columns])
    file.write(recode(head.getvalue().encode()))
    aliases = {f"csv_{place}": column.csv() for place, column in enumerate(columns)}
    selected = rows.select_related(None).annotate(**aliases).values_list(*aliases)
    with contextlib.suppress(EmptyResultSet):
        copy_rows(selected, file, recode)
    file.seek(0)
    charset = "Shift_JIS" if cp932 else "utf-8"
    return FileResponse(
        file,
        as_attachment=True,
        filename=f"{name}-{timezone.localdate():%Y%m%d}.csv",
        content_type=f"text/csv; charset={charset}",
    )


def copy_rows(rows, file, recode):
    sql, params = rows.query.sql_with_params()
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        cursor.copy(f"COPY ({sql}) TO STDOUT WITH (FORMAT csv)", params) as copy,
    ):
        for row in copy:  # one row a message, ended by a line feed; line ends inside cells stay as they are
            file.write(recode(bytes(row[:-1]) + b"\r\n"))
