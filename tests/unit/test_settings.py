"""Settings from the environment: what https changes, and values that are refused."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = [
    "SESSION_COOKIE_NAME", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_NAME", "CSRF_COOKIE_SECURE", "SECURE_HSTS_SECONDS",
    "ALLOWED_HOSTS", "SESSION_COOKIE_AGE", "SESSION_LONGEST", "AUTH_PASSWORD_VALIDATORS",
]  # fmt: skip
SHOW = f"import json; from portal import settings; print(json.dumps([getattr(settings, name) for name in {NAMES}]))"


def read(**environment):
    done = subprocess.run(
        [sys.executable, "-c", SHOW],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "SECRET_KEY": "x", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ValueError(done.stderr)
    return dict(zip(NAMES, json.loads(done.stdout), strict=True))


def it_guards_cookies_and_hosts_on_https():
    found = read(PORTAL_URL="https://portal.example.com")
    assert (found["SESSION_COOKIE_NAME"], found["SESSION_COOKIE_SECURE"]) == ("__Host-sessionid", True)
    assert (found["CSRF_COOKIE_NAME"], found["CSRF_COOKIE_SECURE"]) == ("__Host-csrftoken", True)
    assert found["SECURE_HSTS_SECONDS"] > 0
    assert found["ALLOWED_HOSTS"] == ["portal.example.com"]


def it_takes_an_empty_variable_for_none():
    found = read(PORTAL_URL="", PASSWORD_RULE="", SESSION_IDLE_MINUTES="")
    assert found["SESSION_COOKIE_NAME"] == "sessionid"
    assert (found["SESSION_COOKIE_AGE"], found["SESSION_LONGEST"]) == (3600, 12 * 3600)


def it_refuses_a_font_folder_that_isnt_there():
    with pytest.raises(ValueError, match="PORTAL_FONT_DIR must be a folder: /nowhere/fonts"):
        read(PORTAL_FONT_DIR="/nowhere/fonts")


def it_chooses_the_strict_password_rule():
    assert {"NAME": "accounts.passwords.StrictRule"} in read(PASSWORD_RULE="strict")["AUTH_PASSWORD_VALIDATORS"]


@pytest.mark.parametrize("name", ["PASSWORD_RULE", "CREDENTIAL_MAILS"])
def it_names_the_values_that_it_knows(name):
    with pytest.raises(ValueError, match=f"{name} must be one of: "):
        read(**{name: "nonsense"})


@pytest.mark.parametrize("value", ["abc", "-3", "2.5", "３"])
def it_says_in_one_line_that_a_number_is_none(value):
    done = subprocess.run(
        [sys.executable, "manage.py", "check_month", "2026-04"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "SECRET_KEY": "x", "MAIL_PER_MINUTE": value},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (3, f"MAIL_PER_MINUTE must be a whole number: {value}\n")
