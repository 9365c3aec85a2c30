"""A portal on a PostgreSQL of its own, which may be stopped, stalled and filled up, and a web beside it: for tests and measurements."""

import contextlib
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from bench.faults import STATE
from portal.db import embedded
from tests import processes

IN_PAIRS = "from billing.month import batches; batches.CUSTOMERS_A_BATCH = 2"


def children_of(process):
    return [
        int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit() and parent_of(folder) == process
    ]


def parent_of(folder):
    try:
        return int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


class Portal:
    """A database of its own on a server of its own, that a test may stop."""

    def __init__(self, server, name):
        self.server, self.name = server, name

    def environment(self):
        url = make_conninfo(host=str(self.server.socket_dir()), user="portal", dbname=self.name)
        return {**processes.GIVEN, "DATABASE_URL": url, "PORTAL_DATA_DIR": str(self.server.data.parent)}

    def connect(self):
        return psycopg.connect(self.environment()["DATABASE_URL"], autocommit=True)

    def ask(self, sql):
        with self.connect() as connection:
            cursor = connection.execute(sql)
            return cursor.fetchone()[0] if cursor.description else None

    def administer(self, sql):
        """As the server's superuser, which the owner isn't."""
        host = str(self.server.socket_dir())
        with psycopg.connect(host=host, user=embedded.ADMIN, dbname="postgres", autocommit=True) as connection:
            connection.execute(sql)

    def state(self):
        with self.connect() as connection:
            return {
                name: sorted(row[0] for row in connection.execute(f"SELECT row_to_json(x)::text FROM ({sql}) x"))
                for name, sql in STATE.items()
            }

    def start(self, *arguments, patch=IN_PAIRS):
        return processes.start(*arguments, patch=patch, **self.environment())

    def run(self, *arguments, patch=IN_PAIRS):
        return processes.finish(self.start(*arguments, patch=patch))

    def waits_for_lock(self):
        return self.ask("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")

    def stop(self):
        self.server._run(embedded.binaries() / "pg_ctl", "-w", "-m", "immediate", "-D", self.server.data, "stop")

    def signal_all(self, number):
        parent = int((self.server.data / "postmaster.pid").read_text().splitlines()[0])
        for process in [parent, *children_of(parent)]:
            with contextlib.suppress(ProcessLookupError):  # a short-lived one, as autovacuum's
                os.kill(process, number)

    @contextlib.contextmanager
    def hold_third_customer(self):
        """In batches of two the first is through when the run comes to wait here."""
        with self.connect() as connection, connection.transaction():
            connection.execute("SELECT 1 FROM accounts_customer WHERE number = 'C0000003' FOR UPDATE")
            yield connection


@contextlib.contextmanager
def disk(folder, size):
    """A small disk of this size; PermissionError where nobody may mount one."""
    folder.mkdir(exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        raise PermissionError("mount isn't permitted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def fill(file):
    with contextlib.suppress(OSError), open(file, "wb", buffering=0) as filler:
        while filler.write(bytes(4096)):
            pass


def collect_static(portal):
    """The error page names files by their hash."""
    assert portal.run("collectstatic", "--no-input", "--ignore", "fonts", "--verbosity", "0")[0] == 0


@contextlib.contextmanager
def web(portal):
    """gunicorn as the unit in deploy/ starts it, with one worker; yields a function that says with which status it answers."""
    if not (portal.server.data.parent / "static").exists():
        collect_static(portal)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    unit = (processes.ROOT / "deploy" / "portal-web.service").read_text()
    shipped = next(line for line in unit.splitlines() if line.startswith("ExecStart=")).split()[1:]
    # In place of the unit's own address, which would be bound as well and may be taken.
    shipped[shipped.index("--bind") + 1] = f"127.0.0.1:{port}"
    serving = subprocess.Popen(
        [sys.executable, *shipped, "--workers", "1", "--log-level", "critical"],
        cwd=processes.ROOT,
        env={"PATH": os.environ["PATH"], "PORT": str(port), **portal.environment()},
        stderr=subprocess.DEVNULL,
    )

    def ask():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=30) as answer:
                return answer.status
        except urllib.error.HTTPError as answer:
            return answer.code if "エラーが発生しました" in answer.read().decode() else "not our page"
        except OSError:
            return None

    ask.process, ask.port = serving.pid, port
    try:
        processes.wait_until(lambda: ask() == 200)
        yield ask
    finally:
        serving.kill()
        serving.wait()
