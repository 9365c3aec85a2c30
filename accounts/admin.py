"""Staff's desk for customers and users; what changes a user goes through the same services as in the portal."""

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts import credentials, services
from accounts.models import Customer, User, plain_email
from billing.services import defer_catch_up
from portal import numbers
from portal.admin import Desk


class UserForm(forms.ModelForm):
    """A user; a typed password is an initial one and must be changed at the first sign-in (D13)."""

    initial_password = forms.CharField(
        label=_("初期パスワード"),
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("空のままにすると自動で作り、本人にメールで送ります"),
    )

    class Meta:
        model = User
        fields = [
            "customer", "name", "kana", "email", "department", "position", "phone", "language",
            "is_recipient", "is_manager", "is_staff", "is_superuser",
        ]  # fmt: skip

    def clean_email(self):
        if not self.cleaned_data["email"]:
            raise ValidationError(_("Eメールを入力してください。"))
        return plain_email(self.cleaned_data["email"])

    def clean(self):
        data = super().clean()
        new = self.instance.pk is None
        customer = data.get("customer") if new else self.instance.customer
        if new and bool(customer) == bool(data.get("is_staff")):
            self.add_error(
                "customer", _("お客様のユーザにはお客様を、担当者には「担当者」を指定してください（どちらか一方）。")
            )
        elif customer:
            self.check_flags(customer, data)
            self.refuse(data, ["is_superuser"], _("お客様のユーザには指定できません。"))
        else:
            self.refuse(data, ["is_recipient", "is_manager"], _("担当者には指定できません。"))
        return data

    def refuse(self, data, names, why):
        for name in names:
            if data.get(name):
                self.add_error(name, why)

    def _post_clean(self):
        super()._post_clean()
        if password := self.cleaned_data.get("initial_password"):
            try:
                validate_password(password, self.instance)
            except ValidationError as error:
                self.add_error("initial_password", error)

    def check_flags(self, customer, data):
        """What the services would refuse, said next to the field (D14)."""
        others = customer.users.filter(is_active=True).exclude(pk=self.instance.pk)
        if not others.exists():
            data["is_recipient"] = data["is_manager"] = True
            return
        if not data.get("is_recipient") and not others.filter(is_recipient=True).exists():
            self.add_error("is_recipient", _("メール送信先のユーザが1人必要です。先に別のユーザで有効にしてください。"))
        if not data.get("is_manager") and not others.filter(is_manager=True).exists():
            self.add_error("is_manager", _("管理者ユーザが1人以上必要です。先に別のユーザを管理者にしてください。"))


# Stock pages would set a factor up, or take one off, without a trace; 「2段階認証を解除する」 below leaves one.
admin.site.unregister([TOTPDevice, StaticDevice])


@admin.register(Customer)
class CustomerAdmin(Desk):
    list_display = ["number", "name", "payment_method", "since"]
    search_fields = ["number", "name", "kana"]
    readonly_fields = ["number", "updated_at"]

    def save_model(self, request, obj, form, change):
        if not obj.number:
            obj.number = numbers.next_number(numbers.CUSTOMER)
        super().save_model(request, obj, form, change)
        defer_catch_up(obj)

    def has_delete_permission(self, request, obj=None):
        return False


@admin.register(User)
class UserAdmin(Desk):
    form = UserForm
    list_display = ["name", "email", "customer", "is_recipient", "is_manager", "is_active", "last_login"]
    list_filter = ["is_active", "is_staff"]
    list_select_related = ["customer"]
    search_fields = ["name", "email", "customer__number"]
    autocomplete_fields = ["customer"]
    actions = ["send_account_data", "remove_second_factor", "delete_users"]

    def get_readonly_fields(self, request, obj=None):
        return ["customer", "is_staff"] if obj else []

    def get_fields(self, request, obj=None):
        return [*UserForm.Meta.fields, *([] if obj else ["initial_password"])]

    def get_form(self, request, obj=None, **kwargs):
        return super().get_form(request, obj, **{**kwargs, "fields": UserForm.Meta.fields})

    def has_change_permission(self, request, obj=None):
        return super().has_change_permission(request, obj) and (obj is None or obj.is_active)

    def has_delete_permission(self, request, obj=None):
        return False

    def save_model(self, request, obj, form, change):
        if not change:
            services.create_user(obj, password=form.cleaned_data["initial_password"], by=request.user)
            return
        services.change_user(obj, by=request.user, session=request.session.session_key)
        obj.save(update_fields=["language", "is_superuser"])

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except ValidationError as refused:
            self.message_user(request, " ".join(refused.messages), messages.ERROR)
            return redirect(request.path)

    def each(self, request, users, service, done):
        """Do one thing to each chosen user; what is refused is told, the others go on."""
        for user in users:
            try:
                service(user, by=request.user)
                self.message_user(request, done % {"name": user.name})
            except ValidationError as refused:
                self.message_user(request, f"{user.name}: {' '.join(refused.messages)}", messages.ERROR)

    @admin.action(description=_("アカウント情報を送る（新しい初期パスワード）"))
    def send_account_data(self, request, users):
        self.each(request, users, services.send_account_data, _("%(name)sにアカウント情報を送りました。"))

    @admin.action(description=_("2段階認証を解除する"))
    def remove_second_factor(self, request, users):
        self.each(request, users, credentials.remove_second_factor, _("%(name)sの2段階認証を解除しました。"))

    @admin.action(description=_("ユーザを削除する（無効にする）"))
    def delete_users(self, request, users):
        self.each(request, users, services.delete_user, _("%(name)sを削除しました。"))
