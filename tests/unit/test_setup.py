"""bin/setup on a machine where something is missing and nobody may install it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("dirname", "xargs", "id", "cat", "cksum", "echo")


@pytest.fixture
def bare_path(tmp_path):
    """A PATH with the shell's everyday tools, and without Python, sudo and apt."""
    for tool in TOOLS:
        (tmp_path / tool).symlink_to(shutil.which(tool))
    return tmp_path


def run(script, path):
    return subprocess.run(
        ["/bin/sh", ROOT / "bin" / script], env={"PATH": str(path)}, capture_output=True, text=True, check=False
    )


def pretend(path, name, text):
    (path / name).unlink(missing_ok=True)
    (path / name).write_text(f"#!/bin/sh\n{text}\n")
    (path / name).chmod(0o755)


@pytest.mark.parametrize("script", ["setup", "demo", "test"])
def it_says_in_one_line_what_to_install(script, bare_path):
    pretend(bare_path, "id", "echo 1000")
    pretend(bare_path, "apt-get", "exit 99")
    done = run(script, bare_path)
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "As root: apt-get install -y --no-install-recommends python3 python3-venv libpango-1.0-0" in done.stderr
    assert ("chromium" in done.stderr) == (script == "test")


def it_names_the_packages_where_there_is_no_apt(bare_path):
    done = run("setup", bare_path)
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "python3-venv" in done.stderr


def it_does_nothing_when_nothing_is_missing():
    if not (ROOT / ".venv" / "installed-requirements-dev.txt").exists():
        pytest.skip("this checkout runs from another environment")
    done = subprocess.run([ROOT / "bin/setup", "test"], env=os.environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
