"""The words and spellings of the forms that concern a user, and the order in which users are listed."""

import re

import pytest
from django.core import mail as outbox

from accounts.models import User
from tests import make
from tests.screens.people import NEWCOMER, edit, mails


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ({"phone": "０３（１２３４）５６７８"}, ("phone", "03-1234-5678")),
        ({"phone": " 03 1234 5678 "}, ("phone", "03-1234-5678")),
        ({"kana": "やまだ　はなこ"}, ("kana", "ヤマダ ハナコ")),
        ({"kana": "ﾔﾏﾀﾞ ﾊﾅｺ"}, ("kana", "ヤマダ ハナコ")),
    ],
)
def it_keeps_phone_and_reading_in_one_form(cast, sign_in, given, stored):
    assert edit(sign_in(cast.hanako), cast.taro, **given).status_code == 302
    cast.taro.refresh_from_db()
    assert getattr(cast.taro, stored[0]) == stored[1]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"phone": "電話なし"}, "03-1234-5678 のように入力してください"),
        ({"kana": "山田"}, "カタカナで入力してください"),
    ],
)
def it_says_how_to_write_a_phone_number_and_a_reading(cast, sign_in, given, words):
    assert words in edit(sign_in(cast.hanako), cast.taro, **given).content.decode()


def it_names_the_present_recipient_beside_the_mark(cast, sign_in):
    browser = sign_in(cast.hanako)
    assert "いまの送信先は hanako です" in browser.get(f"/account/users/{cast.taro.pk}/edit/").content.decode()
    assert "いまの送信先は hanako です" in browser.get("/account/users/new/").content.decode()
    own = browser.get(f"/account/users/{cast.hanako.pk}/edit/").content.decode()
    assert "新しい送信先のユーザでONにしてください" in own
    assert "いまの送信先は" not in own


def it_says_beside_ones_own_password_when_it_is_needed(cast, sign_in):
    page = sign_in(cast.hanako).get(f"/account/users/{cast.taro.pk}/edit/").content.decode()
    assert "Eメールまたはパスワードを変更するときに必要です" in page


def it_speaks_of_an_initial_password_only_to_a_newcomer(cast, sign_in, web):
    sign_in(cast.hanako).post("/account/users/new/", NEWCOMER)
    mails()
    page = sign_in(User.objects.get(email="ichiro@example.com")).get("/password/change/").content.decode()
    assert "初期パスワードのままでは" in page

    given = {"password": "Tsuki-42", "password_again": "Tsuki-42", "own_password": make.PASSWORD}
    edit(sign_in(cast.hanako), cast.taro, **given)
    cast.taro.refresh_from_db()
    page = sign_in(cast.taro).get("/password/change/").content.decode()
    assert "仮パスワードのままでは" in page
    assert "初期パスワード" not in page


def it_speaks_of_a_temporary_password_after_a_reset(cast, sign_in, web):
    web.post("/password/reset/", {"email": "taro@example.com"})
    mails()
    web.post(re.search(r"/password/reset/\S+", outbox.outbox[-1].body).group())
    mails()
    cast.taro.refresh_from_db()
    page = sign_in(cast.taro).get("/password/change/").content.decode()
    assert "仮パスワードのままでは" in page
    assert "初期パスワード" not in page


def it_lists_people_by_their_readings(cast, sign_in):
    """山, 鈴, 高 is the order of the characters' codes, which nobody knows by heart."""
    cast.a.users.filter(pk=cast.hanako.pk).update(name="山田 花子", kana="ヤマダ ハナコ")
    cast.a.users.filter(pk=cast.taro.pk).update(name="鈴木 太郎", kana="スズキ タロウ")
    make.make_user(cast.a, "mail@example.com", name="高橋 さくら", kana="")
    browser = sign_in(cast.hanako)
    for sort, first in (
        ("", ["鈴木 太郎", "山田 花子", "高橋 さくら"]),
        ("-name", ["高橋 さくら", "山田 花子", "鈴木 太郎"]),
    ):
        rows = browser.get("/account/users/", {"sort": sort}).context["rows"]
        assert sorted(first, key=rows.index) == first
