"""Staff's desk for services and contracts; terms are read here."""

from django.contrib import admin
from django.core.exceptions import ValidationError

from contracts.models import Contract, ContractLine, Service, Term
from contracts.services import price
from orders.services import start_contract
from portal.months import today


@admin.register(Service)
class ServiceAdmin(admin.ModelAdmin):
    list_display = ["code", "name", "prorate", "position", "published"]
    search_fields = ["code", "name"]


class LineInline(admin.TabularInline):
    model = ContractLine
    extra = 0
    min_num = 1
    fields = [
        "position", "product_code", "item", "specification", "quantity", "unit", "unit_price", "price_basis", "tax_kind",
        "charge_from", "charge_to",
    ]  # fmt: skip


class TermInline(admin.TabularInline):
    model = Term
    extra = 0
    can_delete = False
    fields = readonly_fields = ["sequence", "starts_on", "ends_on"]
    ordering = ["-sequence"]

    def has_add_permission(self, request, obj=None):
        return False


@admin.register(Contract)
class ContractAdmin(admin.ModelAdmin):
    list_display = ["number", "name", "customer", "service", "form", "start_on", "cancel_on"]
    list_filter = ["form", "service"]
    list_select_related = ["customer", "service"]
    search_fields = ["number", "name", "customer__number", "customer__name"]
    autocomplete_fields = ["customer", "service"]
    readonly_fields = ["number", "updated_at"]
    inlines = [LineInline, TermInline]

    def get_readonly_fields(self, request, obj=None):
        """A contract stays with its customer, and its start where its terms began."""
        return [*self.readonly_fields, "customer", "start_on"] if obj and obj.terms.exists() else self.readonly_fields

    def save_model(self, request, obj, form, change):
        """The contract is stored together with its lines, in save_related."""
        if not change:
            start_contract(obj, today=today())

    def save_formset(self, request, form, formset, change):
        for line in formset.save(commit=False):
            line.customer_id = form.instance.customer_id
            price(line, today=today())
            line.save()
        for line in formset.deleted_objects:
            line.delete()

    def save_related(self, request, form, formsets, change):
        super().save_related(request, form, formsets, change)
        try:
            start_contract(form.instance, today=today())
        except ValidationError as error:
            self.message_user(request, " ".join(error.messages), level="error")

    def has_delete_permission(self, request, obj=None):
        return False
