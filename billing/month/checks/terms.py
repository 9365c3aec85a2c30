"""契約期間 counted again from the contracts' own dates (D1, D2, D22, D31), beside those that stand."""

from billing.month.checks.documents import question
from billing.month.checks.findings import PARKED, Question
from billing.month.checks.owed import CLOSED, PAST, PAST_TITLE

# The terms that should begin in these months, by the calendar alone; `may` is the first day from which one gives an order.
EXPECTED = """
    SELECT k.id, k.number, k.customer_id, m.month, p.starts_on, least(p.ends_on, k.cancel_on) AS ends_on,
        CASE k.form WHEN 'yearly' THEN p.n / 12 ELSE p.n END + 1 AS sequence, greatest(v.first_month, k.bill_from) AS may
    FROM contracts_contract k CROSS JOIN portal_vendor v
    CROSS JOIN LATERAL (SELECT month::date FROM generate_series({since}, %(month)s, '1 month') month) m
    CROSS JOIN LATERAL (SELECT greatest(k.start_on, m.month) AS starts_on,
        (m.month + CASE k.form WHEN 'yearly' THEN interval '1 year - 1 day' ELSE interval '1 month - 1 day' END)::date AS ends_on,
        ((extract(year FROM m.month) - extract(year FROM k.start_on)) * 12 + extract(month FROM m.month)
            - extract(month FROM k.start_on))::int AS n) p
    WHERE k.withdrawn_on IS NULL AND p.n >= 0 AND (k.cancel_on IS NULL OR k.cancel_on >= p.starts_on) AND p.ends_on >= v.first_month
        AND (p.n = 0 OR k.auto_renew AND (k.form = 'monthly' OR k.form = 'yearly' AND p.n %% 12 = 0))
        AND NOT EXISTS (SELECT FROM orders_pending n WHERE n.customer_id = k.customer_id)
"""
STANDING = """
    SELECT t.id, t.contract_id, t.customer_id, t.starts_on, t.ends_on, t.sequence, date_trunc('month', t.starts_on)::date AS month
    FROM contracts_term t WHERE t.dropped_on IS NULL
"""
# The day up to which a run over all customers has made terms.
UNTIL = """(SELECT max(as_of) FROM billing_monthrun WHERE whole AND finished_at IS NOT NULL AND month >= %(month)s)"""
PERIOD = "to_char({row}.starts_on, 'YYYY/MM/DD') || '～' || to_char({row}.ends_on, 'YYYY/MM/DD')"
ORDERED = """SELECT FROM orders_order o WHERE o.term_id = t.id AND o.reversed_on IS NULL
    AND EXISTS (SELECT FROM billing_invoiceline b JOIN billing_invoice i ON i.id = b.invoice_id
        WHERE b.customer_id = o.customer_id AND b.order_id = o.id AND i.state <> 'draft')"""

QUESTIONS = [
    # Terms of contracts that no longer renew stay; so do those behind the 解約日 of which something is billed.
    question(
        f"""
        SELECT coalesce(e.number, k.number) AS document, c.number AS customer, {PERIOD.format(row="e")} AS expected,
            {PERIOD.format(row="t")} AS found, '契約期間' AS text
        FROM ({EXPECTED.format(since="%(month)s")}) e
        FULL JOIN (SELECT * FROM ({STANDING}) t WHERE t.month = %(month)s) t ON t.contract_id = e.id
        LEFT JOIN contracts_contract k ON k.id = t.contract_id JOIN accounts_customer c ON c.id = coalesce(e.customer_id, t.customer_id)
        WHERE NOT EXISTS (SELECT FROM orders_pending n WHERE n.customer_id = c.id) AND CASE
            WHEN t.id IS NULL THEN e.starts_on >= e.may AND e.starts_on <= {UNTIL}
                AND NOT ({CLOSED.format(month="e.month", customer="e.customer_id")})
                AND EXISTS (SELECT FROM contracts_contractline l WHERE l.contract_id = e.id
                    AND coalesce(l.charge_from, e.starts_on) <= e.ends_on AND coalesce(l.charge_to, e.ends_on) >= e.starts_on)
            WHEN e.id IS NULL THEN k.auto_renew AND k.form <> 'once' AND NOT EXISTS ({ORDERED})
            ELSE (t.starts_on, t.ends_on, t.sequence) <> (e.starts_on, e.ends_on, e.sequence) END
        """
    ),
    Question(
        PAST,
        PARKED,
        PAST_TITLE,
        f"""
        SELECT e.number AS document, c.number AS customer, sum(l.amount)::bigint AS expected, 0 AS found,
            '契約期間がない ' || {PERIOD.format(row="e")} AS text
        FROM ({EXPECTED.format(since="CASE WHEN %(open)s THEN v.first_month ELSE %(month)s END")}) e
        JOIN accounts_customer c ON c.id = e.customer_id JOIN contracts_contractline l ON l.contract_id = e.id
            AND coalesce(l.charge_from, e.starts_on) <= e.ends_on AND coalesce(l.charge_to, e.ends_on) >= e.starts_on
        WHERE e.starts_on >= e.may AND {CLOSED.format(month="e.month", customer="e.customer_id")}
            AND NOT EXISTS (SELECT FROM ({STANDING}) t WHERE t.contract_id = e.id AND t.month = e.month)
        GROUP BY e.number, c.number, e.starts_on, e.ends_on HAVING sum(l.amount) > 0
        """,
    ),
]
