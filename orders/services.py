"""What makes orders: one for each term that has lines in force, with its prices as of that term."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils.translation import gettext as _

from accounts.models import Customer, User
from contracts.models import CHARGED_SQL, Contract, ContractLine
from contracts.services import add_terms, save_contract
from orders.models import Order
from orders.usage import recharge_moved_months
from portal import money, months, numbers
from portal.models import VALID_SQL, PriceBasis, Vendor

# One row for each contract line that a term without an order makes the customer owe. The tax class is that of the last
# day of the line's period (D2); 日割 (D8) concerns monthly contracts only, since a year is charged once.
DUE_LINES = f"""
    SELECT t.id AS term_id, t.customer_id, t.contract_id, t.starts_on AS term_starts_on,
        CASE WHEN t.starts_on = c.start_on THEN 'new' ELSE 'renewal' END AS kind,
        l.id AS contract_line_id, l.position, l.product_code, l.item, l.specification, l.quantity, l.unit, l.unit_price,
        l.amount, l.amount AS net, l.price_basis, l.tax_kind, k.rate, p.starts_on, p.ends_on,
        CASE WHEN s.prorate AND c.form = 'monthly' THEN p.ends_on - p.starts_on + 1 END AS days
    FROM contracts_term t
    JOIN contracts_contract c ON c.id = t.contract_id
    JOIN contracts_service s ON s.id = c.service_id
    JOIN contracts_contractline l ON l.contract_id = c.id
        AND {CHARGED_SQL}
    CROSS JOIN LATERAL (
        SELECT greatest(t.starts_on, l.charge_from) AS starts_on, least(t.ends_on, l.charge_to) AS ends_on
    ) p
    LEFT JOIN portal_taxclass k ON k.kind = l.tax_kind
        AND {VALID_SQL.format(row="k", day="p.ends_on")}
    WHERE t.customer_id = ANY(%s) AND t.dropped_on IS NULL AND NOT EXISTS (SELECT FROM orders_order o WHERE o.term_id = t.id)
