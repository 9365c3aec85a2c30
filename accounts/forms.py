"""Sign-in and password change."""

from django import forms
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.utils.translation import gettext_lazy as _


class LoginForm(AuthenticationForm):
    error_messages = {
        "invalid_login": _("ユーザ名またはパスワードが正しくありません。"),
        "inactive": _("ユーザ名またはパスワードが正しくありません。"),
    }

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        for name, label in (("username", _("ユーザ名")), ("password", _("パスワード"))):
            self.fields[name].label = label
            self.fields[name].widget.attrs.update(
                {"class": "form-control", "autocomplete": {"username": "username"}.get(name, "current-password")}
            )
        self.fields["username"].widget.attrs["inputmode"] = "email"


class ChangePasswordForm(PasswordChangeForm):
    error_messages = {
        "password_mismatch": _("確認のパスワードが一致しません。"),
        "password_incorrect": _("現在のパスワードが正しくありません。"),
    }

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        labels = {
            "old_password": _("現在のパスワード"),
            "new_password1": _("新しいパスワード"),
            "new_password2": _("新しいパスワード（確認）"),
        }
        for name, label in labels.items():
            self.fields[name].label = label
            self.fields[name].widget.attrs["class"] = "form-control"
        self.fields["new_password1"].help_text = _("半角8〜16文字。英大文字・英小文字・数字・記号をそれぞれ1文字以上")
        self.fields["new_password2"].help_text = ""

    def save(self, commit=True):
        """Store the new password; the person may go everywhere from now on (A1)."""
        user = self.user
        user.set_password(self.cleaned_data["new_password1"])
        user.must_change_password, user.password_expires_at = False, None
        user.save(update_fields=["password", "must_change_password", "password_expires_at"])
        return user


class ResetForm(forms.Form):
    email = forms.EmailField(
        label=_("Eメール"),
        max_length=254,
        widget=forms.EmailInput(attrs={"class": "form-control", "autocomplete": "username"}),
        error_messages={"invalid": _("Eメールの形で入力してください。"), "required": _("Eメールを入力してください。")},
    )

    def __init__(self, *args, **kwargs):
        super().__init__(*args, label_suffix="", **kwargs)
