"""請求の帳簿: staff search the vendor's documents by date, amount and counterparty, and take them away with a trace."""

import csv
import io
import json
from datetime import date
from zipfile import ZipFile

import pytest
from django.contrib.auth.models import Group
from django.db import connection

from accounts.models import Customer
from billing.books import desk
from billing.corrections.giving_back import give_back
from billing.corrections.reissue import reissue
from billing.documents import archive
from billing.documents.rendering import render_waiting
from billing.models import Download, Invoice, TaxTotal
from portal.db import rls
from portal.db.schema import DESK
from portal.models import Action, HistoryEvent
from tests import make
from tests.replay import remembered

BOOKS, ZIP, CSV = "/admin/books/", "/admin/books/archive/", "/admin/books/csv/"
LATER = date(2026, 5, 20)


@remembered
def corrected_months():
    """April: A is billed with a credit taken off, corrected, and gets 1,000 yen back; B is billed; March of A was moved in."""
    people = make.cast_rows()
    world = make.together(**people)
    make.make_contract(world.a, (500, 1, {"tax_kind": "reduced"}), service="line")
    make.make_credit(world.a, 300)
    make.close_month()
    april = Invoice.objects.get(customer=world.a, month=make.APRIL)
    by = {"reason": "間違い", "by": world.staff, "today": LATER}
    new = reissue(april, **by)
    give_back(new, {new.lines.filter(amount__gt=1000).first().pk: 1000}, **by)
    make.import_invoice(april)
    list(render_waiting())
    make.open_month()
    return people


@pytest.fixture
def cast(db):
    return make.together(**corrected_months())


@pytest.fixture
def browser(cast, sign_in):
    return sign_in(cast.staff)


def numbers(response):
    return [row.number for row in response.context["rows"]]


def body(response):
    return b"".join(response.streaming_content)


def table(response):
    return list(csv.DictReader(io.StringIO(body(response).decode("utf-8-sig"), newline="")))


FOUND = {
    "": ["B202604-000004", "B202604-000003", "X-202603", "B202604-000002", "B202604-000001"],
    "issued_on_min=2026/05/20&issued_on_max=2026/05/20": ["B202604-000004", "B202604-000003"],
    "issued_on_min=2026/04&issued_on_max=2026/04": ["X-202603", "B202604-000002", "B202604-000001"],
    "total_max=-1": ["B202604-000004"],
    "total_min=8554&total_max=8,554": ["B202604-000002"],
    "party=会社C0000002": ["B202604-000002"],
    "party=c0000002": ["B202604-000002"],
    "party=どこにもない": [],
    "issued_on_max=2026/04&total_min=20000&party=C0000001": ["X-202603", "B202604-000001"],
    "issued_on_max=2026/04&total_min=20000&party=C0000002": [],
    "month_min=2026/03&month_max=2026/03": ["X-202603"],
    "kind=return": ["B202604-000004"],
}


def it_finds_documents_by_date_amount_and_counterparty_and_all_together(browser):
    assert {query: numbers(browser.get(f"{BOOKS}?{query}")) for query in FOUND} == FOUND


def it_leaves_out_what_is_not_fixed_and_keeps_what_was_replaced(browser):
    page = browser.get(BOOKS)
    assert "B202605-000001" not in page.content.decode()
    assert "差替済" in page.content.decode()
    assert "5件" in page.content.decode()


def it_tells_what_is_wrong_with_a_condition_beside_it_and_finds_nothing(browser):
    for address in (BOOKS, ZIP, CSV):
        page = browser.get(f"{address}?issued_on_min=2026/13&total_min=x")
        assert page.status_code == 400
        assert page.content.decode().count('class="error"') == 2
        assert numbers(page) == []


def it_leads_from_page_to_page_without_counting(browser, monkeypatch, django_assert_max_num_queries):
    monkeypatch.setattr(desk, "PER_PAGE", 2)
    with django_assert_max_num_queries(15):  # of them the page's own are two, and the frame's three
        page = browser.get(f"{BOOKS}?total_min=1")
    assert numbers(page) == ["B202604-000003", "X-202603"]
    assert page.context["older"] == "?total_min=1&page=2"
    assert numbers(browser.get(f"{BOOKS}?total_min=1&page=2")) == ["B202604-000002", "B202604-000001"]
    for odd in ("0", "-1", "x", "9" * 30, "999"):
        assert browser.get(f"{BOOKS}?page={odd}").status_code == 200


