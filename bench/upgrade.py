"""Upgrades what an older version left: its demo's data, migrated in place by this version and looked at from all sides.

`.venv/bin/python bench/upgrade.py --from COMMIT` takes that version's code out of git, fills a database with its own demo, and migrates
it. Then nothing may be amiss: `doctor`, `check_month` of every month, `verify_archive`, the same PDFs byte for byte, passwords, every page that a customer
and the staff are led to, the daily run. `--beside` has the old code serve its pages on the new schema too, as it does while an
upgrade goes on. Needs git's history, and Python's packages of this version, which have all that older ones need.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The version before months were checked a second time, orders followed their contracts and staff had roles: half the migrations.
BEFORE_THE_REWORK = "aa326ac"
VISITORS = {"hanako@example.com": 50, "staff@example.net": 70}
# What a demo on this machine can't have: a web's files, a worker, a timer.
NOT_HERE = {"static_files", "workers", "daily_run", "backup", "queue_age", "mails_overdue"}
FACTS = """
import json
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("SELECT i.number, encode(sha256(p.content), 'hex') FROM billing_invoicepdf p JOIN billing_invoice i ON i.id = p.invoice_id")
    pdfs = dict(cursor.fetchall())
    cursor.execute("SELECT count(*), sum(total) FROM billing_invoice WHERE state <> 'draft'")
    count, total = cursor.fetchone()
    cursor.execute("SELECT DISTINCT to_char(month, 'YYYY-MM') FROM billing_invoice ORDER BY 1")
    months = [month for (month,) in cursor.fetchall()]
print(json.dumps({"pdfs": pdfs, "count": count, "total": int(total), "months": months}))
"""


class Version:
    """The code of a folder, on the data of another."""

    def __init__(self, code, data):
        self.code, self.data = code, data

    def run(self, *arguments, well=(0,)):
        """What `python ARGUMENTS` prints; ends this program if it ends otherwise than well."""
        known = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        done = subprocess.run(
            [sys.executable, *arguments], cwd=self.code, env={**known, "PORTAL_DATA_DIR": str(self.data)}, capture_output=True, text=True, check=False
        )  # fmt: skip
        if done.returncode not in well:
            raise Amiss(f"{' '.join(arguments)[:80]}: {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def manage(self, *arguments, well=(0,)):
        return self.run("manage.py", *arguments, well=well)

    def facts(self):
        return json.loads(self.manage("shell", "-c", FACTS).splitlines()[-1])

    def visits(self):
        return {
            person: json.loads(self.run(str(ROOT / "bench/visit.py"), person, f"--pages={pages}").splitlines()[-1])
            for person, pages in VISITORS.items()
        }


class Amiss(Exception):
    """Something isn't as it was, or as it should be; the text says what."""


def taken_out(commit, folder):
    """The files of a commit, in `folder`."""
    folder.mkdir()
    tar = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=False)
    if tar.returncode:
        raise Amiss(f"git has no {commit} here")
    subprocess.run(["tar", "-x"], cwd=folder, input=tar.stdout, check=True)
    return folder


def upgrade(commit, beside=False, say=print):
    """Raises Amiss, else says what was looked at."""
    with tempfile.TemporaryDirectory(prefix="upgrade-") as given:
        data = Path(given) / "data"
        data.mkdir(mode=0o711)
        Path(given).chmod(0o711)
        old, new = Version(taken_out(commit, Path(given) / "old"), data), Version(ROOT, data)
        old.manage("migrate", "-v0")
        old.manage("load_demo")
        old.manage("render_invoices")
        collect = ("collectstatic", "--no-input", "--ignore=fonts", "-v0")
        old.manage(*collect)
        before = old.facts()
        say(f"{commit}: {before['count']} documents, {before['total']:,} yen, {len(before['pdfs'])} PDFs")

        new.manage("migrate", "-v0")
        if beside:
            told(old.visits(), "the old version on the new schema", say)
        new.manage(*collect)
        left = {each["code"]: each["text"] for each in json.loads(new.manage("doctor", "--json", well=(0, 1)))["checks"] if each["result"] == "fail"}  # fmt: skip
        if odd := left.keys() - NOT_HERE:
            raise Amiss(f"doctor: {', '.join(f'{code} {left[code]}' for code in sorted(odd))}")
        same(before, new.facts())
        checked(new, before["months"], say)
        new.manage("verify_archive")
        visits = new.visits()
        told(visits, "this version", say)
        new.manage("renew_contracts")
        new.manage("open_month")
        checked(new, before["months"], say)
        same(before, new.facts())


def checked(version, months, say):
    for month in months:
        told = json.loads(version.manage("check_month", month, "--json", well=(0, 1)))["findings"]
        if broken := {
            code: each["rows"][:3] for code, each in told.items() if each["kind"] == "broken" and each["rows"]
        }:
            raise Amiss(f"check_month {month}: {broken}")
    say(f"check_month: {len(months)} months sound")


def same(before, after):
    """Fixed documents, their yen and their bytes: what months were open may have moved."""
    for name in ("pdfs", "count", "total"):
        if before[name] != after[name]:
            raise Amiss(f"{name} differ")


def told(visits, whose, say):
    for person, seen in visits.items():
        if bad := {path: status for path, status in seen["pages"].items() if status not in (200, 301, 302)}:
            raise Amiss(f"{whose}, {person}: {bad}")
        say(f"{whose}, {person}: {len(seen['pages'])} pages, {len(seen['files'])} PDFs")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--from", dest="commit", default=BEFORE_THE_REWORK)
    parser.add_argument("--beside", action="store_true", help="the old code serves its pages on the new schema too")
    given = parser.parse_args()
    try:
        upgrade(given.commit, given.beside)
    except Amiss as what:
        sys.exit(str(what))
