"""Two people at once: whatever they do to their company's users, one recipient and a manager remain, and nobody sees a 500."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction

from accounts import credentials, services, throttle, tokens
from accounts.models import User
from billing.month.checked import ask_for_check
from portal.db import rls
from portal.db.schema import ROLE
from portal.models import Inquiry, Mail
from tests import make, processes
from tests.conftest import WebClient

ROUNDS = 200


@pytest.fixture
def cast(transactional_db):
    return make.cast()


class Racers:
    """Threads that keep their connection, and begin each round together."""

    def __init__(self, count):
        self.count, self.barrier, self.pool = count, Barrier(count), ThreadPoolExecutor(count)

    def __enter__(self):
        return self

    def __exit__(self, *fault):
        list(self.pool.map(lambda _number: (self.barrier.wait(), connection.close()), range(self.count)))
        self.pool.shutdown()

    def run(self, *acts):
        """Run all at once; returns what each gave, a ValidationError too."""

        def one(act):
            self.barrier.wait()
            try:
                return act()
            except ValidationError as refused:
                return refused

        return list(self.pool.map(one, acts))


def as_web(customer, act):
    def run():
        with rls.scope(ROLE, customer.pk):
            return act()

    return run


def make_recipient(user, by):
    def act():
        fresh = User.objects.get(pk=user.pk)
        fresh.is_recipient = True
        return services.change_user(fresh, by=by)

    return act


def delete(user, by):
    return lambda: services.delete_user(User.objects.get(pk=user.pk), by=by)


def flags(customer):
    people = User.objects.filter(customer=customer, is_active=True)
    return people.filter(is_recipient=True).count(), people.filter(is_manager=True).count() >= 1


def it_ends_with_one_recipient_when_two_people_switch_it_at_once(cast):
    third = make.make_user(cast.a, "third@example.com")
    with Racers(2) as racers:
        for turn in range(ROUNDS):
            people = [cast.hanako, cast.taro, third]
            one, other = people[turn % 3], people[(turn + 1) % 3]
            results = racers.run(
                as_web(cast.a, make_recipient(one, by=cast.hanako)),
                as_web(cast.a, make_recipient(other, by=cast.taro)),
            )
            assert flags(cast.a) == (1, True)
            assert all(isinstance(result, User | ValidationError) for result in results)


def it_keeps_a_user_when_two_people_delete_each_other(cast):
    with Racers(2) as racers:
        for turn in range(20):
            one = make.make_user(cast.a, f"one{turn}@example.com")
            other = make.make_user(cast.a, f"other{turn}@example.com")
            results = racers.run(as_web(cast.a, delete(one, by=other)), as_web(cast.a, delete(other, by=one)))
            assert not any(
                isinstance(result, Exception) and not isinstance(result, ValidationError) for result in results
            )
            assert flags(cast.a) == (1, True)


def it_keeps_the_recipient_when_the_mark_and_the_deletion_meet(cast):
    with Racers(2) as racers:
        for turn in range(20):
            person = make.make_user(cast.a, f"person{turn}@example.com")
            racers.run(
                as_web(cast.a, make_recipient(person, by=cast.hanako)), as_web(cast.a, delete(person, by=cast.taro))
            )
            assert flags(cast.a) == (1, True)
            make_recipient(cast.hanako, by=cast.hanako)()


def it_creates_one_user_of_five_equal_requests(cast):
    browsers = [WebClient() for _each in range(5)]
    for browser in browsers:
        browser.force_login(cast.hanako)
    given = {"name": "新人", "email": "new@example.com"}
    with Racers(5) as racers:
        answers = racers.run(*[lambda each=each: each.post("/account/users/new/", given) for each in browsers])
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 302]
    assert User.objects.filter(email="new@example.com").count() == 1


def it_answers_alike_when_one_form_comes_five_times_at_once(cast):
    browsers = [WebClient() for _each in range(5)]
    for browser in browsers:
        browser.force_login(cast.hanako)
    inquiry = {"kind": "question", "subject": "件名", "body": "本文"}
    newcomer = {"name": "新人", "email": "new@example.com"}
    with Racers(5) as racers:
        for turn in range(10):
            for path, given in (("/inquiry/", inquiry), ("/account/users/new/", newcomer)):
                given |= {"form_key": f"{turn:032x}" if path == "/inquiry/" else "f" * 32}
                answers = racers.run(*[lambda each=each, p=path, g=given: each.post(p, g) for each in browsers])
                assert {answer.status_code for answer in answers} == {302}
                assert len({answer.url for answer in answers}) == 1
    assert Inquiry.objects.count() == 10
    assert Mail.objects.filter(kind=Mail.Kind.ACCOUNT_CREATED).count() == 1


def it_stores_no_more_inquiries_an_hour_in_a_burst_than_one_after_the_other(cast):
    browsers = [WebClient() for _each in range(14)]
    for browser in browsers:
        browser.force_login(cast.hanako)
    given = {"kind": "question", "subject": "件名", "body": "本文"}
    with Racers(14) as racers:
        answers = racers.run(*[lambda each=each: each.post("/inquiry/", given) for each in browsers])
    assert sorted(answer.status_code for answer in answers) == [200] * 4 + [302] * 10
    assert Inquiry.objects.count() == 10


def it_resets_once_when_two_clicks_meet(cast):
    with Racers(2) as racers:
        for _turn in range(20):
            uid, token = tokens.path(User.objects.get(pk=cast.hanako.pk), "reset").strip("/").split("/")[2:]
            before = Mail.objects.filter(kind="reset_password").count()
            results = racers.run(*[lambda u=uid, t=token: credentials.reset_password(u, t, address="")] * 2)
            assert sorted(result is None for result in results) == [False, True]
            assert Mail.objects.filter(kind="reset_password").count() == before + 1


def it_never_deadlocks_when_a_reset_meets_a_change_of_the_same_person(cast):
    with Racers(2) as racers:
        for turn in range(40):
            uid, token = tokens.path(User.objects.get(pk=cast.taro.pk), "reset").strip("/").split("/")[2:]

            def rename(turn=turn):
                person = User.objects.get(pk=cast.taro.pk)
                person.name = f"太郎{turn}"
                return services.change_user(person, by=cast.hanako)

            racers.run(lambda u=uid, t=token: credentials.reset_password(u, t, address=""), as_web(cast.a, rename))
            assert User.objects.get(pk=cast.taro.pk).name == f"太郎{turn}"


def it_looks_at_no_more_passwords_in_a_burst_than_one_after_the_other(cast):
    key = throttle.key_of("sign-in", "burst")
    with Racers(10) as racers:
        passed = [racers.run(*[lambda: throttle.count((throttle.ACCOUNT, key))] * 10) for _round in range(10)]
    assert sum(map(sum, passed)) == throttle.ACCOUNT.free


def it_has_one_check_of_a_month_made_for_two_who_ask_at_once(cast):
    def ask():
        with transaction.atomic():
            return ask_for_check(make.APRIL, by=cast.staff)

    with Racers(2) as racers:
        for round_ in range(10):
            assert sorted(racers.run(ask, ask)) == [False, True], round_
            processes.empty_queue()
