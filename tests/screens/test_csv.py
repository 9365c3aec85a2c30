"""CSV of lists and lines: what is in the file, how it is spelled, and what happens when it takes too long."""

import csv
import io
from itertools import product

import pytest
from django.db import connection

from billing.models import InvoiceLine
from contracts.models import Contract
from portal.db import rls
from portal.lists import export
from portal.lists.shift_jis import to_shift_jis
from tests import make

LINES = [
    "請求番号", "請求対象年月", "請求状態", "行", "契約番号", "注文番号", "注文区分", "商品コード", "品目", "仕様",
    "利用開始日", "利用終了日", "数量", "単位", "単価", "金額", "税込/税抜", "税区分", "税率", "発注番号",
]  # fmt: skip


@pytest.fixture
def cast(db):
    return make.billed_cast()


@pytest.fixture
def browser(cast, sign_in):
    return sign_in(cast.hanako)


def rows(response, encoding="utf-8-sig"):
    assert response.status_code == 200
    return list(csv.reader(io.StringIO(b"".join(response).decode(encoding))))


def column(response, label):
    head, *body = rows(response)
    return [row[head.index(label)] for row in body]


def many_invoices(customer, count):
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO billing_invoice (customer_id, number, kind, state, month, subject, issued_on, due_on,
                fix_due_on, payment_method, rounding, net, tax, total, template)
            SELECT %s, 'X-' || n, 'imported', 'draft', '2016-05-01', '件名', now(), now(), now(), 'transfer', 'down',
                n, 0, n, 'v1'
            FROM generate_series(1, %s) n
            """,
            [customer.pk, count],
        )
        cursor.execute("ANALYZE billing_invoice")
        cursor.execute(
            """
            INSERT INTO billing_invoiceline (customer_id, invoice_id, position, origin, product_code, item,
                specification, starts_on, ends_on, quantity, unit, unit_price, amount, price_basis, tax_kind, tax_rate,
                is_order_head)
            SELECT customer_id, id, 1, 'adjustment', '', '品目', '', month, month, 1, '', total, total, 'exclusive',
                'standard', 0.1, false
            FROM billing_invoice WHERE number LIKE 'X-%%' AND customer_id = %s
            """,
            [customer.pk],
        )


def it_exports_an_invoices_lines(browser, cast):
    make.use(make.make_meter(cast.a.contracts.get(), 12, free_quantity=0).contract, "60.5", month="2026-05")
    make.open_month()
    head, *body = rows(browser.get("/invoices/B202605-000001/?export=csv"))
    assert head == LINES
    first = [
        "B202605-000001", "2026/05", "未確定", "1", "K0000001", "O202605-000001", "更新", "", "品目1", "",
        "2026/05/01", "2026/05/31", "2", "式", "10000", "20000", "税抜", "標準税率", "10%", "",
    ]  # fmt: skip
    assert body[0] == first
    assert [row[-5:-1] for row in body[1:]] == [["1500", "税抜", "軽減税率", "8%"], ["726", "税抜", "標準税率", "10%"]]
    assert (body[2][5], body[2][6], body[2][12]) == ("", "従量", "60.5")


def it_exports_the_lines_of_all_invoices_that_the_filter_finds(browser):
    assert {row[0] for row in rows(browser.get("/invoices/?export=lines"))[1:]} == {"B202605-000001", "B202604-000001"}
    head, *body = rows(browser.get("/invoices/?state=fixed&sort=total&export=lines"))
    assert head == LINES
    assert [row[:4] for row in body] == [["B202604-000001", "2026/04", "確定", place] for place in "12"]


@pytest.mark.parametrize(
    ("path", "missing", "count"),
    [
        ("/orders/?state=billed", {"請求対象年月", "請求状態", "発注番号"}, 2),
        ("/contracts/?state=active", {"請求番号", "請求対象年月", "請求状態", "注文番号", "注文区分", "利用開始日", "利用終了日", "発注番号"}, 2),
    ],
)  # fmt: skip
def it_leaves_out_of_the_lines_what_a_list_doesnt_have(path, missing, count, browser):
    head, *body = rows(browser.get(f"{path}&export=lines"))
    assert head == [label for label in LINES if label not in missing]
    assert len(body) == count
    assert [row[head.index("品目")] for row in body] == ["品目1", "品目2"]


def it_names_the_invoice_of_each_order_line(browser):
    body = rows(browser.get("/orders/?export=lines"))[1:]
    assert [(row[0], row[3]) for row in body] == [
        ("B202605-000001", "O202605-000001"), ("B202605-000001", "O202605-000001"),
        ("B202604-000001", "O202604-000001"), ("B202604-000001", "O202604-000001"),
    ]  # fmt: skip


@pytest.mark.parametrize("path", ["/contracts/", "/orders/", "/invoices/"])
def it_exports_lines_of_the_own_company_only(path, browser, cast):
    theirs = {"品目1": 7777}
    assert InvoiceLine.objects.filter(customer=cast.b, amount=theirs["品目1"]).exists()
    assert "7777" not in column(browser.get(f"{path}?export=lines"), "金額")


def it_refuses_lines_of_another_companys_invoice(browser, cast):
    browser.force_login(cast.jiro)
    assert browser.get("/invoices/B202604-000001/?export=csv").status_code == 404


def it_says_next_to_the_lines_that_their_filter_is_wrong(browser):
    assert browser.get("/invoices/?month_min=x&export=lines").status_code == 400


@pytest.mark.parametrize(
    ("written", "exported"),
    [
        ("葛\U000e0100城", "葛城"), ("か\u3099", "が"), ("は\u309a", "ぱ"), ("\u00a5100", "￥100"), ("1\u20132", "1－2"),
        ("a\u00a0b", "a b"), ("café", "caf〓"), ("cafe\u0301", "caf〓"), ("𠮷", "〓"), ("神", "神"), ("a\u200bb", "ab"),
        ("m²", "m2"), ("~〜−", "~～－"), ("サーバ①", "サーバ①"), ("か\u309a", "か゜"), ("a\u2028b", "a b"), ("ﬁ½", "fi1/2"),
    ],
)  # fmt: skip
def it_writes_shift_jis_in_the_nearest_spelling(written, exported, browser, cast):
    cast.a.contracts.update(name=written)
    body = b"".join(browser.get("/contracts/?export=csv&encoding=cp932")).decode("cp932")
    assert list(csv.reader(io.StringIO(body)))[1][1] == exported


def it_spells_every_character_that_shift_jis_has_as_it_is():
    for byte in (*range(0x20, 0x7F), *range(0xA1, 0xE0)):
        one = bytes([byte]).decode("cp932")
        assert to_shift_jis(one.encode()) == bytes([byte])
    for high in (*range(0x81, 0xA0), *range(0xE0, 0xFD)):
        for low in range(0x40, 0xFD):
            try:
                one = bytes([high, low]).decode("cp932")
            except UnicodeDecodeError:
                continue
            assert to_shift_jis(one.encode()).decode("cp932") == one


BEFORE = ["", " ", "\u3000", "\u00a0", "\ufeff", "\u200b", "\u00ad", "\u2028", "\x01", "\x1f", "\u2060", "\ufe0f", "\U000e0100", "a\n"]  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "cp932"])
def it_guards_every_cell_that_a_spreadsheet_would_run(encoding, browser, cast):
    """Also what becomes a sign only in Shift_JIS, and what follows characters that can't be seen."""
    signs = "=+-@＝＋－＠\u2212\ufe63\ufe62\ufe66\ufe6b\u2012\u2013\u207a\u207b\u208c"
    contract = cast.a.contracts.get()
    names = {f"K{9000000 + place}": f"{before}{sign}1" for place, (before, sign) in enumerate(product(BEFORE, signs))}
    Contract.objects.bulk_create(
        Contract(customer=cast.a, number=number, name=name, service=contract.service, start_on=contract.start_on)
        for number, name in names.items()
    )
    body = b"".join(browser.get(f"/contracts/?export=csv&encoding={encoding}")).decode(encoding)
    cells = {row[0]: row[1] for row in csv.reader(io.StringIO(body.removeprefix("\ufeff"), newline=""))}
    assert cells.keys() >= names.keys()
    assert {names[number]: cells[number] for number in names if not cells[number].startswith("'")} == {}


