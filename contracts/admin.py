"""Staff's desk for services, contracts and the prices of metered items; terms are read here."""

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from billing.services import defer_catch_up
from contracts.models import Contract, ContractLine, Meter, MeterTier, Service, Term
from contracts.services import delete_meter, price, save_contract, save_meter
from orders.services import start_contract
from orders.usage import reprice
from portal.admin import LINE_WIDGETS, READ, Desk, OwnRows, PlacedRows, PlaceField, Shown, typed
from portal.months import today


@admin.register(Service)
class ServiceAdmin(Desk):
    list_display = ["code", "name", "prorate", "position", "published"]
    search_fields = ["code", "name"]


class LineForm(forms.ModelForm):
    """A line whose amount is found here, so that what is wrong with it stands beside it."""

    position = PlaceField()

    class Meta:
        widgets = LINE_WIDGETS

    def _post_clean(self):
        super()._post_clean()
        if not self.errors:
            try:
                price(self.instance, today=today())
            except ValidationError as error:
                self.add_error(None, error)


class LineInline(admin.StackedInline):
    """Stacked, for a table of so many fields is wider than a screen."""

    model = ContractLine
    form = LineForm
    formset = PlacedRows
    formfield_overrides = READ
    fields = [
        ("position", "product_code", "item", "specification"),
        ("quantity", "unit", "unit_price", "price_basis", "tax_kind"),
        ("charge_from", "charge_to"),
    ]

    def get_extra(self, request, obj=None, **kwargs):
        return 0 if obj else 1


class MeterInline(Shown):
    model = Meter
    show_change_link = True
    fields = readonly_fields = ["service", "item", "unit", "free_quantity", "unit_price"]


class TermInline(Shown):
    model = Term
    fields = readonly_fields = ["sequence", "starts_on", "ends_on", "dropped_on"]
    ordering = ["-sequence"]


@admin.register(Contract)
class ContractAdmin(Desk):
    list_display = ["number", "name", "customer", "service", "form", "start_on", "cancel_on"]
    list_filter = ["form", "service"]
    list_select_related = ["customer", "service"]
    search_fields = ["number", "name", "customer__number", "customer__name"]
    autocomplete_fields = ["customer", "service"]
    readonly_fields = ["number", "updated_at"]
    inlines = [LineInline, MeterInline, TermInline]

    def get_readonly_fields(self, request, obj=None):
        """A contract stays with its customer; its form, and its start, stay as its terms began."""
        if obj and obj.terms.exists():
            return [*self.readonly_fields, "customer", "form", "start_on"]
        return self.readonly_fields

    def save_model(self, request, obj, form, change):
        """The contract is stored together with its lines, in save_related."""

    def save_related(self, request, form, formsets, change):
        """What was typed is kept even if an order can't be made of it; the next run parks the customer for the same reason."""
        lines, removed = typed(formsets, ContractLine)
        contract = save_contract(form.instance, lines, removed, today=today(), by=request.user)
        if not contract.lines.exists() and not contract.meters.exists():
            told = _("契約明細がありません。契約明細か従量料金を登録するまで請求されません。")
            self.message_user(request, told, level="warning")
        try:
            start_contract(contract, today=today(), by=request.user)
        except ValidationError as error:
            reason = " ".join(error.messages)
            self.message_user(request, _("契約は保存しましたが、注文を作れません: %s") % reason, level="warning")
        defer_catch_up(contract.customer)

    def has_delete_permission(self, request, obj=None):
        return False


class Tiers(OwnRows):
    def clean(self):
        """Instead of what Django says of two tiers of one quantity above the form, or leaves to the database."""
        here = [form.instance.pk for form in self.initial_forms]
        others = MeterTier.objects.filter(meter=self.instance.pk).exclude(pk__in=here)
        taken = set(others.values_list("above", flat=True))
        for form in self.forms:
            if form in self.deleted_forms or not form.is_valid():
                continue
            above = form.cleaned_data.get("above")
            if above in taken:
                form.add_error("above", _("この数量の段階料金がすでにあります。"))
            taken |= {above} - {None}


class TierInline(admin.TabularInline):
    model = MeterTier
    formset = Tiers
    formfield_overrides = READ
    extra = 0
    fields = ["above", "unit_price"]


@admin.register(Meter)
class MeterAdmin(Desk):
    """New prices hold for every quantity that isn't billed yet."""

    list_display = ["contract", "service", "item", "unit", "free_quantity", "unit_price"]
    list_select_related = ["contract", "service"]
    search_fields = ["contract__number", "contract__customer__number", "item"]
    autocomplete_fields = ["contract", "service"]
    fields = ["contract", "service", "item", "unit", "free_quantity", "unit_price", "price_basis", "tax_kind"]
    inlines = [TierInline]

    def get_readonly_fields(self, request, obj=None):
        return ["contract", "service"] if obj else []

    def save_model(self, request, obj, form, change):
        """The meter is stored together with its tiers, in save_related."""

    def save_related(self, request, form, formsets, change):
        tiers, removed = typed(formsets, MeterTier)
        meter = save_meter(form.instance, tiers, removed, by=request.user)
        try:
            reprice(meter, today=today())
        except ValidationError as error:
            self.message_user(request, " ".join(error.messages), level="error")
        defer_catch_up(meter.contract.customer)

    def delete_model(self, request, obj):
        delete_meter(obj, by=request.user)

    def delete_queryset(self, request, queryset):
        for meter in queryset:
            delete_meter(meter, by=request.user)

    def has_delete_permission(self, request, obj=None):
        return (obj is None or not obj.usages.exists()) and super().has_delete_permission(request, obj)
