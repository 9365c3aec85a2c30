"""Staff read invoices, runs and parked customers here, and adjust drafts by lines of their own."""

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.core.exceptions import ValidationError
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from billing import desk
from billing.corrections.causes import ways_of
from billing.corrections.desk import correct_page
from billing.corrections.making import ADD
from billing.credits import take_back
from billing.documents.rendering import render_again
from billing.models import (
    Correction,
    Credit,
    Decision,
    Discount,
    Invoice,
    InvoiceLine,
    Kind,
    MonthRun,
    NumberGone,
    Parked,
    Rendering,
    State,
    TaxTotal,
)
from billing.month.kept import in_words, party
from billing.services import adjust_invoice, defer_catch_up, price_adjustment
from portal import rights
from portal.desk import (
    LINE_WIDGETS,
    READ,
    Locked,
    PlacedRows,
    PlaceField,
    ReadOnly,
    Shown,
    cell,
    empty_or_not,
    typed,
)
from portal.forms import OwnRows
from portal.models import Vendor
from portal.money import MOST_YEN
from portal.months import last_day
from portal.templatetags.figures import month_name, percent, plain, yen


def linked(contract):
    return (
        format_html('<a href="{}">{}</a>', reverse("admin:contracts_contract_change", args=[contract.pk]), contract)
        if contract
        else "-"
    )


class FixedLines(Shown):
    """All lines of a document, read-only."""

    model = InvoiceLine
    verbose_name_plural = "明細"
    fields = readonly_fields = [
        "origin",
        cell("contract", linked, _("契約")),
        "item",
        "specification",
        "starts_on",
        "ends_on",
        cell("quantity", plain, _("数量")),
        cell("unit_price", plain, _("単価")),
        cell("amount", yen, _("金額")),
        cell("tax_rate", percent, _("税率")),
    ]

    def get_fields(self, request, obj=None):
        """Whoever may give a credit has a button at each line of a document that counts."""
        counts = obj is not None and obj.state == State.FIXED and obj.kind in (Kind.INVOICE, Kind.CORRECTION)
        offered = counts and rights.may(request.user, "billing.add_credit")
        return [*self.fields, "give"] if offered and Vendor.objects.settings().carries_credits else self.fields

    def get_readonly_fields(self, request, obj=None):
        return self.get_fields(request, obj)

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
    fields = readonly_fields = ["what", "made", cell("month", month_name, _("再請求する年月")), "reason", "by", "at"]


class Totals(Shown):
    model = TaxTotal
    fields = readonly_fields = [
        "kind",
        cell("rate", percent, _("税率")),
        cell("base", yen, _("対象額（税抜）")),
        cell("tax", yen, _("消費税額")),
    ]


# Of an invoice, what only the program needs.
LEFT_OUT = ("id", "template", "credit_left", "decision")
# Fields of an invoice that need other words than the database's.
WRITTEN = {
    "month": cell("month", month_name, _("請求対象年月")),
    "net": cell("net", yen, _("税抜金額")),
    "tax": cell("tax", yen, _("消費税額")),
    "total": cell("total", yen, _("請求金額（税込）")),
    "addressee": cell("addressee", party, _("宛先")),
    "issuer": cell("issuer", party, _("発行者")),
}


@admin.register(Invoice)
class InvoiceAdmin(Locked):
    list_display = [
        "number",
        "customer",
        cell("month", month_name, _("請求対象年月")),
        "kind",
        "state",
        cell("total", yen, _("請求金額（税込）")),
        "fixed_on",
    ]
    list_filter = ["state", "kind", "month"]
    list_select_related = ["customer"]
    search_fields = ["number", "customer__number", "customer__name"]
    exclude = [*LEFT_OUT, *WRITTEN]
    inlines = [FixedLines, AdjustmentLines, Discounts, Totals]

    def get_urls(self):
        view = self.admin_site.admin_view
        return [
            path("<int:invoice>/credit/<int:line>/", view(desk.credit_page), name="billing_invoice_credit"),
            path("<int:invoice>/correct/", view(correct_page), name="billing_invoice_correct"),
            *super().get_urls(),
        ]

    def render_change_form(self, request, context, add=False, change=False, form_url="", obj=None):
        context["may_correct"] = obj is not None and rights.may(request.user, ADD) and bool(ways_of(obj))
        return super().render_change_form(request, context, add, change, form_url, obj)

    def get_readonly_fields(self, request, obj=None):
        names = [field.name for field in Invoice._meta.fields if field.name not in LEFT_OUT]
        return [WRITTEN.get(name, name) for name in names]

    def has_add_permission(self, request):
        return False

    def has_delete_permission(self, request, obj=None):
        return False

    def has_change_permission(self, request, obj=None):
        return (obj is None or not obj.is_fixed) and super().has_change_permission(request, obj)

    def get_inlines(self, request, obj):
        return [FixedLines, Totals, Corrections] if obj is None or obj.is_fixed else self.inlines

    def save_model(self, request, obj, form, change):
        """The header follows customer and run; only lines are adjusted here."""

    def save_related(self, request, form, formsets, change):
        given = adjust_invoice(
            form.instance, *typed(formsets, InvoiceLine), *typed(formsets, Discount), by=request.user
        )
        for credit in given:
            told = {"item": credit.item, "yen": yen(credit.amount)}
            self.message_user(request, _("%(item)s（%(yen)s円）は調整残高として登録しました。") % told)


