"""ユーザ: created, edited, handed over and deleted by colleagues, with the guide's guards and a mail to whom it concerns."""

from datetime import timedelta

import pytest
import time_machine
from django.core import mail as outbox
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.models import User
from portal.models import Mail
from tests import make
from tests.acting import choose
from tests.conftest import WebClient
from tests.screens.people import NEWCOMER, edit, fields_of, mails, word_of

# create


def it_creates_a_user_and_mails_the_account_data(cast, sign_in, web):
    browser = sign_in(cast.hanako)
    page = browser.post("/account/users/new/", NEWCOMER, follow=True).content.decode()
    assert "ユーザを作成し、アカウント情報のメールを送りました。" in page
    assert "未ログイン" in page
    assert mails() == {("ichiro@example.com", "アカウント情報のお知らせ")}
    body = outbox.outbox[-1].body
    assert "ユーザ名: ichiro@example.com" in body
    assert "http://127.0.0.1:8000/login/" in body
    other = WebClient()
    given = {"username": "ichiro@example.com", "password": word_of(r"^パスワード: (\S+)$")}
    assert other.post("/login/", given).url == "/"
    assert other.get("/").url == "/password/change/"
    assert (
        "未ログイン"
        not in browser.get(f"/account/users/{User.objects.get(email='ichiro@example.com').pk}/").content.decode()
    )


def it_doesnt_mail_a_password_that_was_typed(cast, sign_in, web):
    sign_in(cast.hanako).post("/account/users/new/", NEWCOMER | {"password": "Tsuki-42", "password_again": "Tsuki-42"})
    assert mails() == {("ichiro@example.com", "アカウント情報のお知らせ")}
    assert "Tsuki-42" not in outbox.outbox[-1].body
    assert "hanako 様にお尋ねください" in outbox.outbox[-1].body
    other = WebClient()
    assert other.post("/login/", {"username": "ichiro@example.com", "password": "Tsuki-42"}).url == "/"
    assert other.get("/").url == "/password/change/"


def it_refuses_an_initial_password_that_expired(cast, sign_in, web):
    sign_in(cast.hanako).post("/account/users/new/", NEWCOMER)
    mails()
    password = word_of(r"^パスワード: (\S+)$")
    with time_machine.travel(timezone.now() + timedelta(days=14, minutes=1)):
        response = WebClient().post("/login/", {"username": "ichiro@example.com", "password": password})
        assert response.status_code == 200


def it_sends_the_account_data_again_with_another_password(cast, sign_in, web):
    browser = sign_in(cast.hanako)
    browser.post("/account/users/new/", NEWCOMER)
    mails()
    first = word_of(r"^パスワード: (\S+)$")
    ichiro = User.objects.get(email="ichiro@example.com")
    browser.post(f"/account/users/{ichiro.pk}/send/")
    assert mails() == {("ichiro@example.com", "アカウント情報のお知らせ")}
    second = word_of(r"^パスワード: (\S+)$")
    assert WebClient().post("/login/", {"username": ichiro.email, "password": first}).status_code == 200
    assert WebClient().post("/login/", {"username": ichiro.email, "password": second}).url == "/"


def it_doesnt_take_a_chosen_password_away_by_sending_again(cast, sign_in):
    page = sign_in(cast.hanako).post(f"/account/users/{cast.taro.pk}/send/", follow=True).content.decode()
    assert "すでに自分のパスワードがあります" in page
    assert mails() == set()


def it_doesnt_take_a_chosen_password_away_by_a_mail_that_is_late(cast, sign_in):
    sign_in(cast.hanako).post("/account/users/new/", NEWCOMER)
    ichiro = User.objects.get(email="ichiro@example.com")
    ichiro.set_password(make.PASSWORD)
    ichiro.must_change_password = False
    ichiro.save()
    assert mails() == set()
    assert Mail.objects.get(kind="account_created").state == Mail.State.FAILED
    ichiro.refresh_from_db()
    assert ichiro.check_password(make.PASSWORD)


def it_makes_the_first_user_of_a_company_manager_and_recipient(cast, client, web):
    company = make.make_customer("C0000009")
    web.force_login(cast.staff)
    given = {
        "customer": company.pk,
        "name": "最初",
        "email": "first@example.net",
        "language": "ja",
        "initial_password": "",
    }
    web.post("/admin/accounts/user/add/", given)
    first = User.objects.get(email="first@example.net")
    assert (first.is_manager, first.is_recipient) == (True, True)
    assert mails() == {("first@example.net", "アカウント情報のお知らせ")}


@pytest.mark.parametrize(
    "address", ["jiro@example.org", "taro@example.com", "TARO@example.com", "ｔａｒｏ@example.com"]
)
def it_says_the_same_of_an_address_that_is_taken_here_or_elsewhere(cast, sign_in, address):
    page = sign_in(cast.hanako).post("/account/users/new/", NEWCOMER | {"email": address}).content.decode()
    assert "このEメールは使用できません" in page
    assert User.objects.count() == 4


