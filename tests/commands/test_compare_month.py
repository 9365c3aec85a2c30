"""`compare_month`: the old system's amounts beside ours, to the yen, before anybody is billed; nothing is stored."""

import json
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command

from billing.models import Invoice, MonthRun
from orders.models import Order
from tests import make

# What the cast's contracts come to in April: A 20,000 at 10 % and 1,500 at 8 %, B 1,000 (see tests/conftest.py).
HEADING = "customer,tax_kind,tax_rate,net,tax"


@pytest.fixture(autouse=True)
def in_may():
    with time_machine.travel("2026-05-08T03:00Z"):
        yield


@pytest.fixture
def compare(tmp_path):
    """Compare April (or another month) with these rows; returns (exit code, what was said as JSON)."""

    def compared(*rows, month="2026-04", heading=HEADING):
        path, said = tmp_path / "old.csv", StringIO()
        path.write_bytes("\r\n".join([heading, *rows, ""]).encode("cp932"))
        try:
            call_command("compare_month", month, str(path), "--json", stdout=said)
        except SystemExit as ended:
            return ended.code, json.loads(said.getvalue())
        return 0, json.loads(said.getvalue())

    return compared


def ours(compare):
    """Rows that say what this portal computes, made from the differences to nothing at all."""
    _code, told = compare("C0000001,standard,10,0,0")
    return [
        ",".join(map(str, (each["customer"], each["tax_kind"], each["tax_rate"], *each["new"].values())))
        for each in told["differences"]
    ]


def it_finds_equal_what_is_and_stores_nothing(cast, compare):
    rows = ours(compare)
    assert "C0000001,standard,10,20000,2000" in rows
    assert compare(*rows) == (0, {"month": "2026-04", "equal": True, "differences": []})
    assert not Invoice.objects.exists()
    assert not Order.objects.filter(month=make.MAY).exists()
    assert not MonthRun.objects.exists()


def it_names_each_difference_to_the_yen_whoever_has_it(cast, compare):
    rows = ours(compare)
    changed = [row.replace("10,20000,2000", "10%,20000,1999") for row in rows if not row.startswith("C0000002")]
    code, told = compare(*changed)
    assert (code, told["equal"]) == (1, False)
    assert told["differences"][0] == {
        "customer": "C0000001",
        "tax_kind": "standard",
        "tax_rate": 10,
        "old": {"net": 20000, "tax": 1999},
        "new": {"net": 20000, "tax": 2000},
    }
    assert [(each["customer"], each["old"]) for each in told["differences"][1:]] == [("C0000002", {"net": 0, "tax": 0})]


def it_compares_a_closed_month_with_what_was_billed(cast, compare):
    rows = ours(compare)
    call_command("close_month", "2026-04", stdout=StringIO())
    assert compare(*rows)[0] == 0
    assert compare(*rows[1:])[0] == 1


def it_tells_every_row_that_it_cant_read(cast, compare):
    code, told = compare(
        "X,standard,10,1,1", "C0000001,標準,ten,1,1", "C0000001,標準税率,１０,1,1", "C0000001,standard,10,1,1"
    )
    assert code == 2
    assert [(fault["line"], fault["code"]) for fault in told["errors"]] == [
        (3, "IM-012"), (3, "IM-012"), (5, "IM-014"), (2, "IM-015"),
    ]  # fmt: skip


def it_refuses_a_month_before_the_first(cast, tmp_path):
    path = tmp_path / "old.csv"
    path.write_text(f"{HEADING}\nC0000001,standard,10,0,0\n")
    with pytest.raises(CommandError, match="運用開始年月") as refused:
        call_command("compare_month", "2026-03", str(path))
    assert refused.value.returncode == 2


def it_says_it_in_words(cast, tmp_path):
    path, said = tmp_path / "old.csv", StringIO()
    path.write_text(f"{HEADING}\nC0000001,standard,10,19000,1900\n")
    with pytest.raises(SystemExit):
        call_command("compare_month", "2026-04", str(path), stdout=said)
    assert "C0000001 標準税率 10%: 旧 19,000 + 税 1,900、新 20,000 + 税 2,000（差 +1,100）" in said.getvalue()


def it_computes_a_month_to_come_as_its_first_day_will(cast, compare):
    rows = [row.split(",") for row in ours(compare)]
    assert compare(*(",".join(row) for row in rows), month="2026-07")[0] == 0
    assert not Order.objects.filter(month__gt=make.MAY).exists()
