"""What a backup is: one tar with the database's dump, what it should hold when it is restored, and the data folder's secret key.

Counts and sums are read in the very snapshot that is dumped, so a close may run meanwhile. A key that was given by SECRET_KEY
isn't put in, for then whoever has the backups could sign sessions; a hash says whether the present one is that of the backup.
"""

import hashlib
import hmac
import io
import json
import os
import shutil
import subprocess
import tarfile
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection, transaction

from billing.management.base import CONFIGURATION, INCOMPLETE, WrongUsage
from portal.db import catalogue, embedded
from portal.environment import KNOWN, env

DUMP, FACTS, KEY = "database.dump", "facts.json", "secret.key"
PDFS_LOOKED_AT = 200
SECRETS = {"SECRET_KEY", "DATABASE_URL", "WEB_DATABASE_URL", "EMAIL_URL", "METRICS_TOKEN"}
SUMS = {
    "documents": "SELECT count(*), coalesce(sum(total), 0) FROM billing_invoice",
    "lines": "SELECT count(*), coalesce(sum(amount), 0) FROM billing_invoiceline",
    "orders": "SELECT count(*), coalesce(sum(amount), 0) FROM orders_orderline",
}
TABLES = """
    SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname
"""


def write(path):
    """Write a whole backup to `path`; what is there is replaced only by a whole one. Raises CommandError."""
    made, dumped = path.with_name(f"{path.name}.part"), path.with_name(f"{path.name}.dump")
    try:
        with umask(0o077), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("SELECT pg_export_snapshot()")
            snapshot = cursor.fetchone()[0]
            facts = {**contents(), "settings": fingerprint(), "key": key_hash()}
            run("pg_dump", "--format=custom", f"--snapshot={snapshot}", f"--file={dumped}", database=True)
            with tarfile.open(made, "w") as tar:
                tar.add(dumped, DUMP)
                add(tar, FACTS, json.dumps(facts, ensure_ascii=False, indent=1).encode())
                kept = settings.DATA / "secret.key"
                if not env("SECRET_KEY") and kept.exists():
                    add(tar, KEY, kept.read_bytes())
            with made.open("rb") as file:
                os.fsync(file.fileno())
            made.replace(path)
    except OSError as trouble:
        raise CommandError(f"バックアップを書けません: {trouble.strerror}", returncode=CONFIGURATION) from None
    finally:
        made.unlink(missing_ok=True)
        dumped.unlink(missing_ok=True)
    return facts


@contextmanager
def umask(mask):
    former = os.umask(mask)
    try:
        yield
    finally:
        os.umask(former)


def add(tar, name, content):
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o600
    tar.addfile(entry, io.BytesIO(content))


def contents():
    """What this database holds: rows of each table, sums in yen, and what guards the tables."""
    with connection.cursor() as cursor:
        cursor.execute(TABLES)
        rows = {}
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT count(*) FROM "{table}"')
            rows[table] = cursor.fetchone()[0]
        sums = {}
        for name, question in SUMS.items():
            cursor.execute(question)
            sums[name] = [int(value) for value in cursor.fetchone()]
    return {"rows": rows, "sums": sums, "guards": catalogue.found(connection)}


def fingerprint():
    """{variable: its value, or of a secret whether there is one}"""
    return {name: bool(env(name)) if name in SECRETS else env(name) for name in KNOWN}


def key_hash():
    return hmac.new(settings.SECRET_KEY.encode(), b"backup", hashlib.sha256).hexdigest()


@contextmanager
def opened(path, folder):
    """(facts, path of the dump) of a backup, its dump taken out into `folder`. Raises WrongUsage if it isn't whole."""
    try:
        with tarfile.open(path) as tar:
            facts = json.load(part(tar, FACTS))
            dumped = Path(folder) / DUMP
            with part(tar, DUMP) as source, dumped.open("wb") as copy:
                shutil.copyfileobj(source, copy)
            key = part(tar, KEY).read() if KEY in tar.getnames() else b""
    except (OSError, tarfile.TarError, KeyError, ValueError):
        raise WrongUsage(f"バックアップとして読めません（途中で切れているか、ほかのファイルです）: {path}") from None
    yield facts, dumped, key


def part(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    """Raises KeyError if there is no such file in it."""
    found = tar.extractfile(name)
    if found is None:
        raise KeyError(name)
    return found


def run(program, *arguments, database=False):
    """A program of PostgreSQL's on this database; its password goes by environment. Raises CommandError with its first complaint."""
    given = connection.get_connection_params()
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
    values = {names[name]: str(given[name]) for name in names if given.get(name)}
    more = {f"PG{name.upper()}": str(given[name]) for name in ("sslmode", "sslrootcert") if given.get(name)}
    path = str(embedded.binaries() / program) if settings.EMBEDDED else program
    if not database:
        arguments = (f"--dbname={given['dbname']}", *arguments)
    try:
        done = subprocess.run(
            [path, *arguments], env={**os.environ, **values, **more}, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise CommandError(
            f"{program} がありません（postgresql-client を入れてください）。", returncode=CONFIGURATION
        ) from None
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["?"])[0]
        raise CommandError(f"{program} が失敗しました: {said}", returncode=INCOMPLETE)


def keep_key(key):
    """Put the backup's secret key into the data folder, in place of the one that this start made."""
    made = settings.DATA / "secret.key.restored"
    with umask(0o077):
        made.write_bytes(key)
    made.replace(settings.DATA / "secret.key")


def differences(facts):
    """What this database holds otherwise than the backup says, each in a line."""
    now = contents()
    told = [
        f"{kind}.{name}: バックアップ {facts[kind].get(name)}、ここ {now[kind].get(name)}"
        for kind in ("rows", "sums")
        for name in sorted({*facts[kind], *now[kind]})
        if facts[kind].get(name) != now[kind].get(name)
    ]
    for kind, tables in facts["guards"].items():
        changed = [
            table
            for table in sorted({*tables, *now["guards"][kind]})
            if tables.get(table) != now["guards"][kind].get(table)
        ]
        if changed:
            told.append(f"{kind}: {', '.join(changed)}")
    return told


def odd_pdfs():
    """Numbers of documents, of the newest 200, whose bytes aren't those that were hashed."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT i.number FROM (SELECT * FROM billing_invoicepdf ORDER BY invoice_id DESC LIMIT %s) p"
            " JOIN billing_invoice i ON i.id = p.invoice_id WHERE encode(sha256(p.content), 'hex') <> p.sha256",
            [PDFS_LOOKED_AT],
        )
        return [number for (number,) in cursor.fetchall()]
