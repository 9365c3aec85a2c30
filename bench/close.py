"""The month-end close as the real command, against bare SQL that writes the same rows into the same tables.

Constraints and triggers are on for both, and both have to leave the same rows. Runs on an embedded server of its own:
`.venv/bin/python bench/close.py` takes 20,000 customers with 60,000 contracts, `--full` 100,000 with 300,000,
`--customers N` as many. Prints the one-connection ratio last.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
FLOOR = """
INSERT INTO contracts_term (customer_id, contract_id, sequence, starts_on, ends_on)
    SELECT customer_id, id, 1, start_on, %(last)s FROM contracts_contract ORDER BY id;
ANALYZE contracts_term;
INSERT INTO orders_order (customer_id, contract_id, term_id, number, kind, ordered_on, month, starts_on, ends_on, amount,
        is_difference, prorate)
    SELECT t.customer_id, t.contract_id, t.id,
        %(o)s || lpad((row_number() OVER (ORDER BY t.contract_id))::text, 6, '0'), 'new', t.starts_on, t.starts_on, t.starts_on, t.ends_on,
        l.net, false, false
    FROM contracts_term t JOIN contracts_contractline l ON l.contract_id = t.contract_id;
ANALYZE orders_order;
INSERT INTO orders_orderline (customer_id, order_id, contract_line_id, position, product_code, item, specification, starts_on,
        ends_on, quantity, unit, unit_price, amount, net, price_basis, tax_kind, tax_rate)
    SELECT o.customer_id, o.id, l.id, l.position, l.product_code, l.item, l.specification, %(month)s, %(last)s, l.quantity, l.unit,
        l.unit_price, l.amount, l.net, l.price_basis, l.tax_kind, x.rate
    FROM orders_order o JOIN contracts_contractline l ON l.contract_id = o.contract_id
    JOIN portal_taxclass x ON x.kind = l.tax_kind AND daterange(x.valid_from, x.valid_to, '[]') @> %(last)s::date;
ANALYZE orders_orderline;
INSERT INTO billing_invoice (customer_id, number, kind, state, month, subject, issued_on, due_on, fix_due_on, payment_method,
        rounding, net, tax, total, template)
    SELECT c.id, %(b)s || lpad((row_number() OVER (ORDER BY c.id))::text, 6, '0'), 'invoice', 'draft', %(month)s, %(subject)s,
        %(last)s, %(due)s, %(fix_due)s, c.payment_method, 'down', s.net, s.tax, s.net + s.tax, 'v1'
    FROM accounts_customer c JOIN (
        SELECT customer_id, sum(base)::bigint AS net, sum(tax)::bigint AS tax FROM (
            SELECT customer_id, sum(amount) AS base, floor(sum(amount) * tax_rate) AS tax FROM orders_orderline
            GROUP BY customer_id, tax_kind, tax_rate) k GROUP BY 1) s ON s.customer_id = c.id;
ANALYZE billing_invoice;
INSERT INTO billing_invoiceline (customer_id, invoice_id, position, origin, contract_id, service_id, order_id, order_line_id,
        is_order_head, product_code, item, specification, starts_on, ends_on, quantity, unit, unit_price, amount, price_basis,
        tax_kind, tax_rate)
    SELECT l.customer_id, i.id, row_number() OVER (PARTITION BY i.id ORDER BY o.contract_id, o.number, l.position), 'order',
        o.contract_id, k.service_id, o.id, l.id, true, l.product_code, l.item, l.specification, l.starts_on, l.ends_on, l.quantity,
        l.unit, l.unit_price, l.amount, l.price_basis, l.tax_kind, l.tax_rate
    FROM orders_orderline l JOIN orders_order o ON o.id = l.order_id JOIN contracts_contract k ON k.id = o.contract_id
    JOIN billing_invoice i ON i.customer_id = l.customer_id;
INSERT INTO billing_taxtotal (customer_id, invoice_id, kind, rate, base, tax)
    SELECT customer_id, invoice_id, tax_kind, tax_rate, sum(amount)::bigint, floor(sum(amount) * tax_rate)::bigint
    FROM billing_invoiceline GROUP BY 1, 2, 3, 4;
UPDATE billing_invoice i SET state = 'fixed', fixed_on = %(today)s, issuer = %(issuer)s::jsonb,
    addressee = {addressee}
FROM accounts_customer c WHERE c.id = i.customer_id;
SELECT procrastinate_defer_jobs_v1(array_agg(job)) FROM (
    SELECT ('render', 'billing.render', 0, NULL, NULL, jsonb_build_object('invoices', jsonb_agg(id)), NULL
        )::procrastinate_job_to_defer_v1 AS job
    FROM (SELECT id, (row_number() OVER (ORDER BY id) - 1) / 15 AS task FROM billing_invoice) x GROUP BY task) jobs;
