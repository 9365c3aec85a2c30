"""Rows that a function stores, kept in memory: the next test of this process stores the same ones again at once."""

import functools

from django.apps import apps
from django.conf import settings
from django.db import connection
from django.utils import timezone


def remembered(build):
    """Decorate a function without arguments that stores rows and returns some of them as {name: row}.

    What it stored the first time is stored again from memory wherever the same tables have rows and passwords are
    hashed the same way, made at the moment of the call. So it may depend on nothing else, today's date least of all.
    """
    memory = {}

    @functools.wraps(build)
    def make():
        filled = tables_with_rows()
        key = filled, tuple(settings.PASSWORD_HASHERS)
        if key not in memory:
            before = {model: pks(model) for model in models() if model._meta.db_table in filled}
            made = build()
            memory[key] = statements(before), {name: (type(row), row.pk) for name, row in made.items()}
            return made
        stored, made = memory[key]
        with connection.cursor() as cursor:
            cursor.execute(stored, {"now": timezone.now()})
        return {name: model._base_manager.get(pk=pk) for name, (model, pk) in made.items()}

    return make


def models():
    return [model for model in apps.get_models(include_auto_created=True) if model._meta.managed]


def tables_with_rows():
    tables = [model._meta.db_table for model in models()]
    with connection.cursor() as cursor:
        cursor.execute("SELECT " + ", ".join(f'EXISTS (SELECT FROM "{table}")' for table in tables))
        return tuple(table for table, filled in zip(tables, cursor.fetchone(), strict=True) if filled)


def pks(model):
    return set(model._base_manager.values_list("pk", flat=True))


def statements(before):
    """SQL that stores all rows but those `before`, and lets their numbers be given to no other row."""
    found = []
    with connection.cursor() as cursor:
        for model in models():
            fields = [field for field in model._meta.concrete_fields if not field.generated]
            columns = ", ".join(f'"{field.column}"' for field in fields)
            values = ", ".join("%(now)s" if is_moment_of_making(field) else f'"{field.column}"' for field in fields)
            table, key = model._meta.db_table, model._meta.pk.column
            cursor.execute(
                "SELECT jsonb_agg(to_jsonb(row))::text, pg_get_serial_sequence(%s, %s) "
                f'FROM "{table}" row WHERE NOT "{key}" = ANY (%s)',
                [f'"{table}"', key, list(before.get(model, ()))],
            )
            rows, sequence = cursor.fetchone()
            if rows is None:
                continue
            literal = connection.connection.cursor().mogrify("%s", [rows]).replace("%", "%%")
            found.append(
                f'INSERT INTO "{table}" ({columns}) SELECT {values} FROM jsonb_populate_recordset(NULL::"{table}", {literal})'
            )
            if sequence:
                last = f'SELECT max("{key}") FROM "{table}"'
                found.append(f"SELECT setval('{sequence}', greatest(last_value, ({last}))) FROM {sequence}")
    return ";\n".join(found)


def is_moment_of_making(field):
    return getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False)
