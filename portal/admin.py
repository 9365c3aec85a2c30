"""Staff's desk for what belongs to no app: vendor, tax classes, calendar, FAQ, inquiries, mails, history."""

import logging
import re
import unicodedata
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.widgets import AdminTextInputWidget, AutocompleteSelect
from django.contrib.auth.admin import Group
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, models, transaction
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from procrastinate.contrib.django import admin as jobs

from billing import settled
from billing.services import defer_catch_up
from portal import mail
from portal.forms import (
    AddressField,
    CodeField,
    DayField,
    LineField,
    MomentField,
    MonthField,
    NumberField,
    OfficialNumberField,
    OwnRows,
    PercentField,
    PhoneField,
    PostalCodeField,
    WholeField,
)
from portal.history import NOTHING
from portal.models import CalendarDay, FaqEntry, HistoryEvent, Inquiry, Mail, TaxClass, Vendor, VendorRegistration
from portal.templatetags.figures import percent, ymd

logger = logging.getLogger(__name__)

admin.site.site_header = admin.site.site_title = _("契約マイポータル 担当者")


# What Django's own list filters ask of a field; anything else in an address would probe what the page doesn't show.
FILTERED = ("", "__exact", "__gte", "__lt", "__isnull", "__isempty")


class Completed(AutocompleteSelect):
    """A choice that is completed while one types; shown again, it leaves out what can't be a row's key."""

    def optgroups(self, name, value, attr=None):
        return super().optgroups(name, [each for each in value if is_key(self.field.remote_field.model, each)], attr)


def is_key(model, given):
    """Whether a row may have this key; what can't be one the database wouldn't take."""
    try:
        return abs(int(model._meta.pk.to_python(given))) <= models.BigIntegerField.MAX_BIGINT
    except (ValidationError, TypeError):
        return False


# Dates, numbers and lines of text are read as on customers' pages; every form of staff's has these (inlines name them too).
READ: dict[type[models.Field], dict[str, Any]] = {
    models.DateField: {"form_class": DayField},
    models.IntegerField: {"form_class": WholeField, "widget": WholeField.widget},
    models.BigIntegerField: {"form_class": WholeField, "widget": WholeField.widget},
    models.DecimalField: {"form_class": NumberField, "widget": NumberField.widget},
    models.CharField: {"form_class": LineField},
    models.SlugField: {"form_class": CodeField},
    models.EmailField: {"form_class": AddressField, "widget": AdminTextInputWidget},
    models.DateTimeField: {"form_class": MomentField},
}


class Desk(admin.ModelAdmin):
    """The base of every page for staff: a list answers to its own filters, and to no other question about its rows."""

    formfield_overrides = READ

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        """A save that met another one in the database is tried again: its form sees now what was stored meanwhile."""
        if request.method != "POST":
            return super().changeform_view(request, object_id, form_url, extra_context)
        for _try in range(2):
            try:
                with transaction.atomic():
                    return super().changeform_view(request, object_id, form_url, extra_context)
            except IntegrityError as met:
                logger.warning("a save met what the database holds: %s", str(met).partition("\n")[0])
        told = _(
            "ほかの人が同じところを同時に保存したため、保存できませんでした。内容を確かめて、もう一度保存してください。"
        )
        self.message_user(request, told, messages.ERROR)
        return redirect(request.get_full_path())

    def response_add(self, request, obj, post_url_continue=None):
        """What the database looks at last is looked at before anybody is told that all is stored."""
        connection.check_constraints()
        return super().response_add(request, obj, post_url_continue)

    def response_change(self, request, obj):
        connection.check_constraints()
        return super().response_change(request, obj)

    def get_search_results(self, request, queryset, search_term):
        """Half-width kana and full-width letters find what is written in the other width."""
        return super().get_search_results(request, queryset, unicodedata.normalize("NFKC", search_term))

    def lookup_allowed(self, lookup, value, request):
        """Only what a filter of this list asks. Django lets any column of the row itself be asked, passwords too."""
        return lookup in set(self.filter_lookups())

    def get_ordering(self, request):
        """Always one, also where choices of a field are completed page by page; the newest first, as in lists."""
        return super().get_ordering(request) or self.model._meta.ordering or ["-pk"]

    def response_action(self, request, queryset):
        """Ids that no row can have are left out; Django would ask the database about them."""
        request.POST = request.POST.copy()
        chosen = [each for each in request.POST.getlist(ACTION_CHECKBOX_NAME) if is_key(self.model, each)]
        request.POST.setlist(ACTION_CHECKBOX_NAME, chosen)
        return super().response_action(request, queryset)

    def formfield_for_foreignkey(self, db_field, request, **kwargs):
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", Completed(db_field, self.admin_site, using=kwargs.get("using")))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_formset_kwargs(self, request, obj, inline, prefix):
        """Rows that were sent have fields; Django would make two thousand where only their number was sent."""
        found = super().get_formset_kwargs(request, obj, inline, prefix)
        rows = request.POST.get(f"{prefix}-TOTAL_FORMS", "")
        if not isinstance(inline, Shown) and rows.isdecimal() and int(rows) > len(request.POST):
            found["data"].pop(f"{prefix}-TOTAL_FORMS")
        return found

    def filter_lookups(self):
        for each in self.list_filter:
            if isinstance(each, str):
                field = each
            elif isinstance(each, type):
                yield each.parameter_name
                continue
            else:
                field = each[0]
            related = self.model._meta.get_field(field) if "__" not in field else None
            if related is not None and related.is_relation:
                yield f"{field}__{related.target_field.name}__exact"
                yield f"{field}__isnull"
            else:
                yield from (f"{field}{ending}" for ending in FILTERED)


