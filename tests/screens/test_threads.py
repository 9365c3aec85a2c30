"""An inquiry as a thread: who may write what, whom it reaches, what moves its state, and what no customer ever sees."""

from datetime import timedelta

import pytest
import time_machine
from django.core import mail as outbox
from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal import services
from portal.db import rls
from portal.db.schema import ROLE
from portal.models import HistoryEvent, Inquiry, Mail, Message
from tests import make
from tests.filled import filled
from tests.screens.people import staff
from tests.screens.threads import address, sent

SECRET = "値引きは5%まで"


@pytest.fixture
def inquiry(cast):
    found = make.make_inquiry(cast.hanako, about="K0000001")
    Mail.objects.all().delete()
    return found


@pytest.fixture
def desk(cast, web):
    """The desk's browser, beside the customer's."""
    browser = type(web)()
    browser.force_login(cast.staff)
    return browser


def answer(web, inquiry, body="お調べしました。", **given):
    seen = web.get(address(inquiry)).context["answer_form"]["seen"].value()
    return web.post(address(inquiry, "answer"), {"body": body, "seen": seen} | given, follow=True)


def state(inquiry):
    return Inquiry.objects.get(pk=inquiry.pk).get_state_display()


def it_answers_by_mail_and_on_the_customers_page(cast, desk, sign_in, inquiry):
    page = answer(desk, inquiry, "サーバは3台です。\nhttps://example.com/guide").content.decode()
    assert "返信しました。" in page
    assert state(inquiry) == "お客様の返事待ち"
    assert Inquiry.objects.get().assignee == cast.staff
    [message] = sent()
    assert message.to == ["hanako@example.com"]
    assert message.reply_to == [make.make_vendor().desk_email]
    assert "サーバは3台です。" in message.body
    assert f"/inquiry/{inquiry.number}/" in message.body
    page = sign_in(cast.taro).get(f"/inquiry/{inquiry.number}/").content.decode()
    assert "サーバは3台です。" in page
    assert 'href="https://example.com/guide"' in page
    assert cast.staff.name in page
    assert "送信済" in desk.get(address(inquiry)).content.decode()


def it_tells_the_sender_at_home_of_a_new_answer(cast, desk, sign_in, inquiry):
    told = "お問い合わせ「件名」に返信があります"
    assert told not in sign_in(cast.hanako).get("/").content.decode()
    answer(desk, inquiry)
    page = sign_in(cast.hanako).get("/").content.decode()
    assert told in page
    assert f'href="/inquiry/{inquiry.number}/"' in page
    assert told not in sign_in(cast.taro).get("/").content.decode()
    with time_machine.travel(timezone.now() + timedelta(days=15)):
        assert told not in sign_in(cast.hanako).get("/").content.decode()


def it_closes_with_the_answer_and_opens_again_when_the_customer_writes_on(cast, desk, sign_in, inquiry):
    answer(desk, inquiry, done="1")
    assert state(inquiry) == "完了"
    sent()
    outbox.outbox.clear()
    browser = sign_in(cast.taro)
    page = browser.post(f"/inquiry/{inquiry.number}/", {"body": "まだ直りません。"}, follow=True).content.decode()
    assert "窓口へ送信しました。" in page
    assert "まだ直りません。" in page
    assert state(inquiry) == "返信待ち"
    assert list(Inquiry.objects.waiting()) == [inquiry]
    [message] = sent()
    assert message.to == [make.make_vendor().desk_email]
    assert message.reply_to == ["taro@example.com"]
    assert "まだ直りません。" in message.body
    outbox.outbox.clear()
    answer(desk, inquiry)
    assert {to for message in sent() for to in message.to} == {"hanako@example.com", "taro@example.com"}


def it_shows_a_memo_to_the_desk_and_to_nobody_else(cast, desk, sign_in, inquiry):
    page = desk.post(address(inquiry, "memo"), {"body": SECRET}, follow=True).content.decode()
    assert "社内メモを残しました。" in page
    assert SECRET in page
    assert sent() == []
    assert state(inquiry) == "返信待ち"
    answer(desk, inquiry)
    browser = sign_in(cast.hanako)
    for path in (f"/inquiry/{inquiry.number}/", "/inquiry/", "/", "/account/history/", "/account/history/?csv=utf-8"):
        response = browser.get(path)
        shown = b"".join(response) if response.streaming else response.content
        assert SECRET not in shown.decode(errors="replace"), path
    assert [SECRET in message.body for message in sent()] == [False]


def it_has_no_memos_at_all_for_the_webs_role(cast, inquiry):
    services.note_inquiry(inquiry, SECRET, by=cast.staff)
    services.answer_inquiry(inquiry, "返信", seen=services.newest(inquiry), by=cast.staff)
    with rls.scope(ROLE, cast.a.pk):
        assert [each.kind for each in Message.objects.all()] == ["answer"]
    with rls.scope(ROLE, cast.b.pk):
        assert not Message.objects.exists()


