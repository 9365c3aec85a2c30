"""Every list, filter, sort, search and form of staff's pages on 100,000 customers and 1,400,000 invoices: statements, time, plan.

The rows are those of `bench/search.py` and some more. Asks each page `--rounds` times and each of its statements once for its
plan: one that reads more than 200,000 rows of a table is named. `--keep` leaves the database for the next run, which then
begins at once; `--only billing.invoice` asks one list, `--only start` the start page and the lists that it leads to, others are
`books`, `search` and `preview`. `.venv/bin/python bench/desk.py`; prints the p95 of the pages as a share of 200 ms last.
"""

import argparse
import html
import json
import logging
import os
import re
import statistics
import sys
import time
from pathlib import Path
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django

django.setup()

from django.contrib import admin
from django.db import connection, transaction
from django.test import Client
from django.test.utils import (
    CaptureQueriesContext,
    setup_databases,
    setup_test_environment,
    teardown_databases,
)

from accounts.models import Customer, User
from bench import search
from billing.month.open_months import redraft
from portal import months
from tests import make
from tests.filled import filled
from tests.seen import pages_of, statements

MOST = 200  # milliseconds
LARGE = 200_000  # rows
TERMS = """
    INSERT INTO contracts_term (customer_id, contract_id, sequence, starts_on, ends_on)
    SELECT customer_id, id, 1, start_on, start_on + 27 FROM contracts_contract
"""
ORDERS = """
    INSERT INTO orders_order (customer_id, contract_id, term_id, number, kind, ordered_on, month, starts_on, ends_on, amount,
        is_difference, prorate)
    SELECT customer_id, contract_id, id, 'O' || to_char(starts_on, 'YYYYMM') || '-' || lpad(id::text, 6, '0'), 'new', starts_on,
        starts_on, starts_on, ends_on, 1000, false, false
    FROM contracts_term
"""
HISTORY = """
    INSERT INTO portal_historyevent (at, customer_id, actor_id, actor_name, action, subject, detail, data, row)
    SELECT now() - n * interval '1 hour', u.customer_id, u.id, u.name, 'signed_in', u.email, '', '{}', ''
    FROM accounts_user u, generate_series(1, 5) n WHERE u.customer_id IS NOT NULL
"""
INQUIRIES = """
    INSERT INTO portal_inquiry (number, customer_id, user_id, kind, subject, body, about, state, handled_at, created_at)
    SELECT 'Q202603-' || lpad(id::text, 6, '0'), customer_id, id, 'question',
        CASE id % 10 WHEN 0 THEN '監視について' ELSE '請求書の宛名 ' || id END, '本文', '',
        CASE WHEN id % 500 = 0 THEN 'waiting' ELSE 'done' END, CASE WHEN id % 500 > 0 THEN now() END, now() - id * interval '1 minute'
    FROM accounts_user WHERE customer_id IS NOT NULL
"""
BOOKS = [
    "",
    "issued_on_min=2026-01-01&issued_on_max=2026-03-31",
    "total_min=1500&total_max=1510",
    "party=みどり",
    "party=C0004321",
    "issued_on_min=2026-10-01&total_min=1100&total_max=1200&party=さくら",
    "month_min=2026-09&month_max=2026-09",
    "kind=correction",
]
METERS = """
    WITH made AS (
        INSERT INTO contracts_meter (customer_id, contract_id, service_id, item, unit, price_basis, tax_kind)
        SELECT customer_id, id, service_id, '転送量', 'GB', 'exclusive', 'standard' FROM contracts_contract WHERE id % 10 = 0
        RETURNING id, customer_id)
    INSERT INTO contracts_meterprice (customer_id, meter_id, free_quantity, unit_price) SELECT customer_id, id, 0, 10 FROM made
"""
# The months of the start page: three that are closed, with PDFs, mails and downloads, of which the last one isn't through, and
# the running one. Rows come as they are, without the triggers that refuse fixed ones.
MONTHS = """
    SET LOCAL session_replication_role = replica;
    CREATE TEMPORARY TABLE shown ON COMMIT DROP AS
        SELECT n, (date_trunc('month', now() AT TIME ZONE 'Asia/Tokyo') - (3 - n) * interval '1 month')::date AS month
        FROM generate_series(0, 3) n;
    INSERT INTO billing_invoice (customer_id, number, kind, state, month, subject, issued_on, due_on, fix_due_on, fixed_on,
        payment_method, rounding, net, tax, total, addressee, issuer, template)
    SELECT c.id, 'B' || to_char(month, 'YYYYMM') || '-' || lpad((1000000 + c.id)::text, 7, '0'), 'invoice',
        CASE WHEN n < 3 THEN 'fixed' ELSE 'draft' END, month, 'ご利用料金', month + 31, month + 60, month + 36,
        CASE WHEN n < 3 THEN month + 33 END, 'transfer', 'down', 1000 + c.id % 977, 100, 1100 + c.id % 977,
        CASE WHEN n < 3 THEN jsonb_build_object('name', c.name, 'postal_code', c.postal_code, 'address', c.address,
            'department', '情報システム部', 'person', '見本 一郎', 'number', c.number) END,
        CASE WHEN n < 3 THEN jsonb_build_object('name', '株式会社見本ベンダー', 'address', '東京都千代田区見本町一丁目二番三号',
            'registration_number', 'T1234567890123', 'bank', '見本銀行 本店営業部 普通 1234567 カ）ミホンベンダー') END, 'v1'
    FROM shown, accounts_customer c ORDER BY n, c.id;
    INSERT INTO billing_invoiceline (customer_id, invoice_id, position, origin, contract_id, service_id, product_code, item,
        specification, purchase_order, starts_on, ends_on, quantity, unit, unit_price, amount, price_basis, tax_kind, tax_rate,
        is_order_head)
    SELECT i.customer_id, i.id, row_number() OVER (PARTITION BY i.id ORDER BY c.id), 'adjustment', c.id, c.service_id, '', c.name,
        '標準', '', i.month, i.month + 27, 1, '式', 400, 400, 'exclusive', 'standard', 0.1, false
    FROM billing_invoice i JOIN contracts_contract c USING (customer_id)
    WHERE i.kind = 'invoice' AND i.month > (SELECT max(month) - 32 FROM shown);
    INSERT INTO billing_invoicepdf (invoice_id, customer_id, content, sha256, size, rendered_at)
    SELECT id, customer_id, 'x', encode(sha256('x'), 'hex'), 1, now() FROM billing_invoice
    WHERE kind = 'invoice' AND state = 'fixed' AND (customer_id % 9973 <> 0 OR month < (SELECT max(month) - 31 FROM shown)) ORDER BY id;
    INSERT INTO billing_rendering (invoice_id, customer_id, tries, error, parked_at)
    SELECT id, customer_id, 3, '文字がありません', now() FROM billing_invoice
    WHERE kind = 'invoice' AND state = 'fixed' AND customer_id % 19946 = 0 AND month > (SELECT max(month) - 32 FROM shown);
    INSERT INTO portal_mail (key, kind, customer_id, data, state, sent_to, tries, due_at, sent_at, error, created_at)
    SELECT 'invoice_fixed:' || number, 'invoice_fixed', customer_id, '{}',
        CASE customer_id % 9999 WHEN 1 THEN 'failed' WHEN 2 THEN 'waiting' ELSE 'sent' END,
        'user' || customer_id || '@example.com', 1, now(), CASE WHEN customer_id % 9999 > 2 THEN now() END, '', now()
    FROM billing_invoice i JOIN billing_invoicepdf USING (customer_id) WHERE invoice_id = i.id ORDER BY i.id;
    INSERT INTO billing_download (customer_id, invoice_id, user_id, at)
    SELECT u.customer_id, i.id, u.id, now() - i.id % 1000 * interval '1 hour' FROM accounts_user u JOIN billing_invoice i USING (customer_id), generate_series(1, 2) twice
    WHERE i.kind = 'invoice' AND i.state = 'fixed' AND u.customer_id % 5 >= twice;
    WITH made AS (
        INSERT INTO contracts_term (customer_id, contract_id, sequence, starts_on, ends_on)
        SELECT customer_id, c.id, 2 + n, month, (month + interval '1 month')::date - 1
        FROM contracts_contract c, shown WHERE c.id % 3 = 0 RETURNING id, customer_id, contract_id, starts_on, ends_on)
    INSERT INTO orders_order (customer_id, contract_id, term_id, number, kind, ordered_on, month, starts_on, ends_on, amount,
        is_difference, prorate)
    SELECT customer_id, contract_id, id, 'O' || to_char(starts_on, 'YYYYMM') || '-' || lpad((1000000 + id)::text, 7, '0'),
        'renewal', starts_on, starts_on, starts_on, ends_on, 1000, false, false
    FROM made;
    INSERT INTO billing_monthrun (month, kind, as_of, started_at, finished_at, expected, fixed, skipped, parked, whole, settings)
    SELECT month, CASE WHEN n < 3 THEN 'close' ELSE 'open' END, month, now(), now(), 100000, 100000, 0, 0, true, '{}' FROM shown;
    INSERT INTO billing_parked (customer_id, month, reason, by_person, tries, parked_at, tried_at)
    SELECT c.id, month, '税区分がありません。', false, 1, now(), now() FROM shown, accounts_customer c WHERE c.id % 19946 = 3 AND n > 1
"""


