"""Staff read invoices, runs and parked customers here, and adjust drafts by lines of their own."""

from datetime import date
from decimal import Decimal

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.core.exceptions import ValidationError
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from accounts.models import Customer
from billing import desk
from billing.credits import CHARGING, balances, left_of, open_of, standing_of, take_back
from billing.documents.rendering import render_again
from billing.models import (
    Credit,
    Decision,
    Discount,
    Invoice,
    InvoiceLine,
    Kind,
    MonthRun,
    Parked,
    Rendering,
    State,
    TaxTotal,
)
from billing.services import adjust_invoice, defer_catch_up, price_adjustment
from contracts.models import Service
from portal import rights
from portal.admin import (
    LINE_WIDGETS,
    READ,
    Desk,
    OwnRows,
    PlacedRows,
    PlaceField,
    ReadOnly,
    Shown,
    cell,
    empty_or_not,
    typed,
)
from portal.models import RoundingMode, TaxKind, Vendor
from portal.money import MOST_YEN
from portal.months import last_day
from portal.templatetags.figures import month_name, percent, plain, yen, ymd


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
        if line.origin not in CHARGING or line.amount <= 0 or left_of(line) <= 0:
            return "-"
        address = reverse("admin:billing_invoice_credit", args=[line.invoice_id, line.pk])
        return format_html('<a class="button" href="{}">{}</a>', address, _("翌月調整"))

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("contract")


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


class Totals(Shown):
    model = TaxTotal
    fields = readonly_fields = [
        "kind",
        cell("rate", percent, _("税率")),
        cell("base", yen, _("対象額（税抜）")),
        cell("tax", yen, _("消費税額")),
    ]


def party(kept):
    """宛先 or 発行者 as a fixed invoice keeps it, without the fields that are empty."""
    names = ("number", "name", "postal_code", "address", "department", "person", "phone", "registration_number")
    return "\n".join(filter(None, (kept.get(name) for name in names))) if kept else "-"


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
class InvoiceAdmin(Desk):
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
    exclude = ["template", "credit_left", *WRITTEN]
    inlines = [FixedLines, AdjustmentLines, Discounts, Totals]

    def get_urls(self):
        page = self.admin_site.admin_view(desk.credit_page)
        return [path("<int:invoice>/credit/<int:line>/", page, name="billing_invoice_credit"), *super().get_urls()]

    def get_readonly_fields(self, request, obj=None):
        names = [field.name for field in Invoice._meta.fields if field.name not in ("id", "template", "credit_left")]
        return [WRITTEN.get(name, name) for name in names]

    def get_object(self, request, object_id, from_field=None):
        """Whoever saves has the customer locked before anything is read: a close beside it ends first, or waits."""
        found = super().get_object(request, object_id, from_field)
        if found is None or request.method != "POST":
            return found
        Customer.objects.lock([found.customer_id])
        return super().get_object(request, object_id, from_field)

    def has_add_permission(self, request):
        return False

    def has_delete_permission(self, request, obj=None):
        return False

    def has_change_permission(self, request, obj=None):
        return (obj is None or not obj.is_fixed) and super().has_change_permission(request, obj)

    def get_inlines(self, request, obj):
        return [FixedLines, Totals] if obj is None or obj.is_fixed else self.inlines

    def save_model(self, request, obj, form, change):
        """The header follows customer and run; only lines are adjusted here."""

    def save_related(self, request, form, formsets, change):
        given = adjust_invoice(
            form.instance, *typed(formsets, InvoiceLine), *typed(formsets, Discount), by=request.user
        )
        for credit in given:
            told = {"item": credit.item, "yen": yen(credit.amount)}
            self.message_user(request, _("%(item)s（%(yen)s円）は調整残高として登録しました。") % told)


