"""Invoices of an old system are given back, replaced and voided like the portal's own, though only their totals are known."""

import json
from contextlib import suppress
from datetime import date
from io import StringIO

import pytest
import time_machine
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from billing.corrections.giving_back import give_back
from billing.corrections.imported import lines_of
from billing.corrections.reissue import reissue
from billing.corrections.voiding import void
from billing.documents.rendering import render_waiting
from billing.models import Invoice, InvoiceLine
from portal.models import Mail
from tests import make
from tests.screens.test_correct_page import fields
from tests.screens.test_imported import BACK, MARCH, OLD, bring_in

TOTALS = "2019-11,C0000001,2019/11,2019/11/30,2019/12/31,2019/12/4,利用料,10000,980,10980,n.pdf"
BY_HAND = {"reason": "値引き", "by": None, "today": make.IN_MAY}


@pytest.fixture(autouse=True)
def moved_in(cast):
    with time_machine.travel("2026-05-08T03:00Z"):
        bring_in(OLD, TOTALS, MARCH, BACK)
        make.close_month()
        list(render_waiting())
        yield


def old(number):
    return Invoice.objects.get(number=number)


def told(command, *arguments):
    said = StringIO()
    call_command(command, *arguments, "--json", stdout=said)
    return json.loads(said.getvalue())


def findings(month):
    said = StringIO()
    with suppress(SystemExit):
        call_command("check_month", month, "--json", stdout=said)
    return {code: each["items"] for code, each in json.loads(said.getvalue())["findings"].items() if each["items"]}


def it_gives_back_by_amount_and_tax_class(cast):
    found = told("return_invoice", "2016-05", "--reason", "値引き", "--tax-class", "8=5,400")
    assert (found["kind"], found["corrects"], found["original_state"], found["total"]) == (
        "return",
        "2016-05",
        "fixed",
        -5400,
    )
    made = old(found["number"])
    assert (made.net, made.tax, made.month, made.due_on) == (-5000, -400, date(2016, 5, 1), None)
    line = made.lines.get()
    assert (line.item, line.specification, f"{line.tax_rate}") == ("サーバ利用料", "標準税率 8%", "0.0800")
    assert made.issuer["registration_number"] == "", "a supply before there were any"
    list(render_waiting())
    assert bytes(made.pdf.content).startswith(b"%PDF")
    assert Mail.objects.filter(key=f"invoice_returned:{made.number}").exists()
    with pytest.raises(CommandError, match="残り 5,400円 まで"):
        told("return_invoice", "2016-05", "--reason", "値引き", "--tax-class", "8=5,401")
    assert told("return_invoice", "2016-05", "--reason", "残り", "--line", "1=400")["total"] == -400
    assert told("return_invoice", "2016-05", "--reason", "残り")["total"] == -5000
    with pytest.raises(CommandError, match="残りがありません"):
        told("return_invoice", "2016-05", "--reason", "もっと")
    list(render_waiting())
    with connection.cursor() as cursor:  # as `import_contracts` would have brought it in
        cursor.execute("UPDATE contracts_contract SET start_on = '2016-01-01'")
    assert findings("2016-05") == {}, "nor is an order of a month missed that the old system billed"


def it_counts_what_the_old_system_gave_back(cast):
    with pytest.raises(CommandError, match="残り 20,900円"):
        told("return_invoice", "2026-03", "--reason", "値引き", "--line", "1=20901", "--line", "2=1")
    with pytest.raises(CommandError, match="税率ごとに金額を入力"):
        told("return_invoice", "2026-03", "--reason", "値引き")
    with pytest.raises(CommandError, match="20,900円 まで"):
        told("return_invoice", "2026-03", "--reason", "値引き", "--tax-class", "10=20000", "--tax-class", "0=901")
    assert (
        told("return_invoice", "2026-03", "--reason", "値引き", "--tax-class", "10=20000", "--tax-class", "0=900")[
            "total"
        ]
        == -20900
    )
    with pytest.raises(CommandError, match="返還請求書は直せません"):
        told("return_invoice", "2026-03R", "--reason", "値引き")


def it_is_found_out_when_its_total_is_no_longer_that_of_its_classes(cast):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            "UPDATE billing_invoice SET net = net + 1000, total = total + 1000 WHERE number IN ('2016-05', '2019-11')"
        )
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")
        assert [each["document"] for each in findings("2016-05")["totals"]] == ["2016-05"]
        assert "totals" not in findings("2019-11"), "of that one nobody knows the classes"
        transaction.set_rollback(True)


def it_replaces_one_with_lines_given_by_hand(cast):
    invoice = old("2019-11")
    with pytest.raises(ValidationError, match="税率ごと"):
        reissue(invoice, **BY_HAND)
    places = {(line.tax_kind, f"{line.tax_rate:.2f}"): line.pk for line in lines_of(invoice)}
    new = reissue(
        invoice,
        {
            places["standard", "0.10"]: {"item": "サーバ", "amount": 9900},
            places["reduced", "0.08"]: {"item": "飲料水", "amount": 1080},
        },
        **BY_HAND,
    )
    assert (old("2019-11").state, new.kind, new.corrects.number, new.month) == (
        "replaced",
        "correction",
        "2019-11",
        date(2019, 11, 1),
    )
    assert (new.net, new.tax, new.total) == (10000, 980, 10980)
    assert [(line.item, line.amount, line.origin) for line in new.lines.all()] == [
        ("サーバ", 9900, "adjustment"),
        ("飲料水", 1080, "adjustment"),
    ]
    list(render_waiting())
    assert findings("2019-11").keys() == {"address"}, "the company has none"
    assert told("return_invoice", new.number, "--reason", "値引き", "--line", "2=1080")["total"] == -1080


