"""What each contract line owes of each term by its dates now, in sets for many customers at once (D24)."""

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import connection
from django.utils.translation import gettext as _

from contracts.models import CHARGED_SQL
from orders.billed import COUNTS, FROZEN, GIVEN, PROPOSED
from portal import money
from portal.db.ids import Ids
from portal.db.sets import arrays
from portal.db.temporary import keep
from portal.models import VALID_SQL, PriceBasis, Vendor

# What stands for these customers, and whether it still follows its contract.
ORDERS = f"""
    SELECT o.id, o.customer_id, o.contract_id, o.term_id, o.line_id, o.number, o.kind, o.month, o.amount, o.prorate, f.frozen,
        f.frozen AND NOT {COUNTS} AS aside
    FROM orders_order o CROSS JOIN LATERAL (SELECT {FROZEN} AS frozen) f
    WHERE o.customer_id = ANY(%(changed)s) AND o.reversed_on IS NULL
"""
# Each stored table is narrowed to the customers: joined by other keys alone, the planner reads all of it for every batch.
# All terms of customers with a change; of the others those that never had an order. 日割 is judged as it was when the term
# was billed. A term behind the 解約日 covers no day.
TERMS = """
    SELECT t.id, t.customer_id, t.contract_id, t.starts_on, t.ends_on, c.form, c.start_on, c.bill_from,
        greatest(v.first_month, c.bill_from) AS may, coalesce(x.own, false) AS own, coalesce(x.own_aside, false) AS own_aside,
        coalesce(x.prorate, s.prorate) AND c.form <> 'once' AS prorate
    FROM (
        SELECT t.* FROM contracts_term t WHERE t.customer_id = ANY(%(changed)s)
        UNION ALL
        SELECT t.* FROM contracts_term t
        WHERE t.customer_id = ANY(%(others)s) AND NOT EXISTS (
            SELECT FROM orders_order o WHERE o.term_id = t.id AND o.customer_id = ANY(%(others)s))
    ) t
    JOIN contracts_contract c ON c.id = t.contract_id AND c.customer_id = ANY(%(customers)s)
    JOIN contracts_service s ON s.id = c.service_id
    CROSS JOIN portal_vendor v
    LEFT JOIN (
        SELECT term_id, bool_or(kind <> 'addition') AS own, bool_or(kind <> 'addition' AND aside) AS own_aside,
            (array_agg(prorate ORDER BY id) FILTER (WHERE NOT aside))[1] AS prorate
        FROM followed_order WHERE frozen GROUP BY term_id
    ) x ON x.term_id = t.id
    WHERE t.dropped_on IS NULL AND c.withdrawn_on IS NULL AND (c.cancel_on IS NULL OR t.starts_on <= c.cancel_on)
"""
# Of a line in a term: ordered by orders that no longer follow (K), up to which day, whether any is set aside; and given back.
BILLED = f"""
    SELECT b.*, coalesce(g.given, 0) AS given FROM (
        SELECT o.customer_id, o.contract_id, o.term_id, l.contract_line_id, sum(l.amount)::bigint AS ordered,
            max(l.ends_on) AS ordered_to, bool_or(o.aside) AS aside
        FROM followed_order o JOIN orders_orderline l ON l.order_id = o.id
        WHERE o.frozen AND l.contract_line_id IS NOT NULL GROUP BY 1, 2, 3, 4
    ) b LEFT JOIN ({GIVEN}) g USING (contract_line_id, term_id)
"""
# One row for each line and term. The tax class is that of the last day of the line's period (D2). `part` of `whole` is what
# 日割 makes of it: days of the month, or months of the year.
LINES = f"""
    SELECT t.id AS term_id, t.customer_id, t.contract_id, t.starts_on AS term_starts_on, t.form, t.bill_from, t.may, t.own,
        t.own_aside, t.prorate, CASE WHEN t.starts_on = t.start_on THEN 'new' ELSE 'renewal' END AS kind,
        l.id AS contract_line_id, l.continues_id, l.position, l.product_code, l.item, l.specification, l.quantity, l.unit, l.unit_price,
        l.amount, l.amount AS net, l.price_basis, l.tax_kind, k.rate, p.starts_on, p.ends_on, p.begins_on,
        CASE WHEN NOT t.prorate THEN NULL WHEN t.form = 'monthly' THEN p.ends_on - p.starts_on + 1
            ELSE (date_part('year', p.ends_on) - date_part('year', p.starts_on)) * 12
                + date_part('month', p.ends_on) - date_part('month', p.starts_on) + 1 END::int AS part,
        CASE WHEN t.form = 'monthly' THEN date_part('day', date_trunc('month', t.starts_on) + interval '1 month - 1 day')
            ELSE 12 END::int AS whole,
        b.ordered, b.given, b.ordered_to, b.aside
    FROM followed_term t
    JOIN contracts_contractline l ON l.contract_id = t.contract_id AND l.customer_id = ANY(%(customers)s) AND {CHARGED_SQL}
    CROSS JOIN LATERAL (
        SELECT greatest(t.starts_on, l.charge_from) AS starts_on, least(t.ends_on, l.charge_to) AS ends_on,
            greatest(l.charge_from, t.start_on) AS begins_on
    ) p
    LEFT JOIN billed_line b ON b.term_id = t.id AND b.contract_line_id = l.id
    LEFT JOIN portal_taxclass k ON k.kind = l.tax_kind AND {VALID_SQL.format(row="k", day="p.ends_on")}
"""


