"""Counting tries: strangers elsewhere can't use a person's up, and nobody gets more by many addresses or colleagues."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.test import RequestFactory

from accounts import throttle, tokens
from accounts.models import User
from portal.models import Mail
from tests import make

WRONG = "Wrong-2024!"


def attempt(web, place, email="hanako@example.com", password=WRONG):
    given = {"username": email, "password": password}
    return web.post("/login/", given, REMOTE_ADDR=place).status_code == 302


def ask(web, place, email="hanako@example.com"):
    before = Mail.objects.filter(kind="reset_confirm").count()
    web.post("/password/reset/", {"email": email}, REMOTE_ADDR=place)
    return Mail.objects.filter(kind="reset_confirm").count() > before


def it_leaves_a_reset_to_a_person_at_a_new_place_whatever_strangers_did(cast, web):
    for _try in range(6):
        attempt(web, "203.0.113.66")
    assert [ask(web, "203.0.113.66") for _try in range(4)] == [True, True, True, False]
    assert not attempt(web, "198.51.100.7", password=make.PASSWORD)
    assert ask(web, "198.51.100.7")
    web.post(tokens.path(User.objects.get(pk=cast.hanako.pk), "reset"), REMOTE_ADDR="198.51.100.7")
    person = User.objects.get(pk=cast.hanako.pk)
    person.set_password(make.PASSWORD)
    person.save()
    assert attempt(web, "192.0.2.200", password=make.PASSWORD), "the reset ended the pause from any place"


def it_ends_by_a_reset_the_pause_of_a_place_where_the_person_signed_in_before(cast, web):
    assert attempt(web, "192.0.2.1", password=make.PASSWORD)
    web.post("/logout/")
    for _try in range(6):
        attempt(web, "192.0.2.1")
    assert not attempt(web, "192.0.2.1", password=make.PASSWORD)
    web.post(tokens.path(User.objects.get(pk=cast.hanako.pk), "reset"), REMOTE_ADDR="198.51.100.7")
    person = User.objects.get(pk=cast.hanako.pk)
    person.set_password(make.PASSWORD)
    person.save()
    assert attempt(web, "192.0.2.1", password=make.PASSWORD)


def it_sends_no_flood_of_resets_from_many_places(cast, web):
    sent = [ask(web, f"203.0.113.{place}") for place in range(1, 31)]
    assert sum(sent) == 20
    assert attempt(web, "192.0.2.1", password=make.PASSWORD)
    web.post("/logout/")
    assert ask(web, "192.0.2.1"), "where the person signed in before, it stays free"


@pytest.mark.parametrize(("bits", "free"), [(56, 10), (48, 40)])
def it_counts_the_networks_around_an_ipv6_address(bits, free, cast, web, monkeypatch):
    """Tried with a fifth of the tries that an address has."""
    monkeypatch.setattr(throttle, "ADDRESS", replace(throttle.ADDRESS, free=throttle.ADDRESS.free // 5))
    monkeypatch.setattr("accounts.backends.make_password", lambda password: "")
    # Neighbours of one /56 share its last 8 bits; those of one /48 spread over all 16.
    places = [f"2001:db8:1:{number if bits == 56 else number * 256:x}::1" for number in range(free + 5)]
    for number, place in enumerate(places):
        attempt(web, place, email=f"nobody{number}@example.com")
    assert not attempt(web, places[-1], password=make.PASSWORD)
    assert attempt(web, "2001:db8:2::1", password=make.PASSWORD)


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        ("1.2.3.4:5555", "1.2.3.4"),
        ("1.2.3.4", "1.2.3.4"),
        ("[2001:db8::1]:443", "2001:db8::"),
        ("[2001:db8::1]", "2001:db8::"),
        ("2001:db8::1", "2001:db8::"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("unknown", ""),
    ],
)
def it_tells_host_and_port_apart_behind_a_proxy(entry, place, settings):
    settings.TRUSTED_PROXIES = 1
    request = RequestFactory().get("/", headers={"x-forwarded-for": f"9.9.9.9, {entry}"}, REMOTE_ADDR="127.0.0.1")
    assert throttle.address_of(request) == place


def it_counts_a_companys_tries_of_taken_addresses_together(cast, web):
    for number in range(20):
        web.force_login([cast.hanako, cast.taro][number % 2])
        web.post("/account/users/new/", {"name": "新人", "email": "jiro@example.org"})
    page = web.post("/account/users/new/", {"name": "新人", "email": "jiro@example.org"}).content.decode()
    assert "使用できないEメールが続きました" in page
    web.force_login(cast.jiro)
    page = web.post("/account/users/new/", {"name": "新人", "email": "taro@example.com"}).content.decode()
    assert "このEメールは使用できません" in page


@pytest.mark.parametrize("around", ["{} ", "{}\t", "\u3000{}", "{}\u00a0", "\u200b{}\r\n"])
def it_takes_a_mailed_password_with_the_blanks_it_was_copied_with(around, cast, web):
    cast.taro.must_change_password = True
    cast.taro.save()
    made = cast.taro.give_password(lasts=timedelta(hours=1))
    assert attempt(web, "192.0.2.1", "taro@example.com", around.format(made))
    given = {"old_password": around.format(made), "new_password1": "Tsuki-42", "new_password2": "Tsuki-42"}
    assert web.post("/password/change/", given).url == "/"
    web.post("/logout/")
    assert not attempt(web, "192.0.2.1", "taro@example.com", "Tsuki-42 "), "an own password is what was typed"
    assert attempt(web, "192.0.2.1", "taro@example.com", "Tsuki-42")


def it_tells_password_managers_whose_new_password_it_is(cast, sign_in):
    page = sign_in(cast.hanako).get("/password/change/").content.decode()
    assert 'name="username" value="hanako@example.com" autocomplete="username" hidden' in page
    assert page.count('autocomplete="new-password"') == 2
    assert page.count('autocomplete="current-password"') == 1