@pytest.mark.parametrize("name", ["サーバ", "1-2", "ー", "・", "〓", "(仮)", "K=1", "\u200b保守"])
def it_leaves_other_cells_as_they_are(name, browser, cast):
    cast.a.contracts.update(name=name)
    assert rows(browser.get("/contracts/?export=csv"))[1][1] == name


def it_tells_the_state_last_where_a_provisional_amount_is_in_the_file(browser):
    browser.post("/invoices/", {"columns": ["number", "total"]})
    assert rows(browser.get("/invoices/?export=csv")) == [
        ["請求番号", "請求金額（税込）", "請求状態"],
        ["B202605-000001", "23620", "未確定"],
        ["B202604-000001", "23620", "確定"],
    ]
    assert rows(browser.get("/invoices/?state=fixed&export=csv"))[0] == ["請求番号", "請求金額（税込）"]
    browser.post("/invoices/", {"columns": ["number", "state", "total"]})
    assert rows(browser.get("/invoices/?export=csv"))[0] == ["請求番号", "請求状態", "請求金額（税込）"]


def it_leaves_out_a_provisional_invoice_that_comes_once_the_file_has_no_state(browser, cast):
    browser.post("/invoices/", {"columns": ["number", "total"]})
    came = []

    def one_comes(execute, sql, params, many, context):
        answer = execute(sql, params, many, context)
        if not came and "draft" in (params or ()) and " LIMIT 1" in sql:
            came.append(sql)
            with rls.scope(rls.DESK):
                many_invoices(cast.a, 1)
        return answer

    query = "/invoices/?month_max=2026/04&export=csv"
    with connection.execute_wrapper(one_comes):
        assert rows(browser.get(query)) == [["請求番号", "請求金額（税込）"], ["B202604-000001", "23620"]]
    assert came
    assert rows(browser.get(query))[-1] == ["X-1", "1", "未確定"]