def kept_settings(kept):
    """The settings that a run used, one a line, in the words of the pages on which they are set."""
    if not kept:
        return "-"
    names = dict(Service.objects.values_list("pk", "name"))
    off, on = ([ymd(date.fromisoformat(day)) for day in kept["calendar"][name]] for name in ("off", "on"))
    lines = [
        (_("発行者"), "、".join(filter(None, party(kept["issuer"]).splitlines()))),
        (_("振込先"), "、".join(kept["issuer"]["bank_account"].split("\n"))),
        (_("請求書の備考"), "、".join(kept["issuer"]["note"].split("\n"))),
        (_("消費税の端数処理"), RoundingMode(kept["rounding"]).label),
        (_("税区分"), "、".join(map(tax_class, kept["tax_classes"]))),
        (_("日割のサービス"), "、".join(names.get(service, f"#{service}") for service in kept["prorate"])),
        (_("営業しない日"), "、".join(off)),
        (_("営業する日"), "、".join(on)),
        (_("運用開始年月"), month_name(date.fromisoformat(kept["first_month"]))),
    ]
    return "\n".join(f"{label}: {text or _('なし')}" for label, text in lines)


def tax_class(kept):
    """A tax class as a run kept it: 標準税率 10%（2019/10/01～）."""
    since, until = (ymd(date.fromisoformat(day)) if day else "" for day in (kept["from"], kept["to"]))
    return f"{TaxKind(kept['kind']).label} {percent(Decimal(kept['rate']))}（{since}～{until}）"


class ReasonForm(ActionForm):
    reason = forms.CharField(label=_("理由"), required=False, max_length=200)


@admin.register(Credit)
class CreditAdmin(ReadOnly):
    list_display = [
        "customer",
        "item",
        "source",
        "invoice",
        "given_on",
        cell("tax_rate", percent, _("税率")),
        "price_basis",
        cell("amount", yen, _("金額")),
        "taken_up",
        "left",
        "reason",
    ]
    list_filter = ["source"]
    list_select_related = ["customer", "invoice"]
    search_fields = ["customer__number", "customer__name", "item", "invoice__number"]
    exclude = ["invoice_line", "decision"]
    actions = ["take_back"]
    action_form = ReasonForm

    @admin.display(description=_("充当済"))
    def taken_up(self, credit):
        return "-" if credit.takes_back_id else yen(balances([credit])[credit.pk][0])

    @admin.display(description=_("残高"))
    def left(self, credit):
        return "-" if credit.takes_back_id else yen(balances([credit])[credit.pk][1])

    @admin.action(description=_("取り消す（理由を入力）"), permissions=["act"])
    def take_back(self, request, chosen):
        for credit in chosen.select_related("customer"):
            try:
                taken = take_back(credit, request.POST.get("reason", "")[:200], by=request.user)
            except ValidationError as refused:
                self.message_user(request, f"{credit}: {' '.join(refused.messages)}", messages.ERROR)
            else:
                told = {"item": credit.item, "yen": yen(taken)}
                self.message_user(request, _("%(item)s の調整残高 %(yen)s円 を取り消しました。") % told)


@admin.register(Decision)
class DecisionAdmin(ReadOnly):
    """What was decided about 契約の変更で返すべき額; taken back here while no fixed invoice has used it."""

    list_display = ["customer", "contract", "choice", cell("amount", yen, _("金額")), "reason", "by", "at", "state"]
    list_filter = ["choice"]
    list_select_related = ["customer", "contract_line__contract", "by"]
    search_fields = ["customer__number", "customer__name", "contract_line__contract__number"]
    exclude = ["contract_line", "term", "invoice_line"]
    actions = ["take_back"]
    action_form = ReasonForm

    @admin.display(description=_("契約"))
    def contract(self, decision):
        return decision.contract_line.contract

    @admin.display(description=_("取消"))
    def state(self, decision):
        """In words, why there is nothing left to take back."""
        if decision.takes_back_id:
            return _("取消の記録")
        if not standing_of(decision):
            return _("取消済み")
        credit = decision.credits.entries().first()
        return _("請求で使用済みのため取り消せません") if credit and open_of(credit) <= 0 else _("取り消せます")

    @admin.action(description=_("取り消す（理由を入力）"), permissions=["act"])
    def take_back(self, request, chosen):
        for decision in chosen.select_related("customer"):
            named = f"{decision.customer} {decision}"
            try:
                taken = take_back(decision, request.POST.get("reason", "")[:200], by=request.user)
            except ValidationError as refused:
                self.message_user(request, f"{named}: {' '.join(refused.messages)}", messages.ERROR)
            else:
                told = {"named": named, "yen": yen(taken)}
                self.message_user(request, _("%(named)s の決定 %(yen)s円 を取り消しました。") % told)


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
        cell("settings", kept_settings, _("使った設定")),
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
