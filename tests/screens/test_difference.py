"""前月との差 on 請求詳細 and ホーム: every cause with its yen and its link, out of the real documents of two months."""

import re
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.corrections.reissue import reissue
from billing.corrections.voiding import void
from billing.models import Invoice, InvoiceLine
from billing.month.open_months import redraft
from billing.services import adjust_invoice
from orders.services import start_contract
from tests import make


def page(browser, path):
    return browser.get(path).content.decode()


def table(text):
    """[[reason, item with number, what was and is, yen]] of the difference."""
    panel = text[text.index('id="difference"') :]
    rows = re.findall(r"<tr role=\"row\">(.*?)</tr>", panel[: panel.index("</section>")])
    return [[re.sub(r"<[^>]+>", " ", cell).split() for cell in re.findall(r"<t[dh].*?</t[dh]>", row)] for row in rows]


@pytest.fixture
def two_months(cast):
    """In May three pieces instead of two, a second contract, usage, and an adjustment; the reduced line is as it was."""
    make.close_month()
    contract = cast.a.contracts.get()
    make.make_meter(contract, 10)
    line = contract.lines.get(position=1)
    line.quantity = Decimal(3)
    start_contract(contract, [line], today=make.IN_MAY, apply="now")
    make.make_contract(cast.a, (300,), start_on=make.MAY, today=make.IN_MAY)
    make.use(contract, 25, month="2026-05")
    make.open_month()
    draft = Invoice.objects.get(customer=cast.a, month=make.MAY)
    charge = InvoiceLine(
        position=90, item="作業費", starts_on=make.MAY, ends_on=make.MAY, quantity=1, unit="式", unit_price=5000
    )
    adjust_invoice(draft, [charge], by=cast.staff)
    draft.refresh_from_db()
    return draft


def it_explains_the_difference_cause_by_cause(two_months, cast, sign_in):
    text = page(sign_in(cast.hanako), f"/invoices/{two_months.number}/")
    before = Invoice.objects.get(customer=cast.a, month=make.APRIL)
    assert table(text) == [
        [["数量"], ["品目1", "K0000001"], ["2式", "→", "3式"], ["+10,000"]],
        [["従量"], ["データ転送量", "K0000001"], ["2026/05/01～05/31", "25GB"], ["+250"]],
        [["新規"], ["品目1", "K0000003"], ["2026/05/01～05/31", "1式"], ["+300"]],
        [["調整"], ["作業費", two_months.number], ["今月の調整"], ["+5,000"]],
        [["税"], ["消費税"], ["2,120円", "→", "3,675円"], ["+1,555"]],
        [["差額（税込）"], [f"{two_months.total - before.total:+,}"]],
    ]
    assert two_months.total - before.total == 10000 + 250 + 300 + 5000 + 1555
    for link in ("/contracts/K0000003/", f"/invoices/{before.number}/"):
        assert f'<a href="{link}">' in text[text.index('id="difference"') :]


def it_says_on_home_how_much_the_month_differs_and_leads_to_why(two_months, cast, sign_in):
    text = page(sign_in(cast.hanako), "/")
    assert re.findall(r"前月との差</dt>\s*<dd>\s*(\S+)\s*<a class=\"text-nowrap\" href=\"(\S+)\"", text) == [
        ("+23,620円", "/invoices/B202604-000001/#difference"),  # there was no March
        ("+17,105円", f"/invoices/{two_months.number}/#difference"),
    ]


def it_takes_everything_for_new_where_there_was_no_document(two_months, cast, sign_in):
    rows = table(page(sign_in(cast.hanako), "/invoices/B202604-000001/"))
    assert [row[0] for row in rows] == [["新規"], ["新規"], ["税"], ["差額（税込）"]]
    assert rows[-1][-1] == ["+23,620"]


def it_tells_no_causes_where_the_month_before_has_totals_only(cast, sign_in):
    make.close_month()
    make.import_invoice(Invoice.objects.get(customer=cast.a))
    text = page(sign_in(cast.hanako), "/invoices/B202604-000001/")
    panel = text[text.index('id="difference"') :]
    assert "内訳なし" in panel
    assert "±0円" in panel
    assert "<table" not in panel[: panel.index("</section>")]
    assert "内訳なし" in page(sign_in(cast.hanako), "/invoices/X-202603/")


def it_compares_with_the_correction_and_names_what_is_billed_once_more(two_months, cast, sign_in):
    """A 修正 counts in place of what it replaced; void, nothing of April is left, and --rebill brings its lines to May."""
    told, browser, path = (
        {"reason": "単価の誤り", "by": cast.staff, "today": make.IN_MAY},
        sign_in(cast.hanako),
        f"/invoices/{two_months.number}/",
    )
    april = Invoice.objects.get(customer=cast.a, month=make.APRIL)
    line = april.lines.get(item="品目1")
    corrected = reissue(april, {line.pk: {"unit_price": Decimal(9000)}}, **told)
    assert 'id="difference"' not in page(browser, "/invoices/B202604-000001/")
    assert 'id="difference"' in page(browser, f"/invoices/{corrected.number}/")
    rows = table(page(browser, path))
    assert rows[:2] == [
        [["数量"], ["品目1", "K0000001"], ["2式", "→", "3式"], ["+9,000"]],
        [["単価"], ["品目1", "K0000001"], ["9,000円", "→", "10,000円"], ["+3,000"]],
    ]
    assert sum(int(row[-1][0].replace(",", "")) for row in rows[:-1]) == two_months.total - corrected.total
    void(corrected, rebill=True, **told)
    two_months.refresh_from_db()
    rows = table(page(browser, path))
    assert [["追加"], ["品目1", "K0000001"], ["再請求", "2026/04/01～04/30", "2式"], ["+18,000"]] in rows
    assert rows[-1][-1] == [f"+{two_months.total:,}"]


def it_asks_as_many_queries_for_many_lines_as_for_few(two_months, cast, sign_in):
    browser, paths = sign_in(cast.hanako), ("/", f"/invoices/{two_months.number}/")
    counted = []
    for _time in range(2):
        with CaptureQueriesContext(connection) as asked:
            for path in paths:
                browser.get(path)
        counted.append(len(asked))
        for _contract in range(3):
            make.make_contract(cast.a, (100,), (200,), (300,), start_on=make.MAY, today=make.IN_MAY)
        redraft(cast.a, today=make.IN_MAY)
    assert counted[0] == counted[1]
