"""Staff read invoices, runs and parked customers here, and adjust provisional invoices by lines of their own."""

from django.contrib import admin
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from billing import drafts
from billing.close import last_closed
from billing.models import Invoice, InvoiceLine, MonthRun, Parked, Rendering, TaxTotal
from billing.tasks import follow_up, render_again
from contracts.services import rate_of
from portal import money
from portal.admin import ReadOnly


class FixedLines(admin.TabularInline):
    """All lines of a document, read-only."""

    model = InvoiceLine
    extra = 0
    can_delete = False
    verbose_name_plural = "明細"
    fields = readonly_fields = [
        "origin",
        "contract",
        "item",
        "specification",
        "starts_on",
        "ends_on",
        "quantity",
        "unit_price",
        "amount",
        "tax_rate",
    ]

    def has_add_permission(self, request, obj=None):
        return False

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("contract")


class AdjustmentLines(admin.TabularInline):
    """Adjustments and discounts that staff add to a provisional invoice."""

    model = InvoiceLine
    extra = 0
    verbose_name_plural = "調整・値引き"
    fields = [
        "position",
        "origin",
        "item",
        "specification",
        "starts_on",
        "ends_on",
        "quantity",
        "unit",
        "unit_price",
        "price_basis",
        "tax_kind",
    ]

    def get_queryset(self, request):
        return super().get_queryset(request).filter(origin__in=["adjustment", "discount"])

    def formfield_for_choice_field(self, db_field, request, **kwargs):
        if db_field.name == "origin":
            kwargs["choices"] = [
                choice for choice in InvoiceLine.Origin.choices if choice[0] in ("adjustment", "discount")
            ]
        return super().formfield_for_choice_field(db_field, request, **kwargs)


class Totals(admin.TabularInline):
    model = TaxTotal
    extra = 0
    can_delete = False
    fields = readonly_fields = ["kind", "rate", "base", "tax"]

    def has_add_permission(self, request, obj=None):
        return False


@admin.register(Invoice)
class InvoiceAdmin(admin.ModelAdmin):
    list_display = ["number", "customer", "month", "kind", "state", "total", "fixed_on"]
    list_filter = ["state", "kind", "month"]
    list_select_related = ["customer"]
    search_fields = ["number", "customer__number", "customer__name"]
    inlines = [FixedLines, AdjustmentLines, Totals]

    def get_readonly_fields(self, request, obj=None):
        return [field.name for field in Invoice._meta.fields]

    def has_add_permission(self, request):
        return False

    def has_delete_permission(self, request, obj=None):
        return False

    def has_change_permission(self, request, obj=None):
        return (obj is None or not obj.is_fixed) and super().has_change_permission(request, obj)

    def get_inlines(self, request, obj):
        return [FixedLines, Totals] if obj is None or obj.is_fixed else self.inlines

    def save_model(self, request, obj, form, change):
        """The header follows customer and run; only lines are adjusted here."""

    @transaction.atomic
    def save_formset(self, request, form, formset, change):
        if formset.model is not InvoiceLine:
            return
        for line in formset.save(commit=False):
            line.invoice, line.customer_id = form.instance, form.instance.customer_id
            line.amount = money.line_amount(line.quantity, line.unit_price)
            line.tax_rate = rate_of(line.tax_kind, line.ends_on)
            line.save()
        for line in formset.deleted_objects:
            line.delete()
        drafts.rebuild([form.instance.customer_id], form.instance.month, last_closed())
        follow_up(form.instance.customer)


@admin.register(MonthRun)
class MonthRunAdmin(ReadOnly):
    list_display = ["month", "kind", "as_of", "started_at", "finished_at", "expected", "fixed", "skipped", "parked"]
    list_filter = ["kind"]


@admin.register(Parked)
class ParkedAdmin(ReadOnly):
    list_display = ["customer", "month", "reason", "tries", "parked_at", "tried_at"]
    list_filter = ["month"]
    list_select_related = ["customer"]
    search_fields = ["customer__number", "customer__name", "reason"]
    actions = ["try_again"]

    @admin.action(description=_("もう一度締める"))
    def try_again(self, request, parked):
        follow_up(*{each.customer for each in parked.select_related("customer")}, decided=True)
        self.message_user(
            request, _("%(count)d件をもう一度処理します。結果はこの一覧に表れます。") % {"count": len(parked)}
        )


@admin.register(Rendering)
class RenderingAdmin(ReadOnly):
    list_display = ["invoice", "customer", "tries", "__str__", "parked_at"]
    list_filter = [("parked_at", admin.EmptyFieldListFilter)]
    list_select_related = ["invoice", "customer"]
    search_fields = ["invoice__number", "customer__number", "error"]
    actions = ["try_again"]

    @admin.action(description=_("もう一度作成する"))
    def try_again(self, request, failed):
        count = render_again(failed)
        self.message_user(request, _("%(count)d件のPDFをもう一度作成します。") % {"count": count})