def make_rows(customers):
    if Customer.objects.count() >= customers:
        return
    search.make_rows(customers)
    begun = time.monotonic()
    with connection.cursor() as cursor:
        for statement in (TERMS, ORDERS, HISTORY, INQUIRIES, METERS):
            cursor.execute(statement)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(MONTHS)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    print(f"their orders, history, inquiries, meters and months in {time.monotonic() - begun:.0f} s")


def most_read(sql, large):
    """(rows of a large table that one step of the statement reads, the table), most first; nothing is left changed."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}")
        [(found,)] = cursor.fetchall()
    plan = found if isinstance(found, list) else json.loads(found)
    return max(steps(plan[0]["Plan"], large), default=(0, ""))


def steps(plan, large):
    if plan.get("Relation Name") in large:
        left_out = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
        yield (plan["Actual Rows"] + left_out) * plan["Actual Loops"], plan["Relation Name"]
    for each in plan.get("Plans", ()):
        yield from steps(each, large)


def large_tables():
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples > %s", [LARGE])
        return {name for (name,) in cursor.fetchall()}


def ask(web, address, rounds, large, given=None):
    """(statements, median milliseconds, the largest reading of a large table) of a page; `given` is what it is sent."""
    times = []

    def answer():
        return web.get(address) if given is None else web.post(address, given)

    for _round in range(rounds):
        begun = time.perf_counter()
        response = answer()
        times.append((time.perf_counter() - begun) * 1000)
        if response.status_code != 200 and not response.headers.get("location", "").startswith("/admin/"):
            return 0, statistics.median(times), (0, f"answered {response.status_code}")
    with CaptureQueriesContext(
        connection,
    ) as asked:
        answer()
    read = [] if given else [sql for sql in statements(asked) if sql.lstrip("(").startswith("SELECT")]
    reading = max((most_read(sql, large) for sql in read), default=(0, ""))
    return len(statements(asked)), statistics.median(times), reading


def other_pages(web):
    """(name, address) of the start page and the lists behind its figures, the vendor's books, and the search."""
    yield "start", "/admin/"
    text = web.get("/admin/").content.decode()
    for address in dict.fromkeys(re.findall(r'class="(?:figure|of|missing|count)"\s+href="([^"]*)"', text)):
        yield f"start to {html.unescape(address)}", html.unescape(address)
    for asked in BOOKS:
        yield f"books {asked}", f"/admin/books/?{asked}"
    for typed in search.TYPED:
        yield f"search {typed}", f"/admin/search/?{urlencode({'q': typed})}"


