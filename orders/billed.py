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


def closed(customer: str, month: str) -> str:
    """The condition that this month (columns of a row) is closed for the customer: its orders are made by a tick only (D25)."""
    return f"""({month} < (SELECT first_month FROM portal_vendor) OR {month} <= (
            SELECT coalesce(max(month), '-infinity') FROM billing_monthrun WHERE kind = 'close' AND finished_at IS NOT NULL)
        AND NOT EXISTS (SELECT FROM billing_parked p WHERE p.customer_id = {customer} AND p.month = {month})
        AND NOT EXISTS (SELECT FROM billing_invoice i
            WHERE i.customer_id = {customer} AND i.month = {month} AND i.state = 'draft'))"""
