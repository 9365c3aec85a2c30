"""What older versions left, migrated in place: nothing amiss, and the former web goes on beside the new tables."""

import subprocess

import pytest

from bench import upgrade
from tests.processes import ROOT

# The version from which on upgrades go on under a working web (tests/database/test_migrations.py).
FORMER = "0f5bf7c"


def known(commit):
    return not subprocess.run(
        ["git", "cat-file", "-e", f"{commit}^{{commit}}"], cwd=ROOT, check=False, capture_output=True
    ).returncode


@pytest.mark.nightly
@pytest.mark.parametrize(("commit", "beside"), [(upgrade.BEFORE_THE_REWORK, False), (FORMER, True)])
def it_takes_over_what_an_older_version_left(commit, beside):
    if not known(commit):
        pytest.skip(f"git's history of this checkout doesn't have {commit}")
    said = []
    upgrade.upgrade(commit, beside, say=said.append)
    assert sum("pages" in line for line in said) == (4 if beside else 2)
