"""お問い合わせ and よくある質問: prefilled, mailed without a chance for a second header, remembered, and found."""

import pytest
import time_machine
from django.core import mail as outbox

from contracts.models import Contract
from portal.models import FaqEntry, Inquiry
from portal.services import handle_inquiry
from portal.tasks import send_due
from tests import make

GIVEN = {"kind": "billing", "subject": "金額について", "body": "教えてください。", "about": ""}


def it_takes_a_number_with_the_long_mark_that_a_japanese_keyboard_makes_of_a_hyphen(cast, sign_in):
    browser = sign_in(cast.hanako)
    browser.post("/inquiry/", GIVEN | {"about": "ｏ202604ー000001"})
    assert Inquiry.objects.get().about == "O202604-000001"


def it_comes_with_the_record_it_is_about(cast, sign_in):
    browser = sign_in(cast.hanako)
    page = browser.get("/contracts/K0000001/").content.decode()
    for kind, subject in (("cancel", "解約の申し込み"), ("change", "変更の申し込み")):
        assert f"/inquiry/?kind={kind}&amp;about=K0000001" in page
        form = browser.get(f"/inquiry/?kind={kind}&about=K0000001").content.decode()
        assert f'<option value="{kind}" selected>' in form
        assert f'value="{subject}: K0000001 サーバ契約"' in form
        assert 'name="about" value="K0000001"' in form
    assert "/account/change/" in browser.get("/account/").content.decode()
    assert 'value="お客様情報の変更の申し込み"' in browser.get("/inquiry/?kind=change").content.decode()
    assert 'value="注文について: O202604-000001"' in browser.get("/inquiry/?about=O202604-000001").content.decode()


@pytest.mark.parametrize(
    ("cancel_on", "state"), [("2026-05-07", "契約終了"), ("2026-05-08", "解約予定"), ("2026-12-31", "解約予定")]
)
def it_offers_no_cancellation_of_a_contract_that_ends_already(cast, sign_in, cancel_on, state):
    Contract.objects.filter(customer=cast.a).update(cancel_on=cancel_on)
    with time_machine.travel("2026-05-08 12:00+09:00", tick=False):
        page = sign_in(cast.hanako).get("/contracts/K0000001/").content.decode()
    assert f">{state}</span>" in page
    assert "kind=cancel" not in page
    assert "/inquiry/?kind=change&amp;about=K0000001" in page


def it_cuts_a_suggested_subject_to_what_the_field_takes(cast, sign_in):
    Contract.objects.filter(customer=cast.a).update(name="長" * 100)
    browser = sign_in(cast.hanako)
    subject = browser.get("/inquiry/?kind=cancel&about=K0000001").context["form"]["subject"].value()
    assert subject.startswith("解約の申し込み: K0000001 長")
    given = GIVEN | {"kind": "cancel", "subject": subject, "about": "K0000001"}
    assert browser.post("/inquiry/", given).status_code == 302


@pytest.mark.parametrize("number", ["K0000002", "O202604-000002", "B202604-000002", "K9999999", "x"])
def it_takes_only_records_of_ones_own_company(cast, sign_in, number):
    make.close_month()
    browser = sign_in(cast.hanako)
    page = browser.post("/inquiry/", GIVEN | {"about": number}).content.decode()
    assert "この番号の契約、注文、請求は見つかりません" in page
    assert 'aria-invalid="true"' in page
    assert "教えてください。" in page
    assert not Inquiry.objects.exists()
    assert number not in browser.get(f"/inquiry/?kind=cancel&about={number}").context["form"]["subject"].value()


@pytest.mark.parametrize(
    "typed", ["K0000001", "ｋ００００００１", " k0000001 ", "O202604-000001", "Ｂ２０２６０４－０００００１"]
)
def it_reads_a_number_in_any_width(cast, sign_in, typed):
    make.close_month()
    browser = sign_in(cast.hanako)
    page = browser.post("/inquiry/", GIVEN | {"about": typed}, follow=True).content.decode()
    assert "受付番号は" in page
    assert Inquiry.objects.get().about in ("K0000001", "O202604-000001", "B202604-000001")


