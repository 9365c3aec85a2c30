"""Reads the code: amounts are rounded in portal/money.py and nowhere else."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("portal", "accounts", "contracts", "orders", "billing")
ROUNDING = re.compile(r"\bround\(|quantize|ROUND_", re.IGNORECASE)


def rounding_in(text):
    return [
        f"line {number}: {line.strip()}" for number, line in enumerate(text.splitlines(), 1) if ROUNDING.search(line)
    ]


def test_only_money_rounds():
    files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    found = {str(path.relative_to(ROOT)): rounding_in(path.read_text(encoding="utf-8")) for path in files}
    assert found.pop("portal/money.py"), "the search doesn't even find the rounding in portal/money.py"
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "line",
    [
        "total = round(net * rate)",
        "net.quantize(Decimal(1))",
        "from decimal import ROUND_DOWN",
        "total=Round('total')",
        "SELECT ROUND(total / 3)",
    ],
)
def test_the_search_knows_rounding_when_it_sees_it(line):
    assert rounding_in(line)


@pytest.mark.parametrize("line", ["background('red')", "rounded = line_amount(3, 105)", "# once around()"])
def test_the_search_leaves_other_words_alone(line):
    assert not rounding_in(line)
