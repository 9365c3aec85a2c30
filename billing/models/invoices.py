"""Invoices, and their totals by tax class."""

from decimal import Decimal

from django.db import models
from django.db.models import Case, Count, Exists, F, Max, Min, OuterRef, Q, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from accounts.models import PaymentMethod
from billing.models.files import InvoicePdf, InvoiceXml, Rendering
from billing.models.reviews import Download, Review
from billing.models.states import LIVE, OF_MONTH, Kind, ReviewState, State
from portal import numbers
from portal.models import PriceBasis, RoundingMode, TaxKind
from portal.scoping import Scoped
from portal.searching import Sought
from portal.templatetags.figures import percent

NEWEST = 300_000  # documents: those of three months of 100,000
DOCUMENT_FROM = 10_000  # yen, tax included, from which a 返還 needs its document (消費税法57条の4③)


class Invoices(Sought):
    def holding(self, word):
        return word.begins("number")

    def exactly(self, word):
        return self.filter(number__in=word.numbers)

    def drafts(self):
        """Those whose amount still follows the contracts (未確定)."""
        return self.filter(state=State.DRAFT)

    def fixed(self):
        """Those that never change again, whatever became of them afterwards (差替済, 取消)."""
        return self.exclude(state=State.DRAFT)

    def standing(self):
        """Fixed ones that hold: neither replaced nor void."""
        return self.filter(state=State.FIXED)

    def counting(self):
        """Those that say what is owed, or will: neither replaced nor void."""
        return self.filter(state__in=[State.DRAFT, State.FIXED])

    def regular(self):
        """What a month cost, in one document each; returns come on top, and so do imported ones that give something back."""
        return self.filter(Q(kind__in=OF_MONTH) | Q(kind=Kind.IMPORTED, total__gte=0))

    def with_classes(self):
        """Adds the tax-exclusive base at 10 % and at 8 % (`base_10`, `base_8`, yen, null where there is none)."""
        return self.annotate(base_10=of_classes("base", "0.10"), base_8=of_classes("base", "0.08"))

    def with_archive(self):
        """Adds what the index of the archive says beside the row: its tax classes, the days it bills, its file, and its chain."""
        pdf, xml = stored(InvoicePdf), stored(InvoiceXml)
        instead = Invoice.objects.filter(corrects=OuterRef("pk"), customer=OuterRef("customer"), kind=Kind.CORRECTION)
        return (
            self.with_classes()
            .with_files()
            .annotate(
                tax_10=of_classes("tax", "0.10"),
                tax_8=of_classes("tax", "0.08"),
                period_from=of_lines(Min("lines__starts_on", filter=Q(lines__credit=None))),
                period_to=of_lines(Max("lines__ends_on", filter=Q(lines__credit=None))),
                pdf_sha256=Subquery(pdf.values("sha256")),
                rendered_at=Subquery(pdf.values("rendered_at")),
                xml_sha256=Subquery(xml.values("sha256")),
                original=F("corrects__number"),
                replaced_by_number=Subquery(instead.order_by("-pk").values("number")[:1]),
            )
        )

    def with_due(self):
        """Adds the day by which money is asked for (`payable_on`); null where nothing is to be paid (D29)."""
        return self.annotate(payable_on=Case(When(total__gt=0, then=F("due_on")), output_field=models.DateField()))

    def with_download(self):
        """Adds when somebody of the company last downloaded the PDF (`downloaded_at`)."""
        last = Download.objects.filter(invoice=OuterRef("pk"), customer=OuterRef("customer")).order_by("-at")
        return self.annotate(downloaded_at=Subquery(last.values("at")[:1]))

    def with_returned(self):
        """Adds what standing 返還 gave back of it (`returned`: yen, tax included, 0 or less)."""
        given = Invoice.objects.standing().filter(
            kind=Kind.RETURN, corrects=OuterRef("pk"), customer=OuterRef("customer")
        )
        sums = given.order_by().values("corrects").annotate(sum=Sum("total")).values("sum")
        return self.annotate(returned=Coalesce(Subquery(sums), 0))

    def with_review(self):
        """Adds how far the company is with it (`review_state`, 社内確認); null for what was never to be looked at."""
        reviews = Review.objects.filter(invoice=OuterRef("pk"), customer=OuterRef("customer")).order_by("-pk")
        looked_at = Q(state=State.FIXED) & ~Q(kind=Kind.IMPORTED)
        waits = Case(When(looked_at, then=Value(ReviewState.OPEN)), output_field=models.CharField())
        return self.annotate(review_state=Coalesce(Subquery(reviews.values("state")[:1]), waits))

    def with_pdf(self):
        """Adds `pdf_size` in bytes; null while the PDF isn't stored."""
        return self.annotate(pdf_size=Subquery(stored(InvoicePdf).values("size")))

    def with_files(self):
        """Adds that and `xml_size`; null where there is none."""
        return self.with_pdf().annotate(xml_size=Subquery(stored(InvoiceXml).values("size")))

    def held(self):
        """How many documents these are, how many PDFs and XMLs are stored of them, and the bytes of those."""
        size = Coalesce(Sum("pdf__size"), 0) + Coalesce(Sum("xml__size"), 0)
        return self.aggregate(documents=Count("pk"), pdfs=Count("pdf"), xmls=Count("xml"), size=size)

    def newest_after(self):
        """The id after which the newest documents begin; to read those alone costs the same however many years there are."""
        return (self.aggregate(last=Max("pk"))["last"] or 0) - NEWEST

    def without_pdf(self, after=0):
        """Fixed documents whose PDF is still to be rendered, those replaced or void by now too: they stay downloadable (D6).

        Imported ones (移行) were sent from elsewhere and get none, nor do small 返還 of which nobody wants one. `after` an id
        neither documents nor PDFs of before are read.
        """
        made = InvoicePdf.objects.filter(pk=OuterRef("pk"), pk__gt=after)
        wanted = self.fixed().exclude(kind=Kind.IMPORTED).filter(without_document=False, pk__gt=after)
        return wanted.filter(~Exists(made))

    def without_xml(self):
        """Those whose PDF is stored and whose XML couldn't be made."""
        return self.fixed().filter(pdf__isnull=False, rendering__isnull=False)

    def renderable(self, after=0):
        """Those that workers still try: without PDF, and not parked for somebody to look at."""
        parked = Rendering.objects.filter(parked_at__isnull=False)
        return self.without_pdf(after).exclude(pk__in=parked.values("invoice"))


