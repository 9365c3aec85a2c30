"""`import_usage`: used quantities come in whole or not at all, once, and stand on the draft at once."""

import json
import os
import re
from datetime import date
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
import time_machine
from django.core.management import CommandError, call_command

from billing.models import Invoice, InvoiceLine
from contracts.models import MeterTier
from orders import usage
from orders.models import Usage, UsageCharge, UsageFile
from portal.models import TaxClass
from tests import make


@pytest.fixture(autouse=True)
def in_may():
    with time_machine.travel("2026-05-08T03:00Z"):
        yield


@pytest.fixture
def meter(cast):
    """Company A's traffic: 100 GB free, then 10 yen a GB, above 500 GB 7.5 yen."""
    return make.make_meter(cast.a.contracts.get(), 10, (500, "7.5"), free_quantity=100)


@pytest.fixture
def send(tmp_path):
    """Write a file and take it in; returns what was said. A refused one raises SystemExit."""

    def sent(*lines, header="contract,service,period,quantity", encoding="utf-8", name="usage.csv"):
        path, said = tmp_path / name, StringIO()
        path.write_bytes("\r\n".join([header, *lines, ""]).encode(encoding))
        call_command("import_usage", str(path), stdout=said)
        return said.getvalue()

    return sent


def lines_of(invoice):
    rows = invoice.lines.filter(origin="usage").order_by("position")
    return [(row.specification, row.quantity, row.unit_price, row.amount) for row in rows]


def april_of(customer):
    return Invoice.objects.get(customer=customer, month=make.APRIL)


def it_shows_the_quantity_on_the_draft_at_once(cast, meter, send):
    assert "追加 1 件" in send("K0000001,line,2026-04,620.5")
    invoice = april_of(cast.a)
    assert lines_of(invoice) == [
        ("無料枠", Decimal("100"), 0, 0),
        ("100GBを超える分", Decimal("400"), Decimal("10"), 4000),
        ("500GBを超える分", Decimal("120.5"), Decimal("7.5"), 903),  # 903.75 rounded down
    ]
    assert invoice.state == "draft"
    assert invoice.net == 21500 + 4903
    facts = invoice.lines.filter(origin="usage").values_list("starts_on", "ends_on", "service__code")
    assert set(facts) == {(make.APRIL, date(2026, 4, 30), "line")}


def it_bills_it_with_the_close_once(cast, meter, send):
    send("K0000001,line,2026-04,150")
    for _again in range(2):
        call_command("close_month", "2026-04")
    invoice = april_of(cast.a)
    assert (invoice.state, invoice.total) == ("fixed", 20000 + 1500 + 500 + 2050 + 120)
    assert InvoiceLine.objects.filter(origin="usage").count() == 2


def it_changes_nothing_when_the_same_file_comes_again(cast, meter, send):
    send("K0000001,line,2026-04,150")
    said = send("K0000001,line,2026-04,150", name="again.csv")
    assert "取り込み済み" in said and "usage.csv" in said
    assert UsageFile.objects.count() == 1
    assert len(lines_of(april_of(cast.a))) == 2


def it_goes_back_to_the_figures_of_a_former_file(cast, meter, send):
    send("K0000001,line,2026-04,150", "K0000001,line,2026-05,3")
    send("K0000001,line,2026-04,110", name="corrected.csv")
    assert "変更 1 件、変更なし 1 件" in send("K0000001,line,2026-04,150", "K0000001,line,2026-05,3", name="again.csv")
    assert [(row.quantity, row.file.name) for row in Usage.objects.order_by("month")] == [
        (150, "usage.csv"),
        (3, "usage.csv"),
    ]
    assert lines_of(april_of(cast.a))[1][1] == 50
    assert UsageFile.objects.count() == 2
    call_command("close_month", "2026-04")
    with pytest.raises(SystemExit):
        send("K0000001,line,2026-04,110", name="corrected.csv")
    assert Usage.objects.get(month=make.APRIL).quantity == 150


