"""Staff's desk for services, contracts and the prices of metered items; terms are read here."""

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from billing.services import defer_catch_up
from contracts.models import Contract, ContractLine, Meter, MeterTier, Service, Term
from contracts.services import price, save_contract
from orders.services import start_contract
from orders.usage import reprice
from portal.admin import Desk
from portal.months import today


@admin.register(Service)
class ServiceAdmin(Desk):
    list_display = ["code", "name", "prorate", "position", "published"]
    search_fields = ["code", "name"]


class LineForm(forms.ModelForm):
    """A line whose amount is found here, so that what is wrong with it stands beside it."""

    class Meta:
        widgets = {
            name: forms.TextInput(attrs={"size": size})
            for name, size in {
                "position": 2, "product_code": 12, "item": 24, "specification": 24, "quantity": 7, "unit": 4, "unit_price": 10,
            }.items()
        }  # fmt: skip

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
    fields = [
        ("position", "product_code", "item", "specification"),
        ("quantity", "unit", "unit_price", "price_basis", "tax_kind"),
        ("charge_from", "charge_to"),
    ]

    def get_extra(self, request, obj=None, **kwargs):
        return 0 if obj else 1


class MeterInline(admin.TabularInline):
    model = Meter
    extra = 0
    can_delete = False
    show_change_link = True
    fields = readonly_fields = ["service", "item", "unit", "free_quantity", "unit_price"]

    def has_add_permission(self, request, obj=None):
        return False


class TermInline(admin.TabularInline):
    model = Term
    extra = 0
    can_delete = False
    fields = readonly_fields = ["sequence", "starts_on", "ends_on", "dropped_on"]
    ordering = ["-sequence"]

    def has_add_permission(self, request, obj=None):
        return False


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
        if not change:
            save_contract(obj, today=today())

    def save_formset(self, request, form, formset, change):
        for line in formset.save(commit=False):
            line.customer_id = form.instance.customer_id
            line.save()
        for line in formset.deleted_objects:
            line.delete()

    def save_related(self, request, form, formsets, change):
        """What was typed is kept even if an order can't be made of it; the next run parks the customer for the same reason."""
        super().save_related(request, form, formsets, change)
        try:
            start_contract(form.instance, today=today())
        except ValidationError as error:
            save_contract(form.instance, today=today())
            reason = " ".join(error.messages)
            self.message_user(request, _("契約は保存しましたが、注文を作れません: %s") % reason, level="warning")
        defer_catch_up(form.instance.customer)

    def has_delete_permission(self, request, obj=None):
        return False


class TierInline(admin.TabularInline):
    model = MeterTier
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
        obj.customer_id = obj.contract.customer_id
        super().save_model(request, obj, form, change)

    def save_formset(self, request, form, formset, change):
        for tier in formset.save(commit=False):
            tier.customer_id = form.instance.customer_id
            tier.save()
        for tier in formset.deleted_objects:
            tier.delete()

    def save_related(self, request, form, formsets, change):
        super().save_related(request, form, formsets, change)
        try:
            reprice(form.instance, today=today())
        except ValidationError as error:
            self.message_user(request, " ".join(error.messages), level="error")
        defer_catch_up(form.instance.contract.customer)

    def has_delete_permission(self, request, obj=None):
        return (obj is None or not obj.usages.exists()) and super().has_delete_permission(request, obj)
