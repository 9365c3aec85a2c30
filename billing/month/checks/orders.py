"""Orders counted by themselves: what each line comes to by quantity, price and days, and the order as the sum of its lines."""

from typing import Any

from billing.month.checks.documents import CODE, TITLE, question
from billing.month.checks.findings import BROKEN, Asked, Finding, found, select
from billing.month.checks.heads import Settings, kept, named
from contracts.models import Service
from portal import money, months
from portal.models import PriceBasis, Vendor

ORDERED = "JOIN orders_order o ON o.id = l.order_id JOIN contracts_contract k ON k.id = o.contract_id"
OF_MONTH = "o.month = %(month)s AND o.reversed_on IS NULL"
# The fixed document that shows the order line `l` first; none while it is unbilled.
BILLED = """LEFT JOIN LATERAL (SELECT i.month, i.fixed_on, i.rounding FROM billing_invoiceline b
    JOIN billing_invoice i ON i.id = b.invoice_id AND i.state <> 'draft'
    WHERE b.order_line_id = l.id AND b.origin = 'order') i ON true"""
# The fixed document that first billed the term of the order `o`: 日割 stays as it was then, for what joins the term later too.
FIRST_BILLED = """LEFT JOIN LATERAL (SELECT i.month, i.fixed_on FROM orders_order x
    JOIN billing_invoiceline b ON b.order_id = x.id AND b.origin = 'order' AND b.customer_id = o.customer_id
    JOIN billing_invoice i ON i.id = b.invoice_id AND i.state <> 'draft'
    WHERE x.term_id = o.term_id AND x.reversed_on IS NULL ORDER BY i.state = 'void', x.id LIMIT 1) f ON true"""
# Whose orders have yet to follow a change is told as such.
SETTLED = "(i.fixed_on IS NOT NULL OR NOT EXISTS (SELECT FROM orders_pending n WHERE n.customer_id = l.customer_id))"
TOUCHED = """((extract(year FROM l.ends_on) - extract(year FROM l.starts_on)) * 12 + extract(month FROM l.ends_on)
    - extract(month FROM l.starts_on) + 1)::int"""
WHOLE = "trunc(l.quantity * l.unit_price)::bigint"

QUESTIONS = [
    question(
        """
        SELECT o.number AS document, c.number AS customer, coalesce(l.net, 0) AS expected, o.amount AS found, '注文の金額' AS text
        FROM orders_order o JOIN accounts_customer c ON c.id = o.customer_id
        LEFT JOIN (SELECT order_id, sum(net)::bigint AS net FROM orders_orderline
            WHERE order_id IN (SELECT id FROM orders_order WHERE month = %(month)s) GROUP BY 1) l ON l.order_id = o.id
        WHERE o.month = %(month)s AND o.reversed_on IS NULL AND o.amount <> coalesce(l.net, 0)
        """
    ),
    question(
        f"""
        SELECT o.number AS document, c.number AS customer, {WHOLE} AS expected, l.amount AS found, '注文明細の金額 ' || l.item AS text
        FROM orders_orderline l {ORDERED} JOIN accounts_customer c ON c.id = l.customer_id
        WHERE {OF_MONTH} AND l.amount <> {WHOLE} AND (k.form = 'once' OR o.is_difference
            OR k.form = 'monthly' AND extract(day FROM l.starts_on) = 1 AND extract(day FROM l.ends_on + 1) = 1
            OR k.form = 'yearly' AND {TOUCHED} = 12)
        """
    ),
    question(
        f"""
        SELECT o.number AS document, c.number AS customer, l.amount AS expected, l.net AS found, '注文明細の税抜金額 ' || l.item AS text
        FROM orders_orderline l {ORDERED} JOIN accounts_customer c ON c.id = l.customer_id
        WHERE {OF_MONTH} AND l.price_basis = 'exclusive' AND l.net <> l.amount
        """
    ),
]
PARTS = f"""
    SELECT {WHOLE} AS whole, l.amount, k.form, k.service_id, {TOUCHED} AS touched, l.ends_on - l.starts_on + 1 AS days,
        date_trunc('month', l.starts_on)::date AS first, coalesce(f.month, i.month) AS month,
        coalesce(f.fixed_on, i.fixed_on) AS fixed_on, o.number, l.customer_id, l.item
    FROM orders_orderline l {ORDERED} {BILLED} {FIRST_BILLED}
    WHERE {OF_MONTH} AND {SETTLED} AND NOT o.is_difference AND (k.form = 'yearly' AND {TOUCHED} <> 12 OR k.form = 'monthly'
        AND (extract(day FROM l.starts_on) <> 1 OR extract(day FROM l.ends_on + 1) <> 1))
"""
WAY = "whole, amount, form, service_id, touched, days, first, month, fixed_on"
NETS = f"""
    SELECT l.amount, l.net, l.tax_rate AS rate, i.rounding, o.number, l.customer_id, l.item
    FROM orders_orderline l {ORDERED} {BILLED} WHERE {OF_MONTH} AND {SETTLED} AND l.price_basis = '{PriceBasis.INCLUSIVE}'
"""


