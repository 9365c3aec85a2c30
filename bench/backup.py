"""Backups of a working portal: written while a month closes, proved, brought back on another server, and closed to the end there.

`.venv/bin/python bench/backup.py` takes 5,000 customers (`--customers N`) on an embedded server of its own. While `close_month` works, a backup begins after each
batch that it commits. Each has to pass `verify_backup`, and is restored into another data folder,
where the close goes on from what was committed and has to end in the very documents of the close that was never stopped.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
PAUSE_SECONDS = 0.05  # between two looks at what is committed
LOOK = """
import json
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("SELECT count(*), coalesce(sum(total), 0)::text, coalesce(md5(string_agg(number || ' ' || customer_id || ' ' || total, ',' ORDER BY number)), '')"
        " FROM billing_invoice WHERE month = %s AND state = 'fixed'", ["{month}-01"])
    print(json.dumps(cursor.fetchone()))
"""


class Portal:
    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        folder.chmod(0o755)

    def start(self, *arguments):
        environment = {**os.environ, "PORTAL_DATA_DIR": str(self.folder), "LOG_LEVEL": "WARNING"}
        return subprocess.Popen(
            [sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
        )

    def run(self, *arguments):
        """(seconds, what it prints)"""
        begun = time.monotonic()
        said = ended(self.start(*arguments))
        return time.monotonic() - begun, said

    def fixed(self, month):
        """(count, yen, hash) of the month's fixed documents."""
        said = self.run("shell", "-v0", "-c", LOOK.replace("{month}", month))[1]
        return tuple(json.loads(said.splitlines()[-1]))


def ended(process):
    said = process.communicate()[0]
    if process.returncode:
        sys.exit(f"{process.args[2:]} ended with {process.returncode}\n{said}")
    return said


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--customers", type=int, default=5_000)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as given:
        os.chmod(given, 0o755)
        folder, portal = Path(given), Portal(Path(given) / "portal")
        os.environ |= {"PORTAL_DATA_DIR": str(portal.folder), "DJANGO_SETTINGS_MODULE": "portal.settings"}
        os.environ.pop("DATABASE_URL", None)
        import django

        django.setup()
        portal.run("migrate", "-v0")
        portal.run("load_demo", "--customers", str(options.customers))
        month = last_month()
        close, begun = portal.start("close_month", month), time.monotonic()
        backups, seen = [], 0
        while close.poll() is None:
            time.sleep(PAUSE_SECONDS)
            if (count := fixed_now(month)) != seen:
                seen = count
                backups.append((time.monotonic() - begun, portal.start("backup", str(folder / f"{len(backups)}.tar"))))
        ended(close)
        print(
            f"{options.customers:,} customers: close {time.monotonic() - begun:.1f} s, with {len(backups)} backups beside it"
        )
        whole = portal.fixed(month)
        part = None
        for number, (at, process) in enumerate(backups):
            ended(process)
            file = folder / f"{number}.tar"
            seconds, said = portal.run("verify_backup", str(file))
            print(
                f"begun after {at:.1f} s, {file.stat().st_size >> 20} MB; verify_backup {seconds:.1f} s: {said.strip().split(': ')[-1]}"
            )
            other = Portal(folder / f"other{number}")
            seconds, _said = other.run("restore", str(file))
            held = other.fixed(month)
            print(f"  restored elsewhere in {seconds:.1f} s: {held[0]:,} of {whole[0]:,} documents of the month")
            if 0 < held[0] < whole[0] and part is None:
                part = held[0]
            seconds, _said = other.run("close_month", month)
            assert other.fixed(month) == whole, "the close that went on ended in other documents"
            print(f"  closed to the end in {seconds:.1f} s: the same {whole[0]:,} documents, {int(whole[1]):,} yen")
        release()
        if part is None:
            sys.exit("no backup held a part of the month: try more --customers")


def release():
    from django.conf import settings
    from django.db import connection

    connection.close()
    settings.EMBEDDED.release()


def fixed_now(month):
    """How many documents of the month are committed as fixed."""
    from billing.models import Invoice

    return Invoice.objects.filter(month=f"{month}-01", state="fixed").count()


def last_month():
    from portal import months

    today = months.today()
    return months.format_month(months.add_months(today.replace(day=1), -1))


if __name__ == "__main__":
    main()
