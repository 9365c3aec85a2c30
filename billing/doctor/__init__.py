"""What `manage.py doctor` looks at: a function for each thing that goes wrong in silence. Its name is the code.

Each returns what it found, as `well`, `odd` or `wrong` make it, and changes nothing. docs/manual.md has an entry for each code.
"""

from typing import NamedTuple

from django.db import Error, connection, transaction

from billing.doctor import database, machine, vendor, work

CHECKS = (*machine.CHECKS, *database.CHECKS, *work.CHECKS, *vendor.CHECKS)
STATEMENT = "2s"  # the longest that a check may ask the database


class Finding(NamedTuple):
    code: str
    result: str  # ok, warn, fail
    text: str
    todo: str


def examine(checks=CHECKS):
    """Yields a Finding for each of the checks; what can't be looked at is a fault too."""
    for check in checks:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [STATEMENT])
                yield Finding(check.__name__, *check())
        except Error as error:
            said = str(error).strip().partition("\n")[0]
            yield Finding(check.__name__, "fail", f"確認できません（{said}）", "データベースの状態を確認してください。")
