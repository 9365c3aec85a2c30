"""The four list screens: filters, sort, paging, columns, CSV."""

import csv
import io
import re
from datetime import date

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.models import Download, Invoice
from portal.models import ColumnChoice
from tests import make

LISTS = ["/contracts/", "/orders/", "/invoices/", "/account/users/"]


@pytest.fixture
def cast(db):
    return make.billed_cast()


@pytest.fixture
def browser(cast, sign_in):
    return sign_in(cast.hanako)


def text(response):
    return response.content.decode()


def rows(response):
    body = b"".join(response) if response.streaming else response.content
    return list(csv.reader(io.StringIO(body.decode("utf-8-sig"))))


def numbers(response):
    """The linked text of each row's first cell."""
    return re.findall(r"<tr[^>]*><td[^>]*><a[^>]*>([^<]*)</a>", response.context["rows"])


@pytest.mark.parametrize("path", LISTS)
def it_asks_the_same_number_of_queries_for_any_number_of_rows(path, browser, cast, django_assert_max_num_queries):
    with CaptureQueriesContext(connection) as before:
        browser.get(path)
    for place in range(5):
        make.make_user(cast.a, f"user{place}@example.com")
        make.make_contract(cast.a, (100,), today=make.IN_MAY, charge_past=True)
    with CaptureQueriesContext(connection) as after:
        browser.get(path)
    assert len(after) == len(before)


@pytest.mark.parametrize("path", LISTS)
def it_never_fails_on_odd_input(path, browser):
    for query in [
        "sort=nonsense", "sort=--number", "sort=-", "page=abc", "page=99999", "page=-1", "per_page=7", "per_page=x",
        "number=%F0%A0%AE%B7", "name=%27%22%3C", "state=none", "start_on_min=2026-13-45", "total_min=99999999999999999999",
        "month_min=x", "columns=1", "export=xml", "service=%27",
    ]:  # fmt: skip
        assert browser.get(f"{path}?{query}").status_code == 200, query


def it_refuses_nul_bytes(browser):
    assert browser.get("/invoices/?number=%00").status_code == 400


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("month_min=2026/99", "「2026/99」は暦にありません"),
        ("issued_on_min=2026/05/01&issued_on_max=2026/04/01", "範囲の始まりが終わりより後"),
        ("total_min=abc", "「abc」は金額として読み取れません"),
        ("state=nonsense", "選べない値です"),
    ],
)
def it_tells_the_error_next_to_the_field_and_shows_no_rows(query, words, browser):
    page = browser.get(f"/invoices/?{query}")
    assert words in page.content.decode()
    assert page.context["rows"] == ""
    assert browser.get(f"/invoices/?{query}&export=csv").status_code == 400


@pytest.mark.parametrize("written", ["2026/04", "2026-4", "202604", "2026年4月", "２０２６／０４"])
def it_understands_months_however_they_are_typed(written, browser):
    assert numbers(browser.get("/invoices/", {"month_min": written, "month_max": written})) == ["B202604-000001"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["B202605-000001", "B202604-000001"]),
        ("state=draft", ["B202605-000001"]),
        ("state=draft&state=fixed", ["B202605-000001", "B202604-000001"]),
        ("sort=month", ["B202604-000001", "B202605-000001"]),
        ("number=202604", ["B202604-000001"]),
        ("due_on_max=2026/06/01", ["B202604-000001"]),
        ("total_min=23,620&total_max=23620", ["B202605-000001", "B202604-000001"]),
        ("total_max=1", []),
        ("issued_on_min=20260501", ["B202605-000001"]),
        ("fixed_on_min=2026-5-8", ["B202604-000001"]),
    ],
)
def it_filters_and_sorts_invoices(query, found, browser):
    assert numbers(browser.get(f"/invoices/?{query}")) == found


def it_opens_contracts_on_those_in_force(browser, cast):
    make.make_contract(cast.a, (1,), cancel_on=make.APRIL, charge_past=True)
    link = "/contracts/?state=active&state=ending"
    assert link in browser.get("/").content.decode().replace("&amp;", "&")
    assert numbers(browser.get(link)) == ["K0000001"]
    assert numbers(browser.get("/contracts/?state=ended")) == ["K0000003"]


def it_filters_users_by_name_and_recipient(browser):
    assert numbers(browser.get("/account/users/?is_recipient=1")) == ["hanako"]
    assert numbers(browser.get("/account/users/?name=TAR")) == ["taro"]


