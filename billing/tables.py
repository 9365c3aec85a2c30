"""The columns of the invoice list, of what an invoice's page shows (its lines and tax classes), and of 費用分析."""

from html import escape

from django.db.models import Case, CharField, Value, When
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_tables2 import Table

from accounts.models import PaymentMethod
from billing.difference import Cause
from billing.models import InvoiceLine, Kind, ReviewState, State
from orders.models import Kind as OrderKind
from portal.lists.columns import (
    NOTHING,
    AmountColumn,
    ChoiceColumn,
    DateColumn,
    LinkColumn,
    ListColumn,
    MonthColumn,
    NumberColumn,
    PeriodColumn,
    StackColumn,
    StateColumn,
    TaxRateColumn,
    TextColumn,
    TimeColumn,
    YenColumn,
    link_to,
    tag,
)
from portal.models import PriceBasis, TaxKind
from portal.templatetags.figures import signed, ym, ymd
from portal.templatetags.icons import icon

REVIEW_LOOKS = {ReviewState.OPEN: "warn", ReviewState.CHECKED: "off", ReviewState.ARRANGED: "ok"}
LOOKS = {State.DRAFT: "warn", State.FIXED: "ok", State.REPLACED: "off", State.VOID: "bad"}


class FixedOnColumn(DateColumn):
    """The day it was fixed; on the page, until then, the day by which it will be, marked as planned (D5)."""

    def writer(self):
        write, planned = super().writer(), tag(_("予定"))
        return lambda row: write(row) if row.is_fixed else f"{ymd(row.fix_due_on)} {planned}"


class TotalColumn(YenColumn):
    """The amount, marked as provisional until it is fixed."""

    def writer(self):
        write, provisional = super().writer(), tag(_("見込"))
        return lambda row: write(row) if row.is_fixed else f"{provisional} {write(row)}"


class PdfColumn(ListColumn):
    """The download, once the amount is fixed and the file stored (D10)."""

    css = "pdf"

    def writer(self):
        url, arrow = link_to("invoice_pdf"), icon("download")
        said = (_("確定後"), _("PDF作成中"), _("書類なし"))
        waits, making, without = (f'<span class="muted">{words}</span>' for words in said)

        def write(row):
            if row.pdf_size:
                return f'<a href="{url(row.number)}" aria-label="{row.number} PDF">{arrow}PDF</a>'
            if not row.is_fixed:
                return waits
            if row.without_document:
                return without
            return making if row.gets_pdf else NOTHING

        return write

    def csv(self):
        return Case(
            When(pdf_size__isnull=False, then=Value("PDF")),
            When(state=State.DRAFT, then=Value(_("確定後"))),
            When(without_document=True, then=Value(_("書類なし"))),
            When(kind__in=[kind for kind in Kind if kind != Kind.IMPORTED], then=Value(_("PDF作成中"))),
            output_field=CharField(),
        )


class ReviewColumn(StateColumn):
    """How far the company itself is with the document; nothing where there is nothing to look at yet."""

    def writer(self):
        value, write = self.value, super().writer()
        return lambda row: write(row) if value(row) else NOTHING


class LineKindColumn(ListColumn):
    """新規 or 更新 of the order that a line bills; of a line without order where it comes from."""

    def writer(self):
        kinds, origins = dict(OrderKind.choices), dict(InvoiceLine.Origin.choices)
        return lambda row: str(kinds[row.order.kind] if row.order_id else origins[row.origin])

    def csv(self):
        kinds = [When(order__kind=kind, then=Value(str(label))) for kind, label in OrderKind.choices]
        origins = [When(origin=origin, then=Value(str(label))) for origin, label in InvoiceLine.Origin.choices]
        return Case(*kinds, *origins, output_field=CharField())


class ItemColumn(StackColumn):
    """The item over its specification and what explains its amount."""

    def writer(self):
        write = super().writer()
        return lambda row: (
            f"<span>{write(row)}<small>{escape(said)}</small></span>" if (said := row.explanation) else write(row)
        )


class TaxClassColumn(TaxRateColumn):
    css = "text"

    def words(self, rate):
        return escape(_("%(rate)s対象") % {"rate": rate})


class ServiceColumn(ListColumn):
    """The service that a row is about, with its colour in the chart above."""

    names_row = True

    def writer(self):
        return lambda row: (
            f'<span class="keyed"><span class="swatch {row.colour}"></span><span>{escape(row.name)}</span></span>'
        )


class CauseColumn(ListColumn):
    """Why the amount differs, as a tag."""

    def writer(self):
        tags = {cause: f'<span class="tag quiet">{escape(str(cause.label))}</span>' for cause in Cause}
        return lambda row: tags[row.cause]


class SubjectColumn(ListColumn):
    """The item with, below it, the number of what to read on about."""

    def writer(self):
        urls = {view: link_to(view) for view in ("contract_detail", "order_detail", "invoice_detail")}

        def write(row):
            if not row.link:
                return escape(row.item) or NOTHING
            view, number = row.link
            return f'<span>{escape(row.item)}<small><a href="{urls[view](number)}">{escape(number)}</a></small></span>'

        return write


class SignedColumn(ListColumn):
    """Yen more (+) or less (-)."""

    css = "num"

    def writer(self):
        value = self.value
        return lambda row: signed(value(row))


class CostColumn(YenColumn):
    """What a month cost: the amount at `place` of the rows'."""

    def __init__(self, month, place, *, provisional):
        super().__init__(ym(month), "amounts", shown=True)
        self.value = lambda row: row.amounts[place]
        self.provisional = provisional

    def heading(self):
        label = super().heading()
        return f"{label} {tag(_('見込'))}" if self.provisional else label


