"""What becomes of a file that staff sent: tried out in the background, shown, and taken in just as it was shown."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection, connections, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models import User
from billing.models import Upload, UploadState
from billing.models.uploads import OVER, UNDER_WAY
from billing.month import catching_up
from billing.uploads.kinds import SORTS, need_import, warn_of_other_kind
from portal import months, trace
from portal.imports.taking import Report, take_in
from portal.tasks import FOR_STAFF

TASK, QUEUE = "billing.take_upload", "render"
KEPT_DAYS = 30  # days for which a file that nobody takes in is kept
MOST_FAULTS = 10_000  # that pages show; the file of errors has all of them
LONGEST = 200  # of a cell that is shown

logger = logging.getLogger(__name__)


@transaction.atomic
def keep(kind: str, name: str, content: bytes, *, by: User) -> Upload:
    """Store a file (bytes) as it came, and have it tried out. Raises PermissionDenied."""
    need_import(by, kind)
    digest = hashlib.sha256(content).hexdigest()
    upload = Upload.objects.create(kind=kind, name=name[:200], sha256=digest, size=len(content), content=content, by=by)
    defer(upload)
    return upload


def defer(upload: Upload) -> None:
    app.configure_task(TASK, queue=QUEUE, priority=FOR_STAFF).defer(upload=upload.pk, **trace.for_job())


@transaction.atomic
def confirm(upload: Upload, *, by: User) -> None:
    """Have the file taken in that was shown. Raises ValidationError once it isn't to be any more, and PermissionDenied."""
    found = locked(upload, by)
    if not found.may_be_taken:
        raise ValidationError(_("このファイルはもう取り込めません。今の状態を確かめてください。"))
    put_to_work(found, UploadState.TAKING, confirmed_by=by)


@transaction.atomic
def check_again(upload: Upload, *, by: User) -> None:
    """Try a file out anew, after something failed or changed. Raises ValidationError and PermissionDenied."""
    found = locked(upload, by)
    if not found.may_be_dropped:
        raise ValidationError(_("このファイルはもう確認できません。今の状態を確かめてください。"))
    put_to_work(found, UploadState.CHECKING, confirmed_by=None)


@transaction.atomic
def drop(upload: Upload, *, by: User) -> None:
    """Give a file up that wasn't taken in. Raises ValidationError and PermissionDenied."""
    found = locked(upload, by)
    if not found.may_be_dropped:
        raise ValidationError(_("このファイルはもう取りやめられません。今の状態を確かめてください。"))
    end(found, UploadState.DROPPED)


def locked(upload: Upload, by: User) -> Upload:
    """As it is now, until the transaction ends. Raises PermissionDenied."""
    need_import(by, upload.kind)
    return Upload.objects.light().select_for_update().get(pk=upload.pk)


def put_to_work(upload: Upload, state: UploadState, *, confirmed_by: User | None) -> None:
    upload.state, upload.confirmed_by, upload.progress, upload.note = state, confirmed_by, 0, ""
    upload.save(update_fields=["state", "confirmed_by", "progress", "note"])
    defer(upload)


def end(upload: Upload, state: UploadState) -> None:
    """Nothing of the file itself is kept: no cell of it, only what it was called, its hash, how many rows did what."""
    upload.state, upload.ended_at = state, timezone.now()
    upload.content = upload.errors_csv = None
    upload.report = without_cells(upload.report)
    upload.save(update_fields=["state", "ended_at", "content", "errors_csv", "report", "note"])


def without_cells(report: dict[str, Any]) -> dict[str, Any]:
    if not report:
        return report
    faults = [{name: fault[name] for name in ("line", "heading", "code")} for fault in report["errors"]]
    return {**report, "first": [], "warnings": [], "errors": faults}


def work(upload_id: int, check_lock: Callable[[], None]) -> None:
    """Try a file out, or take it in, whichever it waits for; only one at a time, which the caller's lock sees to.

    Done again after a kill it does the same, for all of it is one transaction.
    """
    upload = Upload.objects.filter(pk=upload_id, state__in=UNDER_WAY).first()
    if upload is None:
        return
    try:
        with transaction.atomic(), telling(upload) as tell:
            if not try_out(upload, tell, check_lock):
                transaction.set_rollback(True)
        if upload.state != UploadState.TAKEN:
            upload.save(update_fields=["state", "report", "errors_csv", "note", "confirmed_by"])
    except Exception as failed:
        if not isinstance(failed, PermissionDenied):
            logger.exception("the file %s can't be taken in", upload_id)
        upload.state = UploadState.FAILED
        upload.note = str(failed) if isinstance(failed, PermissionDenied) else _(
            "処理の途中でエラーが起きました。何も取り込んでいません。もう一度確認しても同じときは、システムの担当者に連絡してください。"
        )  # fmt: skip
        upload.confirmed_by = None
        upload.save(update_fields=["state", "note", "confirmed_by"])


