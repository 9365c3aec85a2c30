"""Mails: who they come from, what they say, and that every kind has its words."""

from email.header import decode_header, make_header
from email.utils import parseaddr
from pathlib import Path

import pytest
import time_machine
from django.conf import settings
from django.core import mail as outbox

from accounts.models import PaymentMethod
from billing.corrections.giving_back import give_back
from billing.corrections.reissue import reissue
from billing.documents.rendering import render_waiting
from billing.models import Invoice, InvoicePdf
from portal import mail as mails
from portal.models import Mail, Vendor
from portal.tasks import send_due
from tests import make

KINDS = [kind for kind in Mail.Kind if kind != mails.TO_NOBODY]
# What the rows of each kind hold beside the reader.
DATA = {
    Mail.Kind.INVOICE_FIXED: {"number": "B202604-000001"},
    Mail.Kind.INVOICE_CORRECTED: {"number": "B202604-000003"},
    Mail.Kind.INVOICE_RETURNED: {"number": "B202604-000004"},
    Mail.Kind.INVOICE_REMINDER: {"number": "B202604-000001"},
    Mail.Kind.INVOICE_VOID: {"number": "B202604-000001", "rebilled_in": "2026年5月"},
    Mail.Kind.ACCOUNT_TYPED: {"by": "花子"},
    Mail.Kind.PASSWORD_SET: {"by": "花子"},
    Mail.Kind.ADDRESS_CHANGED: {"to": "new@example.com", "former": "old@example.com", "new": "new@example.com", "by": "花子"},
    Mail.Kind.RECIPIENT_CHANGED: {"former": "花子", "new": "太郎", "by": "花子"},
    Mail.Kind.INQUIRY: {"number": "Q202605-000001", "sender": "hanako@example.com", "subject": "件名", "body": "本文", "label": "ご質問"},
    Mail.Kind.INQUIRY_COPY: {"number": "Q202605-000001", "sender": "hanako@example.com", "subject": "件名", "body": "本文", "label": "ご質問"},
    Mail.Kind.INQUIRY_MORE: {"number": "Q202605-000001", "sender": "hanako@example.com", "subject": "件名", "body": "続き"},
    Mail.Kind.INQUIRY_ANSWER: {"number": "Q202605-000001", "author": "高橋", "subject": "件名", "body": "返信です。"},
}  # fmt: skip


def sent():
    while send_due():
        pass
    return outbox.outbox


def notice(customer):
    """The notice of the fixed amount to this company's recipient."""
    list(render_waiting())
    address = customer.users.get(is_recipient=True).email
    return next(each for each in sent() if each.to == [address] and "請求金額確定" in each.subject)


def stored_mail(kind, cast, reader):
    """A mail of that kind that waits, and the documents that it tells of."""
    make.close_month()
    if kind in (Mail.Kind.INVOICE_CORRECTED, Mail.Kind.INVOICE_RETURNED):
        told = {"reason": "間違い", "by": cast.staff, "today": make.IN_MAY}
        give_back(reissue(Invoice.objects.get(customer=cast.a), **told), **told)
    return Mail.objects.create(
        kind=kind,
        key=str(kind),
        customer=cast.a,
        user=reader,
        data=DATA.get(kind, {}),
        due_at="2026-05-08T10:00Z",
    )


@pytest.mark.parametrize("kind", KINDS)
def it_has_words_for_every_kind(kind, cast):
    cast.taro.must_change_password = True  # who has an own password gets no new one
    cast.taro.save()
    stored = stored_mail(kind, cast, cast.taro)
    with time_machine.travel("2026-05-29 09:00+09:00", tick=False):  # three days before what April costs is due
        message = mails.write(stored)
    assert message.subject
    assert "  " not in message.subject
    assert "{" not in message.body
    assert ": \n" not in message.body  # a label whose value is missing
    assert "\n\n\n" not in message.body.strip()  # a paragraph is a blank line away from the next, never two
    if kind not in mails.TO_DESK:
        assert "様\n\n" in message.body
        vendor = Vendor.objects.get()
        assert message.body.rstrip().splitlines()[-2] == f"{vendor.name} {vendor.desk_name}"


def it_has_a_kind_for_every_template():
    files = {path.stem for path in Path(settings.BASE_DIR, "templates", "mail").glob("[!_]*.txt")}
    assert files == {str(kind) for kind in KINDS}


def it_comes_from_the_vendors_desk(cast, sign_in):
    sign_in(cast.hanako).post("/account/users/new/", {"name": "新人", "email": "new@example.com"})
    vendor = Vendor.objects.get()
    message = sent()[-1]
    _name, address = parseaddr(message.from_email)
    assert address == parseaddr(settings.DEFAULT_FROM_EMAIL)[1]
    header = str(message.message()["From"])
    assert str(make_header(decode_header(header))) == f"{vendor.name} {vendor.desk_name} <{address}>"
    assert "\n" not in header


def it_keeps_a_senders_name_that_the_operator_gave(cast, sign_in, settings):
    settings.DEFAULT_FROM_EMAIL = "Portal <portal@vendor.example>"
    sign_in(cast.hanako).post("/account/users/new/", {"name": "新人", "email": "new@example.com"})
    assert sent()[-1].message()["From"] == "Portal <portal@vendor.example>"


def it_says_month_amount_due_date_and_where_to_transfer_it(cast):
    make.close_month()
    message = notice(cast.a)
    assert message.subject == "請求金額確定のお知らせ（2026年4月分・B202604-000001）"
    for words in (
        "2026年4月分の請求金額が確定しました。",
        "請求金額（税込）: 23,620円",
        "支払期日: 2026年6月1日（月）",
        "支払方法: 銀行振込",
        Vendor.objects.get().bank_account,
        "お振込名義の前にお客様番号 C0000001 をお付けください。",
    ):
        assert words in message.body, words
    assert "/invoices/B202604-000001/\n" in message.body


