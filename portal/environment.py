"""What the operator set: every environment variable of the portal, read and checked; nothing here knows Django's settings."""

import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

# All of them; deploy/portal.env.example explains each.
KNOWN = (
    "CREDENTIAL_MAILS",
    "DATABASE_URL",
    "EMAIL_URL",
    "LOG_FORMAT",
    "LOG_LEVEL",
    "MAIL_FROM",
    "MAIL_PER_MINUTE",
    "METRICS_TOKEN",
    "PASSWORD_RULE",
    "PORT",
    "PORTAL_DATA_DIR",
    "PORTAL_FONT_DIR",
    "PORTAL_URL",
    "SECRET_KEY",
    "SESSION_HOURS",
    "SESSION_IDLE_MINUTES",
    "STAFF_SECOND_FACTOR",
    "TRUSTED_PROXIES",
    "WEB_DATABASE_URL",
)
# How alike a name must be to be taken for a slip: DATABASE_URI is 0.92 to DATABASE_URL, a singular to its plural 0.86.
ALIKE = 0.85
SHORTEST = 8  # letters; what is like PORT may be anybody's

# Without these a portal with a database of its own seems to work: mails become files and count as sent, their URLs lead to
# 127.0.0.1, and two machines sign sessions with two keys (D39).
NEEDED = {
    "SECRET_KEY": "50文字以上の乱数",
    "EMAIL_URL": "メールサーバ。送らずにファイルにするなら file: と書きます",
    "PORTAL_URL": "お客様が使うアドレス。例 https://portal.example.com",
}


def env(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def one_of(name: str, default: str, *others: str) -> str:
    given = env(name, default)
    if given not in (default, *others):
        raise ImproperlyConfigured(f"{name} は {'、'.join((default, *others))} のどれかにしてください: {given}")
    return given


def whole(name: str, default: int) -> int:
    """A whole number, 0 or more."""
    given = env(name, str(default))
    if not (given.isascii() and given.isdigit()):
        raise ImproperlyConfigured(f"{name} は0以上の整数にしてください: {given}")
    return int(given)


def folder(name: str) -> str:
    """A folder that is there; empty without one."""
    given = env(name)
    if given and not Path(given).is_dir():
        raise ImproperlyConfigured(f"{name} のフォルダがありません: {given}")
    return given


def need_all_with_database() -> None:
    """Raises ImproperlyConfigured, a line for each that is missing, where DATABASE_URL says that this is no try-out (D39)."""
    missing = [name for name in NEEDED if not env(name)] if env("DATABASE_URL", env("WEB_DATABASE_URL")) else []
    if missing:
        raise ImproperlyConfigured(
            "\n".join(f"DATABASE_URL を使うときは {name} も設定してください（{NEEDED[name]}）。" for name in missing)
        )


def address(default: str) -> str:
    """PORTAL_URL: scheme and host, perhaps a port, and nothing else, for the portal's pages begin at the root."""
    given = env("PORTAL_URL", default).rstrip("/")
    parts = split(given)
    known = parts and parts.scheme in ("http", "https") and parts.hostname
    if not known or given != f"{parts.scheme}://{parts.netloc}" or "@" in parts.netloc or not given.isascii():
        raise ImproperlyConfigured(
            f"PORTAL_URL は https://portal.example.com のように、http:// か https:// とホスト名だけで書いてください: {given}"
        )
    return given


def split(url: str) -> SplitResult | Any:
    """The URL's parts; None if it is none, as with a port that is no number."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018, raises where it is read
    except ValueError:
        return None
    return parts


def database(name: str = "DATABASE_URL") -> dict[str, Any]:
    """A database's URL as Django wants it. What was given may hold a password: it isn't repeated."""
    url = env(name)
    try:
        given: dict[str, Any] = dict(conninfo_to_dict(url))
    except ProgrammingError:
        given = {}
    ports = str(given.get("port", "")).split(",")
    if not (given.get("dbname") or given.get("service")) or not all(port.isdigit() for port in ports if port):
        raise ImproperlyConfigured(
            f"{name} を読めません。postgresql://ユーザ:パスワード@ホスト:5432/データベース名 の形で書いてください"
            "（パスワードの記号は %40 のような形にします）。"
        )
    known = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    settings = {setting: given.pop(key, "") for setting, key in known.items()}
    return {"ENGINE": "portal.db", **settings, "OPTIONS": given}


def mail() -> dict[str, Any]:
    """EMAIL_URL: smtp://user:password@host:587?tls=1, smtps:// for TLS from the first byte, file: (and none) for files."""
    url = env("EMAIL_URL", "file:")
    if url == "file:":
        return {"EMAIL_BACKEND": "portal.mail.FileBackend"}
    parts = split(url)
    if not parts or parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise ImproperlyConfigured(
            "EMAIL_URL を読めません。smtp://ユーザ:パスワード@ホスト:587?tls=1、smtps://…、"
            "送らずにファイルにするなら file: と書いてください。"
        )
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": parts.port or (465 if parts.scheme == "smtps" else 25),
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_SSL": parts.scheme == "smtps",
        "EMAIL_USE_TLS": parts.scheme == "smtp" and parse_qs(parts.query).get("tls", ["0"])[0] in ("1", "true"),
    }


def slips(given: Mapping[str, str] = os.environ) -> list[str]:
    """A line for each variable that is none of ours but looks like one written wrong."""
    told = []
    for name in sorted(set(given) - set(KNOWN)):
        meant = get_close_matches(name.upper(), KNOWN, n=1, cutoff=ALIKE)
        if meant and len(meant[0]) >= SHORTEST:
            told.append(f"環境変数 {name} は使われません。{meant[0]} のことではありませんか。")
    return told
