"""Rows that a function stores, kept for the run: the next test, in whichever process, stores the same ones again at once."""

import functools
import hashlib

import time_machine
from django.apps import apps
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from tests import databases
from tests.once import made_once

# What has rows before a test stores any.
UNTOUCHED = {"auth_group", "auth_group_permissions", "auth_permission", "django_content_type", "portal_faqentry"}
ODD_MICROSECOND = 123457  # by which the moment of making is known among what was stored


def remembered(build=None, *, by=lambda: None):
    """Decorate a function without arguments that stores rows and returns some of them as {name: row}.

    What it stored the first time is stored again where nothing else was stored and passwords are hashed the same way,
    made at the moment of the call. So it may depend on nothing else, today's date least of all, but on what `by` returns.
    """
    if build is None:
        return functools.partial(remembered, by=by)
    memory = {}

    @functools.wraps(build)
    def make():
        filled = tables_with_rows()
        if not databases.past_guards() or not UNTOUCHED.issuperset(filled):
            return build()
        key = filled, tuple(settings.PASSWORD_HASHERS), by()
        if key not in memory:
            told = hashlib.sha256(repr(key).encode()).hexdigest()[:12]
            memory[key] = made_once(f"{build.__module__}.{build.__name__}-{told}", lambda: learnt(build, filled))
        stored, moment, made = memory[key]
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(stored.replace(moment, timezone.now().isoformat()))
        return {name: model._base_manager.get(pk=pk) for name, (model, pk) in made.items()}

    return make


def learnt(build, filled):
    """(SQL that stores what `build` does, the moment that stands in it for now, what it returns); nothing is stored yet."""
    before = {model: pks(model) for model in models() if model._meta.db_table in filled}
    moment = timezone.now().replace(microsecond=ODD_MICROSECOND)
    with transaction.atomic():
        with time_machine.travel(moment, tick=False):
            made = build()
        found = statements(before), moment.isoformat(), {name: (type(row), row.pk) for name, row in made.items()}
        transaction.set_rollback(True)
    return found


def models():
    return apps.get_models(include_auto_created=True)


def tables_with_rows():
    tables = [model._meta.db_table for model in models()]
    with connection.cursor() as cursor:
        cursor.execute("SELECT " + ", ".join(f'EXISTS (SELECT FROM "{table}")' for table in tables))
        return tuple(table for table, filled in zip(tables, cursor.fetchone(), strict=True) if filled)


def pks(model):
    return set(model._base_manager.values_list("pk", flat=True))


def statements(before):
    """SQL that stores all rows but those `before`, and lets their numbers be given to no other row."""
    found = ["SET LOCAL session_replication_role = replica"]  # guards refuse lines of what is fixed
    with connection.cursor() as cursor:
        for model in models():
            fields = [field for field in model._meta.concrete_fields if not field.generated]
            columns = ", ".join(f'"{field.column}"' for field in fields)
            table, key = model._meta.db_table, model._meta.pk.column
            cursor.execute(
                "SELECT jsonb_agg(to_jsonb(stored_row))::text, pg_get_serial_sequence(%s, %s) "
                f'FROM "{table}" stored_row WHERE NOT "{key}" = ANY (%s)',
                [f'"{table}"', key, list(before.get(model, ()))],
            )
            rows, sequence = cursor.fetchone()
            if rows is None:
                continue
            literal = connection.connection.cursor().mogrify("%s", [rows])
            found.append(
                f'INSERT INTO "{table}" ({columns}) SELECT {columns} FROM jsonb_populate_recordset(NULL::"{table}", {literal})'
            )
            if sequence:
                last = f'SELECT max("{key}") FROM "{table}"'
                found.append(f"SELECT setval('{sequence}', greatest(last_value, ({last}))) FROM {sequence}")
    return ";\n".join([*found, "SET LOCAL session_replication_role = origin"])
