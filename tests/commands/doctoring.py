"""What `manage.py doctor` complains of, and how a test breaks something."""

from django.db import connection

from billing import doctor

APART = {"test_pdf", "site"}  # they have tests of their own
QUICK = [check for check in doctor.CHECKS if check.__name__ not in APART]


def sql(statement, *given):
    with connection.cursor() as cursor:
        cursor.execute(statement, given)


def complaints():
    return {found.code: found.result for found in doctor.examine(QUICK) if found.result != "ok"}


def lone(code, result="fail"):
    return {code: result}
