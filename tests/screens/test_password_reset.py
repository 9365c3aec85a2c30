"""The reset by two mails: harmless to open, good once, and silent about who exists."""

import email
import email.policy
import re
import time

import pytest
import time_machine
from django.core import mail as outbox
from django.db import connection
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from accounts.models import User
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


def it_writes_subjects_that_every_reader_shows_whole(cast, reset_url):
    raw = outbox.outbox[-1].message().as_bytes(linesep="\r\n")
    parsed = email.message_from_bytes(raw, policy=email.policy.default)
    assert parsed["Subject"] == "パスワードリセット確認のお知らせ"
    assert b"Subject: =?utf-8?" in raw


def it_does_nothing_when_a_scanner_opens_the_url(cast, web, reset_url):
    for _times in range(3):
        assert web.get(reset_url).status_code == 200
        assert web.head(reset_url).status_code == 200
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


@pytest.mark.parametrize("path", ["/password/reset/x/y/", "/password/reset/OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5/a-b/"])
def it_answers_a_broken_url_with_a_way_on(path, db, web):
    make.make_vendor()
    response = web.get(path)
    assert response.status_code == 400
    assert "もう一度お手続きください" in response.content.decode()


def it_is_asked_for_at_most_three_times_an_hour_and_six_a_day(cast, web):
    with time_machine.travel("2026-05-08T00:00Z", tick=False) as clock:
        sent = []
        for _hour in range(24):
            for _time in range(5):
                assert web.post("/password/reset/", {"email": "hanako@example.com"}).url.endswith("?sent=1")
            sent.append(Mail.objects.filter(kind="reset_confirm").count())
            clock.shift(3600)
    assert sent[0] == 3
    assert 3 < sent[-1] <= 6


def it_cannot_be_used_up_by_strangers_elsewhere(cast, web):
    web.post("/login/", {"username": "hanako@example.com", "password": make.PASSWORD})
    for _time in range(4):
        web.post("/password/reset/", {"email": "hanako@example.com"}, REMOTE_ADDR="198.51.100.7")
    before = Mail.objects.count()
    web.post("/password/reset/", {"email": "hanako@example.com"})
    assert Mail.objects.count() == before + 1


def it_answers_the_same_after_too_many_from_one_place(cast, web):
    for number in range(25):
        assert web.post("/password/reset/", {"email": f"p{number}@example.com"}).url.endswith("?sent=1")
    assert Mail.objects.filter(kind="reset_unknown").count() < 25


@pytest.mark.parametrize(
    "body",
    [
        "email=hanako@example.com&email=evil@example.net",
        "email[]=evil@example.net&email=hanako@example.com",
        "email=hanako@example.com,evil@example.net",
        "email=hanako@example.com%0aBcc:evil@example.net",
        '{"email": ["hanako@example.com", "evil@example.net"]}',
    ],
)
def it_writes_to_the_stored_address_only(cast, web, body):
    web.post("/password/reset/", body, content_type="application/x-www-form-urlencoded")
    while send_due():
        pass
    assert {to for message in outbox.outbox for to in message.to + message.cc + message.bcc} <= {"hanako@example.com"}


def it_knows_no_twin_of_an_address(cast, web):
    make.make_user(cast.a, "mike@example.com")
    web.post("/password/reset/", {"email": "mıke@example.com"})
    assert not Mail.objects.filter(kind="reset_confirm").exists()


def it_builds_its_url_from_the_setting_whatever_the_request_says(cast, web):
    assert web.get("/login/", headers={"host": "evil.example"}).status_code == 400
    lies = {"x-forwarded-host": "evil.example", "host": "localhost:9999"}
    web.post("/password/reset/", {"email": "hanako@example.com"}, headers=lies)
    send_due()
    assert re.search(r"^http://127\.0\.0\.1:8000/password/reset/\S+$", outbox.outbox[-1].body, re.M)


def it_needs_the_page_before_the_button(cast, web, reset_url):
    strict = type(web)(enforce_csrf_checks=True)
    assert strict.post(reset_url).status_code == 403
    page = strict.get(reset_url)
    assert strict.post(reset_url, {"csrfmiddlewaretoken": page.context["csrf_token"]}).status_code == 200


