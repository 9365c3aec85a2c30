"""A vendor moves in from files of an old system, proves a month, goes live and closes it: minutes and memory of each step.

300 customers, 420 users, 1,100 contracts, 37,000 invoices with PDFs since 2016-05 (`--customers N`). Each step is the
command that an operator runs, on an embedded server of its own: `.venv/bin/python bench/move_in.py`. The ratio is that of the
import of invoices to bare reading and hashing of the same files.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--customers", type=int, default=300)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        os.environ["PORTAL_DATA_DIR"] = folder
        os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
        os.environ.pop("DATABASE_URL", None)
        import django

        django.setup()
        from django.db import connection

        from billing.demo import data
        from portal import months
        from tests.old_system import OldSystem

        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, check=True)
        go_live = months.add_months(months.month_of(months.today()), -1)
        data.set_up_vendor(go_live)
        old = OldSystem(Path(folder) / "old", customers=options.customers, go_live=go_live)
        old.write()
        connection.close()
        month = months.format_month(go_live)
        print(f"{options.customers:,} customers, {old.contracts:,} contracts, {old.invoices:,} invoices")
        begun = time.monotonic()
        for kind, name in (("customers", "customers.csv"), ("users", "users.csv"), ("contracts", "contracts.csv")):
            step(f"import_{kind}", old.folder / name)
        taken = step("import_invoices", old.folder / "invoices")
        step("import_invoices", old.folder / "invoices")
        step("compare_month", month, old.folder / "old.csv")
        step("send_account_data")
        step("close_month", month)
        step("check_month", month, passes=(0, 1))
        print(f"moved in after {(time.monotonic() - begun) / 60:.1f} minutes")
        print(f"move_in ratio: {taken / bare(old.folder / 'invoices'):.2f}")


def step(command, *words, passes=(0,)):
    """Run it as an operator does; returns seconds. A step that fails ends the bench."""
    begun = time.monotonic()
    child = subprocess.Popen(
        [sys.executable, "manage.py", command, *map(str, words)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    said = child.stdout.read()
    _pid, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    took = time.monotonic() - begun
    print(
        f"{command:18} {took:7.1f} s {used.ru_maxrss // 1024:5} MB  {said.strip().splitlines()[0] if said.strip() else ''}"
    )
    if child.returncode not in passes:
        sys.exit(f"{command} ended with {child.returncode}: {said}")
    return took


def bare(folder):
    begun = time.monotonic()
    for path in folder.iterdir():
        hashlib.sha256(path.read_bytes()).digest()
    return max(time.monotonic() - begun, 0.001)


if __name__ == "__main__":
    main()
