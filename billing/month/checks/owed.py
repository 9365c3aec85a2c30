"""What contracts owe, counted again from terms, lines and settings, beside the orders that nothing has billed yet.

Rules: D2, D22 to D25 and D31. Billed orders are frozen: what a contract owes less of by now is a proposal (D27), never a finding.
What it owes more of closed months without somebody having asked for it comes back in every open month (`charge_past`).
"""

import json
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.utils.translation import gettext_lazy

from billing.models import MonthRun
from billing.month.checks.documents import CODE, TITLE
from billing.month.checks.findings import BROKEN, PARKED, Asked, Finding, found, select_with
from portal import money, months

PAST, PAST_TITLE = "charge_past", gettext_lazy("締めた月の、請求されていない料金")

# Orders that aren't 取消, and whether a fixed document shows them.
STANDING = """
    SELECT o.id, o.number, o.term_id, o.line_id, o.is_difference, o.month, o.prorate, coalesce(i.state <> 'draft', false) AS is_billed
    FROM orders_order o LEFT JOIN billing_invoiceline b ON b.customer_id = o.customer_id AND b.order_id = o.id AND b.is_order_head
    LEFT JOIN billing_invoice i ON i.id = b.invoice_id
    WHERE o.reversed_on IS NULL
"""
# One row for each line and each term of which it covers a day: `way` says by which order it is charged, `due` in which month.
PIECES = f"""
    WITH standing AS MATERIALIZED ({STANDING}), own AS (
        SELECT term_id, bool_or(prorate) AS prorate, bool_or(aside) AS aside FROM (
            SELECT s.term_id, s.prorate, {{aside}} AS aside FROM standing s WHERE s.is_billed AND s.line_id IS NULL
        ) s GROUP BY 1
    ), done AS (
        SELECT s.term_id, l.contract_line_id, sum(l.amount)::bigint AS amount, bool_or({{aside}}) AS aside
        FROM standing s JOIN orders_orderline l ON l.order_id = s.id WHERE s.is_billed GROUP BY 1, 2
    ), piece AS (
        SELECT t.id AS term_id, t.customer_id, k.number AS contract, k.form, l.id AS line_id, l.amount AS whole, l.position,
            l.item, l.product_code, l.specification, l.quantity, l.unit, l.unit_price, l.price_basis, l.tax_kind,
            p.starts_on, p.ends_on, k.bill_from, t.starts_on AS term_starts_on, v.first_month, p.begins, done.amount AS ordered,
            coalesce(done.aside, false) OR coalesce(own.aside, false) AS aside, k.form <> 'once' AND coalesce(own.prorate, s.prorate) AS prorate,
            ((extract(year FROM p.ends_on) - extract(year FROM p.starts_on)) * 12 + extract(month FROM p.ends_on)
                - extract(month FROM p.starts_on) + 1)::int AS touched,
            CASE
                WHEN done.amount IS NOT NULL THEN 'difference'
                WHEN own.term_id IS NULL AND t.starts_on >= p.may AND NOT (k.form = 'yearly' AND
                    date_trunc('month', p.begins) > date_trunc('month', t.starts_on)) THEN 'term'
                WHEN p.begins >= t.starts_on AND p.begins >= p.may THEN 'addition'
                WHEN own.term_id IS NOT NULL THEN 'difference'
            END AS way
        FROM contracts_term t JOIN contracts_contract k ON k.id = t.contract_id JOIN contracts_service s ON s.id = k.service_id
        CROSS JOIN portal_vendor v JOIN contracts_contractline l ON l.contract_id = k.id
        CROSS JOIN LATERAL (SELECT greatest(t.starts_on, l.charge_from) AS starts_on,
            least(t.ends_on, l.charge_to, k.cancel_on) AS ends_on, greatest(l.charge_from, k.start_on) AS begins,
            greatest(v.first_month, k.bill_from) AS may) p
        LEFT JOIN own ON own.term_id = t.id LEFT JOIN done ON done.term_id = t.id AND done.contract_line_id = l.id
        WHERE t.dropped_on IS NULL AND k.withdrawn_on IS NULL AND p.starts_on <= p.ends_on AND t.starts_on <= %(last)s
            AND (%(open)s OR t.ends_on >= %(month)s OR k.cancel_on < t.ends_on)
            AND NOT EXISTS (SELECT FROM orders_pending n WHERE n.customer_id = t.customer_id)
    ), due AS (
        SELECT piece.*, date_trunc('month', CASE way WHEN 'term' THEN term_starts_on WHEN 'addition' THEN begins
                ELSE greatest(term_starts_on, begins) END)::date AS due,
            prorate AND CASE form WHEN 'yearly' THEN touched < 12 ELSE extract(day FROM starts_on) > 1
                OR extract(day FROM ends_on + 1) > 1 END AS is_part
        FROM piece WHERE way IS NOT NULL
    )
""".format(
    # Its newest document is 取消, and no rebilled line took it over.
    aside="""NOT EXISTS (SELECT FROM billing_invoiceline b JOIN billing_invoice i ON i.id = b.invoice_id
        WHERE b.order_id = s.id AND i.kind <> 'return' AND (i.state = 'fixed' OR i.state = 'draft' AND b.origin = 'rebill'))"""
)
PART = "whole, form, touched, starts_on, ends_on"
# A month that is closed for a customer takes nothing any more.
CLOSED = """({month} < (SELECT first_month FROM portal_vendor) OR {month} <= %(last_closed)s
    AND NOT EXISTS (SELECT FROM billing_parked q WHERE q.customer_id = {customer} AND q.month = {month})
    AND NOT EXISTS (SELECT FROM billing_invoice i WHERE i.customer_id = {customer} AND i.month = {month} AND i.state = 'draft'))"""
