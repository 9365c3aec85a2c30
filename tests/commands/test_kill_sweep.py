"""A month's work, with what staff do in it, killed at moments spread over the whole run: see bench/faults.py."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

ROOT = Path(__file__).resolve().parents[2]


def run(*command):
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def it_survives_kills_at_two_spread_moments(django_db_setup):
    connection.close()  # so that the database can be copied
    code, said = run("bench/faults.py", "--points", "2", "--template", connection.settings_dict["NAME"])
    assert "faults: 2 of 2 survived" in said
    assert code == 0


@pytest.mark.nightly
def it_survives_a_kill_at_every_moment():
    code, said = run("bench/faults.py", "--full")
    assert code == 0, said


@pytest.mark.nightly
def it_loses_no_invoice_when_one_of_two_workers_is_killed():
    code, said = run("bench/workers.py")
    assert code == 0, said
