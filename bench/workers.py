"""Two workers render and mail 200 invoices; one is killed with kill -9 in the middle: none is lost, none is made twice.

Runs on an embedded server of its own: `.venv/bin/python bench/workers.py`. Takes two to three minutes, for the sweep takes
a dead worker's job back after half a minute at the earliest.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
INVOICES = 200
PATIENCE = 300


def manage(*arguments):
    return [sys.executable, "manage.py", *arguments]


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        os.environ["PORTAL_DATA_DIR"] = folder
        os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
        for name in ("DATABASE_URL", "EMAIL_URL"):
            os.environ.pop(name, None)
        import django

        django.setup()
        from django.conf import settings

        from billing.models import InvoicePdf
        from portal import months
        from portal.models import Mail

        last = months.format_month(months.add_months(months.month_of(months.today()), -1))
        for command in (["migrate", "-v0"], ["load_demo", "--customers", str(INVOICES)], ["close_month", last]):
            subprocess.run(manage(*command), cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        workers = [
            subprocess.Popen(manage("procrastinate", "worker"), cwd=ROOT, stderr=subprocess.DEVNULL)
            for _each in range(2)
        ]
        begun = time.monotonic()
        killed_at = None
        try:
            while Mail.objects.filter(state="sent").count() < INVOICES:
                if killed_at is None and InvoicePdf.objects.count() >= INVOICES // 3:
                    workers[0].send_signal(signal.SIGKILL)
                    killed_at = InvoicePdf.objects.count()
                if time.monotonic() - begun > PATIENCE:
                    break
                time.sleep(0.1)
            took = time.monotonic() - begun
            stored, sent = InvoicePdf.objects.count(), Mail.objects.filter(state="sent").count()
            files = len(list((Path(folder) / "mail").glob("*.eml")))
            twice = Mail.objects.filter(tries__gt=1).count()
        finally:
            for worker in workers:
                worker.terminate()
                worker.wait()
            settings.EMBEDDED.release()
        print(f"killed one of two workers after {killed_at} PDFs; all done {took:.0f} s after the start")
        print(
            f"workers: {stored} PDFs, {sent} mails sent, {files} mail files, {twice} mails tried twice, of {INVOICES}"
        )
        return 0 if (stored, sent, files) == (INVOICES,) * 3 else 1


if __name__ == "__main__":
    sys.exit(main())