def it_gives_an_export_more_time_than_a_page(browser, cast):
    many_invoices(cast.a, 30000)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '50ms'")
        assert len(rows(browser.get("/invoices/?export=csv"))) == 30003
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("50ms",)
        cursor.execute("SET LOCAL statement_timeout = 0")


@pytest.mark.parametrize("kind", ["csv", "lines"])
def it_says_how_to_narrow_an_export_that_takes_too_long(kind, browser, cast, monkeypatch):
    many_invoices(cast.a, 50000)
    monkeypatch.setattr(export, "LIMIT", 0.01)
    response = browser.get(f"/invoices/?state=draft&state=fixed&export={kind}")
    page = response.content.decode()
    assert response.status_code == 400
    assert "件数が多いため、CSVを出力できませんでした" in page
    assert "/invoices/?state=draft&amp;state=fixed&amp;panel=filter" in page
    assert browser.get("/invoices/?state=fixed").status_code == 200


def it_says_in_the_menu_what_becomes_of_signs_and_zeros(browser):
    page = browser.get("/invoices/").content.decode()
    assert "先頭に &#x27; を付けます" in page or "先頭に ' を付けます" in page
    assert "先頭の0は" in page
    for query in ("export=csv", "export=csv&amp;encoding=cp932", "export=lines", "export=lines&amp;encoding=cp932"):
        assert f'href="/invoices/?{query}"' in page
    assert 'href="?export=csv"' in browser.get("/invoices/B202604-000001/").content.decode()


def it_doesnt_offer_lines_where_there_are_none(browser):
    assert "export=lines" not in browser.get("/account/users/").content.decode()
    assert browser.get("/account/users/?export=lines").status_code == 200
