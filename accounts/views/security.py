"""セキュリティ: where the person is signed in, and the second step of sign-in."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import credentials, factors, sessions
from accounts.forms import FactorForm, OwnPasswordForm
from accounts.models import Session
from portal.middleware import holds_secret
from portal.models import HistoryEvent


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
