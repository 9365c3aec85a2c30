"""A web worker killed with SIGKILL in the middle of a request: all of it is there or nothing, and trying again works (F34)."""

import signal
from types import SimpleNamespace

import pytest

from accounts import tokens
from accounts.models import Session, User
from accounts.sessions import stored
from bench.faults import killer, watch
from portal.models import HistoryEvent, Mail
from tests import make, processes
from tests.conftest import WebClient

NEW = "Atarashii-2026!"


def someone(number):
    """Each kill meets a person, a browser and an address of its own."""
    customer = make.make_customer(f"C1{number:06}")
    person = make.make_user(customer, f"person{number}@example.com", is_recipient=True, is_manager=True)
    browser = WebClient(REMOTE_ADDR=f"10.0.{number // 250}.{number % 250 + 1}", raise_request_exception=False)
    return SimpleNamespace(number=number, person=person, browser=browser)


def noted(one, action):
    return HistoryEvent.objects.filter(customer=one.person.customer, action=action).exists()


def mailed(one, kind):
    return Mail.objects.filter(customer=one.person.customer, kind=kind).exists()


def create(one):
    fields = {"name": "一郎", "email": f"new{one.number}@example.com", "language": "ja"}
    return one.browser.post("/account/users/new/", fields)


def created(one):
    user = User.objects.filter(email=f"new{one.number}@example.com")
    return {user.exists(), noted(one, "user_created"), mailed(one, "account_created")}


def reset(one):
    return one.browser.post(one.path)


def was_reset(one):
    kept = User.objects.get(pk=one.person.pk).check_password(make.PASSWORD)
    session = Session.objects.filter(user=one.person).exists()
    return {not kept, not session, noted(one, "password_reset"), mailed(one, "reset_password")}


def change(one):
    given = {"old_password": make.PASSWORD, "new_password1": NEW, "new_password2": NEW}
    return one.browser.post("/password/change/", given)


def changed(one):
    new = User.objects.get(pk=one.person.pk).check_password(NEW)
    left = Session.objects.filter(pk=one.session).exists()
    return {new, not left, noted(one, "password_changed")}


REQUESTS = {
    "create": (create, created, (302, 200)),
    "reset": (reset, was_reset, (200, 400)),
    "change": (change, changed, (302, 302)),
}


@pytest.fixture
def play(transactional_db, tmp_path):
    """Sends one request from a forked process, killed at the moment given. Returns (who asked, exit code, moments)."""
    make.cast()

    def run(act, number, at):
        one = someone(number)
        one.browser.force_login(one.person)
        one.path = tokens.path(User.objects.get(pk=one.person.pk), "reset")
        one.session = stored(one.browser.session.session_key)
        seen = tmp_path / f"{number}"

        def send():
            killer.seen, killer.at = 0, at
            watch()
            act(one)
            seen.write_text(str(killer.seen))

        code = processes.in_child(send)
        return one, code, int(seen.read_text()) if seen.exists() else 0

    return run


def survive(play, name, step):
    act, facts, (first_time, done_already) = REQUESTS[name]
    one, code, moments = play(act, 0, None)
    assert (code, facts(one)) == (0, {True})
    kept = []
    # Every step-th moment, and all of those around the commit.
    for number, at in enumerate(sorted({*range(1, moments + 1, step), *range(moments - 7, moments + 1)}), 1):
        one, code, _moments = play(act, number, at)
        assert code == -signal.SIGKILL, f"not killed at {at}"
        found = facts(one)
        assert len(found) == 1, f"half of it, killed at {at} of {moments}"
        kept.append(found == {True})
        response = act(one)
        assert response.status_code == (done_already if found == {True} else first_time), f"killed at {at}"
        assert facts(one) == {True}
    assert kept == sorted(kept)
    assert set(kept) == {False, True}


@pytest.mark.parametrize("name", REQUESTS)
def it_does_all_or_nothing_of_a_request(play, name):
    survive(play, name, step=10)


@pytest.mark.nightly
@pytest.mark.parametrize("name", REQUESTS)
def it_does_all_or_nothing_whenever_it_is_killed(play, name):
    survive(play, name, step=1)
