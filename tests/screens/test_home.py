"""ホーム: how much, by when, and what the company has to do; and 契約一覧 before the first contract begins."""

from datetime import date

import time_machine

from accounts.models import PaymentMethod
from billing.corrections.giving_back import give_back
from contracts.models import Form
from tests import make

NOON = "2026-05-20 12:00+09:00"


def home(browser):
    return browser.get("/").content.decode()


def it_asks_for_the_payment_until_its_due_date(cast, sign_in):
    make.close_month()
    with time_machine.travel(NOON, tick=False):
        text = home(sign_in(cast.hanako))
        assert "2026年4月分 23,620円のお支払い" in text
        assert "支払期日は6月1日（月）です" in text
        assert "お振り込みください" in text
    with time_machine.travel("2026-06-02 12:00+09:00", tick=False):
        assert "のお支払い" not in home(sign_in(cast.hanako))


def it_tells_beside_a_payment_what_was_given_back_of_it(cast, sign_in):
    make.close_month()
    invoice = cast.a.invoices.get(state="fixed")
    with time_machine.travel(NOON, tick=False):
        give_back(invoice, {invoice.lines.first().pk: 1000}, reason="値引き", by=cast.staff, today=make.IN_MAY)
        text = home(sign_in(cast.hanako))
    assert "2026年4月分 23,620円のお支払い" in text
    assert "この請求には1,100円の返還があります。" in text


def it_asks_for_no_payment_that_the_bank_draws(cast, sign_in):
    cast.a.payment_method = PaymentMethod.DEBIT
    cast.a.save()
    make.close_month()
    with time_machine.travel(NOON, tick=False):
        assert "のお支払い" not in home(sign_in(cast.hanako))


def it_names_the_contract_that_ends_without_renewal(cast, sign_in):
    options = {"form": Form.YEARLY, "start_on": date(2025, 6, 1), "auto_renew": False, "today": date(2026, 4, 1)}
    make.make_contract(cast.a, (1200,), service="domain", **options)
    with time_machine.travel(NOON, tick=False):
        text = home(sign_in(cast.hanako))
    assert "5月31日に終了します" in text
    assert "自動では更新されません" in text


def it_names_the_colleague_who_never_signed_in_but_nobody_elses(cast, sign_in):
    cast.hanako.last_login = cast.jiro.last_login = date(2026, 5, 1).strftime("%Y-%m-%dT00:00+09:00")
    cast.hanako.save()
    text = home(sign_in(cast.hanako))
    assert "taroさんがまだログインしていません" in text
    assert "jiro" not in text


def it_names_the_colleague_whom_mails_do_not_reach_but_nobody_elses(cast, sign_in):
    for person in (cast.taro, cast.jiro):
        person.bounced = f"{{'{person.email}': (550, b'no such user')}}"  # as a mail server says it
        person.save()
    text = home(sign_in(cast.hanako))
    assert "taroさんにメールが届いていません" in text
    assert "jiro" not in text and "no such user" not in text


def it_says_that_nothing_has_to_be_done(cast, sign_in):
    cast.taro.delete()
    assert "いま対応が必要なことはありません。" in home(sign_in(cast.hanako))


def it_marks_the_running_month_as_provisional_with_the_day_it_is_fixed(cast, sign_in):
    make.close_month()
    make.open_month()
    with time_machine.travel(NOON, tick=False):
        text = home(sign_in(cast.hanako))
    assert "2026年5月分の見込" in text
    assert "2026/06/05" in text


def it_leads_from_an_empty_contract_list_to_those_that_begin_later(cast, sign_in):
    company = make.make_customer("C0000007")
    person = make.make_user(company, "new@example.org", is_recipient=True, is_manager=True)
    make.make_contract(company, (1000,), start_on=date(2026, 7, 1), today=date(2026, 5, 1))
    with time_machine.travel(NOON, tick=False):
        text = sign_in(person).get("/contracts/?state=active&state=ending").content.decode()
    assert "利用開始前の契約が1件あります" in text
    assert 'href="/contracts/?state=before"' in text
    assert "条件に合うものはありません" not in text
