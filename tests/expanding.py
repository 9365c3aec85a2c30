"""Reads what a migration does to the version before it, which goes on working beside the new tables while an upgrade goes on.

"Expand, then contract": a version adds what it needs; what the former one used goes with a later one. The SQL is that which `sqlmigrate`
shows, hand-written SQL too. What a rule forbids but is harmless here, a migration says with its reason:

    class Migration(migrations.Migration):
        harmless = {"index": "One row a month."}

An own reader, because the linters there are want their exceptions as operations of their package, which every installation would need.
"""

import re
from collections import defaultdict
from unittest import mock

from django.db import connection
from django.db.migrations import RunPython
from django.db.migrations.loader import MigrationLoader

NAME = r'(?:ONLY )?(?:IF EXISTS )?"?(?:public\.)?"?(\w+)"?'
IN_TABLE = rf"^ALTER TABLE {NAME}"
# code: (what it is, what says so in one statement, with the table's name as its first group where there is one)
RULES = {
    "drops": ("the old version still reads or calls it", [
        rf"^DROP TABLE {NAME}", rf"{IN_TABLE}.* DROP COLUMN", r"^DROP (?:MATERIALIZED )?VIEW", r"^DROP FUNCTION",
    ]),
    "renames": ("the old version knows the old name", [rf"{IN_TABLE}.* RENAME (?:TO|COLUMN)", r"^ALTER FUNCTION .* RENAME TO"]),
    "needed": ("the old version writes rows without it: give it a db_default", [rf"{IN_TABLE}.* SET NOT NULL"]),
    "type": ("rewrites the table, or refuses what the old version writes", [rf"{IN_TABLE}.* ALTER COLUMN \S+ (?:SET DATA )?TYPE"]),
    "constraint": ("looks at all rows under a lock, and may refuse what the old version writes", [
        rf"{IN_TABLE}(?!.* NOT VALID).* ADD CONSTRAINT",
    ]),
    "index": ("nobody can write while it is made: AddIndexBeside (portal/db/indexes.py), with atomic = False", [
        rf"^CREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY).*? ON {NAME}",
    ]),
    "revokes": ("the old version needs the right", [rf"^REVOKE .* ON (?:TABLE )?{NAME} FROM"]),
    "python": ("can't be read: how long, and under which locks?", []),
}  # fmt: skip
MADE = re.compile(rf"^CREATE TABLE (?:IF NOT EXISTS )?{NAME}")
ADDED = re.compile(r'ADD COLUMN "?(\w+)"? (.*)$')
DEFAULT_GOES = re.compile(r'ALTER COLUMN "?(\w+)"? DROP DEFAULT')
WIDER = re.compile(r'ALTER COLUMN "?(\w+)"? TYPE (?:varchar\((\d+)\)|text)')


def statements(migration, state):
    """The statements that it sends, one a line each, without comments."""
    in_one = connection.in_atomic_block and migration.atomic  # the test's own transaction: nothing is sent in it
    with (
        mock.patch.object(connection, "in_atomic_block", in_one),
        connection.schema_editor(collect_sql=True, atomic=migration.atomic) as editor,
    ):
        migration.apply(state.clone(), editor, collect_sql=True)
    lines = [re.sub(r"--.*", "", line) for line in editor.collected_sql]
    return [re.sub(r"\s+", " ", each).strip() for each in re.split(r";\s*(?:\n|$)", "\n".join(lines)) if each.strip()]


def judge(migration, state):
    """{code: statements} of what the version before it can't live with."""
    sent = statements(migration, state)
    made = {found[1] for each in sent if (found := MADE.match(each))}
    broken = defaultdict(list)
    without_default = {found[1] for each in sent if (found := DEFAULT_GOES.search(each))}
    for each in sent:
        for code, (_why, forms) in RULES.items():
            for form in forms:
                found = re.match(form, each, re.I)
                if (
                    found
                    and not (found.groups() and found[1] in made)
                    and not (code == "type" and only_wider(each, state))
                ):
                    broken[code].append(each)
                    break
        added = ADDED.search(each)
        if added and re.match(IN_TABLE, each)[1] not in made and needed(*added.groups(), without_default):
            broken["needed"].append(each)
    if any(isinstance(each, RunPython) for each in migration.operations):
        broken["python"].append("RunPython")
    return dict(broken)


def needed(column, definition, without_default):
    """Whether rows can't be written without the column. Django gives a default to the rows there are, and takes it away again."""
    filled = " DEFAULT " in definition or " GENERATED " in definition
    return " NOT NULL" in definition and (not filled or column in without_default)


def only_wider(statement, state):
    """Whether the column takes longer texts than before, which PostgreSQL writes into its catalogue only."""
    table, found = re.match(IN_TABLE, statement)[1], WIDER.search(statement)
    if not found:
        return False
    for model in state.apps.get_models(include_auto_created=True):
        if model._meta.db_table == table:
            field = next(each for each in model._meta.local_concrete_fields if each.column == found[1])
            return field.max_length is not None and (found[2] is None or int(found[2]) >= field.max_length)
    return False


def since(marked):
    """(migration, the state before it) of the project's own migrations that came after those of {app: number}."""
    loader = MigrationLoader(connection)
    for (app, name), migration in sorted(loader.disk_migrations.items()):
        if app in marked and int(name[:4]) > marked[app]:
            yield migration, loader.project_state((app, name), at_end=False)
