"""Provisional invoices in sets: made, kept true to the orders and totalled for a batch of customers at a time.

Every function takes ids of customers whose rows the caller has locked, and runs in the caller's transaction.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from typing import Any

from django.db import connection

from billing.models import CHARGING_SQL, DRAFT_SQL, FIXED_SQL, LIVE_SQL
from billing.month import credits
from billing.month.due import DUE, days_due, set_terms_of_payment
from portal import money, months, numbers
from portal.db.ids import Ids
from portal.db.sets import arrays
from portal.db.temporary import keep
from portal.models import Vendor

# What the month's invoice must show and no invoice shows yet: orders and used quantities (従量) of the month, and late
# ones of earlier months that are closed already; never those of later months, when this one is closed late. Lines of a void
# document that is billed again (再請求, D6) come as they stood, but not those of a contract taken back since (D26).
# Large tables are narrowed to the customers: joined by other keys alone, the planner reads all of them for every batch.
UNBILLED = f"""
    WITH shown AS MATERIALIZED (
        SELECT b.order_id, b.order_line_id, b.is_order_head FROM billing_invoiceline b
        WHERE b.customer_id = ANY(%(customers)s) AND b.origin = 'order'
    )
    SELECT 'order' AS origin, NULL::bigint AS replaces_id, NULL::bigint AS root_id, o.customer_id, o.contract_id, c.service_id, o.id AS order_id, l.id AS order_line_id,
        NULL::bigint AS usage_charge_id, l.position = min(l.position) OVER (PARTITION BY o.id) AND NOT EXISTS (
            SELECT FROM shown WHERE shown.order_id = o.id AND shown.is_order_head) AS is_head,
        o.number AS place, l.position, l.product_code, l.item, l.specification, c.purchase_order, l.starts_on, l.ends_on, l.quantity, l.unit,
        l.unit_price, l.amount, l.price_basis, l.tax_kind, l.tax_rate
    FROM orders_order o
    JOIN orders_orderline l ON l.order_id = o.id AND l.customer_id = ANY(%(customers)s)
    JOIN contracts_contract c ON c.id = o.contract_id AND c.customer_id = ANY(%(customers)s)
    WHERE o.customer_id = ANY(%(customers)s) AND o.reversed_on IS NULL
        AND (o.month = %(month)s OR o.month < %(month)s AND o.month <= %(closed)s)
        AND NOT EXISTS (SELECT FROM shown WHERE shown.order_line_id = l.id)
    UNION ALL
    SELECT 'usage', NULL, NULL, u.customer_id, m.contract_id, m.service_id, NULL, NULL, l.id, false,
        'U' || to_char(u.month, 'YYYYMM') || m.id, l.position, '', l.item, l.specification, c.purchase_order, l.starts_on, l.ends_on, l.quantity,
        l.unit, l.unit_price, l.amount, l.price_basis, l.tax_kind, l.tax_rate
    FROM orders_usage u
    JOIN orders_usagecharge l ON l.usage_id = u.id AND l.dropped_on IS NULL
    JOIN contracts_meter m ON m.id = u.meter_id
    JOIN contracts_contract c ON c.id = m.contract_id
    WHERE u.customer_id = ANY(%(customers)s) AND (u.month = %(month)s OR u.month < %(month)s AND u.month <= %(closed)s)
        AND NOT EXISTS (SELECT FROM billing_invoiceline b WHERE b.usage_charge_id = l.id AND b.origin = 'usage')
    UNION ALL
    SELECT 'rebill', l.id, coalesce(l.root_id, l.id), l.customer_id, l.contract_id, l.service_id, l.order_id, l.order_line_id,
        l.usage_charge_id, false, 'R' || v.id, l.position, l.product_code, l.item, l.specification, l.purchase_order,
        l.starts_on, l.ends_on, l.quantity, l.unit, l.unit_price, l.amount, l.price_basis, l.tax_kind, l.tax_rate
    FROM billing_correction v JOIN billing_invoiceline l ON l.invoice_id = v.invoice_id AND {CHARGING_SQL}
    LEFT JOIN contracts_contract c ON c.id = l.contract_id
    WHERE v.customer_id = ANY(%(customers)s) AND v.what = 'rebill' AND c.withdrawn_on IS NULL
        AND (v.month = %(month)s OR v.month < %(month)s AND v.month <= %(closed)s)
        AND NOT EXISTS (SELECT FROM billing_invoiceline b WHERE b.replaces_id = l.id AND b.origin = 'rebill')
