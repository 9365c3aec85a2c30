"""A form that is sent twice (a double click, Reload, Back) works once, and the second answer is that of the first."""

import re
from datetime import datetime, timedelta

import pytest
from django.core import mail as outbox
from django.utils import timezone
from procrastinate.contrib.django import app

from accounts.models import User
from accounts.tasks import tidy
from billing.credits import give_credit
from billing.models import Credit, Discount, Invoice
from contracts.models import Contract, Service
from portal.models import HistoryEvent, Inquiry, Mail, SentForm
from portal.months import TOKYO
from portal.tasks import send_due
from tests import make
from tests.acting import choose, form_of
from tests.screens.test_contract_questions import filled

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


def of_the_desk(cast, web, path, **changes):
    web.force_login(cast.staff)
    return filled(web, path, **changes) | key_on(web, path)


def it_registers_one_contract_of_a_desk_form_sent_twice(cast, web):
    path = "/admin/contracts/contract/add/"
    service = Service.objects.get(code="cloud")
    given = of_the_desk(cast, web, path, customer=cast.b.pk, service=service.pk, name="二重", start_on="2026/12/01") | {
        "lines-0-item": "基本", "lines-0-unit": "式", "lines-0-unit_price": "7000",
    }  # fmt: skip
    first, second = web.post(path, given), web.post(path, given)
    file = f"/admin/accounts/customer/{cast.b.pk}/change/"
    assert (first.status_code, first.url) == (second.status_code, second.url) == (302, file)
    assert Contract.objects.filter(name="二重").count() == 1
    web.post(path, given | {"name": "三重"})  # Back, and another one typed into the same form
    assert Contract.objects.filter(name="三重").count() == 1


def it_takes_an_adjustment_and_a_discount_once_and_refused_ones_not(cast, web, time_machine):
    time_machine.move_to("2026-05-08T03:00Z")
    make.open_month()
    draft = Invoice.objects.drafts().filter(customer=cast.b).first()
    path = f"/admin/billing/invoice/{draft.pk}/change/?_changelist_filters=" + "q%3D" * 100
    given = of_the_desk(
        cast, web, path, **{"discounts-TOTAL_FORMS": 1, "discounts-0-item": "値引", "discounts-0-amount": "x"}
    )
    assert web.post(path, given).status_code == 200
    given |= {"discounts-0-amount": "100"}
    first, second = web.post(path, given), web.post(path, given)
    assert (first.status_code, second.status_code) == (302, 302)
    assert second.url == "/admin/billing/invoice/"
    assert [each.amount for each in Discount.objects.all()] == [100]


def it_gives_one_credit_of_a_page_sent_twice(cast, web, time_machine):
    time_machine.move_to("2026-05-08T03:00Z")
    make.close_month()
    line = Invoice.objects.get(customer=cast.b).lines.get()
    path = f"/admin/billing/invoice/{line.invoice_id}/credit/{line.pk}/"
    web.force_login(cast.staff)
    given = {"amount": "100", "reason": "障害"} | key_on(web, path)
    given |= {"confirm": "1", "digest": web.post(path, given).context["outcome"].digest}
    first, second = web.post(path, given), web.post(path, given)
    assert first.url == second.url == f"/admin/billing/invoice/{line.invoice_id}/change/"
    assert [credit.amount for credit in Credit.objects.all()] == [100]


def it_returns_once_what_a_page_confirms_twice(cast, web, time_machine):
    time_machine.move_to("2026-05-08T03:00Z")
    make.close_month()
    line = Invoice.objects.get(customer=cast.b).lines.get()
    path = f"/admin/billing/invoice/{line.invoice_id}/correct/"
    web.force_login(cast.staff)
    given = {"cause": "discount", "way": "return", "reason": "値下げ", f"line-{line.pk}-yen": "100"}
    given |= key_on(web, f"{path}?cause=discount")
    shown = web.post(path, given)
    given |= {"confirm": "1", "digest": shown.context["outcome"].digest}
    first, second = web.post(path, given), web.post(path, given)
    made = Invoice.objects.get(kind="return")
    assert first.url == second.url == f"/admin/billing/invoice/{made.pk}/change/"


def it_sends_account_data_to_the_chosen_once(cast, web):
    saburo = make.make_user(cast.a, "saburo@example.com", must_change_password=True)
    path = "/admin/accounts/user/"
    web.force_login(cast.staff)
    given = form_of(choose(web, path, "send_account_data", saburo))
    assert given["form_key"]
    for _time in range(2):
        assert web.post(path, given).url == path
    assert Mail.objects.count() == HistoryEvent.objects.filter(action="account_data_sent").count() == 1


def it_takes_a_credit_and_a_contract_back_once_and_doesnt_say_that_nothing_is_left(cast, web, time_machine):
    time_machine.move_to("2026-05-08T03:00Z")
    make.close_month()
    web.force_login(cast.staff)
    line = Invoice.objects.get(customer=cast.b).lines.get()
    give_credit(line, 100, "障害", by=cast.staff)
    path = "/admin/billing/credit/"
    given = form_of(choose(web, path, "take_back", Credit.objects.get()), reason="誤り")
    assert [web.post(path, given).url for _time in range(2)] == [path] * 2
    page = web.get(path).content.decode()
    assert "100円 を取り消しました" in page
    assert "取り消せる残りがありません" not in page
    contract = make.make_contract(make.make_customer("C0000007"), (100,), start_on=make.MAY)
    path = f"/admin/contracts/contract/{contract.pk}/withdraw/"
    given = key_on(web, path)
    [answer] = {web.post(path, given).url for _time in range(2)}
    assert "この契約はすでに取り消されています" not in web.get(answer).content.decode()
