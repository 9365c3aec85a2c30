"""The tests' databases: migrated once for all processes of a run, and emptied after each test that commits."""

import gc
from contextlib import contextmanager

from django.conf import settings
from django.core.management import call_command
from django.db import connection

from portal import rights
from portal.db import roles, schema
from tests import processes

# `migrate` makes what is in these, and no test changes it. Making it anew after each test took as long as emptying.
KEPT = ("django_migrations", "django_content_type", "auth_permission", "auth_group", "auth_group_permissions")
# The locks wait for whoever is still busy, as those of TRUNCATE do, which takes 20 times as long for tables as small as these.
EMPTY = f"""
DO $$ DECLARE
    tables text[] := array_agg(oid::regclass ORDER BY relname) FROM pg_class
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname NOT IN {KEPT};
    name text;
BEGIN
    EXECUTE 'LOCK TABLE ' || array_to_string(tables, ', ');
    SET LOCAL session_replication_role = replica;  -- no guard looks, no key is checked
    FOREACH name IN ARRAY tables LOOP EXECUTE 'DELETE FROM ' || name; END LOOP;
END $$
"""


def empty():
    """In place of Django's flush of all tables, which knows the models of this project only: jobs would outlive it, roles go."""
    if past_guards():
        with connection.cursor() as cursor:
            cursor.execute(EMPTY)
    else:
        call_command("flush", verbosity=0, interactive=False)
        rights.set_up_roles()
        processes.empty_queue()


def past_guards():
    """Whether the tests may look past guards: the embedded server of tests lets its owner, who is no superuser, do that."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT has_parameter_privilege('session_replication_role', 'SET')")
        return cursor.fetchone()[0]


@contextmanager
def one_at_a_time():
    """A cursor outside the tests' databases that one process has at a time."""
    with connection.creation._nodb_cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtext('tests'))")
        yield cursor


def migrated():
    """The name of the database that the others are copied from."""
    return f"test_{settings.DATABASES['default']['NAME']}_migrated"


def copy(run, worker):
    """Make the database of one of xdist's workers; the first that comes in this run migrates for all."""
    creation, name = connection.creation, migrated()
    connection.settings_dict["TEST"]["NAME"] = name
    with one_at_a_time() as cursor:
        cursor.execute("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [name])
        if cursor.fetchone() != (run,):
            gc.disable()  # a third of the time went into looking through models as they were at each migration
            creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
            gc.enable()
            cursor.execute(f"COMMENT ON DATABASE {name} IS '{run}'")
        connection.settings_dict["NAME"] = name
        creation.clone_test_db(suffix=worker, verbosity=0)
    connection.settings_dict.update(creation.get_test_db_clone_settings(worker))
    settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"]
    # A copy has the tables and functions, but not what may be done with the database.
    schema.close_gaps(connection)
    roles.ensure(connection)


def drop_migrated():
    with one_at_a_time() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {migrated()}")