"""
# Sums by tax class of what is unbilled of customers without an invoice of the month.
NEW_TOTALS = f"""
    SELECT u.customer_id, u.tax_kind, u.tax_rate,
        coalesce(sum(u.amount) FILTER (WHERE u.price_basis = 'exclusive'), 0)::bigint AS exclusive,
        coalesce(sum(u.amount) FILTER (WHERE u.price_basis = 'inclusive'), 0)::bigint AS inclusive
    FROM unbilled u WHERE u.customer_id NOT IN (
        SELECT i.customer_id FROM billing_invoice i
        WHERE i.month = %(month)s AND i.customer_id = ANY(%(customers)s) AND {LIVE_SQL}
    ) GROUP BY 1, 2, 3
"""
OF_BATCH = f"{DRAFT_SQL} AND i.month = %(month)s AND i.customer_id = ANY(%(customers)s)"
DRAFTS = f"billing_invoice i WHERE {OF_BATCH}"


def rebuild(customers: Sequence[int], month: date, closed: date) -> None:
    """Bring the drafts of `month` up to date; `closed` is the last month that a close has finished."""
    given: dict[str, Any] = {"customers": Ids(customers), "month": month, "closed": closed}
    with connection.cursor() as cursor:
        given |= days_due(cursor, given)
        credits.give_up(cursor, given)
        cursor.execute(f"SELECT i.id FROM {DRAFTS}", given)
        given["kept"] = [row[0] for row in cursor.fetchall()]
        mend, sort = look_through(cursor, given)
        if mend:
            drop_stale_lines(cursor, given)
            refresh_lines(cursor, given)
        find_unbilled(cursor, given)
        add_invoices(cursor, given)
        added = add_lines(cursor, given)
        if given["kept"]:
            drop_empty(cursor)
            if mend or sort or added:
                put_in_order(cursor, given)
            set_terms_of_payment(cursor, given)
        given["kept"] += credits.take_up(cursor, given)
        if given["kept"]:
            set_totals(cursor, given)


SHOWN = (
    "product_code", "item", "specification", "starts_on", "ends_on", "quantity", "unit", "unit_price", "amount",
    "price_basis", "tax_kind", "tax_rate",
)  # fmt: skip
# How the lines of drafts (l) stand: by contract, then orders before usage, whatever came when; those of no contract come last.
SORTED = """
    row_number() OVER (PARTITION BY l.invoice_id ORDER BY l.contract_id, o.number, k.position, u.month, u.meter_id, g.position,
        l.position) AS place
    FROM billing_invoiceline l LEFT JOIN orders_order o ON o.id = l.order_id
    LEFT JOIN orders_orderline k ON k.id = l.order_line_id
    LEFT JOIN orders_usagecharge g ON g.id = l.usage_charge_id LEFT JOIN orders_usage u ON u.id = g.usage_id
    LEFT JOIN contracts_contract c ON c.id = l.contract_id
    WHERE l.invoice_id = ANY(%(kept)s)