def previews(web):
    """(name, address, what is sent) of 「保存するとこうなります」 for a changed quantity, price and end of a contract."""
    running = months.month_of(months.today())
    customer, _is_new = Customer.objects.get_or_create(
        number="N-1", defaults={"name": "株式会社試算", "address": "東京都"}
    )
    for price in (9000, 5000, 1200)[customer.contracts.count() :]:
        make.make_contract(customer, (price,), start_on=running, today=months.today())
        redraft(customer, today=months.today())
    page = f"/admin/contracts/contract/{customer.contracts.order_by('pk').first().pk}/change/"
    changes = {"quantity": {"lines__0__quantity": "3"}, "price": {"lines__0__unit_price": "9000"}}
    for name, changed in changes.items():
        given = filled(web, page, apply="next", **changed) | {"_preview": "1"}
        shown = web.post(page, given).context
        yield f"preview {name}" + ("" if "preview" in shown else f" (none: {shown.get('unforeseen')})"), page, given


def pages(web, only):
    """All pages whose name has this in it."""
    for desk in admin.site._registry.values():
        if only in (label := desk.opts.label_lower):
            for name, address in pages_of(web, desk, search.TYPED if desk.search_fields else ()):
                yield f"{label} {name}", address
    if not only or only in ("start", "books", "search"):
        yield from (each for each in other_pages(web) if each[0].startswith(only))
    if only in "preview":
        yield from previews(web)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--customers", type=int, default=100_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--only", default="")
    arguments.add_argument("--keep", action="store_true")
    options = arguments.parse_args()
    setup_test_environment()
    logging.disable(logging.WARNING)  # forms that a list doesn't have
    connection.settings_dict["TEST"]["NAME"] = f"bench_desk_{options.customers}"
    databases = setup_databases(0, False, keepdb=options.keep, serialized_aliases=())
    try:
        make_rows(options.customers)
        web = Client(headers={"host": "localhost"})
        web.force_login(User.objects.get(email="staff@example.net"))
        large, all_times = large_tables(), []
        print(f"{'page':60} {'statements':>10} {'ms':>6}  reads")
        for name, address, *given in pages(web, options.only):
            count, middle, (rows, table) = ask(web, address, options.rounds, large, *given)
            all_times.append(middle)
            note = f"{rows:,.0f} of {table}" if rows > LARGE else table if count == 0 else ""
            print(f"{name:60} {count:10} {middle:6.0f}  {note}", flush=True)
        if len(all_times) > 1:
            high = sorted(all_times)[int(len(all_times) * 0.95)]
            print(f"{len(all_times)} pages, median {statistics.median(all_times):.0f} ms, p95 {high:.0f} ms")
            print(f"desk ratio: {high / MOST:.2f}")
    finally:
        if not options.keep:
            teardown_databases(databases, 0)
        connection.close()


if __name__ == "__main__":
    main()
