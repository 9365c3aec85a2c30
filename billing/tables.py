"""The columns of the invoice list."""

from django.db.models import Case, CharField, Value, When
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_tables2 import Table

from accounts.models import PaymentMethod
from billing.models import State
from portal.lists.columns import (
    ChoiceColumn,
    DateColumn,
    LinkColumn,
    ListColumn,
    MonthColumn,
    StateColumn,
    TextColumn,
    TimeColumn,
    YenColumn,
)
from portal.templatetags.figures import yen, ymd

LOOKS = {State.DRAFT: "warn", State.FIXED: "ok", State.REPLACED: "off", State.VOID: "bad"}


def detail_url(row):
    return reverse("invoice_detail", args=[row.number])


def tag(words):
    return format_html('<span class="tag">{}</span>', words)


class FixedOnColumn(DateColumn):
    """The day it was fixed; until then the day by which it will be, marked as planned (D5)."""

    def cell(self, row):
        return super().cell(row) if row.is_fixed else format_html("{} {}", ymd(row.fix_due_on), tag(_("予定")))


class TotalColumn(YenColumn):
    """The amount, marked as provisional until it is fixed."""

    def cell(self, row):
        return yen(row.total) if row.is_fixed else format_html("{} {}", tag(_("見込")), yen(row.total))


class PdfColumn(ListColumn):
    """The download, once the amount is fixed and the file stored (D10)."""

    css = "pdf"

    def cell(self, row):
        if row.pdf_size:
            return format_html(
                '<a href="{}" aria-label="{} PDF"><svg class="icon" aria-hidden="true"><use href="#i-download"/></svg>PDF</a>',
                reverse("invoice_pdf", args=[row.number]),
                row.number,
            )
        return format_html('<span class="muted">{}</span>', _("PDF作成中") if row.is_fixed else _("確定後"))

    def csv(self):
        return Case(
            When(pdf_size__isnull=False, then=Value("PDF")),
            When(state=State.DRAFT, then=Value(_("確定後"))),
            default=Value(_("PDF作成中")),
            output_field=CharField(),
        )


class InvoiceTable(Table):
    number = LinkColumn(gettext_lazy("請求番号"), "number", url=detail_url, shown=True, card="sub")
    month = MonthColumn(gettext_lazy("請求対象年月"), "month", shown=True, card="title")
    subject = TextColumn(gettext_lazy("件名"), "subject")
    state = StateColumn(gettext_lazy("請求状態"), "state", State, LOOKS, shown=True, card="state")
    issued_on = DateColumn(gettext_lazy("請求日"), "issued_on", shown=True)
    fixed_on = FixedOnColumn(gettext_lazy("確定日"), "fixed_on", shown=True)
    fix_due_on = DateColumn(gettext_lazy("確定予定日"), "fix_due_on")
    due_on = DateColumn(gettext_lazy("支払期日"), "due_on", shown=True)
    total = TotalColumn(gettext_lazy("請求金額（税込）"), "total", shown=True, card="main")
    net = YenColumn(gettext_lazy("税抜金額"), "net")
    tax = YenColumn(gettext_lazy("消費税額"), "tax")
    base_10 = YenColumn(gettext_lazy("10%対象額"), "base_10", needs="with_classes")
    base_8 = YenColumn(gettext_lazy("8%対象額"), "base_8", needs="with_classes")
    payment_method = ChoiceColumn(gettext_lazy("支払方法"), "payment_method", PaymentMethod)
    pdf = PdfColumn(gettext_lazy("PDF"), "pdf_size", sort="", shown=True, needs="with_pdf", card="action")
    downloaded_at = TimeColumn(gettext_lazy("ダウンロード日時"), "downloaded_at", needs="with_download")
