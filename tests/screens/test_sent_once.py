"""A form that is sent twice (a double click, Reload, Back) works once, and the second answer is that of the first."""

import re
from datetime import datetime, timedelta

import pytest
from django.core import mail as outbox
from django.utils import timezone
from procrastinate.contrib.django import app

from accounts.models import User
from accounts.tasks import tidy
from portal.models import HistoryEvent, Inquiry, Mail, SentForm
from portal.months import TOKYO
from portal.tasks import send_due
from tests import make

INQUIRY = {"kind": "question", "subject": "件名", "body": "本文"}
NEWCOMER = {"name": "新人 一郎", "email": "ichiro@example.com"}


def key_on(browser, path):
    page = browser.get(path).content.decode()
    return {"form_key": re.search(r'name="form_key" value="([0-9a-f]{32})"', page).group(1)}


def it_stores_one_inquiry_and_sends_its_two_mails(cast, sign_in):
    browser = sign_in(cast.hanako)
    given = INQUIRY | key_on(browser, "/inquiry/")
    first, second = browser.post("/inquiry/", given), browser.post("/inquiry/", given)
    assert first.url == second.url == f"/inquiry/{Inquiry.objects.get().number}/?sent=1"
    while send_due():
        pass
    assert len(outbox.outbox) == 2


def it_creates_one_user_and_doesnt_complain_of_the_address(cast, sign_in):
    browser = sign_in(cast.hanako)
    given = NEWCOMER | key_on(browser, "/account/users/new/")
    first = browser.post("/account/users/new/", given)
    second = browser.post("/account/users/new/", given)
    assert first.url == second.url == f"/account/users/{User.objects.get(email='ichiro@example.com').pk}/"
    page = browser.get(second.url).content.decode()
    assert page.count("ユーザを作成し、アカウント情報のメールを送りました") == 1
    assert Mail.objects.count() == 1


def it_saves_a_user_once_and_doesnt_speak_of_somebody_faster(cast, sign_in):
    browser, path = sign_in(cast.hanako), f"/account/users/{cast.taro.pk}/edit/"
    given = {"name": "太郎", "email": "taro@example.com", "version": cast.taro.version} | key_on(browser, path)
    assert browser.post(path, given).url == browser.post(path, given).url == f"/account/users/{cast.taro.pk}/"
    assert HistoryEvent.objects.filter(action="user_changed").count() == 1


def it_deletes_a_user_once_and_doesnt_answer_that_there_is_none(cast, sign_in):
    browser, path = sign_in(cast.hanako), f"/account/users/{cast.taro.pk}/delete/"
    given = key_on(browser, path)
    assert browser.post(path, given).url == browser.post(path, given).url == "/account/users/"


def it_sends_account_data_once(cast, sign_in):
    saburo = make.make_user(cast.a, "saburo@example.com", must_change_password=True)
    browser = sign_in(cast.hanako)
    given = key_on(browser, f"/account/users/{saburo.pk}/")
    for _time in range(2):
        assert browser.post(f"/account/users/{saburo.pk}/send/", given).url == f"/account/users/{saburo.pk}/"
    assert Mail.objects.count() == 1


def it_takes_a_form_that_was_refused_again_under_its_key(cast, sign_in):
    browser = sign_in(cast.hanako)
    key = key_on(browser, "/inquiry/")
    page = browser.post("/inquiry/", INQUIRY | {"subject": ""} | key).content.decode()
    assert key["form_key"] in page
    assert browser.post("/inquiry/", INQUIRY | key).status_code == 302
    assert Inquiry.objects.count() == 1


def it_takes_another_form_with_the_same_words(cast, sign_in):
    browser = sign_in(cast.hanako)
    for _time in range(2):
        browser.post("/inquiry/", INQUIRY | key_on(browser, "/inquiry/"))
    assert Inquiry.objects.count() == 2


def it_doesnt_tell_one_person_what_another_sent(cast, sign_in):
    given = INQUIRY | key_on(sign_in(cast.hanako), "/inquiry/")
    hanakos = sign_in(cast.hanako).post("/inquiry/", given).url
    for other in (cast.taro, cast.jiro):
        assert sign_in(other).post("/inquiry/", given).url != hanakos
    assert Inquiry.objects.count() == 3


@pytest.mark.parametrize("key", ["x", "\u2028", "a" * 33, "' OR 1=1"])
def it_takes_an_odd_key_for_none(cast, sign_in, key):
    assert sign_in(cast.hanako).post("/inquiry/", INQUIRY | {"form_key": key}).status_code == 302
    assert not SentForm.objects.exists()


def it_forgets_keys_after_a_day(cast, sign_in):
    browser = sign_in(cast.hanako)
    for _time in range(2):
        browser.post("/inquiry/", INQUIRY | key_on(browser, "/inquiry/"))
    SentForm.objects.filter(pk=SentForm.objects.first().pk).update(sent_at=timezone.now() - timedelta(days=2))
    tidy.func()
    assert SentForm.objects.count() == 1


def it_tidies_at_night_in_japan():
    [cron] = [each.croniter for each in app.periodic_registry.periodic_tasks.values() if each.task is tidy]
    assert datetime.fromtimestamp(cron.get_next(float, start_time=0), TOKYO).hour < 6
