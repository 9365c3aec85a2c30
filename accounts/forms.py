"""Forms of sign-in, passwords, second factor, users and companies, 変更申込 among them."""

import unicodedata
from typing import Any

from django import forms
from django.contrib.auth import authenticate
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import wishes
from accounts.models import Customer, User
from portal import reading
from portal.forms import (
    AddressField,
    CorporateNumberField,
    LineField,
    OfficialNumberField,
    PassageField,
    PostalCodeField,
)

CONTROL = {"class": "form-control"}


class PlainForm(forms.Form):
    """Labels without a colon; every message stands next to its field."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{"label_suffix": "", **kwargs})


def password_field(label, autocomplete, **options):
    widget = forms.PasswordInput(attrs={**CONTROL, "autocomplete": autocomplete})
    return forms.CharField(label=label, strip=False, max_length=4096, widget=widget, **options)


class LoginForm(PlainForm):
    username = forms.CharField(
        label=gettext_lazy("ユーザ名"),
        help_text=gettext_lazy("ご登録のEメールアドレスです"),
        max_length=254,
        widget=forms.TextInput(attrs={**CONTROL, "autocomplete": "username", "inputmode": "email", "autofocus": True}),
    )
    password = password_field(gettext_lazy("パスワード"), "current-password")
    user: Any = None

    def __init__(self, request, *args, **kwargs):
        self.request = request
        super().__init__(*args, **kwargs)

    def clean(self):
        if self.errors:
            return
        given = self.cleaned_data
        self.user = authenticate(self.request, username=given["username"], password=given["password"])
        if self.user is None:
            raise ValidationError(
                _(
                    "ユーザ名またはパスワードが正しくありません。続けて間違えたときは、しばらく待ってからもう一度お試しください。"
                )
            )


class CodeForm(PlainForm):
    code = forms.CharField(
        label=gettext_lazy("確認コード"),
        max_length=20,
        widget=forms.TextInput(
            attrs={**CONTROL, "autocomplete": "one-time-code", "inputmode": "text", "autofocus": True}
        ),
    )

    def clean_code(self):
        return "".join(unicodedata.normalize("NFKC", self.cleaned_data["code"]).lower().split())


class OwnPasswordForm(PlainForm):
    own_password = password_field(gettext_lazy("あなたのパスワード"), "current-password")


class FactorForm(CodeForm, OwnPasswordForm):
    """The first code of a new app, by somebody who knows the password, not just sits at an open screen."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["code"].widget.attrs["inputmode"] = "numeric"  # no recovery code serves here


class NewPasswordForm(PlainForm):
    """A new password, typed twice; the rule is checked against the person whose password it becomes."""

    new_password1 = password_field(gettext_lazy("新しいパスワード"), "new-password")
    new_password2 = password_field(gettext_lazy("新しいパスワード（確認）"), "new-password")

    def __init__(self, user, *args, **kwargs):
        self.user = user
        super().__init__(*args, **kwargs)

    def clean_new_password1(self):
        password = self.cleaned_data["new_password1"]
        validate_password(password, self.user)
        if self.is_old(password):
            raise ValidationError(_("いまのパスワードと同じです。別のパスワードにしてください。"))
        return password

    def is_old(self, password):
        return self.user.check_password(password)

    def clean_new_password2(self):
        if self.cleaned_data["new_password2"] != self.cleaned_data.get("new_password1", self.data.get("new_password1")):
            raise ValidationError(_("確認のパスワードが一致しません。"))
        return self.cleaned_data["new_password2"]


class ChangePasswordForm(NewPasswordForm):
    field_order = ["old_password", "new_password1", "new_password2"]
    old_password = password_field(gettext_lazy("現在のパスワード"), "current-password")

    def is_old(self, password):
        """Against what was typed beside it: the stored one is asked once only, by the view, and throttled."""
        return password == self.cleaned_data.get("old_password")


class ResetForm(PlainForm):
    email = AddressField(
        help_text=gettext_lazy("ご登録のEメールアドレス（ユーザ名）です"),
        attrs={**CONTROL, "autocomplete": "username"},
        error_messages={
            "invalid": gettext_lazy("Eメールの形で入力してください。"),
            "required": gettext_lazy("Eメールを入力してください。"),
        },
    )