def it_knows_a_row_again_in_another_file(cast, meter, send):
    send("K0000001,line,2026-04,150")
    assert "追加 1 件、変更 0 件、変更なし 1 件" in send("K0000001,line,2026-04,150.0", "K0000001,line,2026-05,3")
    assert Usage.objects.count() == 2


def it_corrects_a_quantity_until_it_is_billed(cast, meter, send):
    send("K0000001,line,2026-04,620")
    number = april_of(cast.a).number
    assert "変更 1 件" in send("K0000001,line,2026-04,110")
    invoice = april_of(cast.a)
    assert lines_of(invoice) == [("無料枠", 100, 0, 0), ("100GBを超える分", 10, 10, 100)]
    assert (invoice.number, invoice.net) == (number, 21600)
    assert UsageCharge.objects.filter(dropped_on=make.IN_MAY).count() == 3  # what stood there before is still known
    call_command("close_month", "2026-04")
    with pytest.raises(SystemExit) as ended:
        send("K0000001,line,2026-04,90")
    assert ended.value.code == 2
    assert Usage.objects.get().quantity == 110
    assert april_of(cast.a).net == 21600


def it_bills_a_quantity_that_came_after_the_close_next_month_with_its_true_period(cast, meter, send):
    call_command("close_month", "2026-04")
    send("K0000001,line,2026-04,150")
    assert april_of(cast.a).net == 21500
    late = Invoice.objects.get(customer=cast.a, month=make.MAY)
    assert [(line.starts_on, line.amount) for line in late.lines.filter(origin="usage")] == [
        (make.APRIL, 0),
        (make.APRIL, 500),
    ]


def it_tells_in_a_dry_run_what_the_real_one_will_and_stores_nothing(cast, meter, send, tmp_path):
    path, dry, real = tmp_path / "usage.txt", StringIO(), StringIO()
    path.write_bytes("数量\t対象年月\tサービスコード\t契約番号\r\n150\t2026/04/30\tline\tK0000001\r\n".encode("utf-16"))
    call_command("import_usage", str(path), dry_run=True, json=True, stdout=dry)
    assert not UsageFile.objects.exists()
    call_command("import_usage", str(path), json=True, stdout=real)
    told = json.loads(real.getvalue())
    assert {**json.loads(dry.getvalue()), "dry_run": False} == told
    assert (told["encoding"], told["added"], told["errors"], told["parked_customers"]) == ("UTF-16", 1, [], {})
    assert UsageFile.objects.get().rows == 1


def it_makes_no_line_of_nothing(cast, meter, send):
    send("K0000001,line,2026-04,0")
    assert Usage.objects.get().quantity == 0
    assert lines_of(april_of(cast.a)) == []


def it_reads_japanese_headings_and_cp932(cast, meter, send):
    said = send("K0000001,本社,150,line,2026-04", header="契約番号,備考,数量,サービスコード,対象年月", encoding="cp932")
    assert "追加 1 件" in said


def it_knows_a_service_as_files_of_contracts_name_it(cast, meter, send):
    assert "追加 1 件" in send("K0000001,ＬＩＮＥ,2026-04,620.5", header="契約番号,サービス,対象月,使用量")
    name = meter.service.name
    assert "変更なし 1 件" in send(f"K0000001,{name},2026-04,620.5", header="契約番号,サービス,対象月,使用量")
    with pytest.raises(SystemExit):
        send(f"K0000001,{name},2026-04,620.5", "K0000001,line,2026-04,1")


@pytest.mark.parametrize(
    ("row", "quantity"),
    [
        ('K0000001,line,2026-04,"1,234.5"', "1234.5"),
        ("\ufeffｋ００００００１\u3000, line ,2026年4月,１５０", "150"),
        ("K0000001,line,202604,0.50", "0.5"),
        ("K0000001,line,令和8年4月,7\u200b", "7"),
    ],
)
def it_reads_rows_as_people_and_spreadsheets_write_them(cast, meter, send, row, quantity):
    assert "追加 1 件" in send(row)
    assert Usage.objects.get().quantity == Decimal(quantity)


