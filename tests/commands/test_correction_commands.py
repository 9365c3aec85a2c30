"""`reissue_invoice`, `return_invoice` and `void_invoice`: what operators type, what is said back, and the exit codes."""

import json
from datetime import date
from io import BytesIO, StringIO
from zipfile import ZipFile

import pytest
from django.core.management import CommandError, call_command

from billing import proposals
from billing.documents.rendering import render_waiting
from billing.models import Correction, Credit, Decision, Invoice, InvoicePdf
from billing.month import checks
from contracts.models import Contract, Service
from orders.services import start_contract
from portal.models import Mail
from tests import make


@pytest.fixture
def number(cast, time_machine):
    time_machine.move_to("2026-05-20T03:00Z")
    make.close_month()
    return Invoice.objects.get(customer=cast.a).number


def call(command, *given):
    """(exit code, what is printed); a refusal's line is printed too."""
    out, err = StringIO(), StringIO()
    try:
        call_command(command, *given, stdout=out, stderr=err)
        code = 0
    except SystemExit as ended:
        code = ended.code
    except CommandError as refused:
        code = refused.returncode
        err.write(str(refused))
    return code, out.getvalue(), err.getvalue()


def told(command, *given):
    code, out, err = call(command, *given, "--json", "--reason", "間違い")
    assert (code, err) == (0, "")
    return json.loads(out)


def it_tells_what_arose_and_what_became_of_the_original(number):
    new = told("reissue_invoice", number)
    assert new == {
        "number": "B202604-000003", "kind": "correction", "corrects": number, "original_state": "replaced", "total": 23620,
    }  # fmt: skip
    back = told("return_invoice", new["number"], "--line", "1=１，０００", "--days", "2=3")
    assert back == {
        "number": "B202604-000004", "kind": "return", "corrects": new["number"], "original_state": "fixed", "total": -1262,
    }  # fmt: skip
    assert told("void_invoice", back["number"]) | {"total": None} == {
        "number": back["number"], "kind": "return", "corrects": new["number"], "original_state": "void", "total": None,
    }  # fmt: skip
    assert told("return_invoice", new["number"])["total"] == -23620


def it_stores_nothing_in_a_dry_run_but_tells_the_same(number):
    shown = told("void_invoice", number, "--rebill", "--dry-run")
    assert (shown["original_state"], Invoice.objects.get(number=number).state) == ("void", "fixed")
    assert not Correction.objects.exists()
    code, out, _err = call("void_invoice", number, "--rebill", "--dry-run", "--reason", "間違い")
    assert code == 0
    assert "B202604-000001 請求書 確定 23,620円 → 取消 23,620円" in out
    assert "B202605-000001 請求書 未確定 47,240円" in out
    assert told("void_invoice", number, "--rebill") == shown


def it_names_what_rests_on_the_invoice_one_number_a_line(number):
    back = told("return_invoice", number, "--line", "1=1")["number"]
    code, out, err = call("void_invoice", number, "--reason", "間違い")
    assert (code, out) == (2, f"{back}\n")
    assert back in err
    assert told("void_invoice", number, "--chain")["original_state"] == "void"


@pytest.fixture
def prorated(cast):
    Service.objects.filter(code="cloud").update(prorate=True)


def it_returns_what_a_change_of_the_contract_proposes(cast, prorated, number):
    contract = Contract.objects.get(customer=cast.a)
    contract.cancel_on = date(2026, 4, 15)
    start_contract(contract, today=date(2026, 5, 20))
    first, second = proposals.proposals([cast.a.pk])
    code, _out, err = call("return_invoice", number, "--proposal", "0-0", "--reason", "解約")
    assert (code, first.key in err) == (2, True)
    assert told("return_invoice", number, "--proposal", first.key)["total"] == -first.amount * 110 // 100
    decision = Decision.objects.get()
    assert (decision.choice, decision.amount, decision.by) == ("return", first.amount, None)
    back = decision.given_back_by.get().invoice
    assert first.key not in [each.key for each in proposals.proposals([cast.a.pk])]
    told("void_invoice", back.number)
    assert first.key in [each.key for each in proposals.proposals([cast.a.pk])]
    assert not Credit.objects.exists()
    both = told("return_invoice", number, "--proposal", first.key, "--proposal", second.key)
    assert sorted(line.amount for line in Invoice.objects.get(number=both["number"]).lines.all()) == sorted(
        [-first.amount, -second.amount]
    )