def it_is_dead_after_whatever_changes_the_person(cast, web, reset_url):
    def dead():
        return type(web)().get(reset_url).status_code == 400

    assert not dead()
    for change in (
        {"email": "other@example.com"},
        {"password": "md5$a$b"},
        {"last_login": "2026-05-08T10:00Z"},
    ):
        before = {name: getattr(cast.hanako, name) for name in change}
        User.objects.filter(pk=cast.hanako.pk).update(**change)
        assert dead(), change
        User.objects.filter(pk=cast.hanako.pk).update(**before)
    assert not dead()
    start, _slash, token = reset_url.rstrip("/").rpartition("/")
    for wrong in (token[:-1] + ("A" if token[-1] != "A" else "B"), token.replace("reset", "initial"), token.upper()):
        assert web.get(f"{start}/{wrong}/").status_code == 400
    others = start.rpartition("/")[0] + "/" + urlsafe_base64_encode(force_bytes(cast.taro.pk))
    assert web.get(f"{others}/{token}/").status_code == 400


def it_doesnt_accept_the_mailed_password_as_the_new_one(cast, web, reset_url):
    web.post(reset_url)
    send_due()
    mailed = mailed_password()
    web.post("/login/", {"username": "hanako@example.com", "password": mailed})
    given = {"old_password": mailed, "new_password1": mailed, "new_password2": mailed}
    assert "いまのパスワードと同じです" in web.post("/password/change/", given).content.decode()


def everything_stored():
    """Every row of every table as text: what a dump of the database would hold."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname NOT LIKE 'pg_%'"
            " AND schemaname <> 'information_schema'"
        )
        tables = [name for (name,) in cursor.fetchall()]
        rows = []
        for table in tables:
            cursor.execute(f"SELECT row::text FROM {table} row")
            rows += [text for (text,) in cursor.fetchall()]
    return "\n".join(rows)


@pytest.mark.parametrize("mode", ["password", "link"])
def it_leaves_no_secret_in_the_database_and_none_in_the_log(cast, web, settings, caplog, mode):
    settings.CREDENTIAL_MAILS = mode
    caplog.set_level("DEBUG")
    given = {"name": "新人", "email": "new@example.com"}
    web.force_login(cast.hanako)
    web.post("/account/users/new/", given)
    web.post("/password/reset/", {"email": "taro@example.com"})
    while send_due():
        pass
    url = re.search(r"/password/reset/\S+", next(m.body for m in outbox.outbox if m.to == ["taro@example.com"])).group()
    chosen = "Tsuki-4242"
    web.post(url, {"new_password1": chosen, "new_password2": chosen})
    while send_due():
        pass
    written = "\n".join(message.body for message in outbox.outbox)
    secrets = re.findall(r"^パスワード: (\S+)$", written, re.M)
    secrets += [found.split("/")[-2] for found in re.findall(r"/password/reset/\S+/\S+", written)]
    assert len(secrets) == {"password": 3, "link": 2}[mode]
    stored = everything_stored()
    assert "new@example.com" in stored
    for secret in [*secrets, chosen]:
        assert secret not in stored
        assert secret not in "".join(
            record.getMessage() for record in caplog.records if record.name != "django.request"
        )


# The link mode: no password in any mail.


@pytest.fixture
def link_mode(settings):
    settings.CREDENTIAL_MAILS = "link"


def it_lets_the_person_set_the_password_at_the_url(link_mode, cast, web, reset_url):
    assert "新しいパスワードを決めてください" in web.get(reset_url).content.decode()
    wrong = web.post(reset_url, {"new_password1": "kurz", "new_password2": "kurz"})
    assert "8文字以上16文字以内" in wrong.content.decode()
    done = web.post(reset_url, {"new_password1": "Tsuki-42", "new_password2": "Tsuki-42"})
    assert "新しいパスワードでログインしてください" in done.content.decode()
    send_due()
    assert outbox.outbox[-1].subject == "パスワード変更のお知らせ"
    assert web.get(reset_url).status_code == 400
    assert web.post("/login/", {"username": "hanako@example.com", "password": "Tsuki-42"}).url == "/"
    assert web.get("/").status_code == 200


def it_invites_a_newcomer_by_a_link_of_fourteen_days(link_mode, cast, sign_in):
    browser = sign_in(cast.hanako)
    browser.post("/account/users/new/", {"name": "新人", "email": "new@example.com"})
    send_due()
    body = outbox.outbox[-1].body
    assert "パスワード:" not in body
    url = re.search(r"/password/reset/\S+", body).group()
    browser.logout()
    with time_machine.travel(time.time() + 13 * 86400):
        assert browser.get(url).status_code == 200
    with time_machine.travel(time.time() + 14 * 86400 + 60):
        assert browser.get(url).status_code == 400
    browser.post(url, {"new_password1": "Tsuki-42", "new_password2": "Tsuki-42"})
    assert browser.post("/login/", {"username": "new@example.com", "password": "Tsuki-42"}).url == "/"
