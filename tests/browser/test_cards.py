"""The five lists on a phone: each row is a card, which says what its list is about, and below it what the person added."""

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
import time_machine
from playwright.sync_api import expect

from billing.documents.rendering import render_waiting
from billing.models import Invoice
from tests import make

pytestmark = pytest.mark.django_db(transaction=True)

NOW = "（今の日時）"
NOON = datetime(2026, 5, 8, 12, tzinfo=ZoneInfo("Asia/Tokyo"))

# What is seen of each cell of a card, top down and from left to right, with what the style sheet writes around it.
SEEN = """card => [...card.children]
    .map(cell => ({ cell, box: cell.getBoundingClientRect() }))
    .filter(({ cell, box }) => getComputedStyle(cell).display !== "none" && box.height > 1)
    .sort((a, b) => Math.abs(a.box.top - b.box.top) > 8 ? a.box.top - b.box.top : a.box.left - b.box.left)
    .map(({ cell }) => {
        const around = which => {
            const content = getComputedStyle(cell, which).content;
            if (content === "none" || content === "normal") return "";
            return content.includes("attr(") ? cell.dataset.label : content.replaceAll('"', "");
        };
        const label = around("::before");
        return (label ? label + ": " : "") + cell.innerText.replace(/\\s+/g, " ").trim() + around("::after");
    })"""

CARDS = {
    "/contracts/": [
        ["サーバ契約", "契約中", "21,500円", "サービス: クラウドサーバ", "契約満了日: 2026/05/31", "K0000001"],
    ],
    "/orders/": [
        ["クラウドサーバ", "受付", "21,500円", "注文区分: 更新", "対象年月: 2026/05", "O202605-000001"],
        ["クラウドサーバ", "請求済", "21,500円", "注文区分: 新規", "対象年月: 2026/04", "O202604-000001"],
    ],
    "/invoices/": [
        ["2026/05", "未確定", "見込 23,620円", "確定後", "確定日: 2026/06/05 予定", "B202605-000001"],
        ["2026/04", "確定", "23,620円", "PDF", "支払期日: 2026/06/01", "B202604-000001"],
    ],
    "/account/users/": [
        ["hanako", "有効", "Eメール: hanako@example.com", "メール送信先: ○ あり", f"最終ログイン: {NOW}"],
        ["taro", "未ログイン", "Eメール: taro@example.com", "最終ログイン: -"],
    ],
    "/account/history/": [
        [NOW, "操作者: hanako", "操作: ログイン", "対象: hanako", "内容: 127.0.0.1 Chrome (Linux)"],
    ],
}  # fmt: skip


@pytest.fixture
def phone(chromium, live_server):
    with time_machine.travel(NOON, tick=False):
        people = make.cast()
        make.close_month()
        list(render_waiting(Invoice.objects.filter(customer=people.a)))
        make.open_month()
    context = chromium.new_context(viewport={"width": 360, "height": 800}, locale="ja-JP")
    page = context.new_page()
    page.goto(f"{live_server.url}/login/")
    page.get_by_label("ユーザ名").fill("hanako@example.com")
    page.get_by_label("パスワード").fill(make.PASSWORD)
    page.get_by_role("button", name="ログイン").click()
    expect(page.locator("h1")).to_contain_text("hanako")
    yield lambda path: page.goto(live_server.url + path) and page
    context.close()


def cards(page):
    seen = [card.evaluate(SEEN) for card in page.locator(".rows tbody tr").all()]
    return [[re.sub(r"\d{4}/\d\d/\d\d \d\d:\d\d", NOW, text) for text in card] for card in seen]


def it_says_on_each_card_what_its_list_is_about(phone):
    assert {path: cards(phone(path)) for path in CARDS} == CARDS


def it_adds_below_what_the_person_chose_to_see(phone):
    page = phone("/invoices/")
    page.locator("summary", has_text="列の設定").click()
    page.get_by_label("消費税額", exact=True).check()
    page.locator(".chooser").get_by_role("button", name="保存").click()
    expect(page.locator("thead")).to_contain_text("消費税額")
    assert [card[-1] for card in cards(page)] == ["消費税額: 2,120"] * 2


def it_hands_out_the_pdf_from_a_card_by_a_button_as_large_as_a_finger(phone):
    page = phone("/invoices/")
    button = page.get_by_role("link", name="B202604-000001 PDF")
    assert button.bounding_box()["height"] >= 44
    with page.expect_download() as download:
        button.click()
    assert download.value.suggested_filename == "B202604-000001.pdf"


def it_ends_states_and_buttons_in_one_line(phone):
    edges = "found => found.map(each => Math.round(each.getBoundingClientRect().right))"
    for path in ("/invoices/", "/orders/", "/contracts/"):
        page = phone(path)
        ends = page.locator(".card-state > *, .card-action > a").evaluate_all(edges)
        assert set(ends) == set(page.locator(".tools .count").evaluate_all(edges)), path
