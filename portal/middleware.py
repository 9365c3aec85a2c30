"""Headers that every answer carries, and input that no field can mean."""

from functools import wraps

from django.conf import settings
from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.middleware.gzip import GZipMiddleware
from django.template.loader import render_to_string
from django.utils.http import parse_header_parameters

from portal import languages

LARGEST_BODY = 1024 * 1024  # bytes of a request
LARGEST_FILE = 20 * LARGEST_BODY  # bytes of a file that staff import
TAKES_FILES = "/admin/import/"

CSP = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",  # Bootstrap draws its select arrow from a data: image
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ]
)


def security_headers(get_response):
    """Strict content security policy; nothing that was made for one person stays in a cache."""

    def answer(request):
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", CSP)
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
        response.headers.setdefault("X-Frame-Options", "DENY")
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        return response

    return answer


def any_host_for_health(get_response):
    """Programs ask for the portal's health by address, not by name: these pages answer whatever host they name."""

    def answer(request):
        if request.path_info in ("/healthz", "/readyz", "/metrics"):
            request.META["HTTP_HOST"] = settings.ALLOWED_HOSTS[0]
        return get_response(request)

    return answer


def compressed_pages(get_response):
    """Sends pages as gzip to browsers that take it, but those that hold a secret.

    Files and CSV stay as they are. A CSRF token is masked anew on each page, so what a visitor can have reflected beside it
    tells nothing about it (BREACH); a key, a code or a reset's token isn't, so its page is never compressed.
    """
    gzip = GZipMiddleware(get_response)

    def answer(request):
        response = get_response(request)
        page = response.headers.get("Content-Type", "").startswith("text/html")
        if page and not getattr(response, "holds_secret", False):
            return gzip.process_response(request, response)
        return response

    return answer


def holds_secret(view):
    """Marks a view whose page shows, or is reached by, what nobody may guess: it isn't compressed."""

    @wraps(view)
    def answer(*args, **kwargs):
        response = view(*args, **kwargs)
        response.holds_secret = True
        return response

    return answer


def page_for_refused_method(get_response):
    """Whoever comes to a button's address by a link (sign-in leads back there when the session was over) gets a page."""

    def answer(request):
        response = get_response(request)
        if response.status_code == 405 and request.method == "GET" and not response.content:
            response.content = render_to_string("405.html", request=request)
        return response

    return answer


def small_bodies(get_response):
    """Refuses what is larger than any form of the portal before a byte of it is read; nothing is spooled to disk."""

    def answer(request):
        length = request.META.get("CONTENT_LENGTH") or "0"
        takes_file = request.path_info.startswith(TAKES_FILES)
        if not length.isdecimal() or int(length) > LARGEST_BODY + takes_file * LARGEST_FILE:
            with languages.of_nobody(request):
                page = render_to_string("413.html", {"megabytes": takes_file and LARGEST_FILE // LARGEST_BODY})
            return HttpResponse(page, status=413, headers={"Connection": "close"})
        return get_response(request)

    return answer


def plain_input(get_response):
    """Refuses, before any query, what no field can mean: NUL bytes (PostgreSQL can't store them) and odd encodings."""

    def answer(request):
        if "\0" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
            raise BadRequest("NUL byte in the address")
        if any("\0" in value for value in request.COOKIES.values()):
            raise BadRequest("NUL byte in a cookie")
        if request.content_params.get("charset", "utf-8").lower() not in ("utf-8", "utf8", "us-ascii"):
            raise BadRequest("an encoding other than UTF-8")
        return get_response(request)

    return answer


def readable_content_type(application):
    """Around Django, which fails before any middleware at a Content-Type with parameters in an encoding nobody knows."""

    def answer(environ, start_response):
        try:
            parse_header_parameters(environ.get("CONTENT_TYPE", ""))
        except ValueError:
            environ = {**environ, "CONTENT_TYPE": environ["CONTENT_TYPE"].partition(";")[0]}
        return application(environ, start_response)

    return answer
