"""The one search box of staff's pages: whatever number, name or address somebody has in hand leads to its page."""

from datetime import UTC, date, datetime
from itertools import product

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Customer, User
from billing.models import Invoice
from billing.search import KINDS
from contracts.models import Contract
from orders.models import Order
from portal import mail, searching
from portal.models import Inquiry, Mail
from tests import make
from tests.sampling import sampled, share
from tests.seen import statements

LONG = "あ" * 1000
ODD = [
    "",
    " ",
    "%",
    "_",
    "%%%",
    "'",
    '"',
    "\\",
    "';--",
    "あ",
    "a",
    "-",
    "ー",
    "\u200b",
    "\x01",
    "\x1f",
    "😀",
    LONG,
    "a " * 99,
]


@pytest.fixture
def world(cast, sign_in):
    """Two companies with all that a search may lead to; the browser is staff's."""
    a = cast.a
    a.name, a.kana, a.phone, a.postal_code = (
        "株式会社みどり商事",
        "カブシキガイシャミドリショウジ",
        "06-1234-5678",
        "530-0001",
    )
    a.registration_number, a.contact_department, a.contact_name = "T8990000000009", "情報システム部", "見本 一郎"
    a.save()
    cast.hanako.name, cast.hanako.kana, cast.hanako.phone = "山田 花子", "ヤマダ ハナコ", "090-1111-2222"
    cast.hanako.save()
    cast.b.name, cast.b.number = "ＡＢＣサーバー工業", "OLD-77"
    cast.b.save()
    make.close_month()
    invoice = Invoice.objects.get(customer=a)
    make.import_invoice(invoice, date(2026, 3, 1))
    Contract.objects.filter(customer=a).update(purchase_order="PO-2026-15")
    make.make_inquiry(cast.hanako, subject="回線の移設について")
    cast.web = sign_in(cast.staff)
    return cast


def page_of(row):
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def search(world, typed):
    return world.web.get("/admin/search/", {"q": typed})


def hits(answer):
    """{kind: [titles]} as the page shows them."""
    assert answer.status_code == 200
    return {group.label: [hit.line.title for hit in group.hits] for group in answer.context["groups"]}


A = "the company"
HANAKO, B, CONTRACT, ORDER, INVOICE, IMPORTED, INQUIRY = (
    "hanako",
    "b",
    "contract",
    "order",
    "invoice",
    "imported",
    "inquiry",
)
# What is typed, and whose page opens; numbers of the world stand in braces.
OPENS = [
    ("C0000001", A),
    ("ｃ００００００１", A),
    ("c1", A),
    ("old-77", B),
    ("株式会社みどり商事", A),
    ("かぶしきがいしゃ　みどりしょうじ", A),
    ("ｶﾌﾞｼｷｶﾞｲｼｬﾐﾄﾞﾘｼｮｳｼﾞ", A),
    ("abcｻｰﾊﾞｰ工業", B),
    ("T8990000000009", A),
    ("Ｔ８-9900-0000-0009", A),
    ("06-1234-5678", A),
    ("０６（１２３４）５６７８", A),
    ("+81 6 1234 5678", A),
    ("Hanako@Example.com", HANAKO),
    ("山田 花子 <hanako@example.com>", None),
    ("山田花子", HANAKO),
    ("ﾔﾏﾀﾞ　はなこ", HANAKO),
    ("090 1111 2222", HANAKO),
    ("{contract}", CONTRACT),
    ("{order}", ORDER),
    ("{invoice}", INVOICE),
    ("{invoice_closed_up}", INVOICE),
    ("X-202603", IMPORTED),
    ("{inquiry}", INQUIRY),
    ("https://portal.example.net/invoices/{invoice}/pdf/?x=1", INVOICE),
    ("/contracts/{contract}/", CONTRACT),
    ("https://portal.example.net/account/users/{hanako_pk}/", HANAKO),
    ("https://portal.example.net/admin/accounts/customer/{a_pk}/change/", A),
    ("http://portal.example.net/admin/accounts/customer/{a_pk}/history/", A),
]


def rows(world):
    return {
        A: world.a, B: world.b, HANAKO: world.hanako, CONTRACT: Contract.objects.get(customer=world.a),
        ORDER: Order.objects.filter(customer=world.a).first(), INVOICE: Invoice.objects.get(customer=world.a, kind="invoice"),
        IMPORTED: Invoice.objects.get(kind="imported"), INQUIRY: Inquiry.objects.get(),
    }  # fmt: skip


