"""Input that no form makes: refused with a clear answer, never a 500, and nothing half-done."""

import re

import pytest
import time_machine
from django.core import mail as outbox

from accounts.models import User
from portal.models import HistoryEvent, Mail, Vendor
from portal.tasks import send_due
from tests import make
from tests.acting import act, choose
from tests.conftest import WebClient
from tests.screens.test_second_factor import code_of, password_step, set_up

PAGES = ["/", "/login/", "/account/", "/account/users/", "/account/history/", "/invoices/", "/faq/", "/healthz"]


@pytest.mark.parametrize("path", PAGES)
def it_answers_head_as_get(cast, sign_in, path):
    browser = sign_in(cast.hanako)
    assert browser.head(path).status_code == browser.get(path).status_code == 200


@pytest.mark.parametrize("target", ["foo", "foo/bar", "home", "..", "\0", "http:///"])
def it_goes_home_when_the_target_is_no_path(cast, web, target):
    given = {"username": "hanako@example.com", "password": make.PASSWORD, "next": target}
    assert web.post("/login/", given).url == "/"


def it_refuses_a_nul_byte_in_a_cookie(cast, web):
    assert web.get("/login/", headers={"cookie": 'sessionid="\\000aaaaaaaaaaaa"'}).status_code == 400


@pytest.mark.parametrize("charset", ["unicode_escape", "raw_unicode_escape", "hex", "utf-16", "nonsense"])
def it_refuses_other_encodings(cast, sign_in, charset):
    browser = sign_in(cast.hanako)
    kind = f"application/x-www-form-urlencoded; charset={charset}"
    assert browser.generic("POST", "/inquiry/", b"subject=%5Cud800", content_type=kind).status_code == 400


@pytest.mark.parametrize(
    "query", ["action=nonsense", "at_min=2026/99/99", "page=-1&per_page=x", "sort=--at", "actor_name=%5C"]
)
def it_never_breaks_the_history(cast, sign_in, query):
    assert sign_in(cast.hanako).get(f"/account/history/?{query}").status_code == 200


@pytest.mark.parametrize("pk", [0, 2**31, 2**63, 10**30])
def it_knows_no_user_with_an_impossible_number(cast, sign_in, pk):
    browser = sign_in(cast.hanako)
    for path in ("", "edit/", "delete/"):
        assert browser.get(f"/account/users/{pk}/{path}").status_code == 404
    assert browser.post(f"/account/users/{pk}/send/").status_code == 404


def it_takes_a_version_that_is_none_for_a_stale_one(cast, sign_in):
    given = {"name": "x", "email": "taro@example.com", "version": "x"}
    page = sign_in(cast.hanako).post(f"/account/users/{cast.taro.pk}/edit/", given).content.decode()
    assert "ほかの人が先にこのユーザを変更しました" in page


def it_keeps_what_was_typed_when_somebody_was_faster(cast, sign_in):
    User.objects.filter(pk=cast.taro.pk).update(version=5)
    given = {"name": "鈴木", "email": "taro@example.com", "phone": "03-1", "version": "4"}
    browser = sign_in(cast.hanako)
    page = browser.post(f"/account/users/{cast.taro.pk}/edit/", given).content.decode()
    assert 'value="鈴木"' in page
    assert 'name="version" value="5"' in page
    assert "[&#x27;" not in page
    assert browser.post(f"/account/users/{cast.taro.pk}/edit/", given | {"version": "5"}).status_code == 302


def it_doesnt_tell_whether_a_guess_is_ones_own_password(cast, sign_in):
    given = {"old_password": "Falsch-99", "new_password1": make.PASSWORD, "new_password2": "something else"}
    page = sign_in(cast.hanako).post("/password/change/", given).content.decode()
    assert "いまのパスワードと同じです" not in page


def it_notes_a_deletion_once(cast, web):
    web.force_login(cast.staff)
    act(web, "/admin/accounts/user/", "delete_users", cast.taro)
    page = choose(web, "/admin/accounts/user/", "delete_users", cast.taro).content.decode()
    assert "このユーザは削除されています" in page
    assert HistoryEvent.objects.filter(action="user_deleted").count() == 1


def it_notes_no_factor_taken_off_where_there_was_none(cast, sign_in):
    page = (
        sign_in(cast.hanako)
        .post("/account/security/factor/off/", {"own_password": make.PASSWORD}, follow=True)
        .content.decode()
    )
    assert "設定されていません" in page
    assert not HistoryEvent.objects.filter(action="second_factor_off").exists()
    assert not Mail.objects.exists()


