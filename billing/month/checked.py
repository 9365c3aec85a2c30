"""点検 as it is kept: each that ends leaves a row with its counts, which staff's start page shows without checking anew."""

from datetime import date

from django.utils import timezone

from billing.models import MonthCheck, MonthRun
from billing.month import checks
from portal import months
from portal.models import Vendor


def check_and_keep(month: date, *, today: date) -> list[checks.Finding]:
    """All findings about the month, and their counts kept. Raises ValidationError as `checks.check` does; then none is."""
    at, is_closed = timezone.now(), month <= MonthRun.objects.last_closed()
    findings = checks.check(month, today=today)
    counts = [{"code": each.code, "kind": each.kind, "count": len(each.rows)} for each in findings if each.rows]
    MonthCheck.objects.create(month=month, at=at, is_closed=is_closed, findings=counts)
    return findings


def months_to_check(today: date) -> list[date]:
    """The month that was closed last, and those that aren't closed yet, up to the running one."""
    first, closed = Vendor.objects.settings().first_month, MonthRun.objects.last_closed()
    return list(months.months_between(max(first, closed), months.month_of(today)))
