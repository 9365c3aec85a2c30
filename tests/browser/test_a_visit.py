"""A visit in real Chromium: sign in, filter, choose columns, take CSV and PDF; no page breaks at 360 px, nor staff's at 1280."""

import re

import pytest
from playwright.sync_api import expect

from billing.documents.rendering import render_waiting
from billing.models import Invoice
from contracts.models import Contract
from tests import make

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def visit(chromium, live_server):
    cast = make.cast()
    make.close_month()
    list(render_waiting(Invoice.objects.filter(customer=cast.a)))
    make.open_month()

    def open_page(width=1280, **options):
        page = chromium.new_context(viewport={"width": width, "height": 900}, locale="ja-JP", **options).new_page()
        page.goto(f"{live_server.url}/login/")
        page.get_by_label("ユーザ名").fill("hanako@example.com")
        page.get_by_label("パスワード").fill(make.PASSWORD)
        page.get_by_role("button", name="ログイン").click()
        expect(page.locator("h1")).to_contain_text("hanako")  # a click doesn't wait for the page it leads to
        return page

    return open_page


@pytest.mark.parametrize("script", [True, False], ids=["with JavaScript", "without JavaScript"])
def it_filters_chooses_columns_and_takes_csv_and_pdf(visit, script):
    page = visit(java_script_enabled=script)
    expect(page.locator("header")).to_contain_text("C0000001")
    page.get_by_role("link", name="一覧", exact=True).click()
    page.locator("summary", has_text="絞り込み").click()
    page.locator("[name=month_min]").fill("2026/04")
    page.locator("[name=month_max]").fill("2026/04")
    page.get_by_role("button", name="絞り込む").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.locator("summary", has_text="列の設定").click()
    page.get_by_label("支払期日", exact=True).uncheck()
    page.get_by_label("消費税額", exact=True).check()
    page.locator(".chooser").get_by_role("button", name="保存").click()
    expect(page.locator("thead")).to_contain_text("消費税額")
    expect(page.locator("thead")).not_to_contain_text("支払期日")
    page.locator("summary", has_text="CSV出力").click()
    with page.expect_download() as csv:
        page.get_by_role("link", name=re.compile(r"^\s*CSV（UTF-8）")).click()
    assert "2120" in open(csv.value.path(), encoding="utf-8-sig").read()
    page.get_by_role("link", name="B202604-000001", exact=True).click()
    with page.expect_download() as pdf:
        page.get_by_role("link", name="請求", exact=True).click()
    assert pdf.value.suggested_filename == "B202604-000001.pdf"
    assert open(pdf.value.path(), "rb").read(5) == b"%PDF-"


def it_fits_a_tablet_and_breaks_no_policy(visit, live_server):
    page = visit(768)
    faults = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    for path in (
        "/", "/contracts/", "/contracts/K0000001/", "/orders/", "/orders/O202604-000001/", "/invoices/",
        "/invoices/B202604-000001/", "/invoices/?panel=filter", "/invoices/?panel=columns", "/invoices/analysis/?running=1",
        "/account/", "/account/users/", "/account/users/new/", "/account/history/", "/account/security/", "/account/security/factor/",
        "/faq/", "/faq/?q=PDF", "/inquiry/", "/password/change/",
    ):  # fmt: skip
        page.goto(live_server.url + path)
        assert page.url == live_server.url + path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    assert faults == []


def it_closes_popovers_with_escape(visit):
    page = visit()
    page.get_by_role("link", name="注文情報").click()
    page.locator("summary", has_text="CSV出力").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name=re.compile(r"^\s*CSV（UTF-8）"))).to_be_hidden()


def it_shows_staff_a_contract_without_scrolling_sideways(chromium, live_server):
    make.cast()
    page = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="ja-JP").new_page()
    contract = Contract.objects.get(number="K0000001")
    page.goto(f"{live_server.url}/admin/contracts/contract/{contract.pk}/change/")
    page.get_by_label("ユーザ名").fill("staff@example.net")
    page.get_by_label("パスワード").fill(make.PASSWORD)
    page.get_by_role("button", name="ログイン").click()
    expect(page.get_by_role("heading", name="明細", exact=True)).to_be_visible()
    page.wait_for_load_state()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