def it_looks_at_the_address_last_so_that_another_mistake_tells_nothing(cast, sign_in):
    page = sign_in(cast.hanako).post("/account/users/new/", {"name": "", "email": "jiro@example.org"}).content.decode()
    assert "使用できません" not in page


def it_stops_somebody_who_tries_addresses(cast, sign_in):
    browser = sign_in(cast.hanako)
    for _time in range(20):
        browser.post("/account/users/new/", NEWCOMER | {"email": "jiro@example.org"})
    page = browser.post("/account/users/new/", NEWCOMER | {"email": "jiro@example.org"}).content.decode()
    assert "使用できないEメールが続きました" in page
    assert "使用できないEメールが続きました" in browser.post("/account/users/new/", NEWCOMER).content.decode()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": ""}, "入力してください。"),
        ({"email": "nonsense"}, "Eメールとして読み取れません"),
        ({"email": "a@b.example\r\nBcc: x@y.example"}, "Eメールとして読み取れません"),
        ({"password": "short", "password_again": "short"}, "8文字以上16文字以内"),
        ({"password": "Tsuki-42", "password_again": "Tsuki-43"}, "確認のパスワードが一致しません。"),
        ({"password": "Ichiro#42", "password_again": "Ichiro#42"}, "Eメールや名前の一部"),
    ],
)
def it_says_next_to_the_field_what_is_wrong(cast, sign_in, given, message):
    response = sign_in(cast.hanako).post("/account/users/new/", NEWCOMER | given)
    assert message in response.content.decode()
    assert User.objects.count() == 4


# edit


def it_edits_a_colleague_and_notes_which_fields(cast, sign_in):
    browser = sign_in(cast.hanako)
    assert edit(browser, cast.taro, department="経理部", phone="03-1").status_code == 302
    cast.taro.refresh_from_db()
    assert cast.taro.department == "経理部"
    assert "部署・電話番号" in browser.get("/account/history/").content.decode()
    assert mails() == set()


@pytest.mark.parametrize(
    "change", [{"email": "new@example.com"}, {"password": "Tsuki-42", "password_again": "Tsuki-42"}]
)
def it_asks_for_ones_own_password_before_it_changes_address_or_password(cast, sign_in, change):
    browser = sign_in(cast.hanako)
    assert "あなたのパスワードを入力してください" in edit(browser, cast.taro, **change).content.decode()
    page = edit(browser, cast.taro, **change, own_password="wrong").content.decode()
    assert "パスワードが正しくありません" in page
    cast.taro.refresh_from_db()
    assert cast.taro.email == "taro@example.com"
    assert cast.taro.check_password(make.PASSWORD)
    assert edit(browser, cast.taro, **change, own_password=make.PASSWORD).status_code == 302


def it_throttles_the_question_for_ones_own_password(cast, sign_in):
    browser = sign_in(cast.hanako)
    for _time in range(5):
        edit(browser, cast.taro, email="new@example.com", own_password="wrong")
    assert edit(browser, cast.taro, email="new@example.com", own_password=make.PASSWORD).status_code == 200


def it_tells_both_addresses_when_an_address_changes(cast, sign_in, web):
    taros = WebClient()
    taros.post("/login/", {"username": "taro@example.com", "password": make.PASSWORD})
    edit(sign_in(cast.hanako), cast.taro, email="neu@example.com", own_password=make.PASSWORD)
    subject = "Eメール変更のお知らせ"
    assert mails() == {("taro@example.com", subject), ("neu@example.com", subject)}
    assert taros.get("/").url.startswith("/login/")
    assert WebClient().post("/login/", {"username": "neu@example.com", "password": make.PASSWORD}).url == "/"


def it_sends_new_account_data_when_the_address_of_a_newcomer_was_wrong(cast, sign_in, web):
    browser = sign_in(cast.hanako)
    browser.post("/account/users/new/", NEWCOMER)
    mails()
    astray = word_of(r"^パスワード: (\S+)$")
    ichiro = User.objects.get(email="ichiro@example.com")
    edit(browser, ichiro, email="right@example.com", own_password=make.PASSWORD)
    assert ("right@example.com", "アカウント情報のお知らせ") in mails()
    assert WebClient().post("/login/", {"username": "right@example.com", "password": astray}).status_code == 200


def it_tells_the_owner_when_a_colleague_sets_the_password(cast, sign_in, web):
    taros = WebClient()
    taros.post("/login/", {"username": "taro@example.com", "password": make.PASSWORD})
    given = {"password": "Tsuki-42", "password_again": "Tsuki-42", "own_password": make.PASSWORD}
    edit(sign_in(cast.hanako), cast.taro, **given)
    assert mails() == {("taro@example.com", "パスワード変更のお知らせ")}
    assert "hanako 様があなたのパスワードを変更しました" in outbox.outbox[-1].body
    assert "Tsuki-42" not in outbox.outbox[-1].body
    assert taros.get("/").url.startswith("/login/")
    assert taros.post("/login/", {"username": "taro@example.com", "password": "Tsuki-42"}).url == "/"
    assert taros.get("/").url == "/password/change/"


