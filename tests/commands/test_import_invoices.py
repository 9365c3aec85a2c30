"""`import_invoices`: what an old system sent comes in with its PDFs, whole or not at all, and stays as it was sent."""

import csv
import io
import json
import zipfile
from datetime import date
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command
from pypdf import PdfWriter

from billing.models import Invoice, InvoicePdf, Rendering, TaxTotal
from portal.models import Mail
from tests import make

HEADING = "請求番号,お客様番号,請求対象年月,請求日,支払期日,確定日,件名,税抜金額,消費税額,請求金額（税込）,PDF,種類,訂正元,10%対象額,10%税額,8%対象額,8%税額"
MAY = "A-1605,C0000001,2016/05,H28.5.31,2016/6/30,2016-06-03,5月分,１０，０００,800,10800,a.pdf,,,,,10000,800"
JUNE = "A-1606,C0000001,42522,2016/6/30,2016/7/31,2016/7/5,6月分,20000,1600,21600,b.pdf,請求書,,,,,"
BACK = "A-1606R,C0000001,2016/06,2016/8/1,,2016/8/1,6月分の返還,▲500,▲40,▲540,r.pdf,返還,A-1606,,,,"
OTHER = "B202404-000007,C0000002,2024/04,2024/4/30,2024/5/31,2024/5/8,4月分,1000,100,1100,o.pdf,,,1000,100,,"
ROWS = [MAY, JUNE, BACK, OTHER]


@pytest.fixture(autouse=True)
def in_may(cast):
    with time_machine.travel("2026-05-08T03:00Z"):
        yield


def pdf(words, password=None, owner=None):
    """A PDF that says something of its own."""
    made, out = PdfWriter(), io.BytesIO()
    made.add_blank_page(200, 200)
    made.add_metadata({"/Title": words})
    if password is not None:
        made.encrypt(password, owner, algorithm="RC4-128")
    made.write(out)
    return out.getvalue()


def files(*rows, **more):
    """{name: bytes} of the table and the PDFs that its rows name."""
    names = [row.split(",")[10] for row in rows if row.count(",") > 9]
    made = {"invoices.csv": "\r\n".join([HEADING, *rows, ""]).encode("cp932")}
    return made | {name: pdf(name) for name in names} | {f"{name}.pdf": content for name, content in more.items()}


@pytest.fixture
def send(tmp_path):
    """Lay the files into a folder, or a ZIP, and take them in; returns what was told as JSON."""

    def sent(given, *options, zipped=False, names=str):
        folder, said = tmp_path / "old", StringIO()
        if zipped:
            folder = tmp_path / "old.zip"
            with zipfile.ZipFile(folder, "w", zipfile.ZIP_DEFLATED) as made:
                for name, content in given.items():
                    made.writestr(names(name), content)
        else:
            folder.mkdir(exist_ok=True)
            for old in folder.iterdir():
                old.unlink()
            for name, content in given.items():
                (folder / name).write_bytes(content)
        try:
            call_command("import_invoices", str(folder), "--json", *options, stdout=said)
        except SystemExit as ended:
            assert ended.code == 2
        return json.loads(said.getvalue())

    return sent


def counts(told):
    return told["added"], told["changed"], told["unchanged"]


def faults(told):
    return [(fault["line"], fault["heading"], fault["value"], fault["code"]) for fault in told["errors"]]


def dump():
    tables = (Invoice, TaxTotal, InvoicePdf, Mail, Rendering)
    return [list(table.objects.order_by("pk").values_list()) for table in tables]


@pytest.mark.parametrize("zipped", [False, True])
def it_keeps_old_invoices_as_they_were_sent(send, zipped):
    told = send(files(*ROWS), zipped=zipped)
    assert (counts(told), told["encoding"], told["errors"], told["warnings"]) == ((4, 0, 0), "CP932", [], [])
    may = Invoice.objects.get(number="A-1605")
    assert (may.kind, may.state, may.month, may.fixed_on) == ("imported", "fixed", date(2016, 5, 1), date(2016, 6, 3))
    assert (may.due_on, may.net, may.tax, may.total) == (date(2016, 6, 30), 10000, 800, 10800)
    assert (may.addressee["name"], may.issuer["registration_number"]) == ("会社C0000001", "")
    assert [(each.kind, f"{each.rate}", each.base, each.tax) for each in may.tax_totals.all()] == [
        ("standard", "0.0800", 10000, 800)
    ]
    back = Invoice.objects.get(number="A-1606R")
    assert (back.corrects.number, back.total, back.due_on) == ("A-1606", -540, None)
    assert bytes(may.pdf.content) == pdf("a.pdf")
    assert not Mail.objects.exists()
    assert not Rendering.objects.exists()


