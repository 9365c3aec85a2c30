"""Processes that tests start beside themselves: forked children, and manage.py on the test's database or another one."""

import os
import subprocess
import sys
import time
import traceback
import warnings
from pathlib import Path

from django.db import connection
from psycopg.conninfo import make_conninfo

ROOT = Path(__file__).resolve().parents[1]
WAIT_SECONDS = 180  # of a machine that does much else
# What the portal wants to be told beside DATABASE_URL (D39).
GIVEN = {"SECRET_KEY": "only-for-tests", "EMAIL_URL": "file:", "PORTAL_URL": "http://127.0.0.1:8000"}
MANAGE = """
import sys, django
django.setup()
{patch}
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", *sys.argv[1:]])
"""


def in_child(act):
    """Run `act` in a forked process; returns its exit code, negative if a signal ended it."""
    connection.close()
    with warnings.catch_warnings(action="ignore"):  # about threads, which the child doesn't use
        pid = os.fork()
    if pid == 0:
        code = 1
        try:
            act()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def here(data):
    """Environment that leads a process to the database of this test, and to `data` for its files."""
    given = connection.get_connection_params()
    known = {name: given[name] for name in ("dbname", "user", "password", "host", "port") if given.get(name)}
    return {**GIVEN, "DATABASE_URL": make_conninfo(**known), "PORTAL_DATA_DIR": str(data)}


def start(*arguments, patch="", **environment):
    """manage.py, with the Python statements `patch` run before the command."""
    return subprocess.Popen(
        [sys.executable, "-c", MANAGE.format(patch=patch), *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "portal.settings", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    """(exit code, what it said, what it complained of)"""
    out, err = process.communicate(timeout=WAIT_SECONDS)
    return process.returncode, out, err


def run(*arguments, **options):
    return finish(start(*arguments, **options))


def empty_queue():
    """Jobs outlive a test that commits: flushing knows the models of this project only."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")


def wait_until(true):
    until = time.monotonic() + WAIT_SECONDS
    while not true():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)
