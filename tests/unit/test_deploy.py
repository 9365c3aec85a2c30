"""The systemd units are well-formed, as systemd itself judges."""

import shutil
import subprocess
from pathlib import Path

import pytest

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd isn't installed here")
@pytest.mark.parametrize(
    "unit", ["portal-web.service", "portal-worker@.service", "portal-daily.service", "portal-daily.timer"]
)
def it_is_a_unit_that_systemd_accepts(unit, tmp_path):
    """Against the paths of this checkout, since the installed ones don't exist here."""
    for each in DEPLOY.iterdir():
        text = each.read_text().replace("/srv/portal/.venv/bin/python", "/bin/sh").replace("/srv/portal", str(tmp_path))
        (tmp_path / each.name).write_text(text)
    name = unit.replace("@", "@1")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--recursive-errors=no", tmp_path / unit if "@" not in unit else tmp_path / name],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