def empty_or_not(title, empty, filled):
    """A list's filter by whether a field is empty, in words for either."""

    class InWords(admin.EmptyFieldListFilter):
        def __init__(self, *given, **named):
            super().__init__(*given, **named)
            self.title = title

        def choices(self, changelist):
            for choice, words in zip(super().choices(changelist), (_("すべて"), empty, filled), strict=True):
                yield {**choice, "display": words}

    return InWords


class ReadOnly(Desk):
    """Rows that staff read and the programs write; an action on them asks for the right to change them."""

    def has_act_permission(self, request):
        return super().has_change_permission(request)

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False


class Shown(admin.TabularInline):
    """Rows of another table, to be read: nothing in them is sent back, so they can't be out of date either."""

    extra = 0
    can_delete = False
    formfield_overrides = READ

    def has_add_permission(self, request, obj=None):
        return False

    def has_change_permission(self, request, obj=None):
        return False


# The fields of a line as wide as what stands in them.
LINE_WIDGETS = {
    name: forms.TextInput(attrs={"size": size})
    for name, size in {
        "position": 2, "product_code": 12, "item": 24, "specification": 24, "quantity": 7, "unit": 4, "unit_price": 10,
    }.items()
}  # fmt: skip


def cell(name, write, label):
    """A column, or a field to be read, that writes this field of a row as customers' pages do."""

    @admin.display(description=label, ordering=name)
    def written(row):
        return write(getattr(row, name))

    written.__name__ = name
    return written


class PlaceField(WholeField):
    """A row's place among its fellows; the formset gives the next one to a row without."""

    def __init__(self, **options):
        widget = forms.TextInput(attrs={"size": 4, "inputmode": "numeric", "placeholder": _("自動")})
        super().__init__(label=_("行"), min_value=1, max_value=9999, required=False, widget=widget, **options)


class PlacedRows(OwnRows):
    """Rows in an order of their own: each has a place, and two at one place are told beside the field."""

    def clean(self):
        """Instead of what Django says of such rows above the form, in words of the code."""
        if any(self.errors):
            return
        others = self.model._default_manager.filter(**{self.fk.name: self.instance.pk})
        others = others.exclude(pk__in=[form.instance.pk for form in self.initial_forms])
        taken = set(others.values_list("position", flat=True))
        rows = [form for form in self.forms if form not in self.deleted_forms and form.cleaned_data]
        for form in rows:
            if form.instance.position in taken:
                form.add_error("position", _("この行番号はほかの明細で使われています。"))
            elif form.instance.position:
                taken.add(form.instance.position)
        for form in rows:
            if not form.instance.position:
                form.instance.position = max(taken, default=0) + 1
                taken.add(form.instance.position)


def typed(formsets, model):
    """(new and changed rows, removed ones) of this model, as they were typed; a service stores them."""
    changed, removed = [], []
    for formset in formsets:
        rows = formset.save(commit=False)
        if formset.model is model:
            changed += rows
            removed += formset.deleted_objects
    return changed, removed


