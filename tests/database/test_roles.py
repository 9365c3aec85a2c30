"""The web's roles attacked by whoever can put any SQL into a request: nothing foreign is read, nothing fixed or made otherwise."""

from contextlib import contextmanager

import psycopg
import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.models import CASCADE, SET_NULL

from billing.models import Invoice
from portal.db import catalogue, roles, web
from portal.db.embedded import WEB
from portal.db.schema import DESK, ROLE
from tests import make, stored

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(settings.EMBEDDED is None, reason="needs the embedded server, whose web role has no password"),
]

# What nobody but the owner does to a table.
TO_A_TABLE = (
    "TRUNCATE {0}", "TRUNCATE {0} CASCADE", "DROP TABLE {0} CASCADE", "ALTER TABLE {0} ADD own int", "ALTER TABLE {0} DISABLE TRIGGER ALL",
    "ALTER TABLE {0} DISABLE TRIGGER USER", "ALTER TABLE {0} DISABLE ROW LEVEL SECURITY", "ALTER TABLE {0} OWNER TO {role}",
    "CREATE POLICY own ON {0} USING (true)", "CREATE INDEX own ON {0} ((1))", "CREATE RULE own AS ON UPDATE TO {0} DO INSTEAD NOTHING",
    "CREATE TRIGGER own BEFORE UPDATE ON {0} FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "COMMENT ON TABLE {0} IS 'x'", "ALTER TABLE {0} RENAME TO other",
    # Who may grant nothing is told so in a warning only.
    "DO $$ BEGIN GRANT SELECT ON {0} TO PUBLIC; ASSERT has_table_privilege('public', '{0}', 'SELECT'); END $$",
)  # fmt: skip
# Ways out of the role and of the database.
OUT = (
    "SET session_replication_role = replica", "SET portal.x = ''; SET ROLE {owner}", "SET SESSION AUTHORIZATION {owner}",
    "SET ROLE postgres", "RESET ROLE; ALTER TABLE billing_invoice ADD own int", "SET ROLE NONE; SELECT * FROM accounts_user",
    "COPY (SELECT 1) TO PROGRAM 'true'", "COPY (SELECT 1) TO '/tmp/own'", "CREATE TABLE own (x text)", "CREATE SCHEMA own",
    "SELECT pg_read_file('/etc/passwd')", "SELECT pg_read_binary_file('PG_VERSION')", "SELECT pg_ls_dir('.')",
    "SELECT lo_import('/etc/passwd')", "SELECT lo_export(1, '/tmp/own')", "SELECT rolpassword FROM pg_authid",
    "CREATE EXTENSION file_fdw", "CREATE FUNCTION own() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "DROP FUNCTION refuse_change() CASCADE", "ALTER FUNCTION refuse_change() RESET ALL", "SELECT check_user_flags()",
    "CREATE ROLE own", "ALTER ROLE {role} SUPERUSER", "ALTER ROLE {role} BYPASSRLS", "ALTER ROLE {owner} PASSWORD 'x'",
    "GRANT {owner} TO {role}", "ALTER DATABASE {database} OWNER TO {role}", "ALTER DATABASE {database} SET row_security = off",
    "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()", "CREATE EVENT TRIGGER own ON ddl_command_start EXECUTE FUNCTION refuse_change()",
    "SELECT setval('billing_invoice_id_seq', 1)", "DROP POLICY staff ON billing_invoice", "SET lock_timeout = 'x'",
)  # fmt: skip


@pytest.fixture
def world():
    cast = make.cast()
    make.close_month()
    return cast


@contextmanager
def intruder(role, customer):
    """Logged in as the web is, in a transaction as `role`, which is undone at the end."""
    given = connection.get_connection_params()
    with psycopg.connect(host=given["host"], dbname=given["dbname"], user=WEB) as begun:
        web.check(begun)
        begun.execute(
            "SELECT set_config('role', %s, true), set_config('portal.customer', %s, true)", [role, str(customer.pk)]
        )
        yield begun
        begun.rollback()


def refusal(begun, statement):
    """What PostgreSQL says against the statement, which is undone; `None` when it lets it pass."""
    try:
        with begun.transaction(force_rollback=True):
            begun.execute(statement)
    except psycopg.Error as reason:
        return reason
    return None


def refused(role, customer, statement):
    with intruder(role, customer) as begun:
        return refusal(begun, statement) is not None


