"""The demo at a fixed clock as text: every table, every list's CSV, every PDF's SHA-256. For `diff` around a change that changes nothing.

`.venv/bin/python bench/frozen.py > before.txt`, make the change, `… > after.txt`, `diff before.txt after.txt`. What is
random or counts real time (hashes of passwords, queued jobs) is left out. Uses the test database's server; 13 months of
PDFs take half a minute.
"""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django

django.setup()

import time_machine
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import setup_databases, setup_test_environment, teardown_databases

from accounts.models import User

NOW = datetime(2026, 5, 8, 3, tzinfo=UTC)
APPS = ("portal", "accounts", "contracts", "orders", "billing")
# Random, or the server's own clock.
LEFT_OUT = {"password", "content", "updated_at"}
LISTS = ["/contracts/", "/orders/", "/invoices/", "/account/users/", "/account/history/"]


def tables():
    for model in sorted(apps.get_models(), key=lambda model: model._meta.db_table):
        if model._meta.app_label not in APPS or model.__name__ in ("Session", "Throttle"):
            continue
        columns = sorted(field.column for field in model._meta.concrete_fields if field.name not in LEFT_OUT)
        with connection.cursor() as cursor:
            names = ", ".join(f'"{name}"' for name in columns)
            cursor.execute(f"SELECT row({names})::text FROM {model._meta.db_table} ORDER BY 1")
            yield from (f"{model._meta.db_table} {row}" for (row,) in cursor.fetchall())


def exports():
    for email in ("hanako@example.com", "jiro@example.org"):
        browser = Client()
        browser.force_login(User.objects.get(email=email))
        for path in LISTS:
            names = [each["name"] for each in browser.get(path).context["chooser"]]
            browser.post(path, {"columns": names})
            for encoding in ("", "cp932"):
                body = b"".join(browser.get(path, {"export": "csv", "encoding": encoding}))
                yield from (f"{path} {encoding} {line!r}" for line in body.splitlines())


def main():
    setup_test_environment()
    databases = setup_databases(0, False)
    try:
        with time_machine.travel(NOW, tick=False):
            with open(os.devnull, "w") as nowhere:
                call_command("load_demo", stdout=nowhere)
                call_command("render_invoices", stdout=nowhere)
            for line in [*exports(), *tables()]:
                print(line)
    finally:
        teardown_databases(databases, 0)
        connection.close()


if __name__ == "__main__":
    main()