@pytest.mark.parametrize("separator", [";", "\t"])
def it_reads_files_with_other_separators_and_blank_lines(cast, meter, send, separator):
    header = separator.join(["", "契約番号", "サービスコード", "対象年月", "\ufeff数量 "])
    row = separator.join(["", "K0000001", "line", "2026/04", "12,345"])
    said = send(f"\r\n{separator * 4}", row, "", header=f"\r\n{separator * 4}\r\n{header}")
    assert "追加 1 件" in said
    assert Usage.objects.get().quantity == 12345


def it_reports_every_bad_line_with_its_number_and_takes_nothing(cast, meter, tmp_path):
    rows = [
        ("K0000001,line,2026-04,10", ""),
        ("K9999999,line,2026-04,1", "従量の契約「K9999999」がありません"),
        ("K0000001,cloud,2026-04,1", "従量サービス「cloud」がありません"),
        ("K0000001,line,2026-13,1", "「2026-13」は暦にありません"),
        ("K0000001,line,26-05,1", "「26-05」は年月として"),
        ("K0000001,line,2026-05,-1", "「-1」は数量として"),
        ("K0000001,line,2026-05,1.2345", "小数3桁まで"),
        ("K0000001,line,2026-05,12,345", "見出しより多くの列"),
        ("K0000001,line,2026-05", "「数量」が空です"),
        ("K0000001,,2026-05,1", "「サービスコード」が空です"),
        ("K0000\u200b001,line,2026-05,1", "見えない文字（U+200B）"),
        ("K0000001,line,2026-03,1", "2026-04 から 2026-05 まで"),
        ("K0000001,line,2026-06,1", "2026-04 から 2026-05 まで"),
        ("K0000001,line,2026-04,11", "2行目と同じ"),
        ("K0000001,line,2026/4,11", "2行目と同じ"),
    ]
    path, said = tmp_path / "bad.csv", StringIO()
    path.write_text("\n".join(["contract,service,period,quantity", *(row for row, _words in rows)]))
    with pytest.raises(SystemExit) as ended:
        call_command("import_usage", str(path), json=True, stdout=said)
    assert ended.value.code == 2
    errors = json.loads(said.getvalue())["errors"]
    expected = [(number, words) for number, (_row, words) in enumerate(rows, start=2) if words]
    assert [error["line"] for error in errors] == [number for number, _words in expected]
    assert all(words in error["text"] for error, (_number, words) in zip(errors, expected, strict=True))
    assert len((tmp_path / "bad.csv.errors.csv").read_text().splitlines()) == len(expected) + 1
    assert not Usage.objects.exists()
    assert not UsageFile.objects.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "何も書かれていません"),
        (b"contract,service,quantity\r\n", "列「対象年月」（period）がありません"),
        (b"contract,service,period,quantity\r\n\r\n", "データの行がありません"),
        (b"contract,service,period,quantity\r\nK0000001,line,2026-04\r\n", "2行目 IM-011 数量: "),
        (b'contract,service,period,quantity\r\n"K0000001,line\r\n', "CSVとして読めません"),
        (b"contract,service,period,quantity\r\nK0000001,line,2026-04,1\r\nK0000\x00001,line,2026-04,1\r\n", "途中に見えない文字（U+0000）"),
        ("contract,service,period,quantity\r\n".encode("utf-16-le"), "データの行がありません"),
        (b"\xfe\xff" + "契約番号,サービスコード,数量\r\n".encode("utf-16-be"), "列「対象年月」"),
        (b"contract,service,period,quantity\r\nK0000001,line,2026-04,9223372036854775807\r\n", "「9223372036854775807」は数量"),
        (b"contract,service,period,quantity,quantity\r\nK0000001,line,2026-04,1,2\r\n", "見出し「数量」が2つ"),
        ("\r\n契約番号,contract,service,period,quantity\r\n".encode(), "見出し「契約番号」が2つ"),
        (b"contract,service,period,quantity\r\n\x81\xff\xfe\r\n", "として読めません"),
    ],
)  # fmt: skip
def it_says_what_is_wrong_with_a_file_that_is_none(cast, meter, tmp_path, content, words):
    path, said = tmp_path / "bad.csv", StringIO()
    path.write_bytes(content)
    with pytest.raises(SystemExit) as ended:
        call_command("import_usage", str(path), stderr=said)
    assert ended.value.code == 2
    assert words in said.getvalue()
    assert said.getvalue().splitlines()[0].startswith("bad.csv: 1件の誤りがあります")


