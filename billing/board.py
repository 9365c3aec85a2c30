"""The month board of staff's start page: how far each month's work has come, and which rows each of its figures counts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import pairwise
from typing import Any, NamedTuple

from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, JSONObject
from django.db.models.lookups import GreaterThan
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from billing.counting import Figure
from billing.menu import desk_of, list_of
from billing.models import Decision, Kind, MonthCheck, MonthRun, MonthTally
from billing.models.runs import NEVER
from billing.month import checks
from billing.tally import COUNTING, Documents, documents_of
from orders.models import Kind as OrderKind
from portal import months
from portal.db.sets import united
from portal.models import Action, CalendarDay, HistoryEvent, Mail
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
    documents: Documents | None = None
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
        is_closed, is_over = month <= runs.last_closed, months.is_over(month, today)
        invoices = desk_of("billing.invoice").get_queryset(request)
        documents = documents_of(invoices, month, runs.tallies.get(month)) if is_closed else None
        drafted, total = (documents.invoices, documents.total) if documents else drafts_of(invoices, month)
        row = Month(
            month,
            fix_due,
            days_until(fix_due, today, calendar),
            is_over,
            is_closed,
            runs.closed_at.get(month),
            total,
            documents,
        )
        row.steps = steps_of(request, row, drafted, check_of(month, runs))
        found.append(row)
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


def drafts_of(invoices: QuerySet, month: date) -> tuple[Figure, Figure]:
    """Of a month that isn't closed: how many invoices there are, and what its documents come to in yen, tax included."""
    rows = invoices.filter(month=month)
    address = list_of("billing.invoice", month=months.format_month(month), kind__exact=Kind.INVOICE)
    return Figure("", rows, address, Q(kind=Kind.INVOICE)), Figure("", rows, "", COUNTING, sums="total")


def steps_of(request: HttpRequest, row: Month, drafted: Figure, check: Check) -> list[Step]:
    """更新, 見込, 点検, 締め, PDF, メール, 開封."""
    month, documents = row.month, row.documents
    on = {"month": months.format_month(month)}
    renewed = rows_of(request, "orders.order", month=month, kind=OrderKind.RENEWAL)
    steps = [
        Step(figure("", renewed, "orders.order", {**on, "kind__exact": OrderKind.RENEWAL})),
        Step(drafted),
    ]
    parked = figure(_("保留"), rows_of(request, "billing.parked", month=month), "billing.parked", on)
    if documents is None:
        steps[-1].missing = known(parked)
    steps.append(Step(check=check))
    if documents is None:
        begins = _("締めを待っています") if row.is_over else _("%sから") % short(months.add_months(month, 1))
        return [*steps, Step(begins=begins), Step(), Step(), Step()]

    failed = rows_of(request, "billing.rendering", parked_at__isnull=False, invoice__month=month)
    mails = rows_of(request, "portal.mail")
    return [
        *steps,
        Step(documents.fixed, drafted, known(parked)),
        Step(
            documents.pdf,
            documents.fixed,
            known(
                figure(
                    _("失敗"),
                    failed,
                    "billing.rendering",
                    {**on, "parked_at__isempty": "0"},
                ),
                documents.without_pdf,
            ),
        ),
        Step() if mails is None else mailed(mails, month),
        Step(documents.opened, documents.pdf),
    ]


def mailed(mails: QuerySet, month: date) -> Step:
    """メール: those sent are all but the few that wait or failed, which have indexes of their own."""
    notices, on = notices_of(mails, month), {"month": months.format_month(month)}

    def of_state(words: str, state: Mail.State, *others: Mail.State, rest_of: Sequence[Figure] = ()) -> Figure:
        address = list_of("portal.mail", **on, state__exact=state)
        return Figure(words, notices.filter(state__in=[state, *others]), address, rest_of=rest_of)

    every = Figure("", notices, list_of("portal.mail", **on))
    failed = of_state(_("送信不可"), Mail.State.FAILED)
    waiting = of_state("", Mail.State.WAITING, Mail.State.SENDING)
    return Step(of_state("", Mail.State.SENT, rest_of=[every, waiting, failed]), every, [failed])