PRICED = """
    , priced AS (
        SELECT d.*, coalesce(w.owed, d.whole) AS owed, x.rate FROM due d
        LEFT JOIN jsonb_to_recordset(%(parts)s) AS w (whole bigint, form text, touched int, starts_on date, ends_on date, owed bigint)
            ON d.is_part AND (d.whole, d.form, d.touched, d.starts_on, d.ends_on) = (w.whole, w.form, w.touched, w.starts_on, w.ends_on)
        LEFT JOIN portal_taxclass x ON x.kind = d.tax_kind AND x.valid_from <= d.ends_on
            AND coalesce(x.valid_to, 'infinity') >= d.ends_on
    )
"""
FACTS = """{row}.item || ' ' || {row}.quantity || '×' || {row}.unit_price || ' ' || {row}.tax_kind || ' ' || {rate} || ' '
    || {row}.price_basis || ' ' || to_char({row}.starts_on, 'YYYY/MM/DD') || '-' || to_char({row}.ends_on, 'YYYY/MM/DD')"""
# What has been given back of a line in a term by a decision (G); it may be charged again.
GIVEN = """SELECT contract_line_id, term_id, sum(amount)::bigint AS amount FROM billing_decision
    WHERE choice IN ('credit', 'return') GROUP BY 1, 2"""
