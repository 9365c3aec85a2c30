"""Sign-in, password change, 基本情報 and ユーザ pages."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView
from django.http import HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import check_for_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import services
from accounts.filters import UserFilter
from accounts.forms import ChangePasswordForm, LoginForm, ResetForm
from accounts.models import Customer, User
from accounts.tables import LOOKS, UserTable
from portal import history
from portal.lists import Screen, list_screen

login = LoginView.as_view(
    template_name="accounts/login.html", authentication_form=LoginForm, redirect_authenticated_user=False
)


@require_http_methods(["GET", "POST"])
def password_change(request):
    first = request.user.must_change_password
    form = ChangePasswordForm(request.user, request.POST or None)
    if form.is_valid():
        user = form.save()
        update_session_auth_hash(request, user)
        if user.customer_id:
            history.record("password_changed", user.name, by=user, customer=user.customer)
        messages.success(request, _("パスワードを変更しました。"))
        return redirect("home")
    return render(request, "accounts/password_change.html", {"form": form, "first": first})


@login_not_required
@require_http_methods(["GET", "POST"])
def password_reset(request):
    """Mail 1 goes out if somebody has the address; the page says the same either way (D12)."""
    form = ResetForm(request.POST or None)
    if form.is_valid():
        services.ask_for_reset(form.cleaned_data["email"])
        return redirect("/password/reset/?sent=1")
    context = {"form": form, "sent": request.GET.get("sent") == "1"}
    return render(request, "accounts/password_reset.html", context)


@login_not_required
@require_http_methods(["GET", "POST"])
def password_reset_confirm(request, uid, token):
    """GET only shows whose password it is, so that mail scanners do no harm; POST sends mail 2 (D11)."""
    person = services.person_of_reset(uid, token)
    if person is None:
        return render(request, "accounts/password_reset_invalid.html", status=400)
    if request.method == "POST":
        services.reset_password(person)
        return render(request, "accounts/password_reset_done.html", {"person": person})
    return render(request, "accounts/password_reset_confirm.html", {"person": person})


@login_not_required
@require_POST
def set_language(request):
    """Switch the language of the screens, and of the person's mails, and go back to where the button was."""
    target = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(target, {request.get_host()}, request.is_secure()):
        target = "/"
    response = HttpResponseRedirect(target)
    language = request.POST.get("language", "")
    if check_for_language(language) and language in dict(settings.LANGUAGES):
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            language,
            max_age=365 * 24 * 3600,
            samesite="Lax",
            secure=settings.HTTPS,
            httponly=True,
        )
        if getattr(request.user, "customer_id", None):
            request.user.language = language
            request.user.save(update_fields=["language"])
    return response


@require_GET
def account(request):
    customer = get_object_or_404(Customer.objects.for_user(request.user))
    return render(request, "accounts/account.html", {"company": customer})


@require_http_methods(["GET", "POST"])
def user_list(request):
    screen = Screen(
        name="users",
        heading=_("ユーザ一覧"),
        lead=_("「メール送信先」に○が付いているユーザに、請求金額確定のお知らせが届きます。"),
        table=UserTable,
        filterset=UserFilter,
        order=("name", "pk"),
        key="pk",
        tabs="state",
        empty=_("ユーザはまだいません。"),
    )
    return list_screen(request, User.objects.for_user(request.user).filter(is_active=True).with_state(), screen)


@require_GET
def user_detail(request, pk):
    people = User.objects.for_user(request.user).filter(is_active=True).with_state()
    person = get_object_or_404(people, pk=pk)
    return render(request, "accounts/user_detail.html", {"person": person, "look": LOOKS[person.state]})