"""
STALE_ORDER = "(o.reversed_on IS NOT NULL OR o.month > %(month)s OR o.month < %(month)s AND o.month > %(closed)s)"


def look_through(cursor: Any, given: dict[str, Any]) -> tuple[bool, bool]:
    """Whether any line of the drafts is to be dropped or refreshed, and whether any stands in a wrong place.

    Mostly none does: one look at all of them is quicker than statements that each look for what isn't there.
    """
    shown, ordered = (", ".join(f"{row}.{name}" for name in SHOWN) for row in "lk")
    cursor.execute(
        f"""
        SELECT coalesce(bool_or(d.mend), false) OR count(DISTINCT d.ordered) <> count(DISTINCT d.headed),
            coalesce(bool_or(d.position <> d.place), false)
        FROM (
            SELECT l.origin = 'usage' AND g.dropped_on IS NOT NULL OR l.origin = 'order' AND ({STALE_ORDER}
                    OR k.id IS NOT NULL AND ({shown}) IS DISTINCT FROM ({ordered}))
                    OR l.origin IN ('order', 'usage') AND l.purchase_order <> c.purchase_order AS mend,
                CASE WHEN l.origin = 'order' THEN l.order_id END AS ordered,
                CASE WHEN l.origin = 'order' AND l.is_order_head THEN l.order_id END AS headed, l.position, {SORTED}
        ) d
        """,
        given,
    )
    return cursor.fetchone()


def drop_stale_lines(cursor: Any, given: dict[str, Any]) -> None:
    """Lines of orders that were reversed or moved to another month, and of quantities that were corrected, go."""
    cursor.execute(
        f"""
        DELETE FROM billing_invoiceline l WHERE l.invoice_id = ANY(%(kept)s) AND (
            l.origin = 'order' AND EXISTS (SELECT FROM orders_order o WHERE o.id = l.order_id AND {STALE_ORDER})
            OR l.origin = 'usage' AND EXISTS (
                SELECT FROM orders_usagecharge u WHERE u.id = l.usage_charge_id AND u.dropped_on IS NOT NULL))
        """,
        given,
    )


def refresh_lines(cursor: Any, given: dict[str, Any]) -> None:
    """Lines say what the order lines say that they show (D23), and the buyer's number of the contract; of each order one line stands for it."""
    shown, ordered = (", ".join(f"{row}.{name}" for name in SHOWN) for row in "lo")
    cursor.execute(
        f"""
        UPDATE billing_invoiceline l SET {", ".join(f"{name} = o.{name}" for name in SHOWN)} FROM orders_orderline o
        WHERE l.origin = 'order' AND l.invoice_id = ANY(%(kept)s) AND o.id = l.order_line_id
            AND ({shown}) IS DISTINCT FROM ({ordered})
        """,
        given,
    )
    cursor.execute(
        """
        UPDATE billing_invoiceline l SET purchase_order = c.purchase_order FROM contracts_contract c
        WHERE l.origin IN ('order', 'usage') AND l.invoice_id = ANY(%(kept)s) AND c.id = l.contract_id
            AND l.purchase_order <> c.purchase_order
        """,
        given,
    )
    cursor.execute(
        """
        UPDATE billing_invoiceline l SET is_order_head = true FROM (
            SELECT min(l.id) AS id FROM billing_invoiceline l
            WHERE l.origin = 'order' AND l.invoice_id = ANY(%(kept)s)
            GROUP BY l.order_id HAVING NOT bool_or(l.is_order_head)
        ) headless WHERE l.id = headless.id
        """,
        given,
    )


def drop_empty(cursor: Any) -> None:
    """A draft that has lost all its lines goes; the database keeps its number (`NumberGone`, D20)."""
    cursor.execute(
        """
        SELECT d.id FROM draft d WHERE d.last = 0 AND NOT EXISTS (SELECT FROM unbilled u WHERE u.customer_id = d.customer_id)
        """
    )
    if empty := [row[0] for row in cursor.fetchall()]:
        cursor.execute("DELETE FROM billing_taxtotal WHERE invoice_id = ANY(%s)", [empty])
        cursor.execute("DELETE FROM billing_invoice WHERE id = ANY(%s)", [empty])


def find_unbilled(cursor: Any, given: dict[str, Any]) -> None:
    """Keep what is to be billed in a temporary table that the planner knows: in a batch the tables change too fast."""
    keep(cursor, {"unbilled": UNBILLED}, given, counted="customer_id")


