"""Staff's desk for services, contracts and the prices of metered items; terms are read here."""

from copy import copy

from django import forms
from django.contrib import admin
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import IntegrityError, transaction
from django.urls import path
from django.utils.translation import gettext as _

from accounts.models import Customer
from billing import desk
from billing.services import defer_catch_up, redraft
from contracts.forms import PriceForm, PriceRows
from contracts.models import Contract, ContractLine, Meter, MeterPrice, Service, Term
from contracts.services import PriceTyped, delete_meter, price, save_meter
from orders.changes import NEXT, NOW, Past
from orders.services import start_contract, store_contract
from orders.usage import reprice
from portal.admin import LINE_WIDGETS, READ, Desk, Kept, PlacedRows, PlaceField, Shown, typed
from portal.forms import MonthField
from portal.models import Vendor
from portal.months import today
from portal.templatetags.figures import plain, yen

# What `start_contract` refuses because it would bill the wrong thing; what else it can't do is stored, and told.
REFUSED = {"billed", "apply", "continued", "charge_past", "undecided", "withdrawn"}


@admin.register(Service)
class ServiceAdmin(Kept):
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


class Lines(PlacedRows):
    def clean(self):
        """Try the save out, so that what it refuses stands beside its field."""
        super().clean()
        contract = self.instance
        if any(self.errors) or contract.customer_id is None or contract.service_id is None or not contract.start_on:
            return
        rows = [form for form in self.forms if form not in self.deleted_forms and form.has_changed()]
        removed = [form.instance for form in self.deleted_forms if form.instance.pk]
        try:
            contract.clean()
            with transaction.atomic():
                start_contract(
                    copy(contract),
                    [copy(form.instance) for form in rows],
                    [copy(line) for line in removed],
                    today=today(),
                    **asked(self.data),
                )
                transaction.set_rollback(True)
        except ValidationError as error:
            self.tell(error)

    def tell(self, refused):
        """Put each refusal beside the line and field that it names, others above the lines."""
        named = refused.error_dict if hasattr(refused, "error_dict") else {NON_FIELD_ERRORS: refused.error_list}
        for field, errors in named.items():
            for error in errors:
                if error.code not in REFUSED:
                    continue
                line = (error.params or {}).get("line")
                form = next((form for form in self.forms if line and form.instance.pk == line), None)
                if form is None or form in self.deleted_forms:
                    raise error
                form.add_error(field if field in form.fields else None, error)


def told(error):
    """The single errors, whether they name fields or not."""
    return (
        [each for errors in error.error_dict.values() for each in errors]
        if hasattr(error, "error_dict")
        else error.error_list
    )


def asked(data):
    """The two questions that a save may ask, as they were answered."""
    return {"apply": data.get("apply") or None, "charge_past": bool(data.get("charge_past"))}


class ContractForm(forms.ModelForm):
    apply = forms.ChoiceField(
        label=_("適用"), required=False, help_text=_("請求済みの明細を変更したときに、いつから適用するかを選びます")
    )
    charge_past = forms.BooleanField(label=_("過去分も請求する"), required=False)

    class Meta:
        field_classes = {"bill_from": MonthField}

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if "apply" not in self.fields:
            return
        found = {}
        if self.instance.pk and Vendor.objects.exists():
            past = Past(Contract.objects.get(pk=self.instance.pk), today())
            days = {choice for line in self.instance.lines.all() for choice in past.choices(line)}
            for value, day in sorted(days, key=lambda choice: choice[1]):
                month = {"year": day.year, "month": day.month}
                label = (
                    _("次の期間から（%(year)d年%(month)d月）")
                    if value == NEXT
                    else _("%(year)d年%(month)d月の期間から")
                )
                found[value] = label % month
        self.fields["apply"].choices = [("", "---------"), (NOW, _("請求していない最初の期間から")), *found.items()]


class LineInline(admin.StackedInline):
    """Stacked, for a table of so many fields is wider than a screen."""

    model = ContractLine
    form = LineForm
    formset = Lines
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
    form = ContractForm
    list_display = ["number", "name", "customer", "service", "form", "start_on", "cancel_on"]
    list_filter = ["form", "service"]
    list_select_related = ["customer", "service"]
    search_fields = ["number", "name", "customer__number", "customer__name"]
    autocomplete_fields = ["customer", "service"]
    readonly_fields = ["number", "updated_at"]
    inlines = [LineInline, MeterInline, TermInline]

    def get_urls(self):
        page = self.admin_site.admin_view(desk.decide_page)
        address = "<int:contract>/decide/<int:line>/<int:term>/<slug:choice>/"
        return [path(address, page, name="contracts_contract_decide"), *super().get_urls()]

    def render_change_form(self, request, context, add=False, change=False, form_url="", obj=None):
        if obj is not None and obj.pk:
            context |= desk.proposals_of(obj, request.user)
        return super().render_change_form(request, context, add, change, form_url, obj)

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
        contract = form.instance
        try:
            start_contract(contract, lines, removed, today=today(), by=request.user, **asked(request.POST))
        except ValidationError as error:
            if REFUSED & {getattr(each, "code", None) for each in told(error)}:
                raise IntegrityError("refused since the form was looked at") from error
            if not change:  # what was stored, and is taken back
                contract.pk, contract.number, contract._state.adding = None, "", True
            store_contract(contract, lines, removed, today=today(), by=request.user, apply=asked(request.POST)["apply"])
            reason = " ".join(error.messages)
            self.message_user(request, _("契約は保存しましたが、注文を作れません: %s") % reason, level="warning")
        else:
            redraft(contract.customer, today=today())
            self.tell_changes(request, contract.changes)
        if not contract.lines.exists() and not contract.meters.exists():
            self.message_user(
                request, _("契約明細がありません。契約明細か従量料金を登録するまで請求されません。"), level="warning"
            )
        defer_catch_up(contract.customer)

    def tell_changes(self, request, changes):
        """Which orders follow, from how much to how much (D23)."""
        for change in changes:
            given = {"number": change.number, "before": yen(change.before), "after": yen(change.after)}
            if not change.before:
                text = _("注文 %(number)s を作りました（%(after)s円）。")
            elif not change.after:
                text = _("注文 %(number)s は取消になりました（%(before)s円）。")
            else:
                text = _("注文 %(number)s の金額が変わりました: %(before)s円 → %(after)s円")
            self.message_user(request, text % given)

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
