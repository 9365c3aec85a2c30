"""Headers that every answer carries, and input that no field can mean."""

from django.conf import settings
from django.core.exceptions import BadRequest

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
        return response

    return answer


def any_host_for_health(get_response):
    """A load balancer asks for the portal's health by address, not by name: /healthz answers whatever host it names."""

    def answer(request):
        if request.path_info == "/healthz":
            request.META["HTTP_HOST"] = settings.ALLOWED_HOSTS[0]
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
