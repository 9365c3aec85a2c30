"""Every answer carries its security headers: pages, errors, static files, downloads; and large bodies aren't read."""

from io import BytesIO

import pytest
from django.conf import settings as project
from django.test import Client

from billing.documents.rendering import render_waiting
from billing.models import Invoice
from portal import settings as shipped
from tests import make
from tests.conftest import WebClient

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def lacking(response):
    found = {name for name, value in ALWAYS.items() if response.headers.get(name) != value}
    policy = response.headers.get("Content-Security-Policy", "")
    return found | ({"CSP"} if "default-src 'none'" not in policy or "unsafe" in policy else set())


def it_sends_them_with_pages_errors_and_downloads(cast, web):
    make.close_month()
    list(render_waiting())
    number = Invoice.objects.get(customer=cast.a).number
    answers = {"sign-in": web.get("/login/"), "to sign-in": web.get("/"), "health": web.get("/healthz")}
    web.force_login(cast.hanako)
    for name, address, status in [
        ("page", "/invoices/", 200),
        ("PDF", f"/invoices/{number}/pdf/", 200),
        ("CSV", "/invoices/?export=csv", 200),
        ("not found", "/invoices/B999999-000001/", 404),
        ("bad", "/invoices/?q=%00", 400),
        ("wrong method", "/logout/", 405),
    ]:
        answers[name] = web.get(address)
        assert answers[name].status_code == status, name
        if name in ("PDF", "CSV", "page"):
            assert answers[name].headers["Cache-Control"] == "no-store", name
    web.force_login(cast.staff)
    answers["admin"] = web.get("/admin/")
    strict = WebClient(enforce_csrf_checks=True)
    answers["forbidden"] = strict.post("/login/", {})
    assert {name: lacking(answer) for name, answer in answers.items() if lacking(answer)} == {}


@pytest.fixture
def as_shipped(settings, tmp_path):
    """The middleware in the order of production, static files included."""
    (tmp_path / "css").mkdir()
    (tmp_path / "css" / "x.css").write_text("p {}")
    settings.STATIC_ROOT = tmp_path
    settings.WHITENOISE_USE_FINDERS = False
    settings.WHITENOISE_ALLOW_ALL_ORIGINS = shipped.WHITENOISE_ALLOW_ALL_ORIGINS
    settings.MIDDLEWARE = shipped.MIDDLEWARE
    return Client()


def it_sends_them_with_static_files_that_may_stay_in_a_cache(as_shipped):
    answer = as_shipped.get("/static/css/x.css")
    assert (answer.status_code, b"".join(answer)) == (200, b"p {}")
    assert lacking(answer) == set()
    assert answer.headers["Cache-Control"] != "no-store"
    assert "Access-Control-Allow-Origin" not in answer.headers


def it_keeps_the_list_of_static_files_out_of_what_is_served():
    from portal.storage import Storage

    made = Storage()
    assert made.manifest_storage.location != str(project.STATIC_ROOT)


def it_leads_from_http_to_https_but_for_health(as_shipped, settings, db):
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_REDIRECT_EXEMPT = shipped.SECURE_REDIRECT_EXEMPT
    client = Client()
    answer = client.get("/login/?next=/")
    assert (answer.status_code, answer.url) == (301, "https://testserver/login/?next=/")
    assert client.get("/healthz").status_code == 200


class Unread(BytesIO):
    def read(self, *size):
        raise AssertionError("the body was read")


@pytest.mark.parametrize("address", ["/login/", "/inquiry/", "/account/users/new/", "/admin/", "/no-such-page/"])
@pytest.mark.parametrize("length", [str(300 * 1024 * 1024), str(1024 * 1024 + 1), "9" * 30])
def it_refuses_a_large_body_before_it_is_read(address, length, web):
    answer = web.generic(
        "POST",
        address,
        content_type="multipart/form-data; boundary=x",
        CONTENT_LENGTH=length,
        **{"wsgi.input": Unread()},
    )
    assert answer.status_code == 413
    assert "大きすぎます" in answer.content.decode()
    assert lacking(answer) == set()


def it_stores_no_file_that_a_form_was_sent(cast, web):
    given = {"username": "hanako@example.com", "password": make.PASSWORD, "file": BytesIO(b"x" * 500_000)}
    answer = web.post("/login/", given)
    assert answer.status_code == 302
    assert not answer.wsgi_request.FILES