@pytest.mark.parametrize("kind", ["answer", "memo"])
def it_lets_the_webs_role_write_as_the_customer_only(cast, inquiry, kind):
    given = {"customer": cast.a, "inquiry": inquiry, "author": cast.hanako, "author_name": "x", "body": "x"}
    with pytest.raises(DatabaseError), transaction.atomic(), rls.scope(ROLE, cast.a.pk):
        Message.objects.create(kind=kind, **given)
    with pytest.raises(IntegrityError), transaction.atomic():  # the owner neither
        Message.objects.create(kind=kind, **given)
    for state in ("done", "answered", "held"):
        with pytest.raises(DatabaseError), transaction.atomic(), rls.scope(ROLE, cast.a.pk):
            Inquiry.objects.filter(pk=inquiry.pk).update(state=state)


def it_hangs_no_message_on_another_companys_inquiry(cast, inquiry):
    given = {"customer": cast.b, "author": cast.jiro, "author_name": "x", "body": "x", "kind": "customer"}
    with pytest.raises(IntegrityError), transaction.atomic():
        Message.objects.create(inquiry=inquiry, **given)
        connection.check_constraints()


def it_gives_inquiries_to_staff_only(cast, inquiry):
    with pytest.raises(IntegrityError, match="only staff"), transaction.atomic():
        Inquiry.objects.filter(pk=inquiry.pk).update(assignee=cast.hanako)


def it_tells_who_wrote_meanwhile_and_keeps_the_text(cast, desk, inquiry):
    seen = desk.get(address(inquiry)).context["answer_form"]["seen"].value()
    services.note_inquiry(inquiry, "電話で解決しました。", by=cast.staff)
    response = desk.post(address(inquiry, "answer"), {"body": "長い返信の文章", "seen": seen, "form_key": "1" * 32})
    page = response.content.decode()
    assert f"{cast.staff.name}さんが書き込みました。まだ送信していません。" in page
    assert "長い返信の文章</textarea>" in page
    assert "電話で解決しました。" in page
    assert sent() == []
    assert state(inquiry) == "返信待ち"
    form = response.context["answer_form"]
    given = {"body": form["body"].value(), "seen": form["seen"].value(), "form_key": "1" * 32}
    assert desk.post(address(inquiry, "answer"), given).status_code == 302
    assert len(sent()) == 1


def it_sends_one_answer_on_a_double_click(desk, inquiry):
    for _click in range(2):
        given = {"body": "返信", "seen": 0, "form_key": "2" * 32}
        assert desk.post(address(inquiry, "answer"), given).status_code == 302
    assert Message.objects.count() == 1
    assert len(sent()) == 1


@pytest.mark.parametrize("page", ["answer", "memo"])
def it_lets_nobody_write_without_the_right(cast, web, inquiry, page):
    given = {"body": SECRET, "seen": 0}
    for person, answered in ((None, 302), (cast.hanako, 302), (staff("v@example.net", "閲覧"), 403)):
        if person:
            web.force_login(person)
        assert web.post(address(inquiry, page), given).status_code == answered
    assert not Message.objects.exists()
    assert "お客様に返信" not in web.get(address(inquiry)).content.decode()
    web.force_login(staff("r@example.net", "受付"))
    assert web.post(address(inquiry, page), given).status_code == 302
    assert Message.objects.count() == 1


@pytest.mark.parametrize("typed", ["", "あ" * 4001, "\u202e"])
def it_keeps_what_was_typed_when_an_answer_is_refused(desk, inquiry, typed):
    page = answer(desk, inquiry, typed)
    assert page.status_code == 200
    assert page.context["answer_form"].errors["body"]
    assert not Message.objects.exists()


def it_says_so_when_there_is_nobody_to_write_to(cast, desk, inquiry):
    cast.a.users.update(is_active=False, email=None, is_recipient=False, is_manager=False)
    page = answer(desk, inquiry).content.decode()
    assert "メールを送れるユーザがいません。電話などで連絡し" in page
    assert not Message.objects.exists()


def it_moves_state_and_assignee_and_keeps_both_in_the_history(cast, desk, inquiry):
    desk.post(address(inquiry), filled(desk, address(inquiry), state="held", assignee=cast.staff.pk))
    assert state(inquiry) == "保留"
    assert "状態 返信待ち → 保留" in desk.get(address(inquiry)).content.decode()
    assert HistoryEvent.objects.about(inquiry).first().actor == cast.staff


def it_tells_of_a_colleague_who_moved_it_meanwhile(cast, desk, inquiry):
    form = filled(desk, address(inquiry), state="held")
    services.handle_inquiry(inquiry, state="done", assignee=cast.staff, by=cast.staff)
    assert "先に保存した人" in desk.post(address(inquiry), form).content.decode()
    assert state(inquiry) == "完了"


def it_takes_down_what_a_customer_said_by_telephone(cast, desk, sign_in):
    path = f"/admin/portal/inquiry/add/?customer={cast.a.pk}"
    choices = desk.get(path).context["adminform"].form.fields["user"].queryset
    assert {each.email for each in choices} == {"hanako@example.com", "taro@example.com"}
    given = filled(
        desk, path, user=cast.taro.pk, subject="回線が遅い", body="午前から遅い。", about="ｋ0000001", copy="on"
    )
    assert desk.post(path, given).status_code == 302
    stored = Inquiry.objects.get()
    assert (stored.customer, stored.user, stored.via, stored.about) == (cast.a, cast.taro, "phone", "K0000001")
    assert stored.entered_by == stored.assignee == cast.staff
    [copy] = sent()
    assert copy.to == ["taro@example.com"]
    page = sign_in(cast.hanako).get(f"/inquiry/{stored.number}/").content.decode()
    assert "午前から遅い。" in page
    assert "電話" in page