def it_gives_a_receipt_number_on_screen_and_in_both_mails(cast, sign_in):
    browser = sign_in(cast.hanako)
    with time_machine.travel("2026-05-08T10:00+09:00"):
        answer = browser.post("/inquiry/", GIVEN | {"about": "K0000001"})
    assert answer.url == "/inquiry/Q202605-000001/?sent=1"
    page = browser.get(answer.url).content.decode()
    assert "受付番号は Q202605-000001 です" in page
    assert 'href="/contracts/K0000001/"' in page
    while send_due():
        pass
    assert len(outbox.outbox) == 2
    for message in outbox.outbox:
        assert "受付番号: Q202605-000001" in message.body
    assert "Q202605-000001" in browser.get("/account/history/").content.decode()


def it_shows_the_receipt_to_colleagues_and_to_no_other_company(cast, sign_in):
    address = sign_in(cast.hanako).post("/inquiry/", GIVEN).url.partition("?")[0]
    assert "教えてください。" in sign_in(cast.taro).get(address).content.decode()
    assert sign_in(cast.jiro).get(address).status_code == 404


def it_counts_each_month_from_one_and_gives_no_number_twice(cast, sign_in):
    browser = sign_in(cast.hanako)
    given = []
    for moment in ("2026-05-31T23:59+09:00", "2026-06-01T00:00+09:00", "2026-06-01T00:01+09:00"):
        with time_machine.travel(moment):
            browser.force_login(cast.hanako)
            given.append(browser.post("/inquiry/", GIVEN).url[9:23])
    assert given == ["Q202605-000001", "Q202606-000001", "Q202606-000002"]


@pytest.mark.parametrize("line_end", ["\r\n", "\n", "\r", "\u2028", "%0d%0a"])
def it_cannot_be_given_a_second_header(cast, sign_in, line_end):
    subject = f"件名{line_end}Bcc: evil@example.net"
    sign_in(cast.hanako).post("/inquiry/", GIVEN | {"subject": subject})
    while send_due():
        pass
    assert {to for message in outbox.outbox for to in message.recipients()} <= {
        "hanako@example.com", make.make_vendor().desk_email,
    }  # fmt: skip
    for message in outbox.outbox:
        assert "Bcc" not in message.message()
        assert "\n" not in message.subject


def it_lets_the_desk_answer_the_sender(cast, sign_in):
    sign_in(cast.hanako).post("/inquiry/", GIVEN)
    while send_due():
        pass
    desk = next(message for message in outbox.outbox if message.to == [make.make_vendor().desk_email])
    assert desk.reply_to == ["hanako@example.com"]


def it_remembers_what_was_asked_and_whether_it_is_done(cast, sign_in):
    browser = sign_in(cast.hanako)
    browser.post("/inquiry/", GIVEN)
    page = browser.get("/inquiry/").content.decode()
    assert "金額について" in page
    assert '<span class="state warn">受付</span>' in page
    handle_inquiry(Inquiry.objects.get(), state="done", assignee=None, by=cast.staff)
    assert "対応済" in browser.get("/inquiry/").content.decode()
    assert "金額について" not in sign_in(cast.jiro).get("/inquiry/").content.decode()


def it_stops_a_flood_and_keeps_what_was_typed(cast, sign_in):
    browser = sign_in(cast.hanako)
    for _time in range(10):
        assert browser.post("/inquiry/", GIVEN).status_code == 302
    page = browser.post("/inquiry/", GIVEN).content.decode()
    assert "しばらく待ってから送信するか、窓口へお電話ください" in page
    assert "教えてください。" in page
    assert Inquiry.objects.count() == 10


def it_finds_questions_by_words_in_any_width(cast, sign_in):
    browser = sign_in(cast.hanako)
    FaqEntry.objects.create(question="ABCプランとは", answer="特別な契約です。")
    assert "ABCプランとは" in browser.get("/faq/", {"q": "ａｂｃ　特別"}).content.decode()
    assert "パスワードを忘れました" not in browser.get("/faq/", {"q": "ａｂｃ"}).content.decode()
    assert "当てはまる質問はありません" in browser.get("/faq/", {"q": "<script>"}).content.decode()


def it_shows_only_published_questions(cast, sign_in):
    FaqEntry.objects.create(question="下書きの質問", answer="まだです。", published=False)
    assert "下書きの質問" not in sign_in(cast.hanako).get("/faq/", {"q": "下書き"}).content.decode()


def it_keeps_in_a_subject_only_what_is_seen(cast, sign_in):
    given = GIVEN | {"subject": "\ufeff請求\u202eの件\u200b"}
    assert sign_in(cast.hanako).post("/inquiry/", given).status_code == 302
    assert Inquiry.objects.get().subject == "請求の件"
