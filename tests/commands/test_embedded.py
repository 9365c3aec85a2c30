"""The embedded PostgreSQL as its users meet it: started by the first, shared, stopped after the last, mended."""

import os
import signal
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from portal.db import embedded

ROOT = Path(__file__).resolve().parents[2]
HOLD = """
import sys
from portal.db.embedded import Server
server = Server(sys.argv[1], fast=True)
server.ensure()
print("ready", flush=True)
sys.stdin.read()
"""
WAIT_SECONDS = 20


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """One data folder for all tests here: making a new one takes a second. No server is left on it at the end."""
    data = tmp_path_factory.mktemp("embedded") / "pg"
    yield data
    wait_until(lambda: not embedded.Server(data).alive())


@pytest.fixture
def no_data(tmp_path):
    return tmp_path / "pg"


@contextmanager
def user_of(data):
    """Another process that holds the server until the block ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(data)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        yield process
        process.stdin.close()


def wait_until(true):
    until = time.monotonic() + WAIT_SECONDS
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


def postmaster(data):
    return int((data / "postmaster.pid").read_text().splitlines()[0])


def gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def ask(data, sql="SELECT 1"):
    host = str(embedded.Server(data).socket_dir())
    with psycopg.connect(host=host, user="portal", dbname="portal", autocommit=True) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchone()[0] if cursor.description else None


def it_is_shared_by_processes_and_stops_after_the_last(data):
    with user_of(data):
        first = postmaster(data)
        with user_of(data) as other:
            assert postmaster(data) == first
            other.kill()
        assert ask(data) == 1
    wait_until(lambda: gone(first))
    assert not embedded.Server(data).alive()


def it_stops_at_once_when_its_only_user_lets_go(data):
    server = embedded.Server(data, fast=True)
    server.ensure()
    process = postmaster(data)
    assert ask(data) == 1
    server.release()
    assert gone(process)
    assert not server.alive()


def it_stays_when_one_of_two_lets_go(data):
    server = embedded.Server(data, fast=True)
    with user_of(data):
        server.ensure()
        server.release()
        assert ask(data) == 1


def it_keeps_what_was_committed_when_the_server_is_killed(data):
    with user_of(data):
        ask(data, "CREATE TABLE kept AS SELECT 42 AS answer")
        ask(data, "CHECKPOINT")
        os.kill(postmaster(data), signal.SIGKILL)
        wait_until(lambda: not embedded.Server(data).alive())
    with user_of(data):
        assert ask(data, "SELECT answer FROM kept") == 42


OF_FORMER_OWNER = """
    SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relowner = 10)
        + (SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proowner = 10)
        + (SELECT count(*) FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typowner = 10)
        + (SELECT count(*) FROM pg_database WHERE datname = 'portal' AND datdba = 10)
"""
IN_USE = """
    CREATE ROLE portal_web;
    CREATE TABLE kept (id serial, answer int); INSERT INTO kept (answer) VALUES (42);
    CREATE VIEW seen AS SELECT answer FROM kept; GRANT SELECT ON seen TO portal_web;
    CREATE TYPE state AS ENUM ('draft'); CREATE TYPE pair AS (a state, b int);
    CREATE FUNCTION asked() RETURNS int LANGUAGE sql AS 'SELECT answer FROM kept'