"""
ROWS = [
    "SELECT contract_id, sequence, starts_on, ends_on FROM contracts_term",
    "SELECT contract_id, number, kind, ordered_on, month, amount FROM orders_order",
    "SELECT o.number, l.position, l.item, l.amount, l.net, l.tax_rate, l.starts_on, l.ends_on FROM orders_orderline l JOIN orders_order o ON o.id = l.order_id",
    "SELECT customer_id, number, state, month, due_on, fix_due_on, fixed_on, net, tax, total, addressee, issuer FROM billing_invoice",
    "SELECT i.number, l.position, l.item, l.amount, l.tax_rate, l.is_order_head FROM billing_invoiceline l JOIN billing_invoice i ON i.id = l.invoice_id",
    "SELECT i.number, t.kind, t.rate, t.base, t.tax FROM billing_taxtotal t JOIN billing_invoice i ON i.id = t.invoice_id",
]


def manage(*arguments, ends=(0,)):
    """Run a command; returns (seconds, its own peak memory in MB). Ends the script unless it ends with one of `ends`."""
    begin = time.monotonic()
    process = subprocess.Popen([sys.executable, "manage.py", *arguments], cwd=ROOT, stdout=subprocess.DEVNULL)
    _pid, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) not in ends:
        sys.exit(f"{arguments} ended with {os.waitstatus_to_exitcode(status)}")
    return time.monotonic() - begin, usage.ru_maxrss // 1024


class Copies:
    """Fresh copies of the loaded database under the name that the commands use."""

    def __init__(self):
        from django.db import connection

        self.connection = connection

    def admin(self, *statements):
        self.connection.close()
        self.connection.settings_dict["NAME"] = "postgres"
        with self.connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        self.connection.close()
        self.connection.settings_dict["NAME"] = "portal"

    def keep(self):
        self.admin("ALTER DATABASE portal RENAME TO loaded")

    def fresh(self):
        self.admin("DROP DATABASE IF EXISTS portal", "CREATE DATABASE portal TEMPLATE loaded", "CHECKPOINT")

    def rows(self):
        """One hash for each kind of row; job order and ids don't count."""
        found = []
        with self.connection.cursor() as cursor:
            for text in ROWS:
                cursor.execute(
                    f"SELECT count(*), md5(string_agg(md5(x::text), '' ORDER BY md5(x::text))) FROM ({text}) x"
                )
                found.append(cursor.fetchone())
        return found


def floor(connection, month, today):
    """Seconds of the bare SQL in one transaction."""
    import json

    from django.db import transaction

    from billing.month.kept import ADDRESSEE, issuer
    from portal import months, numbers
    from portal.models import CalendarDay

    last = months.last_day(month)
    given = {
        "month": month,
        "last": last,
        "today": today,
        "o": numbers.order_series(month),
        "b": numbers.invoice_series(month),
        "subject": f"{month.year}年{month.month}月分ご利用料金",
        "due": months.due_on(month, fixed_on=today, **CalendarDay.objects.exceptions()),
        "fix_due": months.nth_business_day_after(month, **CalendarDay.objects.exceptions()),
        "issuer": json.dumps(issuer(last)),
    }
    begin = time.monotonic()
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in FLOOR.replace("{addressee}", ADDRESSEE).split(";\n"):
            if statement.strip():
                cursor.execute(statement, given)
    return time.monotonic() - begin


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
        from portal import months

        manage("migrate", "-v0")
        loaded, _memory = manage("load_demo", "--customers", str(count))
        copies, today = Copies(), months.today()
        copies.keep()
        month = months.add_months(date(today.year, today.month, 1), -1)
        name = months.format_month(month)
        floors, closes, again, doubles, memory = [], [], [], [], 0
        for _pair in range(options.pairs):
            copies.fresh()
            floors.append(floor(copies.connection, month, today))
            expected = copies.rows()
            copies.fresh()
            seconds, used = manage("close_month", name)
            closes.append(seconds)
            memory = max(memory, used)
            assert copies.rows() == expected, "the close and the bare SQL left different rows"
            copies.connection.close()
            again.append(manage("close_month", name)[0])
            copies.fresh()
            doubles.append(manage("close_month", name, "--jobs", "2")[0])
        copies.connection.close()
        bare, closed = statistics.median(floors), statistics.median(closes)
        print(f"{count} customers, {3 * count} contracts; load_demo {loaded:.1f} s; medians of {options.pairs}")
        print(f"bare SQL {bare:.1f} s; close_month {closed:.1f} s, {memory} MB")
        print(f"second run {statistics.median(again):.1f} s: {statistics.median(again) / closed:.2f} of the first")
        print(f"--jobs 2 {statistics.median(doubles):.1f} s: {statistics.median(doubles) / bare:.2f} of bare SQL")
        print(f"close ratio: {closed / bare:.2f}")
        from django.conf import settings

        settings.EMBEDDED.release()


if __name__ == "__main__":
    main()
