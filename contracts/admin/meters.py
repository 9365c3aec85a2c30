"""Staff's desk for metered items (従量) and their prices."""

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from billing.services import defer_catch_up
from contracts.forms import PriceForm, PriceRows
from contracts.models import STAYS_WITHDRAWN, Contract, Meter, MeterPrice
from contracts.services import METERED, PriceTyped, delete_meter, save_meter
from orders.usage import reprice
from portal.desk import READ, Locked, is_key, typed
from portal.months import today
from portal.shown import ToRead
from portal.templatetags.figures import plain, ym


class PriceInline(ToRead):
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
class MeterAdmin(Locked):
    """Each month's quantity costs what its month's price says; what is billed keeps its price (D32)."""

    large = True  # each row names a contract and its company: sorted by anything else, all of them would be read
    list_display = ["contract", "service", "item", "unit", "now"]
    list_select_related = ["contract__customer", "service"]
    search_fields = ["contract__number", "contract__customer__number", "item"]
    autocomplete_fields = ["contract", "service"]
    fields = ["contract", "service", "item", "unit", "price_basis", "tax_kind"]
    inlines = [PriceInline]

    @admin.display(description=_("今月の単価"))
    def now(self, meter):
        return plain(meter.price_of(today()).unit_price)

    def get_queryset(self, request):
        """A list shows each meter's price of the month; its page has them below."""
        rows = super().get_queryset(request)
        listed = request.resolver_match.url_name == "contracts_meter_changelist"
        return rows.prefetch_related("prices__tiers") if listed else rows

    def has_change_permission(self, request, obj=None):
        """As of its contract: one of a contract that was taken back is only read (D26)."""
        closed = obj is not None and obj.contract.withdrawn_on and request.method != "POST"
        return not closed and super().has_change_permission(request, obj)

    def get_readonly_fields(self, request, obj=None):
        return ["contract", "service"] if obj else []

    def get_changeform_initial_data(self, request):
        """From a contract's page it is for that contract, and of its service."""
        given = super().get_changeform_initial_data(request)
        contract = (
            Contract.objects.filter(pk=given["contract"]).first() if is_key(Contract, given.get("contract")) else None
        )
        return given | ({"service": contract.service_id} if contract else {})

    def response_add(self, request, obj, post_url_continue=None):
        return self.back(request, obj, super().response_add(request, obj, post_url_continue))

    def response_change(self, request, obj):
        return self.back(request, obj, super().response_change(request, obj))

    def back(self, request, meter, answer):
        """Whoever came from the contract's page goes back there."""
        came, goes_on = "contract" in request.GET, {"_addanother", "_continue"} & set(request.POST)
        return redirect("admin:contracts_contract_change", meter.contract_id) if came and not goes_on else answer

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
        for begun in filter(None, (getattr(formset, "begun", None) for formset in formsets)):
            told = _("%s からの料金を、当初からの料金として登録しました（それより前の使用量にも同じ料金を使います）。")
            self.message_user(request, told % ym(begun))
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

    def find_why_kept(self, row):
        if row.contract.withdrawn_on:
            return str(STAYS_WITHDRAWN)
        return str(METERED) if row.usages.exists() else super().find_why_kept(row)
