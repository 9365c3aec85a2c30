"""Orders follow their contracts until they are billed: made, changed in place and cancelled in sets (D2, D22 to D25)."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import connection
from django.utils.translation import gettext as _

from contracts.models import Contract
from contracts.services import add_terms
from orders.billed import FROZEN, closed
from orders.owed import find_lines, keep, price_nets
from portal import history, numbers
from portal.db.ids import Ids
from portal.models import Action, HistoryEvent, Vendor
from portal.templatetags.figures import yen


class Change(NamedTuple):
    """An order that a save or a run made, changed or cancelled: whole yen without tax before and after."""

    number: str
    contract_id: int
    before: int
    after: int


class Followed(NamedTuple):
    """How many terms and orders were added, and what became of the orders of customers with a change."""

    terms: int
    orders: int
    changes: list[Change]


class PastCharge(ValidationError):
    """What closed months would be charged with for a `contract` (id), of which `made` orders are new; the others rise (D25)."""

    def __init__(self, contract: int, count: int, more: int, made: int) -> None:
        params = {"count": count, "yen": yen(more)} | ({} if made else {"only_rises": True})
        told = _(
            "締めた月の分として、注文%(count)d件、%(yen)s円（税抜）の請求になります。請求する場合は「過去分も請求する」を"
            "選び、請求しない場合は請求開始年月を入力してください。"
        )
        if not made:
            told = _(
                "締めた月の注文%(count)d件が、合わせて%(yen)s円（税抜）増えます。増やす場合は「過去分も請求する」を選んでください。"
            )
        super().__init__(told, code="charge_past", params=params)
        self.contract = contract


def follow(
    customer_ids: Sequence[int], *, today: date, until: date, saved: Sequence[int] = (), charge_past: bool = False
) -> Followed:
    """Bring terms and unbilled orders of these customers in line with their contracts, tax classes and settings.

    The caller has locked the customers. Terms and orders are added up to the day `until` (D31). Who has no change since the
    last time gets what is missing only. What closed months would be charged with is left alone (D25), but for contracts (ids)
    that somebody `saved`, at least one of each customer: it is made if they asked to `charge_past`, else refused; so is what
    an order of a closed month would rise by. Raises ValidationError: for that a `PastCharge` of each
    contract, code `charge_past`, params `count` and `yen`, and `only_rises` where no order is new; and for a line without tax class.
    """
    customer_ids = Ids(customer_ids)
    Vendor.objects.settings()
    with connection.cursor() as cursor:
        changed = take_pending(cursor, customer_ids, until)
        if saved:
            changed = Ids(sorted(customer_ids))
        if changed:
            move_terms(cursor, changed, today)
        terms = add_terms(customer_ids, until=until)
        find_lines(cursor, changed, Ids(sorted({*customer_ids} - {*changed})))
        find_wanted(cursor, today)
        leave_past(cursor, saved, charge_past)
        orders = make(cursor, today, until)
        changes = []
        if changed:
            cancel(cursor, today)
            remake(cursor)
            changes = changes_of(cursor, changed)
    return Followed(terms, orders, changes)


def take_pending(cursor: Any, customer_ids: Ids, until: date) -> Ids:
    """Those with a change that their orders have yet to follow, or with a line that begins inside a year by now.

    Taken before anything is read: who changes something meanwhile waits, and puts the customer down again.
    """
    cursor.execute("DELETE FROM orders_pending WHERE customer_id = ANY(%s) RETURNING customer_id", [customer_ids])
    pending = {row[0] for row in cursor.fetchall()}
    cursor.execute(
        """
        SELECT DISTINCT l.customer_id FROM contracts_contract c
        JOIN contracts_contractline l ON l.contract_id = c.id AND l.charge_from <= %(until)s
        JOIN contracts_term t ON t.contract_id = c.id AND t.dropped_on IS NULL
            AND l.charge_from BETWEEN t.starts_on AND t.ends_on
        WHERE c.customer_id = ANY(%(customers)s) AND c.form = 'yearly' AND NOT EXISTS (
            SELECT FROM orders_orderline x JOIN orders_order o ON o.id = x.order_id
            WHERE x.contract_line_id = l.id AND o.term_id = t.id AND o.reversed_on IS NULL)
        """,
        {"customers": customer_ids, "until": until},
    )
    return Ids(sorted(pending | {row[0] for row in cursor.fetchall()}))


def move_terms(cursor: Any, customer_ids: Ids, today: date) -> None:
    """Terms end as the 解約日 now says. Those behind it go, but for billed ones and what lies before them; so no gap arises."""
    given = {"customers": customer_ids, "today": today}
    cursor.execute(
        f"""
        UPDATE contracts_term t SET dropped_on = %(today)s FROM contracts_contract c
        WHERE c.id = t.contract_id AND t.customer_id = ANY(%(customers)s) AND t.dropped_on IS NULL
            AND (c.withdrawn_on IS NOT NULL OR c.cancel_on < t.starts_on AND NOT EXISTS (
                SELECT FROM contracts_term later JOIN orders_order o ON o.term_id = later.id
                WHERE later.contract_id = t.contract_id AND later.starts_on >= t.starts_on
                    AND later.dropped_on IS NULL AND {FROZEN}))
        """,
        given,
    )
    cursor.execute(
        """
        UPDATE contracts_term t SET ends_on = n.ends_on FROM (
            SELECT t.id, CASE WHEN c.cancel_on >= t.starts_on THEN least(c.cancel_on, w.ends_on) ELSE w.ends_on END AS ends_on
            FROM contracts_term t JOIN contracts_contract c ON c.id = t.contract_id CROSS JOIN LATERAL (
                SELECT (date_trunc('month', t.starts_on) + CASE c.form WHEN 'yearly' THEN interval '12 months'
                    ELSE interval '1 month' END - interval '1 day')::date AS ends_on
            ) w
            WHERE t.customer_id = ANY(%(customers)s) AND t.dropped_on IS NULL
        ) n WHERE n.id = t.id AND t.ends_on <> n.ends_on
        """,
        given,
    )


# How a line is charged beside the orders that are billed or set aside: with its term, by a 追加 of its own, as the
# difference that a billed term still owes, or (null) not at all.
PLACE = """
    CASE WHEN d.ordered IS NULL AND NOT d.own AND d.term_starts_on >= d.may AND NOT (d.form = 'yearly'
            AND d.begins_on >= date_trunc('month', d.term_starts_on) + interval '1 month') THEN 'term'
        WHEN d.ordered IS NULL AND d.begins_on >= greatest(d.term_starts_on, d.may)
            THEN CASE WHEN d.begins_on <= %(today)s THEN 'addition' END
        WHEN (d.ordered IS NOT NULL OR d.own) AND NOT coalesce(d.aside, false) AND NOT d.own_aside
            AND (d.bill_from IS NULL OR d.term_starts_on >= d.bill_from) THEN 'difference'
    END