@pytest.mark.parametrize(
    ("command", "given", "words"),
    [
        ("reissue_invoice", ["B000000-000000", "--reason", "x"], "請求番号がありません"),
        ("reissue_invoice", ["{number}"], "--reason"),
        ("reissue_invoice", ["{number}", "--reason", " "], "理由を入力"),
        ("return_invoice", ["{number}", "--reason", "x", "--line", "1"], "行=数"),
        ("return_invoice", ["{number}", "--reason", "x", "--line", "a=b"], "行=数"),
        ("return_invoice", ["{number}", "--reason", "x", "--line", "1=2=3"], "行=数"),
        ("return_invoice", ["{number}", "--reason", "x", "--line", "9=1"], "9 行目はありません"),
        ("return_invoice", ["{number}", "--reason", "x", "--line", "1=1", "--days", "1=1"], "1度だけ"),
        ("return_invoice", ["{number}", "--reason", "x", "--days", "1=31"], "30日"),
        ("return_invoice", ["{number}", "--reason", "x", "--line", "1=20001"], "20,000円 まで"),
        ("return_invoice", ["{number}", "--reason", "x", "--proposal", "1-1"], "返すべき額に 1-1 はありません"),
        ("return_invoice", ["{number}", "--reason", "x", "--proposal", "1-1", "--line", "1=1"], "一緒には使えません"),
    ],
)
def it_says_in_one_line_what_cant_be_done(number, command, given, words):
    code, out, err = call(command, *(each.format(number=number) for each in given))
    assert (code, out) == (2, "")
    assert words in err
    assert not Correction.objects.exists()


def it_makes_a_small_return_without_document(number, cast, sign_in):
    """Below 10,000 yen with tax the law asks for the entry only (消費税法施行令70条の9③二)."""
    refused = call("return_invoice", number, "--line", "1=9091", "--reason", "値引き", "--no-document")
    assert refused[0] == 2 and "税込1万円未満の返還だけです" in refused[2]
    back = told("return_invoice", number, "--line", "1=9090", "--no-document")
    assert (back["kind"], back["total"]) == ("return", -9999)
    list(render_waiting())
    made = Invoice.objects.get(number=back["number"])
    assert (
        not InvoicePdf.objects.filter(invoice=made).exists()
        and not Mail.objects.filter(key__endswith=made.number).exists()
    )
    missing = {each.code: each.rows for each in checks.check(make.APRIL, today=date(2026, 5, 20))}
    assert not missing["pdf_missing"] and not missing["mail_missing"]
    call_command("verify_archive", stdout=StringIO())
    browser = sign_in(cast.hanako)
    assert '<span class="muted">書類なし</span>' in browser.get("/invoices/").content.decode()
    rows = browser.get("/invoices/?export=csv").getvalue().decode("utf-8-sig").splitlines()
    assert "書類なし" in next(row for row in rows if made.number in row)
    page = browser.get(f"/invoices/{made.number}/").content.decode()
    assert "税込1万円未満の返還のため、返還請求書は発行していません。" in page
    assert browser.get(f"/invoices/{made.number}/pdf/").status_code == 404
    zipped = ZipFile(BytesIO(browser.get("/invoices/archive/").getvalue()))
    assert made.number in zipped.read("索引簿.csv").decode("utf-8-sig")
    assert not [name for name in zipped.namelist() if made.number in name]
    assert told("void_invoice", made.number)["original_state"] == "void"
    assert not Mail.objects.filter(key__endswith=made.number).exists(), "nobody was told of it before"
    missing = {each.code: each.rows for each in checks.check(make.APRIL, today=date(2026, 5, 20))}
    assert not missing["pdf_missing"] and not missing["mail_missing"]
