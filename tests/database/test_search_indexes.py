"""Staff's search reads indexes only: no statement of it walks through a table of customers, users, documents or mails."""

import json
from datetime import date

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Customer, User
from billing.demo import data
from billing.search import KINDS
from portal import searching
from portal.db import rls
from portal.db.schema import DESK
from tests.sampling import sampled, share

LARGE = {kind.model._meta.db_table for kind in KINDS}
RARE = ["株式会社見本12", "user15@example.com", "B202604-000012", "K0000012", "99"]
COMMON = ["見本", "見本599 利用者", "ミホン 利用者", "b2026", "監視", "03-0000-0000"]
INVOICES = """
    INSERT INTO billing_invoice (customer_id, number, kind, state, month, subject, issued_on, due_on, fix_due_on,
        payment_method, rounding, net, tax, total, template)
    SELECT c.id, 'B' || to_char(m, 'YYYYMM') || '-' || lpad(c.id::text, 6, '0'), 'imported', 'draft', m, '件名', m, m, m,
        'transfer', 'down', 1, 0, 1, 'v1'
    FROM accounts_customer c, generate_series('2026-01-01'::date, '2026-04-01', '1 month') m
"""
MAILS = """
    INSERT INTO portal_mail (key, kind, customer_id, user_id, data, state, sent_to, tries, due_at, error, created_at)
    SELECT 'invoice_fixed:' || i.number, 'invoice_fixed', i.customer_id, NULL, '{}', 'sent', 'user' || i.customer_id
        || '@example.com', 1, now(), '', now()
    FROM billing_invoice i
"""
INQUIRIES = """
    INSERT INTO portal_inquiry (number, customer_id, user_id, kind, subject, body, about, created_at)
    SELECT 'Q202604-' || lpad(id::text, 6, '0'), customer_id, id, 'question', '件名' || id, '', '', now()
    FROM accounts_user WHERE customer_id IS NOT NULL
"""


@pytest.fixture
def many(db):
    data.load_many(600, date(2026, 5, 8), say=lambda _line: None)
    with connection.cursor() as cursor:
        for statement in (INVOICES, MAILS, INQUIRIES, "ANALYZE"):
            cursor.execute(statement)
        for way in ("seqscan", "hashjoin", "mergejoin"):  # which so few rows are read by, and a million aren't
            cursor.execute(f"SET LOCAL enable_{way} = off")


def scans(plan, *, stops=False):
    """(node, whether it reads no further than until a few rows are found), of all nodes."""
    yield plan, stops
    for below in plan.get("Plans", []):
        goes_on = below["Parent Relationship"] == "Outer" and plan["Node Type"] in (
            "Nested Loop",
            "Append",
            "Subquery Scan",
            "Result",
        )
        yield from scans(below, stops=plan["Node Type"] == "Limit" or (stops and goes_on))


def walks(statement, *, rare):
    """The tables that PostgreSQL would read as a whole; where a word is rare also those whose grams it would compute row by row."""
    with rls.scope(DESK), connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}")
        found = cursor.fetchone()[0]
    plans = json.loads(found) if isinstance(found, str) else found
    return [
        node["Relation Name"]
        for node, stops in scans(plans[0]["Plan"])
        if node.get("Relation Name") in LARGE
        and "Bitmap" not in node["Node Type"]
        and ((node["Node Type"] == "Seq Scan" and not stops) or (rare and "search_grams" in node.get("Filter", "")))
    ]


@sampled(2)
def it_finds_every_word_by_an_index(many, web, step):
    """A word that stands in most rows is found by walking from the end that is shown, for that comes to its end soon."""
    web.force_login(User.objects.get(email="staff@example.net"))
    pages = ["/admin/search/", *(reverse(f"admin:{kind.name}_changelist") for kind in KINDS)]
    found = {}
    for place, page in enumerate(pages):
        for typed in share(RARE + COMMON, step, place):
            with CaptureQueriesContext(connection) as asked:
                web.get(page, {"q": typed})
            for statement in [each["sql"] for each in asked if each["sql"].startswith(("SELECT", "("))]:
                if tables := walks(statement, rare=typed in RARE):
                    found[page, typed] = tables
    assert found == {}


def it_expects_a_common_word_in_many_rows_though_row_security_hides_what_the_columns_hold(many):
    """Else the planner reads and sorts a whole table, rather than walk until the few that are shown are met."""
    [word] = searching.weighed(searching.words("見本"), [Customer])
    assert word.is_common(Customer)
    with rls.scope(DESK), connection.cursor() as cursor:
        sql, params = Customer.objects.filter(word.stands_in(Customer)).query.sql_with_params()
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
        found = cursor.fetchone()[0]
    plans = json.loads(found) if isinstance(found, str) else found
    assert plans[0]["Plan"]["Plan Rows"] > Customer.objects.count() / 10