@pytest.mark.parametrize("as_json", [False, True])
def it_takes_in_a_file_whose_name_is_no_utf8(cast, meter, tmp_path, as_json):
    path, said = os.fsencode(tmp_path) + b"/\x8eg\x97p.csv", StringIO()
    Path(os.fsdecode(path)).write_text("contract,service,period,quantity\nK0000001,line,2026-04,1\n")
    call_command("import_usage", os.fsdecode(path), json=as_json, stdout=said)
    said.getvalue().encode()
    assert "�g�p.csv" in (json.loads(said.getvalue())["file"] if as_json else said.getvalue())
    assert UsageFile.objects.get().name == "�g�p.csv"
    Path(os.fsdecode(path)).unlink()
    with pytest.raises(CommandError, match=r"�g�p\.csv を読めません"):
        call_command("import_usage", os.fsdecode(path))


def it_says_in_one_line_that_a_file_is_missing(cast, tmp_path):
    with pytest.raises(CommandError, match="読めません") as refused:
        call_command("import_usage", str(tmp_path / "none.csv"))
    assert refused.value.returncode == 2


def it_refuses_a_month_in_which_the_contract_was_not_used(cast, meter, send):
    meter.contract.cancel_on = date(2026, 4, 20)
    meter.contract.save()
    send("K0000001,line,2026-04,150")
    assert InvoiceLine.objects.filter(origin="usage").first().ends_on == date(2026, 4, 20)
    with pytest.raises(SystemExit):
        send("K0000001,line,2026-05,1")
    assert Usage.objects.count() == 1


def refused(send, *lines):
    """What a file is refused with."""
    with pytest.raises(SystemExit) as ended:
        send(*lines)
    assert ended.value.code == 2


def it_names_the_line_whose_amount_is_too_large(cast, meter, send, capsys):
    MeterTier.objects.update(unit_price="999999999999.99")
    refused(send, "K0000001,line,2026-05,1", "K0000001,line,2026-04,999999999.999")
    assert "契約 K0000001 の 2026-04 の使用量は、金額が大きすぎます。" in capsys.readouterr().err
    assert not Usage.objects.exists()


def it_refuses_amounts_that_no_invoice_could_add_up(cast, meter, send, capsys):
    MeterTier.objects.update(unit_price="9000000000")
    meter.prices.update(unit_price="9000000000")
    refused(send, "K0000001,line,2026-04,999999999")
    assert "契約 K0000001 の 2026-04 の使用量は、金額が大きすぎます。" in capsys.readouterr().err
    assert not UsageCharge.objects.exists()


@pytest.mark.parametrize(("form", "renews"), [("once", True), ("monthly", False), ("yearly", False)])
def it_refuses_a_month_after_a_contract_that_ended_by_itself(cast, send, capsys, form, renews):
    start = date(2025, 5, 1) if form == "yearly" else make.APRIL
    contract = make.make_contract(cast.b, (1000,), form=form, auto_renew=renews, start_on=start)
    make.make_meter(contract, 10)
    assert "追加 1 件" in send(f"{contract.number},line,2026-04,5")
    refused(send, f"{contract.number},line,2026-05,5")
    assert f"契約 {contract.number} は 2026-05 には利用されていません。" in capsys.readouterr().err
    assert [(usage.month, usage.meter.contract) for usage in Usage.objects.all()] == [(make.APRIL, contract)]


