"""ユーザ as staff see them: the same rules, and a question before anything is done to somebody."""

import pytest
from django.utils import timezone

from accounts.models import User
from portal.models import HistoryEvent, Mail
from tests import make
from tests.acting import act, choose, form_of
from tests.screens.people import mails


def it_lets_staff_send_the_account_data_and_unlock_nobody_else(cast, web):
    saburo = make.make_user(cast.b, "saburo@example.org", must_change_password=True)
    web.force_login(cast.staff)
    asked = choose(web, "/admin/accounts/user/", "send_account_data", saburo, cast.jiro)
    refused = asked.content.decode()
    assert "すでに自分のパスワードがあります。忘れたときは「パスワードリセットのメールを送る」を選んで" in refused
    page = web.post("/admin/accounts/user/", form_of(asked), follow=True).content.decode()
    assert "にアカウント情報を送りました" in page
    assert mails() == {("saburo@example.org", "アカウント情報のお知らせ")}


def it_lets_staff_send_the_mail_that_begins_a_reset_which_ends_nothing_by_itself(cast, web):
    new = make.make_user(cast.a, "saburo@example.com", must_change_password=True)
    User.objects.filter(pk=cast.hanako.pk).update(last_login=timezone.now())
    web.force_login(cast.staff)
    assert (
        "パスワードリセットのメールを送る" in web.get(f"/admin/accounts/user/{cast.hanako.pk}/change/").content.decode()
    )
    asked = choose(web, "/admin/accounts/user/", "send_reset", cast.hanako, new)
    assert "最初のログインがまだです" in asked.content.decode()
    page = web.post("/admin/accounts/user/", form_of(asked), follow=True).content.decode()
    assert "にパスワードリセットのメールを送りました" in page
    assert mails() == {("hanako@example.com", "パスワードリセット確認のお知らせ")}
    told = HistoryEvent.objects.about(cast.hanako).get()
    assert (told.get_action_display(), told.actor) == ("パスワードリセットの案内", cast.staff)
    assert User.objects.get(pk=cast.hanako.pk).check_password(make.PASSWORD)
    for _again in range(2):
        act(web, "/admin/accounts/user/", "send_reset", cast.hanako)
    assert "1時間ほど待って" in choose(web, "/admin/accounts/user/", "send_reset", cast.hanako).content.decode()


def it_offers_beside_a_user_only_what_would_not_be_refused(cast, web):
    """By whether there is an own password, which somebody may have who never signed in."""
    new = make.make_user(cast.a, "saburo@example.com", must_change_password=True)
    assert cast.hanako.last_login is None
    web.force_login(cast.staff)
    panel = web.get(f"/admin/accounts/customer/{cast.a.pk}/change/").content.decode()
    for person, action, other in (
        (cast.hanako, "send_reset", "send_account_data"),
        (new, "send_account_data", "send_reset"),
    ):
        page = web.get(f"/admin/accounts/user/{person.pk}/change/").content.decode()
        assert f'value="{action}"' in page and f'value="{other}"' not in page
        assert "実行できる行がありません" not in choose(web, "/admin/accounts/user/", action, person).content.decode()
        assert f'value="{action}"> <input type="hidden" name="_selected_action" value="{person.pk}"' in " ".join(
            panel.split()
        )


@pytest.mark.parametrize("action", ["delete_users", "send_account_data", "send_reset", "remove_second_factor"])
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
