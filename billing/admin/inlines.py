"""What an invoice's page has below its head: lines, adjustments, 一括値引き, totals, corrections."""

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from billing.models import OF_MONTH, Correction, Discount, InvoiceLine, State, TaxTotal
from billing.services import price_adjustment
from portal import rights
from portal.desk import LINE_WIDGETS, READ, PlacedRows, PlaceField, Shown
from portal.forms import OwnRows
from portal.models import Vendor
from portal.money import MOST_YEN
from portal.months import last_day
from portal.shown import cell, charged
from portal.templatetags.figures import month_name, percent, period, plain, yen


def linked(contract):
    return (
        format_html('<a href="{}">{}</a>', reverse("admin:contracts_contract_change", args=[contract.pk]), contract)
        if contract
        else "-"
    )


def made_linked(invoice):
    if invoice is None:
        return "-"
    return format_html('<a href="{}">{}</a>', reverse("admin:billing_invoice_change", args=[invoice.pk]), invoice)


class FixedLines(Shown):
    """All lines of a document, read-only."""

    model = InvoiceLine
    verbose_name_plural = "明細"
    fields = readonly_fields = [
        "origin",
        cell("contract", linked, _("契約")),
        "what",
        "used",
        cell("quantity", plain, _("数量")),
        cell("unit_price", plain, _("単価")),
        charged(),
        cell("tax_rate", percent, _("税率")),
    ]

    def get_fields(self, request, obj=None):
        """Whoever may give a credit has a button at each line of a document that counts."""
        counts = obj is not None and obj.state == State.FIXED and obj.kind in OF_MONTH
        offered = counts and rights.may(request.user, "billing.add_credit")
        return [*self.fields, "give"] if offered and Vendor.objects.settings().carries_credits else self.fields

    def get_readonly_fields(self, request, obj=None):
        return self.get_fields(request, obj)

    @admin.display(description=_("品目"))
    def what(self, line):
        return " ".join(filter(None, [line.item, line.specification]))

    @admin.display(description=_("利用期間"))
    def used(self, line):
        return period(line.starts_on, line.ends_on)

    @admin.display(description=_("翌月調整"))
    def give(self, line):
        if line.origin not in InvoiceLine.CHARGING or line.amount <= 0 or line.left <= 0:
            return "-"
        address = reverse("admin:billing_invoice_credit", args=[line.invoice_id, line.pk])
        return format_html('<a class="button" href="{}">{}</a>', address, _("翌月調整"))

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("contract").with_left()


class AdjustmentForm(forms.ModelForm):
    position = PlaceField()

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


class AdjustmentFormSet(PlacedRows):
    def get_form_kwargs(self, index):
        """A new line is of the invoice's month, until somebody says otherwise."""
        given = super().get_form_kwargs(index)
        if index is None or index >= self.initial_form_count():
            given["initial"] = {"starts_on": self.instance.month, "ends_on": last_day(self.instance.month)}
        return given


class AdjustmentLines(admin.StackedInline):
    """Adjustments that staff add to a draft; stacked, for a table of so many fields is wider than a screen."""

    model = InvoiceLine
    form = AdjustmentForm
    formset = AdjustmentFormSet
    formfield_overrides = READ
    extra = 0
    verbose_name_plural = "調整（マイナスの金額は調整残高として登録します）"
    fields = [
        ("position", "item", "specification"),
        ("starts_on", "ends_on"),
        ("quantity", "unit", "unit_price", "price_basis", "tax_kind"),
    ]

    def get_queryset(self, request):
        return super().get_queryset(request).adjustments()


class DiscountForm(forms.ModelForm):
    class Meta:
        fields = ["item", "amount"]

    def clean_amount(self):
        """Yen to take off, written without a sign."""
        amount = self.cleaned_data["amount"]
        if not 0 < amount <= MOST_YEN:
            raise ValidationError(_("値引き額は1円以上、1兆円以下で入力してください。"))
        return amount


class Discounts(admin.TabularInline):
    """一括値引き: off the invoice as a whole, split over its tax classes by itself."""

    model = Discount
    form = DiscountForm
    formset = OwnRows
    formfield_overrides = READ
    extra = 0
    verbose_name_plural = "一括値引き（税率ごとの金額に比例して分けます）"
    fields = ["item", "amount"]


class Corrections(Shown):
    """What was done to the document, by whom and why."""

    model = Correction
    fk_name = "invoice"
    verbose_name_plural = "訂正の記録"
    fields = readonly_fields = [
        "what",
        cell("made", made_linked, _("訂正後")),
        cell("month", month_name, _("再請求する年月")),
        "reason",
        "by",
        "at",
    ]


class Totals(Shown):
    model = TaxTotal
    fields = readonly_fields = [
        "kind",
        cell("rate", percent, _("税率")),
        cell("base", yen, _("対象額（税抜）")),
        cell("tax", yen, _("消費税額")),
    ]
