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

from portal.db import web
from portal.db.schema import DESK, ROLE
from tests import processes

LOGIN = "portal_login_of_tests"
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
    connection.rollback() if connection.in_atomic_block else None
    sql(f"DROP OWNED BY {LOGIN}")
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
    if sql("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")[0][0]:
        [(kept,)] = sql("SELECT rolpassword FROM pg_authid WHERE rolname = %s", LOGIN)
        assert kept.startswith("SCRAM-SHA-256$")


BROKEN = {
    "ALTER ROLE {login} IN DATABASE {database} RESET role": "role の設定がありません",
    "ALTER ROLE {login} IN DATABASE {database} SET statement_timeout TO 0": "statement_timeout の設定がありません",
    "ALTER ROLE {login} IN DATABASE {database} SET search_path TO pg_temp, public": "search_path の設定がありません",
    "REVOKE portal_desk FROM {login}": "portal_desk になれません",
    "ALTER ROLE {login} CREATEROLE": "は強すぎます",
    "GRANT {owner} TO {login}": "は強すぎます",
}


@pytest.mark.parametrize("broken", BROKEN)
def it_refuses_a_connection_that_may_more_or_waits_longer_and_migrate_mends_what_it_made(login, broken):
    [(database, owner)] = sql("SELECT quote_ident(current_database()), quote_ident(current_user)")
    sql(broken.format(login=LOGIN, database=database, owner=owner))
    with as_web() as begun, pytest.raises(web.Unfit, match=BROKEN[broken]):
        web.check(begun)
    call_command("migrate", verbosity=0)
    if "強すぎます" not in BROKEN[broken]:
        with as_web() as begun:
            web.check(begun)


def begin(tmp_path, **environment):
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


def it_says_whom_to_ask_where_migrate_may_not_make_roles(monkeypatch):
    monkeypatch.setattr(settings, "WEB_DATABASE", {"USER": LOGIN, "PASSWORD": "", "OPTIONS": {}})
    sql("CREATE ROLE owner_of_tests CREATEDB IN ROLE " + connection.settings_dict["USER"])
    try:
        sql("SET ROLE owner_of_tests")
        with pytest.raises(CommandError, match=r"deploy/roles\.sql") as refused:
            call_command("migrate", verbosity=0)
        assert refused.value.returncode == 3
    finally:
        sql("RESET ROLE")
        sql("DROP ROLE owner_of_tests")