def parts(asked: Asked) -> Finding:
    """Lines for a part of a month or year, with 日割 as it was when their term was billed, else as it is (D24).

    A difference is yen that a term still owes, whatever days it is about: `owed` judges it.
    """
    now = list(Service.objects.filter(prorate=True).values_list("pk", flat=True))
    runs: dict[Any, dict[Any, list[Settings]]] = {}
    wrong = []
    for way in select(f"SELECT DISTINCT {WAY} FROM ({PARTS}) p", asked.values()):
        if way["month"] and way["month"] not in runs:
            runs[way["month"]] = kept(way["month"])
        settings = runs[way["month"]].get(way["fixed_on"], []) if way["month"] else []
        prorated = [one["prorate"] for one in settings if one] or [now]
        right = [part(way) if way["service_id"] in services else way["whole"] for services in prorated]
        if way["amount"] not in right:
            wrong.append(way | {"expected": right[-1]})
    documents = f"""
        SELECT p.number AS document, c.number AS customer, w.expected, w.amount AS found, '日割・月割 ' || p.item AS text
        FROM jsonb_to_recordset(%(wrong)s) AS w (whole bigint, amount bigint, form text, service_id bigint, touched int, days int,
            first date, month date, fixed_on date, expected bigint)
        JOIN ({PARTS}) p ON (p.whole, p.amount, p.form, p.service_id, p.touched, p.days, p.first)
                = (w.whole, w.amount, w.form, w.service_id, w.touched, w.days, w.first)
            AND (p.month, p.fixed_on) IS NOT DISTINCT FROM (w.month, w.fixed_on)
        JOIN accounts_customer c ON c.id = p.customer_id"""
    return found(CODE, BROKEN, TITLE, named(documents, wrong, asked))


def part(way: dict[str, Any]) -> int:
    """Yen of a line for a part of its month, or year."""
    if way["form"] == months.YEARLY:
        return money.prorated(way["whole"], min(way["touched"], 12), 12)
    length = months.days_in_month(way["first"])
    return money.prorated(way["whole"], min(way["days"], length), length)


def nets(asked: Asked) -> Finding:
    """The net of tax-inclusive lines, rounded as the document was, else as the vendor rounds."""
    now = Vendor.objects.settings().rounding
    wrong = []
    for way in select(f"SELECT DISTINCT amount, net, rate, rounding FROM ({NETS}) n", asked.values()):
        right = money.tax_total(0, way["amount"], way["rate"], way["rounding"] or now).base
        if way["net"] != right:
            wrong.append(way | {"expected": right})
    documents = f"""
        SELECT n.number AS document, c.number AS customer, w.expected, w.net AS found, '注文明細の税抜金額 ' || n.item AS text
        FROM jsonb_to_recordset(%(wrong)s) AS w (amount bigint, net bigint, rate numeric, rounding text, expected bigint)
        JOIN ({NETS}) n ON (n.amount, n.net, n.rate) = (w.amount, w.net, w.rate) AND n.rounding IS NOT DISTINCT FROM w.rounding
        JOIN accounts_customer c ON c.id = n.customer_id"""
    return found(CODE, BROKEN, TITLE, named(documents, wrong, asked))
