"""Settings from the environment: what https changes, and values that are refused."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from portal import environment
from tests.processes import GIVEN

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
    with pytest.raises(ValueError, match="PORTAL_FONT_DIR のフォルダがありません: /nowhere/fonts"):
        read(PORTAL_FONT_DIR="/nowhere/fonts")


def it_chooses_the_strict_password_rule():
    assert {"NAME": "accounts.passwords.StrictRule"} in read(PASSWORD_RULE="strict")["AUTH_PASSWORD_VALIDATORS"]


@pytest.mark.parametrize("name", ["PASSWORD_RULE", "CREDENTIAL_MAILS"])
def it_names_the_values_that_it_knows(name):
    with pytest.raises(ValueError, match=f"{name} は .* のどれかにしてください: nonsense"):
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
    assert (done.returncode, done.stderr) == (3, f"MAIL_PER_MINUTE は0以上の整数にしてください: {value}\n")


PROGRAMS = {
    "web": ["-c", "import portal.wsgi"],
    "worker": ["manage.py", "procrastinate", "worker"],
    "command": ["manage.py", "close_month", "2026-04"],
    "migrate": ["manage.py", "migrate"],
}


def begin(program, **environment):
    done = subprocess.run(
        [sys.executable, *PROGRAMS[program]],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr.splitlines()


@pytest.mark.parametrize("program", PROGRAMS)
def it_starts_nothing_on_a_database_of_ones_own_before_all_is_said(program):
    """D39: a line for each that is missing; what follows could only fail silently."""
    code, said, complained = begin(program, DATABASE_URL="postgresql://127.0.0.1:1/portal")
    assert (code, said) == (3, "")
    assert [line.split(" も設定してください")[0] for line in complained] == [
        f"DATABASE_URL を使うときは {name}" for name in ("SECRET_KEY", "EMAIL_URL", "PORTAL_URL")
    ]


@pytest.mark.parametrize("missing", GIVEN)
def it_names_the_one_that_is_missing(monkeypatch, missing):
    for name, value in {**GIVEN, "DATABASE_URL": "dbname=portal", missing: " "}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(
        ImproperlyConfigured, match=rf"^DATABASE_URL を使うときは {missing} も設定してください（.*）。$"
    ):
        environment.need_all_with_database()


def it_wants_nothing_for_a_try_out(monkeypatch):
    for name in ("DATABASE_URL", *GIVEN):
        monkeypatch.delenv(name, raising=False)
    environment.need_all_with_database()
    assert environment.mail() == {"EMAIL_BACKEND": "portal.mail.FileBackend"}


@pytest.mark.parametrize(
    "given",
    [
        "portal.example.com", "portal.example.com:8000", "//portal.example.com", "ftp://portal.example.com", "https://",
        "https:portal.example.com", "https://portal.example.com/portal", "https://portal.example.com?x", "https://[::1",
        "https://portal.example.com:eighty", "https://me@portal.example.com", "https://ポータル.example.com",
    ],
)  # fmt: skip
def it_refuses_an_address_that_is_not_whole(monkeypatch, given):
    monkeypatch.setenv("PORTAL_URL", given)
    with pytest.raises(ImproperlyConfigured, match=r"^PORTAL_URL は https://portal.example.com のように"):
        environment.address("")


@pytest.mark.parametrize(
    "given", ["https://portal.example.com", "http://127.0.0.1:8000", "https://portal.example.com/"]
)
def it_takes_a_whole_address(monkeypatch, given):
    monkeypatch.setenv("PORTAL_URL", given)
    assert environment.address("") == given.rstrip("/")


@pytest.mark.parametrize(
    "given",
    [
        "mysql://portal:s3cret@db/portal", "portal", "postgresql://portal:s3cret@db", "postgresql://portal:s3cret@db:x/portal",
        "postgresql://portal:s3cr%et@db/portal", "dbname=portal ssl_mode=require", "postgresql://[::1/portal",
    ],
)  # fmt: skip
def it_says_in_one_line_that_a_database_url_is_none_and_repeats_no_password(monkeypatch, given):
    monkeypatch.setenv("DATABASE_URL", given)
    with pytest.raises(ImproperlyConfigured, match=r"^DATABASE_URL を読めません。.*$") as refused:
        environment.database()
    assert "s3cret" not in str(refused.value)
    assert refused.value.__context__ is None


@pytest.mark.parametrize(
    "given", ["smtp:mail.example.com", "smtp://", "mail.example.com:25", "smtp://host:x", "file", "https://x"]
)
def it_refuses_a_mail_server_that_is_none(monkeypatch, given):
    monkeypatch.setenv("EMAIL_URL", given)
    with pytest.raises(ImproperlyConfigured, match=r"^EMAIL_URL を読めません。"):
        environment.mail()


def it_takes_file_as_the_word_for_files(monkeypatch):
    monkeypatch.setenv("EMAIL_URL", "file:")
    assert environment.mail() == {"EMAIL_BACKEND": "portal.mail.FileBackend"}


def it_tells_an_odd_database_url_in_one_line_at_the_start():
    code, said, complained = begin("web", **GIVEN, DATABASE_URL="mysql://portal:s3cret@db/portal")
    assert (code, said, len(complained)) == (3, "", 1)
    assert "DATABASE_URL を読めません" in complained[0]


@pytest.mark.parametrize(
    ("given", "meant"),
    {
        "DATABASE_URI": "DATABASE_URL", "PORTAL_DATADIR": "PORTAL_DATA_DIR", "MAIL_URL": "EMAIL_URL", "SECRETKEY": "SECRET_KEY",
        "portal_url": "PORTAL_URL", "PORTAL_FONTS_DIR": "PORTAL_FONT_DIR", "TRUSTED_PROXY": "TRUSTED_PROXIES",
        "SESSION_HOUR": "SESSION_HOURS",
    }.items(),
)  # fmt: skip
def it_warns_of_names_close_to_its_own(given, meant):
    assert environment.slips({given: "x", "HOME": "/root"}) == [
        f"環境変数 {given} は使われません。{meant} のことではありませんか。"
    ]


def it_leaves_the_variables_of_others_alone():
    others = (
        "PATH HOME PORTS SHELL MAIL MAILTO PGPORT PGDATABASE EMAIL DJANGO_SETTINGS_MODULE SESSION_MANAGER PYTHONPATH "
        "DESKTOP_SESSION XDG_SESSION_ID SECRETS PASSWORD_STORE_DIR TRUSTED_KEYS SERVER_PORT PORTAL_SERVICE_HOST"
    )
    assert environment.slips(dict.fromkeys([*others.split(), *environment.KNOWN], "x")) == []


def it_says_so_at_the_start_and_goes_on():
    done = subprocess.run(
        [sys.executable, "manage.py", "check_month", "--help"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "SECRET_KEY": "x", "DATABASE_URI": "postgresql://portal:s3cret@db/portal"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr == "環境変数 DATABASE_URI は使われません。DATABASE_URL のことではありませんか。\n"


def it_knows_every_variable_that_it_reads():
    read = set()
    for path in [*ROOT.glob("portal/**/*.py"), *ROOT.glob("accounts/**/*.py"), *ROOT.glob("billing/**/*.py")]:
        text = path.read_text()
        read |= set(re.findall(r'(?<![a-z_.])(?:env|one_of|whole|folder)\("([A-Z_]+)"', text))
    assert read == set(environment.KNOWN)
