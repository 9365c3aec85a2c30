"""What orders have to know of billing, in named SQL: an order is always `o`. No other file of this app names billing's tables."""

from portal.models import VALID_SQL

# A fixed document has shown the order: from then on it no longer follows its contract, whatever becomes of the document.
FROZEN = """EXISTS (SELECT FROM billing_invoiceline b JOIN billing_invoice i ON i.id = b.invoice_id
    WHERE b.customer_id = o.customer_id AND b.order_id = o.id AND b.origin = 'order' AND i.state <> 'draft')"""

# A document that counts bills the order, or a provisional one will by 再請求; a frozen order without is set aside.
COUNTS = """EXISTS (SELECT FROM billing_invoiceline b JOIN billing_invoice i ON i.id = b.invoice_id
    WHERE b.customer_id = o.customer_id AND b.order_id = o.id AND b.origin IN ('order', 'correction', 'rebill')
        AND i.kind IN ('invoice', 'correction') AND (i.state = 'fixed' OR i.state = 'draft' AND b.origin = 'rebill'))"""

# Nothing is billed of a contract that may be taken back (D26): but for void documents that weren't billed again.
BILLED_CONTRACT = """
    SELECT EXISTS (SELECT FROM billing_invoiceline b JOIN billing_invoice i ON i.id = b.invoice_id
    WHERE b.customer_id = %(customer)s AND b.contract_id = %(contract)s AND (i.state IN ('fixed', 'replaced')
        OR b.origin = 'rebill' OR EXISTS (SELECT FROM billing_invoiceline r WHERE r.replaces_id = b.id AND r.origin = 'rebill')))
"""

# Lines carry the service of their contract, by which costs are told apart: on fixed documents for good, on drafts it follows.
FIXED_CONTRACTS = """
    SELECT DISTINCT b.contract_id FROM billing_invoiceline b JOIN billing_invoice i ON i.id = b.invoice_id
    WHERE b.customer_id = ANY(%(customers)s) AND b.contract_id = ANY(%(contracts)s) AND b.origin = 'order' AND i.state <> 'draft'
"""
DRAFTED_SERVICES = """
    UPDATE billing_invoiceline b SET service_id = m.service
    FROM billing_invoice i, unnest(%(contracts)s::bigint[], %(services)s::bigint[]) AS m (contract, service)
    WHERE i.id = b.invoice_id AND i.state = 'draft' AND b.origin = 'order'
        AND b.customer_id = ANY(%(customers)s) AND b.contract_id = m.contract
"""
# The contract lines that a fixed document has shown: what is billed of them stays (D23).
HELD_LINES = f"""
    SELECT DISTINCT x.contract_line_id FROM orders_order o JOIN orders_orderline x ON x.order_id = o.id
    WHERE o.customer_id = ANY(%(customers)s) AND o.contract_id = ANY(%(contracts)s) AND o.reversed_on IS NULL
        AND x.contract_line_id IS NOT NULL AND {FROZEN}
"""

# The used quantities of customers with a charge that no fixed document shows and whose tax class has another rate by now (D34).
OTHER_RATES = f"""
    SELECT DISTINCT g.usage_id FROM orders_usagecharge g
    LEFT JOIN portal_taxclass k ON k.kind = g.tax_kind AND {VALID_SQL.format(row="k", day="g.ends_on")}
    WHERE g.customer_id = ANY(%(customers)s) AND g.dropped_on IS NULL AND k.rate IS DISTINCT FROM g.tax_rate
        AND NOT EXISTS (SELECT FROM billing_invoiceline b JOIN billing_invoice i ON i.id = b.invoice_id
            WHERE b.customer_id = g.customer_id AND b.usage_charge_id = g.id AND i.state <> 'draft')
"""

