"""Where a person may go, and for how long: staff to the admin, who must first do something to that, others anywhere."""

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import redirect_to_login
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.middleware import SessionMiddleware
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

FOR_EVERYBODY = ("/logout/", "/healthz", "/static/")
BEFORE_THE_CHANGE = ("/logout/", "/healthz", "/static/")
FOR_STAFF = ("/admin/", "/password/change/", "/account/security/")
# The end of a session moves on with use, but is written at most once in this many seconds.
TOUCH = 60


class Sessions(SessionMiddleware):
    """Django's own, except that a session which ends while its page is made leads to the sign-in page, not to an error."""

    def process_response(self, request, response):
        try:
            return super().process_response(request, response)
        except SessionInterrupted:
            request.session.flush()
            return super().process_response(request, to_sign_in(request))


class SignedIn(LoginRequiredMiddleware):
    """Django's own, except that who was signed in before is told why the sign-in page comes."""

    def handle_no_permission(self, request, view_func):
        ended = settings.SESSION_COOKIE_NAME in request.COOKIES and not request.session.keys()
        return to_sign_in(request) if ended else super().handle_no_permission(request, view_func)


def to_sign_in(request):
    """To the sign-in page after a session's end. Back from there leads what can be opened, and what somebody was typing."""
    page = reverse("login")
    if request.method in ("GET", "HEAD"):
        return redirect_to_login(request.get_full_path(), f"{page}?left=ended")
    if "form_key" in request.POST and set(request.POST) - {"form_key", "csrfmiddlewaretoken"}:
        return redirect_to_login(request.get_full_path(), f"{page}?left=typing")
    return redirect(f"{page}?left=ended")


def session_limit(get_response):
    """Ends a session that is older than the longest allowed; the idle limit is the session's own expiry."""

    def answer(request):
        session, now = request.session, timezone.now().timestamp()
        if request.user.is_authenticated and "began" in session:
            if now - session["began"]["at"] > settings.SESSION_LONGEST:
                logout(request)
            elif now - session["seen"] > TOUCH:
                session["seen"] = now
        return get_response(request)

    return answer


def own_place(get_response):
    """Sends people to their place before any view runs (A1: until the password is changed nothing else works)."""

    def answer(request):
        user, path = request.user, request.path_info
        if user.is_authenticated and user.must_change_password:
            if path != "/password/change/" and not path.startswith(BEFORE_THE_CHANGE):
                return redirect("password_change")
        elif user.is_authenticated and not path.startswith(FOR_EVERYBODY):
            if user.needs_second_factor and not user.has_second_factor:
                if not path.startswith(("/account/security/factor/", "/password/change/")):
                    return redirect("second_factor")
            elif user.customer_id is None and not path.startswith(FOR_STAFF):
                return redirect("admin:index")
        return get_response(request)

    return answer
