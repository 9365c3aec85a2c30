"""The month board of staff's start page: how far each month's work has come, and which rows each of its figures counts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import pairwise
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, JSONObject
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from billing.counting import Figure
from billing.menu import desk_of, list_of
from billing.models import OF_MONTH, Decision, Download, Kind, MonthCheck, MonthRun
from billing.models.runs import NEVER
from billing.month import checks
from orders.models import Kind as OrderKind
from portal import months
from portal.models import CalendarDay, Mail
from portal.numbers import invoice_series

MONTHS = 4  # the running one, the one that is being closed, and two that are done
MOST_MONTHS = 12  # where closes are behind


@dataclass
class Step:
    """One step of a month: what is done of how much, what is missing, or from when on it can begin."""

    done: Figure | None = None
    whole: Figure | None = None
    missing: list[Figure] = field(default_factory=list)
    begins: str = ""
    check: "Check | None" = None

    @property
    def is_complete(self) -> bool:
        return bool(self.done) and not self.of and not any(each.count for each in self.missing)

    @property
    def of(self) -> int:
        """How much there is in all, where that isn't done yet."""
        return self.whole.count if self.whole and self.done and self.whole.count != self.done.count else 0


@dataclass
class Check:
    """点検 of a month: its page, and of the newest, if any, when it began, whether the month was run since, and what it
    found as (how many, verdict in words, mark)."""

    page: str
    at: datetime | None
    is_old: bool
    verdicts: list[tuple[int, Any, str]]

    @property
    def is_sound(self) -> bool:
        """As `check_month` ends with 0: what is only to be looked at (注意) is no fault."""
        return not any(mark for _count, _words, mark in self.verdicts)


@dataclass
class Month:
    """A row of the board; `days_left` are business days until 確定予定日, negative where it is past."""

    month: date
    fix_due: date
    days_left: int
    is_over: bool
    is_closed: bool
    closed_at: datetime | None
    total: Figure
    steps: list[Step] = field(default_factory=list)
    change: float | None = None

    @property
    def is_done(self) -> bool:
        if any(step.check and not step.check.is_old and not step.check.is_sound for step in self.steps):
            return False
        return self.is_closed and not any(figure.count for step in self.steps for figure in step.missing)

    @property
    def days_late(self) -> int:
        return -self.days_left


STEPS = [gettext_lazy(each) for each in ("更新", "見込", "点検", "締め", "PDF", "メール", "開封")]


def of_step(rows: Any, step: str | None) -> QuerySet:
    """Invoices (請求書) that have come as far: the filter 工程 of their list, by which the board counts too."""
    regular = rows.filter(kind=Kind.INVOICE)
    match step:
        case "fixed":
            return regular.fixed()
        case "pdf":
            return regular.fixed().filter(pdf__isnull=False)
        case "without_pdf":
            return regular.without_pdf()
        case "opened":
            taken = Download.objects.filter(invoice=OuterRef("pk"), customer=OuterRef("customer"))
            return regular.fixed().filter(Exists(taken))
    return rows


def notices_of(rows: QuerySet, month: date) -> QuerySet:
    """Mails that tell of the invoices of a month: their keys have the numbers, and these the month (D20)."""
    return rows.filter(key__startswith=f"{Mail.Kind.INVOICE_FIXED}:{invoice_series(month)}")


def months_shown(today: date, first: date, closed: date) -> list[date]:
    """The running month and those before it, the newest first; none before 運用開始年月."""
    running = months.month_of(today)
    since = max(first, min(closed, months.add_months(running, 1 - MONTHS)))
    return list(months.months_between(since, running))[::-1][:MOST_MONTHS]


