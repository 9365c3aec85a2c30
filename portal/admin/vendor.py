"""Staff's pages for what belongs to no app: vendor, tax classes, calendar, FAQ, mails, history."""

import re

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import Group
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from procrastinate.contrib.django import admin as jobs

from billing import settled
from billing.board import notices_of
from billing.services import defer_catch_up
from portal import mail, seal
from portal.acting import acts, delete_selected
from portal.desk import Desk, ReadOnly
from portal.forms import MonthField, OfficialNumberField, PercentField, PhoneField, PostalCodeField
from portal.models import (
    Action,
    CalendarDay,
    FaqEntry,
    HistoryEvent,
    Mail,
    TaxClass,
    Vendor,
    VendorRegistration,
)
from portal.reading import has_check_digit
from portal.shown import MonthFilter, cell, flag, read_cell
from portal.templatetags.figures import percent, ym

# Stock pages that would go round this desk: anybody's groups; and background work, in a developer's words and with actions
# that ask for no right. What failed of it is read and tried again where it belongs: mails, PDFs, parked customers.
admin.site.unregister([Group, jobs.models.ProcrastinateJob])


admin.site.add_action(delete_selected)


class VendorForm(forms.ModelForm):
    seal_file = forms.FileField(
        label=_("角印の画像"),
        required=False,
        widget=forms.FileInput(attrs={"accept": "image/png"}),
        help_text=_(
            "背景が透明なPNG（縦横50から1000ピクセル、200KBまで）。これから確定する請求書の会社名の横に印刷します"
        ),
    )
    no_seal = forms.BooleanField(label=_("角印を印刷しない"), required=False)

    class Meta:
        field_classes = {
            "postal_code": PostalCodeField,
            "phone": PhoneField,
            "desk_phone": PhoneField,
            "first_month": MonthField,
        }
        help_texts = {"first_month": _("この月から請求します。契約を登録した後は変更できません")}

    def clean_seal_file(self):
        file = self.cleaned_data["seal_file"]
        return seal.read(file) if file else None

    def clean(self):
        data = super().clean()
        if data.get("seal_file"):
            self.instance.seal = seal.keep(data["seal_file"])
        elif data.get("no_seal"):
            self.instance.seal = None
        return data


@admin.register(Vendor)
class VendorAdmin(Desk):
    form = VendorForm
    stays = _("ベンダー設定は削除できません。変更はこの画面で保存してください。")
    readonly_fields = ["seal_shown"]

    @admin.display(description=_("印刷している角印"))
    def seal_shown(self, vendor):
        if not vendor.seal_id:
            return _("なし")
        return format_html('<img src="{}" alt="{}" width="90">', seal.picture(vendor.seal_id), _("角印"))

    def get_fields(self, request, obj=None):
        """Whoever may only read sees the seal; how to change it is the form's alone."""
        found = super().get_fields(request, obj)
        may_change = self.has_change_permission(request, obj)
        return [name for name in found if may_change or name not in VendorForm.declared_fields]

    def get_exclude(self, request, obj=None):
        """When the portal begins to bill is settled before contracts come, for their terms begin with it (D22)."""
        if obj and not hasattr(obj, "first_month_stands"):  # asked once a page
            obj.first_month_stands = settled.first_month_stands()
        return ["first_month"] if obj and obj.first_month_stands else []

    def get_readonly_fields(self, request, obj=None):
        settled_ones = [read_cell(Vendor._meta.get_field(name), ym) for name in self.get_exclude(request, obj)]
        return [*self.readonly_fields, *settled_ones]

    def has_add_permission(self, request):
        return super().has_add_permission(request) and not Vendor.objects.exists()

    def save_model(self, request, obj, form, change):
        obj.pk = 1
        settled.store(obj, by=request.user)
        defer_catch_up()


class Told(Desk):
    """What the vendor sets: stored by the service that keeps before and after (D40)."""

    def save_model(self, request, obj, form, change):
        settled.store(obj, by=request.user)

    def delete_model(self, request, obj):
        settled.remove(obj, by=request.user)

    def delete_queryset(self, request, queryset):
        for row in queryset:
            self.delete_model(request, row)


class Kept(Told):
    """What is billed follows it: a job sees to that (D34)."""

    def save_model(self, request, obj, form, change):
        super().save_model(request, obj, form, change)
        defer_catch_up()

    def delete_model(self, request, obj):
        super().delete_model(request, obj)
        defer_catch_up()


class UsedForm(forms.ModelForm):
    """Of a row that fixed invoices may stand on (D34)."""

    def _post_clean(self):
        super()._post_clean()
        if not self.errors:
            try:
                settled.check_use(self.instance)
            except ValidationError as refused:
                self.add_error(None, refused)


