"""Sessions: they end after an hour's rest or twelve hours' work, with every change of credentials, and on request."""

import hashlib

import pytest
import time_machine
from django.db import DatabaseError, connection, transaction

from accounts.models import Session
from accounts.views import company
from portal.db import rls
from portal.db.schema import ROLE
from tests import make
from tests.conftest import WebClient

NEW = {"old_password": make.PASSWORD, "new_password1": "Tsuki-42", "new_password2": "Tsuki-42"}


def browser_of(email, agent=""):
    browser = WebClient(headers={"user-agent": agent})
    assert browser.post("/login/", {"username": email, "password": make.PASSWORD}).url == "/"
    return browser


def alive(browser):
    return browser.get("/account/").status_code == 200


@pytest.fixture
def three(cast, web):
    return [browser_of("hanako@example.com") for _each in range(3)]


def it_ends_after_an_hour_of_rest(cast, web):
    with time_machine.travel("2026-05-08T10:00Z", tick=False) as clock:
        browser = browser_of("hanako@example.com")
        clock.shift(59 * 60)
        assert alive(browser)
        clock.shift(61 * 60)
        assert not alive(browser)


def it_ends_after_twelve_hours_of_work(cast, web):
    with time_machine.travel("2026-05-08T10:00Z", tick=False) as clock:
        browser = browser_of("hanako@example.com")
        for _step in range(24):
            clock.shift(30 * 60)
            assert alive(browser)
        clock.shift(60)
        assert not alive(browser)
        assert browser.get(browser.get("/account/").url).status_code == 200


def it_says_why_the_sign_in_page_comes_and_that_what_was_typed_is_kept(cast, web):
    with time_machine.travel("2026-05-08T10:00Z", tick=False) as clock:
        for given, words, place in (
            (None, "有効期間が終わりました", "/inquiry/?kind=question"),
            ({"form_key": "x", "body": "途中の文章"}, "入力の途中だった内容", "/inquiry/?kind=question"),
            ({"form_key": "x"}, "有効期間が終わりました", ""),
        ):
            browser = browser_of("hanako@example.com")
            clock.shift(61 * 60)
            answer = browser.post("/inquiry/?kind=question", given) if given else browser.get("/inquiry/?kind=question")
            page = browser.get(answer.url)
            assert words in page.content.decode()
            assert page.context["next"] == place


def it_says_nothing_of_an_end_to_who_comes_for_the_first_time(cast, web):
    assert "有効期間" not in web.get(web.get("/inquiry/").url).content.decode()


def it_writes_a_session_at_most_once_a_minute(cast, web):
    with time_machine.travel("2026-05-08T10:00Z", tick=False) as clock:
        browser = browser_of("hanako@example.com")
        before = Session.objects.get().expire_date
        clock.shift(30)
        browser.get("/account/")
        assert Session.objects.get().expire_date == before
        clock.shift(31)
        browser.get("/account/")
        assert Session.objects.get().expire_date > before


def it_ends_the_other_sessions_when_the_password_changes(three):
    mine, *others = three
    key = mine.cookies["sessionid"].value
    assert mine.post("/password/change/", NEW).url == "/"
    assert alive(mine)
    assert mine.cookies["sessionid"].value != key
    assert not any(alive(other) for other in others)


def it_ends_the_other_sessions_on_request(three):
    mine, *others = three
    assert "他の端末をログアウト" in mine.get("/account/security/").content.decode()
    response = mine.post("/account/security/sessions/", follow=True)
    assert "他の端末をログアウトしました（2件）" in response.content.decode()
    assert alive(mine)
    assert not any(alive(other) for other in others)


def it_lists_ones_own_browsers_by_name(cast, web):
    mine = browser_of("hanako@example.com", "Mozilla/5.0 (Windows NT 10.0) AppleWebKit Chrome/130 Safari/537 Edg/130")
    browser_of("hanako@example.com", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18 Safari/604")
    browser_of("taro@example.com", "Mozilla/5.0 (X11; Linux) Firefox/130")
    page = mine.get("/account/security/").content.decode()
    assert "Edge (Windows)" in page
    assert "Safari (iPhone)" in page
    assert "Firefox" not in page


def it_ends_a_deleted_persons_sessions(cast, web, sign_in):
    taros = browser_of("taro@example.com")
    sign_in(cast.hanako).post(f"/account/users/{cast.taro.pk}/delete/")
    assert not alive(taros)


def it_ends_when_the_row_is_gone_even_in_the_middle_of_work(three):
    mine, *others = three
    Session.objects.all().delete()
    assert not any(alive(browser) for browser in (mine, *others))


def it_keeps_no_key_that_would_open_a_session(cast, web):
    key = browser_of("hanako@example.com").cookies["sessionid"].value
    assert [row.pk for row in Session.objects.all()] == [hashlib.sha256(key.encode()).hexdigest()]
    thief = WebClient()
    thief.cookies["sessionid"] = Session.objects.get().pk
    assert not alive(thief)


def it_marks_this_browser_among_ones_own(three):
    page = three[0].get("/account/security/").content.decode()
    assert page.count("この端末") == 1


def it_shows_no_strangers_browser_even_when_the_filter_is_gone(cast, web, monkeypatch):
    mine = browser_of("hanako@example.com", "Mozilla/5.0 (Windows NT 10.0) Edg/130")
    browser_of("jiro@example.org", "Mozilla/5.0 (X11; Linux) Firefox/130")
    monkeypatch.setattr(type(Session.objects.all()), "for_user", lambda self, user: self.defer("session_data"))
    page = mine.get("/account/security/").content.decode()
    assert "Edge (Windows)" in page
    assert "Firefox" not in page


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT session_data FROM accounts_session",
        "INSERT INTO accounts_session (session_key, session_data, expire_date, address, browser)"
        " VALUES ('x', '', now(), '', '')",
        "UPDATE accounts_session SET user_id = NULL",
        "UPDATE accounts_session SET expire_date = now() + interval '1 year'",
    ],
)
def it_lets_the_webs_role_neither_read_what_a_session_holds_nor_write_one(sql, cast, web):
    browser_of("hanako@example.com")
    with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic(), rls.scope(ROLE, cast.a.pk):
        connection.cursor().execute(sql)


def it_lets_the_webs_role_end_no_session_of_another_company(cast, web):
    browser_of("jiro@example.org")
    with rls.scope(ROLE, cast.a.pk), connection.cursor() as cursor:
        cursor.execute("DELETE FROM accounts_session")
        assert cursor.rowcount == 0


def it_asks_to_sign_in_when_the_session_ends_while_its_page_is_made(cast, web, monkeypatch):
    mine = browser_of("hanako@example.com")
    render = company.render

    def ended_meanwhile(request, *args, **kwargs):
        request.session["seen"] = 0
        with rls.scope(rls.DESK):
            Session.objects.all().delete()
        return render(request, *args, **kwargs)

    monkeypatch.setattr(company, "render", ended_meanwhile)
    response = mine.get("/account/?x=1")
    assert (response.status_code, response.url) == (302, "/login/?left=ended&next=/account/%3Fx%3D1")
    assert not mine.cookies["sessionid"].value
