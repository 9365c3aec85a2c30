"""The page of an invoice, from which it is adjusted and corrected, and the numbers that went."""

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import path
from django.utils.translation import gettext_lazy as _

from billing import desk
from billing.admin.inlines import AdjustmentLines, Discounts
from billing.corrections.desk import correct_page
from billing.invoice_page import page_of
from billing.models import Discount, Invoice, InvoiceLine, InvoicePdf, InvoiceXml, NumberGone
from billing.services import adjust_invoice, lapsing
from billing.tally import OF_STEP
from portal.desk import Locked, ReadOnly, typed
from portal.shown import MonthFilter, cell
from portal.templatetags.figures import plain, yen, ym, ymd


class StepFilter(admin.SimpleListFilter):
    """How far 請求書 have come in the month's work, as the start page's board counts them."""

    title, parameter_name = _("工程"), "step"

    def lookups(self, request, model_admin):
        return [
            ("fixed", _("締め済み")),
            ("pdf", _("PDFあり")),
            ("without_pdf", _("PDFなし")),
            ("opened", _("お客様が開封済み")),
        ]

    def queryset(self, request, invoices):
        return invoices.filter(OF_STEP.get(self.value() or "", Q()))


@admin.register(Invoice)
class InvoiceAdmin(Locked):
    large = True
    stays = _(
        "請求は番号とともに残るため、削除できません。確定した請求は「訂正する」で取り消せます。未確定の請求は、契約か調整を直すと変わります。"
    )
    csv_without = ("template", "credit_left")
    list_display = [
        "number",
        "customer",
        cell("month", ym, _("請求対象年月")),
        "kind",
        "state",
        cell("total", yen, _("請求金額（税込）")),
        cell("fixed_on", ymd, _("確定日")),
    ]
    list_filter = [MonthFilter, StepFilter, "state", "kind"]
    list_select_related = ["customer"]
    search_fields = ["number", "customer__number", "customer__name"]
    inlines = [AdjustmentLines, Discounts]

    def get_ordering(self, request):
        """Of a month by customer, as its index has them; the newest first would walk through all that came later."""
        return ["customer", "-pk"] if request.GET.get("month") else super().get_ordering(request)

    def get_urls(self):
        view = self.admin_site.admin_view
        return [
            path("<int:invoice>/credit/<int:line>/", view(desk.credit_page), name="billing_invoice_credit"),
            path("<int:invoice>/correct/", view(correct_page), name="billing_invoice_correct"),
            path("<int:invoice>/pdf/", view(self.pdf), name="billing_invoice_pdf"),
            path("<int:invoice>/xml/", view(self.xml), name="billing_invoice_xml"),
            *super().get_urls(),
        ]

    def pdf(self, request, invoice):
        """The document as the customer has it; that staff looked isn't a download of the customer's."""
        return self.file(request, InvoicePdf, invoice)

    def xml(self, request, invoice):
        return self.file(request, InvoiceXml, invoice)

    def file(self, request, kept, invoice):
        if not self.has_view_permission(request):
            raise PermissionDenied
        stored = get_object_or_404(kept.objects.select_related("invoice"), invoice=invoice)
        kind = "xml" if kept is InvoiceXml else "pdf"
        named = {"Content-Disposition": f'attachment; filename="{stored.invoice.number}.{kind}"'}
        return HttpResponse(bytes(stored.content), content_type=f"application/{kind}", headers=named)

    def get_fields(self, request, obj=None):
        """Of the header nothing is typed: it follows customer and run."""
        return []

    def get_queryset(self, request):
        """A page knows from its row whether anything is typed below it, and asks no more where nothing is."""
        rows = super().get_queryset(request).select_related("customer")
        if request.resolver_match.url_name != "billing_invoice_change":
            return rows
        own = {"invoice": OuterRef("pk"), "customer": OuterRef("customer")}
        adjusted = Exists(InvoiceLine.objects.adjustments().filter(**own))
        return rows.annotate(adjusted=adjusted, discounted=Exists(Discount.objects.filter(**own)))

    def get_formset_kwargs(self, request, obj, inline, prefix):
        given = super().get_formset_kwargs(request, obj, inline, prefix)
        typed_below = obj.adjusted if isinstance(inline, AdjustmentLines) else obj.discounted
        if request.method == "GET" and not typed_below:
            given["queryset"] = given["queryset"].none()
        return given

    def render_change_form(self, request, context, add=False, change=False, form_url="", obj=None):
        if obj is not None:
            context |= page_of(obj, request)
            self.ask_only(request, context)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def ask_only(self, request, context):
        """Where rows only ask, nothing is wrong: then the page says that it waits instead of that there are errors."""
        forms = [form for inline in context["inline_admin_formsets"] for form in inline.formset.forms]
        asking = [form for form in forms if getattr(form, "asks", "")]
        if asking and not any(form.errors for form in forms if form not in asking):
            context["errors"] = None
            messages.warning(request, _("まだ保存していません。値引き額を確認して、もう一度保存してください。"))

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return (obj is None or not obj.is_fixed) and super().has_change_permission(request, obj)

    def get_inlines(self, request, obj):
        """A draft is adjusted; whatever was fixed is corrected by other documents."""
        return [] if obj is None or obj.is_fixed else self.inlines

    def save_model(self, request, obj, form, change):
        """The header follows customer and run; only lines are adjusted here."""

    def save_related(self, request, form, formsets, change):
        lines, removed = typed(formsets, InvoiceLine)
        given = adjust_invoice(form.instance, lines, removed, *typed(formsets, Discount), by=request.user)
        for credit, line in zip(given, (line for line in lines if line.amount < 0), strict=True):
            told = {"item": credit.item, "yen": yen(credit.amount)}
            text = _("%(item)s（%(yen)s円）は調整残高として登録しました。")
            if line.quantity * line.unit_price != line.amount:
                text = _("%(item)s（%(yen)s円）は調整残高として登録しました（%(sum)s、1円未満切り捨て）。")
                told["sum"] = f"{plain(line.quantity)}×{plain(line.unit_price)}"
            self.message_user(request, text % told)
        for discount in lapsing(form.instance):
            told = {"item": discount.item, "yen": yen(discount.amount), "lapsed": yen(discount.lapsed)}
            text = _(
                "%(item)s（%(yen)s円）のうち%(lapsed)s円は、請求の金額を超えるため引かれません。繰り越しもされません。"
            )
            self.message_user(request, text % told, messages.WARNING)


@admin.register(NumberGone)
class NumberGoneAdmin(ReadOnly):
    """Numbers that no invoice has, or that one had to be given back (D20)."""

    list_display = ["number", "customer", cell("month", ym, _("請求対象年月")), "cause", "at", "state"]
    fields = readonly_fields = list_display
    list_filter = [MonthFilter]
    list_select_related = ["customer"]
    search_fields = ["number", "customer__number", "customer__name"]

    def get_queryset(self, request):
        return super().get_queryset(request).with_return()

    @admin.display(description=_("状態"))
    def state(self, gone):
        return _("同じお客様の請求で再使用") if gone.came_back else _("欠番")
