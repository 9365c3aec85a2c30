"""The invoice list (50 rows of 20,000) against a bare Django view of the same SQL, in turn: medians and their ratio.

Uses the test database's server: `.venv/bin/python bench/lists.py`.
"""

import os
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
from django.db.models import Count, Q, Sum
from django.http import HttpResponse
from django.template import engines
from django.test import RequestFactory
from django.test.utils import setup_databases, teardown_databases

from billing.models import Invoice
from billing.views import invoice_list
from tests import make

ROUNDS = 60


BARE = engines["django"].from_string(
    """{% extends "base.html" %}{% load figures %}{% block content %}<p>{{ count }} {{ total|yen }}</p><table>
    {% for row in rows %}<tr><td><a href="{% url 'invoice_detail' row.number %}">{{ row.number }}</a></td>
    <td>{{ row.month|ym }}</td><td>{{ row.get_state_display }}</td><td>{{ row.issued_on|ymd }}</td>
    <td>{{ row.fixed_on|ymd }}</td><td>{{ row.due_on|ymd }}</td><td>{{ row.total|yen }}</td>
    <td>{% if row.pdf_size %}PDF{% endif %}</td></tr>{% endfor %}</table>{% endblock %}"""
)


def bare(request):
    """The same rows, count and sum in the same frame: no filter, no column choice, no tabs, no pager."""
    rows = Invoice.objects.for_user(request.user)
    counted = rows.aggregate(count=Count("pk"), total=Sum("total", filter=Q(state="fixed")))
    shown = rows.with_pdf().order_by("-month", "-number")[:50]
    return HttpResponse(BARE.render({"rows": shown, **counted}, request))


def many_invoices(customer, count=20000):
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO billing_invoice (customer_id, number, kind, state, month, subject, issued_on, due_on, fix_due_on,
                payment_method, rounding, net, tax, total, template)
            SELECT %s, 'X-' || n, 'imported', 'draft', '2016-05-01'::date + (n %% 120) * interval '1 month', '件名', now(), now(),
                now(), 'transfer', 'down', n, n / 10, n + n / 10, 'v1' FROM generate_series(1, %s) n
            """,
            [customer.pk, count],
        )
        cursor.execute("ANALYZE billing_invoice")


def measured(view, request):
    begin = time.perf_counter()
    response = view(request)
    assert response.status_code == 200
    return time.perf_counter() - begin


def main():
    databases = setup_databases(0, False)
    try:
        with transaction.atomic():
            cast = make.cast()
            many_invoices(cast.a)
            request = RequestFactory().get("/invoices/")
            request.user = cast.hanako
            request.resolver_match = None
            request.META["CSRF_COOKIE"] = "x" * 32
            request._messages = []
            times = {view: [] for view in (invoice_list, bare)}
            for _round in range(ROUNDS):
                for view, kept in times.items():
                    kept.append(measured(view, request))
            ours, reference = (statistics.median(kept[5:]) * 1000 for kept in times.values())
            print(f"list {ours:.1f} ms, bare view {reference:.1f} ms, median of {ROUNDS - 5} ({date.today()})")
            print(f"lists ratio: {ours / reference:.2f}")
    finally:
        teardown_databases(databases, 0)
        connection.close()


if __name__ == "__main__":
    main()
