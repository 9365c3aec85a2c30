"""点検 on staff's page: what the newest check of a month has found, each thing leading to its page; a worker checks anew when asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Min, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.models import User
from billing import gauges
from billing.board import decided_since, verdicts_of
from billing.models import MonthCheck
from billing.month import checks
from billing.month.checked import ask_for_check, is_old, jobs_under_way
from portal import months, reading, rights
from portal.models import Vendor

SOON, LATER = 5, 30  # seconds after which a page that waits looks again, in the first minute and from then on


@dataclass(frozen=True)
class Found:
    """A finding with its verdict in words, and its first things as (what, text, how many are alike).

    `decided` is how much of its count was decided since; `count` is what is left.
    """

    code: str
    verdict: Any
    mark: str
    title: str
    count: int
    decided: int
    things: Sequence[tuple[str, str, int]]
    more: int


@dataclass(frozen=True)
class UnderWay:
    """A check that a worker is at, or that waits for one: who asked when, and in how many seconds the page looks again."""

    by: User | None
    at: datetime | None
    is_waiting: bool
    seconds: int


def named(what: str) -> str:
    """What people and the search call it; a mail is known by its document."""
    return what.rpartition(":")[2]


@require_http_methods(["GET", "HEAD", "POST"])
def check_page(request: HttpRequest, month: str) -> HttpResponse:
    """Shows what is kept and writes nothing; sent, it has a worker check all of the month anew, as the command does."""
    rights.need(request.user, "billing.view_invoice")
    asked = known_month(month)
    if request.method == "POST":
        if not ask_for_check(asked, by=request.user):
            messages.info(request, _("この月は、すでに点検しています。"))
        return redirect("admin_check", months.format_month(asked))
    newest = MonthCheck.objects.filter(month=asked).select_related("by").order_by("-at", "-pk")
    last = newest.first()
    kept = last if last is None or not last.fault else newest.ended().first()
    given: dict[str, Any] = {
        "title": _("%s の点検") % months.format_month(asked).replace("-", "/"),
        "month": asked,
        "under_way": under_way(asked),
        "has_worker": gauges.living_workers() > 0,
        "failed": last if last is not kept else None,
        "kept": kept,
        "is_old": kept is not None and is_old(kept),
        "verdicts": verdicts_of(kept.findings) if kept else [],
        "findings": found(kept) if kept else [],
    }
    return render(request, "admin/check.html", admin.site.each_context(request) | given)


def known_month(month: str) -> date:
    """A month that the portal has bills of, or will next; otherwise there is no page."""
    try:
        asked = reading.month(month)
    except ValidationError as unread:
        raise Http404 from unread
    first = Vendor.objects.settings().first_month
    if asked is None or not first <= asked <= months.month_of(months.today()):
        raise Http404
    return asked


def under_way(month: date) -> UnderWay | None:
    job = (
        jobs_under_way(month)
        .annotate(at=Min("procrastinateevent__at", filter=Q(procrastinateevent__type="deferred")))
        .order_by("-pk")
        .first()
    )
    if job is None:
        return None
    young = job.at is None or timezone.now() - job.at < timedelta(minutes=1)
    by = User.objects.filter(pk=job.args.get("by")).first()
    return UnderWay(by, job.at, job.status == "todo", SOON if young else LATER)


def found(kept: MonthCheck) -> list[Found]:
    """What isn't well, the gravest first; nothing of a check that kept only counts."""
    told = []
    kept_things = kept.things or {}
    for kind, verdict, mark in checks.VERDICTS:
        for each in kept.findings:
            if each["kind"] == kind and each["code"] in kept_things:
                things = kept_things[each["code"]]
                first = [(named(what), text, alike) for what, text, alike in things["first"]]
                decided = decided_of(kept) if each["code"] == "proposals" else 0
                left = max(each["count"] - decided, 0)
                told.append(Found(each["code"], verdict, mark, things["title"], left, decided, first, things["more"]))
    return told


def decided_of(kept: MonthCheck) -> int:
    return next(iter(decided_since(kept.at).values_list("balance", flat=True)), 0)
