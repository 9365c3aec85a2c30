"""The ZIP of 1,000 invoices (電帳法) through the running web: what memory its processes have before, at most and after.

The PDFs are a real one, kept 1,000 times. Runs on an embedded server of its own, with gunicorn as bin/demo starts it:
`.venv/bin/python bench/archive.py`. Ends with 1 where a process took more than `MOST_MB` more.
"""

import os
import re
import sys
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.export import PORT, URL, sign_in, start_web

DOCUMENTS, ROUNDS, MOST_MB = 1000, 3, 20.0
FIXED = """
    UPDATE billing_invoice i SET state = 'fixed', fixed_on = i.issued_on, addressee = o.addressee, issuer = o.issuer, credit_left = o.credit_left
    FROM billing_invoice o WHERE o.id = %(one)s AND i.state = 'draft' AND i.customer_id = o.customer_id AND i.number LIKE 'X-%%'
"""
FILES = """
    INSERT INTO billing_invoicepdf (invoice_id, customer_id, content, sha256, size, rendered_at)
    SELECT i.id, i.customer_id, p.content, p.sha256, p.size, now() FROM billing_invoice i, billing_invoicepdf p
    WHERE p.invoice_id = %(one)s AND i.customer_id = p.customer_id AND i.number LIKE 'X-%%'
"""


def make_documents():
    """A company with 999 imported invoices beside one of the portal, all with that one's PDF; returns bytes of one PDF."""
    from django.db import connection

    from bench.lists import many_invoices
    from billing.documents.rendering import render_waiting
    from billing.models import Invoice
    from tests import make

    cast = make.cast()
    make.close_month()
    list(render_waiting(Invoice.objects.filter(customer=cast.a)))
    [one] = Invoice.objects.filter(customer=cast.a)
    many_invoices(cast.a, DOCUMENTS - 1)
    with connection.cursor() as cursor:
        cursor.execute(FIXED, {"one": one.pk})
        cursor.execute(FILES, {"one": one.pk})
        cursor.execute("ANALYZE")
    return one.pdf.size


def memory(web, what):
    """MB of each worker process: VmRSS, what it has now, or VmHWM, the most it had since `forget`."""
    return [
        int(re.search(rf"{what}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024 for pid in workers(web)
    ]


def forget(web):
    """Let VmHWM begin anew."""
    for pid in workers(web):
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def workers(web):
    return Path(f"/proc/{web.pid}/task/{web.pid}/children").read_text().split()


def take(browser, target, query=""):
    begun = time.monotonic()
    with browser.open(f"{URL}/invoices/archive/{query}") as answer, target.open("wb") as file:
        while piece := answer.read(1 << 20):
            file.write(piece)
    return time.monotonic() - begun


def told(figures):
    return " and ".join(f"{figure:.1f}" for figure in figures)


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # the embedded server runs as another user
        os.environ.update(PORTAL_DATA_DIR=str(folder), PORT=str(PORT), DJANGO_SETTINGS_MODULE="portal.settings")
        for given in ("DATABASE_URL", "PORTAL_URL", "SECRET_KEY"):
            os.environ.pop(given, None)
        import django

        django.setup()
        from django.conf import settings
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        size = make_documents()
        web = start_web(folder)
        try:
            return measure(folder, sign_in(), web, size)
        finally:
            web.terminate()
            web.wait()
            settings.EMBEDDED.release()


def measure(folder, browser, web, size):
    target = folder / "invoices.zip"
    for _each in range(20):  # both workers have answered, and imported what they need
        take(browser, target, "?number=B202604")
    before = memory(web, "VmRSS")
    forget(web)
    seconds = min(take(browser, target) for _each in range(ROUNDS))
    with zipfile.ZipFile(target) as packed:
        assert len([name for name in packed.namelist() if name.endswith(".pdf")]) == DOCUMENTS
        assert packed.testzip() is None
    most, after = memory(web, "VmHWM"), memory(web, "VmRSS")
    more = max(high - low for high, low in zip(most, before, strict=True))
    print(f"{DOCUMENTS:,} PDFs of {size / 1000:.0f} kB, ZIP of {target.stat().st_size / 1e6:.0f} MB in {seconds:.1f} s")
    print(f"MB of each web process: before {told(before)}, at most {told(most)}, after {told(after)}")
    print(f"archive: {more:.1f} MB more at most")
    return 0 if more <= MOST_MB else 1


if __name__ == "__main__":
    sys.exit(main())
