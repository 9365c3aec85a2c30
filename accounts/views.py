"""Sign-in and the second step, passwords, own sessions; 基本情報, ユーザ and 変更履歴."""

from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.contrib import auth, messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.http import HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import Resolver404, resolve, reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import credentials, factors, seeing, services, sessions, throttle, tokens
from accounts.filters import HistoryFilter, UserFilter
from accounts.forms import (
    ChangePasswordForm,
    CodeForm,
    FactorForm,
    LoginForm,
    NewPasswordForm,
    OwnPasswordForm,
    ResetForm,
    UserForm,
    WishesForm,
)
from accounts.models import Customer, PaymentMethod, Session, SignedIn, User
from accounts.tables import LOOKS, HistoryTable, UserTable
from accounts.wishes import ask_for_changes
from portal.lists.screen import Screen, list_screen
from portal.middleware import holds_secret
from portal.models import MOST_NOTICES, HistoryEvent, Notice, Vendor
from portal.once import once
from portal.templatetags.figures import ymd

# How the person came from the portal to the sign-in page, by the URL's `left`.
LEFT = {
    "out": gettext_lazy("ログアウトしました。"),
    "ended": gettext_lazy("ログインの有効期間が終わりました。もう一度ログインしてください。"),
    "typing": gettext_lazy(
        "ログインの有効期間が終わりました。もう一度ログインすると、入力の途中だった内容（パスワードを除く）に戻ります。"
    ),
}

# URLs that answer nobody who was just led there: buttons, ways in, and what programs ask for.
NO_PAGE = {
    "login", "second_step", "password_reset_confirm", "logout", "user_send", "other_sessions_end", "second_factor_off",
    "invoice_review", "healthz", "admin_see_as_end",
}  # fmt: skip


@sensitive_post_parameters("password")
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def login(request):
    form = LoginForm(request, request.POST or None)
    if form.is_valid():
        if form.user.has_second_factor:
            seeing.end(request)
            request.session.flush()
            request.session["second_step"] = credentials.second_step_of(form.user)
            request.session["next"] = request.POST.get("next", "")
            return redirect("second_step")
        return sign_in(request, form.user, request.POST.get("next", ""))
    given = request.POST.get("next", request.GET.get("next", ""))
    left = LEFT.get(request.GET.get("left")) if request.method == "GET" else None
    notices = Notice.objects.for_user(AnonymousUser()).showing()[:MOST_NOTICES]
    return render(request, "accounts/login.html", {"form": form, "next": given, "left": left, "notices": notices})


def sign_in(request, user, target):
    """Begin a session and go to a local `target`, or home."""
    seeing.end(request)
    request.session.flush()  # Django keeps the key when the same person signs in again
    auth.login(request, user, "accounts.backends.ByEmail")
    address, agent = throttle.address_of(request), request.META.get("HTTP_USER_AGENT", "")
    sessions.begin(request.session, now=timezone.now(), address=address, agent=agent)
    credentials.note_sign_in(user, address=address, browser=sessions.in_words(agent))
    return HttpResponseRedirect(local(request, target))


def local(request, target):
    """`target` if it is a page of this portal that signing in can lead to, else home."""
    allowed = url_has_allowed_host_and_scheme(target, {request.get_host()}, request.is_secure())
    if not allowed or not target.startswith("/") or "\0" in unquote(target):
        return "/"
    try:
        found = resolve(unquote(urlsplit(target).path))
    except Resolver404:
        return "/"
    return "/" if found.url_name in NO_PAGE else target


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def second_step(request):
    """After the password: a code of the person's app, or a recovery code."""
    begun = request.session.get("second_step", {})
    user = credentials.person_of_second_step(begun)
    if user is None:
        return redirect("login")
    form = CodeForm(request.POST or None)
    if form.is_valid():
        if factors.accepts(user, form.cleaned_data["code"]):
            del request.session["second_step"]
            return sign_in(request, user, request.session.pop("next", ""))
        form.add_error(
            "code",
            _(
                "確認コードが正しくないか、使用済みです。アプリに次のコードが表示されてから入力してください。続けて間違えたときは、しばらくお待ちください。"
            ),
        )
    return render(request, "accounts/second_step.html", {"form": form})


