"""Whether the database has its tables yet, and the one line that says what to run while it hasn't."""

from functools import cache

from django.conf import settings
from django.contrib.staticfiles.storage import ManifestFilesMixin, staticfiles_storage
from django.db import OperationalError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

# What makes the tables, or works without them; the demo makes them itself.
NEEDS_NO_TABLES = {
    "help", "version", "check", "demo", "restore", "migrate", "showmigrations", "sqlmigrate", "makemigrations", "squashmigrations",
    "optimizemigration", "collectstatic", "findstatic", "makemessages", "compilemessages", "dbshell", "diffsettings",
}  # fmt: skip


def without_tables():
    """What to tell if the database has no tables; empty if it has, or can't be asked (whoever uses it says so then)."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass('portal_vendor') IS NULL")
            if not cursor.fetchone()[0]:
                return ""
    except OperationalError:
        return ""
    finally:
        connection.close()
    return what_to_run()


def migrated():
    """Whether every migration of this program is applied."""
    return files_of_migrations() <= set(MigrationRecorder(connection).applied_migrations())


@cache
def files_of_migrations():
    """What is on disk, read once: it belongs to this process as its code does."""
    return set(MigrationLoader(None).disk_migrations)


def has_static_files():
    """Whether the pages' own files were collected, as the web needs them to say their names."""
    kept = getattr(staticfiles_storage, "hashed_files", None)
    return bool(kept) or not isinstance(staticfiles_storage, ManifestFilesMixin)


def what_to_run():
    where = settings.EMBEDDED.data if settings.EMBEDDED else "DATABASE_URL"
    return (
        f"データベース（{where}）に表がありません。先に manage.py migrate を実行してください。"
        "場所が違うときは PORTAL_DATA_DIR か DATABASE_URL を確認してください。"
    )


def needs_tables(arguments):
    """Whether this command line (without the program's name) is that of a command which looks at the tables."""
    asks_for_help = {"-h", "--help", "--version"} & set(arguments)
    return bool(arguments) and not asks_for_help and arguments[0] not in NEEDS_NO_TABLES