def it_keeps_columns_and_their_order_for_the_user(browser, cast):
    browser.post("/invoices/", {"columns": ["number", "total", "month"]})
    assert [each["name"] for each in browser.get("/invoices/").context["columns"]] == ["number", "total", "month"]
    browser.post("/invoices/", {"columns": ["number", "total", "month"], "up": "month"})
    assert [each["name"] for each in browser.get("/invoices/").context["columns"]] == ["number", "month", "total"]
    browser.force_login(cast.taro)
    assert len(browser.get("/invoices/").context["columns"]) == 8
    browser.force_login(cast.hanako)
    browser.post("/invoices/", {"reset": "1"})
    assert not ColumnChoice.objects.exists()


def it_ignores_unknown_columns_and_keeps_the_first(browser):
    browser.post("/invoices/", {"columns": ["password", "total"]})
    assert [each["name"] for each in browser.get("/invoices/").context["columns"]] == ["number", "total"]


def it_exports_exactly_what_is_shown(browser):
    browser.post("/invoices/", {"columns": ["number", "month", "state", "total", "base_8", "pdf"]})
    response = browser.get("/invoices/?state=fixed&export=csv")
    assert rows(response) == [
        ["請求番号", "請求対象年月", "請求状態", "請求金額（税込）", "8%対象額", "PDF"],
        ["B202604-000001", "2026/04", "確定", "23620", "1500", "PDF作成中"],
    ]


def it_exports_utf8_with_bom_and_crlf_and_cp932_on_request(browser, cast):
    cast.a.contracts.update(name="𠮷野家 〜サーバ")
    plain = b"".join(browser.get("/contracts/?export=csv"))
    assert plain.startswith(b"\xef\xbb\xbf")
    assert plain.count(b"\r\n") == plain.count(b"\n") == 2
    assert "〓野家 ～サーバ" in b"".join(browser.get("/contracts/?export=csv&encoding=cp932")).decode("cp932")


def it_writes_no_cell_that_a_spreadsheet_would_run(browser, cast):
    for name in ("=1+1", "+cmd", "+81-3-0000", "-5", "@x", "\t1", " =1", "\u3000=1", "　＝1", "a\n=1"):
        cast.a.contracts.update(name=name)
        assert rows(browser.get("/contracts/?export=csv"))[1][1] == f"'{name}"


def it_exports_only_the_head_when_nothing_is_found(browser):
    assert len(rows(browser.get("/invoices/?total_max=1&export=csv"))) == 1


@pytest.mark.parametrize("path", LISTS)
def it_exports_all_columns_of_every_list(path, browser):
    names = [each["name"] for each in browser.get(path).context["chooser"]]
    browser.post(path, {"columns": names})
    assert len(rows(browser.get(f"{path}?export=csv"))[0]) == len(names)


def it_pages_and_sums_the_fixed_ones(browser):
    page = browser.get("/invoices/?per_page=20")
    assert page.context["total_count"] == 2
    assert page.context["sum_value"] == Invoice.objects.get(number="B202604-000001").total


EMPTY_AND_FULL = {
    "/contracts/": ["plan", "unit", "cancel_on", "next_renewal", "monthly_fee", "term_ends_on"],
    "/invoices/": ["fixed_on", "downloaded_at"],
    "/orders/": ["invoice"],
    "/account/users/": ["department", "position", "phone", "last_login"],
}


@pytest.fixture
def half_filled(browser, cast):
    """For each of these columns a row with and one without a value."""
    full = cast.a.contracts.get()
    full.plan, full.cancel_on = "標準", make.JUNE
    full.save()
    once = make.make_contract(cast.a, (1,), form="once", start_on=date(2099, 1, 1), today=make.IN_MAY)
    once.lines.update(unit="")
    Download.objects.create(customer=cast.a, invoice=Invoice.objects.get(number="B202604-000001"), user=cast.hanako)
    new = make.make_contract(cast.a, (1,), today=make.IN_MAY, start_on=make.MAY, charge_past=True)
    assert new.orders.exists()
    fields = {"department": "経理部", "position": "課長", "phone": "03-0000-0000"}
    type(cast.taro).objects.filter(pk=cast.taro.pk).update(**fields, last_login=None)
    return browser


