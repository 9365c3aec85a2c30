"""The systemd units are well-formed, as systemd itself judges."""

import shutil
import subprocess
from pathlib import Path

import pytest

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd isn't installed here")
@pytest.mark.parametrize(
    "unit",
    [
        "portal-web.service",
        "portal-worker@.service",
        "portal-renew.service",
        "portal-daily.service",
        "portal-daily.timer",
    ],
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


def it_drafts_every_day_even_if_the_renewal_fails():
    """A second ExecStart runs only after a first that succeeded, and Requires= would pass the failure on."""
    lines = (DEPLOY / "portal-daily.service").read_text().splitlines()
    starts = [line for line in lines if line.startswith("ExecStart")]
    assert starts == ["ExecStart=/srv/portal/.venv/bin/python manage.py open_month"]
    assert {"Wants", "After"} == {
        line.partition("=")[0] for line in lines if "portal-renew.service" in line.split("=")[-1].split()
    }
    assert "manage.py renew_contracts" in (DEPLOY / "portal-renew.service").read_text()
