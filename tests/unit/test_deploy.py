"""What is shipped for installing: units that systemd accepts, every variable explained, a guide whose blocks are whole."""

import os
import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from bench import install_guide, pages
from portal import environment

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd isn't installed here")
@pytest.mark.parametrize(
    "unit",
    [
        "portal-web.service",
        "portal-web.socket",
        "portal-worker@.service",
        "portal-renew.service",
        "portal-daily.service",
        "portal-daily.timer",
        "portal-check.service",
        "portal-backup.service",
        "portal-backup.timer",
        "portal-failed@.service",
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


def it_keeps_the_webs_address_while_the_web_starts_again():
    """gunicorn takes over what the socket listens on; a web without it, as before there was one, takes the same address by itself."""
    [address] = re.findall(r"^ListenStream=(.*)$", (DEPLOY / "portal-web.socket").read_text(), re.M)
    web = (DEPLOY / "portal-web.service").read_text()
    assert f"--bind {address} " in web
    assert set(re.findall(r"proxy_pass http://(\S+);", (DEPLOY / "nginx.conf").read_text())) == {address}
    wanted = {name: value.split() for name, value in re.findall(r"^(After|Wants)=(.*)$", web, re.M)}
    assert all("portal-web.socket" in wanted[name] for name in ("After", "Wants"))


def it_drafts_every_day_even_if_the_renewal_fails():
    """A second ExecStart runs only after a first that succeeded, and Requires= would pass the failure on."""
    lines = (DEPLOY / "portal-daily.service").read_text().splitlines()
    starts = [line for line in lines if line.startswith("ExecStart")]
    assert starts == ["ExecStart=/srv/portal/.venv/bin/python manage.py open_month"]
    assert {"Wants", "After"} == {
        line.partition("=")[0] for line in lines if "portal-renew.service" in line.split("=")[-1].split()
    }
    assert "manage.py renew_contracts" in (DEPLOY / "portal-renew.service").read_text()


def it_checks_the_months_every_day_after_the_drafts_and_finding_something_is_no_failure():
    daily, check = (
        (DEPLOY / name).read_text().splitlines() for name in ("portal-daily.service", "portal-check.service")
    )
    assert "Wants=network-online.target portal-renew.service portal-check.service" in daily
    assert {"After=network-online.target portal-daily.service", "SuccessExitStatus=1"} <= set(check)
    assert "ExecStart=/srv/portal/.venv/bin/python manage.py check_month" in check


GUIDE = (DEPLOY.parent / "docs" / "install.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", GUIDE, re.M | re.S)


def it_explains_every_variable_in_the_example():
    lines = (DEPLOY / "portal.env.example").read_text().splitlines()
    given = [line.partition("=")[0] for line in lines if line and not line.startswith("#")]
    assert sorted(given) == sorted(environment.KNOWN)
    explained = [above for above, line in pairwise(lines) if line.startswith(tuple(environment.KNOWN))]
    assert all(above.startswith("#") or above.partition("=")[0] in environment.KNOWN for above in explained)


@pytest.mark.parametrize("unit", sorted(path.name for path in DEPLOY.glob("*.service") if "failed" not in path.name))
def it_runs_closed_to_others_and_tells_when_it_fails(unit):
    lines = (DEPLOY / unit).read_text().splitlines()
    assert {"UMask=0077", "NoNewPrivileges=yes", "ProtectSystem=strict", "OnFailure=portal-failed@%n.service"} <= set(
        lines
    )


def it_runs_no_command_as_root_when_the_data_folder_is_roots(tmp_path):
    """As after it was copied or brought back by hand: PostgreSQL would be asked for a role root."""
    (tmp_path / "env").write_text("PORTAL_URL=https://portal.example.com\n")
    if (data := Path("/etc")).owner() != "root":
        pytest.skip("needs a folder of root's")
    (programs := tmp_path / "programs").mkdir()
    (programs / "id").write_text("#!/bin/sh\n")  # here, too, there is the guide's user
    (programs / "id").chmod(0o755)
    given = {"PATH": f"{programs}:{os.defpath}", "PORTAL_ENV": str(tmp_path / "env"), "PORTAL_ROOT": str(tmp_path)}
    done = subprocess.run(
        ["sh", DEPLOY / "portal-manage", "doctor"],
        env={**given, "PORTAL_DATA_DIR": str(data)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
    assert "/etc は root のものです。chown -R portal:portal /etc を実行" in done.stderr


@pytest.mark.parametrize("block", BLOCKS, ids=[block.splitlines()[0][:40] for block in BLOCKS])
def it_has_blocks_that_a_shell_can_read_and_whose_files_are_there(block):
    done = subprocess.run(["sh", "-n"], input=block, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    for name in re.findall(r"deploy/[\w@.*-]+", block):
        assert list(DEPLOY.parent.glob(name)), name


def it_has_no_block_that_its_trial_in_an_empty_debian_leaves_out():
    by_hand = [text for language, text in pages.blocks("install.md") if language != "sh"]
    assert len(by_hand) > 5
    assert [text for text in by_hand if not text.startswith(tuple(install_guide.Guide.BY_HAND))] == []


def it_starts_every_unit_and_timer_that_is_to_run():
    started = set(re.search(r"enable --now (.*)", GUIDE).group(1).split())
    installed = {path.name for path in DEPLOY.iterdir() if "WantedBy" in path.read_text()}
    assert {name.removesuffix(".service").replace("@", "@1") for name in installed} <= started


@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx isn't installed here")
def it_is_a_site_that_nginx_accepts(tmp_path):
    (tmp_path / "certificates").mkdir()
    made = [
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=portal.example.com", "-days", "2",
        "-keyout", tmp_path / "certificates/privkey.pem", "-out", tmp_path / "certificates/fullchain.pem",
    ]  # fmt: skip
    subprocess.run(made, check=True, capture_output=True)
    site = (DEPLOY / "nginx.conf").read_text().replace("/etc/ssl/portal", str(tmp_path / "certificates"))
    (tmp_path / "site.conf").write_text(site)
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid; error_log stderr; events {{}} http {{ access_log off; include {tmp_path}/site.conf; }}"
    )
    done = subprocess.run(["nginx", "-t", "-c", tmp_path / "nginx.conf"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