def it_changes_nothing_when_the_same_comes_again(send):
    send(files(*ROWS))
    before = dump()
    assert counts(send(files(*ROWS), zipped=True)) == (0, 0, 4)
    assert counts(send(files(*ROWS[1:]))) == (0, 0, 3)
    assert dump() == before


def it_refuses_other_figures_or_bytes_under_a_number_that_is_in(send):
    send(files(*ROWS))
    before = dump()
    other = files(
        MAY.replace("10800", "10801").replace("800,10801", "801,10801"), JUNE.replace("6月分", "六月分"), BACK
    )
    other["r.pdf"] = pdf("another")
    assert faults(send(other)) == [
        (2, "消費税額", "801", "IM-016"),
        (3, "件名", "六月分", "IM-021"),
        (4, "PDF", "r.pdf", "IM-036"),
    ]
    assert faults(send(files(MAY.replace("C0000001", "C0000002"))))[0] == (2, "お客様番号", "C0000002", "IM-021")
    assert dump() == before


def it_passes_numbers_over_that_look_like_its_own(send):
    send(files(OTHER, MAY.replace("A-1605", "B202604-000004")))
    make.close_month()
    assert Invoice.objects.filter(kind="invoice").order_by("number").first().number == "B202604-000005"
    told = send(files(MAY.replace("A-1605", "B202604-000005").replace("a.pdf", "z.pdf")))
    assert faults(told) == [(2, "請求番号", "B202604-000005", "IM-021")]


def it_tells_all_that_is_wrong_at_once_and_takes_nothing(send, tmp_path):
    rows = [
        MAY,
        JUNE.replace("21600", "21601"),
        BACK.replace(",A-1606,", ",A-9999,").replace("r.pdf", "sub/r.pdf"),
        "A-2,X9,2016/05,2016/5/31,2016/6/30,2016/6/3,件名,1,0,1,missing.pdf",
        "A-3,C0000002,2016/05,2016/5/31,,2016/6/3,件名,1,0,1,a.pdf,返還,A-1605",
        "A-4,C0000002,2016/05,2016/5/31,2016/6/30,2026/5/9,件名,1,0,1,torn.pdf,,,1,,,",
        "A-5,C0000002,2016/05,2016/5/31,2016/6/30,2016/6/3,件名,-1,0,-1,locked.pdf,,A-1605",
        "A-6,C0000002,2016/05,2016/5/31,2016/6/30,2016/6/3,件名,-1,0,-1,same.pdf",
        "A-6,C0000002,2016/05,2016/5/31,2016/6/30,2016/6/3,件名,-1,0,-1,one.pdf",
    ]
    given = files(*rows, locked=pdf("locked", "secret"), same=pdf("a.pdf"), left=pdf("left"))
    given["torn.pdf"] = given["torn.pdf"][:-40]
    del given["missing.pdf"], given["sub/r.pdf"]
    told = send(given)
    assert sorted(faults(told)) == sorted([
        (1, "PDF", "left.pdf", "IM-032"),
        (3, "請求金額（税込）", "21601", "IM-016"),
        (4, "PDF", "sub/r.pdf", "IM-012"),
        (5, "お客様番号", "X9", "IM-015"),
        (5, "PDF", "missing.pdf", "IM-031"),
        (6, "請求金額（税込）", "1", "IM-016"),
        (6, "訂正元", "A-1605", "IM-016"),
        (6, "支払期日", "", "IM-011"),
        (6, "PDF", "a.pdf", "IM-035"),
        (7, "10%税額", "", "IM-011"),
        (7, "確定日", "2026/5/9", "IM-021"),
        (7, "PDF", "torn.pdf", "IM-033"),
        (8, "訂正元", "A-1605", "IM-016"),
        (8, "PDF", "locked.pdf", "IM-034"),
        (9, "PDF", "same.pdf", "IM-035"),
        (10, "請求番号", "A-6", "IM-014"),
    ])  # fmt: skip
    assert not Invoice.objects.exists()
    left = list(csv.reader((tmp_path / "old.errors.csv").open(encoding="cp932", newline="")))
    assert [row[0] for row in left[1:]] == ["A-1606", "A-1606R", "A-2", "A-3", "A-4", "A-5", "A-6", "A-6"]