"""


def it_gives_its_owner_no_superusers_rights(data):
    with user_of(data):
        assert ask(data, "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user") is False
        for attack in ("COPY (SELECT 1) TO PROGRAM 'true'", "SELECT pg_read_file('PG_VERSION')", "SET ROLE postgres"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                ask(data, attack)


def it_takes_the_superuser_from_the_owner_of_a_folder_that_an_earlier_version_made(no_data, monkeypatch):
    with monkeypatch.context() as earlier:
        earlier.setattr(embedded, "ADMIN", embedded.OWNER)
        earlier.setattr(embedded.Server, "_set_up", lambda server: None)
        server = embedded.Server(no_data, fast=True)
        host = server.ensure()
        with psycopg.connect(host=host, user="portal", dbname="postgres", autocommit=True) as made:
            made.execute("CREATE DATABASE portal")
        ask(no_data, IN_USE)
        assert ask(no_data, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is True
        assert ask(no_data, OF_FORMER_OWNER) > 4
        server.release()
    for _again in range(2):
        with user_of(no_data):
            assert ask(no_data, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
            assert ask(no_data, OF_FORMER_OWNER) == 0
            assert ask(no_data, "SELECT asked()") == 42
            ask(
                no_data,
                "ALTER TABLE kept ADD more int; ALTER TABLE kept DROP more; INSERT INTO kept (answer) VALUES (42)",
            )
            assert ask(no_data, "SELECT set_config('role', 'portal_web', false)") == "portal_web"
            assert ask(no_data, "SELECT has_table_privilege('portal_web', 'seen', 'SELECT')") is True
        wait_until(lambda: not embedded.Server(no_data).alive())
        (no_data / "owner.made").unlink()  # as if it had been broken off at the end


def it_sorts_the_same_on_every_machine(data):
    with user_of(data):
        sql = "SELECT format('%s %s %s', datlocprovider, datlocale, pg_encoding_to_char(encoding)) FROM pg_database"
        assert ask(data, sql + " WHERE datname = 'portal'") == "b C.UTF-8 UTF8"


def it_listens_on_no_network_and_lets_only_its_owner_in(data):
    with user_of(data):
        assert ask(data, "SHOW listen_addresses") == ""
        assert stat.S_IMODE(data.stat().st_mode) == 0o700


def it_works_below_a_path_too_long_for_a_socket(no_data):
    deep = no_data.parent / ("long" * 25) / "pg"
    with user_of(deep):
        assert ask(deep) == 1
        sockets = embedded.Server(deep).socket_dir()
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    wait_until(lambda: not embedded.Server(deep).alive())
    sockets.rmdir()


def it_refuses_a_folder_of_another_major_version(no_data):
    no_data.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(no_data, embedded.server_uid(), -1)
    (no_data / "PG_VERSION").write_text("15\n")
    with pytest.raises(embedded.Unavailable, match="made by PostgreSQL 15"):
        embedded.Server(no_data).ensure()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def it_names_the_file_it_may_not_write(no_data):
    no_data.parent.chmod(0o500)
    with pytest.raises(embedded.Unavailable, match=r"pg\.lock isn't ours"):
        embedded.Server(no_data).ensure()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root steps down to another user")
def it_refuses_a_folder_of_another_user(no_data):
    no_data.mkdir(mode=0o700)
    with pytest.raises(embedded.Unavailable, match="belongs to user root"):
        embedded.Server(no_data).ensure()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root steps down to another user")
def it_names_the_folder_that_its_user_cannot_enter(no_data, monkeypatch):
    no_data.parent.chmod(0o700)
    monkeypatch.setattr(embedded, "may_search_all", lambda: False)
    monkeypatch.setattr(embedded, "binaries", lambda: Path("/usr/bin"))
    with pytest.raises(embedded.Unavailable, match=r"can't enter .*PORTAL_DATA_DIR.*ordinary user.*DATABASE_URL"):
        embedded.Server(no_data).ensure()


@pytest.mark.skipif(
    os.geteuid() != 0 or not embedded.may_search_all(), reason="only root can hand the right to enter folders on"
)
def it_finds_its_programs_in_a_home_that_is_closed_to_strangers(tmp_path):
    program = tmp_path / "home" / "program"
    program.parent.mkdir()
    program.touch(mode=0o755)
    program.parent.chmod(0o700)
    asks = f"import os; print(os.access({str(program)!r}, os.X_OK))"
    found = subprocess.run(
        [*embedded.server_user_prefix(), "/usr/bin/env", "python3", "-c", asks],
        capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}, cwd="/",
    )  # fmt: skip
    assert found.stdout == "True\n", found.stderr


def it_finds_the_first_closed_folder_on_a_path(tmp_path):
    closed = tmp_path / "closed"
    (closed / "inside").mkdir(parents=True)
    for folder in [tmp_path, *tmp_path.parents]:  # the folders above may be closed to strangers too
        if embedded.closed_folder(folder, 65534):
            return
    assert embedded.closed_folder(closed / "inside", 65534) is None
    closed.chmod(0o700)
    assert embedded.closed_folder(closed / "inside", 65534) == closed