class Used(Kept):
    """Rows that fixed invoices stand on: these would no longer say by what they were made."""

    form = UsedForm

    def get_readonly_fields(self, request, obj=None):
        if obj is None:
            return []
        if not hasattr(obj, "used"):  # asked once a page, for it may read many invoices
            obj.used = settled.is_used(obj)
        if not obj.used:
            return []
        return [
            field.name for field in self.model._meta.fields if field.name not in ("id", settled.MOVABLE[self.model])
        ]

    def find_why_kept(self, row):
        return settled.why_kept(row) or super().find_why_kept(row)


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

    def save_model(self, request, obj, form, change):
        """Numbers of those that are no corporation may lack the check digit, so a wrong one is told and stored."""
        super().save_model(request, obj, form, change)
        if not has_check_digit(obj.number[1:]):
            told = (
                _("登録番号 %s は法人番号の検査用数字と合いません。法人の場合は番号を確認してください。") % obj.number
            )
            self.message_user(request, told, messages.WARNING)


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


RATE = cell("rate", percent, _("税率"))


@admin.register(TaxClass)
class TaxClassAdmin(Used):
    form = TaxClassForm
    list_display = ["kind", RATE, "valid_from", "valid_to"]
    list_filter = ["kind"]

    def get_readonly_fields(self, request, obj=None):
        return [RATE if name == "rate" else name for name in super().get_readonly_fields(request, obj)]

    def get_exclude(self, request, obj=None):
        return ["rate"] if RATE in self.get_readonly_fields(request, obj) else None

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
class CalendarDayAdmin(Used):
    list_display = ["day", cell("working", flag, _("営業する")), "note"]


@admin.register(FaqEntry)
class FaqEntryAdmin(Told):
    list_display = ["question", "position", cell("published", flag, _("公開"))]


class NoticeMonth(MonthFilter):
    """確定のお知らせ by the month of their invoices."""

    title = _("確定のお知らせ")

    def of_month(self, rows, month):
        return notices_of(rows, month)


@admin.register(Mail)
class MailAdmin(ReadOnly):
    large = True
    list_display = ["created_at", "kind", "number", "customer", "state", "sent_to", "tries", "error"]
    list_filter = ["state", "kind", NoticeMonth]
    list_select_related = ["customer"]
    search_fields = ["key", "customer__number", "sent_to"]
    fields = readonly_fields = [
        "kind", "number", "subject", "customer", "user", "state", "sent_to", "tries", "due_at", "sent_at", "error",
        "created_at", "request",
    ]  # fmt: skip
    actions = ["send_again"]

    def get_fields(self, request, obj=None):
        """What went out or never will has no next time, and not every mail is about a number."""
        hidden = {"due_at"} if obj is not None and obj.state not in mail.OPEN else set()
        hidden |= {"number"} if obj is not None and not obj.about_number else set()
        return [name for name in self.fields if name not in hidden]

    @admin.display(description=_("番号"))
    def number(self, row):
        return row.about_number

    @admin.display(description=_("件名"))
    def subject(self, row):
        return mail.subject_of(row)

    def get_ordering(self, request):
        """Of a month by the number of its invoice, as the keys have it; the newest first would walk through all that came later."""
        return ["key"] if request.GET.get("month") else super().get_ordering(request)

    def get_queryset(self, request):
        """Without reminders: whether one goes says what the company has noted for itself (社内確認)."""
        return super().get_queryset(request).exclude(kind=Mail.Kind.INVOICE_REMINDER)

    @acts(description=_("もう一度送る"), permissions=["act"], done=_("%(count)d件を送信待ちにしました。"))
    def send_again(self, request, row):
        mail.send_again(row, by=request.user)


class SignInFilter(admin.SimpleListFilter):
    """Sign-ins, of which there are many, apart from what was changed."""

    title, parameter_name = _("ログインの記録"), "sign_ins"

    def lookups(self, request, model_admin):
        return [("without", _("ログイン以外")), ("only", _("ログインだけ"))]

    def queryset(self, request, events):
        signed_in = Q(action=Action.SIGNED_IN)
        return {"without": events.exclude(signed_in), "only": events.filter(signed_in)}.get(self.value() or "", events)


@admin.register(HistoryEvent)
class HistoryAdmin(ReadOnly):
    large = True
    list_display = ["at", "customer", "actor_name", "action", "subject"]
    list_filter = [SignInFilter, "action"]
    list_select_related = ["customer"]
    search_fields = ["subject", "actor_name", "customer__number"]
    fields = readonly_fields = [
        "at",
        "customer",
        "actor",
        "actor_name",
        "action",
        "subject",
        "detail",
        "kept",
        "request",
    ]

    @admin.display(description=_("記録"))
    def kept(self, event):
        """All of what was changed, which `detail` cuts where it gets long, and where somebody signed in from."""
        told = [f"{label} {old} → {new}" for label, old, new in event.changes]
        if reason := event.data.get("reason"):
            told.append(_("理由 %s") % reason)
        if address := event.data.get("address"):
            told.append(_("IPアドレス %s") % address)
        return "\n".join(told) or "-"