@admin.register(NumberGone)
class NumberGoneAdmin(ReadOnly):
    """Numbers that no invoice has, or that one had to be given back (D20)."""

    list_display = ["number", "customer", cell("month", month_name, _("請求対象年月")), "cause", "at", "state"]
    fields = readonly_fields = list_display
    list_filter = ["month"]
    list_select_related = ["customer"]
    search_fields = ["number", "customer__number", "customer__name"]

    def get_queryset(self, request):
        return super().get_queryset(request).with_return()

    @admin.display(description=_("状態"))
    def state(self, gone):
        return _("同じお客様の請求で再使用") if gone.came_back else _("欠番")


class ReasonForm(ActionForm):
    reason = forms.CharField(label=_("理由"), required=False, max_length=200)


class Entries(ReadOnly):
    """What staff gave or decided, taken back by a counter-entry."""

    actions = ["take_back"]
    action_form = ReasonForm

    def told(self, entry):
        """The entry as a message names it."""
        return str(entry)

    @admin.action(description=_("取り消す（理由を入力）"), permissions=["act"])
    def take_back(self, request, chosen):
        for entry in chosen.select_related("customer"):
            try:
                taken = take_back(entry, request.POST.get("reason", "")[:200], by=request.user)
            except ValidationError as refused:
                self.message_user(request, f"{self.told(entry)}: {' '.join(refused.messages)}", messages.ERROR)
            else:
                told = {"entry": self.told(entry), "yen": yen(taken)}
                self.message_user(request, _("%(entry)s の %(yen)s円 を取り消しました。") % told)


@admin.register(Credit)
class CreditAdmin(Entries):
    list_display = [
        "customer",
        "item",
        "source",
        "invoice",
        "given_on",
        cell("tax_rate", percent, _("税率")),
        "price_basis",
        cell("amount", yen, _("金額")),
        "used",
        "balance",
        "reason",
    ]
    list_filter = ["source"]
    list_select_related = ["customer", "invoice"]
    search_fields = ["customer__number", "customer__name", "item", "invoice__number"]
    exclude = ["invoice_line", "decision"]

    def get_queryset(self, request):
        return super().get_queryset(request).with_left()

    @admin.display(description=_("充当済"))
    def used(self, credit):
        return "-" if credit.takes_back_id else yen(credit.taken_up)

    @admin.display(description=_("残高"))
    def balance(self, credit):
        return "-" if credit.takes_back_id else yen(credit.left)


@admin.register(Decision)
class DecisionAdmin(Entries):
    """What was decided about 契約の変更で返すべき額."""

    list_display = ["customer", "contract", "choice", cell("amount", yen, _("金額")), "reason", "by", "at", "state"]
    list_filter = ["choice"]
    list_select_related = ["customer", "contract_line__contract", "by"]
    search_fields = ["customer__number", "customer__name", "contract_line__contract__number"]
    exclude = ["contract_line", "term", "invoice_line"]

    def get_queryset(self, request):
        return super().get_queryset(request).with_standing()

    def told(self, decision):
        return f"{decision.customer} {decision}"

    @admin.display(description=_("契約"))
    def contract(self, decision):
        return decision.contract_line.contract

    @admin.display(description=_("取消"))
    def state(self, decision):
        """In words, why there is nothing left to take back."""
        if decision.takes_back_id:
            return _("取消の記録")
        if not decision.standing:
            return _("取消済み")
        if decision.choice == Decision.Choice.RETURN:
            return _("返還請求書の取消で取り消します")
        used = decision.open is not None and decision.open <= 0
        return _("請求で使用済みのため取り消せません") if used else _("取り消せます")


@admin.register(MonthRun)
class MonthRunAdmin(ReadOnly):
    fields = readonly_fields = [
        cell("month", month_name, _("対象年月")),
        "kind",
        "as_of",
        "whole",
        "started_at",
        "finished_at",
        "expected",
        "fixed",
        "skipped",
        "parked",
        cell("settings", in_words, _("使った設定")),
    ]
    list_display = [
        cell("month", month_name, _("対象年月")),
        "kind",
        "as_of",
        "started_at",
        "finished_at",
        "expected",
        "fixed",
        "skipped",
        "parked",
    ]
    list_filter = ["kind"]


@admin.register(Parked)
class ParkedAdmin(ReadOnly):
    list_display = ["customer", cell("month", month_name, _("対象年月")), "reason", "tries", "parked_at", "tried_at"]
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
    list_filter = [("parked_at", empty_or_not(_("状態"), _("再試行中"), _("保留中")))]
    list_select_related = ["invoice", "customer"]
    search_fields = ["invoice__number", "customer__number", "error"]
    actions = ["try_again"]

    @admin.action(description=_("もう一度作成する"), permissions=["act"])
    def try_again(self, request, failed):
        count = render_again(failed, by=request.user)
        self.message_user(request, _("%(count)d件のPDFをもう一度作成します。") % {"count": count})