def add_invoices(cursor: Any, given: dict[str, Any]) -> None:
    """A draft, numbered once, for each customer that has something to bill and no invoice yet.

    Its totals are written with it: changed later, each row would be written and its keys checked twice. Customers with the
    same sums have the same tax: Python rounds it once for all of them.
    """
    rounding = Vendor.objects.settings().rounding
    keep(cursor, {"new_total": NEW_TOTALS}, given, counted="customer_id")
    cursor.execute("SELECT DISTINCT exclusive, inclusive, tax_rate FROM new_total")
    totals = [
        (exclusive, inclusive, rate, *money.tax_total(exclusive, inclusive, rate, rounding))
        for exclusive, inclusive, rate in cursor.fetchall()
    ]
    if not totals:
        return
    month = given["month"]
    cursor.execute(
        f"""
        WITH class AS (
            SELECT t.customer_id, t.tax_kind AS kind, t.tax_rate AS rate, p.base, p.tax FROM new_total t
            LEFT JOIN unnest(%(exclusives)s::bigint[], %(inclusives)s::bigint[], %(rates)s::numeric[], %(bases)s::bigint[],
                %(taxes)s::bigint[]) AS p (exclusive, inclusive, rate, base, tax)
                ON (p.exclusive, p.inclusive, p.rate) = (t.exclusive, t.inclusive, t.tax_rate)
        ), made AS (
            INSERT INTO billing_invoice (customer_id, number, kind, state, month, subject, issued_on, due_on, fix_due_on,
                payment_method, rounding, net, tax, total, template)
            SELECT c.id, coalesce(g.number, %(series)s || {
            numbers.digits("%(first)s - 1 + row_number() OVER (PARTITION BY g.number IS NULL ORDER BY c.id)")
        }),
                'invoice', 'draft', %(month)s, %(subject)s, %(last)s, d.due_on, %(fix_due)s, c.payment_method, %(rounding)s,
                s.net, s.tax, s.net + s.tax, 'v1'
            FROM (SELECT customer_id, sum(base)::bigint AS net, sum(tax)::bigint AS tax FROM class GROUP BY 1) s
            JOIN accounts_customer c ON c.id = s.customer_id JOIN {DUE}
            LEFT JOIN unnest(%(again)s::bigint[], %(numbers)s::text[]) AS g (customer_id, number) ON g.customer_id = c.id
            ORDER BY c.id
            RETURNING id, customer_id
        )
        INSERT INTO billing_taxtotal (invoice_id, customer_id, kind, rate, base, tax)
        SELECT made.id, class.customer_id, class.kind, class.rate, class.base, class.tax
        FROM class JOIN made ON made.customer_id = class.customer_id
        """,
        given
        | arrays(totals, "exclusives", "inclusives", "rates", "bases", "taxes")
        | numbers_for(cursor, given)
        | {
            "subject": f"{month.year}年{month.month}月分ご利用料金",
            "last": months.last_day(month),
            "rounding": rounding,
        },
    )


