"""Staff read orders here; contracts and runs write them."""

from django.contrib import admin

from orders.models import Order, OrderLine
from portal.admin import ReadOnly


class LineInline(admin.TabularInline):
    model = OrderLine
    extra = 0
    can_delete = False
    fields = readonly_fields = [
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


@admin.register(Order)
class OrderAdmin(ReadOnly):
    list_display = ["number", "customer", "contract", "kind", "month", "amount", "reversed_on"]
    list_filter = ["kind", "month"]
    list_select_related = ["customer", "contract"]
    search_fields = ["number", "customer__number", "contract__number"]
    inlines = [LineInline]
