"""Documents beside the record of what was done to them: their states, what arose in their place, and what that keeps of them (D6, D41)."""

from django.utils.translation import gettext_lazy

from billing.month.checks.documents import OWNED
from billing.month.checks.findings import BROKEN, Question

CODE, TITLE = "chain", gettext_lazy("訂正の記録と合わない請求")

MADE = "i.month = %(month)s AND i.kind IN ('correction', 'return')"
CORRECTED = f"{OWNED} LEFT JOIN billing_invoice o ON o.id = i.corrects_id AND o.customer_id = i.customer_id"
STATE = "CASE {} WHEN 'void' THEN '取消' WHEN 'replaced' THEN '差替済' WHEN 'fixed' THEN '確定' ELSE '未確定' END"
RECORDED = """CASE WHEN 'void' = ANY (done.what) THEN 'void' WHEN 'reissue' = ANY (done.what) THEN 'replaced'
    WHEN i.state IN ('void', 'replaced') OR done.what IS NOT NULL THEN 'fixed' ELSE i.state END"""


def question(sql: str) -> Question:
    return Question(CODE, BROKEN, TITLE, sql)


QUESTIONS = [
    question(
        f"""
        SELECT i.number AS document, c.number AS customer, {STATE.format(RECORDED)} AS expected, {STATE.format("i.state")} AS found,
            '請求状態' AS text
        FROM billing_invoice i {OWNED} CROSS JOIN LATERAL (
            SELECT array_agg(v.what) AS what FROM billing_correction v WHERE v.invoice_id = i.id) done
        WHERE i.month = %(month)s AND i.state <> {RECORDED}
        """
    ),
    question(
        f"""
        SELECT i.number AS document, c.number AS customer, r.number AS expected, o.number AS found, '訂正元' AS text
        FROM billing_invoice i {CORRECTED} LEFT JOIN billing_correction v ON v.made_id = i.id
            AND v.what = CASE i.kind WHEN 'return' THEN 'return' ELSE 'reissue' END
        LEFT JOIN billing_invoice r ON r.id = v.invoice_id
        WHERE {MADE} AND (r.id IS NULL OR o.id IS DISTINCT FROM r.id)
        """
    ),
    question(
        f"""
        SELECT i.number AS document, c.number AS customer, CASE v.what WHEN 'return' THEN '返還' ELSE '修正' END AS expected,
            NULL AS found, '訂正後の請求' AS text
        FROM billing_correction v JOIN billing_invoice i ON i.id = v.invoice_id {OWNED}
        WHERE i.month = %(month)s AND v.made_id IS NOT NULL AND NOT EXISTS (SELECT FROM billing_invoice n WHERE n.id = v.made_id)
        """
    ),
    question(
        f"""
        SELECT i.number AS document, c.number AS customer, has.expected, has.found, has.text
        FROM billing_invoice i {CORRECTED} CROSS JOIN LATERAL (VALUES
            ('請求日', to_char(i.fixed_on, 'YYYY/MM/DD'), to_char(i.issued_on, 'YYYY/MM/DD')),
            ('請求対象年月', to_char(o.month, 'YYYY/MM'), to_char(i.month, 'YYYY/MM')),
            ('支払方法', o.payment_method, i.payment_method),
            ('消費税の端数処理', o.rounding, i.rounding),
            ('支払期日', CASE WHEN i.kind = 'correction' AND o.due_on >= i.fixed_on THEN to_char(o.due_on, 'YYYY/MM/DD')
                WHEN i.kind = 'correction' AND i.due_on < i.fixed_on + 10 THEN '確定日から10日以上' END, to_char(i.due_on, 'YYYY/MM/DD'))
        ) AS has (text, expected, found)
        WHERE {MADE} AND has.expected <> has.found
        """
    ),
    # A 返還 has the class of what it gives back, and a 修正 that of what it replaces, unless kind or days were mended.
    question(
        f"""
        SELECT i.number AS document, c.number AS customer, concat_ws(' ', l.tax_kind, l.tax_rate, l.price_basis) AS expected,
            concat_ws(' ', b.tax_kind, b.tax_rate, b.price_basis) AS found, '税区分 ' || b.item AS text
        FROM billing_invoiceline b JOIN billing_invoice i ON i.id = b.invoice_id {OWNED}
        JOIN billing_invoiceline l ON l.id = b.replaces_id
        WHERE {MADE} AND CASE i.kind WHEN 'return' THEN (b.tax_kind, b.tax_rate, b.price_basis) <> (l.tax_kind, l.tax_rate, l.price_basis)
            ELSE b.tax_rate <> l.tax_rate AND (b.tax_kind, b.ends_on) = (l.tax_kind, l.ends_on) END
        """
    ),
]