# The same as parts of one statement, which writes nothing: what each line of which an order is frozen owes of its term, `due`
# still whole (`due_of` rounds), and up to which day (null: no day) it covers the term now.
OWED = f"""
    followed_order AS ({ORDERS}), followed_term AS ({TERMS}), billed_line AS ({BILLED}), due_line AS ({LINES}), owed_line AS (
        SELECT b.customer_id, b.contract_id, b.term_id, b.contract_line_id, coalesce(d.amount, 0)::bigint AS due, d.part, d.whole,
            b.ordered, d.ends_on AS covered_to
        FROM billed_line b LEFT JOIN due_line d USING (term_id, contract_line_id))
"""


def due_of(amount: int, part: int | None, whole: int | None) -> int:
    """Yen of a whole period's `amount`, in its own basis, that are due for its part; None: it isn't parted."""
    return amount if part is None or whole is None or part >= whole else money.prorated(amount, part, whole)


def asked_of(customers: Sequence[int]) -> dict[str, Ids]:
    """What `OWED` is asked with."""
    return {"changed": Ids(customers), "others": Ids(), "customers": Ids(customers)}


class Proposal(NamedTuple):
    """A billed line in a term that by its dates now owes less; `amount` is billed − given − owed, all yen in its basis."""

    customer_id: int
    contract_id: int
    contract: str
    contract_line_id: int
    term_id: int
    term_starts_on: date
    invoice_line_id: int
    invoice: str
    item: str
    price_basis: str
    billed: int
    given: int
    owed: int
    amount: int

    @property
    def basis(self) -> str:
        """Whether its yen are with tax, in words."""
        return str(PriceBasis(self.price_basis).label)

    @property
    def key(self) -> str:
        """By what people name it, as long as it is open."""
        return f"{self.contract_line_id}-{self.term_id}"


def proposed(customers: Sequence[int]) -> list[Proposal]:
    """What is billed to these customers beyond what they owe, until somebody decides (D27), by contract and term.

    One statement, to be asked by a role that sees all rows.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"WITH {OWED}, {PROPOSED}", asked_of(customers))
        rows = cursor.fetchall()
    found = [
        Proposal._make([*named, billed, given, owed := due_of(amount, part, whole), billed - given - owed])
        for *named, billed, given, amount, part, whole in rows
    ]
    return [each for each in found if each.amount > 0]


def find_lines(cursor: Any, changed: Ids, others: Ids) -> None:
    """Keep, in temporary tables, orders, terms and lines (`due_line`, with what they owe) of all terms of the customers
    `changed`, and of the terms of `others` that have no order."""
    given = {"changed": changed, "others": others, "customers": Ids(changed + others)}
    # Materialised: the numbers, the prices and the inserts must see the same rows.
    keep(
        cursor,
        {"followed_order": ORDERS, "followed_term": TERMS, "billed_line": BILLED, "due_line": LINES},
        given,
    )
    price_parts(cursor)


def price_parts(cursor: Any) -> None:
    """The amounts of partial periods (D8, D24); Python rounds."""
    cursor.execute("SELECT DISTINCT amount, part, whole FROM due_line WHERE part < whole")
    priced = [(*key, money.prorated(*key)) for key in cursor.fetchall()]
    if priced:
        cursor.execute(
            """
            UPDATE due_line d SET amount = p.due, net = p.due
            FROM unnest(%(amounts)s::bigint[], %(parts)s::int[], %(wholes)s::int[], %(dues)s::bigint[])
                AS p (amount, part, whole, due)
            WHERE (d.amount, d.part, d.whole) = (p.amount, p.part, p.whole)
            """,
            arrays(priced, "amounts", "parts", "wholes", "dues"),
        )


def price_nets(cursor: Any, table: str) -> None:
    """The net of the tax-inclusive lines in this table (D7). Raises ValidationError for a line without tax class."""
    cursor.execute(f"SELECT item, ends_on FROM {table} WHERE rate IS NULL ORDER BY 1, 2 LIMIT 1")
    if untaxed := cursor.fetchone():
        raise ValidationError(
            _("「%(item)s」の税率が %(day)s の税区分にありません。")
            % {"item": untaxed[0], "day": f"{untaxed[1]:%Y/%m/%d}"}
        )
    cursor.execute(f"SELECT DISTINCT amount, rate FROM {table} WHERE price_basis = %s", [PriceBasis.INCLUSIVE])
    if inclusive := cursor.fetchall():
        mode = Vendor.objects.settings().rounding
        priced = [(amount, rate, money.tax_total(0, amount, rate, mode).base) for amount, rate in inclusive]
        cursor.execute(
            f"""
            UPDATE {table} d SET net = p.net
            FROM unnest(%(amounts)s::bigint[], %(rates)s::numeric[], %(nets)s::bigint[]) AS p (amount, rate, net)
            WHERE d.price_basis = 'inclusive' AND (d.amount, d.rate) = (p.amount, p.rate)
            """,
            arrays(priced, "amounts", "rates", "nets"),
        )