"""
WANTED = f"""
    SELECT d.term_id, d.customer_id, d.contract_id, d.term_starts_on, d.begins_on, d.contract_line_id, d.continues_id, d.position,
        CASE WHEN p.place <> 'term' THEN d.contract_line_id END AS line_id, p.place = 'difference' AS is_difference,
        CASE WHEN p.place = 'term' THEN d.kind ELSE 'addition' END AS kind, d.prorate, d.product_code, d.specification,
        CASE WHEN p.place = 'difference' THEN left(d.item, 96) || '（差額）' ELSE d.item END AS item,
        CASE WHEN p.place = 'difference' AND d.ordered_to < d.ends_on THEN greatest(d.starts_on, d.ordered_to + 1)
            ELSE d.starts_on END AS starts_on, d.ends_on,
        CASE WHEN p.place = 'difference' THEN 1 ELSE d.quantity END AS quantity, d.unit,
        CASE WHEN p.place = 'difference' THEN p.more ELSE d.unit_price END AS unit_price,
        CASE WHEN p.place = 'difference' THEN p.more ELSE d.amount END AS amount,
        CASE WHEN p.place = 'difference' THEN p.more ELSE d.amount END AS net, d.price_basis, d.tax_kind, d.rate
    FROM due_line d CROSS JOIN LATERAL (
        SELECT {PLACE} AS place, d.amount - (coalesce(d.ordered, 0) - coalesce(d.given, 0)) AS more
    ) p
    WHERE p.place IS NOT NULL AND NOT (p.place = 'difference' AND p.more <= 0)