class UserForm(forms.ModelForm):
    """A user of one's own company; an empty password is generated on create and kept on edit."""

    email = AddressField()
    version = forms.CharField(required=False, max_length=20, widget=forms.HiddenInput)
    password = password_field(gettext_lazy("パスワード"), "new-password", required=False)
    password_again = password_field(gettext_lazy("パスワード（確認）"), "new-password", required=False)
    own_password = password_field(gettext_lazy("あなたのパスワード"), "current-password", required=False)

    class Meta:
        model = User
        fields = ["name", "kana", "email", "department", "position", "phone", "language", "is_manager", "is_recipient"]
        field_classes = dict.fromkeys(["name", "kana", "department", "position"], LineField)
        widgets = {"phone": forms.TextInput(attrs={"inputmode": "tel"})}

    def __init__(self, *args, **kwargs):
        super().__init__(*args, label_suffix="", **kwargs)
        self.new = self.instance.pk is None
        for name, field in self.fields.items():
            if isinstance(field.widget, forms.CheckboxInput):
                field.widget.attrs["class"] = "form-check-input"
            elif name != "version":
                field.widget.attrs["class"] = "form-select" if name == "language" else "form-control"
        self.fields["email"].help_text = _("ログインのユーザ名です")
        self.fields["language"].help_text = _("画面とメールの言語です。本人が画面の下でいつでも切り替えられます")
        self.fields["language"].required = False
        self.fields["is_manager"].help_text = _("未使用の項目です。1名以上に必要です")
        self.fields["is_recipient"].help_text = self.recipient_hint()
        if self.new:
            self.fields["password"].help_text = _("空のままにすると自動で作り、本人にメールで送ります")
            del self.fields["own_password"], self.fields["version"]
        else:
            self.initial["version"] = self.instance.version
            self.fields["password"].help_text = _("空のままにすると変わりません")
            self.fields["own_password"].help_text = _("Eメールまたはパスワードを変更するときに必要です")
            # What a page marks as due, and what it compares with, also when a refused form comes back (static/js/forms.js).
            self.fields["own_password"].widget.attrs["data-due-with"] = "email password"
            self.fields["email"].widget.attrs["data-was"] = self.instance.email

    def recipient_hint(self):
        """Who gets the mails now, so that nobody takes them from a colleague unawares."""
        former = self.instance.customer.users.filter(is_recipient=True).first()
        if former is None:
            return _("お知らせのメールが届く1名です")
        if former == self.instance:
            return _("お知らせのメールが届く1名です。切り替えるには、新しい送信先のユーザでONにしてください")
        return _("いまの送信先は %(name)s です。ONにすると、このユーザに切り替わります") % {"name": former.name}

    def clean_kana(self):
        return reading.kana(self.cleaned_data["kana"])

    def clean_phone(self):
        return reading.phone(self.cleaned_data["phone"])

    def clean_language(self):
        return self.cleaned_data["language"] or self.instance.language

    def clean_version(self):
        """What was on the screen; nothing typed is now, nonsense is never."""
        given = self.cleaned_data["version"]
        return self.instance.version if not given else int(given) if given.isdecimal() else -1

    def clean(self):
        given = super().clean()
        password = given.get("password", "")
        if password != given.get("password_again", ""):
            self.add_error("password_again", _("確認のパスワードが一致しません。"))
        return given

    def _post_clean(self):
        """The rule is checked against the person as the form makes them."""
        super()._post_clean()
        if password := self.cleaned_data.get("password"):
            try:
                validate_password(password, self.instance)
            except ValidationError as error:
                self.add_error("password", error)
        if not self.new and "version" in self.cleaned_data:
            self.instance.version = self.cleaned_data["version"]

    def validate_unique(self):
        """Left to the database: whether some other company has the address is no business of the form (D12)."""

    def tell_stored(self, stored):
        """What a colleague stored meanwhile, next to each field that says something else; a second save writes over it knowingly."""
        for name in self._meta.fields:
            now = getattr(stored, name)
            if now != getattr(self.instance, name):
                self.add_error(name, self.standing(name, now))

    def standing(self, name, now):
        if isinstance(now, bool):
            return _("いまはONです。") if now else _("いまはOFFです。")
        text = dict(getattr(self.fields[name], "choices", ())).get(now, now)
        return _("いまは「%(text)s」です。") % {"text": text} if text else _("いまは空欄です。")

    @property
    def needs_own_password(self):
        return not self.new and bool(self.cleaned_data.get("password") or "email" in self.changed_data)


class CustomerForm(forms.ModelForm):
    """A company; its reading and its numbers are kept in the form in which customers see their own."""

    class Meta:
        field_classes = {
            "postal_code": PostalCodeField,
            "billing_postal_code": PostalCodeField,
            "corporate_number": CorporateNumberField,
            "registration_number": OfficialNumberField,
        }

    def clean_kana(self):
        return reading.kana(self.cleaned_data["kana"])

    def clean_phone(self):
        return reading.phone(self.cleaned_data["phone"])

    def clean_fax(self):
        return reading.phone(self.cleaned_data["fax"])

    def clean(self):
        """Documents print the 請求先's address with its own 〒, or else the company's with the company's."""
        data = super().clean()
        if data.get("billing_postal_code") and not data.get("billing_address", ""):
            self.add_error("billing_address", _("請求先郵便番号の住所を入力してください。"))
        return data


class WishesForm(CustomerForm):
    """変更申込: the company's facts as they stand, to be written over with what they should be."""

    note = PassageField(
        label=gettext_lazy("ご希望日・備考"),
        required=False,
        max_length=1000,
        widget=forms.Textarea(attrs={**CONTROL, "rows": 3}),
        help_text=gettext_lazy("いつから変更するか、添えたいことがあればお書きください"),
    )

    class Meta(CustomerForm.Meta):
        model = Customer
        fields = wishes.FIELDS
        field_classes = dict.fromkeys(wishes.FIELDS, LineField) | CustomerForm.Meta.field_classes

    def __init__(self, *args, **kwargs):
        super().__init__(*args, label_suffix="", **kwargs)
        self.before = {name: getattr(self.instance, name) for name in wishes.FIELDS}
        for name in wishes.FIELDS:
            self.fields[name].widget.attrs |= {**CONTROL, "autocomplete": "off"}

    def wished(self):
        """{field: [present, wished]} of what was written over."""
        given = self.cleaned_data
        return {name: [old, given[name]] for name, old in self.before.items() if given[name] != old}

    def parts(self):
        """(heading, fields) as 基本情報 has them."""
        for heading, names in (
            (_("会社"), wishes.COMPANY),
            (_("契約担当者"), wishes.CONTACT),
            (_("請求先"), wishes.BILLING),
        ):
            yield heading, [self[name] for name in names]
