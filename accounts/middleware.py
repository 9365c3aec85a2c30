"""Where a person may go, and for how long: staff to the admin, who must first do something to that, others anywhere."""

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import redirect_to_login
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from psycopg.errors import ReadOnlySqlTransaction

from accounts import seeing
from portal.db import rls

FOR_EVERYBODY = ("/logout/", "/healthz", "/static/")
CHOICE_OF_LANGUAGE = "/language/"  # a button, which shows nothing
FOR_STAFF = ("/admin/", "/password/change/", "/account/security/")
# Where who looks at a customer's pages stays oneself, and what of those pages is one person's own.
WITHOUT_ONLOOKERS = ("/admin/", "/login/", "/logout/", "/password/reset/", "/healthz", "/static/")
OF_ONE_PERSON = ("/password/", "/account/security/")
READING = ("GET", "HEAD")
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
        if path == CHOICE_OF_LANGUAGE and request.method == "POST":
            return get_response(request)
        if user.is_authenticated and user.must_change_password:
            if path != "/password/change/" and not path.startswith(FOR_EVERYBODY):
                return redirect("password_change")
        elif user.is_authenticated and not path.startswith(FOR_EVERYBODY):
            if user.needs_second_factor and not user.has_second_factor:
                if not path.startswith(("/account/security/factor/", "/password/change/")):
                    return redirect("second_factor")
            elif user.customer_id is None and not path.startswith(FOR_STAFF):
                return redirect("admin:index")
        return get_response(request)

    return answer


class SeeAs:
    """While staff look at a customer's pages, those run READ ONLY as the web's role of that customer (accounts/seeing.py).

    Stands around the scope of requests, so that what is noted of each page is stored whatever becomes of the page. Staff's
    own addresses keep their person all the while. Without the cookie nothing is asked, so customers' pages cost no more.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if settings.SEE_AS_COOKIE_NAME not in request.COOKIES:
            return self.get_response(request)
        own, path = request.path_info.startswith(WITHOUT_ONLOOKERS), request.path_info
        with rls.scope(rls.DESK):
            look = seeing.current(request)
            if look and not own:
                seeing.note_page(look, request.method, path)
        if look is None:
            response = self.get_response(request)
            response.delete_cookie(settings.SEE_AS_COOKIE_NAME)
            return response
        request.see_as = look
        if own:
            return self.get_response(request)
        request.user = seeing.onlooker(look.customer)
        with rls.looking_on(look.customer.pk):
            if request.method not in READING:
                return refuse_onlooker(request, "writes")
            if path.startswith(OF_ONE_PERSON):
                return refuse_onlooker(request, "own")
            response = self.get_response(request)
            return refuse_onlooker(request, "writes") if hasattr(request, "was_a_write") else response

    def process_exception(self, request, exception):
        """A page that tried to write: PostgreSQL refused, and what answers is made once the failed part is rolled back."""
        if hasattr(request, "see_as") and isinstance(exception.__cause__, ReadOnlySqlTransaction):
            request.was_a_write = True
            return HttpResponse(status=403)


def refuse_onlooker(request, why):
    return render(request, "accounts/see_as_refused.html", {"why": why}, status=403)
