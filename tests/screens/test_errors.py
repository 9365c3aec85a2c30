"""Pages that say what went wrong: each leads on, also for somebody who is signed out, and no typing is lost by them."""

import io
import logging
import re

import pytest
from django.contrib.auth.models import Group
from django.test import RequestFactory
from django.test.client import ClientHandler

from portal.middleware import readable_content_type
from tests import make
from tests.conftest import WebClient


def main_of(response):
    return re.search(r"<main.*</main>", response.content.decode(), re.S)[0]


def it_leads_to_sign_in_who_finds_no_page_signed_out(cast, web):
    response = web.get("/nowhere/")
    assert response.status_code == 404
    assert 'href="/login/"' in main_of(response)
    assert "メニューから" not in main_of(response)


def it_leads_home_who_finds_no_page_signed_in(cast, sign_in):
    page = main_of(sign_in(cast.hanako).get("/nowhere/"))
    assert 'href="/"' in page
    assert "メニューから選び直してください" in page


@pytest.fixture
def strict(cast):
    browser = WebClient(enforce_csrf_checks=True)
    browser.force_login(cast.hanako)
    return browser


def it_leads_back_to_the_form_that_came_without_its_token(strict):
    given = {"kind": "cancel", "subject": "件名", "body": "本文"}
    came_from = "http://testserver/inquiry/?kind=cancel&about=K0000001"
    response = strict.post("/inquiry/", given, headers={"referer": came_from})
    assert response.status_code == 403
    assert 'href="/inquiry/?kind=cancel&amp;about=K0000001"' in main_of(response)
    assert "C0000001" in response.content.decode()  # the frame with the menu is there


@pytest.mark.parametrize(
    "came_from", ["", "https://evil.example/login/", "//evil.example/x", "nonsense", "http://[", "//[::1"]
)
def it_leads_home_when_the_form_came_from_elsewhere(strict, came_from):
    response = strict.post("/inquiry/", {}, headers={"referer": came_from})
    assert response.status_code == 403
    assert 'href="/"' in main_of(response)
    assert "evil" not in response.content.decode()


def it_leads_home_who_pressed_sign_in_twice(strict):
    """The first press changed the token that the second one carries."""
    given = {"username": "hanako@example.com", "password": make.PASSWORD}
    response = strict.post("/login/", given, headers={"referer": "http://testserver/login/"})
    assert 'href="/"' in main_of(response)


def it_leads_to_sign_in_who_sends_its_form_without_a_token(cast):
    browser = WebClient(enforce_csrf_checks=True)
    response = browser.post("/login/", {"username": "x"}, headers={"referer": "http://testserver/login/"})
    assert 'href="/login/"' in main_of(response)


def it_shows_a_page_to_who_is_led_to_a_buttons_address(cast, sign_in):
    response = sign_in(cast.hanako).get(f"/account/users/{cast.taro.pk}/send/")
    assert response.status_code == 405
    assert "もう一度操作してください" in main_of(response)
    assert 'href="/"' in main_of(response)


def it_compresses_pages_but_none_that_holds_a_secret(cast, sign_in):
    browser = sign_in(cast.hanako)
    accept = {"accept-encoding": "gzip"}
    for path in ("/", "/contracts/", "/inquiry/", "/nowhere/"):
        response = browser.get(path, headers=accept)
        assert response.headers.get("Content-Encoding") == "gzip", path
        assert "Accept-Encoding" in response.headers["Vary"]
    for path in ("/account/security/factor/", "/password/reset/x/y/", "/contracts/?export=csv", "/healthz"):
        assert "Content-Encoding" not in browser.get(path, headers=accept).headers, path
    assert "Content-Encoding" not in browser.get("/contracts/").headers


UNREADABLE = {
    "too many fields": ("application/x-www-form-urlencoded", b"a=1&" * 3000),
    "no boundary": ("multipart/form-data", b"x"),
    "endless header": ("multipart/form-data; boundary=x", b"--x\r\n" + b"A" * 20000),
    "other encoding": ("application/x-www-form-urlencoded; charset=utf-7", b"a=1"),
}


@pytest.mark.parametrize("what", UNREADABLE)
@pytest.mark.parametrize("path", ["/login/", "/inquiry/", "/nowhere/", "/invoices/B999999-000001/", "/admin/nowhere/"])
def it_shows_a_page_when_a_form_cant_be_read(cast, web, path, what):
    """Also to a browser that was here before: with its CSRF cookie the page of the fault itself would ask for the form."""
    kind, body = UNREADABLE[what]
    strict = WebClient(enforce_csrf_checks=True)
    strict.get("/login/")
    response = strict.generic("POST", path, body, content_type=kind)
    assert response.status_code in (400, 404)
    assert "<h1" in main_of(response)


def it_shows_a_page_when_a_content_types_parameter_has_no_known_encoding(cast):
    environ = RequestFactory().generic("POST", "/login/", b"--x--", content_type="multipart/form-data").environ
    environ["CONTENT_TYPE"] = "multipart/form-data; boundary*=nonsense''x"
    django = ClientHandler(enforce_csrf_checks=False)
    response = readable_content_type(lambda environ, start_response: django(environ))(environ, None)
    assert response.status_code == 400
    assert "この入力は受け付けられません" in main_of(response)


@pytest.fixture
def log(monkeypatch):
    """What the portal writes to its log: its own handler, with another place to write to."""
    handler = next(each for each in logging.getLogger().handlers if type(each) is logging.StreamHandler)
    monkeypatch.setattr(handler, "stream", io.StringIO())
    return lambda: handler.stream.getvalue().splitlines()


REFUSED = {
    "a foreign host": {"path": "/login/", "headers": {"host": "evil.example"}},
    "a host that is none": {"path": "/login/", "headers": {"host": "a b"}},
    "a NUL in the address": {"path": "/login/?next=%00"},
    "a line break in the address": {"path": "/login%0a2026-01-01 ERROR portal: forged/?x=%00"},
    **{
        what: {"path": "/login/", "method": "POST", "content_type": kind, "data": body}
        for what, (kind, body) in UNREADABLE.items()
    },
}


@pytest.mark.parametrize("what", REFUSED)
def it_notes_what_it_refuses_in_one_line_and_not_as_a_fault_of_its_own(web, log, what):
    given = {"method": "GET", **REFUSED[what]}
    assert web.generic(given.pop("method"), given.pop("path"), **given).status_code == 400
    (line,) = log()
    assert " WARNING django." in line


def it_notes_in_one_line_who_may_not_see_a_page(cast, client, log):
    Group.objects.get(name="閲覧").user_set.add(staff := make.make_user(None, "view@example.net", is_staff=True))
    client.force_login(staff)
    assert client.get("/admin/contracts/contract/add/").status_code == 403
    (line,) = log()
    assert " WARNING django.request" in line


def it_notes_a_fault_of_its_own_with_where_it_came_from(cast, sign_in, log, monkeypatch):
    monkeypatch.setattr("portal.views.overview", lambda *_given: 1 / 0)
    browser = sign_in(cast.hanako)
    browser.raise_request_exception = False
    assert browser.get("/").status_code == 500
    assert " ERROR django.request" in log()[0]
    assert log()[-1] == "ZeroDivisionError: division by zero"