ACTUAL = """
    , actual AS (
        SELECT s.*, s.line_id IS NOT NULL AS is_addition, l.customer_id, l.contract_line_id, l.amount, l.item, l.quantity, l.unit_price,
            l.tax_kind, l.tax_rate, l.price_basis, l.starts_on, l.ends_on, l.product_code, l.specification, l.unit
        FROM standing s JOIN orders_orderline l ON l.order_id = s.id
        WHERE NOT s.is_billed AND NOT s.is_difference
            AND NOT EXISTS (SELECT FROM orders_pending n WHERE n.customer_id = l.customer_id)
    )
"""
SAME = "a.term_id = p.term_id AND a.contract_line_id = p.line_id AND a.is_addition = (p.way = 'addition')"
UNBILLED = f"""
    SELECT coalesce(a.number, p.contract) AS document, c.number AS customer, p.owed AS expected, a.amount AS found,
        CASE WHEN p.term_id IS NULL THEN '請求する理由のない注文明細 ' || a.item
            WHEN a.id IS NULL THEN '注文明細がない ' || p.item || to_char(p.starts_on, ' YYYY/MM/DD')
            ELSE '注文明細の金額 ' || a.item END AS text,
        {FACTS.format(row="p", rate="coalesce(p.rate::text, '?')")} AS right_facts, {FACTS.format(row="a", rate="a.tax_rate")} AS facts
    FROM (SELECT * FROM priced WHERE due = %(month)s AND way <> 'difference') p
    FULL JOIN (SELECT * FROM actual WHERE month = %(month)s) a ON {SAME}
    JOIN accounts_customer c ON c.id = coalesce(p.customer_id, a.customer_id)
    WHERE CASE WHEN p.term_id IS NULL THEN true
        WHEN a.id IS NULL THEN (p.way = 'term' OR p.begins <= %(until)s) AND NOT ({CLOSED.format(month="p.due", customer="p.customer_id")})
        ELSE (a.amount, a.item, a.product_code, a.specification, a.quantity, a.unit, a.unit_price, a.tax_kind, a.tax_rate,
                a.price_basis, a.starts_on, a.ends_on)
            IS DISTINCT FROM (p.owed, p.item, p.product_code, p.specification, p.quantity, p.unit, p.unit_price, p.tax_kind, p.rate,
                p.price_basis, p.starts_on, p.ends_on) END
"""
MORE = f"""
    , more AS (
        SELECT d.*, d.owed - coalesce(d.ordered, 0) + coalesce(g.amount, 0) AS more, o.number, coalesce(o.amount, 0) AS asked_for
        FROM priced d LEFT JOIN ({GIVEN}) g ON g.contract_line_id = d.line_id AND g.term_id = d.term_id
        LEFT JOIN (
            SELECT s.term_id, l.contract_line_id, max(s.number) AS number, sum(l.amount)::bigint AS amount
            FROM standing s JOIN orders_orderline l ON l.order_id = s.id WHERE NOT s.is_billed AND s.is_difference GROUP BY 1, 2
        ) o ON o.term_id = d.term_id AND o.contract_line_id = d.line_id
        WHERE d.way = 'difference' AND NOT d.aside AND (d.bill_from IS NULL OR d.term_starts_on >= d.bill_from)
    )
"""
DIFFERENCES = """
    SELECT m.number AS document, c.number AS customer, greatest(m.more, 0) AS expected, m.asked_for AS found, '差額 ' || m.item AS text
    FROM more m JOIN accounts_customer c ON c.id = m.customer_id WHERE m.asked_for > greatest(m.more, 0)
"""
NOT_CHARGED = f"""
    SELECT p.contract AS document, c.number AS customer, p.owed AS expected, 0 AS found,
        p.item || ' ' || to_char(p.starts_on, 'YYYY/MM/DD') || '～' || to_char(p.ends_on, 'YYYY/MM/DD') AS text
    FROM priced p JOIN accounts_customer c ON c.id = p.customer_id
    WHERE p.way <> 'difference' AND p.owed > 0 AND (p.due = %(month)s OR %(open)s AND p.due < %(month)s)
        AND {CLOSED.format(month="p.due", customer="p.customer_id")} AND NOT EXISTS (SELECT FROM actual a WHERE {SAME})
    UNION ALL
    SELECT m.contract, c.number, m.owed, m.owed - (m.more - m.asked_for),
        m.item || ' ' || to_char(m.starts_on, 'YYYY/MM/DD') || '～' || to_char(m.ends_on, 'YYYY/MM/DD')
    FROM more m JOIN accounts_customer c ON c.id = m.customer_id
    WHERE m.more > m.asked_for AND (m.due = %(month)s OR %(open)s AND m.due < %(month)s)
"""


def unbilled(asked: Asked) -> Finding:
    """The month's orders that no fixed document shows, line by line, and differences that nobody owes any more."""
    values = counted(asked)
    rows = select_with(PIECES + PRICED + ACTUAL, UNBILLED, values)
    for row in rows:
        right, now = row.pop("right_facts"), row.pop("facts")
        if row["expected"] == row["found"]:
            row |= {"expected": right, "found": now, "text": "注文明細の内容"}
    return found(CODE, BROKEN, TITLE, rows + select_with(PIECES + PRICED + MORE, DIFFERENCES, values))


def past(asked: Asked) -> Finding:
    """What closed months are owed and nobody asked to charge (D25); in an open month those of all closed ones."""
    return found(PAST, PARKED, PAST_TITLE, select_with(PIECES + PRICED + ACTUAL + MORE, NOT_CHARGED, counted(asked)))


def counted(asked: Asked) -> dict[str, Any]:
    """The parameters of the questions, with what Python has to divide: `parts` of months and years (D24)."""
    runs = MonthRun.objects.filter(whole=True, finished_at__isnull=False, month__gte=asked.month)
    run_until = runs.order_by("-as_of").values_list("as_of", flat=True).first()
    values = asked.values() | {
        "until": min(asked.last, run_until) if run_until else None,
    }
    parts = [
        way | {"owed": part(way)}
        for way in select_with(PIECES, f"SELECT DISTINCT {PART} FROM due WHERE is_part", values)
    ]
    return values | {"parts": json.dumps(parts, cls=DjangoJSONEncoder)}


def part(way: dict[str, Any]) -> int:
    """Yen of a line for the days of its month, or the calendar months of its year, that it covers."""
    if way["form"] == months.YEARLY:
        return money.prorated(way["whole"], way["touched"], 12)
    return money.prorated(
        way["whole"], months.days(way["starts_on"], way["ends_on"]), months.days_in_month(way["starts_on"])
    )
