"""What stands below a contract's head on staff's page: its lines to be typed, its metered items and terms to be read."""

from typing import NamedTuple

from django import forms
from django.contrib import admin
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, Subquery
from django.db.models.functions import JSONObject
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _

from contracts.admin.forms import LineForm, Lines
from contracts.models import ContractLine, Meter, Term
from contracts.services import term_note
from orders.models import Kind, Order
from orders.models import State as OrderState
from portal.desk import READ, Shown
from portal.models import Vendor
from portal.shown import ToRead
from portal.templatetags.figures import yen


class LineInline(ToRead):
    """A row a line: what stands together in `fields` is one cell of it. An empty row is no line."""

    model = ContractLine
    form = LineForm
    formset = Lines
    formfield_overrides = READ
    template = "admin/contracts/contract/lines.html"
    fields = [
        "position",
        "product_code",
        ("item", "specification"),
        "quantity",
        "unit",
        "unit_price",
        ("price_basis", "tax_kind"),
        ("charge_from", "charge_to"),
    ]

    def get_extra(self, request, obj=None, **kwargs):
        return 1 if obj else 3


class MeterInline(Shown):
    model = Meter
    fields = readonly_fields = ["priced", "service", "unit"]

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("contract", "service")

    @admin.display(description=_("品目"))
    def priced(self, meter):
        """Leads to its prices, and from there back to the contract."""
        page = reverse("admin:contracts_meter_change", args=[meter.pk])
        return format_html('<a href="{}?contract={}">{}</a>', page, meter.contract_id, meter.item)


class Given(NamedTuple):
    """An order of a term, as the terms' list reads it."""

    id: int
    number: str
    kind: str
    amount: int
    state: str
    invoice_number: str | None
    reversed_on: str | None


class Terms(forms.BaseInlineFormSet):
    """Found by the contract's customer, with whom their index begins."""

    def __init__(self, *given, queryset, instance, **named):
        super().__init__(*given, queryset=queryset.filter(customer=instance.customer_id), instance=instance, **named)


class TermInline(Shown):
    model = Term
    formset = Terms
    classes = ["collapse"]
    fields = readonly_fields = ["sequence", "starts_on", "ends_on", "ordered", "dropped_on"]
    ordering = ["-sequence"]

    def get_queryset(self, request):
        """Each term with its orders and 運用開始年月."""
        orders = (
            Order.objects.with_invoice().filter(term=OuterRef("pk"), customer=OuterRef("customer")).order_by("number")
        )
        told = ["id", "number", "kind", "amount", "state", "invoice_number", "reversed_on"]
        return (
            super()
            .get_queryset(request)
            .select_related("contract")
            .annotate(
                given=ArraySubquery(orders.values(told=JSONObject(**{name: name for name in told}))),
                first_month=Subquery(Vendor.objects.order_by("pk").values("first_month")[:1]),
            )
        )

    @admin.display(description=_("注文"))
    def ordered(self, term):
        """Each order of the term with its yen and its invoice, a click away; why there is none."""
        orders = [Given(**each) for each in term.given]
        texts = [
            format_html(
                '<a href="{}">{}</a> {} {}円 {}',
                reverse("admin:orders_order_change", args=[order.id]),
                order.number,
                Kind(order.kind).label,
                yen(order.amount),
                bill_of(order),
            )
            for order in orders
        ]
        note = term_note(term, [order.kind for order in orders if not order.reversed_on], term.first_month)
        return format_html_join(mark_safe("<br>"), "{}", ((text,) for text in (*texts, note) if text)) or "-"


def bill_of(order):
    """The invoice that bills, or will bill, an order as a link to it; the order's state where none does."""
    if not order.invoice_number:
        return OrderState(order.state).label
    found = reverse("admin:billing_invoice_changelist")
    return format_html('<a href="{}?q={}">{}</a>', found, order.invoice_number, order.invoice_number)
