"""2段階認証: off until somebody sets it up, asked for after the password, enforceable, and never a dead end."""

import re
import time

import pytest
import time_machine
from django.core import mail as outbox
from django_otp.oath import TOTP

from portal.tasks import send_due
from tests import make
from tests.acting import act
from tests.conftest import WebClient

FACTOR = "/account/security/factor/"


def code_of(key):
    totp = TOTP(bytes.fromhex(key))
    totp.time = time.time()
    return f"{totp.token():06}"


def set_up(browser):
    """Returns (key, recovery codes)."""
    page = browser.get(FACTOR).content.decode()
    key = browser.session["factor_key"]
    assert "<svg" in page
    page = browser.post(FACTOR, {"code": code_of(key), "own_password": make.PASSWORD}).content.decode()
    return key, re.findall(r"<code>(\w+)</code>", page)


def password_step(browser, email="hanako@example.com"):
    return browser.post("/login/", {"username": email, "password": make.PASSWORD, "next": "/orders/"})


@pytest.fixture
def armed(cast, web):
    """hanako has set it up; (a fresh browser, key, codes)."""
    password_step(web)
    with time_machine.travel(time.time() - 120):
        key, codes = set_up(web)
    web.logout()
    return WebClient(), key, codes


def it_is_off_and_asks_nothing_by_default(cast, web):
    assert password_step(web).url == "/orders/"


def it_asks_for_a_code_after_the_password(armed):
    browser, key, codes = armed
    assert len(codes) == 10
    assert password_step(browser).url == "/login/code/"
    assert browser.get("/orders/").url.startswith("/login/")
    assert "確認コードが正しくないか" in browser.post("/login/code/", {"code": "000000"}).content.decode()
    assert browser.post("/login/code/", {"code": code_of(key)}).url == "/orders/"
    assert browser.get("/orders/").status_code == 200


def it_takes_each_code_once(armed):
    browser, key, _codes = armed
    password_step(browser)
    code = code_of(key)
    assert browser.post("/login/code/", {"code": code}).status_code == 302
    again = WebClient()
    password_step(again)
    assert "次のコードが表示されてから" in again.post("/login/code/", {"code": code}).content.decode()


def it_takes_each_recovery_code_once(armed):
    browser, _key, codes = armed
    password_step(browser)
    assert browser.post("/login/code/", {"code": f" {codes[0].upper()} "}).url == "/orders/"
    assert "残りのリカバリーコード: 9個" in browser.get("/account/security/").content.decode()
    again = WebClient()
    password_step(again)
    assert again.post("/login/code/", {"code": codes[0]}).status_code == 200


def it_slows_down_who_guesses_codes(armed):
    browser, key, _codes = armed
    password_step(browser)
    for number in range(6):
        browser.post("/login/code/", {"code": f"{number:06}"})
    assert browser.post("/login/code/", {"code": code_of(key)}).status_code == 200


def it_forgets_the_password_step_after_five_minutes(armed):
    browser, key, _codes = armed
    password_step(browser)
    with time_machine.travel(time.time() + 301):
        assert browser.post("/login/code/", {"code": code_of(key)}).url == "/login/"


def it_stores_no_key_before_the_first_right_code(cast, sign_in):
    browser = sign_in(cast.hanako)
    browser.get(FACTOR)
    page = browser.post(FACTOR, {"code": "000000", "own_password": make.PASSWORD}).content.decode()
    assert "確認コードが正しくありません" in page
    assert not cast.hanako.has_second_factor


def it_tells_by_mail_and_history_and_ends_other_sessions(cast, web):
    other = WebClient()
    password_step(other)
    password_step(web)
    set_up(web)
    send_due()
    assert outbox.outbox[-1].subject == "2段階認証設定のお知らせ"
    assert "2段階認証の設定" in web.get("/account/history/").content.decode()
    assert other.get("/").url.startswith("/login/")


def it_is_taken_off_with_ones_own_password(armed):
    browser, key, _codes = armed
    password_step(browser)
    browser.post("/login/code/", {"code": code_of(key)})
    off = FACTOR + "off/"
    assert "パスワードが正しくありません" in browser.post(off, {"own_password": "x"}, follow=True).content.decode()
    assert "解除しました" in browser.post(off, {"own_password": make.PASSWORD}, follow=True).content.decode()
    assert password_step(WebClient()).url == "/orders/"


def it_lets_staff_make_a_company_use_it(cast, web):
    cast.a.needs_second_factor = True
    cast.a.save()
    password_step(web)
    assert web.get("/orders/").url == FACTOR
    assert web.get("/invoices/?export=csv").url == FACTOR
    set_up(web)
    assert web.get("/orders/").status_code == 200
    off = {"own_password": make.PASSWORD}
    assert web.post(FACTOR + "off/", off).status_code == 302
    assert web.get("/orders/").url == FACTOR


def it_lets_staff_help_somebody_who_lost_the_phone(armed, cast):
    staff = WebClient()
    staff.force_login(cast.staff)
    act(staff, "/admin/accounts/user/", "remove_second_factor", cast.hanako)
    assert password_step(WebClient()).url == "/orders/"


def it_can_be_demanded_of_staff(cast, web, settings):
    web.force_login(cast.staff)
    assert web.get("/admin/").status_code == 200
    settings.STAFF_SECOND_FACTOR = True
    assert web.get("/admin/").url == FACTOR
    set_up(web)
    assert web.get("/admin/").status_code == 200


def it_hides_keys_from_other_companies(armed, cast):
    from django_otp.plugins.otp_static.models import StaticToken
    from django_otp.plugins.otp_totp.models import TOTPDevice

    from portal.db import rls
    from portal.db.schema import ROLE

    with rls.scope(ROLE, cast.b.pk):
        assert (TOTPDevice.objects.count(), StaticToken.objects.count()) == (0, 0)
    with rls.scope(ROLE, cast.a.pk):
        assert (TOTPDevice.objects.count(), StaticToken.objects.count()) == (1, 10)
