"""Invoices of an old system, on the screens: found, shown, downloaded and counted like the portal's own; nothing asks for more of them."""

import csv
import hashlib
import io
import json
from datetime import date
from io import StringIO
from zipfile import ZipFile

import pytest
import time_machine
from django.core.management import call_command

from billing import reminders
from billing.documents import given
from billing.documents.rendering import render_waiting
from billing.imports import INVOICES
from billing.models import Invoice
from portal.imports.taking import take_in
from portal.models import Mail
from tests import make
from tests.commands.test_import_invoices import files, pdf

OLD = "2016-05,C0000001,2016/05,2016/5/31,2016/6/30,2016/6/3,サーバ利用料,10000,800,10800,a.pdf,,,,,10000,800"
MARCH = "2026-03,C0000001,2026/03,2026/3/31,2026/5/10,2026/4/6,3月分,20000,2000,22000,m.pdf"
BACK = "2026-03R,C0000001,2026/03,2026/4/7,,2026/4/7,3月分の返還,-1000,-100,-1100,r.pdf,返還,2026-03"


def bring_in(*rows, today=make.IN_MAY):
    made = files(*rows)
    table = made.pop("invoices.csv")
    report = take_in(
        INVOICES, "old", table, today=today, documents=given.Given(table, frozenset(made), made.__getitem__)
    )
    assert report.errors == []


@pytest.fixture
def browser(cast, sign_in):
    with time_machine.travel("2026-05-08T03:00Z"):
        bring_in(OLD, MARCH, BACK)
        make.close_month()
        list(render_waiting())
        yield sign_in(cast.hanako)


def text(response):
    return response.content.decode()


def it_shows_what_it_knows_of_them(browser):
    page = text(browser.get("/invoices/2016-05/"))
    for words in (
        "移行",
        "サーバ利用料",
        "10,800",
        "8%対象",
        "内訳はありません",
        "2016/06/30",
        "/invoices/2016-05/pdf/",
    ):
        assert words in page
    assert "社内確認" not in page
    assert "PDF作成中" not in page
    page = text(browser.get("/invoices/2026-03/"))
    assert "内訳なし" in page
    assert "2026-03R" in page
    assert 'id="review"' in page, "it is still to be paid"
    page = text(browser.get("/invoices/2026-03R/"))
    for words in ("月分の返還", "元の請求", "返還日", " 1,100<small>", "2026-03"):
        assert words in page
    response = browser.get("/invoices/2016-05/pdf/")
    assert response.content == pdf("a.pdf")


def it_lists_searches_and_exports_them_since_2016(browser):
    page = text(browser.get("/invoices/"))
    for number in ("2016-05", "2026-03", "2026-03R", "B202604-000001"):
        assert f"/invoices/{number}/" in page
    found = browser.get("/invoices/?export=csv&month_min=2016/05&month_max=2016/05")
    rows = list(csv.DictReader(io.StringIO(b"".join(found.streaming_content).decode("utf-8-sig"))))
    assert [(row["請求番号"], row["請求金額（税込）"], row["PDF"]) for row in rows] == [("2016-05", "10800", "PDF")]
    zipped = ZipFile(io.BytesIO(b"".join(browser.get("/invoices/archive/").streaming_content)))
    index = csv.DictReader(io.StringIO(zipped.read("索引簿.csv").decode("utf-8-sig"), newline=""))
    row = {row["書類番号"]: row for row in index}
    old, back = row["2016-05"], row["2026-03R"]
    assert (old["書類区分"], old["8%対象額"], old["8%税額"], old["取引先登録番号"]) == ("移行", "10000", "800", "")
    assert (old["対象期間(自)"], old["対象期間(至)"], old["発行日時"]) == ("2016/05/01", "2016/05/31", "")
    assert old["SHA-256"] == hashlib.sha256(zipped.read(old["ファイル名"])).hexdigest()
    assert zipped.read(old["ファイル名"]) == pdf("a.pdf")
    assert (back["税込金額"], back["訂正元書類番号"]) == ("-1100", "2026-03")


def it_counts_them_in_what_months_cost(browser):
    page = text(browser.get("/invoices/analysis/"))
    assert "内訳なし" in page
    table = page[page.index("<tfoot") : page.index("</tfoot>")]
    assert "20,900" in table, "22,000 less 1,100 given back"
    page = text(browser.get("/invoices/B202604-000001/"))
    assert "/invoices/2026-03/" in page, "the month before"
    assert "/invoices/2026-03R/" not in page[page.index('id="difference"') :].split("</section>")[0]


def it_asks_for_nothing_more_of_them(browser, cast):
    page = text(browser.get("/"))
    assert "2026年3月分 22,000円のお支払い" in page
    Mail.objects.all().delete()
    assert reminders.queue_due(date(2026, 5, 8)) == 0
    assert "2016-05" not in text(browser.get("/invoices/?review=open"))
    assert not Invoice.objects.without_pdf().exists()
    for month in ("2016-05", "2026-03"):
        said = StringIO()
        call_command("check_month", month, "--json", stdout=said)
        found = json.loads(said.getvalue())["findings"]
        assert {code: each["items"] for code, each in found.items() if each["items"]} == {}
    said = StringIO()
    call_command("verify_archive", stdout=said)
    assert "移行した3件は、SHA-256だけを照合しました。" in said.getvalue()