@pytest.mark.parametrize(
    ("method", "words"),
    [
        (PaymentMethod.DEBIT, "2026年6月1日（月）にご指定の口座から振り替えます。お手続きは不要です。"),
        (PaymentMethod.CARD, "2026年6月1日（月）にご登録のクレジットカードへ請求します。お手続きは不要です。"),
    ],
)
def it_asks_for_no_transfer_from_who_pays_otherwise(method, words, cast):
    cast.a.payment_method = method
    cast.a.save()
    make.open_month(make.APRIL)
    make.close_month()
    body = notice(cast.a).body
    assert words in body
    assert Vendor.objects.get().bank_account not in body
    assert "お振込" not in body


def it_attaches_the_document_where_the_vendor_wants_it(cast, monkeypatch):
    """Read from where it is stored as the mail is written: no row of a mail keeps the bytes once more."""
    Vendor.objects.update(attach_pdf=True)
    make.close_month()
    message = notice(cast.a)
    stored = InvoicePdf.objects.get(invoice__customer=cast.a)
    assert message.attachments == [("B202604-000001.pdf", bytes(stored.content), "application/pdf")]
    assert "書類のPDFを添付しました。" in message.body
    kept = Mail.objects.get(key="invoice_fixed:B202604-000001")
    assert kept.data == {"number": "B202604-000001"}
    parts = message.message()
    assert [part.get_content_type() for part in parts.walk()] == ["multipart/mixed", "text/plain", "application/pdf"]
    assert str(make_header(decode_header(parts["Subject"]))) == message.subject
    monkeypatch.setattr(mails, "MOST_ATTACHED", stored.size - 1)
    large = mails.write(kept)
    assert large.attachments == []
    assert "添付しました" not in large.body


def it_tells_staff_which_of_many_mails_it_is(cast, web):
    """Its subject and number; and when it goes next only as long as it waits."""
    make.close_month()
    list(render_waiting())
    web.force_login(cast.staff)
    invoice = Invoice.objects.get(customer=cast.a)
    row = Mail.objects.get(kind=Mail.Kind.INVOICE_FIXED, customer=cast.a)
    path = f"/admin/portal/mail/{row.pk}/change/"
    assert "次回送信" in web.get(path).content.decode()
    sent()
    page = web.get(path).content.decode()
    assert "送信済" in page and "次回送信" not in page
    assert f"請求金額確定のお知らせ（2026年4月分・{invoice.number}）" in page
    listed = web.get("/admin/portal/mail/").content.decode()
    assert f'<td class="field-number">{invoice.number}</td>' in listed and 'placeholder="この一覧から探す"' in listed
    row.refresh_from_db()
    found = web.get("/admin/search/", {"q": row.sent_to[:9]}).content.decode()
    assert f'<span class="found-number">{invoice.number}</span>\n              <a href="{path}">' in found


@pytest.mark.parametrize("kind", KINDS)
def it_shows_staff_a_subject_of_every_kind_without_making_a_secret(kind, cast):
    make.close_month()
    before = cast.taro.password
    row = Mail(kind=kind, customer=cast.a, user=cast.taro, data=DATA.get(kind, {}))
    assert len(mails.subject_of(row)) > 5
    assert mails.subject_of(Mail(kind=kind, user=cast.staff, data=DATA.get(kind, {})))
    cast.taro.refresh_from_db()
    assert cast.taro.password == before


def it_attaches_nothing_unasked(cast):
    make.close_month()
    message = notice(cast.a)
    assert message.attachments == []
    assert "添付" not in message.body


def it_asks_for_nothing_where_nothing_is_to_be_paid(cast):
    free = make.make_customer("C0000005")
    make.make_user(free, "rei@example.net", is_recipient=True, is_manager=True)
    make.make_contract(free, (0,))
    make.close_month()
    body = notice(free).body
    assert "請求金額（税込）: 0円" in body
    assert "お支払いの必要はありません。" in body
    for words in ("支払期日", "支払方法", "振込"):
        assert words not in body, words


def it_doesnt_ask_for_money_that_is_no_longer_owed(cast):
    make.close_month()
    list(render_waiting())
    Invoice.objects.filter(customer=cast.a).update(state="void")
    assert [message.to for message in sent()] == [["jiro@example.org"]]
    assert Mail.objects.get(customer=cast.a).state == Mail.State.FAILED


def it_tells_both_recipients_who_changed_it(cast, sign_in):
    cast.taro.refresh_from_db()
    given = {"name": "taro", "email": "taro@example.com", "is_recipient": "on", "version": cast.taro.version}
    sign_in(cast.hanako).post(f"/account/users/{cast.taro.pk}/edit/", given)
    messages = [each for each in sent() if each.subject == "メール送信先変更のお知らせ"]
    assert len(messages) == 2
    for message in messages:
        assert "hanako 様が、請求金額確定のお知らせなどのメールの送信先を変更しました。" in message.body


def it_writes_only_news_of_a_changed_address_elsewhere_than_to_the_person(cast):
    """A row that somebody slipped in can't have a reset's URL sent to an address of their own."""
    mails.queue(Mail.Kind.RESET_CONFIRM, key="slipped in", customer=cast.a, user=cast.taro, to="evil@example.net")
    assert [message.to for message in sent()] == [["taro@example.com"]]