def it_packs_the_documents_of_all_customers_each_named_by_its_customer(cast, browser):
    Customer.objects.filter(pk=cast.b.pk).update(name="改名した会社")
    packed = ZipFile(io.BytesIO(body(browser.get(f"{ZIP}?month_min=2026/04"))))
    assert "20260430_会社C0000002_8554_B202604-000002.pdf" in packed.namelist(), "as the document names it"
    (returned,) = Invoice.objects.filter(kind="return")
    assert f"20260520_会社C0000001_{returned.total}_{returned.number}.pdf" in packed.namelist()
    text = packed.read("索引簿.csv").decode("utf-8-sig")
    rows = {row["書類番号"]: row for row in csv.DictReader(io.StringIO(text, newline=""))}
    assert {row["取引先名"] for row in rows.values()} == {"会社C0000001", "会社C0000002"}
    assert rows[returned.number]["書類区分"] == "返還"
    for row in rows.values():
        assert row["ファイル名"] in packed.namelist()


def it_writes_a_row_for_each_document_and_tax_class(browser):
    rows = table(browser.get(CSV))
    totals = TaxTotal.objects.filter(invoice__in=Invoice.objects.fixed())
    assert len(rows) == totals.count() + 1, "and one of the imported document, which has no tax class here"
    for invoice in Invoice.objects.fixed():
        own = [row for row in rows if row["請求番号"] == invoice.number]
        assert sum(int(row["税込額"]) for row in own) == invoice.total, "to the yen"
        assert sum(int(row["消費税額"]) for row in own) == invoice.tax
        assert {row["書類の合計（税込）"] for row in own} == {str(invoice.total)}
    april = [row for row in rows if row["請求番号"] == "B202604-000001"]
    assert [(row["税区分"], row["税率"]) for row in april] == [("標準税率", "10%"), ("軽減税率", "8%")]
    assert [row["うち調整残高の充当（税抜）"] for row in april] == ["-300", "0"]
    assert {row["請求状態"] for row in april} == {"差替済"}
    assert {row["差替先"] for row in april} == {"B202604-000003"}
    (returned,) = [row for row in rows if row["種類"] == "返還"]
    assert (returned["訂正元"], int(returned["対象額（税抜）"])) == ("B202604-000003", -1000)
    assert returned["取引先名"] == "会社C0000001"
    standing = [row for row in rows if row["請求状態"] == "確定"]
    assert sum(int(row["税込額"]) for row in standing) == sum(each.total for each in Invoice.objects.standing())


def it_is_read_by_old_programs_too(browser):
    answer = browser.get(f"{CSV}?encoding=cp932")
    assert "請求番号" in body(answer).decode("cp932")


def it_keeps_who_took_what_away_and_counts_it_for_no_customer(cast, browser):
    before = Download.objects.count()
    browser.head(f"{ZIP}?party=C0000002")
    assert not HistoryEvent.objects.filter(action=Action.DATA_EXPORTED).exists(), "looking isn't taking"
    body(browser.get(f"{ZIP}?party=C0000002"))
    body(browser.get(f"{CSV}?issued_on_min=2026/05/20&total_max=-1"))
    zipped, listed = HistoryEvent.objects.filter(action=Action.DATA_EXPORTED).order_by("pk")
    assert (zipped.actor, zipped.customer, zipped.data["rows"]) == (cast.staff, None, 1)
    assert zipped.data["filter"] == "取引先（名称・カナ・お客様番号・請求番号） C0000002"
    assert listed.data["rows"] == 1
    assert listed.data["filter"] == "取引年月日（請求日） 2026/05/20～・取引金額（税込） ～-1"
    assert "1行" in listed.detail
    assert Download.objects.count() == before


def it_refuses_more_than_one_zip_may_hold_and_says_what_to_do(browser, monkeypatch):
    monkeypatch.setattr(archive, "MOST_DOCUMENTS", 2)
    page = browser.get(ZIP)
    assert page.status_code == 400
    assert "請求日などで絞り込み" in page.content.decode()


@pytest.mark.parametrize(("role", "sees", "takes"), [("閲覧", 200, 403), ("受付", 200, 403), ("請求", 200, 200)])
def it_lets_who_sees_invoices_search_and_who_bills_take_them_away(role, sees, takes, cast, browser):
    cast.staff.is_superuser = False
    cast.staff.save()
    cast.staff.groups.set([Group.objects.get(name=role)])
    page = browser.get(BOOKS)
    assert page.status_code == sees
    assert (CSV in page.content.decode()) == (takes == 200)
    assert [browser.get(address).status_code for address in (ZIP, CSV)] == [takes, takes]


@pytest.mark.parametrize(
    ("conditions", "index"),
    [
        ("", "books_by_day"),
        ("AND issued_on BETWEEN '2026-04-01' AND '2026-04-30'", "books_by_day"),
        ("AND total = 8554", "books_by_amount"),
    ],
)
def it_is_searched_by_an_index(conditions, index, cast):
    with rls.scope(DESK), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
        order = "ORDER BY issued_on DESC, number DESC" if index == "books_by_day" else ""
        cursor.execute(
            f"EXPLAIN (FORMAT JSON) SELECT * FROM billing_invoice WHERE NOT (state = 'draft') {conditions} {order} LIMIT 51"
        )
        found = cursor.fetchone()[0]
    assert index in (found if isinstance(found, str) else json.dumps(found))
