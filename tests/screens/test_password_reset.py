"""The reset by two mails: harmless to open, good once, and silent about who exists."""

import re
import time

import pytest
import time_machine
from django.core import mail as outbox

from portal.models import Mail
from portal.tasks import send_due
from tests import make


@pytest.fixture
def reset_url(cast, web):
    web.post("/password/reset/", {"email": "Hanako@example.com"})
    send_due()
    return re.search(r"^http://127.0.0.1:8000(/password/reset/\S+)$", outbox.outbox[-1].body, re.M).group(1)


def mailed_password():
    return re.search(r"^パスワード: (\S+)$", outbox.outbox[-1].body, re.M).group(1)


def it_leads_by_two_mails_to_a_new_password_that_must_be_changed(cast, web, reset_url):
    assert outbox.outbox[-1].subject == "パスワードリセット確認のお知らせ"
    page = web.get(reset_url).content.decode()
    assert "ha****@example.com" in page
    assert "hanako@example.com" not in page
    web.post(reset_url)
    send_due()
    assert outbox.outbox[-1].subject == "パスワード更新のお知らせ"
    response = web.post("/login/", {"username": "hanako@example.com", "password": mailed_password()})
    assert response.url == "/"
    assert web.get("/").url == "/password/change/"


def it_does_nothing_when_a_scanner_opens_the_url(cast, web, reset_url):
    for _times in range(3):
        assert web.get(reset_url).status_code == 200
    cast.hanako.refresh_from_db()
    assert cast.hanako.check_password(make.PASSWORD)


def it_works_once(web, reset_url):
    web.post(reset_url)
    assert web.post(reset_url).status_code == 400
    assert web.get(reset_url).status_code == 400


def it_works_for_an_hour(web, reset_url):
    with time_machine.travel(time.time() + 61 * 60):
        assert web.get(reset_url).status_code == 400


def it_ends_the_old_password_and_open_sessions(cast, web, sign_in):
    browser = sign_in(cast.hanako)
    browser.post("/password/reset/", {"email": "hanako@example.com"})
    send_due()
    browser.post(re.search(r"/password/reset/\S+", outbox.outbox[-1].body).group())
    assert browser.get("/").url.startswith("/login/")
    assert "_auth_user_id" not in browser.session


def it_lets_the_mailed_password_expire_after_a_day(cast, web, reset_url):
    web.post(reset_url)
    send_due()
    with time_machine.travel(time.time() + 25 * 3600):
        response = web.post("/login/", {"username": "hanako@example.com", "password": mailed_password()})
    assert response.status_code == 200


def it_says_the_same_for_an_unknown_address_and_sends_nothing(cast, web):
    known = web.post("/password/reset/", {"email": "hanako@example.com"})
    unknown = web.post("/password/reset/", {"email": "nobody@example.com"})
    assert known.url == unknown.url
    send_due()
    assert [message.to for message in outbox.outbox] == [["hanako@example.com"]]


def it_stores_neither_token_nor_password(cast, web, reset_url):
    web.post(reset_url)
    send_due()
    stored = str(list(Mail.objects.values()))
    assert reset_url.split("/")[-2] not in stored
    assert mailed_password() not in stored


@pytest.mark.parametrize("path", ["/password/reset/x/y/", "/password/reset/OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5/a-b/"])
def it_answers_a_broken_url_with_a_way_on(path, db, web):
    make.make_vendor()
    response = web.get(path)
    assert response.status_code == 400
    assert "もう一度お手続きください" in response.content.decode()
