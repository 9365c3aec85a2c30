"""ユーザ as staff see them: the same rules, and a question before anything is done to somebody."""

import pytest

from accounts.models import User
from portal.models import Mail
from tests import make
from tests.acting import act, choose, form_of
from tests.screens.people import mails


def it_lets_staff_send_the_account_data_and_unlock_nobody_else(cast, web):
    saburo = make.make_user(cast.b, "saburo@example.org", must_change_password=True)
    web.force_login(cast.staff)
    asked = choose(web, "/admin/accounts/user/", "send_account_data", saburo, cast.jiro)
    assert "すでに自分のパスワードを使っています" in asked.content.decode()
    page = web.post("/admin/accounts/user/", form_of(asked), follow=True).content.decode()
    assert "にアカウント情報を送りました" in page
    assert mails() == {("saburo@example.org", "アカウント情報のお知らせ")}


@pytest.mark.parametrize("action", ["delete_users", "send_account_data", "remove_second_factor"])
def it_asks_staff_before_it_does_anything_to_a_user(cast, web, action):
    web.force_login(cast.staff)
    before = list(User.objects.order_by("pk").values())
    page = choose(web, "/admin/accounts/user/", action, cast.taro).content.decode()
    assert "taro" in page and "C0000001" in page
    assert "hanako" not in page
    assert list(User.objects.order_by("pk").values()) == before
    assert mails() == set()


def it_does_to_a_user_what_staff_confirmed(cast, web):
    web.force_login(cast.staff)
    page = act(web, "/admin/accounts/user/", "delete_users", cast.taro, follow=True)
    assert "を削除しました" in page.content.decode()
    cast.taro.refresh_from_db()
    assert not cast.taro.is_active


def it_lets_staff_edit_a_user_through_the_same_rules(cast, web):
    web.force_login(cast.staff)
    url = f"/admin/accounts/user/{cast.taro.pk}/change/"
    given = {"name": "太郎", "email": "TARO2@example.com", "language": "en", "is_recipient": "on"}
    assert web.post(url, given).status_code == 302
    cast.taro.refresh_from_db()
    assert (cast.taro.email, cast.taro.is_recipient, cast.taro.language) == ("taro2@example.com", True, "en")
    assert ("taro@example.com", "Eメール変更のお知らせ") in {
        (mail.data.get("to"), "Eメール変更のお知らせ") for mail in Mail.objects.all()
    }


def it_makes_no_user_by_itself(db):
    assert not User.objects.exists()
