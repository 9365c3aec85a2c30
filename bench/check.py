"""`check_month` of a closed month, which counts it a second time, against the close itself (`close_month`), as real commands.

Runs on an embedded server of its own: `.venv/bin/python bench/check.py` takes 20,000 customers with 60,000 contracts, `--full`
100,000 with 300,000, `--customers N` as many. Each pair closes a fresh copy and checks it. Prints the ratio last.
"""

import argparse
import os
import statistics
import sys
import tempfile
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench.close import Copies, manage


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--customers", type=int, default=20_000)
    arguments.add_argument("--full", action="store_true")
    arguments.add_argument("--pairs", type=int, default=3)
    options = arguments.parse_args()
    count = 100_000 if options.full else options.customers
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        os.environ["PORTAL_DATA_DIR"] = folder
        os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
        os.environ.pop("DATABASE_URL", None)
        import django

        django.setup()
        from django.conf import settings
        from django.db import connection

        from billing.month import checks
        from portal import months

        manage("migrate", "-v0")
        manage("load_demo", "--customers", str(count))
        copies, today = Copies(), months.today()
        copies.keep()
        month = months.add_months(date(today.year, today.month, 1), -1)
        closes, counts = [], []
        for _pair in range(options.pairs):
            copies.fresh()
            closes.append(manage("close_month", months.format_month(month))[0])
            # The files of so many invoices aren't made here: their absence is the one thing that may be found.
            seconds, _memory = manage("check_month", months.format_month(month), ends=(0, 1))
            counts.append(seconds)
            wrong = [each.code for each in checks.check(month, today=today) if each.rows and each.kind == checks.BROKEN]
            assert wrong == ["pdf_missing"], wrong
            connection.close()
        closed, counted = statistics.median(closes), statistics.median(counts)
        print(f"{count} customers; medians of {options.pairs}: close_month {closed:.1f} s, check_month {counted:.1f} s")
        print(f"check ratio: {counted / closed:.2f}")
        settings.EMBEDDED.release()


if __name__ == "__main__":
    main()