def names(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return [name for (name,) in cursor.fetchall()]


@pytest.mark.parametrize("role", [ROLE, DESK])
def it_finds_no_way_out_and_no_table_to_alter(world, role):
    before, guards = stored.digests(), catalogue.found(connection)
    given = {"role": role, "owner": connection.settings_dict["USER"], "database": connection.settings_dict["NAME"]}
    accepted = [attack for attack in OUT if not refused(role, world.a, attack.format(**given))]
    with intruder(role, world.a) as begun:
        tried = [attack.format(table, **given) for table in names(roles.TABLES) for attack in TO_A_TABLE]
        accepted += [attack for attack in tried if refusal(begun, attack) is None]
    assert len(tried) > 500
    assert accepted == []
    assert stored.digests() == before
    assert catalogue.found(connection) == guards


def writes(table):
    yield "INSERT", f'INSERT INTO "{table}" DEFAULT VALUES'
    yield "DELETE", f'DELETE FROM "{table}" WHERE false'
    [columns] = names(
        "SELECT string_agg(quote_ident(attname) || ' = ' || quote_ident(attname), ', ') FROM pg_attribute"
        f" WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attidentity <> 'a'"
    )
    yield "UPDATE", f'UPDATE "{table}" SET {columns} WHERE false'


@pytest.mark.parametrize("role", [ROLE, DESK])
def it_writes_where_it_was_granted_only(world, role):
    """As `portal/db/roles.py` says; where only some columns may be changed, a row as a whole may not."""
    granted = roles.WEB if role == ROLE else roles.DESK_WRITES
    with intruder(role, world.a) as begun:
        for table in names(roles.TABLES):
            for right, statement in writes(table):
                reason = refusal(begun, statement)
                denied = isinstance(
                    reason, psycopg.errors.InsufficientPrivilege
                ) and "permission denied for table" in str(reason)
                may = right in [name for name, columns in roles.PART.findall(granted.get(table, "")) if not columns]
                assert denied is not may, (table, right)


def it_reads_and_changes_nothing_of_other_customers_as_a_customer(world):
    for table in names(f"{roles.TABLES} AND relname IN (SELECT c.relname FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid"
                       " WHERE attname = 'customer_id')"):  # fmt: skip
        with intruder(ROLE, world.a) as begun:
            try:
                foreign = begun.execute(
                    f'SELECT count(*) FROM "{table}" WHERE customer_id IS DISTINCT FROM {world.a.pk}'
                ).fetchone()
            except psycopg.errors.InsufficientPrivilege:
                continue
        assert foreign == (0,), table
    for nobody in (
        "SELECT * FROM billing_invoice",
        "SELECT * FROM accounts_customer",
        "UPDATE accounts_user SET language = 'en'",
    ):
        with intruder(ROLE, world.a) as begun, pytest.raises(psycopg.Error):
            begun.execute("SELECT set_config('portal.customer', '', true)")
            begun.execute(nobody)


def it_reads_a_table_and_never_a_temporary_one_in_its_place(world):
    with intruder(DESK, world.a) as begun:
        begun.execute("CREATE TEMP TABLE billing_invoice (id int, state text)")
        assert begun.execute("SELECT count(*) FROM billing_invoice").fetchone()[0] > 0
    assert refused(ROLE, world.a, "CREATE TEMP TABLE billing_invoice (id int)")


def it_has_no_function_that_works_with_its_owners_rights_but_for_triggers():
    assert (
        names("SELECT proname FROM pg_proc WHERE prosecdef AND prorettype <> 'trigger'::regtype AND proowner <> 10")
        == []
    )


def it_lets_staff_take_away_what_goes_with_what_they_delete():
    """Django deletes, or lets go of, what hangs on a row by statements of its own. (Drafts are deleted in SQL.)"""
    may = {
        table: {name for name, columns in roles.PART.findall(text) if not columns}
        for table, text in roles.DESK_WRITES.items()
    }
    for model in apps.get_models():
        if "DELETE" not in may.get(model._meta.db_table, ()) or model is Invoice:
            continue
        for bound in model._meta.get_fields(include_hidden=True):
            if bound.auto_created and not bound.concrete and (bound.one_to_many or bound.one_to_one):
                need = {CASCADE: "DELETE", SET_NULL: "UPDATE"}.get(bound.on_delete)
                assert need is None or need in may[bound.related_model._meta.db_table], (model, bound.related_model)
