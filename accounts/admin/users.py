"""Staff's desk for users: what changes one goes through the same services as in the portal."""

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts import credentials, services
from accounts.models import Customer, User
from portal import reading, rights
from portal.acting import acts
from portal.desk import Desk, empty_or_not


class UserForm(forms.ModelForm):
    """A user; a typed password is an initial one and must be changed at the first sign-in (D13)."""

    initial_password = forms.CharField(
        label=_("初期パスワード"),
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("空のままにすると自動で作り、本人にメールで送ります"),
    )
    later = forms.BooleanField(
        label=_("あとで送る"),
        required=False,
        help_text=_("アカウント情報のメールをいまは送らず、あとで操作「アカウント情報を送る」を選ぶと送ります"),
    )
    roles = forms.MultipleChoiceField(
        label=_("役割"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("担当者だけに指定します。自分の役割は変更できません"),
    )
    is_superuser = forms.BooleanField(
        label=_("スーパーユーザー"), required=False, help_text=_("すべての権限をもつ担当者です")
    )
    by = None  # who fills it in; the admin page says

    class Meta:
        model = User
        fields = [
            "customer", "name", "kana", "email", "department", "position", "phone", "language",
            "is_recipient", "is_manager", "is_staff",
        ]  # fmt: skip

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for name in {"roles", "is_superuser"} - set(rights_fields(self.by, self.instance)):
            del self.fields[name]
        if "roles" in self.fields:
            self.fields["roles"].choices = [(name, name) for name in rights.roles_to_give(self.by)]
        if self.instance.pk:
            del self.fields["later"]
            self.initial["roles"] = [group.name for group in self.instance.groups.all()]
            self.initial["is_superuser"] = self.instance.is_superuser

    def clean_kana(self):
        return reading.kana(self.cleaned_data["kana"])

    def clean_phone(self):
        return reading.phone(self.cleaned_data["phone"])

    def clean_email(self):
        if not self.cleaned_data["email"]:
            raise ValidationError(_("Eメールを入力してください。"))
        return reading.email(self.cleaned_data["email"])

    def clean(self):
        data = super().clean()
        new = self.instance.pk is None
        if data.get("later") and data.get("initial_password"):
            told = _("あとで送るときは、初期パスワードを空にしてください。送るときに自動で作ります。")
            self.add_error("initial_password", told)
        customer = data.get("customer") if new else self.instance.customer
        if new and bool(customer) == bool(data.get("is_staff")):
            self.add_error(
                "customer", _("お客様のユーザにはお客様を、担当者には「担当者」を指定してください（どちらか一方）。")
            )
        elif new and not may_add(self.by, staff=not customer):
            self.add_error("customer" if customer else "is_staff", _("このユーザを登録する権限がありません。"))
        elif customer:
            self.check_flags(customer, data)
            if data.get("roles") or data.get("is_superuser"):
                self.add_error(None, _("役割とスーパーユーザーは、お客様のユーザには指定できません。"))
        else:
            self.refuse(data, ["is_recipient", "is_manager"], _("担当者には指定できません。"))
            if new and "roles" in self.fields and not data.get("roles") and not data.get("is_superuser"):
                self.add_error("roles", _("役割を1つ以上選んでください。役割のない担当者には何も表示されません。"))
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


def rights_fields(by, person):
    """The fields about rights that `by` may fill in for this person, `None` for a new one; never one's own."""
    if person and person.pk == by.pk:
        return []
    names = ["roles"] if rights.roles_to_give(by) else []
    return [*names, "is_superuser"] if by.is_superuser else names


def may_add(by, *, staff):
    return rights.may(by, rights.MANAGE_STAFF if staff else "accounts.add_user")


# Stock pages would set a factor up, or take one off, without a trace; 「2段階認証を解除する」 below leaves one.
admin.site.unregister([TOTPDevice, StaticDevice])


@admin.register(User)
class UserAdmin(Desk):
    csv_without = ("password", "version")
    form = UserForm
    stays = _(
        "ユーザの名前は履歴に残るため、削除できません。使えなくするには、一覧で選んで操作「ユーザを削除する（無効にする）」を実行してください。"
    )
    imports = "users"
    list_display = ["name", "email", "customer", "duties", "state", "last_login"]
    list_filter = [
        "is_active",
        "is_staff",
        "account_pending",
        ("bounced", empty_or_not(_("メールの不達"), _("届いている"), _("届かない"))),
    ]
    list_select_related = ["customer"]
    search_fields = ["name", "email", "customer__number"]
    autocomplete_fields = ["customer"]
    actions = ["send_account_data", "send_reset", "remove_second_factor", "delete_users"]
    change_form_template = "admin/accounts/user/change_form.html"

    @admin.display(description=_("役目"))
    def duties(self, user):
        """What mails and the company ask of a person; of the staff, that they are staff."""
        named = [
            (user.is_staff, _("担当者")),
            (user.is_recipient, _("メール送信先")),
            (user.is_manager, _("管理者ユーザ")),
        ]
        return _("・").join(str(name) for holds, name in named if holds) or "-"

    @admin.display(description=_("状態"))
    def state(self, user):
        if not user.is_active:
            return _("削除済み")
        if user.bounced:
            return _("メール不達")
        if user.last_login:
            return _("有効")
        return _("アカウント情報が未送付") if user.account_pending else _("未ログイン")

    def get_readonly_fields(self, request, obj=None):
        return ["customer", "is_staff", "roles_shown"] if obj else []

    def get_fields(self, request, obj=None):
        if obj is None:
            return [*UserForm.Meta.fields, *rights_fields(request.user, None), "initial_password", "later"]
        if obj.customer_id:
            return [name for name in UserForm.Meta.fields if name != "is_staff"]
        giving = self.has_change_permission(request, obj) and rights_fields(request.user, obj)
        return [*UserForm.Meta.fields, *(giving or ["roles_shown"])]

    def get_form(self, request, obj=None, **kwargs):
        made = super().get_form(request, obj, **{**kwargs, "fields": UserForm.Meta.fields})
        made.by = request.user
        return made

    @admin.display(description=_("役割"))
    def roles_shown(self, user):
        names = [group.name for group in user.groups.all()]
        return _("スーパーユーザー") if user.is_superuser else _("・").join(names) or _("なし")

    def has_add_permission(self, request):
        return any(may_add(request.user, staff=staff) for staff in (True, False))

    def has_change_permission(self, request, obj=None):
        """Of the list: whether there is anybody whom one may change."""
        may, manages = super().has_change_permission(request, obj), rights.may(request.user, rights.MANAGE_STAFF)
        if obj is None:
            return may or manages
        return obj.is_active and (may if obj.customer_id else rights.may_manage(request.user, obj))

    def has_remove_permission(self, request):
        """To delete is to make inactive, by the action."""
        return self.may_delete(request) or rights.may(request.user, rights.MANAGE_STAFF)

    def save_model(self, request, obj, form, change):
        if change:
            services.change_user(obj, by=request.user, session=request.session.session_key)
        else:
            how = {"password": form.cleaned_data["initial_password"], "later": form.cleaned_data["later"]}
            services.create_user(obj, **how, by=request.user)
        given = form.cleaned_data
        if "roles" in given and not obj.customer_id:
            superuser = given.get("is_superuser", obj.is_superuser)
            services.set_roles(obj, given["roles"], superuser=superuser, by=request.user)

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except ValidationError as refused:
            self.message_user(request, " ".join(refused.messages), messages.ERROR)
            return redirect(request.path)

    def response_add(self, request, obj, post_url_continue=None):
        """Whether the account data are on their way, for nobody sees that of the button."""
        answer = super().response_add(request, obj, post_url_continue)
        told = (
            _("アカウント情報はまだ送っていません。")
            if obj.account_pending
            else _("アカウント情報を送ります: %s") % obj.email
        )
        self.message_user(request, told, messages.INFO)
        return answer

    def response_post_save_add(self, request, obj):
        """To the file of the company that has one more user now."""
        if obj.customer_id and rights.may(request.user, "accounts.view_customer"):
            return redirect("admin:accounts_customer_change", obj.customer_id)
        return super().response_post_save_add(request, obj)

    def hold(self, row):
        """The company first, as all who change its users."""
        if row.customer_id:
            Customer.objects.lock([row.customer_id])
        super().hold(row)

    @acts(
        description=_("アカウント情報を送る（新しい初期パスワード）"),
        permissions=["change"],
        done=_("%(names)sにアカウント情報を送りました。"),
        kept=lambda desk, request, user: gone(user) or why_no_first_password(user),
        locks=True,
    )
    def send_account_data(self, request, user):
        services.send_account_data(user, by=request.user)

    @acts(
        description=_("パスワードリセットのメールを送る"),
        permissions=["change"],
        done=_("%(names)sにパスワードリセットのメールを送りました。"),
        kept=lambda desk, request, user: credentials.why_no_reset(user),
        locks=True,
    )
    def send_reset(self, request, user):
        credentials.send_reset(user, by=request.user)

    @acts(
        description=_("2段階認証を解除する"),
        permissions=["change"],
        done=_("%(names)sの2段階認証を解除しました。"),
        kept=lambda desk, request, user: "" if user.has_second_factor else _("2段階認証は設定されていません。"),
        locks=True,
    )
    def remove_second_factor(self, request, user):
        credentials.remove_second_factor(user, by=request.user)

    @acts(
        description=_("ユーザを削除する（無効にする）"),
        permissions=["remove"],
        done=_("%(names)sを削除しました。"),
        kept=lambda desk, request, user: gone(user) or services.why_not_delete(user, by=request.user),
        locks=True,
    )
    def delete_users(self, request, user):
        services.delete_user(user, by=request.user)


def gone(user):
    """Why nothing can be done for a user that was deleted, or ''."""
    return "" if user.is_active else _("このユーザは削除されています。")


def why_no_first_password(user):
    """As `why_no_account_data`, with what staff can do instead."""
    if user.takes_account_data:
        return ""
    return _(
        "このユーザには、すでに自分のパスワードがあります。忘れたときは「パスワードリセットのメールを送る」を選んでください。"
    )