def stored(kept):
    """The PDF or XML of the document in the outer query."""
    return kept.objects.filter(invoice=OuterRef("pk"), customer=OuterRef("customer"))


def of_classes(column, rate):
    """The sum of a column over the tax classes of one rate, for the document in the outer query."""
    totals = TaxTotal.objects.filter(invoice=OuterRef("pk"), customer=OuterRef("customer"), rate=rate)
    return Subquery(totals.order_by().values("invoice").annotate(sum=Sum(column)).values("sum"))


def of_lines(aggregate):
    """An aggregate over the lines of the document in the outer query; a credit's period is that of what it gives back."""
    return Subquery(Invoice.objects.filter(pk=OuterRef("pk")).annotate(found=aggregate).values("found"))


class Invoice(models.Model):
    """A document for one customer and month; frozen by the database from the moment it is fixed (D6)."""

    customer = models.ForeignKey(
        "accounts.Customer", models.PROTECT, verbose_name=_("お客様"), related_name="invoices", db_index=False
    )
    number = models.CharField(_("請求番号"), max_length=20, unique=True, validators=[numbers.own_form])
    kind = models.CharField(_("種類"), max_length=10, choices=Kind, default=Kind.INVOICE)
    state = models.CharField(_("請求状態"), max_length=8, choices=State, default=State.DRAFT)
    corrects = models.ForeignKey(
        "self",
        models.PROTECT,
        verbose_name=_("訂正元"),
        null=True,
        blank=True,
        related_name="corrections",
        db_constraint=False,
    )
    month = models.DateField(_("請求対象年月"))
    subject = models.CharField(_("件名"), max_length=100)
    issued_on = models.DateField(_("請求日"))
    # 返還 ask for no money (D36), imported ones neither.
    due_on = models.DateField(_("支払期日"), null=True, blank=True)
    fix_due_on = models.DateField(_("確定予定日"))
    fixed_on = models.DateField(_("確定日"), null=True)
    payment_method = models.CharField(_("支払方法"), max_length=10, choices=PaymentMethod)
    rounding = models.CharField(_("消費税の端数処理"), max_length=8, choices=RoundingMode)
    net = models.BigIntegerField(_("税抜金額"), default=0)
    tax = models.BigIntegerField(_("消費税額"), default=0)
    total = models.BigIntegerField(_("請求金額（税込）"), default=0)
    addressee = models.JSONField(_("宛先"), null=True)
    issuer = models.JSONField(_("発行者"), null=True)
    # 調整残高 after this document: [{"kind", "rate", "basis", "yen"}], frozen with it; null where the customer had none.
    credit_left = models.JSONField(_("調整残高"), null=True)
    # A small 返還 may do without its document (消費税法施行令70条の9③二), never without its entry.
    without_document = models.BooleanField(_("書類なし"), default=False, db_default=False, editable=False)
    # The layout, written by the fix; of a draft it says nothing.
    template = models.CharField(max_length=10, default="v1")

    objects = Invoices.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("請求")
        permissions = [("export_books", _("請求の帳簿を書き出すことができる"))]
        constraints = [
            models.UniqueConstraint(fields=["customer", "id"], name="invoice_customer_key"),
            models.UniqueConstraint(fields=["customer", "month"], condition=LIVE, name="one_live_invoice_a_month"),
            models.CheckConstraint(condition=Q(number__regex=r"^[A-Z0-9-]{1,20}$"), name="invoice_number_form"),
            models.CheckConstraint(condition=Q(kind__in=Kind.values), name="invoice_kind_known"),
            models.CheckConstraint(condition=Q(state__in=State.values), name="invoice_state_known"),
            models.CheckConstraint(condition=Q(month__day=1), name="invoice_month_is_first_day"),
            models.CheckConstraint(condition=Q(total=F("net") + F("tax")), name="invoice_adds_up"),
            models.CheckConstraint(
                condition=Q(state=State.DRAFT)
                | Q(kind=Kind.IMPORTED)
                | Q(kind=Kind.RETURN, total__lte=0)
                | Q(kind__in=OF_MONTH, total__gte=0),
                name="invoice_asks_for_money",
            ),
            models.CheckConstraint(
                condition=Q(kind=Kind.RETURN, due_on=None)
                | Q(kind=Kind.IMPORTED, total__lt=0)
                | (~Q(kind=Kind.RETURN) & Q(due_on__isnull=False)),
                name="return_is_never_due",
            ),
            models.CheckConstraint(
                condition=Q(without_document=False)
                | Q(kind=Kind.RETURN) & (Q(state=State.DRAFT) | Q(total__gt=-DOCUMENT_FROM)),
                name="only_small_return_without_document",
            ),
            models.CheckConstraint(
                condition=Q(state=State.DRAFT, fixed_on=None)
                | (~Q(state=State.DRAFT) & Q(fixed_on__isnull=False, addressee__isnull=False, issuer__isnull=False)),
                name="invoice_fixed_whole",
            ),
            models.CheckConstraint(
                condition=Q(kind=Kind.IMPORTED)
                | Q(kind=Kind.INVOICE, corrects=None)
                | Q(kind__in=[Kind.CORRECTION, Kind.RETURN], corrects__isnull=False),
                name="invoice_correction_names_one",
            ),
        ]
        indexes = [
            models.Index(F("customer"), F("month").desc(), F("number").desc(), name="invoices_of_customer"),
            models.Index(fields=["month", "customer"], name="invoices_of_month"),
            # Staff's list by what few invoices are; the close writes to neither.
            models.Index(
                fields=["id"], condition=Q(kind__in=[Kind.CORRECTION, Kind.RETURN]), name="invoices_of_rare_kinds"
            ),
            models.Index(
                fields=["id"], condition=Q(state__in=[State.REPLACED, State.VOID]), name="invoices_that_count_no_more"
            ),
            # The vendor's books are searched by day and by amount (電子帳簿保存法).
            models.Index(
                F("issued_on").desc(), F("number").desc(), condition=~Q(state=State.DRAFT), name="books_by_day"
            ),
            models.Index(fields=["total", "issued_on"], condition=~Q(state=State.DRAFT), name="books_by_amount"),
        ]

    def __str__(self):
        return self.number

    @property
    def is_fixed(self):
        return self.state != State.DRAFT

    @property
    def counts(self):
        """Whether it says what its month cost: it holds or will, and is no return."""
        asks = self.kind in OF_MONTH or (self.kind == Kind.IMPORTED and self.total >= 0)
        return asks and self.state in (State.DRAFT, State.FIXED)

    @property
    def gives_back(self):
        """Whether it is a 返還, also one that another system sent."""
        return self.kind == Kind.RETURN or (self.kind == Kind.IMPORTED and self.total < 0)

    @property
    def given_back(self):
        """Yen that a 返還 gives back, tax included, without its sign."""
        return -self.total

    @property
    def asks_for_payment(self):
        """Whether somebody has to see to it that it is paid."""
        return self.state == State.FIXED and self.kind in (*OF_MONTH, Kind.IMPORTED) and self.total > 0

    @property
    def is_free(self):
        """Whether it says that nothing is to be paid (D29); its 支払期日 stays the one that a 修正 would keep (D36)."""
        return self.is_fixed and self.kind != Kind.RETURN and self.total == 0

    def balances(self):
        """調整残高 after this document, as (rate, 税区分, 税抜・税込, yen); none unless credits concern it."""
        return [
            (Decimal(left["rate"]), TaxKind(left["kind"]).label, PriceBasis(left["basis"]).label, left["yen"])
            for left in self.credit_left or []
        ]

    @property
    def gets_pdf(self):
        """Whether workers make its file: that of each fixed document but an imported one, and a 返還 without document."""
        return self.is_fixed and self.kind != Kind.IMPORTED and not self.without_document