"""


@transaction.atomic
def start_contract(
    contract: Contract,
    lines: Sequence[ContractLine] = (),
    removed: Sequence[ContractLine] = (),
    *,
    today: date,
    by: User | None = None,
) -> Contract:
    """Store a contract with its lines (see `save_contract`); one that has begun gets its terms and orders up to `today` at once.

    Raises ValidationError.
    """
    Customer.objects.lock([contract.customer_id])  # a close in the middle of this customer ends first
    save_contract(contract, lines, removed, today=today, by=by)
    drop_outdated_terms(contract, today=today)
    add_terms([contract.customer_id], until=today)
    recharge_moved_months(contract, today=today)
    add_orders([contract.customer_id])
    return contract


def drop_outdated_terms(contract: Contract, *, today: date) -> None:
    """Take back the terms that end on another day than the 解約日 now says, and reverse their orders (D2).

    `add_terms` and `add_orders` then make what is right instead. A term whose order was billed stays as it was.
    """
    for term in contract.terms.standing():
        # Whether the contract renews doesn't matter to a term that it has.
        right = months.terms(
            contract.form, contract.start_on, end_on=contract.cancel_on, since=term.starts_on, until=term.starts_on
        )
        if right and right[0].ends_on == term.ends_on:
            continue
        order = term.orders.filter(reversed_on=None).first()
        if order and order.is_billed:
            continue
        if order and order.reversed_on is None:
            reverse(order, on=today)
        term.dropped_on = today
        term.save(update_fields=["dropped_on"])


def add_orders(customer_ids: list[int]) -> int:
    """Add the missing orders of these customers with their lines; returns how many. Raises ValidationError."""
    with connection.cursor() as cursor:
        # Materialised once: the numbers, the prices and the two inserts must see the same rows.
        cursor.execute("DROP TABLE IF EXISTS pg_temp.due_line")
        cursor.execute(f"CREATE TEMP TABLE due_line ON COMMIT DROP AS {DUE_LINES}", [customer_ids])
        cursor.execute("SELECT item, ends_on FROM due_line WHERE rate IS NULL LIMIT 1")
        if untaxed := cursor.fetchone():
            raise ValidationError(
                _("「%(item)s」の税率が %(day)s の税区分にありません。")
                % {"item": untaxed[0], "day": f"{untaxed[1]:%Y/%m/%d}"}
            )
        cursor.execute(
            "SELECT DISTINCT to_char(term_starts_on, 'YYYYMM'), date_trunc('month', term_starts_on)::date,"
            " count(DISTINCT term_id) FROM due_line GROUP BY 1, 2"
        )
        firsts = [
            (month, numbers.reserve(numbers.order_series(month), count)) for _yyyymm, month, count in cursor.fetchall()
        ]
        if not firsts:
            return 0
        price_due_lines(cursor)
        cursor.execute(
            """
            INSERT INTO orders_order (customer_id, contract_id, term_id, number, kind, ordered_on, month, starts_on, ends_on,
                amount, is_difference, prorate)
            SELECT d.customer_id, d.contract_id, d.term_id,
                'O' || to_char(f.month, 'YYYYMM') || '-'
                    || lpad((f.first - 1 + row_number() OVER (PARTITION BY f.month ORDER BY d.contract_id, d.term_id))::text, 6, '0'),
                d.kind, d.term_starts_on, f.month, d.starts_on, d.ends_on, d.net, false, d.prorate
            FROM (
                SELECT term_id, customer_id, contract_id, kind, term_starts_on, min(starts_on) AS starts_on,
                    max(ends_on) AS ends_on, sum(net)::bigint AS net, bool_or(days IS NOT NULL) AS prorate
                FROM due_line GROUP BY 1, 2, 3, 4, 5
            ) d
            JOIN unnest(%s::date[], %s::bigint[]) AS f (month, first) ON f.month = date_trunc('month', d.term_starts_on)
            """,
            [list(column) for column in zip(*firsts, strict=True)],
        )
        added = cursor.rowcount
        cursor.execute(
            """
            INSERT INTO orders_orderline (customer_id, order_id, contract_line_id, position, product_code, item,
                specification, starts_on, ends_on, quantity, unit, unit_price, amount, net, price_basis, tax_kind, tax_rate)
            SELECT d.customer_id, o.id, d.contract_line_id, d.position, d.product_code, d.item, d.specification,
                d.starts_on, d.ends_on, d.quantity, d.unit, d.unit_price, d.amount, d.net, d.price_basis, d.tax_kind, d.rate
            FROM due_line d JOIN orders_order o ON o.term_id = d.term_id
            """
        )
        return added


def price_due_lines(cursor: Any) -> None:
    """Replace the amounts of partial months (日割) and find the net of tax-inclusive lines; Python rounds (D7, D8)."""
    cursor.execute(
        "SELECT DISTINCT amount, price_basis, rate, days, date_trunc('month', ends_on)::date FROM due_line"
        " WHERE days IS NOT NULL OR price_basis = %s",
        [PriceBasis.INCLUSIVE],
    )
    keys = cursor.fetchall()
    mode = Vendor.objects.settings().rounding
    priced = []
    for amount, basis, rate, days, month in keys:
        due = amount if days is None else money.prorated(amount, days, months.days_in_month(month))
        net = money.tax_total(0, due, rate, mode).base if basis == PriceBasis.INCLUSIVE else due
        priced.append((amount, basis, rate, days, month, due, net))
    if priced:
        cursor.execute(
            """
            UPDATE due_line d SET amount = p.due, net = p.net
            FROM unnest(%s::bigint[], %s::text[], %s::numeric[], %s::int[], %s::date[], %s::bigint[], %s::bigint[])
                AS p (amount, basis, rate, days, month, due, net)
            WHERE d.amount = p.amount AND d.price_basis = p.basis AND d.rate = p.rate
                AND d.days IS NOT DISTINCT FROM p.days AND date_trunc('month', d.ends_on) = p.month
            """,
            [list(column) for column in zip(*priced, strict=True)],
        )


def reverse(order: Order, *, on: date) -> None:
    """Cancel an order before it is billed (取消). Raises ValidationError once its invoice is fixed."""
    if order.is_billed:
        raise ValidationError(_("請求済みの注文は取り消せません。"))
    order.reversed_on = on
    order.save(update_fields=["reversed_on"])
