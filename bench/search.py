"""Staff's search over 100,000 customers with as many users, 300,000 contracts and mails, and 1,000,000 invoices: its page.

Also what the search's columns and indexes cost at each new customer and user, and the lists that search by the same functions. Uses the
test database's server: `.venv/bin/python bench/search.py`; `--customers N` makes as many, ten invoices each. Prints the page's p95
as a share of 200 ms last.
"""

import argparse
import os
import random
import statistics
import sys
import time
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django

django.setup()

from django.db import connection, transaction
from django.test import Client
from django.test.utils import setup_databases, teardown_databases

from accounts.models import Customer, User
from billing.demo import data

MOST = 200  # milliseconds
ROUNDS = 8
TODAY = date(2026, 5, 8)
# Every company has a name of its own, put together from parts that others have too.
NAMES = """
    UPDATE accounts_customer SET
        name = '株式会社' || substr('みどりさくらあおい山川森林木村商事工業設計運輸建設電機産業東西南北', 1 + (id * 7 % 28)::int, 4) || id,
        kana = 'カブシキガイシャ' || substr('ミドリサクラアオイヤマカワモリハヤシキムラショウジコウギョウセッケイ', 1 + (id * 11 % 28)::int, 6),
        phone = '03-' || lpad((id * 37 % 10000)::text, 4, '0') || '-' || lpad((id * 91 % 10000)::text, 4, '0'),
        postal_code = lpad((id % 1000)::text, 3, '0') || '-' || lpad((id * 13 % 10000)::text, 4, '0'),
        registration_number = 'T' || (1000000000000 + id * 78314159::bigint % 8999999999999), contact_department = '情報システム部', contact_name = '見本 一郎'
"""
PEOPLE = """
    UPDATE accounts_user SET kana = 'ヤマダ ハナコ', phone = '090-1111-2222',
        name = substr('佐藤鈴木高橋田中伊藤渡辺山本中村小林加藤', 1 + (id * 3 % 18)::int, 2) || ' 花子'
    WHERE customer_id IS NOT NULL
"""
INVOICES = """
    INSERT INTO billing_invoice (customer_id, number, kind, state, month, subject, issued_on, due_on, fix_due_on,
        payment_method, rounding, net, tax, total, template)
    SELECT c.id, 'B' || to_char(m, 'YYYYMM') || '-' || lpad(c.id::text, 6, '0'), 'imported', 'draft', m, '件名', m, m, m,
        'transfer', 'down', 1000, 100, 1100, 'v1'
    FROM generate_series('2025-06-01'::date, '2026-03-01', '1 month') m, accounts_customer c
"""
MAILS = """
    INSERT INTO portal_mail (key, kind, customer_id, data, state, sent_to, tries, due_at, sent_at, error, created_at)
    SELECT 'invoice_fixed:' || number, 'invoice_fixed', customer_id, '{}', 'sent', 'user' || customer_id || '@example.com', 1,
        now(), now(), '', now()
    FROM billing_invoice WHERE month >= '2026-01-01'
"""
TYPED = [
    "みどり", "商事", "ﾐﾄﾞﾘ", "かわ", "山", "株式会社", "株式会社みどり", "みどり 花子", "商事 情報システム部", "東西 鈴木", "user4321", "user4321@example.com",
    "C0004321", "K0004321", "B202603-004321", "b2026030043", "03-1234", "0300370091", "T1111", "123-4", "監視", "クラウドサーバ", "見つからない語", "さくら 見つからない",
]  # fmt: skip
LISTS = ["invoice", "mail", "order", "contract", "customer", "user"]
APPS = {"invoice": "billing", "mail": "portal", "order": "orders", "contract": "contracts"}


def cost(model, index, **changed):
    """Microseconds that a new row takes with the search's column and index, and without; `changed` keeps the copies apart."""
    table = model._meta.db_table
    names = [field.column for field in model._meta.local_concrete_fields if not (field.primary_key or field.generated)]
    values = [changed.get(name, name) for name in names]
    insert = f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(values)} FROM {table} WHERE id > 1 ORDER BY id LIMIT 10000"
    times = {True: [], False: []}
    for _round in range(3):
        for kept, measured in times.items():
            with transaction.atomic(), connection.cursor() as cursor:
                if not kept:
                    cursor.execute(f"DROP INDEX {index}")
                    cursor.execute(f"ALTER TABLE {table} DROP COLUMN sought")
                begun = time.perf_counter()
                cursor.execute(insert)
                measured.append((time.perf_counter() - begun) / cursor.rowcount * 1_000_000)
                transaction.set_rollback(True)
    with_it, without = (statistics.median(times[kept]) for kept in (True, False))
    print(f"a new row of {table}: {with_it:.0f} µs with the search's column and index, {without:.0f} µs without")


def make_rows(customers):
    begun = time.monotonic()
    data.load_many(customers, TODAY, say=lambda _line: None)
    with connection.cursor() as cursor:
        for statement in (NAMES, PEOPLE, INVOICES, MAILS):
            cursor.execute(statement)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")  # as autovacuum leaves it
    print(f"{customers:,} customers with {10 * customers:,} invoices in {time.monotonic() - begun:.0f} s")


def answers(web, address, rounds, name="q"):
    """{typed: [milliseconds]}, the queries in another order each round."""
    times = {typed: [] for typed in TYPED}
    for _round in range(rounds):
        for typed in random.sample(TYPED, len(TYPED)):
            begun = time.perf_counter()
            response = web.get(address, {name: typed})
            times[typed].append((time.perf_counter() - begun) * 1000)
            assert response.status_code in (200, 302)
    return times


def spread(times):
    every = sorted(each for kept in times.values() for each in kept)
    return statistics.median(every), every[int(len(every) * 0.95)]


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--customers", type=int, default=100_000)
    options = arguments.parse_args()
    databases = setup_databases(0, False)
    try:
        make_rows(options.customers)
        cost(Customer, "customers_sought", number="'N-' || number")
        cost(User, "users_sought", email="'n' || email", is_recipient="false")
        web = Client(headers={"host": "localhost"})
        web.force_login(User.objects.get(email="staff@example.net"))
        answers(web, "/admin/search/", 1)
        page = answers(web, "/admin/search/", ROUNDS)
        empty = [each for kept in answers(web, "/admin/search/", 1, name="none").values() for each in kept]
        for typed, kept in page.items():
            print(f"{statistics.median(kept):7.0f} ms  {typed}")
        for name in LISTS:
            times = answers(web, f"/admin/{APPS.get(name, 'accounts')}/{name}/", 2)
            slowest = max(TYPED, key=lambda typed: statistics.median(times[typed]))
            middle, high = spread(times)
            print(f"list of {name}: p50 {middle:.0f} ms, p95 {high:.0f} ms, slowest {slowest}")
        middle, high = spread(page)
        print(f"the same page with nothing typed: p50 {statistics.median(empty):.0f} ms")
        print(f"page: p50 {middle:.0f} ms, p95 {high:.0f} ms ({date.today()})")
        print(f"search ratio: {high / MOST:.2f}")
    finally:
        teardown_databases(databases, 0)
        connection.close()


if __name__ == "__main__":
    main()
