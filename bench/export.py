"""CSV of 1,000,000 invoices through the running web against psql's COPY of the same SELECT, in turn: times and memory.

Both write to a file; psql reads as the owner, past the policies that the web's role keeps to. Runs on an embedded server
of its own, with gunicorn as bin/demo starts it: `.venv/bin/python bench/export.py`.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

ROWS, ROUNDS, PORT = 1_000_000, 5, 8799
URL = f"http://127.0.0.1:{PORT}"


def make_rows():
    from django.db import connection

    from bench.lists import many_invoices
    from tests import make

    cast = make.cast()
    begun = time.monotonic()
    many_invoices(cast.a, ROWS)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE billing_invoice")  # as autovacuum leaves it
    print(f"{ROWS:,} invoices in {time.monotonic() - begun:.0f} s")
    return cast.hanako


def same_select(user):
    """The SELECT of the list's CSV as text, for psql."""
    import psycopg
    from django.db import connection

    from billing.models import Invoice
    from billing.tables import InvoiceTable
    from portal.lists.export import selection

    columns = [column for column in InvoiceTable.base_columns.values() if column.shown]
    rows = Invoice.objects.for_user(user).with_pdf().order_by("-month", "-number")
    sql, params = selection(rows, columns).query.sql_with_params()
    connection.ensure_connection()
    return psycopg.ClientCursor(connection.connection).mogrify(sql, params)


def start_web(folder):
    return subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "portal.wsgi", "--bind", f"127.0.0.1:{PORT}", "--workers", "2",
         "--threads", "4", "--graceful-timeout", "3", "--no-control-socket", "--log-level", "warning"],
        cwd=ROOT,
        stderr=(folder / "web.log").open("w"),
    )  # fmt: skip


def sign_in():
    from tests import make

    browser = build_opener(HTTPCookieProcessor(CookieJar()))
    until = time.monotonic() + 60
    while True:
        try:
            page = browser.open(f"{URL}/login/").read().decode()
            break
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[1]
    given = {"username": "hanako@example.com", "password": make.PASSWORD, "csrfmiddlewaretoken": token}
    browser.open(f"{URL}/login/", urlencode(given).encode())
    return browser


def by_web(browser, target, query):
    begun = time.monotonic()
    with browser.open(f"{URL}/invoices/?export=csv{query}") as answer, target.open("wb") as file:
        while piece := answer.read(1 << 20):
            file.write(piece)
    return time.monotonic() - begun


def by_psql(select, target):
    from django.db import connection

    from portal.db.embedded import binaries

    given = connection.get_connection_params()
    begun = time.monotonic()
    with target.open("wb") as file:
        subprocess.run(
            [binaries() / "psql", "-X", "-q", "-h", given["host"], "-U", given["user"], given["dbname"],
             "-c", f"COPY ({select}) TO STDOUT WITH (FORMAT csv)"],
            stdout=file,
            check=True,
        )  # fmt: skip
    return time.monotonic() - begun


def highest(web):
    """The most memory that each process of the web ever had, in MB."""
    pids = [web.pid, *map(int, Path(f"/proc/{web.pid}/task/{web.pid}/children").read_text().split())]
    return [int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024 for pid in pids]


def lines_of(path):
    with path.open("rb") as file:
        return sum(piece.count(b"\n") for piece in iter(lambda: file.read(1 << 20), b""))


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
        select = same_select(make_rows())
        web = start_web(folder)
        try:
            measure(folder, sign_in(), select, web)
        finally:
            web.terminate()
            web.wait()
            settings.EMBEDDED.release()


def measure(folder, browser, select, web):
    ours, theirs = folder / "web.csv", folder / "psql.csv"
    for _each in range(20):  # both workers have answered, and imported what they need
        by_web(browser, ours, "&number=X-12345")
    before, ratios, shift_jis = highest(web), [], []
    for place in range(ROUNDS):
        psql = by_psql(select, theirs)
        took = by_web(browser, ours, "")
        size = ours.stat().st_size / 1e6
        assert lines_of(ours) == lines_of(theirs) + 1 == ROWS + 1
        ratios.append(took / psql)
        if place < 2:
            shift_jis.append(by_web(browser, ours, "&encoding=cp932") / psql)
        print(f"web {took:.2f} s, psql {psql:.2f} s, {size:.0f} MB")
    more = max(after - earlier for earlier, after in zip(before, highest(web), strict=True))
    print(f"at most {more:.1f} MB more memory of a web process; in Shift_JIS {statistics.median(shift_jis):.2f} times")
    print(f"export ratio: {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