# Stock pages that would go round this desk: anybody's groups; and background work, in a developer's words and with actions
# that ask for no right. What failed of it is read and tried again where it belongs: mails, PDFs, parked customers.
admin.site.unregister([Group, jobs.models.ProcrastinateJob])


class VendorForm(forms.ModelForm):
    class Meta:
        field_classes = {
            "postal_code": PostalCodeField,
            "phone": PhoneField,
            "desk_phone": PhoneField,
            "first_month": MonthField,
        }


@admin.register(Vendor)
class VendorAdmin(Desk):
    form = VendorForm

    def get_readonly_fields(self, request, obj=None):
        """From the first fixed invoice on it is settled when the portal began to bill."""
        return ["first_month"] if obj and settled.billing_has_begun() else []

    def has_add_permission(self, request):
        return super().has_add_permission(request) and not Vendor.objects.exists()

    def has_delete_permission(self, request, obj=None):
        return False

    def save_model(self, request, obj, form, change):
        obj.pk = 1
        settled.store(obj, by=request.user)
        defer_catch_up()


class Kept(Desk):
    """Settings of the vendor's: stored by the service that keeps before and after (D40), and followed by a job (D34)."""

    def save_model(self, request, obj, form, change):
        settled.store(obj, by=request.user)
        defer_catch_up()

    def delete_model(self, request, obj):
        settled.remove(obj, by=request.user)
        defer_catch_up()

    def delete_queryset(self, request, queryset):
        for row in queryset:
            settled.remove(row, by=request.user)
        defer_catch_up()


class UsedForm(forms.ModelForm):
    """Of a row that fixed invoices may stand on: it can end after them, and nothing else of it changes."""

    last_used = None  # the last day on which one does; the admin page says

    def clean_valid_to(self):
        end = self.cleaned_data["valid_to"]
        if end and self.last_used and end < self.last_used:
            raise ValidationError(
                _("%(day)s までの請求で確定に使われています。終了日はその日以降にしてください。")
                % {"day": ymd(self.last_used)}
            )
        return end


class Used(Kept):
    """Rows that fixed invoices stand on: these would no longer say by what they were made."""

    def last_used(self, row):
        raise NotImplementedError

    def get_readonly_fields(self, request, obj=None):
        if obj is None or self.last_used(obj) is None:
            return []
        return [field.name for field in self.model._meta.fields if field.name not in ("id", "valid_to")]

    def get_form(self, request, obj=None, **kwargs):
        made = super().get_form(request, obj, **kwargs)
        made.last_used = self.last_used(obj) if obj else None
        return made

    def has_delete_permission(self, request, obj=None):
        return (obj is None or self.last_used(obj) is None) and super().has_delete_permission(request, obj)


class RegistrationForm(UsedForm):
    class Meta:
        field_classes = {"number": OfficialNumberField}

    def clean_number(self):
        if not re.fullmatch(r"T\d{13}", self.cleaned_data["number"]):
            raise ValidationError(_("Tと13桁の数字で入力してください（例 T1234567890123）。"))
        return self.cleaned_data["number"]


@admin.register(VendorRegistration)
class VendorRegistrationAdmin(Used):
    form = RegistrationForm
    list_display = ["number", "valid_from", "valid_to"]

    def last_used(self, row):
        return settled.last_day_of_registration(row)


class TaxClassForm(UsedForm):
    class Meta:
        field_classes = {"rate": PercentField}
        labels = {"rate": _("税率（％）")}


class NewRateForm(forms.ModelForm):
    """「新しい税率」: the one that holds until then ends the day before (D34), so nobody types an end."""

    class Meta:
        model = TaxClass
        fields = ["kind", "rate", "valid_from"]
        field_classes = {"rate": PercentField}
        labels = {"rate": _("税率（％）"), "valid_from": _("適用開始日")}
        help_texts = {"valid_from": _("同じ区分のこれまでの税率は、前日で終わります")}

    def _post_clean(self):
        """The model would refuse the overlap that goes as this is stored."""
        if self.errors:
            return
        for name, value in self.cleaned_data.items():
            setattr(self.instance, name, value)
        try:
            self.instance.clean_fields(exclude=["valid_to"])
            settled.check_rate(self.instance, TaxClass.objects.all())
        except ValidationError as refused:
            self.add_error(None, refused)


