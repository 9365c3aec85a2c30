"""The web logs in by a role of its own that owns nothing; `migrate` makes it, and a web that would be more doesn't start."""

import os
import subprocess
import sys
from contextlib import contextmanager

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from portal.db import embedded, roles, web
from portal.db.schema import DESK, ROLE
from tests import databases, processes

# A role is the whole server's, which all processes of a run share.
LOGIN = f"portal_login_of_{os.environ.get('PYTEST_XDIST_WORKER', 'tests')}"
PASSWORD = "s3cret-of-the-web"
WHO = "SELECT session_user, current_user, current_setting('statement_timeout'), current_setting('search_path')"
SAY_WHO = f"import portal.wsgi; from django.db import connection as c; k = c.cursor(); k.execute({WHO!r}); print(*k.fetchone())"

pytestmark = pytest.mark.django_db(transaction=True)


def sql(statement, *given):
    with connection.cursor() as cursor:
        cursor.execute(statement, given)
        return cursor.fetchall() if cursor.description else None


@pytest.fixture
def login(monkeypatch):
    """The settings of a web with a role of its own, which `migrate` has made."""
    monkeypatch.setattr(settings, "WEB_DATABASE", {"USER": LOGIN, "PASSWORD": PASSWORD, "OPTIONS": {}})
    call_command("migrate", verbosity=0)
    yield LOGIN
    sql(f"DROP ROLE {LOGIN}")


@contextmanager
def as_web():
    given = {**connection.get_connection_params(), "user": LOGIN}
    known = {name: given[name] for name in ("dbname", "host", "port", "user") if given.get(name)}
    with psycopg.connect(**known, autocommit=True) as begun:
        yield begun


def it_makes_a_role_that_begins_as_the_webs_and_may_become_staffs(login):
    attributes = "rolcanlogin, rolinherit, rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication"
    assert sql(f"SELECT {attributes} FROM pg_roles WHERE rolname = %s", LOGIN) == [(True, False, False)]
    with as_web() as begun:
        web.check(begun)
        assert begun.execute(WHO).fetchone() == (LOGIN, ROLE, "4s", "public, pg_temp")
        begun.execute(f"SET ROLE {DESK}")
        assert begun.execute("SELECT count(*) FROM accounts_customer").fetchone() == (0,)
        begun.execute("SET ROLE NONE")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            begun.execute("SELECT count(*) FROM accounts_customer")


def it_keeps_the_webs_password_as_a_hash_only(login):
    with CaptureQueriesContext(connection) as said:
        sql(f"DROP ROLE {LOGIN}")
        call_command("migrate", verbosity=0)
    assert [query for query in said if f"CREATE ROLE {LOGIN}" in query["sql"] and "SCRAM-SHA-256$" in query["sql"]]
    assert not [query for query in said if PASSWORD in query["sql"]]


BROKEN = {
    "ALTER ROLE {login} IN DATABASE {database} RESET role": "role の設定がありません",
    "ALTER ROLE {login} IN DATABASE {database} SET statement_timeout TO 0": "statement_timeout の設定がありません",
    "ALTER ROLE {login} IN DATABASE {database} SET search_path TO pg_temp, public": "search_path の設定がありません",
    "REVOKE portal_desk FROM {login}": "portal_desk になれません",
    "ALTER ROLE {login} CREATEROLE": "は強すぎます",
}


@pytest.mark.parametrize("broken", BROKEN)
def it_refuses_a_connection_that_may_more_or_waits_longer_and_migrate_mends_what_it_made(login, broken):
    [(database,)] = sql("SELECT quote_ident(current_database())")
    sql(broken.format(login=LOGIN, database=database))
    with as_web() as begun, pytest.raises(web.Unfit, match=BROKEN[broken]):
        web.check(begun)
    call_command("migrate", verbosity=0)
    if "強すぎます" not in BROKEN[broken]:
        with as_web() as begun:
            web.check(begun)


