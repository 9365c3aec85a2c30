"""The start page of staff's desk: the month board, what stops, what is to be done today; before the first close, what to do first."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from procrastinate.contrib.django.models import ProcrastinateEvent, ProcrastinateJob

from accounts.models import Customer
from billing.board import STEPS, Runs, board, check_address, compare, figures_of, runs
from billing.counting import Figure, fill
from billing.menu import desk_of, list_of
from billing.tally import settle
from billing.waiting import STOPPED, TO_DO, panels, show_first
from contracts.models import Contract, Service
from portal.models import TaxClass, Vendor, VendorRegistration

QUIET_AFTER = timedelta(hours=26)  # a daily run that is later than this didn't come
PATIENCE = timedelta(hours=1)  # with a job that waits in the queue


class First(NamedTuple):
    """One thing to be done before the portal can bill."""

    words: str
    is_done: bool
    address: str


@dataclass(frozen=True)
class Undecided:
    """返還の提案 that nobody has decided (D27): as many as the newest check of an open month found, less what was decided since.

    `is_old`: a contract was changed since, which a check at `check_page` would take into account.
    """

    count: int
    at: datetime
    check_page: str
    is_old: bool

    @property
    def address(self) -> str:
        return f"{self.check_page}#proposals"


def start_page(request: HttpRequest, *, today: date) -> dict[str, Any]:
    """What the page shows whoever asks, in few statements whatever the rows."""
    vendor, ran = Vendor.objects.first(), runs(today)
    shown = board(request, today=today, first=vendor.first_month, runs=ran) if vendor else []
    stopped, to_do = (panels(request, kinds, today) for kinds in (STOPPED, TO_DO))
    late = Figure("", late_jobs(), "")
    there = [
        Figure("", model.objects.all()[:1], "") for model in (VendorRegistration, TaxClass, Service, Customer, Contract)
    ]
    fill([*figures_of(shown), *(each.figure for each in [*stopped, *to_do]), late, *there])
    settle([each.documents for each in shown if each.documents])
    compare(shown)
    show_first([*stopped, *to_do])
    proposed = undecided(ran) if shown else None
    current = next((each for each in reversed(shown) if each.is_over and not each.is_done), None)
    return {
        "board": shown,
        "board_steps": STEPS,
        "current": current,
        "stopped": [each for each in stopped if each.figure.count],
        "stopped_count": sum(each.figure.count for each in stopped),
        "to_do": [each for each in to_do if each.figure.count],
        "proposed": proposed,
        "to_do_count": sum(each.figure.count for each in to_do) + (proposed.count if proposed else 0),
        "alarms": alarms(ran, late),
        "first_steps": first_steps(vendor, there) if not ran.closed_at else [],
        "may_add_customer": desk_of("accounts.customer").has_add_permission(request),
        "at": timezone.localtime(),
    }


def undecided(ran: Runs) -> Undecided | None:
    """None where there are none, or no check asked for them. To find them takes a check: too long for a page that opens often."""
    if not ran.proposed:
        return None
    newest = ran.proposed
    left = sum(each["count"] for each in newest.findings if each["code"] == "proposals") - newest.decided
    return Undecided(left, newest.at, check_address(newest.month), newest.is_old) if left > 0 else None


def late_jobs() -> QuerySet:
    """One job that has waited for longer than any should, if there is one."""
    since = timezone.now() - PATIENCE
    began = ProcrastinateEvent.objects.filter(job=OuterRef("pk"), type="deferred", at__lt=since)
    return ProcrastinateJob.objects.filter(Exists(began), status="todo").exclude(scheduled_at__gt=since)[:1]


def alarms(ran: Runs, late: Figure) -> list[str]:
    """What only an operator can put right, in a sentence each."""
    found = []
    if late.count:
        found.append(
            _("1時間以上待っている処理があります。ワーカーが動いているか、システムの担当者に確認してください。")
        )
    if ran.drafted_at and timezone.now() - ran.drafted_at > QUIET_AFTER:
        at = timezone.localtime(ran.drafted_at)
        told = _("毎日の見込作成が %s から動いていません。システムの担当者に確認してください。")
        found.append(told % f"{at.month}/{at.day} {at:%H:%M}")
    return found


def first_steps(vendor: Vendor | None, there: list[Figure]) -> list[First]:
    """What comes before the first close, in its order."""
    registrations, classes, services, customers, contracts = (bool(each.count) for each in there)
    return [
        First(_("ベンダー設定で会社名、振込先、運用開始年月を登録する"), bool(vendor), list_of("portal.vendor")),
        First(_("登録番号（T番号）を登録する"), registrations, list_of("portal.vendorregistration")),
        First(_("税区分を登録する"), classes, list_of("portal.taxclass")),
        First(_("サービスを登録する"), services, list_of("contracts.service")),
        First(_("お客様を登録する（ファイルからも取り込めます）"), customers, list_of("accounts.customer")),
        First(_("契約を登録する（ファイルからも取り込めます）"), contracts, list_of("contracts.contract")),
        First(_("月が終わったら、見込を確認して最初の月を締める"), False, list_of("billing.invoice")),
    ]
