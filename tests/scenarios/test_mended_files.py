"""An old system's files with 37 mistakes in them: each is told with its line, and the files of errors come in once mended."""

import csv
import json
from datetime import date
from io import StringIO

import pytest
import time_machine
from django.core.management import call_command

from accounts.models import Customer, User
from billing.models import Invoice
from contracts.models import Contract
from tests import make
from tests.old_system import OldSystem

# (line as a spreadsheet counts it, heading, what stands there instead of what should)
MISTAKES = {
    "customers": [
        (2, "お客様番号", ""), (3, "お客様番号", "A_2"), (5, "お客様番号", "A-00003"), (6, "会社名", ""), (7, "カナ", "見本"),
        (8, "郵便番号", "100"), (9, "電話", "なし"), (10, "支払方法", "手渡し"), (11, "取引開始日", "16/4/1"),
    ],
    "users": [
        (2, "お客様番号", "A-99999"), (3, "Eメール", "soumu0"), (4, "Eメール", ""), (5, "名前", "http://example.com/"),
        (7, "Eメール", "keiri2@example.com"), (8, "名前", ""), (9, "メール送信先", "はいはい"), (11, "部署", "経" * 101),
    ],
    "contracts": [
        (2, "契約番号", ""), (4, "お客様番号", "A-99999"), (7, "サービス", "clowd"), (8, "契約形態", "週額"), (11, "契約開始日", "2025-13-01"),
        (14, "更新区分", "たぶん"), (15, "解約日", "2/31"), (18, "数量", "いくつか"), (19, "単価", "1.000,5"), (21, "税区分", "普通"),
        (22, "数量", "-1.2345"),
    ],
    "invoices": [
        (2, "請求番号", ""), (3, "お客様番号", "A-99999"), (4, "請求対象年月", "202513"), (5, "請求日", "昨日"), (6, "税抜金額", "10,000.5"),
        (7, "請求金額（税込）", "1"), (8, "PDF", "nothing.pdf"), (9, "種類", "見積書"), (10, "件名", ""),
    ],
}  # fmt: skip


@pytest.fixture
def old(db, tmp_path):
    make.make_vendor(first_month=make.APRIL)
    with time_machine.travel("2026-05-08T03:00Z"):
        made = OldSystem(tmp_path / "old", customers=10, go_live=make.APRIL, first_invoice=date(2026, 2, 1))
        made.write()
        yield made


def path_of(old, kind):
    return old.folder / "invoices" / "invoices.csv" if kind == "invoices" else old.folder / f"{kind}.csv"


def take(old, kind, path=None):
    said = StringIO()
    given = path or (old.folder / "invoices" if kind == "invoices" else path_of(old, kind))
    try:
        call_command(f"import_{kind}", str(given), "--json", stdout=said)
    except SystemExit as ended:
        assert ended.code == 2
    return json.loads(said.getvalue())


def read(path):
    with path.open(encoding="cp932", newline="") as file:
        return list(csv.reader(file))


def write(path, rows):
    with path.open("w", encoding="cp932", newline="") as file:
        csv.writer(file).writerows(rows)


def it_tells_37_mistakes_with_their_lines_and_takes_the_mended_rows_in(old):
    assert sum(map(len, MISTAKES.values())) == 37
    for kind, mistakes in MISTAKES.items():
        path = path_of(old, kind)
        right = read(path)
        wrong = [row[:] for row in right]
        for line, heading, value in mistakes:
            wrong[line - 1][right[0].index(heading)] = value
        write(path, wrong)
        told = take(old, kind)
        assert {fault["line"] for fault in told["errors"]} >= {line for line, _heading, _value in mistakes}, kind
        assert (told["added"], told["changed"]) == (0, 0)

        errors = path.with_name(f"{path.name}.errors.csv")
        if kind == "invoices":
            errors = old.folder / "invoices.errors.csv"
        left = read(errors)
        bad = sorted({fault["line"] for fault in told["errors"] if fault["line"] > 1})
        if kind == "contracts":  # whose rows come with all others of their contract
            whole = {wrong[line - 1][0] for line in bad}
            bad = [line for line, row in enumerate(wrong, 1) if row[0] in whole]
        assert [row[:-1] for row in left] == [wrong[line - 1] for line in [1, *bad]]
        if kind != "invoices":  # of those the folder has to hold just the PDFs that the table names
            mended = path.with_name("mended.csv")
            write(mended, [left[0], *([*right[line - 1], ""] for line in bad)])
            assert take(old, kind, mended)["errors"] == []
        write(path, right)
        assert take(old, kind)["errors"] == []
    counted = [model.objects.count() for model in (Customer, Contract, Invoice)]
    assert counted == [10, old.contracts, old.invoices]
    assert User.objects.filter(customer__isnull=False).count() == len(read(path_of(old, "users"))) - 1
