"""What orders have to know of billing, in named SQL: an order is always `o`. No other file of this app names billing's tables."""

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


# Given back by decisions, of a line in a term (G): it isn't charged again but by a tick (D25).
GIVEN = """SELECT contract_line_id, term_id, sum(amount)::bigint AS given FROM billing_decision
    WHERE customer_id = ANY(%(changed)s) AND choice IN ('credit', 'return') GROUP BY 1, 2"""


# Of the rows of `owed_line`, what is billed of a line in a term beyond what it owes, was given back or refused, where its dates
# were shortened: proposals that nobody has decided (D27), before a day (D22).
PROPOSED = """
    SELECT t.starts_on, l.item, b.amount - coalesce(d.amount, 0) - coalesce(x.amount, 0) - w.owed AS yen
    FROM owed_line w JOIN contracts_term t ON t.id = w.term_id JOIN contracts_contractline l ON l.id = w.contract_line_id
    JOIN (
        SELECT o.term_id, k.contract_line_id, sum(b.amount)::bigint AS amount FROM billing_invoiceline b
        JOIN billing_invoice i ON i.id = b.invoice_id JOIN orders_orderline k ON k.id = b.order_line_id
        JOIN orders_order o ON o.id = k.order_id
        WHERE b.customer_id = %(customer)s AND b.contract_id = %(contract)s AND i.state = 'fixed'
            AND i.kind IN ('invoice', 'correction') AND b.origin IN ('order', 'correction', 'rebill') GROUP BY 1, 2
    ) b ON b.term_id = w.term_id AND b.contract_line_id = w.contract_line_id
    LEFT JOIN (
        SELECT term_id, contract_line_id, sum(amount)::bigint AS amount FROM billing_decision
        WHERE customer_id = %(customer)s GROUP BY 1, 2
    ) d ON d.term_id = w.term_id AND d.contract_line_id = w.contract_line_id
    LEFT JOIN (
        SELECT o.term_id, k.contract_line_id, sum(c.amount)::bigint AS amount FROM billing_credit c
        JOIN billing_invoiceline b ON b.id = c.invoice_line_id JOIN orders_orderline k ON k.id = b.order_line_id
        JOIN orders_order o ON o.id = k.order_id
        WHERE c.customer_id = %(customer)s AND c.source = 'hand' GROUP BY 1, 2
    ) x ON x.term_id = w.term_id AND x.contract_line_id = w.contract_line_id
    WHERE w.contract_id = %(contract)s AND t.starts_on < %(since)s AND NOT w.is_aside
        AND (w.covered_to IS NULL OR w.covered_to < w.ordered_to)
        AND b.amount - coalesce(d.amount, 0) - coalesce(x.amount, 0) - w.owed > 0
    ORDER BY 1, 2
"""


def closed(customer: str, month: str) -> str:
    """The condition that this month (columns of a row) is closed for the customer: its orders are made by a tick only (D25)."""
    return f"""({month} < (SELECT first_month FROM portal_vendor) OR {month} <= (
            SELECT coalesce(max(month), '-infinity') FROM billing_monthrun WHERE kind = 'close' AND finished_at IS NOT NULL)
        AND NOT EXISTS (SELECT FROM billing_parked p WHERE p.customer_id = {customer} AND p.month = {month})
        AND NOT EXISTS (SELECT FROM billing_invoice i
            WHERE i.customer_id = {customer} AND i.month = {month} AND i.state = 'draft'))"""
