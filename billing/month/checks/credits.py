"""Whether credits add up, and what of them waits: counted from the entries and the lines that take them up (D28)."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Customer
from billing.month.checks.findings import BROKEN, WARNING, Asked, Finding, Question, found
from billing.proposals import proposals
from portal import months

CLASS = "c.customer_id, c.tax_kind, c.tax_rate, c.price_basis"
LINES = """
    SELECT l.customer_id, l.tax_kind, l.tax_rate, l.price_basis, - l.amount AS taken, i.state, i.month
    FROM billing_invoiceline l JOIN billing_invoice i ON i.id = l.invoice_id
    WHERE l.credit_id IS NOT NULL AND i.state IN ('draft', 'fixed')
"""
GIVEN = f"SELECT {CLASS}, sum(c.amount)::bigint AS given FROM billing_credit c GROUP BY 1, 2, 3, 4"
TEXT = "g.tax_kind || ' ' || g.tax_rate || ' ' || g.price_basis"

QUESTIONS = [
    Question(
        "credit_balance",
        BROKEN,
        gettext_lazy("合わない調整残高"),
        f"""
        SELECT u.number AS customer, i.number AS document, g.given - coalesce(t.taken, 0) AS expected,
            coalesce((x.kept ->> 'yen')::bigint, 0) AS found, {TEXT} AS text
        FROM ({GIVEN}) g JOIN accounts_customer u ON u.id = g.customer_id
        JOIN billing_invoice i ON i.customer_id = g.customer_id AND i.month = %(month)s AND i.state = 'draft'
            AND i.kind IN ('invoice', 'correction')
        LEFT JOIN LATERAL (
            SELECT sum(l.taken)::bigint AS taken FROM ({LINES}) l
            WHERE (l.customer_id, l.tax_kind, l.tax_rate, l.price_basis)
                = (g.customer_id, g.tax_kind, g.tax_rate, g.price_basis) AND (l.state = 'fixed' OR l.month <= i.month)
        ) t ON true
        LEFT JOIN LATERAL (
            SELECT kept FROM jsonb_array_elements(i.credit_left) kept WHERE kept ->> 'kind' = g.tax_kind
                AND (kept ->> 'rate')::numeric = g.tax_rate AND kept ->> 'basis' = g.price_basis
        ) x ON true
        WHERE g.given - coalesce(t.taken, 0) <> coalesce((x.kept ->> 'yen')::bigint, 0)
        """,
    ),
    Question(
        "credit_balance",
        BROKEN,
        gettext_lazy("合わない調整残高"),
        """
        SELECT u.number AS customer, i.number AS document, 0 AS expected, - l.amount AS found, '調整残高のない調整 ' || l.item AS text
        FROM billing_invoiceline l JOIN billing_invoice i ON i.id = l.invoice_id JOIN accounts_customer u ON u.id = i.customer_id
        LEFT JOIN billing_credit c ON c.id = l.credit_id
        WHERE i.month = %(month)s AND l.credit_id IS NOT NULL AND (l.customer_id, l.tax_kind, l.tax_rate, l.price_basis)
            IS DISTINCT FROM (c.customer_id, c.tax_kind, c.tax_rate, c.price_basis)
        """,
    ),
    Question(
        "credit_open",
        WARNING,
        gettext_lazy("次の請求で使えない調整残高"),
        f"""
        SELECT u.number AS customer, to_char(g.given - coalesce(t.taken, 0), 'FM999,999,999,999,990') || ' ' || {TEXT} AS text
        FROM ({GIVEN}) g JOIN accounts_customer u ON u.id = g.customer_id
        LEFT JOIN (
            SELECT customer_id, tax_kind, tax_rate, price_basis, sum(taken)::bigint AS taken FROM ({LINES}) l GROUP BY 1, 2, 3, 4
        ) t USING (customer_id, tax_kind, tax_rate, price_basis)
        CROSS JOIN LATERAL (
            SELECT least(
                greatest((SELECT first_month FROM portal_vendor), (%(last_closed)s::date + interval '1 month')::date),
                (SELECT min(month) FROM billing_parked p WHERE p.customer_id = g.customer_id),
                (SELECT min(month) FROM billing_invoice d WHERE d.customer_id = g.customer_id AND d.state = 'draft')
            ) AS month
        ) earliest
        WHERE g.given > coalesce(t.taken, 0) AND NOT EXISTS (
            SELECT FROM ({LINES}) l WHERE l.state = 'draft' AND l.month = earliest.month
                AND (l.customer_id, l.tax_kind, l.tax_rate, l.price_basis)
                    = (g.customer_id, g.tax_kind, g.tax_rate, g.price_basis)
        )
        """,
        before=True,
    ),
    Question(
        "discount_lapsed",
        WARNING,
        gettext_lazy("引ききれない一括値引き"),
        """
        SELECT u.number AS customer, i.number AS document, d.amount AS expected, d.taken AS found, d.item AS text
        FROM (
            SELECT d.*, coalesce((SELECT - sum(l.amount) FROM billing_invoiceline l WHERE l.discount_id = d.id), 0)::bigint AS taken
            FROM billing_discount d
        ) d
        JOIN billing_invoice i ON i.id = d.invoice_id JOIN accounts_customer u ON u.id = d.customer_id
        WHERE i.month = %(month)s AND i.state IN ('draft', 'fixed') AND d.taken < d.amount
        """,
    ),
]


def undecided(asked: Asked) -> Finding:
    """Proposals that nobody has decided yet (D27), in every open month."""
    waiting = [] if asked.closed else proposals()
    numbers = Customer.objects.in_bulk({each.customer_id for each in waiting})
    words = _("%(item)s %(month)s %(yen)s円（%(basis)s） 請求番号 %(invoice)s 提案ID %(key)s")
    rows = [
        {
            "customer": numbers[each.customer_id].number,
            "document": each.contract,
            "text": words
            % {
                "item": each.item,
                "month": months.format_month(each.term_starts_on),
                "yen": f"{each.amount:,}",
                "basis": each.basis,
                "invoice": each.invoice,
                "key": each.key,
            },
        }
        for each in waiting
    ]
    return found("proposals", WARNING, _("返金を決めていない過請求"), rows)
