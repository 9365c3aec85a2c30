"""Whether a document's totals are those of its lines, counted once more."""

from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from billing.month.checks.findings import BROKEN, Asked, Finding, Question, found
from portal import money
from portal.templatetags.figures import percent

QUESTIONS = [
    Question(
        "totals",
        BROKEN,
        gettext_lazy("税区分と合わない合計"),
        """
        SELECT i.number AS document, c.number AS customer, 'net ' || i.net || ', tax ' || i.tax || ', total ' || i.total AS text
        FROM billing_invoice i JOIN accounts_customer c ON c.id = i.customer_id
        LEFT JOIN (SELECT invoice_id, sum(base) AS base, sum(tax) AS tax FROM billing_taxtotal GROUP BY 1) t ON t.invoice_id = i.id
        WHERE i.month = %(month)s AND (i.kind <> 'imported' OR t.invoice_id IS NOT NULL)  -- of some only totals are known
            AND (i.net, i.tax, i.total) IS DISTINCT FROM (coalesce(t.base, 0), coalesce(t.tax, 0), i.net + i.tax)
        """,
    ),
]


def tax(asked: Asked) -> Finding:
    """The tax of every class once more from the lines, by `money.tax_total` (D7)."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT i.number, c.number, i.rounding, coalesce(l.tax_rate, t.rate), coalesce(l.exclusive, 0),
                coalesce(l.inclusive, 0), t.base, t.tax
            FROM (
                SELECT invoice_id, tax_kind, tax_rate,
                    sum(amount) FILTER (WHERE price_basis = 'exclusive')::bigint AS exclusive,
                    sum(amount) FILTER (WHERE price_basis = 'inclusive')::bigint AS inclusive
                FROM billing_invoiceline WHERE invoice_id IN (SELECT id FROM billing_invoice WHERE month = %(month)s)
                GROUP BY 1, 2, 3
            ) l
            FULL JOIN (
                SELECT * FROM billing_taxtotal WHERE invoice_id IN (SELECT id FROM billing_invoice WHERE month = %(month)s)
            ) t ON t.invoice_id = l.invoice_id AND t.kind = l.tax_kind AND t.rate = l.tax_rate
            JOIN billing_invoice i ON i.id = coalesce(l.invoice_id, t.invoice_id)
            JOIN accounts_customer c ON c.id = i.customer_id
            WHERE i.kind <> 'imported' ORDER BY 1
            """,
            asked.values(),
        )
        wrong = [
            {
                "customer": customer,
                "document": number,
                "expected": right.tax,
                "found": stored_tax,
                "text": f"{percent(rate)}: {stored_base} + {stored_tax}",
            }
            for number, customer, rounding, rate, exclusive, inclusive, stored_base, stored_tax in cursor
            if (right := money.tax_total(exclusive, inclusive, rate, rounding)) != (stored_base, stored_tax)
        ]
    return found("tax", BROKEN, _("規則と合わない消費税"), wrong)
