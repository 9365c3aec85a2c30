"""Staff's desk for customers and users."""

from django import forms
from django.contrib import admin
from django.contrib.auth.password_validation import validate_password
from django.utils.translation import gettext_lazy as _

from accounts.models import Customer, User
from portal import numbers


class UserForm(forms.ModelForm):
    """A user; a typed password is an initial one and must be changed at the first sign-in (D13)."""

    initial_password = forms.CharField(
        label=_("初期パスワード"), required=False, widget=forms.PasswordInput, validators=[validate_password]
    )

    class Meta:
        model = User
        fields = [
            "customer", "name", "kana", "email", "department", "position", "phone", "language",
            "is_recipient", "is_manager", "is_staff", "is_superuser", "is_active",
        ]  # fmt: skip

    def clean_email(self):
        email = self.cleaned_data["email"]
        return email.lower() if email else None

    def clean(self):
        data = super().clean()
        customer, staff = data.get("customer"), data.get("is_staff")
        if bool(customer) == bool(staff):
            self.add_error(
                "customer", _("お客様のユーザにはお客様を、担当者には「担当者」を指定してください（どちらか一方）。")
            )
        if customer and data.get("is_active"):
            self.check_flags(customer, data)
        return data

    def check_flags(self, customer, data):
        """What the deferred trigger would refuse, said next to the field (D14)."""
        others = customer.users.filter(is_active=True).exclude(pk=self.instance.pk)
        if not others.exists():
            data["is_recipient"] = data["is_manager"] = True
            return
        if not data.get("is_recipient") and not others.filter(is_recipient=True).exists():
            self.add_error("is_recipient", _("メール送信先のユーザが1人必要です。先に別のユーザで有効にしてください。"))
        if not data.get("is_manager") and not others.filter(is_manager=True).exists():
            self.add_error("is_manager", _("管理者ユーザが1人以上必要です。先に別のユーザを管理者にしてください。"))

    def save(self, commit=True):
        user = super().save(commit=False)
        if password := self.cleaned_data["initial_password"]:
            user.set_password(password)
            user.must_change_password = user.customer_id is not None
        elif not user.password:
            user.set_unusable_password()
        return user


@admin.register(Customer)
class CustomerAdmin(admin.ModelAdmin):
    list_display = ["number", "name", "payment_method", "since"]
    search_fields = ["number", "name", "kana"]
    readonly_fields = ["number", "updated_at"]

    def save_model(self, request, obj, form, change):
        if not obj.number:
            obj.number = numbers.next_number(numbers.CUSTOMER)
        super().save_model(request, obj, form, change)

    def has_delete_permission(self, request, obj=None):
        return False


@admin.register(User)
class UserAdmin(admin.ModelAdmin):
    form = UserForm
    list_display = ["name", "email", "customer", "is_recipient", "is_manager", "is_active", "last_login"]
    list_filter = ["is_active", "is_staff"]
    list_select_related = ["customer"]
    search_fields = ["name", "email", "customer__number"]
    autocomplete_fields = ["customer"]

    def save_model(self, request, obj, form, change):
        if obj.is_recipient and obj.customer_id:
            obj.customer.users.exclude(pk=obj.pk).filter(is_recipient=True).update(is_recipient=False)
        super().save_model(request, obj, form, change)

    def has_delete_permission(self, request, obj=None):
        return False
