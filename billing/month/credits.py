"""一括値引き and credits on provisional invoices: split, and taken up anew at each rebuild, in sets (D9, D28).

Every function takes ids of customers whose rows the caller has locked, and runs in the caller's transaction.
"""

from itertools import groupby
from typing import Any

from billing.models import DRAFT_SQL
from portal import money
from portal.db.sets import arrays

# Credits as far as no fixed document has taken them up, in yen of their own price basis.
OPEN = """
    SELECT c.*, c.amount + coalesce((SELECT sum(b.amount) FROM billing_credit b WHERE b.takes_back_id = c.id), 0)
        + coalesce((
            SELECT sum(l.amount) FROM billing_invoiceline l JOIN billing_invoice i ON i.id = l.invoice_id
            WHERE l.credit_id = c.id AND i.state = 'fixed'
        ), 0) AS open
    FROM billing_credit c WHERE c.customer_id = ANY(%(credited)s) AND c.takes_back_id IS NULL
"""
# One class after the other, as yen on a line: the earliest month's room comes first, and so does the oldest credit.
# A credit goes into the rooms that lie where it lies.
TAKEN = f"""
    WITH credit AS (
        SELECT c.*, sum(c.open) OVER class - c.open AS since, sum(c.open) OVER class AS until FROM ({OPEN}) c WHERE c.open > 0
        WINDOW class AS (PARTITION BY c.customer_id, c.tax_kind, c.tax_rate, c.price_basis ORDER BY c.given_on, c.id)
    ), class AS (
        SELECT i.id, i.month, i.customer_id, l.tax_kind, l.tax_rate, l.price_basis, sum(l.amount) AS room
        FROM billing_invoice i JOIN billing_invoiceline l ON l.invoice_id = i.id
        WHERE i.customer_id = ANY(%(credited)s) AND {DRAFT_SQL}
        GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(l.amount) > 0
    ), room AS (
        SELECT r.*, sum(r.room) OVER class - r.room AS since, sum(r.room) OVER class AS until FROM class r
        WINDOW class AS (PARTITION BY r.customer_id, r.tax_kind, r.tax_rate, r.price_basis ORDER BY r.month)
    )
    SELECT c.id AS credit_id, r.id AS invoice_id, least(c.until, r.until) - greatest(c.since, r.since) AS amount
    FROM credit c JOIN room r USING (customer_id, tax_kind, tax_rate, price_basis)
    WHERE c.since < r.until AND r.since < c.until
"""
ADD = """
    INSERT INTO billing_invoiceline (customer_id, invoice_id, position, origin, credit_id, discount_id, service_id,
        is_order_head, product_code, item, specification, starts_on, ends_on, quantity, unit, unit_price, amount, price_basis,
        tax_kind, tax_rate)
    SELECT n.customer_id, n.invoice_id,
        (SELECT coalesce(max(position), 0) FROM billing_invoiceline l WHERE l.invoice_id = n.invoice_id)
            + row_number() OVER (PARTITION BY n.invoice_id ORDER BY n.place),
        n.origin, n.credit_id, n.discount_id, n.service_id, false, '', n.item, n.specification, n.starts_on, n.ends_on, 1, '式',
        -n.amount, -n.amount, n.price_basis, n.tax_kind, n.tax_rate
"""


def give_up(cursor: Any, given: dict[str, Any]) -> None:
    """Take what was taken up and split off the drafts again, so that they show what contracts and staff put there.

    Credits go off all drafts of the customers, 一括値引き off those of the month. Fills in `credited`, the customers who
    have credits, and `discounted`, the drafts of the month that have a 一括値引き; mostly there are none, and nothing is done.
    """
    cursor.execute(
        "SELECT DISTINCT customer_id FROM billing_credit WHERE customer_id = ANY(%(customers)s) ORDER BY 1", given
    )
    given["credited"] = [row[0] for row in cursor.fetchall()]
    cursor.execute(
        f"""
        SELECT DISTINCT i.id FROM billing_discount d JOIN billing_invoice i ON i.id = d.invoice_id
        WHERE d.customer_id = ANY(%(customers)s) AND {DRAFT_SQL} AND i.month = %(month)s
        """,
        given,
    )
    given["discounted"] = [row[0] for row in cursor.fetchall()]
    if given["credited"]:
        cursor.execute(
            f"""
            DELETE FROM billing_invoiceline l USING billing_invoice i
            WHERE l.invoice_id = i.id AND l.credit_id IS NOT NULL AND i.customer_id = ANY(%(credited)s) AND {DRAFT_SQL}
            """,
            given,
        )
    if given["discounted"]:
        cursor.execute(
            """
            DELETE FROM billing_invoiceline WHERE invoice_id = ANY(%(discounted)s) AND discount_id IS NOT NULL
            """,
            given,
        )


