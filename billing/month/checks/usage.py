"""Used quantities counted again: what each costs by the prices of its month, beside the charges that stand for it (D32)."""

from decimal import Decimal
from typing import Any

from billing.month.checks.documents import CODE, TITLE, question
from billing.month.checks.findings import BROKEN, Asked, Finding, found, select
from portal import money

# Quantities of the month with their prices, and the charges that count, both as lists of text.
CHARGED = """
    SELECT k.number AS document, c.number AS customer, m.item AS text, u.quantity, p.free_quantity, array[p.unit_price::text] || t.tiers AS ladder,
        g.charges
    FROM orders_usage u JOIN contracts_meter m ON m.id = u.meter_id JOIN contracts_contract k ON k.id = m.contract_id
    JOIN accounts_customer c ON c.id = u.customer_id
    JOIN LATERAL (SELECT * FROM contracts_meterprice p WHERE p.meter_id = m.id AND coalesce(p.since, '-infinity') <= u.month
        ORDER BY coalesce(p.since, '-infinity') DESC LIMIT 1) p ON true
    CROSS JOIN LATERAL (SELECT array_agg(above || ':' || unit_price ORDER BY above) AS tiers FROM contracts_metertier
        WHERE price_id = p.id) t
    JOIN LATERAL (SELECT array_agg(quantity || ':' || unit_price || ':' || amount ORDER BY position) AS charges
        FROM orders_usagecharge g WHERE g.usage_id = u.id AND g.dropped_on IS NULL) g ON g.charges IS NOT NULL
    WHERE u.month = %(month)s
"""

QUESTIONS = [
    question(
        """
        SELECT k.number AS document, c.number AS customer, u.quantity AS expected, 0 AS found, '料金になっていない使用量 ' || m.item AS text
        FROM orders_usage u JOIN contracts_meter m ON m.id = u.meter_id JOIN contracts_contract k ON k.id = m.contract_id
        JOIN accounts_customer c ON c.id = u.customer_id
        WHERE u.month = %(month)s AND u.quantity > 0 AND k.withdrawn_on IS NULL
            AND NOT EXISTS (SELECT FROM orders_usagecharge g WHERE g.usage_id = u.id AND g.dropped_on IS NULL)
            AND EXISTS (SELECT FROM contracts_term t WHERE t.contract_id = k.id AND t.dropped_on IS NULL AND t.starts_on <= %(last)s
                AND least(t.ends_on, k.cancel_on) >= greatest(t.starts_on, %(month)s))
        """
    )
]


def prices(asked: Asked) -> Finding:
    """Each quantity priced anew by `money.metered`, stretch by stretch."""
    return found(CODE, BROKEN, TITLE, [wrong for row in select(CHARGED, asked.values()) if (wrong := differing(row))])


def differing(row: dict[str, Any]) -> dict[str, Any] | None:
    """The row as a finding, if its charges aren't what its quantity costs."""
    first, *tiers = row["ladder"]
    parts = [("0", first), *(tier.split(":") for tier in tiers)]
    ladder = [(Decimal(above), Decimal(price)) for above, price in parts]
    right = money.metered(row["quantity"], row["free_quantity"], ladder)
    charges = [tuple(map(Decimal, charge.split(":"))) for charge in row["charges"]]
    if [(each.quantity, each.unit_price, each.amount) for each in right] == charges:
        return None
    told = {name: row[name] for name in ("document", "customer")}
    expected, now = sum(each.amount for each in right), int(sum(amount for _quantity, _price, amount in charges))
    if expected == now:
        quantity = sum(quantity for quantity, _price, _amount in charges)
        return told | {"expected": row["quantity"], "found": quantity, "text": f"使用量 {row['text']}"}
    return told | {"expected": expected, "found": now, "text": f"従量料金 {row['text']}"}
