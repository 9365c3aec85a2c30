"""What comes back from memory is what the portal's own services would store."""

import json

import pytest
import time_machine
from django.db import connection, transaction

from accounts.models import Customer
from tests import make, once
from tests.replay import models, remembered

BEFORE, LATER = "2026-05-08T12:34:56+09:00", "2031-07-01T09:00:00+09:00"


@pytest.fixture(autouse=True)
def learnt_here(monkeypatch):
    """Not taken from another process, at whose moment the database wrote a job's."""
    monkeypatch.setattr(once, "folder", None)


def stored(make_it, at, *, numbers=True):
    """{table: its rows} after `make_it` at that moment, which is undone; without numbers what is known by them stays out."""
    with time_machine.travel(at, tick=False), transaction.atomic():
        make_it()
        found = {model._meta.db_table: sorted(rows(model, numbers)) for model in models()}
        connection.check_constraints()
        transaction.set_rollback(True)
    return found


def rows(model, numbers):
    unlike = {field.column for field in model._meta.concrete_fields if field.primary_key or field.is_relation}
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT to_jsonb(stored_row)::text FROM "{model._meta.db_table}" stored_row')
        for (text,) in cursor.fetchall():
            row = json.loads(text)
            yield str(
                row if numbers else {name: row[name] for name in row if name not in {*unlike, "password", "args"}}
            )


@pytest.mark.parametrize("build", [make.cast_rows.__wrapped__, make.billed_rows.__wrapped__])
def it_is_the_same_row_by_row_at_whatever_moment(build, db):
    again = remembered(build)
    first = stored(again, BEFORE)
    assert len(first["orders_orderline"]) >= 3
    assert stored(again, BEFORE) == first
    assert stored(again, LATER, numbers=False) == stored(build, LATER, numbers=False)


def it_stores_nothing_from_memory_beside_what_a_test_stored(db):
    again = remembered(make.cast_rows.__wrapped__)
    stored(again, BEFORE)
    make.make_vendor(first_month=make.MAY)
    assert again()["staff"] == make.User.objects.get(email="staff@example.net")
    assert make.make_vendor().first_month == make.MAY


def it_gives_no_number_twice(db):
    again = remembered(make.cast_rows.__wrapped__)
    stored(again, BEFORE)
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval(pg_get_serial_sequence('accounts_customer', 'id'), 1, false)")
    again()
    others = set(Customer.objects.values_list("pk", flat=True))
    assert make.make_customer("C0000003").pk > max(others)
