"""A database without tables (a forgotten PORTAL_DATA_DIR makes one): one line says what to run, whoever meets it first.

Each run tries a command of each kind, the nightly run the others too.
"""

import os
import subprocess
import sys

import pytest
from django.conf import settings

from portal.db.embedded import Server
from tests.processes import ROOT, WAIT_SECONDS

pytestmark = pytest.mark.skipif(settings.EMBEDDED is None, reason="needs the embedded server")


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A data folder with a running server in which nobody ran `migrate`; kept running, each command would wait for its start."""
    server = Server(tmp_path_factory.mktemp("empty") / "pg", fast=True)
    server.ensure()
    yield server.data.parent
    server.release()


def run(empty, *command, **environment):
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "PORTAL_DATA_DIR": str(empty),
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["manage.py", "procrastinate", "worker"],
        ["manage.py", "createsuperuser", "--no-input", "--email", "a@example.com"],
        pytest.param(["manage.py", "changepassword", "a@example.com"], marks=pytest.mark.nightly),
        pytest.param(["manage.py", "dumpdata", "portal"], marks=pytest.mark.nightly),
        pytest.param(["manage.py", "send_mail"], marks=pytest.mark.nightly),
        ["manage.py", "close_month", "2026-04"],
        ["manage.py", "load_demo"],
        ["-c", "import portal.wsgi"],
    ],
    ids=lambda command: " ".join(command[-2:]),
)
def it_says_in_one_line_what_to_run(empty, command):
    code, said, complained = run(empty, *command)
    assert (code, said) == (3, "")
    assert len(complained.splitlines()) == 1
    assert str(empty / "pg") in complained
    assert "manage.py migrate" in complained


@pytest.mark.parametrize("command", ["migrate", pytest.param("showmigrations", marks=pytest.mark.nightly)])
def it_says_in_one_line_that_there_is_no_server(tmp_path, command):
    away = {"DATABASE_URL": "postgresql://portal@127.0.0.1:1/portal", "SECRET_KEY": "s" * 60, "EMAIL_URL": "file:"}
    code, said, complained = run(tmp_path, "manage.py", command, PORTAL_URL="http://127.0.0.1", **away)
    assert (code, said) == (3, "")
    assert len(complained.splitlines()) == 1
    assert "データベースのエラー" in complained


@pytest.mark.parametrize(
    "command",
    [["check"], pytest.param(["close_month", "--help"], marks=pytest.mark.nightly), ["showmigrations", "portal"]],
)
def it_lets_pass_what_needs_no_tables(empty, command):
    code, _said, complained = run(empty, "manage.py", *command)
    assert (code, complained) == (0, "")


def it_starts_no_web_worker(empty):
    code, _said, complained = run(
        empty, "-m", "gunicorn", "portal.wsgi", "--bind", "127.0.0.1:0", "--no-control-socket"
    )
    assert code == 3
    assert [line for line in complained.splitlines() if "manage.py migrate" in line and "表がありません" in line]
    assert "Traceback" not in complained