class ShareColumn(ListColumn):
    """Percent, as much of one as the charts write."""

    css = "num"

    def writer(self):
        return lambda row: NOTHING if row.share is None else f"{row.share}%"


class InvoiceTable(Table):
    number = LinkColumn(gettext_lazy("請求番号"), "number", to="invoice_detail", shown=True, card="link")
    month = MonthColumn(gettext_lazy("請求対象年月"), "month", shown=True, card="title")
    subject = TextColumn(gettext_lazy("件名"), "subject")
    state = StateColumn(gettext_lazy("請求状態"), "state", State, LOOKS, shown=True, card="state")
    issued_on = DateColumn(gettext_lazy("請求日"), "issued_on", shown=True)
    fixed_on = FixedOnColumn(gettext_lazy("確定日"), "fixed_on", shown=True, card="planned")
    fix_due_on = DateColumn(gettext_lazy("確定予定日"), "fix_due_on")
    due_on = DateColumn(gettext_lazy("支払期日"), "payable_on", shown=True, needs="with_due", card="sub")
    total = TotalColumn(gettext_lazy("請求金額（税込）"), "total", shown=True, card="main")
    net = YenColumn(gettext_lazy("税抜金額"), "net")
    tax = YenColumn(gettext_lazy("消費税額"), "tax")
    base_10 = YenColumn(gettext_lazy("10%対象額"), "base_10", needs="with_classes")
    base_8 = YenColumn(gettext_lazy("8%対象額"), "base_8", needs="with_classes")
    payment_method = ChoiceColumn(gettext_lazy("支払方法"), "payment_method", PaymentMethod)
    pdf = PdfColumn(gettext_lazy("PDF"), "pdf_size", sort="", shown=True, needs="with_pdf", card="action")
    downloaded_at = TimeColumn(gettext_lazy("ダウンロード日時"), "downloaded_at", needs="with_download")
    review = ReviewColumn(gettext_lazy("社内確認"), "review_state", ReviewState, REVIEW_LOOKS, needs="with_review")


class SeenInvoiceTable(InvoiceTable):
    """As staff who look on see it: 社内確認 is the company's own business."""

    review = None  # type: ignore[assignment]


class InvoiceLineTable(Table):
    invoice = TextColumn(gettext_lazy("請求番号"), "invoice__number")
    month = MonthColumn(gettext_lazy("請求対象年月"), "invoice__month")
    state = ChoiceColumn(gettext_lazy("請求状態"), "invoice__state", State)
    position = NumberColumn(gettext_lazy("行"), "position")
    contract = LinkColumn(gettext_lazy("契約番号"), "contract__number", to="contract_detail")
    order = LinkColumn(gettext_lazy("注文番号"), "order__number", to="order_detail")
    numbers = StackColumn(
        gettext_lazy("契約番号 / 注文番号"), contract, order, TextColumn(gettext_lazy("発注番号"), "purchase_order")
    )
    kind = LineKindColumn(gettext_lazy("注文区分"), "origin", shown=True)
    product_code = TextColumn(gettext_lazy("商品コード"), "product_code")
    item = TextColumn(gettext_lazy("品目"), "item")
    specification = TextColumn(gettext_lazy("仕様"), "specification")
    items = ItemColumn(gettext_lazy("品目"), item, specification)
    starts_on = DateColumn(gettext_lazy("利用開始日"), "starts_on")
    ends_on = DateColumn(gettext_lazy("利用終了日"), "ends_on")
    period = PeriodColumn(gettext_lazy("利用期間"), starts_on, ends_on)
    quantity = NumberColumn(gettext_lazy("数量"), "quantity", shown=True)
    unit = TextColumn(gettext_lazy("単位"), "unit", shown=True)
    unit_price = NumberColumn(gettext_lazy("単価"), "unit_price", shown=True)
    amount = AmountColumn(gettext_lazy("金額"), "amount", shown=True)
    price_basis = ChoiceColumn(gettext_lazy("税込/税抜"), "price_basis", PriceBasis)
    tax_kind = ChoiceColumn(gettext_lazy("税区分"), "tax_kind", TaxKind)
    tax_rate = TaxRateColumn(gettext_lazy("税率"), "tax_rate", shown=True)
    purchase_order = TextColumn(gettext_lazy("発注番号"), "purchase_order")


class TaxTotalTable(Table):
    rate = TaxClassColumn(gettext_lazy("税率区分"), "rate", kind="kind", shown=True)
    base = YenColumn(gettext_lazy("対象額（税抜）"), "base", shown=True)
    tax = YenColumn(gettext_lazy("消費税額"), "tax", shown=True)


class DifferenceTable(Table):
    cause = CauseColumn(gettext_lazy("理由"), "cause", shown=True)
    item = SubjectColumn(gettext_lazy("対象"), "item", shown=True)
    words = TextColumn(gettext_lazy("内容"), "words", shown=True)
    amount = SignedColumn(gettext_lazy("差額"), "amount", shown=True)


class ShareTable(Table):
    service = ServiceColumn(gettext_lazy("サービス"), "name", shown=True)
    amount = YenColumn(gettext_lazy("金額"), "amount", shown=True)
    share = ShareColumn(gettext_lazy("割合"), "share", shown=True)


def cost_table(months, running):
    """The table of what services cost in these months; made anew for each page, for the months are its columns."""
    columns: dict[str, ListColumn] = {"service": ServiceColumn(_("サービス（税抜）"), "name", shown=True)}
    for place, month in enumerate(months):
        columns[month_key(month)] = CostColumn(month, place, provisional=month == running)
    return type("CostTable", (Table,), columns)


def month_key(month):
    """The name of a month's column in that table."""
    return f"{month:%Y-%m}"
