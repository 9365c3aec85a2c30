"""The manual for who moves in says how every column is headed, and what to do about every code that an import prints."""

import re
from pathlib import Path

import pytest

from accounts.imports import CUSTOMERS, USERS
from billing.imports import INVOICES
from billing.month import compare
from orders.imports import CONTRACTS
from orders.usage import USAGE
from portal.imports.faults import Code

MANUAL = (Path(__file__).parents[2] / "docs" / "manual.md").read_text()
FILES = {
    "customers": CUSTOMERS.columns,
    "users": USERS.columns,
    "contracts": CONTRACTS.columns,
    "invoices": INVOICES.columns,
    "usage": USAGE.columns,
    "compare": compare.COLUMNS,
}


def rows(mark):
    """The cells of the table between these two marks, without its heading."""
    table = MANUAL.partition(f"<!-- {mark} -->")[2].partition(f"<!-- /{mark} -->")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()[2:]]


@pytest.mark.parametrize("name", FILES)
def it_names_every_column_of_a_file_in_its_order(name):
    told = [(label.removesuffix("（必須）"), key.strip("`"), "（必須）" in label) for label, key, _how in rows(name)]
    assert told == [(column.label, column.name, column.required) for column in FILES[name]]
    assert all(how for _label, _key, how in rows(name))


def it_tells_what_to_do_about_every_code():
    assert [cells[0] for cells in rows("codes")] == [str(code) for code in Code]


def it_names_no_command_that_there_is_not():
    commands = {path.stem for path in (Path(__file__).parents[2] / "billing/management/commands").glob("*.py")}
    named = set(re.findall(r"`(import_[a-z]+|compare_[a-z]+|send_[a-z]+|check_[a-z]+|close_[a-z]+)\b", MANUAL))
    assert named <= commands


def it_begins_from_twenty_symptoms_and_says_what_to_expect():
    found = rows("symptoms")
    assert len(found) >= 20
    assert len({symptom for symptom, _how, _expected in found}) == len(found)
    assert all(how and expected for _symptom, how, expected in found)


def it_explains_every_code_of_the_monthly_check():
    """Those of `check_month` stand in operations.md."""
    operations = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    table = operations.partition("## What `check_month` says")[2].partition("\n## ")[0]
    told = {code for cells in re.findall(r"^\| ([^|]+) \|", table, re.M) for code in re.findall(r"`(\w+)`", cells)}
    sources = [path.read_text() for path in (Path(__file__).parents[2] / "billing/month/checks").glob("*.py")]
    known = {code for text in sources for code in re.findall(r'(?:found|Question)\(\s*"(\w+)"', text)}
    assert known
    assert known - told == set()
