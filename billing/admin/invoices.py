"""The page of an invoice, from which it is adjusted and corrected, and the numbers that went."""

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import path
from django.utils.translation import gettext_lazy as _

from billing import desk
from billing.admin.inlines import AdjustmentLines, Corrections, Discounts, FixedLines, Totals
from billing.board import of_step
from billing.corrections.causes import ways_of
from billing.corrections.desk import correct_page
from billing.corrections.making import ADD
from billing.models import Discount, Invoice, InvoiceLine, InvoicePdf, NumberGone
from billing.month.kept import party
from billing.services import adjust_invoice, lapsing
from portal import rights
from portal.desk import Locked, ReadOnly, typed
from portal.shown import MonthFilter, cell
from portal.templatetags.figures import month_name, yen

# Of an invoice, what only the program needs.
LEFT_OUT = ("id", "template", "credit_left")
# Fields of an invoice that need other words than the database's.
WRITTEN = {
    "month": cell("month", month_name, _("請求対象年月")),
    "net": cell("net", yen, _("税抜金額")),
    "tax": cell("tax", yen, _("消費税額")),
    "total": cell("total", yen, _("請求金額（税込）")),
    "addressee": cell("addressee", party, _("宛先")),
    "issuer": cell("issuer", party, _("発行者")),
}


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
        return of_step(invoices, self.value())


@admin.register(Invoice)
class InvoiceAdmin(Locked):
    stays = _(
        "請求は番号とともに残るため、削除できません。確定した請求は「訂正する」で取り消せます。未確定の請求は、契約か調整を直すと変わります。"
    )
    list_display = [
        "number",
        "customer",
        cell("month", month_name, _("請求対象年月")),
        "kind",
        "state",
        cell("total", yen, _("請求金額（税込）")),
        "fixed_on",
    ]
    list_filter = [MonthFilter, StepFilter, "state", "kind"]
    list_select_related = ["customer"]
    search_fields = ["number", "customer__number", "customer__name"]
    exclude = [*LEFT_OUT, *WRITTEN]
    inlines = [FixedLines, AdjustmentLines, Discounts, Totals]

    def get_urls(self):
        view = self.admin_site.admin_view
        return [
            path("<int:invoice>/credit/<int:line>/", view(desk.credit_page), name="billing_invoice_credit"),
            path("<int:invoice>/correct/", view(correct_page), name="billing_invoice_correct"),
            path("<int:invoice>/pdf/", view(self.pdf), name="billing_invoice_pdf"),
            *super().get_urls(),
        ]

    def pdf(self, request, invoice):
        """The document as the customer has it; that staff looked isn't a download of the customer's."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        stored = get_object_or_404(InvoicePdf.objects.select_related("invoice"), invoice=invoice)
        return HttpResponse(
            bytes(stored.content),
            content_type="application/pdf",
            headers={"Content-Disposition": f'attachment; filename="{stored.invoice.number}.pdf"'},
        )

    def render_change_form(self, request, context, add=False, change=False, form_url="", obj=None):
        context["has_pdf"] = obj is not None and InvoicePdf.objects.filter(invoice=obj).exists()
        context["may_correct"] = obj is not None and rights.may(request.user, ADD) and bool(ways_of(obj))
        return super().render_change_form(request, context, add, change, form_url, obj)

    def get_readonly_fields(self, request, obj=None):
        names = [field.name for field in Invoice._meta.fields if field.name not in LEFT_OUT]
        return [WRITTEN.get(name, name) for name in names]

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return (obj is None or not obj.is_fixed) and super().has_change_permission(request, obj)

    def get_inlines(self, request, obj):
        return [FixedLines, Totals, Corrections] if obj is None or obj.is_fixed else self.inlines

    def save_model(self, request, obj, form, change):
        """The header follows customer and run; only lines are adjusted here."""

    def save_related(self, request, form, formsets, change):
        given = adjust_invoice(
            form.instance, *typed(formsets, InvoiceLine), *typed(formsets, Discount), by=request.user
        )
        for credit in given:
            told = {"item": credit.item, "yen": yen(credit.amount)}
            self.message_user(request, _("%(item)s（%(yen)s円）は調整残高として登録しました。") % told)
        for discount in lapsing(form.instance):
            told = {"item": discount.item, "yen": yen(discount.amount), "lapsed": yen(discount.lapsed)}
            text = _(
                "%(item)s（%(yen)s円）のうち%(lapsed)s円は、請求の金額を超えるため引かれません。繰り越しもされません。"
            )
            self.message_user(request, text % told, messages.WARNING)


@admin.register(NumberGone)
class NumberGoneAdmin(ReadOnly):
    """Numbers that no invoice has, or that one had to be given back (D20)."""

    list_display = ["number", "customer", cell("month", month_name, _("請求対象年月")), "cause", "at", "state"]
    fields = readonly_fields = list_display
    list_filter = [MonthFilter]
    list_select_related = ["customer"]
    search_fields = ["number", "customer__number", "customer__name"]

    def get_queryset(self, request):
        return super().get_queryset(request).with_return()

    @admin.display(description=_("状態"))
    def state(self, gone):
        return _("同じお客様の請求で再使用") if gone.came_back else _("欠番")
