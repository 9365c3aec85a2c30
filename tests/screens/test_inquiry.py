"""お問い合わせ and よくある質問: prefilled, mailed without a chance for a second header, remembered, and found."""

import pytest
from django.core import mail as outbox

from portal.models import FaqEntry, Inquiry
from portal.tasks import send_due
from tests import make

GIVEN = {"kind": "billing", "subject": "金額について", "body": "教えてください。", "about": "B202604-000001"}


def it_comes_with_the_record_it_is_about(cast, sign_in):
    browser = sign_in(cast.hanako)
    page = browser.get("/contracts/K0000001/").content.decode()
    assert "/inquiry/?kind=cancel&amp;about=K0000001" in page
    form = browser.get("/inquiry/?kind=cancel&about=K0000001").content.decode()
    assert '<option value="cancel" selected>' in form
    assert 'value="K0000001"' in form
    assert "/inquiry/?kind=change" in browser.get("/account/").content.decode()


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
    assert "教えてください。" in page
    assert "受付" in page
    Inquiry.objects.update(handled_at="2026-05-08T10:00Z")
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
