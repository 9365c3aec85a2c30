"""Staff's pages on which お客様の画面を見る begins and ends."""

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from accounts import credentials, factors, seeing
from accounts.forms import CodeForm, password_field
from accounts.models import Customer
from portal import rights
from portal.forms import LineField


class SeeAsForm(CodeForm):
    """Why somebody wants to look, and that it is really this person: by the password, or by a code of the second factor."""

    reason = LineField(
        label=gettext_lazy("理由"),
        max_length=100,
        help_text=gettext_lazy("例: 請求書の見方についてのお問い合わせ Q202611-000012"),
        error_messages={"required": gettext_lazy("理由を入力してください。")},
    )
    password = password_field(gettext_lazy("あなたのパスワード"), "current-password", required=False)
    field_order = ["reason", "password", "code"]

    def __init__(self, person, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.person = person
        self.fields["code"].required = False
        self.fields["code"].widget.attrs.pop("autofocus")
        if person.has_second_factor:
            self.fields["code"].help_text = _("パスワードの代わりに、アプリの確認コードでも始められます")
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