def board(request: HttpRequest, *, today: date, first: date, runs: "Runs") -> list[Month]:
    """The months, the newest first; their figures are counted by `fill`. Empty for whoever may not see invoices (D37)."""
    if not request.user.has_perm("billing.view_invoice"):
        return []
    calendar = CalendarDay.objects.exceptions()
    found = []
    for month in months_shown(today, first, runs.last_closed):
        fix_due = months.nth_business_day_after(month, **calendar)
        found.append(
            Month(
                month,
                fix_due,
                days_until(fix_due, today, calendar),
                months.is_over(month, today),
                month <= runs.last_closed,
                runs.closed_at.get(month),
                total_of(request, month),
                steps_of(
                    request,
                    month,
                    check_of(month, runs),
                    is_closed=month <= runs.last_closed,
                    is_over=months.is_over(month, today),
                ),
            )
        )
    return found


def days_until(due: date, today: date, calendar: dict[str, Any]) -> int:
    """Business days; negative ones since it is past."""
    if today > due:
        return -months.business_days_between(due, today, **calendar)
    return months.business_days_between(today, due, **calendar)


def check_of(month: date, runs: "Runs") -> Check:
    at, findings = runs.checked.get(month, (None, []))
    ran = runs.ran.get(month)
    return Check(check_address(month), at, bool(at and ran and at < ran), verdicts_of(findings))


def verdicts_of(findings: "Findings") -> list[tuple[int, Any, str]]:
    """What was found as (how many, verdict in words, mark), the gravest first."""
    counted = [
        (sum(each["count"] for each in findings if each["kind"] == kind), words, mark)
        for kind, words, mark in checks.VERDICTS
    ]
    return [each for each in counted if each[0]]


def check_address(month: date) -> str:
    return reverse("admin_check", args=[months.format_month(month)])


def steps_of(request: HttpRequest, month: date, check: Check, *, is_closed: bool, is_over: bool) -> list[Step]:
    """更新, 見込, 点検, 締め, PDF, メール, 開封."""
    on = {"month": months.format_month(month)}
    renewed = rows_of(request, "orders.order", month=month, kind=OrderKind.RENEWAL)
    invoices = desk_of("billing.invoice").get_queryset(request).filter(month=month)
    drafted = figure("", invoices.filter(kind=Kind.INVOICE), "billing.invoice", {**on, "kind__exact": Kind.INVOICE})
    steps = [
        Step(figure("", renewed, "orders.order", {**on, "kind__exact": OrderKind.RENEWAL})),
        Step(drafted),
    ]
    parked = figure(_("保留"), rows_of(request, "billing.parked", month=month), "billing.parked", on)
    if not is_closed:
        steps[-1].missing = known(parked)
    steps.append(Step(check=check))
    if not is_closed:
        begins = _("締めを待っています") if is_over else _("%sから") % short(months.add_months(month, 1))
        return [*steps, Step(begins=begins), Step(), Step(), Step()]

    def invoice_figure(words, step):
        return figure(words, of_step(invoices, step), "billing.invoice", {**on, "step": step})

    fixed, pdf = invoice_figure("", "fixed"), invoice_figure("", "pdf")
    failed = rows_of(request, "billing.rendering", parked_at__isnull=False, invoice__month=month)
    mails = rows_of(request, "portal.mail")
    notices = mails if mails is None else notices_of(mails, month)

    def mail_figure(words, state=None):
        rows = notices if notices is None or state is None else notices.filter(state=state)
        return figure(words, rows, "portal.mail", {**on, **({"state__exact": state} if state else {})})

    return [
        *steps,
        Step(fixed, drafted, known(parked)),
        Step(
            pdf,
            fixed,
            known(
                figure(
                    _("失敗"),
                    failed,
                    "billing.rendering",
                    {**on, "parked_at__isempty": "0"},
                ),
                invoice_figure(_("PDFなし"), "without_pdf"),
            ),
        ),
        Step(mail_figure("", Mail.State.SENT), mail_figure(""), known(mail_figure(_("送信不可"), Mail.State.FAILED))),
        Step(invoice_figure("", "opened"), pdf),
    ]


def total_of(request: HttpRequest, month: date) -> Figure:
    """Yen, tax included, of the documents of a month that hold or will."""
    rows = desk_of("billing.invoice").get_queryset(request).counting().filter(month=month, kind__in=OF_MONTH)
    return Figure("", rows, "", "coalesce(sum(total), 0)::bigint")


