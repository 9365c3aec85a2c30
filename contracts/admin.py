"""Staff's desk for services, contracts and the prices of metered items; terms are read here."""

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from accounts.models import Customer
from billing.services import defer_catch_up
from contracts.forms import PriceForm, PriceRows
from contracts.models import Contract, ContractLine, Meter, MeterPrice, Service, Term
from contracts.services import PriceTyped, delete_meter, price, save_contract, save_meter
from orders.services import start_contract
from orders.usage import reprice
from portal.admin import LINE_WIDGETS, READ, Desk, PlacedRows, PlaceField, Shown, typed
from portal.months import today
from portal.templatetags.figures import plain


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
    fields = readonly_fields = ["service", "item", "unit"]


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


class PriceInline(admin.StackedInline):
    model = MeterPrice
    form = PriceForm
    formset = PriceRows
    formfield_overrides = READ
    fields = [("since", "free_quantity", "unit_price"), "steps"]

    def get_extra(self, request, obj=None, **kwargs):
        return 0 if obj else 1

    def get_queryset(self, request):
        return super().get_queryset(request).prefetch_related("tiers")

    @admin.display(description=_("段階料金"))
    def steps(self, price):
        """For who may only read; whoever may write has the form's field."""
        return PriceForm.base_fields["steps"].prepare_value(price.ladder[1:]) or "-"


@admin.register(Meter)
class MeterAdmin(Desk):
    """Each month's quantity costs what its month's price says; what is billed keeps its price (D32)."""

    list_display = ["contract", "service", "item", "unit", "now"]
    list_select_related = ["contract", "service"]
    search_fields = ["contract__number", "contract__customer__number", "item"]
    autocomplete_fields = ["contract", "service"]
    fields = ["contract", "service", "item", "unit", "price_basis", "tax_kind"]
    inlines = [PriceInline]

    @admin.display(description=_("今月の単価"))
    def now(self, meter):
        return plain(meter.price_of(today()).unit_price)

    def get_queryset(self, request):
        return super().get_queryset(request).prefetch_related("prices__tiers")

    def get_object(self, request, object_id, from_field=None):
        """Whoever saves has the customer locked before prices are compared with what is billed: a close beside it ends first."""
        found = super().get_object(request, object_id, from_field)
        if found is None or request.method != "POST":
            return found
        Customer.objects.lock([found.customer_id])
        return super().get_object(request, object_id, from_field)

    def get_readonly_fields(self, request, obj=None):
        return ["contract", "service"] if obj else []

    def save_model(self, request, obj, form, change):
        """The meter is stored together with its prices, in save_related."""

    def save_related(self, request, form, formsets, change):
        prices = [
            row
            for formset in formsets
            for row in formset.forms
            if row.has_changed() and row not in formset.deleted_forms
        ]
        given = [PriceTyped(row.instance, row.cleaned_data["steps"]) for row in prices]
        _changed, removed = typed(formsets, MeterPrice)
        meter = save_meter(form.instance, given, removed, by=request.user)
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