@admin.register(TaxClass)
class TaxClassAdmin(Used):
    form = TaxClassForm
    list_display = ["kind", cell("rate", percent, _("税率")), "valid_from", "valid_to"]
    list_filter = ["kind"]

    def last_used(self, row):
        return settled.last_day_of_tax_class(row)

    def add_view(self, request, form_url="", extra_context=None):
        return super().add_view(request, form_url, {"title": _("新しい税率"), **(extra_context or {})})

    def get_form(self, request, obj=None, **kwargs):
        return super().get_form(request, obj, **(kwargs if obj else {**kwargs, "form": NewRateForm}))

    def get_fields(self, request, obj=None):
        return super().get_fields(request, obj) if obj else NewRateForm.Meta.fields

    def save_model(self, request, obj, form, change):
        if change:
            super().save_model(request, obj, form, change)
        else:
            settled.introduce_rate(obj, by=request.user)
            defer_catch_up()


@admin.register(CalendarDay)
class CalendarDayAdmin(Kept):
    list_display = ["day", "working", "note"]

    def get_readonly_fields(self, request, obj=None):
        """What a fixed invoice's days were found with stays; its note may change."""
        return ["day", "working"] if obj and settled.uses_calendar_day(obj) else []

    def has_delete_permission(self, request, obj=None):
        return not (obj and settled.uses_calendar_day(obj)) and super().has_delete_permission(request, obj)


@admin.register(FaqEntry)
class FaqEntryAdmin(Desk):
    list_display = ["question", "position", "published"]
    list_editable = ["position", "published"]


class InquiryForm(forms.ModelForm):
    def clean_handled_at(self):
        at = self.cleaned_data["handled_at"]
        if at and not self.instance.created_at.replace(second=0, microsecond=0) <= at <= timezone.now():
            raise ValidationError(_("送信日時から今までの日時を入力してください。"))
        return at


@admin.register(Inquiry)
class InquiryAdmin(Desk):
    form = InquiryForm
    list_display = ["number", "created_at", "customer", "kind", "subject", "about", "handled_at"]
    list_filter = ["kind", ("handled_at", empty_or_not(_("対応状況"), _("未対応"), _("対応済み")))]
    list_select_related = ["customer"]
    search_fields = ["number", "subject", "customer__number", "customer__name"]
    readonly_fields = ["number", "customer", "user", "reach", "kind", "subject", "body", "about", "created_at"]
    fields = ["handled_at", *readonly_fields]

    @admin.display(description=_("連絡先"))
    def reach(self, inquiry):
        return "\n".join(filter(None, [inquiry.user.email, inquiry.user.phone])) or "-"

    def has_add_permission(self, request):
        return False

    def has_delete_permission(self, request, obj=None):
        """What a customer wrote stays."""
        return False


@admin.register(Mail)
class MailAdmin(ReadOnly):
    list_display = ["created_at", "kind", "customer", "state", "sent_to", "tries", "error"]
    list_filter = ["state", "kind"]
    list_select_related = ["customer"]
    search_fields = ["key", "customer__number", "sent_to"]
    fields = [
        "kind", "customer", "user", "state", "sent_to", "tries", "due_at", "sent_at", "error", "created_at",
    ]  # fmt: skip
    actions = ["send_again"]

    @admin.action(description=_("もう一度送る"), permissions=["act"])
    def send_again(self, request, mails):
        for each in mails:
            mail.send_again(each, by=request.user)
        self.message_user(request, _("%(count)d件を送信待ちにしました。") % {"count": len(mails)})


@admin.register(HistoryEvent)
class HistoryAdmin(ReadOnly):
    list_display = ["at", "customer", "actor_name", "action", "subject"]
    list_filter = ["action"]
    list_select_related = ["customer"]
    search_fields = ["subject", "actor_name", "customer__number"]
    fields = readonly_fields = ["at", "customer", "actor", "actor_name", "action", "subject", "detail", "kept"]

    @admin.display(description=_("記録"))
    def kept(self, event):
        """All of what was changed, which `detail` cuts where it gets long, and where somebody signed in from."""
        told = [
            f"{label} {old or NOTHING} → {new or NOTHING}"
            for label, (old, new) in event.data.get("changes", {}).items()
        ]
        if address := event.data.get("address"):
            told.append(_("IPアドレス %s") % address)
        return "\n".join(told) or "-"
