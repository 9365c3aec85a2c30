"""Tables of rows on detail pages: their lines, roles and figures."""

import re

import pytest

from tests import make

PAGES = [
    "/contracts/", "/orders/", "/invoices/", "/account/users/",
    "/contracts/K0000001/", "/orders/O202604-000001/", "/invoices/B202604-000001/",
    "/invoices/analysis/?running=1",
]  # fmt: skip
ROLES = {
    "table": "table", "thead": "rowgroup", "tbody": "rowgroup", "tfoot": "rowgroup", "tr": "row", "td": "cell"
}  # fmt: skip


@pytest.fixture
def cast(db):
    return make.billed_cast()


@pytest.fixture
def browser(cast, sign_in):
    return sign_in(cast.hanako)


def text(response):
    return response.content.decode()


@pytest.mark.parametrize("path", PAGES)
def it_names_the_role_of_every_part_of_a_table(path, browser):
    """Some browsers forget that it is a table where the style sheet makes cards of its rows."""
    parts = re.findall(r"<(table|thead|tbody|tfoot|tr|td|th)\b([^>]*)>", text(browser.get(path)))
    assert {name for name, _attributes in parts} >= {"table", "thead", "tbody", "tr", "th", "td"}
    for name, attributes in parts:
        heads = ("columnheader", "rowheader")
        assert any(f'role="{role}"' in attributes for role in ([ROLES[name]] if name in ROLES else heads)), name


def it_sums_up_an_orders_lines_under_their_amounts(browser):
    page = text(browser.get("/orders/O202604-000001/"))
    foot = re.search(r"<tfoot.*</tfoot>", page, re.DOTALL)[0]
    assert re.findall(r">([^<>\n]+)<", foot) == ["小計（税抜）", "21,500"]
    before = int(re.search(r'colspan="(\d+)"', foot)[1])
    heads = re.findall(r"<th role=\"columnheader\"[^>]*>([^<]*)<", page)
    assert heads[before] == "金額"


def it_shows_on_an_invoice_what_each_line_is_for(browser):
    page = text(browser.get("/invoices/B202604-000001/"))
    for label, cell in {
        "契約番号 / 注文番号": 'href="/contracts/K0000001/"',
        "注文区分": "新規",
        "品目": "品目2",
        "利用期間": "2026/04/01～04/30",
        "数量": "3",
        "単位": "式",
        "単価": "500",
        "金額": "1,500",
        "税率": "8% ※",
    }.items():
        cells = re.findall(rf'data-label="{label}">(.*?)</td>', page)
        assert len(cells) == 2, label
        assert cell in cells[1], label
    assert 'href="/orders/O202604-000001/"' in page
