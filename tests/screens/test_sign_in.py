"""Sign-in: one answer to whatever is wrong, growing pauses, local targets only, and a session that is new."""

import re

import pytest
import time_machine
from django.conf import settings
from django.core import mail as outbox
from django.db import transaction

from accounts import throttle
from accounts.models import Session, User
from accounts.sessions import stored
from portal.tasks import send_due
from tests import make
from tests.conftest import WebClient
from tests.sampling import sampled, share
from tests.screens.test_who_sees_what import ROUTES

WRONG = "ユーザ名またはパスワードが正しくありません"


def attempt(browser, email="hanako@example.com", password=make.PASSWORD, **extra):
    return browser.post("/login/", {"username": email, "password": password}, **extra)


def fail(browser, times, email="hanako@example.com", **extra):
    for _time in range(times):
        assert WRONG in attempt(browser, email, "wrong", **extra).content.decode()


def it_refuses_a_post_without_the_token_or_from_elsewhere(cast):
    strict = WebClient(enforce_csrf_checks=True)
    assert attempt(strict).status_code == 403
    strict.get("/login/")
    given = {"username": "hanako@example.com", "password": make.PASSWORD}
    given["csrfmiddlewaretoken"] = strict.cookies["csrftoken"].value
    assert strict.post("/login/", given, headers={"origin": "https://evil.example"}).status_code == 403
    assert strict.post("/login/", given).status_code == 302


def it_gives_a_new_session_and_forgets_the_one_from_before(cast, web):
    web.get("/login/")
    session = web.session
    session["planted"] = "x"
    session.save()
    before = session.session_key
    web.cookies["sessionid"] = before
    attempt(web)
    assert web.cookies["sessionid"].value != before
    assert not Session.objects.filter(session_key=stored(before)).exists()


def it_gives_a_new_session_also_to_who_is_signed_in_already(cast, web):
    attempt(web)
    before = web.cookies["sessionid"].value
    attempt(web)
    assert web.cookies["sessionid"].value != before
    assert not Session.objects.filter(session_key=stored(before)).exists()


def it_says_the_same_whatever_is_wrong(cast, web):
    cast.taro.password_expires_at = "2020-01-01T00:00Z"
    cast.taro.save()
    pages = set()
    for email, password in [
        ("nobody@example.com", make.PASSWORD),
        ("hanako@example.com", "wrong"),
        ("taro@example.com", make.PASSWORD),
    ]:
        response = attempt(web, email, password)
        page = response.content.decode().replace(email, "").replace(str(response.context["csrf_token"]), "")
        pages.add((response.status_code, page, tuple(sorted(response.headers))))
    assert len(pages) == 1
    assert WRONG in pages.pop()[1]


def it_knows_the_address_in_capitals_and_full_width(cast, web):
    assert attempt(web, "ＨＡＮＡＫＯ@Example.com").url == "/"


@pytest.mark.parametrize("target", ["//evil.example", "/\\evil.example", "https:evil.example", "javascript:alert(1)"])
def it_goes_home_instead_of_to_a_foreign_target(cast, web, target):
    given = {"username": "hanako@example.com", "password": make.PASSWORD, "next": target}
    assert web.post("/login/", given).url == "/"


@pytest.mark.parametrize(
    "target",
    [
        "/%00",
        "/orders/?name=%00",
        "/\0",
        "/logout/",
        "/login/",
        "/login/code/",
        "/healthz",
        "/no/such/page/",
        "/[",
        "/%ff",
    ],
)
def it_goes_home_instead_of_to_what_nobody_can_be_led_to(cast, web, target):
    given = {"username": "hanako@example.com", "password": make.PASSWORD, "next": target}
    assert web.post("/login/", given).url == "/"


@sampled(2)
def it_leads_to_no_button_whichever_address_is_named(step, cast, web):
    """Each run names every second address."""
    for route in share(ROUTES.values(), step):
        address = "/" + re.sub("<[^>]*>", str(cast.taro.pk), route)
        given = {"username": "hanako@example.com", "password": make.PASSWORD, "next": address}
        led = web.post("/login/", given).url
        assert web.get(led).status_code in (200, 302, 404), address
        web.post("/logout/")