def it_notes_no_sessions_ended_where_there_were_none(cast, sign_in):
    sign_in(cast.hanako).post("/account/security/sessions/")
    assert not HistoryEvent.objects.filter(action="sessions_ended").exists()


@pytest.mark.parametrize("path", ["/admin/otp_totp/totpdevice/", "/admin/otp_static/staticdevice/"])
def it_has_no_back_door_to_second_factors(cast, web, path):
    web.force_login(cast.staff)
    assert web.get(path).status_code == 404


def admin_change(web, user, **changes):
    given = {"name": user.name, "email": user.email, "language": "ja"}
    given |= {name: "on" for name in ("is_recipient", "is_manager", "is_superuser") if getattr(user, name)}
    return web.post(f"/admin/accounts/user/{user.pk}/change/", given | changes)


def it_refuses_in_the_admin_what_a_user_cant_be(cast, web):
    web.force_login(cast.staff)
    assert "担当者には指定できません" in admin_change(web, cast.staff, is_recipient="on").content.decode()
    assert "お客様のユーザには指定できません" in admin_change(web, cast.taro, is_superuser="on").content.decode()


def it_lets_staff_create_the_new_recipient(cast, web):
    web.force_login(cast.staff)
    given = {"customer": cast.a.pk, "name": "新人", "email": "new@example.com", "language": "ja", "is_recipient": "on"}
    assert web.post("/admin/accounts/user/add/", given).status_code == 302
    assert User.objects.get(customer=cast.a, is_recipient=True).email == "new@example.com"


def it_checks_an_initial_password_of_staff_against_the_person(cast, web):
    web.force_login(cast.staff)
    given = {"customer": cast.a.pk, "name": "新人", "email": "shinjin@example.com", "language": "ja"}
    page = web.post("/admin/accounts/user/add/", given | {"initial_password": "Shinjin1!x"}).content.decode()
    assert "Eメールや名前の一部" in page


def it_waits_with_mails_until_the_vendor_is_set_up(cast):
    Vendor.objects.all().delete()
    Mail.objects.create(kind="password_changed", key="x", user=cast.hanako, customer=cast.a, due_at="2026-01-01T00:00Z")
    send_due()
    assert Mail.objects.get().state == Mail.State.WAITING


def it_names_the_sender_of_an_inquiry_who_was_deleted_meanwhile(cast, sign_in):
    sign_in(cast.taro).post("/inquiry/", {"kind": "question", "subject": "件名", "body": "本文"})
    sign_in(cast.hanako).post(f"/account/users/{cast.taro.pk}/delete/")
    while send_due():
        pass
    desk = next(message for message in outbox.outbox if message.subject.startswith("["))
    assert desk.reply_to == ["taro@example.com"]
    assert "<taro@example.com>" in desk.body


def it_forgets_a_half_done_sign_in_when_the_password_changes(cast, web):
    password_step(web)
    key, _codes = set_up(web)
    web.logout()
    browser = WebClient()
    password_step(browser)
    User.objects.filter(pk=cast.hanako.pk).update(password="md5$a$b")
    assert browser.post("/login/code/", {"code": code_of(key)}).url == "/login/"


def it_takes_a_waiting_mail_back_when_a_password_is_typed(cast, sign_in):
    browser = sign_in(cast.hanako)
    browser.post("/account/users/new/", {"name": "新人", "email": "new@example.com"})
    new = User.objects.get(email="new@example.com")
    given = {
        "name": "新人",
        "email": new.email,
        "password": "Tsuki-42",
        "password_again": "Tsuki-42",
        "version": new.version,
    }
    assert browser.post(f"/account/users/{new.pk}/edit/", given | {"own_password": make.PASSWORD}).status_code == 302
    while send_due():
        pass
    new.refresh_from_db()
    assert new.check_password("Tsuki-42")


def it_ends_the_own_session_when_one_resets_while_signed_in(cast, web):
    with time_machine.travel("2026-05-08T10:00Z", tick=False) as clock:
        web.post("/login/", {"username": "hanako@example.com", "password": make.PASSWORD})
        web.post("/password/reset/", {"email": "hanako@example.com"})
        Mail.objects.update(due_at="2026-05-08T10:00Z")
        send_due()
        clock.shift(120)
        response = web.post(re.search(r"/password/reset/\S+", outbox.outbox[-1].body).group())
    assert response.status_code == 200
    assert web.get("/").url.startswith("/login/")
