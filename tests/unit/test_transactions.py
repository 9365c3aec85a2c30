"""What locks rows says so by its decorator: a test's own transaction, or a request's, would hide that a command has none."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Only ever called by what is atomic; their names say that they lock.
LOCKS = ("lock", "take_key")
SERVICES = [
    path
    for app in ("accounts", "contracts", "orders", "billing", "portal")
    for path in sorted((ROOT / app).rglob("*.py"))
    if path.name in ("services.py", "settled.py", "credentials.py", "decisions.py") or "corrections" in path.parts
]


def locking(path):
    """Names of functions that lock rows, or call what does, without a transaction of their own."""
    for function in ast.walk(ast.parse(path.read_text())):
        if not isinstance(function, ast.FunctionDef) or function.name.startswith(LOCKS):
            continue
        calls = {ast.unparse(call.func).rpartition(".")[2] for call in ast.walk(function) if isinstance(call, ast.Call)}
        decorated = any(ast.unparse(each).startswith("transaction.atomic") for each in function.decorator_list)
        locks = any(name == "select_for_update" or name.startswith("lock_") for name in calls)
        if locks and not decorated and "transaction.atomic(" not in ast.unparse(function):
            yield function.name


@pytest.mark.parametrize("path", SERVICES, ids=[str(path.relative_to(ROOT)) for path in SERVICES])
def it_opens_a_transaction_where_rows_are_locked(path):
    assert list(locking(path)) == []