@require_POST
def logout(request):
    """Ends the session; the browser forgets the pages that it kept."""
    seeing.end(request)
    auth.logout(request)
    response = redirect(settings.LOGOUT_REDIRECT_URL)
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
@once
def password_change(request):
    first = request.user.must_change_password
    form = ChangePasswordForm(request.user, request.POST or None)
    if form.is_valid():
        try:
            credentials.check_own_password(request.user, form.cleaned_data["old_password"], field="old_password")
        except ValidationError as refused:
            form.add_error(None, refused)
        else:
            credentials.change_own_password(request, form.cleaned_data["new_password1"])
            messages.success(request, _("パスワードを変更しました。"))
            return redirect("home")
    context = {"form": form, "first": first, "initial": first and credentials.has_initial_password(request.user)}
    return render(request, "accounts/password_change.html", context)


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def password_reset(request):
    """Mail 1 goes out if somebody has the address; the page says the same either way (D12)."""
    form = ResetForm(request.POST or None)
    if form.is_valid():
        credentials.ask_for_reset(form.cleaned_data["email"], address=throttle.address_of(request))
        return redirect("/password/reset/?sent=1")
    context = {"form": form, "sent": request.GET.get("sent") == "1"}
    return render(request, "accounts/password_reset.html", context)


@sensitive_post_parameters()
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
@holds_secret
def password_reset_confirm(request, uid, token):
    """GET only shows whose password it is, so that mail scanners do no harm; POST acts, as CREDENTIAL_MAILS says (D11)."""
    person = tokens.person(uid, token)
    if person is None:
        return render(request, "accounts/password_reset_invalid.html", status=400)
    form = NewPasswordForm(person, request.POST or None) if settings.CREDENTIAL_MAILS == "link" else None
    if request.method != "POST" or (form and not form.is_valid()):
        return render(request, "accounts/password_reset_confirm.html", {"person": person, "form": form})
    address = throttle.address_of(request)
    if form:
        done = credentials.set_password_by_key(uid, token, form.cleaned_data["new_password1"], address=address)
    else:
        done = credentials.reset_password(uid, token, address=address)
    if done is None:
        return render(request, "accounts/password_reset_invalid.html", status=400)
    if done == request.user:
        request.session.flush()  # its row is gone, and must not be saved again
    return render(request, "accounts/password_reset_done.html", {"person": done, "link_mode": form is not None})


@require_safe
def security(request):
    """Where one is signed in, one's last sign-ins, and the second factor."""
    own = Session.objects.for_user(request.user)
    context = {
        "sessions": own.order_by("-signed_in_at"),
        "this_session": sessions.stored(request.session.session_key),
        "sign_ins": HistoryEvent.objects.for_user(request.user).last_sign_ins(request.user)[:5],
        "recovery_codes_left": factors.recovery_codes_left(request.user),
        "form": OwnPasswordForm(),
    }
    return render(request, "accounts/security.html", context)


@require_POST
def other_sessions_end(request):
    ended = credentials.end_other_sessions(request)
    messages.success(request, _("他の端末をログアウトしました（%(count)d件）。") % {"count": ended})
    return redirect("security")


@require_http_methods(["GET", "HEAD", "POST"])
@holds_secret
def second_factor(request):
    """Set the second factor up: show a key, take a first code, then show the recovery codes, once."""
    if request.user.has_second_factor:
        return redirect("security")
    key = factors.waiting_key(request.session)
    form = FactorForm(request.POST or None)
    if form.is_valid():
        try:
            credentials.check_own_password(request.user, form.cleaned_data["own_password"], field="own_password")
        except ValidationError as refused:
            form.add_error(None, refused)
        else:
            if codes := credentials.add_second_factor(request, key, form.cleaned_data["code"]):
                return render(request, "accounts/recovery_codes.html", {"codes": codes})
            form.add_error("code", _("確認コードが正しくありません。スマートフォンの時刻も確認してください。"))
    context = {"form": form, "picture": factors.picture(request.user, key), "key": factors.readable(key)}
    return render(request, "accounts/second_factor.html", context)


@sensitive_post_parameters()
@require_POST
def second_factor_off(request):
    form = OwnPasswordForm(request.POST)
    try:
        credentials.check_own_password(request.user, form.data.get("own_password", ""), field="own_password")
        credentials.remove_second_factor(request.user, by=request.user)
    except ValidationError as refused:
        messages.error(request, refused.messages[0])
    else:
        messages.success(request, _("2段階認証を解除しました。"))
    return redirect("security")


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
            (_("管理者ユーザ"), f"{mark}（{never}）"),
            (_("メール送信先"), "○" if person.is_recipient else "-"),
            (_("最終ログイン"), person.last_login and f"{localtime(person.last_login):%Y/%m/%d %H:%M}"),
        ],
    }
    return render(request, "accounts/user_detail.html", context)


@sensitive_post_parameters("password", "password_again")
@require_http_methods(["GET", "HEAD", "POST"])
@once
def user_create(request):
    form = UserForm(request.POST or None, instance=User(customer_id=request.user.customer_id))
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
            form.data = form.data.copy()
            form.data["version"] = str(User.objects.for_user(request.user).get(pk=form.instance.pk).version)
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