def it_keeps_ones_own_session_when_one_changes_ones_own_password_there(cast, sign_in):
    browser = sign_in(cast.hanako)
    given = {"password": "Tsuki-42", "password_again": "Tsuki-42", "own_password": make.PASSWORD}
    edit(browser, cast.hanako, **given)
    assert browser.get("/").status_code == 200


def it_keeps_the_first_of_two_changes_made_at_once(cast, sign_in):
    browser = sign_in(cast.hanako)
    stale = fields_of(cast.taro)
    edit(browser, cast.taro, name="先")
    page = browser.post(f"/account/users/{cast.taro.pk}/edit/", stale | {"name": "後"}).content.decode()
    assert "ほかの人が先にこのユーザを変更しました" in page
    cast.taro.refresh_from_db()
    assert cast.taro.name == "先"
    assert 'name="version" value="1"' in page  # a second look, a second save


def it_shows_next_to_each_field_what_a_colleague_stored_meanwhile(cast, sign_in):
    browser = sign_in(cast.hanako)
    stale = fields_of(cast.taro)
    edit(browser, cast.taro, position="部長", language="en", is_manager="on", phone="")
    answer = browser.post(f"/account/users/{cast.taro.pk}/edit/", stale | {"department": "経理部", "language": "ja"})
    told = {name: " ".join(errors) for name, errors in answer.context["form"].errors.items()}
    assert told.pop("__all__").startswith("ほかの人が先に")
    assert told == {
        "department": "いまは空欄です。",
        "position": "いまは「部長」です。",
        "language": "いまは「English」です。",
        "is_manager": "いまはONです。",
    }
    page = answer.content.decode()
    assert 'value="経理部"' in page  # what was typed stays
    assert '<p class="error" id="id_position_error">いまは「部長」です。</p>' in page


# recipient and manager


def it_hands_the_recipient_over_and_tells_both(cast, sign_in):
    browser = sign_in(cast.hanako)
    edit(browser, cast.taro, is_recipient="on")
    assert list(User.objects.filter(customer=cast.a, is_recipient=True)) == [cast.taro]
    subject = "メール送信先変更のお知らせ"
    assert mails() == {("taro@example.com", subject), ("hanako@example.com", subject)}
    assert browser.get("/").status_code == 200


def it_hands_the_recipient_over_to_a_new_user(cast, sign_in):
    sign_in(cast.hanako).post("/account/users/new/", NEWCOMER | {"is_recipient": "on"})
    assert User.objects.get(customer=cast.a, is_recipient=True).email == "ichiro@example.com"


def it_doesnt_let_the_only_recipient_be_switched_off(cast, sign_in):
    page = edit(sign_in(cast.hanako), cast.hanako, is_recipient=None).content.decode()
    assert "新しい送信先のユーザでONにしてください" in page


def it_keeps_at_least_one_manager(cast, sign_in):
    page = edit(sign_in(cast.hanako), cast.hanako, is_manager=None).content.decode()
    assert "先に別のユーザを管理者ユーザにしてください" in page


@pytest.mark.parametrize(
    "sql", ["UPDATE accounts_user SET is_recipient = false", "UPDATE accounts_user SET is_manager = false"]
)
def it_cannot_be_left_without_them_even_by_sql(cast, sql):
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"{sql} WHERE id = {cast.hanako.pk}")
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


# delete


def it_deletes_a_colleague_and_frees_the_address(cast, sign_in):
    browser = sign_in(cast.hanako)
    assert "削除します" in browser.get(f"/account/users/{cast.taro.pk}/delete/").content.decode()
    assert User.objects.get(pk=cast.taro.pk).is_active
    page = browser.post(f"/account/users/{cast.taro.pk}/delete/", follow=True).content.decode()
    assert "taroを削除しました" in page
    assert browser.get(f"/account/users/{cast.taro.pk}/").status_code == 404
    assert WebClient().post("/login/", {"username": "taro@example.com", "password": make.PASSWORD}).status_code == 200
    assert "taro@example.com" in browser.get("/account/history/").content.decode()
    assert browser.post("/account/users/new/", {"name": "太郎", "email": "taro@example.com"}).status_code == 302


def it_refuses_to_delete_and_says_what_to_do_first(cast, sign_in):
    for who, whom, text in [
        (cast.taro, cast.hanako, "先に別のユーザで「メール送信先」をONにしてください"),
        (cast.hanako, cast.hanako, "自分自身は削除できません"),
    ]:
        browser = sign_in(who)
        assert text in browser.get(f"/account/users/{whom.pk}/delete/").content.decode()
        assert text in browser.post(f"/account/users/{whom.pk}/delete/", follow=True).content.decode()
    edit(browser, cast.taro, is_recipient="on")
    page = sign_in(cast.taro).post(f"/account/users/{cast.hanako.pk}/delete/", follow=True).content.decode()
    assert "先に別のユーザを管理者ユーザにしてください" in page
    assert User.objects.filter(customer=cast.a, is_active=True).count() == 2


def it_refuses_to_delete_the_last_user(cast, web):
    web.force_login(cast.staff)
    page = choose(web, "/admin/accounts/user/", "delete_users", cast.jiro).content.decode()
    assert "最後のユーザは削除できません" in page