def it_adds_the_terms_that_no_run_has_made_yet(cast, meter, send):
    assert not meter.contract.terms.filter(starts_on=make.MAY).exists()
    assert "追加 1 件" in send("K0000001,line,2026-05,150")
    assert meter.contract.terms.standing().get(starts_on=make.MAY).ends_on == date(2026, 5, 31)
    meter.contract.refresh_from_db()
    assert lines_of(Invoice.objects.get(customer=cast.a, month=make.MAY))


def it_leaves_no_term_behind_when_the_file_is_refused(cast, meter, send):
    refused(send, "K0000001,line,2026-05,150", "K0000001,line,2026-04,x")
    assert not meter.contract.terms.filter(starts_on=make.MAY).exists()


def it_charges_nothing_for_a_quantity_that_lies_outside_the_contract(cast, meter, send):
    send("K0000001,line,2026-04,150", "K0000001,line,2026-05,150")
    meter.contract.cancel_on = date(2026, 4, 20)
    meter.contract.save()
    usage.reprice(meter, today=make.IN_MAY)
    charged = UsageCharge.objects.filter(dropped_on=None).values_list("usage__month", "ends_on").distinct()
    assert set(charged) == {(make.APRIL, date(2026, 4, 20))}


def it_tells_staff_when_a_new_price_cannot_be_charged(cast, meter, send, web):
    MeterTier.objects.all().delete()
    send("K0000001,line,2026-05,999999999")
    before = list(UsageCharge.objects.values())
    web.force_login(cast.staff)
    answer = web.post(
        f"/admin/contracts/meter/{meter.pk}/change/",
        {
            "item": "データ転送量", "unit": "GB", "price_basis": "exclusive", "tax_kind": "standard", "prices-TOTAL_FORMS": 1,
            "prices-INITIAL_FORMS": 1, "prices-0-id": meter.prices.get().pk, "prices-0-meter": meter.pk,
            "prices-0-since": "", "prices-0-free_quantity": "0", "prices-0-unit_price": "999999999999", "prices-0-steps": "",
        },
        follow=True,
    )  # fmt: skip
    assert "契約 K0000001 の 2026-05 の使用量は、金額が大きすぎます" in answer.content.decode()
    assert list(UsageCharge.objects.values()) == before


def it_names_the_customers_that_are_parked_and_why(cast, meter, send, tmp_path):
    exempt = TaxClass.objects.get(kind="exempt")
    cast.a.contracts.get().lines.update(tax_kind="exempt")
    TaxClass.objects.filter(pk=exempt.pk).update(valid_to=make.APRIL)
    path, said = tmp_path / "usage.csv", StringIO()
    path.write_text("contract,service,period,quantity\nK0000001,line,2026-04,1\n")
    with pytest.raises(SystemExit) as ended:
        call_command("import_usage", str(path), stdout=said)
    assert ended.value.code == 1
    assert re.fullmatch("usage.csv（UTF-8）: 追加 1 件.*\n  保留 C0000001: .*税率.*\n", said.getvalue())
    said = StringIO()
    with pytest.raises(SystemExit):
        call_command("import_usage", str(path), json=True, stdout=said)
    parked = json.loads(said.getvalue())["parked_customers"]
    assert list(parked) == ["C0000001"]
    assert "税率" in parked["C0000001"]
    said = StringIO()
    with pytest.raises(SystemExit):
        call_command("open_month", stdout=said)
    assert "  保留 C0000001: " in said.getvalue()


def it_is_all_or_nothing_when_a_tax_class_is_missing(cast, meter, send):
    meter.tax_kind = "exempt"
    meter.save()
    TaxClass.objects.filter(kind="exempt").delete()
    with pytest.raises(SystemExit):
        send("K0000001,line,2026-04,150")
    assert not Usage.objects.exists()