# Given back by decisions, of a line in a term (G): it isn't charged again but by a tick (D25).
GIVEN = """SELECT contract_line_id, term_id, sum(amount)::bigint AS given FROM billing_decision
    WHERE customer_id = ANY(%(changed)s) AND choice IN ('credit', 'return') GROUP BY 1, 2"""

# Of each line in a term (`owed_line`) whose dates were shortened: what is billed (B), what of that was given back, credited or
# decided (G, X, R), and what is due (O, to be rounded), in the class and document of its newest billed line (D27).
PROPOSED = """
    billed AS (
        SELECT o.term_id, k.contract_line_id, b.id, b.amount, b.ends_on, b.item, b.price_basis, i.number,
            row_number() OVER (PARTITION BY o.term_id, k.contract_line_id ORDER BY i.fixed_on DESC, i.id DESC, b.id DESC) AS place
        FROM billing_invoiceline b JOIN billing_invoice i ON i.id = b.invoice_id
        JOIN orders_orderline k ON k.id = b.order_line_id JOIN orders_order o ON o.id = k.order_id
        WHERE b.customer_id = ANY(%(customers)s) AND i.state = 'fixed' AND i.kind IN ('invoice', 'correction')
            AND b.origin IN ('order', 'correction', 'rebill')
    ), summed AS (
        SELECT term_id, contract_line_id, sum(amount) AS amount, max(ends_on) AS ends_on,
            max(id) FILTER (WHERE place = 1) AS newest FROM billed GROUP BY 1, 2
    ), given AS (
        SELECT term_id, contract_line_id, sum(amount) AS amount FROM (
            SELECT term_id, contract_line_id, amount FROM billing_decision WHERE customer_id = ANY(%(customers)s)
            UNION ALL
            SELECT o.term_id, k.contract_line_id, c.amount FROM billing_credit c
            JOIN billing_invoiceline b ON b.id = c.invoice_line_id JOIN orders_orderline k ON k.id = b.order_line_id
            JOIN orders_order o ON o.id = k.order_id
            WHERE c.customer_id = ANY(%(customers)s) AND c.source = 'hand'
            UNION ALL
            SELECT o.term_id, k.contract_line_id, - b.amount FROM billing_invoice i
            JOIN billing_invoiceline b ON b.invoice_id = i.id JOIN orders_orderline k ON k.id = b.order_line_id
            JOIN orders_order o ON o.id = k.order_id
            WHERE i.customer_id = ANY(%(customers)s) AND i.kind = 'return' AND i.state = 'fixed' AND b.decision_id IS NULL
        ) g GROUP BY 1, 2
    )
    SELECT w.customer_id, w.contract_id, c.number, w.contract_line_id, w.term_id, t.starts_on, s.newest, b.number, b.item,
        b.price_basis, s.amount::bigint, coalesce(g.amount, 0)::bigint, w.due, w.part, w.whole
    FROM owed_line w JOIN contracts_term t ON t.id = w.term_id JOIN contracts_contract c ON c.id = w.contract_id
    JOIN summed s USING (term_id, contract_line_id) LEFT JOIN given g USING (term_id, contract_line_id)
    JOIN billed b ON b.id = s.newest
    WHERE w.covered_to IS NULL OR w.covered_to < s.ends_on
    ORDER BY c.number, t.starts_on, w.contract_line_id
"""


def closed(customer: str, month: str) -> str:
    """The condition that this month (columns of a row) is closed for the customer: its orders are made by a tick only (D25)."""
    return f"""({month} < (SELECT first_month FROM portal_vendor) OR {month} <= (
            SELECT coalesce(max(month), '-infinity') FROM billing_monthrun WHERE kind = 'close' AND finished_at IS NOT NULL)
        AND NOT EXISTS (SELECT FROM billing_parked p WHERE p.customer_id = {customer} AND p.month = {month})
        AND NOT EXISTS (SELECT FROM billing_invoice i
            WHERE i.customer_id = {customer} AND i.month = {month} AND i.state = 'draft'))"""
