"""Any order of creating, editing, deleting, resetting, expiring and signing in and out in several browsers keeps the rules.

Whatever happened: exactly one recipient and at least one 管理者ユーザ, nobody with an initial password gets past the change
screen, no wrong password opens anything, and no session that was ended answers.
"""

import re

import pytest
import time_machine
from django.core import mail as outbox
from django.db import connection, transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from accounts import throttle
from accounts.models import Session, User
from accounts.sessions import stored
from portal.tasks import send_due
from tests import make
from tests.conftest import WebClient

BROWSERS = 3
one_browser = st.integers(0, BROWSERS - 1)
one_person = st.integers(0, 7)
NEW = ("Tsuki-42", "Kumo+773", "Hoshi=95")


class Credentials(RuleBasedStateMachine):
    cast = None

    def __init__(self):
        super().__init__()
        self.undo = transaction.atomic()
        self.undo.__enter__()
        self.clock = time_machine.travel("2026-05-08T00:00Z", tick=False)
        self.time = self.clock.start()
        self.browsers = [WebClient() for _each in range(BROWSERS)]
        self.owner = [None] * BROWSERS
        self.passwords = {person.pk: make.PASSWORD for person in (self.cast.hanako, self.cast.taro)}
        self.given_by_others = set()  # who has to change the password first
        self.ended, self.urls, self.made = set(), [], 0
        outbox.outbox.clear()

    def teardown(self):
        self.clock.stop()
        transaction.set_rollback(True)
        self.undo.__exit__(None, None, None)
        forget_tries()

    # What the machine knows

    def people(self):
        return list(User.objects.filter(customer=self.cast.a, is_active=True).order_by("pk"))

    def person(self, number):
        people = self.people()
        return people[number % len(people)]

    def cookie(self, number):
        found = self.browsers[number].cookies.get("sessionid")
        return found.value if found else None

    def end(self, person, but=None):
        """The sessions of this person but that of the browser `but` have to be over."""
        for number, owner in enumerate(self.owner):
            if owner == person.pk and number != but:
                self.ended.add(self.cookie(number))
                self.owner[number] = None

    def fields(self, person, **changes):
        names = ("name", "kana", "email", "department", "position", "phone", "version")
        given = {name: str(getattr(person, name)) for name in names}
        given |= {name: "on" for name in ("is_manager", "is_recipient") if getattr(person, name)}
        return {name: value for name, value in (given | changes).items() if value is not None}

    def edit(self, number, person, **changes):
        """Returns whether the portal took it."""
        path = f"/account/users/{person.pk}/edit/"
        response = self.browsers[number].post(path, self.fields(person, **changes))
        return response.status_code == 302 and response.url == f"/account/users/{person.pk}/"

    def own(self, number):
        return self.passwords.get(self.owner[number]) if self.owner[number] else None

    # What people do

    @initialize()
    def everybody_is_signed_in(self):
        for number in range(BROWSERS):
            self.sign_in(number, number % 2, wrong=False)

    @rule(number=one_browser, who=one_person, wrong=st.sampled_from([False, False, False, True]))
    def sign_in(self, number, who, wrong):
        person = self.person(who)
        password = "Falsch-99" if wrong else self.passwords.get(person.pk, "Falsch-99")
        before = self.cookie(number)
        response = self.browsers[number].post("/login/", {"username": person.email, "password": password})
        if response.status_code == 302 and response.url == "/":
            assert not wrong
            assert password == self.passwords[person.pk]
            if before:
                self.ended.add(before)
            self.owner[number] = person.pk

    @rule(number=one_browser)
    def sign_out(self, number):
        if self.owner[number]:
            self.ended.add(self.cookie(number))
        self.browsers[number].post("/logout/", {})
        self.owner[number] = None

    @rule(number=one_browser, password=st.sampled_from(NEW))
    def change_own_password(self, number, password):
        old = self.own(number)
        if not old:
            return
        key = self.cookie(number)
        given = {"old_password": old, "new_password1": password, "new_password2": password}
        if self.browsers[number].post("/password/change/", given).status_code == 302:
            owner = User.objects.get(pk=self.owner[number])
            if owner.check_password(password) and old != password:
                self.passwords[owner.pk] = password
                self.given_by_others.discard(owner.pk)
                self.ended.add(key)
                self.end(owner, but=number)

    @rule(number=one_browser, recipient=st.booleans(), manager=st.booleans())
    def create(self, number, recipient, manager):
        self.made += 1
        given = {"name": f"新人{self.made}", "email": f"new{self.made}@example.com"}
        given |= {"is_recipient": "on"} if recipient else {}
        given |= {"is_manager": "on"} if manager else {}
        former = next(person for person in self.people() if person.is_recipient)
        self.browsers[number].post("/account/users/new/", given)
        if recipient and User.objects.filter(email=given["email"]).exists():
            self.end(former, but=number)

    @rule(number=one_browser, who=one_person, on=st.booleans())
    def mark_recipient(self, number, who, on):
        person = self.person(who)
        former = next(each for each in self.people() if each.is_recipient)
        if self.edit(number, person, is_recipient="on" if on else None) and on and former != person:
            self.end(former, but=number)
            self.end(person, but=number)

    @rule(number=one_browser, who=one_person, on=st.booleans())
    def mark_manager(self, number, who, on):
        self.edit(number, self.person(who), is_manager="on" if on else None)

    @rule(number=one_browser, who=one_person)
    def change_address(self, number, who):
        person, own = self.person(who), self.own(number)
        self.made += 1
        if self.edit(number, person, email=f"moved{self.made}@example.com", own_password=own or ""):
            self.end(person, but=number)
            if person.last_login is None:
                self.passwords.pop(person.pk, None)

    @rule(number=one_browser, who=one_person, password=st.sampled_from(NEW))
    def set_password(self, number, who, password):
        person, own = self.person(who), self.own(number)
        given = {"password": password, "password_again": password, "own_password": own or ""}
        key = self.cookie(number)
        if self.edit(number, person, **given):
            self.passwords[person.pk] = password
            self.end(person, but=number)
            if self.owner[number] == person.pk:
                self.given_by_others.discard(person.pk)
                self.ended.add(key)
            else:
                self.given_by_others.add(person.pk)

    @rule(number=one_browser, who=one_person)
    def delete(self, number, who):
        person = self.person(who)
        self.browsers[number].post(f"/account/users/{person.pk}/delete/", {})
        if not User.objects.get(pk=person.pk).is_active:
            self.end(person)

    @rule(number=one_browser, who=one_person)
    def send_account_data(self, number, who):
        person = self.person(who)
        response = self.browsers[number].post(f"/account/users/{person.pk}/send/")
        if response.status_code == 302 and not User.objects.get(pk=person.pk).has_usable_password():
            self.passwords.pop(person.pk, None)
            self.end(person)

    @rule(who=one_person)
    def ask_for_reset(self, who):
        WebClient().post("/password/reset/", {"email": self.person(who).email})

    @rule()
    def read_mails(self):
        before = len(outbox.outbox)
        while send_due():
            pass
        for message in outbox.outbox[before:]:
            self.urls += re.findall(r"/password/reset/\S+/\S+", message.body)
            found = re.search(r"^パスワード: (\S{16})$", message.body, re.M)
            person = User.objects.filter(email=message.to[0]).first()
            if found and person:
                self.passwords[person.pk] = found.group(1)
                self.given_by_others.add(person.pk)

    @precondition(lambda self: self.urls)
    @rule(data=st.data())
    def follow_a_reset_url(self, data):
        url = data.draw(st.sampled_from(self.urls))
        people = {person.pk: person.password for person in self.people()}
        WebClient().post(url)
        for person in self.people():
            if people.get(person.pk) not in (None, person.password):
                self.passwords.pop(person.pk, None)
                self.end(person)

    @rule(minutes=st.sampled_from([1, 1, 1, 5, 5, 16, 16, 61, 25 * 60, 15 * 24 * 60]))
    def wait(self, minutes):
        self.time.shift(minutes * 60)

    # What is always so

    @invariant()
    def one_recipient_and_a_manager(self):
        people = User.objects.filter(customer=self.cast.a, is_active=True)
        assert people.filter(is_recipient=True).count() == 1
        assert people.filter(is_manager=True).exists()
        connection.check_constraints()

    @invariant()
    def nobody_gets_past_the_change_screen(self):
        for browser in self.browsers:
            response = browser.get("/account/")
            if response.status_code == 200:
                person = User.objects.get(pk=browser.session["_auth_user_id"])
                assert not person.must_change_password
                assert person.pk not in self.given_by_others

    @invariant()
    def no_ended_session_answers(self):
        assert not Session.objects.filter(session_key__in=map(stored, self.ended)).exists()
        stranger = WebClient()
        for key in list(self.ended)[-2:]:
            stranger.cookies["sessionid"] = key
            assert stranger.get("/account/").status_code == 302


def forget_tries():
    with throttle.apart() as cursor:
        cursor.execute("DELETE FROM accounts_throttle")


def play(cast, examples):
    Credentials.cast = cast
    limits = settings(
        max_examples=examples, stateful_step_count=50, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate],
    )  # fmt: skip
    run_state_machine_as_test(Credentials, settings=limits)


def it_holds_in_any_order(cast):
    play(cast, 3)


@pytest.mark.nightly
def it_holds_over_two_thousand_steps(cast):
    play(cast, 40)
