"""Django's `migrate`, except that it doesn't begin while a month run is active, and waits for no lock longer than 5 seconds.

A table's change that waits behind somebody's transaction makes everybody else wait behind it. Each time, whether there
was something to apply or not, it makes the database's roles, their grants and policies what `portal/db/roles.py` says, closes
the gaps that a database is born or restored with, and brings the roles of staff up to date (D37).
"""

from contextlib import contextmanager, suppress

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import Error, connections
from django.db.migrations.executor import MigrationExecutor

from billing.management.base import BUSY, CONFIGURATION, check_direct
from billing.month import lock
from portal import rights
from portal.db import catalogue, roles, schema

LOCK_SECONDS = 5


class Command(migrate.Command):
    def handle(self, *args, **options):
        try:
            if options["plan"] or options["check_unapplied"]:
                return super().handle(*args, **options)
            check_direct()
            connection = connections[options["database"]]
            with roles.allowed(connection, "migrate"):
                roles.make(connection)
            applied = changes_something(options)
            if applied or roles.differences(connection):
                with lock.alone(), short_waits(connection):
                    super().handle(*args, **options)
                    if not options["app_label"]:
                        with roles.allowed(connection, "migrate"):
                            roles.ensure(connection)
            else:
                super().handle(*args, **options)
            if not options["app_label"]:
                schema.close_gaps(connection)
                rights.set_up_roles()
                keep_guards(connection, applied)
        except lock.Busy as busy:
            raise CommandError(str(busy), returncode=BUSY) from None
        except Error as error:  # `--traceback` says where
            raise CommandError(
                f"データベースのエラーです: {str(error).strip().splitlines()[0]}", returncode=CONFIGURATION
            ) from error


def keep_guards(connection, applied):
    """Write down what guards the tables once migrations changed it; not otherwise, or what a restore lost would be the rule."""
    if applied or catalogue.kept(connection) is None:
        catalogue.keep(connection)


def changes_something(options):
    """Whether there is something to apply; a demo or a web that starts beside a run has nothing, and may go on."""
    if options["app_label"]:
        return True
    executor = MigrationExecutor(connections[options["database"]])
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


@contextmanager
def short_waits(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", [f"{LOCK_SECONDS * 1000:.0f}"])
    try:
        yield
    finally:
        with suppress(Error), connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout")