def try_out(upload: Upload, tell: Callable[[int], None], check_lock: Callable[[], None]) -> bool:
    """Whether what was done is to stay: it is if somebody confirmed it, and it came out as it was shown.

    Raises ValueError for a file that isn't what was sent, and what the import or `check_lock` raises.
    """
    content = bytes(upload.content or b"")
    if hashlib.sha256(content).hexdigest() != upload.sha256:
        raise ValueError(f"upload {upload.pk} isn't what was sent")
    taking = upload.state == UploadState.TAKING
    by = upload.confirmed_by if taking else upload.by
    kind = SORTS[upload.kind].kind
    report = take_in(kind, upload.name, content, today=months.today(), by=by, dry_run=not taking, tell=tell)
    warn_of_other_kind(kind, report)
    if not report.errors:
        connection.check_constraints()
    told = as_shown(report)
    if taking and told == upload.report:
        check_lock()
        upload.progress = report.rows
        end(upload, UploadState.TAKEN)
        if report.owners:
            catching_up.defer(sorted(set(report.owners)))
        return True
    upload.note = (
        _("確認した後にデータが変わったため、取り込みを止めました。新しい結果を確かめてください。") if taking else ""
    )
    upload.state, upload.report, upload.confirmed_by = UploadState.CHECKED, told, None
    upload.errors_csv = report.errors_csv() if report.bad else None
    return False


def defer_left_over() -> None:
    """Give a new job to each file under way that has none, as after a worker lost its database."""
    jobs = ProcrastinateJob.objects.filter(task_name=TASK, status__in=["todo", "doing"])
    held = {arguments["upload"] for arguments in jobs.values_list("args", flat=True)}
    for upload in Upload.objects.light().filter(state__in=UNDER_WAY).exclude(pk__in=held):
        defer(upload)


@contextmanager
def telling(upload: Upload) -> Iterator[Callable[[int], None]]:
    """A function that tells, past the transaction, how many rows were read, so that others see it before all is over."""
    beside = connections.create_connection("default")

    def tell(rows: int) -> None:
        with beside.cursor() as cursor:
            cursor.execute("UPDATE billing_upload SET progress = %s WHERE id = %s", [rows, upload.pk])

    try:
        yield tell
    finally:
        beside.close()


def as_shown(report: Report) -> dict[str, Any]:
    """What pages show of a report, as JSON keeps it."""
    sheet = report.sheet
    told = {
        "encoding": report.encoding,
        "separator": sheet.separator if sheet else "",
        "heading": [shown(cell) for cell in report.heading],
        "ignored": [shown(cell) for cell in report.unknown],
        "first": [[record.line, [shown(cell) for cell in record.cells]] for record in report.first],
        "rows": report.rows,
        "added": report.added,
        "changed": report.changed,
        "unchanged": report.unchanged,
        "outcome": report.outcome.hexdigest(),
        "warnings": [shown(text) for text in report.warnings],
        "fault_count": len(report.errors),
        "errors": [
            {**fault._asdict(), "value": shown(fault.value), "text": shown(fault.text, 1000)}
            for fault in report.errors[:MOST_FAULTS]
        ],
    }
    return json.loads(json.dumps(told))


def shown(text: str, longest: int = LONGEST) -> str:
    """A cell as a page shows it; JSON in the database knows no NUL."""
    cut = text if len(text) <= longest else f"{text[:longest]}…"
    return cut.replace("\0", "␀")


def forget_old() -> None:
    """Files that nobody has taken in for so long are given up: they may hold what is personal."""
    old = Upload.objects.light().exclude(state__in=[*OVER, *UNDER_WAY])
    for upload in old.filter(at__lt=timezone.now() - timedelta(days=KEPT_DAYS)):
        upload.note = _("%d日を過ぎたため、ファイルの内容を消しました。") % KEPT_DAYS
        end(upload, UploadState.DROPPED)
