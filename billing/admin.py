"""Staff read invoices, runs and parked customers here, and adjust drafts by lines of their own."""

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from accounts.models import Customer
from billing.documents.rendering import render_again
from billing.models import Invoice, InvoiceLine, MonthRun, Parked, Rendering, TaxTotal
from billing.services import adjust_invoice, defer_catch_up, price_adjustment
from portal.admin import LINE_WIDGETS, READ, Desk, OwnRows, ReadOnly, Shown, typed
from portal.forms import WholeField


class FixedLines(Shown):
    """All lines of a document, read-only."""

    model = InvoiceLine
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

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("contract")


class AdjustmentForm(forms.ModelForm):
    position = WholeField(label=_("行"), min_value=1, max_value=9999)

    class Meta:
        widgets = LINE_WIDGETS

    def _post_clean(self):
        """Also finds the line's amount and tax rate, so that what is wrong with them stands beside the field."""
        super()._post_clean()
        if not self.errors:
            try:
                price_adjustment(self.instance)
            except ValidationError as error:
                self.add_error(None, error)


class AdjustmentFormSet(OwnRows):
    def clean(self):
        """What Django leaves to the database: each line's place is its own."""
        super().clean()
        if any(self.errors):
            return
        others = self.instance.lines.exclude(pk__in=[form.instance.pk for form in self.initial_forms])
        taken = set(others.values_list("position", flat=True))
        for form in self.forms:
            if form in self.deleted_forms or not form.cleaned_data:
                continue
            if form.instance.position in taken:
                form.add_error("position", _("この行番号はほかの明細で使われています"))
            taken.add(form.instance.position)


class AdjustmentLines(admin.StackedInline):
    """Adjustments and discounts that staff add to a draft; stacked, for a table of so many fields is wider than a screen."""

    model = InvoiceLine
    form = AdjustmentForm
    formset = AdjustmentFormSet
    formfield_overrides = READ
    extra = 0
    verbose_name_plural = "調整・値引き"
    fields = [
        ("position", "origin", "item", "specification"),
        ("starts_on", "ends_on"),
        ("quantity", "unit", "unit_price", "price_basis", "tax_kind"),
    ]

    def get_queryset(self, request):
        return super().get_queryset(request).filter(origin__in=InvoiceLine.ADJUSTING)

    def formfield_for_choice_field(self, db_field, request, **kwargs):
        if db_field.name == "origin":
            kwargs["choices"] = [(origin.value, origin.label) for origin in InvoiceLine.ADJUSTING]
        return super().formfield_for_choice_field(db_field, request, **kwargs)


class Totals(Shown):
    model = TaxTotal
    fields = readonly_fields = ["kind", "rate", "base", "tax"]


@admin.register(Invoice)
class InvoiceAdmin(Desk):
    list_display = ["number", "customer", "month", "kind", "state", "total", "fixed_on"]
    list_filter = ["state", "kind", "month"]
    list_select_related = ["customer"]
    search_fields = ["number", "customer__number", "customer__name"]
    exclude = ["template"]
    inlines = [FixedLines, AdjustmentLines, Totals]

    def get_readonly_fields(self, request, obj=None):
        return [field.name for field in Invoice._meta.fields if field.name not in ("id", *self.exclude)]

    def get_object(self, request, object_id, from_field=None):
        """Whoever saves has the customer locked before anything is read: a close beside it ends first, or waits."""
        found = super().get_object(request, object_id, from_field)
        if found is None or request.method != "POST":
            return found
        Customer.objects.lock([found.customer_id])
        return super().get_object(request, object_id, from_field)

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

    def save_related(self, request, form, formsets, change):
        adjust_invoice(form.instance, *typed(formsets, InvoiceLine), by=request.user)


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

    @admin.action(description=_("もう一度締める"), permissions=["act"])
    def try_again(self, request, parked):
        defer_catch_up(*{each.customer for each in parked.select_related("customer")}, decided=True, by=request.user)
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

    @admin.action(description=_("もう一度作成する"), permissions=["act"])
    def try_again(self, request, failed):
        count = render_again(failed, by=request.user)
        self.message_user(request, _("%(count)d件のPDFをもう一度作成します。") % {"count": count})
