"""PostgreSQL stopped, stalled or full in the middle: commands say so in one line and go on later, the web answers again."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from itertools import count

import psycopg
import pytest

from billing.management import backups
from portal.db import embedded
from tests import processes
from tests.once import made_once
from tests.servers import Portal, children_of, collect_static, disk, fill, web

MONTH = "2026-04"
MAKE = """
from django.core.management import call_command
from django.db import connection
from billing.management import backups
from portal.db import roles
roles.prepare(connection)
backups.run("{pg_restore}", "--single-transaction", "--exit-on-error", "--no-owner", "{dumped}")
call_command("migrate", verbosity=0)
from tests import make
make.make_vendor()
for number in range(1, 7):
    customer = make.make_customer(f"C{{number:07}}", address="東京都")
    make.make_user(customer, f"user{{number}}@example.com", is_recipient=True, is_manager=True)
    make.make_contract(customer, (1000 * number, 2), (999,))
"""
names = count()


def make_server(folder):
    """On a copy of the tests' own database, which is migrated already; the tests' server itself must never stop."""
    server = embedded.Server(folder / "pg", fast=True)
    server.ensure()
    # Without fsync (fast) for the tests' sake, but what was committed has reached the kernel when the server dies.
    made = Portal(server, "portal")
    made.administer("ALTER SYSTEM SET synchronous_commit = on")
    made.administer("SELECT pg_reload_conf()")
    dumped, pg_restore = folder / "migrated.dump", embedded.binaries() / "pg_restore"
    backups.run("pg_dump", "--format=custom", f"--file={dumped}", database=True)
    done = made.run("check", patch=MAKE.format(dumped=dumped, pg_restore=pg_restore))
    assert done[0] == 0, done
    dumped.unlink()
    return server


@pytest.fixture(scope="module")
def made(tmp_path_factory, django_db_setup, django_db_blocker):
    """The folder of such a server that is stopped, made once in a run."""

    def make():
        folder = tmp_path_factory.mktemp("made")
        with django_db_blocker.unblock():
            server = make_server(folder)
        collect_static(Portal(server, "portal"))
        server.release()
        return folder

    return made_once("server_of_faults", make)


@pytest.fixture(scope="module")
def server(made, tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    subprocess.run(["cp", "-a", *(made / name for name in ("pg", "static", "staticfiles.json")), folder], check=True)
    server = embedded.Server(folder / "pg", fast=True)
    server.ensure()
    yield server
    server.start_again()
    server.release()


def copy(server):
    server.start_again()
    made = Portal(server, f"copy{next(names)}")
    Portal(server, "postgres").ask(f"CREATE DATABASE {made.name} TEMPLATE portal")
    return made


@pytest.fixture
def portal(server):
    """Six customers whose April waits for its close."""
    return copy(server)


@pytest.fixture(scope="module")
def golden(server):
    """What an undisturbed close leaves."""

    def close():
        made = copy(server)
        assert made.run("close_month", MONTH)[0] == 0
        return made.state()

    return made_once("undisturbed_close", close)


def fixed(portal):
    return portal.ask("SELECT count(*) FROM billing_invoice WHERE state = 'fixed'")


def is_one_line(text):
    return text.count("\n") == 1 and "Traceback" not in text


def it_ends_with_one_line_when_the_server_stops_and_goes_on_when_run_again(golden, portal):
    with contextlib.suppress(psycopg.OperationalError), portal.hold_third_customer():
        running = portal.start("close_month", MONTH)
        processes.wait_until(portal.waits_for_lock)
        portal.stop()
    code, _said, complained = processes.finish(running)
    assert code == 3
    assert is_one_line(complained), complained
    code, _said, complained = portal.run("close_month", MONTH)
    assert code == 3
    assert is_one_line(complained), complained

    assert portal.server.start_again()
    assert fixed(portal) == 2
    code, _said, complained = portal.run("close_month", MONTH)
    assert (code, complained) == (0, "")
    assert portal.state() == golden


def it_waits_while_the_server_stalls_and_ends_the_same(golden, portal):
    with portal.hold_third_customer():
        running = portal.start("close_month", MONTH)
        processes.wait_until(portal.waits_for_lock)
        portal.signal_all(signal.SIGSTOP)
        time.sleep(1)
        portal.signal_all(signal.SIGCONT)
    code, _said, complained = processes.finish(running)
    assert (code, complained) == (0, "")
    assert portal.state() == golden


def it_stops_before_the_next_batch_when_its_lock_is_lost(golden, portal):
    """Only the connection that holds the lock of month runs is killed; the one that works lives on (F7)."""
    with portal.hold_third_customer():
        running = portal.start("close_month", MONTH)
        processes.wait_until(portal.waits_for_lock)
        assert portal.ask("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted")
    code, _said, complained = processes.finish(running)
    assert code == 75
    assert is_one_line(complained), complained
    assert fixed(portal) == 4
    assert portal.run("close_month", MONTH)[0] == 0
    assert portal.state() == golden


@pytest.fixture
def mounts(tmp_path):
    """Whoever needs a small disk is left out, visibly, where nobody may mount one."""
    try:
        with disk(tmp_path / "probe", "1m"):
            pass
    except PermissionError as refused:
        pytest.skip(str(refused))


@pytest.fixture
def small_disk(mounts, portal):
    """Lines and PDFs lie on a disk of 3 MB; yields a file on it that fills it up when it is written."""
    with disk(portal.server.data.parent / "small", "3m") as folder:
        portal.server._give(folder)
        portal.administer(f"CREATE TABLESPACE small OWNER {embedded.OWNER} LOCATION '{folder}'")
        for table in ("billing_invoiceline", "billing_invoicepdf"):
            portal.ask(f"ALTER TABLE {table} SET TABLESPACE small")
        yield folder / "filler"
        Portal(portal.server, "postgres").ask(f"DROP DATABASE {portal.name} WITH (FORCE)")
        Portal(portal.server, "postgres").ask("DROP TABLESPACE small")


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="only root mounts a small disk")
def it_writes_nothing_half_while_the_disk_is_full_and_goes_on_with_space(golden, portal, small_disk):
    fill(small_disk)
    code, _said, complained = portal.run("close_month", MONTH)
    assert code == 3
    assert is_one_line(complained), complained
    assert "No space left" in complained
    assert portal.ask("SELECT count(*) FROM billing_invoice") == 0
    assert portal.ask("SELECT count(*) FROM billing_parked") == 0

    small_disk.unlink()
    assert portal.run("close_month", MONTH)[0] == 0
    assert portal.state() == golden

    fill(small_disk)
    code, _said, complained = portal.run("render_invoices")
    assert code == 3
    assert is_one_line(complained), complained
    assert portal.ask("SELECT count(*) FROM billing_invoicepdf") == 0
    assert portal.ask("SELECT count(*) FROM portal_mail") == 0
    assert portal.ask("SELECT count(*) FROM billing_rendering") == 0

    small_disk.unlink()
    assert portal.run("render_invoices")[0] == 0
    assert portal.ask("SELECT count(*) FROM billing_invoicepdf") == 6


@pytest.mark.nightly
@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="only root mounts a small disk")
def it_recovers_when_the_whole_servers_disk_was_full(mounts, golden, made, tmp_path):
    """Where no log can be written PostgreSQL ends itself; it starts again when there is space."""
    with disk(tmp_path / "disk", "250m") as folder:
        subprocess.run(["cp", "-a", made / "pg", folder], check=True)
        server = embedded.Server(folder / "pg", fast=True)
        server.ensure()
        portal = Portal(server, "portal")
        with contextlib.suppress(psycopg.OperationalError), portal.hold_third_customer():
            running = portal.start("close_month", MONTH)
            processes.wait_until(portal.waits_for_lock)
            fill(folder / "filler")
            while server.alive():  # until a new piece of the log finds no place
                portal.ask("SELECT pg_switch_wal()")
                portal.ask("SELECT pg_logical_emit_message(false, 'fault', repeat('x', 100000))")
        code, _said, complained = processes.finish(running)
        assert code == 3
        assert is_one_line(complained), complained
        assert "PANIC" in server.beside(".log").read_text()
        (folder / "filler").unlink()
        processes.wait_until(lambda: server.start_again() or server.alive())
        assert fixed(portal) == 2
        assert portal.run("close_month", MONTH)[0] == 0
        assert portal.state() == golden
        server.release()


def it_replaces_a_killed_web_worker(portal):
    with web(portal) as ask:
        os.kill(children_of(ask.process)[0], signal.SIGKILL)
        processes.wait_until(lambda: ask() == 200)


def it_answers_beside_connections_that_say_nothing(portal):
    with web(portal) as ask, contextlib.ExitStack() as silent:
        for _each in range(16):
            silent.enter_context(socket.create_connection(("127.0.0.1", ask.port)))
        assert ask() == 200


def it_has_a_worker_go_on_after_the_server_was_away_and_tell_so_in_one_line(portal):
    """What Procrastinate would do is end, with 200 lines of traceback; each pause is one line here."""
    worker = portal.start("procrastinate", "worker")
    try:
        processes.wait_until(lambda: portal.ask("SELECT count(*) FROM procrastinate_workers"))
        portal.stop()
        time.sleep(1)
        assert portal.server.start_again()
        assert portal.run("close_month", MONTH)[0] == 0
        processes.wait_until(lambda: portal.ask("SELECT count(*) FROM billing_invoicepdf"))
    finally:
        worker.terminate()
        code, _said, complained = processes.finish(worker)
    # A job that was running as the server went has its own line, as every job.
    lines = [line for line in complained.splitlines() if " INFO " not in line and "portal.jobs" not in line]
    assert code == 0
    assert [line.split(": ", 1)[1] for line in lines if "portal.worker" in line] == [
        "the database is away, waiting for it",
        "the database is back",
    ]
    assert "Traceback" not in complained
    assert len(lines) == 2, complained


def it_serves_an_error_page_while_the_server_is_away_and_pages_afterwards(portal):
    with web(portal) as ask:
        portal.stop()
        assert [ask(), ask()] == [503, 503]
        assert portal.server.start_again()
        assert [ask(), ask(), ask()] == [200, 200, 200]
        portal.stop()
        portal.server.start_again()
        assert ask() == 200


def it_answers_503_within_seconds_while_the_server_stalls(portal):
    with web(portal) as ask:
        portal.signal_all(signal.SIGSTOP)
        try:
            begun = time.monotonic()
            assert ask() == 503
            assert time.monotonic() - begun < 20
        finally:
            portal.signal_all(signal.SIGCONT)
        assert ask() == 200


def it_starts_the_embedded_server_again_that_was_killed(portal):
    """Without DATABASE_URL nobody else would: whoever needs a connection next starts it."""
    server = embedded.Server(portal.server.data)
    server.ensure()
    os.kill(int((server.data / "postmaster.pid").read_text().splitlines()[0]), signal.SIGKILL)
    processes.wait_until(lambda: not server.alive())
    assert server.start_again()
    assert not server.start_again()
    assert portal.ask("SELECT 1") == 1
    server.release()
