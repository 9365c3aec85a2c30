"""点検 on staff's page: what `check_month` finds about a month, each thing leading to its page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from billing.month import checks
from billing.month.checked import check_and_keep
from portal import months, reading, rights
from portal.models import Vendor

SHOWN = 20  # things of one finding, as the command prints them


@dataclass(frozen=True)
class Found:
    """A finding with its verdict in words, and its first things as (what, text, how many are alike)."""

    code: str
    verdict: Any
    mark: str
    title: str
    count: int
    things: Sequence[tuple[str, str, int]]
    more: int


def named(what: str) -> str:
    """What people and the search call it; a mail is known by its document."""
    return what.rpartition(":")[2]


@require_safe
def check_page(request: HttpRequest, month: str) -> HttpResponse:
    """Counts all of the month anew, as the command does, so it takes as long; the counts are kept for the board."""
    rights.need(request.user, "billing.view_invoice")
    try:
        asked = reading.month(month)
    except ValidationError as unread:
        raise Http404 from unread
    first, today = Vendor.objects.settings().first_month, months.today()
    if asked is None or not first <= asked <= months.month_of(today):
        raise Http404
    given: dict[str, Any] = {"title": _("%s の点検") % months.format_month(asked).replace("-", "/"), "month": asked}
    try:
        given["findings"] = found(check_and_keep(asked, today=today))
    except ValidationError as refused:
        given["error"] = " ".join(refused.messages)
    return render(request, "admin/check.html", admin.site.each_context(request) | given)


def found(findings: Sequence[checks.Finding]) -> list[Found]:
    """What isn't well, the gravest first."""
    told = []
    for kind, verdict, mark in checks.VERDICTS:
        for finding in findings:
            if finding.kind == kind and finding.rows:
                groups = checks.grouped(finding)
                more = sum(alike for _what, _text, alike in groups[SHOWN:])
                things = [(named(what), text, alike) for what, text, alike in groups[:SHOWN]]
                told.append(Found(finding.code, verdict, mark, str(finding.title), len(finding.rows), things, more))
    return told