"""
# Each beside the unbilled order that stands for it, if there is one. What would charge a closed month is `past`; an order of
# one that comes to more has `risen`: a person is asked, a run lets it follow.
WANTED_ORDERS = f"""
    SELECT x.*, x.is_difference OR x.is_closed AS asked_for,
        CASE WHEN x.order_id IS NULL THEN (x.is_difference OR x.is_closed)
            WHEN x.is_closed AND NOT x.was_closed THEN x.amount > 0
            ELSE x.is_difference AND x.amount > x.former END AS past,
        coalesce(x.was_closed AND x.is_closed AND x.amount > x.former, false) AS risen,
        x.amount - CASE WHEN x.order_id IS NULL OR x.is_closed AND NOT x.was_closed THEN 0 ELSE x.former END AS more
    FROM (
        SELECT w.*, {closed("w.customer_id", "w.month")} AS is_closed, e.id AS order_id, e.amount AS former,
            e.id IS NOT NULL AND {closed("w.customer_id", "e.month")} AS was_closed
        FROM (
            SELECT term_id, line_id, customer_id, contract_id, kind, is_difference, min(starts_on) AS starts_on,
                max(ends_on) AS ends_on, bool_or(prorate) AS prorate, sum(net)::bigint AS amount,
                CASE WHEN line_id IS NULL THEN term_starts_on ELSE begins_on END AS begins_on,
                date_trunc('month', CASE WHEN is_difference THEN greatest(term_starts_on, begins_on)
                    WHEN line_id IS NULL THEN term_starts_on ELSE begins_on END)::date AS month
            FROM wanted_line GROUP BY term_id, line_id, customer_id, contract_id, kind, is_difference, term_starts_on, 11, 12
        ) w
        LEFT JOIN followed_order e ON e.term_id = w.term_id AND coalesce(e.line_id, 0) = coalesce(w.line_id, 0)
            AND NOT e.frozen
    ) x
"""


def find_wanted(cursor: Any, today: date) -> None:
    """Keep what must be ordered in the temporary tables `wanted_line` and `wanted_order`."""
    keep(cursor, {"wanted_line": WANTED}, {"today": today})
    price_nets(cursor, "wanted_line")
    put_in_place(cursor)
    keep(cursor, {"wanted_order": WANTED_ORDERS})


def put_in_place(cursor: Any) -> None:
    """A line that continues another one (D23) stands in its term's order, and so on the invoice, where that one stood."""
    cursor.execute("SELECT EXISTS (SELECT FROM wanted_line WHERE continues_id IS NOT NULL)")
    if not cursor.fetchone()[0]:
        return
    cursor.execute(
        """
        WITH RECURSIVE way (line_id, former_id, position) AS (
            SELECT DISTINCT contract_line_id, continues_id, position FROM wanted_line WHERE continues_id IS NOT NULL
            UNION
            SELECT w.line_id, f.continues_id, f.position FROM way w JOIN contracts_contractline f ON f.id = w.former_id
        )
        UPDATE wanted_line w SET position = n.place
        FROM (
            SELECT d.term_id, d.contract_line_id,
                row_number() OVER (PARTITION BY d.term_id ORDER BY coalesce(f.position, d.position), d.starts_on, d.position) AS place
            FROM wanted_line d LEFT JOIN way f ON f.line_id = d.contract_line_id AND f.former_id IS NULL
            WHERE d.line_id IS NULL AND d.term_id IN (SELECT term_id FROM wanted_line WHERE continues_id IS NOT NULL)
        ) n
        WHERE w.line_id IS NULL AND (w.term_id, w.contract_line_id) = (n.term_id, n.contract_line_id)
        """
    )


