"""What a month lacks: orders of terms, invoices of orders, files and notices of invoices."""

from django.utils.translation import gettext_lazy

from billing.models import CHARGING_SQL, DRAFT_SQL
from billing.month.checks.findings import BROKEN, NOTICE, WARNING, Question
from contracts.models import CHARGED_SQL

QUESTIONS = [
    Question(
        "term_without_order",
        BROKEN,
        gettext_lazy("注文のない契約期間"),
        f"""
        SELECT c.number AS document, a.number AS customer, to_char(t.starts_on, 'YYYY/MM/DD') AS text
        FROM contracts_term t JOIN contracts_contract c ON c.id = t.contract_id JOIN accounts_customer a ON a.id = c.customer_id
        CROSS JOIN portal_vendor v
        WHERE date_trunc('month', t.starts_on) = %(month)s AND t.dropped_on IS NULL AND c.withdrawn_on IS NULL
            AND (c.cancel_on IS NULL OR t.starts_on <= c.cancel_on) AND t.starts_on >= greatest(v.first_month, c.bill_from)
            AND NOT EXISTS (SELECT FROM orders_order o WHERE o.term_id = t.id AND o.kind <> 'addition' AND o.reversed_on IS NULL)
            AND EXISTS (SELECT FROM contracts_contractline l WHERE l.contract_id = c.id AND {CHARGED_SQL}
                AND (c.form <> 'yearly' OR l.charge_from IS NULL OR date_trunc('month', l.charge_from) <= %(month)s))
        """,
    ),
    Question(
        "order_without_invoice",
        BROKEN,
        gettext_lazy("請求に入っていない注文"),
        """
        SELECT o.number AS document, c.number AS customer FROM orders_order o JOIN accounts_customer c ON c.id = o.customer_id
        WHERE o.month = %(month)s AND o.reversed_on IS NULL
            AND EXISTS (SELECT FROM orders_orderline l WHERE l.order_id = o.id AND NOT EXISTS (
                SELECT FROM billing_invoiceline b WHERE b.order_line_id = l.id))
            AND NOT EXISTS (SELECT FROM billing_parked p WHERE p.customer_id = o.customer_id AND p.month <= %(month)s)
        """,
    ),
    Question(
        "usage_without_invoice",
        BROKEN,
        gettext_lazy("請求に入っていない使用量"),
        """
        SELECT k.number || ' ' || m.item AS what, k.number AS document, c.number AS customer
        FROM orders_usage u JOIN accounts_customer c ON c.id = u.customer_id
        JOIN contracts_meter m ON m.id = u.meter_id JOIN contracts_contract k ON k.id = m.contract_id
        WHERE u.month = %(month)s AND EXISTS (SELECT FROM orders_usagecharge g WHERE g.usage_id = u.id AND g.dropped_on IS NULL
                AND NOT EXISTS (SELECT FROM billing_invoiceline b WHERE b.usage_charge_id = g.id AND b.origin = 'usage'))
            AND NOT EXISTS (SELECT FROM billing_parked p WHERE p.customer_id = u.customer_id AND p.month <= %(month)s)
        """,
    ),
    Question(
        "draft_after_close",
        BROKEN,
        gettext_lazy("締めた月に残る未確定の請求"),
        f"""
        SELECT i.number AS document, c.number AS customer FROM billing_invoice i JOIN accounts_customer c ON c.id = i.customer_id
        WHERE i.month = %(month)s AND {DRAFT_SQL}
            AND NOT EXISTS (SELECT FROM billing_parked p WHERE p.customer_id = i.customer_id AND p.month = %(month)s)
        """,
        after=True,
    ),
    Question(
        "pdf_missing",
        BROKEN,
        gettext_lazy("PDFのない請求"),
        """
        SELECT i.number AS document, c.number AS customer FROM billing_invoice i JOIN accounts_customer c ON c.id = i.customer_id
        WHERE i.month = %(month)s AND i.state <> 'draft' AND i.kind <> 'imported' AND NOT i.without_document
            AND NOT EXISTS (SELECT FROM billing_invoicepdf p WHERE p.invoice_id = i.id)
            AND NOT EXISTS (SELECT FROM billing_rendering r WHERE r.invoice_id = i.id AND r.parked_at IS NOT NULL)
        """,
        after=True,
    ),
    Question(
        "mail_missing",
        BROKEN,
        gettext_lazy("お知らせのない請求"),
        f"""
        SELECT i.number AS document, c.number AS customer FROM billing_invoice i JOIN accounts_customer c ON c.id = i.customer_id
        WHERE i.month = %(month)s AND i.kind <> 'imported' AND NOT i.without_document AND (i.state = 'void'
                OR i.state = 'fixed' AND EXISTS (SELECT FROM billing_invoicepdf p WHERE p.invoice_id = i.id))
            -- A vendor may keep quiet about those of 0 yen, and change that at any time (D29).
            AND NOT (i.kind = 'invoice' AND i.total = 0)
            AND NOT EXISTS (SELECT FROM portal_mail m WHERE m.key = {NOTICE} AND m.customer_id = i.customer_id)
        """,
        after=True,
    ),
    Question(
        "rebill_missing",
        BROKEN,
        gettext_lazy("請求に入っていない再請求"),
        f"""
        SELECT i.number AS document, c.number AS customer, l.item AS text FROM billing_correction v
        JOIN billing_invoice i ON i.id = v.invoice_id JOIN accounts_customer c ON c.id = i.customer_id
        JOIN billing_invoiceline l ON l.invoice_id = i.id AND {CHARGING_SQL}
        LEFT JOIN contracts_contract k ON k.id = l.contract_id
        WHERE v.what = 'rebill' AND v.month = %(month)s AND k.withdrawn_on IS NULL
            AND NOT EXISTS (SELECT FROM billing_invoiceline r WHERE r.replaces_id = l.id AND r.origin = 'rebill')
        """,
    ),
    Question(
        "contract_without_order",
        WARNING,
        gettext_lazy("契約中なのにこの月の注文がない月額契約"),
        """
        SELECT k.number AS document, c.number AS customer FROM contracts_contract k JOIN accounts_customer c ON c.id = k.customer_id
        WHERE %(month)s >= (SELECT first_month FROM portal_vendor)  -- before it the old system billed
            AND k.form = 'monthly' AND k.auto_renew AND k.start_on <= %(last)s AND k.withdrawn_on IS NULL
            AND (k.bill_from IS NULL OR k.bill_from <= %(month)s)
            AND (k.cancel_on IS NULL OR k.cancel_on >= %(month)s)
            AND NOT EXISTS (SELECT FROM orders_order o WHERE o.contract_id = k.id AND o.month = %(month)s
                AND o.reversed_on IS NULL)
            AND (EXISTS (SELECT FROM contracts_contractline l WHERE l.contract_id = k.id)
                OR NOT EXISTS (SELECT FROM contracts_meter m WHERE m.contract_id = k.id))
        """,
    ),
    Question(
        "usage_missing",
        WARNING,
        gettext_lazy("使用量が届いていない従量契約"),
        """
        SELECT k.number AS document, c.number AS customer, m.item AS text FROM contracts_meter m JOIN contracts_contract k ON k.id = m.contract_id
        JOIN accounts_customer c ON c.id = k.customer_id
        WHERE EXISTS (SELECT FROM contracts_term t WHERE t.contract_id = k.id AND t.dropped_on IS NULL
                AND t.starts_on <= %(last)s AND t.ends_on >= %(month)s)
            AND NOT EXISTS (SELECT FROM orders_usage u WHERE u.meter_id = m.id AND u.month = %(month)s)
        """,
    ),
]