def take_up(cursor: Any, given: dict[str, Any]) -> list[int]:
    """Split the month's 一括値引き, then take up credits on all drafts of the customers. Returns the ids of those drafts."""
    if given["discounted"]:
        split_discounts(cursor, given)
    if not given["credited"]:
        return list(given["discounted"])
    cursor.execute(
        f"""
        {ADD} FROM (
            SELECT c.customer_id, t.invoice_id, (c.given_on, c.id) AS place, 'adjustment' AS origin, c.id AS credit_id,
                NULL::bigint AS discount_id, f.service_id, c.item,
                left(concat_ws('　', '請求 ' || s.number, nullif(c.reason, c.item)), 200) AS specification, c.starts_on,
                c.ends_on, t.amount, c.price_basis, c.tax_kind, c.tax_rate
            FROM ({TAKEN}) t JOIN billing_credit c ON c.id = t.credit_id
            LEFT JOIN billing_invoiceline f ON f.id = c.invoice_line_id LEFT JOIN billing_invoice s ON s.id = c.invoice_id
        ) n
        """,
        given,
    )
    note_what_is_left(cursor, given)
    cursor.execute(f"SELECT i.id FROM billing_invoice i WHERE i.customer_id = ANY(%(credited)s) AND {DRAFT_SQL}", given)
    return sorted({*given["discounted"], *(row[0] for row in cursor.fetchall())})


def split_discounts(cursor: Any, given: dict[str, Any]) -> None:
    """In proportion to the classes of which the draft has more than 0 yen, at most what they have (消費税法施行令 70条の10)."""
    cursor.execute(
        """
        SELECT l.invoice_id, l.tax_kind, l.tax_rate, l.price_basis, sum(l.amount)::bigint FROM billing_invoiceline l
        WHERE l.invoice_id = ANY(%(discounted)s) GROUP BY 1, 2, 3, 4 HAVING sum(l.amount) > 0 ORDER BY 1, min(l.position)
        """,
        given,
    )
    rooms = {invoice: list(rows) for invoice, rows in groupby(cursor.fetchall(), key=lambda row: row[0])}
    cursor.execute(
        "SELECT invoice_id, id, amount FROM billing_discount WHERE invoice_id = ANY(%(discounted)s) ORDER BY 1, 2",
        given,
    )
    parts = []
    for invoice, asked in groupby(cursor.fetchall(), key=lambda row: row[0]):
        if invoice in rooms:
            parts += split_discount(rooms[invoice], [(discount, amount) for _invoice, discount, amount in asked])
    if not parts:
        return
    cursor.execute(
        f"""
        {ADD} FROM (
            SELECT d.customer_id, d.invoice_id, (d.id, p.row) AS place, 'discount' AS origin, NULL::bigint AS credit_id,
                d.id AS discount_id, NULL::bigint AS service_id, d.item, '' AS specification, i.month AS starts_on,
                (i.month + interval '1 month - 1 day')::date AS ends_on, p.amount, p.price_basis, p.tax_kind, p.tax_rate
            FROM unnest(%(of)s::bigint[], %(kinds)s::text[], %(rates)s::numeric[], %(bases)s::text[], %(parts)s::bigint[])
                WITH ORDINALITY AS p (discount_id, tax_kind, tax_rate, price_basis, amount, row)
            JOIN billing_discount d ON d.id = p.discount_id JOIN billing_invoice i ON i.id = d.invoice_id
        ) n
        """,
        given | arrays(parts, "of", "kinds", "rates", "bases", "parts"),
    )


def split_discount(rooms: list[Any], asked: list[tuple[int, int]]) -> list[tuple[Any, ...]]:
    """The yen asked for in all, split once over the rooms (…, kind, rate, basis, yen); as rows (discount, class, yen)."""
    weights = [row[-1] for row in rooms]
    taken = min(sum(amount for _discount, amount in asked), sum(weights))
    parts = []
    waiting = list(asked)
    for row, part in zip(rooms, money.split(taken, weights), strict=True):
        while part > 0:
            discount, amount = waiting.pop(0)
            used = min(part, amount)
            parts.append((discount, *row[1:4], used))
            part -= used
            if amount > used:
                waiting.insert(0, (discount, amount - used))
    return parts


def note_what_is_left(cursor: Any, given: dict[str, Any]) -> None:
    """調整残高 after each draft, by class, for the document to show; those of later months aren't counted."""
    cursor.execute(
        f"""
        UPDATE billing_invoice i SET credit_left = n.credit_left
        FROM (
            SELECT i.id, (
                SELECT jsonb_agg(jsonb_build_object('kind', x.tax_kind, 'rate', x.tax_rate::text, 'basis', x.price_basis,
                    'yen', x.left_over) ORDER BY x.tax_rate DESC, x.tax_kind, x.price_basis)
                FROM (
                    SELECT c.tax_kind, c.tax_rate, c.price_basis, sum(c.open - coalesce((
                        SELECT -sum(l.amount) FROM billing_invoiceline l JOIN billing_invoice d ON d.id = l.invoice_id
                        WHERE l.credit_id = c.id AND d.state = 'draft' AND d.month <= i.month
                    ), 0))::bigint AS left_over
                    FROM ({OPEN}) c WHERE c.customer_id = i.customer_id AND (c.open > 0 OR EXISTS (
                        SELECT FROM billing_invoiceline l WHERE l.credit_id = c.id AND l.invoice_id = i.id))
                    GROUP BY 1, 2, 3
                ) x
            ) AS credit_left
            FROM billing_invoice i WHERE i.customer_id = ANY(%(credited)s) AND {DRAFT_SQL}
        ) n
        WHERE n.id = i.id AND i.credit_left IS DISTINCT FROM n.credit_left
        """,
        given,
    )