def leave_past(cursor: Any, saved: Sequence[int], charge_past: bool) -> None:
    """Closed months are charged, or charged more, for `saved` contracts alone, and only if that was asked for (D25)."""
    given = [list(saved)]
    if saved and not charge_past:
        cursor.execute(
            """
            SELECT contract_id, count(*), sum(more)::bigint, count(*) FILTER (WHERE past) FROM wanted_order
            WHERE (past OR risen) AND contract_id = ANY(%s) GROUP BY 1 ORDER BY 1
            """,
            given,
        )
        refused = [PastCharge(*row) for row in cursor.fetchall()]
        if refused:
            raise refused[0] if len(refused) == 1 else ValidationError(refused)
    cursor.execute("UPDATE wanted_order SET past = false WHERE past AND contract_id = ANY(%s)", given)


def make(cursor: Any, today: date, until: date) -> int:
    """Add the orders that are missing, each with its lines; returns how many."""
    given: dict[str, Any] = {"today": today, "until": until}
    missing = """wanted_order w WHERE w.order_id IS NULL AND NOT w.past
        AND (w.line_id IS NULL OR w.asked_for OR w.begins_on <= %(until)s)"""
    cursor.execute(f"SELECT w.month, count(*) FROM {missing} GROUP BY 1 ORDER BY 1", given)
    counts = cursor.fetchall()
    if not counts:
        return 0
    given["months"] = [month for month, _count in counts]
    given["firsts"] = [numbers.reserve(numbers.order_series(month), count) for month, count in counts]
    cursor.execute(
        f"""
        WITH made AS (
            INSERT INTO orders_order (customer_id, contract_id, term_id, line_id, number, kind, ordered_on, month, starts_on,
                ends_on, amount, is_difference, prorate)
            SELECT d.customer_id, d.contract_id, d.term_id, d.line_id,
                'O' || to_char(f.month, 'YYYYMM') || '-' || {numbers.digits("f.first - 1 + d.row")}, d.kind,
                CASE WHEN d.asked_for THEN %(today)s ELSE d.begins_on END, d.month, d.starts_on, d.ends_on, d.amount,
                d.is_difference, d.prorate
            FROM (
                SELECT w.*, row_number() OVER (PARTITION BY w.month ORDER BY w.contract_id, w.term_id, w.line_id) AS row
                FROM {missing}
            ) d
            JOIN unnest(%(months)s::date[], %(firsts)s::bigint[]) AS f (month, first) ON f.month = d.month
            RETURNING id, term_id, line_id
        )
        INSERT INTO orders_orderline (order_id, {COLUMNS})
        SELECT made.id, {of("d")} FROM wanted_line d
        JOIN made ON made.term_id = d.term_id AND coalesce(made.line_id, 0) = coalesce(d.line_id, 0)
        """,
        given,
    )
    return sum(count for _month, count in counts)


COPIED = (
    "contract_line_id", "position", "product_code", "item", "specification", "starts_on", "ends_on", "quantity", "unit",
    "unit_price", "amount", "net", "price_basis", "tax_kind",
)  # fmt: skip
COLUMNS = f"customer_id, {', '.join(COPIED)}, tax_rate"


def of(row: str) -> str:
    """The values of `COLUMNS` in a row of `wanted_line`."""
    return f"{row}.customer_id, {', '.join(f'{row}.{name}' for name in COPIED)}, {row}.rate"


def cancel(cursor: Any, today: date) -> None:
    """An unbilled order of which nothing is owed any more becomes 取消, for good."""
    cursor.execute(
        """
        UPDATE orders_order o SET reversed_on = %s FROM followed_order e
        WHERE o.id = e.id AND NOT e.frozen AND NOT EXISTS (SELECT FROM wanted_order w WHERE w.order_id = e.id)
        """,
        [today],
    )