def it_warns_of_returns_without_original_of_restricted_pdfs_and_of_months_that_are_its_own(send):
    told = send(files(BACK.replace("返還,A-1606", ","), MAY.replace("2016/05", "2026/04"), a=pdf("a", "", "owner")))
    assert told["errors"] == []
    assert [warning.split(":")[0] for warning in told["warnings"]] == [
        "2行目 A-1606R",
        "3行目 a.pdf",
        "運用開始年月（2026年4月）以後の請求が1件あります。このポータルの請求と重なっていないか確かめてください。",
    ]


def it_tells_in_a_dry_run_what_the_real_one_will(send):
    before = dump()
    dry = send(files(*ROWS), "--dry-run")
    assert dump() == before
    assert {**dry, "dry_run": False} == send(files(*ROWS))


def it_finds_the_table_in_a_folder_of_the_zip(send):
    given = {f"移行 2016/{name}": content for name, content in files(MAY).items()}
    assert counts(send(given | {"__MACOSX/移行 2016/._a.pdf": b"x"}, zipped=True)) == (1, 0, 0)


def it_reads_names_of_zips_made_by_a_japanese_windows(send, tmp_path):
    """Its names are CP932, and nothing in the ZIP says so."""
    path, name = tmp_path / "old.zip", "請求書.pdf".encode("cp932")
    given = files(MAY.replace("a.pdf", "請求書.pdf"))
    send(given, "--dry-run", zipped=True, names=lambda name: name.replace("請求書", "xxxxxx"))
    path.write_bytes(path.read_bytes().replace(b"xxxxxx.pdf", name))
    said = StringIO()
    call_command("import_invoices", str(path), "--json", stdout=said)
    assert counts(json.loads(said.getvalue())) == (1, 0, 0)


@pytest.mark.parametrize(
    ("names", "content", "told"),
    [
        (lambda name: f"../{name}", b"", "外を指す名前"),
        (lambda name: f"/{name}", b"", "外を指す名前"),
        (str, b"\0" * 20_000_000, "大きくなりすぎます"),
        (lambda name: name.replace("invoices.csv", "other.csv"), b"", "invoices.csv がありません"),
    ],
)
def it_refuses_zips_that_reach_out_or_burst(send, names, content, told):
    with pytest.raises(CommandError, match=told) as refused:
        send(files(MAY, bomb=content), zipped=True, names=names)
    assert refused.value.returncode == 2
    assert not Invoice.objects.exists()


def it_follows_no_link_out_of_the_folder(send, tmp_path):
    (tmp_path / "secret.pdf").write_bytes(pdf("a.pdf"))
    given = files(MAY)
    del given["a.pdf"]
    send(given)
    (tmp_path / "old/a.pdf").symlink_to(tmp_path / "secret.pdf")
    said = StringIO()
    with pytest.raises(SystemExit):
        call_command("import_invoices", str(tmp_path / "old"), "--json", stdout=said)
    assert faults(json.loads(said.getvalue())) == [(2, "PDF", "a.pdf", "IM-031")]


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04", b"%PDF-1.4"])
def it_says_what_is_no_folder_and_no_zip(tmp_path, content):
    path = tmp_path / "old.zip"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CommandError) as refused:
        call_command("import_invoices", str(path), stdout=StringIO())
    assert refused.value.returncode == 2


def it_asks_for_the_heading_before_it_looks_for_pdfs(send):
    given = files(*ROWS)
    told = send(given | {"invoices.csv": ("請求一覧\r\n".encode("cp932")) + given["invoices.csv"]})
    assert [(fault["line"], fault["code"]) for fault in told["errors"]] == [(1, "IM-004")]
    assert "見出しは2行目" in told["errors"][0]["text"]


def it_warns_of_a_payment_before_the_bill(send):
    told = send(files(JUNE.replace("2016/7/31", "2016/6/29")))
    assert counts(told) == (1, 0, 0)
    assert told["warnings"] == ["2行目 A-1606: 支払期日が請求日より前です。"]
