"""Workers render and mail 200 invoices: one worker, two, and two of which one is killed with kill -9 in the middle.

None is lost, none is made twice. Runs on an embedded server of its own: `.venv/bin/python bench/workers.py`. Takes two to
three minutes, for the sweep takes a dead worker's job back after half a minute at the earliest.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from bench.close import Copies

INVOICES = 200
WAIT_SECONDS = 300


def manage(*arguments):
    return [sys.executable, "manage.py", *arguments]


def drain(count, folder, kill=False):
    """Let `count` workers do a closed month; returns (seconds from the first PDF to the last mail, what is there then)."""
    from billing.models import InvoicePdf
    from portal.models import Mail

    shutil.rmtree(folder / "mail", ignore_errors=True)
    workers = [
        subprocess.Popen(manage("procrastinate", "worker"), cwd=ROOT, stderr=subprocess.DEVNULL)
        for _each in range(count)
    ]
    begun, first = time.monotonic(), None
    try:
        while Mail.objects.filter(state="sent").count() < INVOICES and time.monotonic() - begun < WAIT_SECONDS:
            if first is None and InvoicePdf.objects.exists():
                first = time.monotonic()
            if kill and InvoicePdf.objects.count() >= INVOICES // 3:
                workers[0].send_signal(signal.SIGKILL)
                kill = False
            time.sleep(0.05)
        took = time.monotonic() - (first or begun)
        stored, sent = InvoicePdf.objects.count(), Mail.objects.filter(state="sent").count()
        files, twice = len(list((folder / "mail").glob("*.eml"))), Mail.objects.filter(tries__gt=1).count()
    finally:
        for worker in workers:
            worker.terminate()
            worker.wait()
    return took, (stored, sent, files, twice)


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        os.environ["PORTAL_DATA_DIR"] = name
        os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
        for variable in ("DATABASE_URL", "EMAIL_URL"):
            os.environ.pop(variable, None)
        import django

        django.setup()
        from django.conf import settings

        from portal import months

        last = months.format_month(months.add_months(months.month_of(months.today()), -1))
        for command in (["migrate", "-v0"], ["load_demo", "--customers", str(INVOICES)], ["close_month", last]):
            subprocess.run(manage(*command), cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        copies = Copies()
        copies.keep()
        found = {}
        for label, count, kill in (("one worker", 1, False), ("two", 2, False), ("two, one killed", 2, True)):
            copies.fresh()
            found[label] = drain(count, folder, kill)
        copies.connection.close()
        settings.EMBEDDED.release()
    for label, (took, (stored, sent, files, twice)) in found.items():
        print(f"{label}: {took:.1f} s; {stored} PDFs, {sent} mails sent, {files} mail files, {twice} tried twice")
    print(
        f"workers: two are {found['one worker'][0] / found['two'][0]:.2f} times one; {INVOICES} of {INVOICES} invoices"
    )
    return 0 if all(counts[:3] == (INVOICES,) * 3 for _took, counts in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