def numbers_for(cursor: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Parameters for the new invoices' numbers: who gets the one back that went (D20), and the `first` of those for the others."""
    cursor.execute(
        f"""
        SELECT DISTINCT ON (g.customer_id) g.customer_id, g.number FROM billing_numbergone g
        WHERE g.month = %(month)s AND g.customer_id IN (SELECT customer_id FROM new_total) AND NOT EXISTS (
            SELECT FROM billing_invoice i WHERE i.customer_id = g.customer_id AND i.month = g.month AND {FIXED_SQL})
        ORDER BY g.customer_id, g.id
        """,
        given,
    )
    back = cursor.fetchall()
    cursor.execute("SELECT count(DISTINCT customer_id) FROM new_total")
    others = cursor.fetchone()[0] - len(back)
    series = numbers.invoice_series(given["month"])
    first = numbers.reserve(series, others) if others else None
    return arrays(back, "again", "numbers") | {"series": series, "first": first}


def add_lines(cursor: Any, given: dict[str, Any]) -> int:
    """Copy what is unbilled behind what the drafts have; returns how many lines. Keeps in `draft` what the drafts had."""
    drafted = f"""
        SELECT i.id, i.customer_id, coalesce(max(l.position), 0) AS last
        FROM (SELECT i.id, i.customer_id FROM {DRAFTS}) i
        LEFT JOIN billing_invoiceline l ON l.invoice_id = i.id GROUP BY i.id, i.customer_id
    """
    keep(cursor, {"draft": drafted}, given, counted="customer_id")
    cursor.execute(
        """
        INSERT INTO billing_invoiceline (customer_id, invoice_id, position, origin, contract_id, service_id, order_id,
            order_line_id, usage_charge_id, replaces_id, root_id, is_order_head, product_code, item, specification, purchase_order, starts_on, ends_on, quantity,
            unit, unit_price, amount, price_basis, tax_kind, tax_rate)
        SELECT u.customer_id, d.id,
            d.last + row_number() OVER (PARTITION BY d.id ORDER BY u.contract_id, u.place, u.position),
            u.origin, u.contract_id, u.service_id, u.order_id, u.order_line_id, u.usage_charge_id, u.replaces_id, u.root_id,
            u.is_head, u.product_code, u.item, u.specification, u.purchase_order, u.starts_on, u.ends_on, u.quantity, u.unit, u.unit_price, u.amount, u.price_basis,
            u.tax_kind, u.tax_rate
        FROM unbilled u JOIN draft d ON d.customer_id = u.customer_id
        """
    )
    return cursor.rowcount


def put_in_order(cursor: Any, given: dict[str, Any]) -> None:
    """Number the lines of the drafts."""
    cursor.execute(
        f"""
        UPDATE billing_invoiceline l SET position = n.place FROM (SELECT l.id, {SORTED}) n
        WHERE l.id = n.id AND l.position <> n.place
        """,
        given,
    )


def set_totals(cursor: Any, given: dict[str, Any]) -> None:
    """Tax once per tax class and invoice (D7): the database sums, `money.tax_total` rounds, what differs goes back as one set."""
    cursor.execute(
        """
        SELECT i.id, i.customer_id, i.net, i.tax, i.rounding, l.tax_kind, l.tax_rate,
            coalesce(sum(l.amount) FILTER (WHERE l.price_basis = 'exclusive'), 0)::bigint,
            coalesce(sum(l.amount) FILTER (WHERE l.price_basis = 'inclusive'), 0)::bigint
        FROM billing_invoiceline l JOIN billing_invoice i ON i.id = l.invoice_id
        WHERE i.id = ANY(%(kept)s) GROUP BY i.id, l.tax_kind, l.tax_rate
        """,
        given,
    )
    totals, shown = [], {}
    summed: dict[int, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for invoice, customer, net, tax, rounding, kind, rate, exclusive, inclusive in cursor.fetchall():
        total = money.tax_total(exclusive, inclusive, rate, rounding)
        totals.append((invoice, customer, kind, rate, *total))
        shown[invoice] = (net, tax)
        summed[invoice] = (summed[invoice][0] + total.base, summed[invoice][1] + total.tax)
    cursor.execute(
        "SELECT invoice_id, customer_id, kind, rate, base, tax FROM billing_taxtotal WHERE invoice_id = ANY(%(kept)s)",
        given,
    )
    wrong = {invoice for invoice, *_class in set(totals) ^ set(cursor.fetchall())}
    wrong |= {invoice for invoice in shown if shown[invoice] != summed[invoice]}
    if not wrong:
        return
    totals = [total for total in totals if total[0] in wrong]
    made = {"wrong": sorted(wrong)} | arrays(totals, "invoices", "owners", "kinds", "rates", "bases", "taxes")
    new = """unnest(%(invoices)s::bigint[], %(owners)s::bigint[], %(kinds)s::text[], %(rates)s::numeric[],
        %(bases)s::bigint[], %(taxes)s::bigint[]) AS n (invoice_id, customer_id, kind, rate, base, tax)"""
    cursor.execute(
        f"""
        DELETE FROM billing_taxtotal t WHERE t.invoice_id = ANY(%(wrong)s)
            AND NOT EXISTS (SELECT FROM {new} WHERE n.invoice_id = t.invoice_id AND n.kind = t.kind AND n.rate = t.rate)
        """,
        made,
    )
    cursor.execute(
        f"""
        INSERT INTO billing_taxtotal AS t (invoice_id, customer_id, kind, rate, base, tax) SELECT * FROM {new}
        ON CONFLICT (invoice_id, kind, rate) DO UPDATE SET base = excluded.base, tax = excluded.tax
            WHERE (t.base, t.tax) IS DISTINCT FROM (excluded.base, excluded.tax)
        """,
        made,
    )
    cursor.execute(
        f"""
        UPDATE billing_invoice i SET net = s.net, tax = s.tax, total = s.net + s.tax
        FROM (SELECT invoice_id, sum(base)::bigint AS net, sum(tax)::bigint AS tax FROM {new} GROUP BY 1) s
        WHERE i.id = s.invoice_id AND (i.net, i.tax) IS DISTINCT FROM (s.net, s.tax)
        """,
        made,
    )
