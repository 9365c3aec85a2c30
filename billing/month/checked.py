"""点検 as it is asked for and kept: a worker checks the month, and staff's pages show what it has found without checking anew."""

from contextlib import suppress
from datetime import date
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.db import Error, connection, transaction
from django.db.models import Max, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models import User
from billing.models import MonthCheck, MonthRun
from billing.month import checks
from portal import months, rights, trace
from portal.models import Vendor
from portal.tasks import FOR_STAFF

TASK, QUEUE = "billing.check_month", "render"
SHOWN = 20  # things of one finding that are kept, as the command prints them
LONGEST = 300  # characters of a thing that are kept
MOST_TRIES = 3  # of a job whose worker dies


@transaction.atomic
def ask_for_check(month: date, *, by: User | AnonymousUser) -> bool:
    """Have a worker check the month, unless one is about to. Returns whether it is to because of this. Raises PermissionDenied."""
    rights.need(by, "billing.view_invoice")
    with connection.cursor() as cursor:  # of two at the same moment the second sees the first one's job
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [lock_of(month)])
    if jobs_under_way(month).exists():
        return False
    task = app.configure_task(TASK, queue=QUEUE, priority=FOR_STAFF, queueing_lock=lock_of(month))
    task.defer(month=month.isoformat(), by=by.pk, **trace.for_job())
    return True


def lock_of(month: date) -> str:
    return f"{TASK}:{months.format_month(month)}"


def jobs_under_way(month: date) -> QuerySet:
    """What a worker is at, or will be, about this month; both ways have an index, however many jobs there are."""
    of_month = ProcrastinateJob.objects.filter(queueing_lock=lock_of(month))
    return of_month.filter(Q(status="todo") | Q(status="doing"))


def work(month: date, *, today: date, by: User | None) -> None:
    """What a job does: check, unless that took worker after worker down. Whatever became of it is kept."""
    if jobs_under_way(month).filter(status="doing", attempts__gte=MOST_TRIES).exists():
        fault = _("途中でワーカーが%d回終了しました（メモリ不足など）。システムの担当者に連絡してください。")
        MonthCheck.objects.create(fault=fault % MOST_TRIES, **known(month, by))
        return
    with suppress(ValidationError):
        check_and_keep(month, today=today, by=by)


def known(month: date, by: User | None) -> dict[str, Any]:
    is_closed = month <= MonthRun.objects.last_closed()
    return {"month": month, "at": timezone.now(), "by": by, "is_closed": is_closed}


def check_and_keep(month: date, *, today: date, by: User | None = None) -> list[checks.Finding]:
    """All findings about the month, kept with the first things of each. Raises ValidationError as `checks.check` does.

    Why one couldn't be ended is kept too.
    """
    begun = known(month, by)
    try:
        findings = checks.check(month, today=today)
    except ValidationError as refused:
        MonthCheck.objects.create(fault=" ".join(refused.messages), **begun)
        raise
    except Exception:
        with suppress(Error):
            fault = _("途中でエラーが起きました。もう一度点検しても同じときは、システムの担当者に連絡してください。")
            MonthCheck.objects.create(fault=fault, **begun)
        raise
    told = [each for each in findings if each.rows]
    counts = [{"code": each.code, "kind": each.kind, "count": len(each.rows)} for each in told]
    things = {each.code: things_of(each) for each in told}
    MonthCheck.objects.create(findings=counts, things=things, **begun)
    return findings


def things_of(finding: checks.Finding) -> dict[str, Any]:
    """What a page shows of a finding: its title, the first things of each kind, and how many more there are."""
    groups = checks.grouped(finding)
    first = [[what[:LONGEST], text[:LONGEST], alike] for what, text, alike in groups[:SHOWN]]
    return {"title": str(finding.title), "first": first, "more": sum(alike for _what, _text, alike in groups[SHOWN:])}


def is_old(checked: MonthCheck) -> bool:
    """Whether the month was run for all since the check began."""
    ran = MonthRun.objects.of_all().filter(month=checked.month).aggregate(at=Max("finished_at"))["at"]
    return ran is not None and checked.at < ran


def months_to_check(today: date) -> list[date]:
    """The month that was closed last, and those that aren't closed yet, up to the running one."""
    first, closed = Vendor.objects.settings().first_month, MonthRun.objects.last_closed()
    return list(months.months_between(max(first, closed), months.month_of(today)))
