"""Sign-in and the second step, sign-out, passwords."""

from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.contrib import auth, messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.http import HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import Resolver404, resolve
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST
from django.views.i18n import set_language

from accounts import credentials, factors, seeing, services, sessions, throttle, tokens
from accounts.forms import (
    ChangePasswordForm,
    CodeForm,
    LoginForm,
    NewPasswordForm,
    ResetForm,
)
from portal import languages
from portal.middleware import holds_secret
from portal.models import MOST_NOTICES, Notice
from portal.once import once

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
    "login", "second_step", "password_reset_confirm", "logout", "language", "user_send", "other_sessions_end", "second_factor_off",
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
            response = redirect("second_step")
            keep_language(request, response, form.user)
            return response
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
    response = HttpResponseRedirect(local(request, target))
    if user.must_change_password:
        request.session["next"] = response.url
    if user.customer_id and (chosen := languages.chosen_by_nobody(request)):
        services.choose_language(user, chosen)
        languages.keep(response, chosen)
    else:
        keep_language(request, response, user)
    return response


def keep_language(request, response, user):
    """So that the pages before sign-in and after a session's end are in the person's language, unless another was just chosen."""
    if user.customer_id and not languages.chosen_by_nobody(request):
        languages.keep(response, user.language)


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


@login_not_required
@require_POST
def language(request):
    """The language of pages from now on: kept with the person who is signed in, and in the browser for the sign-in page.

    Who chooses it there gets the portal in it after signing in.
    """
    chosen, user = request.POST.get("language"), request.user
    response = set_language(request)
    if chosen in languages.CODES:
        if user.is_authenticated and user.customer_id:
            services.choose_language(user, chosen)
        languages.keep(response, chosen, chosen_by_nobody=not user.is_authenticated)
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
            target = request.session.pop("next", "/")
            return redirect("home" if target.startswith(request.path) else target)
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
    with languages.read_by(person, request):
        response = reset(request, person, uid, token)
    if not request.user.is_authenticated:
        keep_language(request, response, person)
    return response


def reset(request, person, uid, token):
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