def remake(cursor: Any) -> None:
    """Unbilled orders keep their number, and get the lines that they should have."""
    kept = "wanted_order w WHERE w.order_id IS NOT NULL AND NOT w.past"
    same = "d.term_id = w.term_id AND coalesce(d.line_id, 0) = coalesce(w.line_id, 0)"
    facts = ("month", "starts_on", "ends_on", "amount", "is_difference", "prorate")
    old, new = (", ".join(f"{row}.{name}" for name in facts) for row in "ow")
    cursor.execute(
        f"""
        UPDATE orders_order o SET {", ".join(f"{name} = w.{name}" for name in facts)} FROM {kept} AND w.order_id = o.id
            AND ({old}) IS DISTINCT FROM ({new})
        """
    )
    cursor.execute(
        f"""
        DELETE FROM orders_orderline x USING {kept} AND x.order_id = w.order_id
            AND NOT EXISTS (SELECT FROM wanted_line d WHERE {same} AND d.contract_line_id = x.contract_line_id)
        """
    )
    names = [name for name in COPIED if name != "contract_line_id"]
    cursor.execute(
        f"""
        UPDATE orders_orderline x SET {", ".join(f"{name} = d.{name}" for name in names)}, tax_rate = d.rate
        FROM (SELECT w.order_id, d.* FROM wanted_line d JOIN wanted_order w ON {same}
            WHERE w.order_id IS NOT NULL AND NOT w.past) d
        WHERE x.order_id = d.order_id AND x.contract_line_id = d.contract_line_id
            AND ({", ".join(f"x.{name}" for name in names)}, x.tax_rate)
                IS DISTINCT FROM ({", ".join(f"d.{name}" for name in names)}, d.rate)
        """
    )
    cursor.execute(
        f"""
        INSERT INTO orders_orderline (order_id, {COLUMNS})
        SELECT w.order_id, {of("d")} FROM wanted_line d JOIN {kept.replace("WHERE", f"ON {same} WHERE")} AND NOT EXISTS (
            SELECT FROM orders_orderline x WHERE x.order_id = w.order_id AND x.contract_line_id = d.contract_line_id)
        """
    )


def changes_of(cursor: Any, customer_ids: Ids) -> list[Change]:
    """What became of the orders of these customers, by number."""
    cursor.execute(
        """
        SELECT o.number, o.contract_id, coalesce(e.amount, 0),
            CASE WHEN o.reversed_on IS NULL THEN o.amount ELSE 0 END AS after
        FROM orders_order o LEFT JOIN followed_order e ON e.id = o.id
        WHERE o.customer_id = ANY(%s) AND (o.reversed_on IS NULL OR e.id IS NOT NULL)
            AND (e.id IS NULL OR o.reversed_on IS NOT NULL OR o.amount <> e.amount)
        ORDER BY 1
        """,
        [customer_ids],
    )
    return [Change(*row) for row in cursor.fetchall()]


def record(changes: Sequence[Change], by: Any = None) -> None:
    """Keep in the history what became of orders that stood before, from how much to how much (D23, D40)."""
    HistoryEvent.objects.bulk_create(events_of(changes, by))


def events_of(changes: Sequence[Change], by: Any = None) -> list[HistoryEvent]:
    """The same, not stored yet: one for each contract."""
    of_contract = defaultdict(list)
    for change in changes:
        if change.before:
            of_contract[change.contract_id].append(change)
    events = []
    for contract in Contract.objects.filter(pk__in=of_contract).select_related("customer").order_by("pk"):
        own = of_contract[contract.pk]
        before = {f"注文{each.number}": yen(each.before) for each in own}
        after = {f"注文{each.number}": yen(each.after) if each.after else _("取消") for each in own}
        told = history.change(
            Action.CONTRACT_CHANGED, contract.number, before, after, by=by, customer=contract.customer
        )
        events += [told] if told else []
    return events
