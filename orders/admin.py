"""Staff read orders and used quantities here; contracts, runs and imports write them."""

from django.contrib import admin

from orders.models import Order, OrderLine, Usage, UsageCharge, UsageFile
from portal.admin import ReadOnly, Shown


class LineInline(Shown):
    model = OrderLine
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


@admin.register(Order)
class OrderAdmin(ReadOnly):
    list_display = ["number", "customer", "contract", "kind", "month", "amount", "reversed_on"]
    list_filter = ["kind", "month"]
    list_select_related = ["customer", "contract"]
    search_fields = ["number", "customer__number", "contract__number"]
    inlines = [LineInline]


class ChargeInline(Shown):
    model = UsageCharge
    fields = readonly_fields = [
        "item",
        "specification",
        "quantity",
        "unit",
        "unit_price",
        "amount",
        "tax_rate",
        "dropped_on",
    ]


@admin.register(Usage)
class UsageAdmin(ReadOnly):
    list_display = ["month", "customer", "meter", "quantity", "file", "line_number"]
    list_filter = ["month"]
    list_select_related = ["customer", "meter__contract", "file"]
    search_fields = ["customer__number", "meter__contract__number"]
    inlines = [ChargeInline]


@admin.register(UsageFile)
class UsageFileAdmin(ReadOnly):
    list_display = ["at", "name", "rows", "sha256"]
    search_fields = ["name", "sha256"]