class TaxTotal(models.Model):
    """Base and tax of one tax class on one document, in yen; rounded once, here (D7)."""

    customer = models.ForeignKey("accounts.Customer", models.PROTECT, related_name="+", db_index=False)
    invoice = models.ForeignKey(Invoice, models.CASCADE, related_name="tax_totals", db_constraint=False, db_index=False)
    kind = models.CharField(_("税区分"), max_length=10, choices=TaxKind)
    rate = models.DecimalField(_("税率"), max_digits=5, decimal_places=4)
    base = models.BigIntegerField(_("対象額（税抜）"))
    tax = models.BigIntegerField(_("消費税額"))

    objects = Scoped.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("税区分ごとの合計")
        ordering = ["-rate", "kind"]
        constraints = [
            models.UniqueConstraint(fields=["invoice", "kind", "rate"], name="one_total_a_tax_class"),
            models.CheckConstraint(condition=Q(rate__gt=0) | Q(tax=0), name="no_tax_without_rate"),
            models.CheckConstraint(condition=Q(kind__in=TaxKind.values), name="tax_total_kind"),
        ]
        indexes = [models.Index(fields=["customer", "invoice"], name="totals_of_invoice")]

    def __str__(self):
        return f"{self.get_kind_display()} {percent(self.rate)}"