def it_refuses_a_role_that_owns_a_table(login):
    sql(f"GRANT CREATE ON SCHEMA public TO {LOGIN}")
    with as_web() as begun:
        begun.execute("SET ROLE NONE; CREATE TABLE own (); RESET ROLE")
        try:
            with pytest.raises(web.Unfit, match="は強すぎます"):
                web.check(begun)
        finally:
            begun.execute("SET ROLE NONE; DROP TABLE own")
            sql(f"REVOKE CREATE ON SCHEMA public FROM {LOGIN}")


def it_is_made_by_an_administrators_script_just_as_by_migrate(monkeypatch):
    """On a server whose owner may make no roles; the tests' own administrator is known by the embedded server only."""
    if not settings.EMBEDDED:
        pytest.skip("needs the embedded server, of which the tests know the superuser")
    monkeypatch.setattr(settings, "WEB_DATABASE", {"USER": LOGIN, "PASSWORD": PASSWORD, "OPTIONS": {}})
    given = connection.get_connection_params()
    script = [str(embedded.binaries() / "psql"), "-X", "-q", "-v", f"web={LOGIN}", "-f", "deploy/roles.sql"]
    of_server = ["-h", given["host"], "-U", embedded.ADMIN, "-d", given["dbname"]]
    try:
        for _again in range(2):
            with databases.one_at_a_time():
                done = subprocess.run(
                    [*script, *of_server],
                    cwd=processes.ROOT,
                    env={"PORTAL_WEB_PASSWORD": PASSWORD},
                    capture_output=True,
                    text=True,
                    check=False,
                )
            assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert roles.differences(connection) == []
        with as_web() as begun:
            web.check(begun)
    finally:
        subprocess.run([*script[:3], *of_server, "-c", f"DROP ROLE {LOGIN}"], check=True)


def begin(tmp_path, **environment):
    (tmp_path / "static").mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", SAY_WHO],
        cwd=processes.ROOT,
        env={"PATH": os.environ["PATH"], **processes.here(tmp_path), **environment},
        capture_output=True,
        text=True,
        timeout=processes.WAIT_SECONDS,
        check=False,
    )
    return done.returncode, done.stdout.strip(), done.stderr.strip()


def it_begins_by_the_webs_url_alone(login, tmp_path):
    url = processes.here(tmp_path)["DATABASE_URL"].replace("user=portal", f"user={LOGIN}")
    assert begin(tmp_path, DATABASE_URL="", WEB_DATABASE_URL=url) == (0, f"{LOGIN} {ROLE} 4s public, pg_temp", "")


def it_steps_down_where_there_is_no_role_of_its_own(tmp_path):
    code, said, _told = begin(tmp_path)
    assert (code, said.split()[1:]) == (0, [ROLE, "4s", "public,pg_temp"])


def it_does_not_start_as_the_owner(tmp_path):
    code, said, told = begin(tmp_path, WEB_DATABASE_URL=processes.here(tmp_path)["DATABASE_URL"])
    assert (code, said) == (3, "")
    assert "は強すぎます" in told
    assert len(told.splitlines()) == 1


def it_does_not_start_in_another_database_than_the_commands_use(login, tmp_path):
    """As after a restore, when only one of the two URLs was changed."""
    own = processes.here(tmp_path)["DATABASE_URL"]
    webs = own.replace("user=portal", f"user={LOGIN}")
    elsewhere = webs.replace(f"dbname={connection.settings_dict['NAME']}", "dbname=postgres")
    code, said, told = begin(tmp_path, WEB_DATABASE_URL=elsewhere)
    assert (code, said, len(told.splitlines())) == (3, "", 1)
    assert told.startswith("WEB_DATABASE_URL は postgres（")
    assert "別のデータベースです" in told
    assert begin(tmp_path, WEB_DATABASE_URL=webs)[0] == 0


def it_says_whom_to_ask_where_migrate_may_not_make_roles():
    sql(f"SET ROLE {DESK}")
    try:
        with pytest.raises(CommandError, match=r"deploy/roles\.sql") as refused:
            call_command("migrate", verbosity=0)
    finally:
        sql("RESET ROLE")
    assert refused.value.returncode == 3
