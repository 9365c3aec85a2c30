"""Staff's pages on which お客様の画面を見る begins and ends, and the one that asks again who they are."""

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from accounts import credentials, factors, seeing
from accounts.forms import CodeForm, password_field
from accounts.models import Customer
from portal import fresh, rights
from portal.forms import LineField


class PersonForm(CodeForm):
    """That it is really this person: by the password, or by a code of the second factor."""

    password = password_field(gettext_lazy("あなたのパスワード"), "current-password", required=False)
    field_order = ["reason", "password", "code"]  # a reason only where it is asked for

    def __init__(self, person, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.person = person
        self.fields["code"].required = False
        self.fields["code"].widget.attrs.pop("autofocus")
        if person.has_second_factor:
            self.fields["code"].help_text = _("パスワードの代わりに、アプリの確認コードも使えます")
        else:
            self.fields["code"].widget = forms.HiddenInput()

    def check_person(self):
        """Whether it is the person; what is wrong stands beside its field. Tries are counted as at sign-in."""
        code, password = self.cleaned_data["code"], self.cleaned_data["password"]
        if code and not password:
            if factors.accepts(self.person, code):
                return True
            told = _("確認コードが正しくないか、使用済みです。続けて間違えたときは、しばらくお待ちください。")
            self.add_error("code" if self.person.has_second_factor else "password", told)
            return False
        try:
            credentials.check_own_password(self.person, password, field="password")
        except ValidationError as refused:
            self.add_error(None, refused)
            return False
        return True


class SeeAsForm(PersonForm):
    """Why somebody wants to look, and that it is really this person."""

    reason = LineField(
        label=gettext_lazy("理由"),
        max_length=100,
        help_text=gettext_lazy("例: 請求書の見方についてのお問い合わせ Q202611-000012"),
        error_messages={"required": gettext_lazy("理由を入力してください。")},
    )


@sensitive_post_parameters("password", "code")
@require_http_methods(["GET", "HEAD", "POST"])
def see_as(request, number):
    """Asks why, and who one is; then the customer's own pages can be looked at."""
    rights.need(request.user, rights.SEE_AS)
    customer = get_object_or_404(Customer, number=number)
    going_on = seeing.current(request)
    if going_on and going_on.customer == customer:
        return to_home()
    form = SeeAsForm(request.user, request.POST or None)
    if form.is_valid() and form.check_person():
        try:
            seeing.begin(request, customer, reason=form.cleaned_data["reason"])
        except ValidationError as refused:
            form.add_error(None, refused)
        else:
            return to_home()
    page = {
        **admin.site.each_context(request),
        "title": _("お客様の画面を見る"),
        "form": form,
        "customer": customer,
        "minutes": seeing.LASTS.seconds // 60,
        "back": reverse("admin:accounts_customer_change", args=[customer.pk]),
    }
    return render(request, "admin/accounts/see_as.html", page)


def to_home():
    """To the customer's ホーム; the cookie tells the middleware that this session looks at somebody's pages."""
    response = redirect("home")
    response.set_cookie(settings.SEE_AS_COOKIE_NAME, "1", httponly=True, secure=settings.HTTPS, samesite="Lax")
    return response


@require_POST
def see_as_end(request):
    customer = seeing.end(request)
    if customer is None:
        response = redirect("admin:index")
    else:
        messages.success(request, _("%(name)s の画面の閲覧を終えました。") % {"name": customer})
        response = redirect("admin:accounts_customer_change", customer.pk)
    response.delete_cookie(settings.SEE_AS_COOKIE_NAME)
    return response


@sensitive_post_parameters("password", "code")
@require_http_methods(["GET", "HEAD", "POST"])
def confirm_person(request):
    """Asks for the password or a code, then begins the download that was wanted; `next` is its address on staff's pages."""
    wanted = request.GET.get("next", "")
    if not (wanted.startswith("/admin/") and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)):
        raise Http404
    form = PersonForm(request.user, request.POST or None)
    if request.method == "POST" and form.is_valid() and form.check_person():
        fresh.confirm(request)
        return redirect(request.get_full_path())
    path, _mark, query = wanted.partition("?")
    parent = f"{path.rstrip('/').rpartition('/')[0]}/"
    page = {
        **admin.site.each_context(request),
        "title": _("ご本人の確認"),
        "form": form,
        "is_fresh": fresh.is_fresh(request),
        "minutes": fresh.LASTS.seconds // 60,
        "wanted": wanted,
        "back": f"{parent}?{query}" if query else parent,
    }
    return render(request, "admin/accounts/confirm.html", page)
