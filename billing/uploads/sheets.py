"""What staff download beside their uploads: a template of each kind, and what is stored in the same columns."""

import codecs
import csv
import io
import tempfile
from collections.abc import Iterable, Sequence

from django.http import FileResponse, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from portal import history
from portal.imports.columns import heading_of, written
from portal.models import Action


def template(sort):
    """The heading and one row as it may look: CSV in UTF-8 with BOM, which spreadsheets open as it is."""
    made = io.StringIO(newline="")
    example = [column.example for column in sort.kind.columns]
    csv.writer(made).writerows([heading_of(sort.kind.columns), example])
    answer = HttpResponse(codecs.BOM_UTF8 + made.getvalue().encode(), content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="{sort.kind.name}-template.csv"'
    return answer


def export(sort, *, by):
    """All rows of the kind as its import reads them, written piece by piece into a file that is sent from the disk.

    Who took them away is in the history.
    """
    file = tempfile.TemporaryFile()
    file.write(codecs.BOM_UTF8)
    count = write(file, sort.kind.columns, sort.rows())
    file.seek(0)
    name = f"{sort.kind.name}-{timezone.localdate():%Y%m%d}.csv"
    told = _("%(count)s行（%(name)s）") % {"count": f"{count:,}", "name": name}
    history.record(Action.DATA_EXPORTED, sort.kind.label, by=by, detail=told, kind=sort.kind.name, rows=count)
    return FileResponse(file, as_attachment=True, filename=name, content_type="text/csv; charset=utf-8")


def write(file, columns: Sequence, rows: Iterable):
    """Returns how many rows there are under the heading."""
    text, count = io.TextIOWrapper(file, "utf-8", newline=""), 0
    writer = csv.writer(text)
    writer.writerow(heading_of(columns))
    for row in rows:
        writer.writerow(written(columns, row))
        count += 1
    text.detach()
    return count
