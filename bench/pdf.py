"""One invoice PDF through the app against bare WeasyPrint of the same HTML and CSS; its size and fonts; against the same page
as one would first write it (sheet and fonts inside the page, flex, automatic columns); two processes against one.

Uses the test database's server: `.venv/bin/python bench/pdf.py`. Prints the ratio app / bare last.
"""

import gc
import io
import os
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django

django.setup()

from django.db import connection, transaction
from django.test.utils import setup_databases, teardown_databases
from pypdf import PdfReader
from weasyprint import HTML

from billing.documents import pdf
from billing.models import Invoice
from tests import make

ROUNDS = 15
A_PROCESS = 12


class Kept(HTML):
    """Remembers the HTML that the app rendered, for the bare side."""

    text = ""

    def __init__(self, *, string, **options):
        Kept.text = string
        super().__init__(string=string, **options)


def seconds(act):
    gc.collect()  # nobody pays for the side before
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


def in_processes(count, each):
    """Seconds until `count` forked processes have rendered `each` times the same HTML."""
    begin = time.perf_counter()
    children = []
    for _number in range(count):
        pid = os.fork()
        if pid == 0:
            for _turn in range(each):
                bare(Kept.text)
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)
    return time.perf_counter() - begin


def bare(text):
    fonts, sheet = pdf.style(pdf.LAYOUT)
    return HTML(string=text).write_pdf(
        stylesheets=[sheet], font_config=fonts, pdf_variant="pdf/a-3a", finisher=pdf.name_scopes
    )


def naive_page(text):
    """The same HTML with a sheet of its own that leaves widths and columns to the renderer."""
    sheet = pdf.style_text(pdf.LAYOUT)
    for lean, easy in [
        ("display: table;", "display: flex;"),
        ("display: table-cell;", "flex: 1 1 auto;"),
        ("fixed;", "auto;"),
    ]:
        assert lean in sheet
        sheet = sheet.replace(lean, easy)
    return text.replace("</head>", f"<style>{sheet}</style></head>")


def main():
    databases = setup_databases(0, interactive=False)
    try:
        with transaction.atomic():
            make.make_vendor()
            customer = make.make_customer("C0000001", address="東京都千代田区")
            for number in range(5):
                make.make_contract(customer, (1000 + number, 2), (500, 3, {"tax_kind": "reduced"}))
            make.close_month()
            invoice = Invoice.objects.get()
            import weasyprint

            kept, weasyprint.HTML = weasyprint.HTML, Kept
            content = pdf.render(invoice)
            weasyprint.HTML = kept
            assert bare(Kept.text) == content, "the app and bare WeasyPrint made different files"
            page = naive_page(Kept.text)
            app, plain, naive = [], [], []
            for turn in range(ROUNDS):
                sides = [
                    (app, lambda: pdf.render(invoice)),
                    (plain, lambda: bare(Kept.text)),
                    (naive, lambda: HTML(string=page).write_pdf(pdf_variant="pdf/a-3a")),
                ]
                for times, act in sides if turn % 2 else reversed(sides):
                    times.append(seconds(act))
            transaction.set_rollback(True)
        connection.close()
        fonts = {
            str(font.get_object()["/BaseFont"])
            for page in PdfReader(io.BytesIO(content)).pages
            for font in page["/Resources"]["/Font"].values()
        }
        one, two = in_processes(1, 2 * A_PROCESS), in_processes(2, A_PROCESS)
    finally:
        teardown_databases(databases, 0)
    ours, base = statistics.median(app), statistics.median(plain)
    print(f"{len(content) / 1000:.0f} kB, fonts: {', '.join(sorted(fonts))}")
    print(
        f"app {ours * 1000:.0f} ms, bare {base * 1000:.0f} ms; {2 * A_PROCESS} PDFs: one process {one:.1f} s, two {two:.1f} s"
    )
    print(
        f"shipped sheet {base / statistics.median(naive):.2f} of the naive one ({statistics.median(naive) * 1000:.0f} ms)"
    )
    print(f"two processes: {one / two:.2f} times one")
    print(f"pdf ratio: {ours / base:.2f}")


if __name__ == "__main__":
    main()