def it_addresses_one_anew(cast):
    cast.a.name = "新しい社名"
    cast.a.save()
    found = told("reissue_invoice", "2016-05", "--reason", "社名の誤り")
    made = old(found["number"])
    assert (made.total, made.tax, made.addressee["name"]) == (10800, 800, "新しい社名")
    bring_in(MARCH.replace("2026-03,", "2026-04,").replace("2026/03,", "2026/04,").replace("m.pdf", "q.pdf"))
    with pytest.raises(CommandError, match="B202604-000001 があるため"):
        told("reissue_invoice", "2026-04", "--reason", "社名の誤り")


def it_voids_one_and_what_gave_back_of_it(cast, sign_in):
    with pytest.raises(ValidationError, match="再請求できません"):
        void(old("2026-03"), rebill=True, **BY_HAND)
    with pytest.raises(SystemExit):
        told("void_invoice", "2026-03", "--reason", "二重")
    assert told("void_invoice", "2026-03", "--reason", "二重", "--chain")["original_state"] == "void"
    assert old("2026-03R").state == "void"
    void(old("2016-05"), **BY_HAND)
    browser = sign_in(cast.hanako)
    page = browser.get("/invoices/2016-05/").content.decode()
    assert "この請求は取り消しました" in page
    assert browser.get("/invoices/2016-05/pdf/").status_code == 200
    assert findings("2016-05") == {}


def it_is_kept_by_the_database_too(cast):
    invoice = old("2016-05")
    made = give_back(invoice, {1: 10800}, **BY_HAND)
    with pytest.raises(IntegrityError, match="exceed it"), transaction.atomic():
        more = Invoice.objects.get(pk=made.pk)
        more.pk, more.number, more.state, more.fixed_on, more.net, more.tax, more.total = (
            None,
            "X-1",
            "draft",
            None,
            -1,
            0,
            -1,
        )
        more.save()
        Invoice.objects.filter(pk=more.pk).update(state="fixed", fixed_on=make.IN_MAY)
    own = Invoice.objects.get(number="B202604-000001")
    with pytest.raises(IntegrityError, match="returns nothing"), transaction.atomic():
        back = Invoice.objects.get(pk=made.pk)
        back.pk, back.number, back.state, back.fixed_on, back.corrects = None, "X-2", "draft", None, own
        back.save()
        line = InvoiceLine.objects.get(invoice=made)
        line.pk, line.invoice = None, back
        line.save()


def it_is_corrected_by_clicking(cast, sign_in):
    browser, invoice = sign_in(cast.staff), old("2019-11")
    url = f"/admin/billing/invoice/{invoice.pk}/correct/"
    page = browser.get(f"{url}?cause=discount").content.decode()
    assert page.count('class="module aligned correct-line"') == 4
    assert "軽減税率 8%" in page
    assert "翌月調整" not in page, "it has no lines that could be"
    asked = {"cause": "discount", "way": "return", "reason": "値引き", "line-1-yen": "1,100"}
    page = browser.post(url, asked | {"preview": "1"}).content.decode()
    assert "-1,100" in page
    page = browser.get(f"{url}?cause=item").content.decode()
    assert 'value="10980"' in page
    page = browser.get(f"{url}?cause=double").content.decode()
    assert "取消" in page
    assert browser.get(f"{url}?cause=later&way=rebill").status_code == 404


def it_takes_lines_by_hand_by_clicking(cast, sign_in):
    browser, invoice = sign_in(cast.staff), old("2016-05")
    url = f"/admin/billing/invoice/{invoice.pk}/correct/"
    chosen = browser.get(url).content.decode()
    assert "注文と請求の内容が違う" not in chosen and "請求する月を遅らせる" not in chosen, "it has no orders"
    page = browser.get(f"{url}?cause=item").content.decode()
    assert "取り直す" not in page and page.count('class="module aligned correct-line"') == 1
    with pytest.raises(CommandError, match="注文がないため"):
        told("reissue_invoice", "2016-05", "--reason", "x", "--from-orders")
    asked = {"cause": "item", "way": "reissue", "reason": "内訳の記載もれ", **sent(page), "line-1-amount": "5400"}
    page = browser.post(url, asked | {"add": "1"}).content.decode()
    assert page.count('class="module aligned correct-line"') == 2 and 'value="5400"' in page
    asked |= sent(page) | {"line-2-item": "保守"}
    page = browser.post(url, asked | {"preview": "1"}).content.decode()
    assert "金額か単価を入力してください" in page and "この内容で行われること" not in page
    page = browser.post(url, asked | {"line-2-item": "", "line-2-amount": "10", "preview": "1"}).content.decode()
    assert "errorlist" in page and "この内容で行われること" not in page
    asked |= {"line-2-amount": "3240", "add": "1"}
    page = browser.post(url, asked).content.decode()
    del asked["add"]
    asked |= sent(page) | {"line-3-item": "回線", "line-3-quantity": "2", "line-3-unit_price": "1080"}
    page = browser.post(url, asked | {"preview": "1"}).content.decode()
    assert "10,800円" in page and "保守" in page
    asked |= sent(page) | {"confirm": "1"}
    assert browser.post(url, asked).status_code == 302
    new = Invoice.objects.get(corrects=invoice)
    assert [(line.item, line.amount, f"{line.tax_rate:.2f}") for line in new.lines.all()] == [
        ("サーバ利用料", 5400, "0.08"), ("保守", 3240, "0.08"), ("回線", 2160, "0.08"),
    ]  # fmt: skip
    assert (new.total, new.tax) == (10800, 800)


def sent(page):
    return {name: value for name, value in fields(page) if name.startswith("line-") or name == "digest"}
