"""The printed page holds whatever a document has to say: large figures, long words, any number of lines."""

from itertools import pairwise

import pytest

from accounts.models import Customer
from billing.documents import annex, pdf
from billing.models import Invoice
from portal.models import Vendor
from tests import make
from tests.printed import runs

MILLIMETRE = 72 / 25.4
MARGINS = 17 * MILLIMETRE, (210 - 17) * MILLIMETRE
LONG = "ManagedKubernetesClusterStandardPlanWithoutABlank0"


def overlapping(found):
    """Pairs of runs that stand over one another."""
    lines = sorted(found, key=lambda run: (run.page, round(run.top), run.left))
    return [
        (one.text, other.text)
        for one, other in pairwise(lines)
        if (one.page, round(one.top)) == (other.page, round(other.top)) and one.right > other.left + 0.5
    ]


def outside(found):
    """Runs that leave the margins of the sheet; letters that stand closer than usual measure a little too much here."""
    return [run for run in found if run.left < MARGINS[0] - 2 or run.right > MARGINS[1] + 2]


def it_keeps_large_figures_in_their_columns(cast):
    make.make_contract(
        cast.b,
        ("0.12", "1234567.125", {"unit": "GB"}),
        ("12345678.50", 10000),
        ("999999999999.99", "0.125", {"unit": "テラバイト換算月額"}),
        ("0.12", "999999999.999"),
    )
    make.close_month()
    found = runs(Invoice.objects.get(customer=cast.b))
    said = {run.text for run in found}
    assert {"1,234,567.125", "12,345,678.5", "123,456,785,000", "999,999,999.999", "999,999,999,999.99"} <= said
    assert not overlapping(found) and not outside(found)


def it_breaks_what_is_too_long_inside_its_place(cast):
    """What leaves the sheet isn't printed; 請求番号 and 登録番号 make it a qualified invoice (57条の4 ①一)."""
    Customer.objects.filter(pk=cast.b.pk).update(
        name=LONG * 2, address=f"{LONG} {LONG}", billing_department=LONG, billing_person=LONG
    )
    Vendor.objects.update(name=LONG * 2, address=LONG * 4, bank_account=LONG * 3, invoice_note="株式会社" * 40)
    make.make_contract(cast.b, (1000, 1, {"item": LONG, "specification": LONG * 3}), *[(1000,)] * 20)
    make.close_month()
    invoice = Invoice.objects.get(customer=cast.b)
    found = runs(invoice)
    assert not overlapping(found) and not outside(found)
    said = "".join(run.text for run in found if run.page == 1)
    assert f"登録番号　{invoice.issuer['registration_number']}" in said and said.count(LONG) >= 10
    assert [run.page for run in found if run.text == invoice.number] == [1]
    head = next(run for run in found if run.text == "請求番号")
    to = [run for run in found if run.page == 1 and run.left < head.left and head.top < run.top < head.top + 150]
    assert to and max(run.right for run in to) < head.left


# Where the totals no longer fit below the lines of a page.
TURNS = [13, 40]


def rows_beside_totals(cast, counts):
    """{number of lines: rows of lines on the page with the totals} of documents with so many lines."""
    customers = {}
    for count in counts:
        customers[count] = make.make_customer(f"C1{count:06d}", address="東京都千代田区")
        make.make_contract(customers[count], *[(1000,)] * count)
    make.close_month()
    beside = {}
    for count, customer in customers.items():
        found = runs(Invoice.objects.get(customer=customer))
        totals = {run.page for run in found if run.text in ("合計（税込）", "お振込先")}
        assert len(totals) == 1
        items = [run for run in found if run.text.startswith("品目") and run.text != "品目"]
        assert len(items) == count
        beside[count] = sum(run.page in totals for run in items)
    return beside


def it_never_ends_with_a_page_without_a_line(cast):
    assert all(rows_beside_totals(cast, TURNS).values())


@pytest.mark.nightly
def it_never_ends_with_a_page_without_a_line_whatever_their_number(cast):
    assert all(rows_beside_totals(cast, range(1, 61)).values())


def it_sums_a_long_invoice_up_on_its_first_page_and_lists_its_lines_behind(cast):
    """By item, rate and price basis; what more than 12 items come to stands in one row a class, and nothing gets lost."""
    servers = [(1000 + number, 1, {"item": "クラウドサーバ"}) for number in range(35)]
    water = [(100, 2, {"item": "天然水", "tax_kind": "reduced"})] * 3
    others = [(10, number, {"item": f"小物{number}"}) for number in range(1, 24)]
    make.make_contract(cast.b, *servers, *water, *others)
    make.close_month()
    invoice = Invoice.objects.get(customer=cast.b)
    found = runs(invoice)
    first = [run.text for run in found if run.page == 1]
    for told in (
        ["クラウドサーバ", "35", "35,595", "10%"],
        ["天然水 ※", "3", "600", "8%"],
        ["小物23", "1", "230", "10%"],
        ["その他の品目", "14", "1,050", "10%"],
    ):
        place = first.index(told[0])
        assert first[place : place + 4] == told
    rows = {line.item: line.amount for line in annex.sums(list(invoice.lines.all()), set())}
    assert sum(rows.values()) == invoice.net and len(rows) == 13
    assert "明細は次ページからの請求明細書（全62行）のとおりです。" in first and "¥51,393" in first
    assert "合計（税込）" in first and "お振込先" in first and not overlapping(found)
    behind = [run for run in found if run.page > 1]
    assert behind[0].page == 2 and "請求明細書" in {run.text for run in behind if run.page == 2}
    assert [run.text for run in behind if run.text.startswith("クラウドサーバ")] == ["クラウドサーバ"] * 35
    last = max(run.page for run in behind)
    assert f"{last} / {last}" in {run.text for run in behind}
    assert pdf.render(invoice) == pdf.render(invoice)
