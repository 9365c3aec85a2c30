"""Sessions: they end after an hour's rest or twelve hours' work, with every change of credentials, and on request."""

import pytest
import time_machine

from accounts.models import Session
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
        assert "長時間ご利用のため" in browser.get("/login/").content.decode()


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
