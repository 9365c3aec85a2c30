"""A closed month's documents on staff's board: counted, or known from when they were last counted.

What is fixed never changes, and a stored PDF stays. Once all of a month is fixed and has its PDF, it comes to something else only
if a document comes, or is replaced or taken back, which two short readings tell. What companies opened is what they had until
the day before, and what they opened for the first time since. So what is known is as exact as what is counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from billing.counting import Figure, fill
from billing.menu import list_of
from billing.models import OF_MONTH, Download, Invoice, Kind, MonthRun, MonthTally, State
from portal import months

AGE = timedelta(days=1)  # after which a month is counted again: by then the downloads since are many
MARGIN = timedelta(minutes=10)  # within which every request that writes a download has ended

FIXED = Q(kind=Kind.INVOICE) & ~Q(state=State.DRAFT)
COUNTING = Q(kind__in=OF_MONTH, state__in=[State.DRAFT, State.FIXED])
TAKEN = Download.objects.filter(invoice=OuterRef("pk"), customer=OuterRef("customer"))
# How far an invoice (請求書) has come: the filter 工程 of their list, by which the board counts too.
OF_STEP = {
    "fixed": FIXED,
    "pdf": FIXED & Q(pdf__isnull=False),
    "without_pdf": FIXED & Q(pdf__isnull=True, without_document=False),
    "opened": FIXED & Q(Exists(TAKEN)),
}


@dataclass
class Documents:
    """The figures of a closed month's documents; `kept`, if there is any, is what is known of them.

    `newly_opened` are those since `until`. `documents` and `ended` (差替済, 取消) tell whether what is kept of the others still
    holds, `drafts` whether they may be kept.
    """

    month: date
    kept: MonthTally | None
    until: datetime
    invoices: Figure
    fixed: Figure
    pdf: Figure
    without_pdf: Figure
    total: Figure
    drafts: Figure
    opened: Figure
    newly_opened: Figure
    documents: Figure
    ended: Figure

    @property
    def counted(self) -> list[Figure]:
        """Those that are known of a month that is through."""
        return [self.invoices, self.fixed, self.pdf, self.without_pdf, self.total, self.drafts]

    @property
    def figures(self) -> list[Figure]:
        return [*self.counted, self.opened, self.newly_opened, self.documents, self.ended]

    @property
    def known(self) -> tuple[int | None, int | None] | None:
        """The (documents, ended) with which what is kept holds; None where no more than `opened` is."""
        return (self.kept.documents, self.kept.ended) if self.kept and self.kept.documents is not None else None

    @property
    def has_changed(self) -> bool:
        return self.known is not None and self.known != (self.documents.count, self.ended.count)

    def know(self) -> None:
        """Take over what is kept."""
        if self.kept is None:
            return
        self.opened.is_known, self.opened.count = True, self.kept.opened
        for each in self.counted:
            each.is_known = self.known is not None
        if self.known:
            self.invoices.count = self.fixed.count = self.pdf.count = self.kept.invoices or 0
            self.total.count = self.kept.total or 0

    def to_keep(self) -> MonthTally:
        """What was counted; all of it, if nothing but documents that come or end can change it from now on."""
        opened = self.opened.count - self.newly_opened.count
        tally = MonthTally(month=self.month, until=self.until, opened=opened)
        if not self.drafts.count and not self.without_pdf.count:
            tally.documents, tally.ended = self.documents.count, self.ended.count
            tally.invoices, tally.total = self.invoices.count, self.total.count
        return tally


def documents_of(rows: QuerySet, month: date, kept: MonthTally | None) -> Documents:
    """The figures of a closed month, still to be counted by `fill` and then settled; `rows` are all that the list may show."""
    on = {"month": months.format_month(month)}
    of_month = rows.filter(month=month)
    now = timezone.now()
    kept = kept if kept and kept.until > now - AGE else None
    until = kept.until if kept else now - MARGIN
    since = Download.objects.filter(at__gt=until).values("invoice")

    def of_step(words: str, step: str) -> Figure:
        return Figure(words, of_month, list_of("billing.invoice", **on, step=step), OF_STEP[step])

    found = Documents(
        month,
        kept,
        until,
        Figure("", of_month, list_of("billing.invoice", **on, kind__exact=Kind.INVOICE), Q(kind=Kind.INVOICE)),
        of_step("", "fixed"),
        of_step("", "pdf"),
        of_step(_("PDFなし"), "without_pdf"),
        Figure("", of_month, "", COUNTING, sums="total"),
        Figure("", of_month, "", Q(state=State.DRAFT)),
        Figure("", rows.filter(OF_STEP["opened"], month=month), list_of("billing.invoice", **on, step="opened")),
        Figure("", rows.filter(FIXED, ~Exists(TAKEN.filter(at__lte=until)), month=month, pk__in=since), ""),
        Figure("", rows.filter(month=month), ""),
        Figure("", rows.filter(month=month, state__in=[State.REPLACED, State.VOID]), ""),
    )
    found.know()
    return found


def settle(found: Sequence[Documents]) -> None:
    """Once all are filled: count those months anew whose documents aren't the kept ones any more, and keep what may be kept."""
    for each in found:
        each.opened.count += each.newly_opened.count if each.kept else 0
    changed = [each for each in found if each.has_changed]
    anew = [figure for each in changed for figure in each.counted]
    for figure in anew:
        figure.is_known = False
    fill([*anew, *(figure for each in changed for figure in (each.documents, each.ended))])
    tallies = [each.to_keep() for each in found if each.known is None or each.has_changed]
    stored = {each.month: each.kept for each in found}
    keep([each for each in tallies if differs(each, stored[each.month])])


def differs(tally: MonthTally, kept: MonthTally | None) -> bool:
    return kept is None or (tally.documents, tally.ended) != (kept.documents, kept.ended)


def keep(tallies: Sequence[MonthTally]) -> None:
    names = [field.name for field in MonthTally._meta.fields if not field.primary_key]
    if tallies:
        MonthTally.objects.bulk_create(tallies, update_conflicts=True, unique_fields=["month"], update_fields=names)


def count_closed(today: date) -> None:
    """Count the closed months of the last year, so that nobody who opens the board has to wait for it."""
    runs = MonthRun.objects.filter(kind=MonthRun.Kind.CLOSE, finished_at__isnull=False)
    runs = runs.filter(month__gte=months.add_months(months.month_of(today), -12))
    for month in sorted(set(runs.values_list("month", flat=True))):
        documents = documents_of(Invoice.objects.all(), month, None)
        fill(documents.figures)
        settle([documents])
