"""Long invoices through the app: pages, kB, seconds of a core and the process's highest memory by 1, 100, 1,000 and 5,000 lines.

Uses the test database's server: `.venv/bin/python bench/long.py`, or with numbers of lines of your own, rising.
"""

import io
import os
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django

django.setup()

from django.db import transaction
from django.test.utils import setup_databases, teardown_databases
from pypdf import PdfReader

from billing.documents import pdf
from billing.models import Invoice
from tests import make


def main():
    counts = [int(given) for given in sys.argv[1:]] or [1, 100, 1000, 5000]
    databases = setup_databases(0, interactive=False)
    try:
        with transaction.atomic():
            make.make_vendor()
            customers = [make.make_customer(f"C{number:07d}", address="東京都千代田区") for number in counts]
            for customer, count in zip(customers, counts, strict=True):
                make.make_contract(customer, *[(1000 + number,) for number in range(count)])
            make.close_month()
            pdf.render(Invoice.objects.get(customer=customers[0]))
            for customer, count in zip(customers, counts, strict=True):
                begin = time.process_time()
                content = pdf.render(Invoice.objects.get(customer=customer))
                seconds = time.process_time() - begin
                memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                pages = len(PdfReader(io.BytesIO(content)).pages)
                print(
                    f"{count} lines: {pages} pages, {len(content) / 1000:.0f} kB, {seconds:.1f} s, {memory:.0f} MB",
                    flush=True,
                )
            transaction.set_rollback(True)
    finally:
        teardown_databases(databases, 0)


if __name__ == "__main__":
    main()
