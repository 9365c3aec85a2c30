"""The close, its PDFs and its mails, killed at moments spread over the whole run: see bench/faults.py."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def sweep(*arguments):
    done = subprocess.run(
        [sys.executable, "bench/faults.py", *arguments],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def it_survives_kills_at_twelve_spread_moments():
    code, said = sweep("--points", "12")
    assert "faults: 12 of 12 survived" in said
    assert code == 0


@pytest.mark.nightly
def it_survives_a_kill_at_every_moment():
    code, said = sweep("--full")
    assert code == 0, said
