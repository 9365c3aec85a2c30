"""基本情報, ユーザ and 変更履歴: the company and its people."""

from django.contrib import auth, messages
from django.core.exceptions import ValidationError
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import credentials, services
from accounts.filters import HistoryFilter, UserFilter
from accounts.forms import UserForm, WishesForm
from accounts.models import Customer, PaymentMethod, SignedIn, User
from accounts.tables import LOOKS, HistoryTable, UserTable
from accounts.wishes import ask_for_changes
from portal.lists.screen import Screen, list_screen
from portal.models import HistoryEvent, Vendor
from portal.once import once
from portal.templatetags.figures import ymd


@require_safe
def account(request):
    company = get_object_or_404(Customer.objects.for_user(request.user))
    by_transfer = company.payment_method == PaymentMethod.TRANSFER
    context = {
        "company_facts": [
            *facts(company, "number", "name", "kana", "representative", "corporate_number", "registration_number"),
            *facts(company, "postal_code", "address", "phone", "fax"),
            (_("取引開始日"), ymd(company.since)),
        ],
        "contact_facts": [(_("部署"), company.contact_department), (_("名前"), company.contact_name)],
        "billing_facts": [
            (_("請求先名"), company.addressee_name),
            (_("部署"), company.billing_department),
            (_("担当者"), company.billing_person),
            (_("住所"), company.billing_place),
            (_("締日"), company.closing_day),
            (_("支払条件"), company.payment_terms),
            (_("支払方法"), company.get_payment_method_display()),
        ],
        "payment_notes": [(_("振込先"), Vendor.objects.for_user(request.user).get().bank_account)]
        if by_transfer
        else [],
    }
    return render(request, "accounts/account.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@once
def account_change(request):
    """変更申込: what is written over goes to the desk as an inquiry; nothing is changed yet (A9)."""
    company = get_object_or_404(Customer.objects.for_user(request.user))
    form = WishesForm(request.POST or None, instance=company)
    if form.is_valid():
        try:
            stored = ask_for_changes(form.wished(), form.cleaned_data["note"], by=request.user)
        except ValidationError as refused:
            form.add_error(None, refused)
        else:
            return redirect(reverse("inquiry_detail", args=[stored.number]) + "?sent=1")
    return render(request, "accounts/account_change.html", {"form": form})


def facts(row, *names):
    """(label, value) of these fields, as `_facts.html` shows them."""
    return [(row._meta.get_field(name).verbose_name, getattr(row, name)) for name in names]


@require_http_methods(["GET", "HEAD", "POST"])
def user_list(request):
    screen = Screen(
        name="users",
        heading=_("ユーザ一覧"),
        lead=_("「メール送信先」に○が付いているユーザに、請求金額確定のお知らせが届きます。"),
        table=UserTable,
        filterset=UserFilter,
        order=("reading", "pk"),
        key="pk",
        tabs="state",
        empty=_("ユーザはまだいません。"),
        primary={"url": reverse("user_create"), "label": _("ユーザを作成+")},
    )
    return list_screen(request, colleagues(request), screen)


def colleagues(request):
    return User.objects.for_user(request.user).filter(is_active=True).with_state()


@require_safe
def user_detail(request, pk):
    person = get_object_or_404(colleagues(request), pk=pk)
    never, mark = _("未使用の項目です"), "○" if person.is_manager else "-"
    context = {
        "person": person,
        "look": LOOKS[person.state],
        "state": SignedIn(person.state).label,
        "newcomer": person.takes_account_data,
        "facts": [
            *facts(person, "name", "kana", "email", "department", "position", "phone"),
            (_("言語"), person.get_language_display()),
            (_("管理者ユーザ"), _("{mark}（{never}）").format(mark=mark, never=never)),
            (_("メール送信先"), "○" if person.is_recipient else "-"),
            (_("最終ログイン"), person.last_login and f"{localtime(person.last_login):%Y/%m/%d %H:%M}"),
        ],
    }
    return render(request, "accounts/user_detail.html", context)


@sensitive_post_parameters("password", "password_again")
@require_http_methods(["GET", "HEAD", "POST"])
@once
def user_create(request):
    form = UserForm(request.POST or None, instance=new_colleague(request.user))
    if form.is_valid() and keep(request, form, services.create_user):
        messages.success(request, _("ユーザを作成し、アカウント情報のメールを送りました。"))
        return redirect("user_detail", form.instance.pk)
    return render(request, "accounts/user_form.html", {"form": form, "person": None})


@sensitive_post_parameters("password", "password_again", "own_password")
@require_http_methods(["GET", "HEAD", "POST"])
@once
def user_edit(request, pk):
    person = get_object_or_404(colleagues(request), pk=pk)
    form = UserForm(request.POST or None, instance=get_object_or_404(colleagues(request), pk=pk))
    if form.is_valid() and keep(request, form, services.change_user):
        if form.instance == request.user and form.cleaned_data["password"]:
            auth.update_session_auth_hash(request, form.instance)
        messages.success(request, _("保存しました。"))
        return redirect("user_detail", pk)
    return render(request, "accounts/user_form.html", {"form": form, "person": person})


def new_colleague(user):
    return User(customer_id=user.customer_id, language=user.language)


def keep(request, form, service):
    """Let the service store what the form says; whatever it refuses stands next to its field. Returns whether it did."""
    try:
        if form.needs_own_password:
            credentials.check_own_password(request.user, form.cleaned_data["own_password"], field="own_password")
        service(
            form.instance,
            password=form.cleaned_data["password"],
            by=request.user,
            session=request.session.session_key,
        )
    except ValidationError as refused:
        if getattr(refused, "code", "") == "stale":
            stored = User.objects.for_user(request.user).get(pk=form.instance.pk)
            form.data = form.data.copy()
            form.data["version"] = str(stored.version)
            form.tell_stored(stored)
        form.add_error(None, refused)
        return False
    return True


@require_http_methods(["GET", "HEAD", "POST"])
@once
def user_delete(request, pk):
    """GET asks, or says why not and what to do first; POST deletes."""
    person = get_object_or_404(colleagues(request), pk=pk)
    if request.method == "POST":
        try:
            services.delete_user(person, by=request.user)
        except ValidationError as refused:
            messages.error(request, refused.messages[0])
            return redirect("user_detail", pk)
        messages.success(request, _("%(name)sを削除しました。") % {"name": person.name})
        return redirect("user_list")
    context = {"person": person, "reason": services.why_not_delete(person, by=request.user)}
    return render(request, "accounts/user_delete.html", context)


@require_POST
@once
def user_send(request, pk):
    """Send the account data again, with a new password."""
    person = get_object_or_404(colleagues(request), pk=pk)
    try:
        services.send_account_data(person, by=request.user)
        messages.success(request, _("アカウント情報のメールを送りました。前のパスワードは使えません。"))
    except ValidationError as refused:
        messages.error(request, refused.messages[0])
    return redirect("user_detail", pk)


@require_http_methods(["GET", "HEAD", "POST"])
def history_list(request):
    screen = Screen(
        name="history",
        heading=_("変更履歴"),
        lead=_("この会社のユーザと窓口の担当者が行った操作です。ログインは自分のものだけが表示されます。"),
        table=HistoryTable,
        filterset=HistoryFilter,
        order=("-at", "-pk"),
        key="pk",
        empty=_("操作の記録はまだありません。"),
    )
    return list_screen(request, HistoryEvent.objects.for_user(request.user), screen)