def it_goes_to_a_local_target(cast, web):
    given = {"username": "hanako@example.com", "password": make.PASSWORD, "next": "/orders/?page=2"}
    assert web.post("/login/", given).url == "/orders/?page=2"


@pytest.mark.parametrize(
    ("target", "led"),
    [
        ("/invoices/?state=fixed", "/invoices/?state=fixed"),
        ("", "/"),
        ("//evil.example", "/"),
        ("/password/change/", "/"),
    ],
)
def it_goes_there_too_once_a_first_password_was_changed(target, led, cast, web):
    User.objects.filter(pk=cast.hanako.pk).update(must_change_password=True)
    web.post("/login/", {"username": "hanako@example.com", "password": make.PASSWORD, "next": target})
    assert web.get("/invoices/").url == "/password/change/"
    given = {"old_password": make.PASSWORD, "new_password1": "Tsuki-42", "new_password2": "Tsuki-42"}
    assert web.post("/password/change/", given).url == led
    assert web.get("/invoices/").status_code == 200


def it_makes_one_wait_longer_and_longer_but_never_for_long(cast, web):
    with time_machine.travel("2026-05-08T10:00Z", tick=False) as clock:
        fail(web, 5)
        assert WRONG in attempt(web).content.decode()  # the right password, in the pause
        clock.shift(31)
        fail(web, 1)
        clock.shift(31)
        assert WRONG in attempt(web).content.decode()
        fail(web, 25)  # tries during a pause don't make it longer
        clock.shift(15 * 60)
        assert attempt(web).url == "/"