def it_opens_the_page_of_what_is_meant_exactly(world):
    known = rows(world)
    given = {name: known[name].number for name in (CONTRACT, ORDER, INVOICE, INQUIRY)}
    given |= {
        "invoice_closed_up": given[INVOICE].replace("-", "").lower(),
        "a_pk": world.a.pk,
        "hanako_pk": world.hanako.pk,
    }
    came = {}
    for typed, _expected in OPENS:
        answer = search(world, typed.format(**given))
        came[typed] = answer.url if answer.status_code == 302 else None
    assert came == {typed: expected and page_of(known[expected]) for typed, expected in OPENS}


OF_A = {
    "お客様": ["株式会社みどり商事"], "ユーザ": ["taro", "山田 花子"], "契約": ["サーバ契約"], "注文": ["サーバ契約"],
    "請求": ["2026年4月分ご利用料金", "2026年4月分ご利用料金"], "お問い合わせ": ["回線の移設について"],
    "メール": ["請求金額確定", "お問い合わせの控え", "お問い合わせ"],
}  # fmt: skip
OF_B = {
    "お客様": ["ＡＢＣサーバー工業"], "ユーザ": ["jiro"], "契約": ["サーバ契約"], "注文": ["サーバ契約"],
    "請求": ["2026年4月分ご利用料金"], "メール": ["請求金額確定"],
}  # fmt: skip
OF_HANAKO = {
    "お客様": ["株式会社みどり商事"],
    "ユーザ": ["山田 花子"],
    "メール": ["請求金額確定", "お問い合わせの控え", "お問い合わせ"],
}
NAMED_HANAKO = OF_HANAKO | {"メール": ["お問い合わせの控え", "お問い合わせ"]}  # notices go to whoever receives them
# What is typed, and the titles found by kind; what belongs to a customer is found by the customer's own texts too.
FINDS = [
    ("みどり", OF_A),
    ("ﾐﾄﾞﾘ", OF_A),
    ("ミ", OF_A),
    ("緑", {}),
    ("ｻｰﾊﾞｰ", OF_B),
    ("システム部", OF_A),
    ("一郎 見本", OF_A),
    ("530-0001", OF_A),
    ("〒５３００００１", OF_A),
    ("1234-56", OF_A),
    ("hanako@", OF_HANAKO),
    ("みどり 山田", NAMED_HANAKO),
    ("山田 みどり 花", NAMED_HANAKO),
    ("みどり 佐藤", {}),
    ("みどり 移設", {"お問い合わせ": ["回線の移設について"]}),
    ("みどり サーバ契約", {"契約": ["サーバ契約"]}),
    ("ｐo-2026", {"契約": ["サーバ契約"]}),
    ("b202604", {"請求": ["2026年4月分ご利用料金", "2026年4月分ご利用料金"]}),
    ("みどり b202604", {"請求": ["2026年4月分ご利用料金"]}),
]


@pytest.fixture
def mails(world):
    """The notice of each month's invoice, as rendering queues it."""
    for invoice in Invoice.objects.filter(kind="invoice"):
        mail.queue(Mail.Kind.INVOICE_FIXED, key=f"invoice_fixed:{invoice.number}", customer=invoice.customer)
    Mail.objects.filter(kind="invoice_fixed", customer=world.a).update(sent_to="hanako@example.com", state="sent")


def it_dates_what_it_found_by_the_day_here(world):
    with time_machine.travel(datetime(2026, 4, 30, 15, 30, tzinfo=UTC), tick=False):
        make.make_inquiry(world.hanako, subject="月末の件")
    assert "2026/05/01" in search(world, "月末の").content.decode()


def it_finds_by_parts_in_any_width_and_kana_where_every_word_stands(world, mails):
    found = {typed: hits(search(world, typed)) for typed, _expected in FINDS}
    assert found == dict(FINDS)


@sampled(3)
def it_finds_the_same_however_common_the_words_are(step, world, mails):
    """Rare ones are looked up, those that many rows have are met on the way: whatever is known of each, the same rows are found."""
    make.make_customer("N-1", name="みどり商店")
    table = {model: model._meta.db_table for model in [Customer, User, *(kind.model for kind in KINDS)]}
    asked = [
        "みどり 花子",
        "みどり",
        "hanako みどり 山田",
        f"{rows(world)[INVOICE].number} みどり",
        "花子 無",
        "商事 0",
    ]
    for typed in share(asked, step):
        words = searching.words(typed)
        for kind in KINDS:
            known = [{}, {table[Customer]}, {table[kind.model], table[User]}, {*table.values()}]
            ways = [
                [word._replace(common=frozenset(common)) for word, common in zip(words, each, strict=True)]
                for each in product(known, repeat=len(words))
            ]
            for customers in [(), None, [each.pk for each in Customer.objects.named(words)]]:
                found = [set(kind.model.objects.found_by(way, customers).values_list("pk", flat=True)) for way in ways]
                assert all(each == found[0] for each in found), (typed, kind.name, customers)