def rows_of(request: HttpRequest, model: str, **wanted: Any) -> QuerySet | None:
    """What the list of this model shows of these rows to whoever asks; None if they may not see it."""
    desk = desk_of(model)
    return desk.get_queryset(request).filter(**wanted) if desk.has_view_permission(request) else None


def figure(words: str, rows: QuerySet | None, model: str, asked: dict[str, str]) -> Figure | None:
    if rows is None:
        return None
    return Figure(words, rows, list_of(model, **asked))


def known(*figures: Figure | None) -> list[Figure]:
    return [each for each in figures if each]


def short(day: date) -> str:
    return f"{day.month}/{day.day}"


Findings = list[dict[str, Any]]  # as MonthCheck keeps them


@dataclass
class Runs:
    """Which months are closed and when, when each was run for all or closed last and when drafts were made, and their checks.

    `proposed` is, of the newest check of an open month, its month, when it began, what it found, and how much was decided
    since (D27).
    """

    last_closed: date
    closed_at: dict[date, datetime]
    drafted_at: datetime | None
    ran: dict[date, datetime]
    checked: dict[date, tuple[datetime, Findings]]
    proposed: tuple[date, datetime, Findings, int] | None


def runs(today: date) -> Runs:
    """In one statement; checks of the months that the board may show."""
    ran = MonthRun.objects.of_all().order_by("month", "kind", "-finished_at").distinct("month", "kind")
    since = months.add_months(months.month_of(today), -MOST_MONTHS)
    checked = MonthCheck.objects.ended().filter(month__gte=since).order_by("month", "-at").distinct("month")
    closed_at = MonthRun.objects.filter(kind=MonthRun.Kind.CLOSE, finished_at__isnull=False).order_by("-month")
    last_closed = Coalesce(Subquery(closed_at.values("month")[:1]), Value(NEVER))
    proposed = MonthCheck.objects.ended().filter(is_closed=False, month__gt=last_closed).order_by("-at")
    rows = list(
        ran.values_list("month", "kind", "finished_at", JSONObject()).union(
            checked.values_list("month", Value("check"), "at", JSONObject(findings="findings")),
            proposed.values_list(
                "month",
                Value("proposed"),
                "at",
                JSONObject(findings="findings", decided=Subquery(decided_since(OuterRef("at")))),
            )[:1],
            all=True,
        )
    )

    def of(wanted):
        return [(month, at, told) for month, kind, at, told in rows if kind == wanted]

    closed = {month: at for month, at, _told in of(MonthRun.Kind.CLOSE)}
    drafted = {month: at for month, at, _told in of(MonthRun.Kind.OPEN)}
    return Runs(
        max(closed, default=NEVER),
        closed,
        max(drafted.values(), default=None),
        {month: max(filter(None, [drafted.get(month), closed.get(month)])) for month in {*drafted, *closed}},
        {month: (at, told["findings"]) for month, at, told in of("check")},
        next(((month, at, told["findings"], told["decided"]) for month, at, told in of("proposed")), None),
    )


def decided_since(at: Any) -> QuerySet:
    """How many 返還の提案 were decided since then, less those whose decision was taken back; one row."""
    decided = Decision.objects.filter(at__gt=at).order_by().values(all=Value(1))
    balance = Count("pk", filter=Q(takes_back=None)) - Count("takes_back", distinct=True)
    return decided.annotate(balance=balance).values("balance")


def figures_of(rows: Sequence[Month]) -> list[Figure]:
    """All figures of the board, each once."""
    found: dict[int, Figure] = {}
    for row in rows:
        for step in row.steps:
            for each in [step.done, step.whole, *step.missing]:
                if each:
                    found[id(each)] = each
        found[id(row.total)] = row.total
    return list(found.values())


def compare(rows: Sequence[Month]) -> None:
    """Add what each month's sum is more or less than that of the month before, as a share of it."""
    for row, before in pairwise(rows):
        if before.total.count:
            row.change = (row.total.count - before.total.count) / before.total.count