def it_takes_down_what_was_answered_at_once_and_leads_to_the_thread(cast, desk, sign_in):
    path = f"/admin/portal/inquiry/add/?customer={cast.a.pk}"
    said = {"user": cast.taro.pk, "subject": "締め日", "body": "締め日はいつですか。", "answer": "月末です。"}
    page = desk.post(path, filled(desk, path, **said, done="on", copy="on"), follow=True)
    done = Inquiry.objects.get()
    assert page.redirect_chain[-1][0] == address(done)
    assert (done.state, done.assignee, bool(done.handled_at)) == ("done", cast.staff, True)
    assert "月末です。" in page.content.decode()
    [copy] = sent()
    assert copy.to == ["taro@example.com"]
    assert "締め日はいつですか。" in copy.body and "月末です。" in copy.body
    assert "ご連絡いたします" not in copy.body
    page = sign_in(cast.hanako).get(f"/inquiry/{done.number}/").content.decode()
    assert "月末です。" in page
    desk.post(path, filled(desk, path, **said))
    answered = Inquiry.objects.exclude(pk=done.pk).get()
    assert (answered.state, answered.handled_at, len(sent())) == ("answered", None, 1)


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"user": "jiro"}, "user"),
        ({"about": "K0000002"}, "about"),
        ({"copy": "on"}, "user"),
        ({"via": "portal"}, "via"),
    ],
)
def it_refuses_what_doesnt_belong_to_the_customer(cast, desk, typed, field):
    path = f"/admin/portal/inquiry/add/?customer={cast.a.pk}"
    typed = {name: getattr(cast, value).pk if name == "user" else value for name, value in typed.items()}
    page = desk.post(path, filled(desk, path, subject="件名", body="本文") | typed)
    assert field in page.context["adminform"].form.errors
    assert not Inquiry.objects.exists()


def it_refuses_in_the_service_a_person_of_another_company(cast):
    with pytest.raises(ValidationError):
        services.enter_inquiry(Inquiry(customer=cast.a, user=cast.jiro, via="phone"), by=cast.staff)


def it_answers_the_recipient_where_nobody_with_an_account_asked(cast, desk):
    given = {"customer": cast.a, "subject": "件名", "body": "本文", "via": "mail"}
    services.answer_inquiry(services.enter_inquiry(Inquiry(**given), by=cast.staff), "返信", seen=0, by=cast.staff)
    [message] = sent()
    assert message.to == ["hanako@example.com"]


def it_lists_by_state_and_assignee_and_says_how_long_somebody_waits(cast, desk):
    with time_machine.travel("2026-05-08T10:00+09:00", tick=False):
        old, mine, done = (make.make_inquiry(cast.hanako) for _each in range(3))
        services.handle_inquiry(mine, state="waiting", assignee=cast.staff, by=cast.staff)
        services.handle_inquiry(done, state="done", assignee=None, by=cast.staff)
    with time_machine.travel("2026-05-11T11:00+09:00", tick=False):
        desk.force_login(cast.staff)
        here = "/admin/portal/inquiry/"
        page = desk.get(here + "?state__exact=waiting").content.decode()
        assert "3日" in page
        assert (old.number in page, mine.number in page, done.number in page) == (True, True, False)
        page = desk.get(here + "?assignee=me").content.decode()
        assert (old.number in page, mine.number in page, done.number in page) == (False, True, False)
        page = desk.get(here + "?assignee=none").content.decode()
        assert (old.number in page, mine.number in page, done.number in page) == (True, False, True)


def it_asks_at_most_ten_statements_for_a_thread(cast, desk, inquiry):
    for number in range(6):
        make.make_inquiry(cast.hanako)
        services.note_inquiry(inquiry, str(number), by=cast.staff)
        services.answer_inquiry(inquiry, str(number), seen=services.newest(inquiry), by=cast.staff)
    with CaptureQueriesContext(connection) as asked:
        desk.get(address(inquiry))
    frame = ("set_config", "current_setting", "SAVEPOINT", "accounts_session", "portal_vendor")
    read = [each["sql"] for each in asked if not any(word in each["sql"] for word in frame)]
    assert len(read) <= 11, read  # one of them is who signed in


def it_counts_answers_among_what_floods(cast, sign_in, inquiry):
    browser = sign_in(cast.hanako)
    for _time in range(9):
        assert browser.post(f"/inquiry/{inquiry.number}/", {"body": "続き"}).status_code == 302
    page = browser.post(f"/inquiry/{inquiry.number}/", {"body": "もう一つ"}).content.decode()
    assert "しばらく待ってから送信するか" in page
    assert "もう一つ</textarea>" in page