def it_knows_words_that_many_of_the_newest_rows_have(world, monkeypatch):
    monkeypatch.setattr(searching, "COMMON", 2)
    make.make_customer("N-1", name="みどり商店")
    [green, tool] = searching.weighed(searching.words("みどり 工業"), [Customer, User, Invoice])
    assert green.is_common(Customer) and not green.is_common(User) and not tool.is_common(Customer)


@sampled(4)
def it_leads_to_lists_that_find_the_same(step, world, mails):
    """Each run searches for every fourth word."""
    for typed in share(["invoice_fixed", *dict(FINDS)], step):
        counts = {group.label: group.total for group in search(world, typed).context["groups"]}
        for kind in KINDS:
            rows = world.web.get(reverse(f"admin:{kind.name}_changelist"), {"q": typed}).context["cl"].result_count
            assert rows == counts.get(str(kind.label), 0), (typed, kind.name)


def it_shows_the_first_five_and_how_many_there_are(world):
    for number in range(120):
        make.make_customer(f"N-{number}", name=f"あおい商店{number:03}")
    page = search(world, "あおい").content.decode()
    assert [f"あおい商店{number}" in page for number in ("000", "005")] == [True, False]
    assert "100件以上" in page
    assert "/admin/accounts/customer/?q=%E3%81%82%E3%81%8A%E3%81%84" in page


def it_says_so_where_words_name_too_many_customers(world, monkeypatch):
    monkeypatch.setattr(searching, "MOST_CUSTOMERS", 1)
    monkeypatch.setattr("billing.search.MOST", 1)
    make.make_customer("N-1", name="みどり商店")
    page = search(world, "みどり")
    assert "語を足してください" in page.content.decode()
    assert hits(page) == {"お客様": ["株式会社みどり商事", "みどり商店"]}
    assert "語を足してください" in world.web.get("/admin/billing/invoice/", {"q": "みどり"}).content.decode()


@sampled(4)
def it_answers_whatever_is_typed_with_a_page(step, world):
    """Each run types a quarter into each box, and each into a quarter of them."""
    for place, address in enumerate(["/admin/search/", *(reverse(f"admin:{kind.name}_changelist") for kind in KINDS)]):
        for typed in share(ODD, step, place):
            assert world.web.get(address, {"q": typed}).status_code == 200, (address, typed)


def it_tells_who_types_too_much(world):
    assert "200文字まで" in search(world, LONG).content.decode()
    assert "5つまで" in search(world, "a b c d e f").content.decode()
    assert "見つかりませんでした" in search(world, "%").content.decode()


def it_asks_at_most_ten_statements(world, mails):
    world.web.force_login(staff_who_may("customer", "user", "contract", "order", "invoice", "inquiry", "mail"))
    for typed in ["みどり", "みどり 山田 商事 花子 0", "530-0001"]:
        with CaptureQueriesContext(connection) as asked:
            assert search(world, typed).status_code == 200
        assert len(statements(asked)) <= 10, statements(asked)


def staff_who_may(*seen):
    """Somebody of the staff who may see rows of these models only."""
    person = make.make_user(None, f"{len(seen)}{seen[0]}@example.net", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename__in=[f"view_{model}" for model in seen]))
    return User.objects.get(pk=person.pk)


def it_neither_searches_nor_opens_what_somebody_may_not_see(world, mails):
    known = rows(world)
    world.web.force_login(staff_who_may("invoice"))
    assert hits(search(world, "みどり")) == {}
    assert hits(search(world, "hanako@example.com")) == {}
    assert hits(search(world, "C0000001")) == {}
    assert hits(search(world, f"/admin/accounts/customer/{world.a.pk}/change/")) == {}
    assert search(world, known[INVOICE].number).url == page_of(known[INVOICE])
    assert "お客様、" not in search(world, "").content.decode()
    world.web.force_login(staff_who_may("customer"))
    assert hits(search(world, "hanako@")) == {}
    assert hits(search(world, "みどり")) == {"お客様": ["株式会社みどり商事"]}
    world.web.force_login(staff_who_may("vendor"))
    assert search(world, "みどり").status_code == 403


def it_stands_in_the_head_of_every_page_of_who_may_look(world):
    for address in [
        "/admin/",
        "/admin/billing/invoice/",
        page_of(world.a),
        "/admin/search/?q=x",
        "/admin/import/customers/",
    ]:
        assert 'action="/admin/search/"' in world.web.get(address).content.decode()


def it_keeps_reminders_to_itself(world):
    """Whether one goes says what the company has noted for itself."""
    mail.queue(Mail.Kind.INVOICE_REMINDER, key="invoice_reminder:X-202603", customer=world.a, user=world.hanako)
    assert hits(search(world, "みどり"))["メール"] == ["お問い合わせの控え", "お問い合わせ"]
