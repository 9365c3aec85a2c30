"""Sign-in, passwords, second factor, and users."""

import unicodedata
from typing import Any

from django import forms
from django.contrib.auth import authenticate
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from portal import reading
from portal.forms import AddressField, LineField

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
        fields = ["name", "kana", "email", "department", "position", "phone", "is_manager", "is_recipient"]
        field_classes = dict.fromkeys(["name", "kana", "department", "position"], LineField)
        widgets = {"phone": forms.TextInput(attrs={"inputmode": "tel"})}

    def __init__(self, *args, **kwargs):
        super().__init__(*args, label_suffix="", **kwargs)
        self.new = self.instance.pk is None
        for name, field in self.fields.items():
            if isinstance(field.widget, forms.CheckboxInput):
                field.widget.attrs["class"] = "form-check-input"
            elif name != "version":
                field.widget.attrs["class"] = "form-control"
        self.fields["email"].help_text = _("ログインのユーザ名です")
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

    @property
    def needs_own_password(self):
        return not self.new and bool(self.cleaned_data.get("password") or "email" in self.changed_data)
