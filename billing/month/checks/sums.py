"""The sum that must hold of every customer, whatever people did: what was ordered and used is what documents charge.

Counted by tax kind, rate and price basis over all months, with tax and without apart. Adjustments, 一括値引き and credits stand on
documents only; that credits given are taken up or left over is proved where they live.
"""

from django.utils.translation import gettext_lazy

from billing.month.checks.findings import BROKEN, Question

# Documents `i` that charge: provisional ones and those that hold.
CHARGING = "i.kind IN ('invoice', 'correction') AND i.state IN ('draft', 'fixed')"
CHARGES = "b.origin IN ('order', 'usage', 'rebill', 'correction')"
CLASS = "{row}.customer_id, {row}.tax_kind, {row}.tax_rate, {row}.price_basis"
# What a document shows, or should show by now; parked customers are named as such.
DUE = """(EXISTS (SELECT FROM billing_invoiceline b WHERE {shows})
    OR {owner}.month <= %(month)s AND NOT EXISTS (
        SELECT FROM billing_parked p WHERE p.customer_id = {owner}.customer_id AND p.month <= {owner}.month))"""
# Orders and charges whose newest document is 取消 and that no rebilled line took over.
SET_ASIDE = f"""
    SELECT b.order_id, b.usage_charge_id FROM billing_invoiceline b JOIN billing_invoice i ON i.id = b.invoice_id
    WHERE i.state IN ('void', 'replaced') AND {CHARGES}
    EXCEPT
    SELECT b.order_id, b.usage_charge_id FROM billing_invoiceline b JOIN billing_invoice i ON i.id = b.invoice_id
    WHERE {CHARGING} AND {CHARGES}
"""

QUESTIONS = [
    Question(
        "balance",
        BROKEN,
        gettext_lazy("注文・使用量と請求の合計の不一致"),
        f"""
        WITH aside AS MATERIALIZED ({SET_ASIDE}), entry (customer_id, tax_kind, tax_rate, price_basis, owed, billed) AS (
            SELECT {CLASS.format(row="l")}, l.amount, 0 FROM orders_orderline l JOIN orders_order o ON o.id = l.order_id
            WHERE o.reversed_on IS NULL AND o.id NOT IN (SELECT order_id FROM aside WHERE order_id IS NOT NULL)
                AND {DUE.format(shows="b.order_line_id = l.id AND b.origin = 'order'", owner="o")}
            UNION ALL
            SELECT {CLASS.format(row="g")}, g.amount, 0 FROM orders_usagecharge g JOIN orders_usage u ON u.id = g.usage_id
            WHERE g.dropped_on IS NULL
                AND g.id NOT IN (SELECT usage_charge_id FROM aside WHERE usage_charge_id IS NOT NULL)
                AND {DUE.format(shows="b.usage_charge_id = g.id AND b.origin = 'usage'", owner="u")}
            UNION ALL
            SELECT {CLASS.format(row="b")}, 0, b.amount FROM billing_invoiceline b JOIN billing_invoice i ON i.id = b.invoice_id
            WHERE {CHARGING} AND {CHARGES}
            UNION ALL -- what 修正 made of a line, also where 再請求 bills it as the 修正 had left it
            SELECT {CLASS.format(row="b")}, b.amount, 0
            FROM billing_invoiceline b JOIN billing_invoice i ON i.id = b.invoice_id
            WHERE {CHARGING} AND b.origin IN ('correction', 'rebill')
            UNION ALL -- in place of what was ordered or used
            SELECT b.customer_id, coalesce(l.tax_kind, g.tax_kind), coalesce(l.tax_rate, g.tax_rate),
                coalesce(l.price_basis, g.price_basis), - coalesce(l.amount, g.amount), 0
            FROM billing_invoiceline b JOIN billing_invoice i ON i.id = b.invoice_id
            LEFT JOIN orders_orderline l ON l.id = b.order_line_id LEFT JOIN orders_usagecharge g ON g.id = b.usage_charge_id
            WHERE {CHARGING} AND b.origin IN ('correction', 'rebill') AND (l.id IS NOT NULL OR g.id IS NOT NULL)
        ), wrong AS (
            SELECT customer_id, tax_kind, tax_rate, price_basis, sum(owed)::bigint AS owed, sum(billed)::bigint AS billed
            FROM entry GROUP BY 1, 2, 3, 4 HAVING sum(owed) <> sum(billed)
        )
        SELECT c.number AS customer, (SELECT max(i.number) FROM billing_invoice i
                WHERE i.customer_id = c.id AND i.month = %(month)s AND {CHARGING}) AS document,
            w.owed AS expected, w.billed AS found, w.tax_kind || ' ' || w.tax_rate || ' ' || w.price_basis AS text
        FROM wrong w JOIN accounts_customer c ON c.id = w.customer_id
        """,
    ),
    Question(
        "returned",
        BROKEN,
        gettext_lazy("請求した額を超える返還"),
        """
        SELECT c.number AS customer, i.number AS document, l.amount AS expected, r.amount AS found, l.item AS text
        FROM (
            SELECT b.replaces_id, - sum(b.amount)::bigint AS amount FROM billing_invoiceline b
            JOIN billing_invoice i ON i.id = b.invoice_id
            WHERE i.kind = 'return' AND i.state IN ('draft', 'fixed') AND b.replaces_id IS NOT NULL GROUP BY 1
        ) r JOIN billing_invoiceline l ON l.id = r.replaces_id JOIN billing_invoice i ON i.id = l.invoice_id
        JOIN accounts_customer c ON c.id = l.customer_id
        WHERE i.month = %(month)s AND (i.state <> 'fixed' OR abs(r.amount) > abs(l.amount) OR sign(r.amount) <> sign(l.amount))
        """,
    ),
]
