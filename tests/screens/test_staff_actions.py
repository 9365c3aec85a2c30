"""What staff do to rows chosen in a list: the page that asks first, and that only what it showed is done."""

import re

import pytest

from accounts.models import User
from billing.admin import credits
from billing.models import Credit, Parked
from billing.month import parking
from portal import acting, mail
from portal.models import HistoryEvent, Mail
from tests import make
from tests.acting import act, choose, form_of

USERS, MAILS, CREDITS, PARKED = (
    "/admin/accounts/user/",
    "/admin/portal/mail/",
    "/admin/billing/credit/",
    "/admin/billing/parked/",
)


def text(page):
    return " ".join(re.sub(r"<[^>]+>", " ", page.content.decode()).split())


def said(page):
    return [str(told) for told in page.context["messages"]]


@pytest.fixture
def desk(cast, web):
    web.force_login(cast.staff)
    return web


@pytest.fixture
def newcomers(cast):
    return [make.make_user(cast.a, f"new{n}@example.com", must_change_password=True) for n in range(3)]


def it_says_how_many_how_much_which_and_what_is_left_out(cast, desk):
    mine = [make.make_credit(cast.a, amount) for amount in (1000, 2500)]
    act(desk, CREDITS, "take_back", mine[0], reason="誤り")
    back = Credit.objects.get(takes_back=mine[0])
    others = [make.make_credit(cast.b, 100 + n) for n in range(25)]
    page = text(choose(desk, CREDITS, "take_back", *mine, back, *others))
    assert "次の 26件 に実行します。 合計 5,300円 です。" in page
    assert "ほか6件" in page
    assert "実行しないもの 2件" in page
    assert "取消の記録は取り消せません。" in page
    assert "取り消せる残りがありません。" in page
    assert Credit.objects.count() == 28


def it_does_what_was_shown_whatever_the_list_holds_by_then(cast, desk, newcomers):
    shown = choose(desk, f"{USERS}?q=new", "send_account_data", *newcomers[:2])
    User.objects.filter(pk=newcomers[0].pk).update(kana="アトカラ")
    later = make.make_user(cast.a, "new9@example.com", must_change_password=True)
    given = form_of(shown) | {"_selected_action": [later.pk, newcomers[2].pk], "select_across": "1"}
    told = said(desk.post(f"{USERS}?q=none", given, follow=True))
    assert set(Mail.objects.values_list("user", flat=True)) == {newcomers[1].pk}
    assert any("確認の後に内容が変わったため" in each for each in told)


def it_goes_on_where_one_is_refused_or_gone(cast, desk, newcomers, monkeypatch):
    shown = choose(desk, USERS, "delete_users", *newcomers)
    newcomers[1].delete()
    told = said(desk.post(USERS, form_of(shown), follow=True))
    assert any("1件は、なくなっています" in each for each in told)
    assert User.objects.filter(pk__in=[each.pk for each in newcomers], is_active=True).count() == 0
    last = said(act(desk, USERS, "delete_users", cast.taro, cast.jiro, follow=True))
    assert any(each.endswith("を削除しました。") for each in last)
    assert User.objects.get(pk=cast.jiro.pk).is_active


def it_names_the_action_that_the_database_holds_against(cast, desk, monkeypatch):
    def take_back(*given, **more):
        User.objects.create(email=cast.taro.email, name="x", customer=cast.a)

    monkeypatch.setattr(credits, "take_back", take_back)
    credit = make.make_credit(cast.a, 1000)
    [told] = said(act(desk, CREDITS, "take_back", credit, reason="誤り", follow=True))
    assert told.endswith("ほかのデータと合わなくなるため、「取り消す」は実行できません。")


def it_does_nothing_at_a_second_click(cast, desk, newcomers):
    given = form_of(choose(desk, USERS, "send_account_data", *newcomers))
    assert desk.post(USERS, given).url == desk.post(USERS, given).url == USERS
    assert Mail.objects.count() == HistoryEvent.objects.filter(action="account_data_sent").count() == 3
    without_key = {name: value for name, value in given.items() if name != "form_key"}
    desk.post(USERS, without_key)
    assert Mail.objects.count() == 3


def it_takes_no_page_that_it_didnt_show_to_this_person_for_this(cast, desk, newcomers):
    given = form_of(choose(desk, USERS, "send_account_data", newcomers[0]))
    for sent in (
        given | {"shown": given["shown"][:-1] + "x"},
        given | {"action": "delete_users"},
        given | {"shown": "", "confirmed": "1"},
    ):
        assert any("確認の画面が古くなっています" in each for each in said(desk.post(USERS, sent, follow=True)))
    desk.force_login(make.make_user(None, "other@example.net", is_staff=True, is_superuser=True))
    desk.post(USERS, given)
    assert not Mail.objects.exists()
    assert User.objects.get(pk=newcomers[0].pk).is_active


def it_leaves_out_what_the_list_hides(cast, desk):
    hidden = Mail.objects.create(
        kind=Mail.Kind.INVOICE_REMINDER, key="r", customer=cast.a, state="sent", due_at="2026-05-08T00:00Z"
    )
    mail.queue(mail.Kind.PASSWORD_CHANGED, key="x", customer=cast.a, user=cast.hanako)
    page = choose(desk, MAILS, "send_again", hidden, Mail.objects.get(key__endswith="x"))
    assert "選んだ行のうち1件は、この一覧にありません。" in text(page)
    desk.post(MAILS, form_of(page))
    hidden.refresh_from_db()
    assert hidden.state == "sent"


def it_bounds_how_many_are_chosen_at_once(cast, desk, newcomers, monkeypatch):
    monkeypatch.setattr(acting, "MOST", 2)
    told = said(
        desk.post(
            USERS,
            {"action": "delete_users", "index": 0, "_selected_action": [each.pk for each in newcomers]},
            follow=True,
        )
    )
    assert told == ["一度に選べるのは2件までです。絞り込んでから選んでください。"]


def it_asks_before_parked_customers_are_closed_again(cast, desk):
    parking.park([cast.b.pk], make.APRIL, "税区分がありません")
    page = choose(desk, PARKED, "try_again", Parked.objects.get())
    assert "次の 1件 に実行します。" in text(page)
    assert "C0000002" in text(page)
