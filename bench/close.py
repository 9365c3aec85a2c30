"""The month-end close of 10,000 generated customers against the bare SQL of the same writes: seconds, memory, ratio.

Runs on an embedded server of its own in a temporary folder: `.venv/bin/python bench/close.py [customers]`.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BARE = """
CREATE TABLE bare_invoice AS SELECT * FROM billing_invoice WHERE false;
CREATE TABLE bare_line AS SELECT * FROM billing_invoiceline WHERE false;
INSERT INTO bare_invoice SELECT * FROM billing_invoice;
INSERT INTO bare_line SELECT * FROM billing_invoiceline;
UPDATE bare_invoice SET state = 'fixed', net = net, tax = tax, total = total;
DROP TABLE bare_invoice, bare_line;
"""


def manage(*arguments, folder):
    begin = time.monotonic()
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**os.environ, "PORTAL_DATA_DIR": folder},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.monotonic() - begin, max(before, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) // 1024


def main():
    count = sys.argv[1] if len(sys.argv) > 1 else "10000"
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        manage("migrate", "-v0", folder=folder)
        loaded, _memory = manage("load_demo", "--customers", count, folder=folder)
        sys.path.insert(0, str(ROOT))
        from datetime import date, timedelta

        last = (date.today().replace(day=1) - timedelta(days=1)).strftime("%Y-%m")
        closed, memory = manage("close_month", last, folder=folder)
        again, _memory = manage("close_month", last, folder=folder)
        begin = time.monotonic()
        subprocess.run(
            [sys.executable, "manage.py", "dbshell", "--", "-q", "-v", "ON_ERROR_STOP=1", "-c", BARE],
            cwd=ROOT, env={**os.environ, "PORTAL_DATA_DIR": folder}, check=True,
        )  # fmt: skip
        bare = time.monotonic() - begin
        print(f"load_demo --customers {count}: {loaded:.1f} s")
        print(f"close_month: {closed:.1f} s, {memory} MB; run again: {again:.1f} s; bare SQL: {bare:.1f} s")
        print(f"close ratio: {closed / bare:.2f}")


if __name__ == "__main__":
    main()