def rows_of(request: HttpRequest, model: str, **wanted: Any) -> QuerySet | None:
    """What the list of this model shows of these rows to whoever asks; None if they may not see it."""
    desk = desk_of(model)
    return desk.get_queryset(request).filter(**wanted) if desk.has_view_permission(request) else None


def figure(words: str, rows: QuerySet | None, model: str, asked: dict[str, str]) -> Figure | None:
    return None if rows is None else Figure(words, rows, list_of(model, **asked))


def known(*figures: Figure | None) -> list[Figure]:
    return [each for each in figures if each]


def short(day: date) -> str:
    return f"{day.month}/{day.day}"


Findings = list[dict[str, Any]]  # as MonthCheck keeps them


class Proposed(NamedTuple):
    """The newest check of an open month, `at` which it began; since then `decided` 返還の提案 were decided (D27).

    `is_old`: a contract was changed since.
    """

    month: date
    at: datetime
    findings: Findings
    decided: int
    is_old: bool


@dataclass
class Runs:
    """Which months are closed and when, when each was run for all or closed last and when drafts were made, their checks, and
    what is known of their documents."""

    last_closed: date
    closed_at: dict[date, datetime]
    drafted_at: datetime | None
    ran: dict[date, datetime]
    checked: dict[date, tuple[datetime, Findings]]
    tallies: dict[date, MonthTally]
    proposed: Proposed | None


def runs(today: date) -> Runs:
    """As they are now; checks and tallies of the months that the board may show."""
    rows = list(read_runs(today))

    def of(wanted: str) -> list[tuple[date, datetime, dict[str, Any]]]:
        return [(month, at, told) for month, kind, at, told in rows if kind == wanted]

    closed = {month: at for month, at, _told in of(MonthRun.Kind.CLOSE)}
    drafted = {month: at for month, at, _told in of(MonthRun.Kind.OPEN)}
    proposed = [
        Proposed(month, at, told["findings"], told["decided"], bool(told["changed"]))
        for month, at, told in of("proposed")
    ]
    return Runs(
        max(closed, default=NEVER),
        closed,
        max(drafted.values(), default=None),
        {month: max(filter(None, [drafted.get(month), closed.get(month)])) for month in {*drafted, *closed}},
        {month: (at, told["findings"]) for month, at, told in of("check")},
        {month: MonthTally(month=month, until=at, **told) for month, at, told in of("tally")},
        proposed[0] if proposed else None,
    )


def read_runs(today: date) -> QuerySet:
    """(month, what it is, when, the rest by name) of all that `runs` knows, in one statement."""
    ran = MonthRun.objects.of_all().order_by("month", "kind", "-finished_at").distinct("month", "kind")
    since = months.add_months(months.month_of(today), -MOST_MONTHS)
    checked = MonthCheck.objects.ended().filter(month__gte=since).order_by("month", "-at").distinct("month")
    tallies = MonthTally.objects.filter(month__gte=since).order_by()
    tallied = JSONObject(**{name: name for name in ("documents", "ended", "invoices", "total", "opened")})
    closed_at = MonthRun.objects.filter(kind=MonthRun.Kind.CLOSE, finished_at__isnull=False).order_by("-month")
    last_closed = Coalesce(Subquery(closed_at.values("month")[:1]), Value(NEVER))
    proposed = MonthCheck.objects.ended().filter(is_closed=False, month__gt=last_closed).order_by("-at")
    changed = HistoryEvent.objects.filter(action=Action.CONTRACT_CHANGED).order_by("-id")
    since_then = JSONObject(
        findings="findings",
        decided=Subquery(decided_since(OuterRef("at"))),
        changed=GreaterThan(Subquery(changed.values("at")[:1]), F("at")),
    )
    return united(
        [
            ran.values_list("month", "kind", "finished_at", JSONObject()),
            checked.values_list("month", Value("check"), "at", JSONObject(findings="findings")),
            tallies.values_list("month", Value("tally"), "until", tallied),
            proposed.values_list("month", Value("proposed"), "at", since_then)[:1],
        ]
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
        for each in [row.total, *(row.documents.figures if row.documents else [])]:
            found[id(each)] = each
    return list(found.values())


def compare(rows: Sequence[Month]) -> None:
    """Add what each month's sum is more or less than that of the month before, as a share of it."""
    for row, before in pairwise(rows):
        if before.total.count:
            row.change = (row.total.count - before.total.count) / before.total.count