@pytest.mark.parametrize(("path", "name"), [(path, name) for path, names in EMPTY_AND_FULL.items() for name in names])
def it_sorts_empty_cells_last_in_both_directions(path, name, half_filled):
    page = half_filled.get(path)
    columns = [page.context["chooser"][0]["name"], name]
    half_filled.post(path, {"columns": columns})
    for sign in ("", "-"):
        exported = rows(half_filled.get(f"{path}?sort={sign}{name}&export=csv"))[1:]
        cells = [row[1] for row in exported]
        filled = [cell for cell in cells if cell]
        assert 0 < len(filled) < len(cells), "the test needs a full cell and an empty one"
        assert cells == filled + [""] * (len(cells) - len(filled)), sign
        assert numbers(half_filled.get(f"{path}?sort={sign}{name}")) == [row[0] for row in exported]


CHOICES = {"/contracts/": ["state", "form", "renewal"], "/orders/": ["state", "kind"], "/account/users/": ["state"]}


@pytest.mark.parametrize(("path", "name"), [(path, name) for path, names in CHOICES.items() for name in names])
def it_sorts_choices_in_the_order_in_which_the_filter_offers_them(path, name, half_filled, cast):
    make.make_contract(cast.a, (1,), form="yearly", cancel_on=make.APRIL, charge_past=True)
    page = half_filled.get(path)
    half_filled.post(path, {"columns": [page.context["chooser"][0]["name"], name]})
    offered = [str(label) for _value, label in page.context["filter_form"].fields[name].choices]
    for sign in ("", "-"):
        exported = rows(half_filled.get(f"{path}?sort={sign}{name}&export=csv"))[1:]
        cells = [row[1] for row in exported]
        assert len(set(cells)) > 1, "the test needs two different cells"
        assert cells == sorted(cells, key=offered.index, reverse=bool(sign))
        assert numbers(half_filled.get(f"{path}?sort={sign}{name}")) == [row[0] for row in exported]


@pytest.mark.parametrize(
    ("path", "head"),
    [
        ("/invoices/", ("請求対象年月", "descending")),
        ("/invoices/?sort=total", ("請求金額（税込）", "ascending")),
        ("/invoices/?sort=nonsense", ("請求対象年月", "descending")),
        ("/orders/", ("対象年月", "descending")),
        ("/contracts/", ("契約開始日", "descending")),
        ("/account/users/", ("名前", "ascending")),
    ],
)
def it_marks_the_head_by_which_the_list_is_sorted(path, head, browser):
    page = browser.get(path)
    assert [(each["label"], each["aria_sort"]) for each in page.context["columns"] if each["aria_sort"]] == [head]
    assert text(page).count("aria-sort=") == 1
    assert ("▼" if head[1] == "descending" else "▲") in text(page)


def it_turns_the_default_order_round_at_the_first_click(browser):
    by_month = next(each for each in browser.get("/invoices/").context["columns"] if each["name"] == "month")
    assert numbers(browser.get(by_month["sort_url"])) == ["B202604-000001", "B202605-000001"]


@pytest.mark.parametrize(
    ("query", "tab"),
    [
        ("state=active&state=ending", "有効な契約"),
        ("state=ending&state=active", "有効な契約"),
        ("", "すべて"),
        ("state=ended", "契約終了"),
    ],
)
def it_marks_the_tab_of_the_chosen_states(query, tab, browser):
    tabs = re.search(r'<nav class="tabs".*?</nav>', text(browser.get(f"/contracts/?{query}")), re.DOTALL)[0]
    assert re.findall(r'aria-current="true">([^<]*)</a>', tabs) == [tab]


def it_offers_sorting_without_the_heads(browser):
    """On a phone there are no heads to click on; a form does the same, and keeps the conditions."""
    page = browser.get("/invoices/?state=fixed&state=draft&sort=-total&per_page=20&page=1")
    form = re.search(r'<form class="sort".*?</form>', text(page), re.DOTALL)[0]
    sent = re.findall(r'name="(\w+)" value="([^"]*)"', form)
    assert sent == [("state", "fixed"), ("state", "draft"), ("per_page", "20")]
    assert re.findall(r'value="([^"]*)" selected', form) == ["-total"]
    offered = re.findall(r'<option value="([^"]*)"', form)
    assert {"month", "-month", "total", "-total"} <= set(offered)
    assert not {"pdf", "-pdf", "base_8"} & set(offered)