def it_lets_at_most_ten_wrong_passwords_through_in_a_quarter_of_an_hour(cast, web):
    counted, key = 0, throttle.key_of("sign-in", "hanako@example.com")
    with time_machine.travel("2026-05-08T10:00Z", tick=False) as clock:
        for _try in range(15 * 60 // 5):
            counted += throttle.count((throttle.ACCOUNT, key))
            clock.shift(5)
    assert 5 < counted <= 10


def it_starts_from_nothing_after_a_success(cast, web):
    fail(web, 4)
    attempt(web)
    fail(web, 4)
    assert attempt(web).url == "/"


@pytest.mark.parametrize("known", [False, True], ids=["at a new place", "at a known place"])
def it_ends_a_pause_by_a_reset(cast, web, known):
    if known:
        attempt(web)
    fail(web, 6)
    web.post("/password/reset/", {"email": "hanako@example.com"})
    send_due()
    web.post(re.search(r"/password/reset/\S+", outbox.outbox[-1].body).group())
    send_due()
    mailed = re.search(r"^パスワード: (\S+)$", outbox.outbox[-1].body, re.M).group(1)
    assert attempt(web, password=mailed).url == "/"


def it_counts_also_when_the_request_is_rolled_back(cast, web):
    for _time in range(5):
        with transaction.atomic():
            attempt(web, password="wrong")
            transaction.set_rollback(True)
    assert WRONG in attempt(web).content.decode()


def it_doesnt_believe_a_forwarded_address_without_a_proxy(cast, web):
    with time_machine.travel("2026-05-08T10:00Z", tick=False):
        for number in range(50):
            fail(web, 1, f"person{number}@example.com", headers={"x-forwarded-for": f"10.0.0.{number}"})
        assert WRONG in attempt(web, headers={"x-forwarded-for": "10.9.9.9"}).content.decode()


def it_counts_the_configured_number_of_proxies_from_the_right(rf, settings):
    request = rf.get("/", headers={"x-forwarded-for": "1.1.1.1, 2.2.2.2, 3.3.3.3"}, REMOTE_ADDR="10.0.0.1")
    found = []
    for settings.TRUSTED_PROXIES in (0, 1, 2, 9):
        found.append(throttle.address_of(request))
    assert found == ["10.0.0.1", "3.3.3.3", "2.2.2.2", "10.0.0.1"]
    assert throttle.address_of(rf.get("/", REMOTE_ADDR="2001:db8:1:2:3:4:5:6")) == "2001:db8:1:2::"
    assert throttle.address_of(rf.get("/", REMOTE_ADDR="::ffff:192.0.2.7")) == "192.0.2.7"
    assert throttle.address_of(rf.get("/", REMOTE_ADDR="")) == ""


def it_stops_somebody_who_tries_one_password_on_many_people(cast, web):
    with time_machine.travel("2026-05-08T10:00Z", tick=False):
        for number in range(50):
            fail(web, 1, f"person{number}@example.com")
        assert WRONG in attempt(web).content.decode()
        assert attempt(web, REMOTE_ADDR="198.51.100.7").url == "/"


def it_never_stops_a_person_where_the_person_signed_in_before(cast, web):
    attempt(web)
    with time_machine.travel("2026-05-08T10:00Z", tick=False):
        for number in range(50):
            fail(web, 1, f"person{number}@example.com")
        fail(web, 6, REMOTE_ADDR="198.51.100.7")  # somebody elsewhere shuts the account for strangers
        assert attempt(web).url == "/"


def it_lets_a_whole_office_sign_in_through_one_address(cast, web):
    for number in range(30):
        make.make_user(cast.a, f"person{number}@example.com")
        assert attempt(WebClient(), f"person{number}@example.com").url == "/"


def it_stores_no_address_among_the_counts(cast, web):
    fail(web, 1)
    with throttle.apart() as cursor:
        cursor.execute("SELECT string_agg(t::text, ' ') FROM accounts_throttle t")
        assert "hanako" not in cursor.fetchone()[0]


def it_takes_as_many_hashes_for_an_unknown_person_as_for_a_known_one(cast, web, monkeypatch):
    made = []
    hasher = "django.contrib.auth.hashers.MD5PasswordHasher.encode"
    original = __import__("django.contrib.auth.hashers", fromlist=["x"]).MD5PasswordHasher.encode
    monkeypatch.setattr(hasher, lambda self, *given: made.append(1) or original(self, *given))
    attempt(web, "nobody@example.com", "wrong")
    unknown = len(made)
    attempt(web, "hanako@example.com", "wrong")
    assert (unknown, len(made)) == (1, 2)


def it_signs_out_by_post_only_and_for_good(cast, web):
    attempt(web)
    cookie = web.cookies["sessionid"].value
    assert web.get("/logout/").status_code == 405
    response = web.post("/logout/")
    assert (response.url, response["Clear-Site-Data"]) == ("/login/?left=out", '"cache"')
    assert "ログアウトしました。" in web.get(response.url).content.decode()
    web.cookies["sessionid"] = cookie
    assert web.get("/").url.startswith("/login/")


def it_keeps_no_page_in_a_cache_and_no_page_in_a_frame(cast, sign_in):
    response = sign_in(cast.hanako).get("/")
    assert response["Cache-Control"] == "no-store"
    assert response["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in response["Content-Security-Policy"]


def it_guards_its_cookies(cast, web):
    attempt(web)
    cookie = web.cookies["sessionid"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")


def it_uses_the_lowest_argon2_parameters_that_owasp_allows():
    from accounts.hashers import Argon2
    from portal import settings as shipped

    assert shipped.PASSWORD_HASHERS == ["accounts.hashers.Argon2"]
    encoded = Argon2().encode("x", "saltsalt")
    assert encoded.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")


def it_closes_the_admins_own_ways_in(cast, web):
    assert web.get("/admin/login/?next=/admin/").url == "/login/?next=/admin/"
    web.force_login(cast.staff)
    assert web.get("/admin/password_change/").url == "/password/change/"


def it_shows_no_hash_and_no_key_on_any_page(cast, sign_in):
    browser = sign_in(cast.hanako)
    pages = ["/", "/account/", "/account/users/", f"/account/users/{cast.taro.pk}/edit/", "/account/security/"]
    shown = "".join(browser.get(path).content.decode() for path in pages)
    key = browser.cookies["sessionid"].value
    browser.force_login(cast.staff)
    shown += browser.get(f"/admin/accounts/user/{cast.hanako.pk}/change/").content.decode()
    assert "hanako@example.com" in shown
    for secret in (cast.hanako.password, settings.SECRET_KEY, key):
        assert secret not in shown
