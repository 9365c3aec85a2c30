"""What is allowed, but seldom meant: jumps, nothing to pay, numbers that went, days billed beyond an end or not at all."""

from django.utils.translation import gettext_lazy

from billing.models import FIXED_SQL, LIVE_SQL
from billing.month.checks.findings import WARNING, Question
from portal.numbers import digits

QUESTIONS = [
    Question(
        "jump",
        WARNING,
        gettext_lazy("前月から大きく変わった請求"),
        f"""
        SELECT i.number AS document, c.number AS customer,
            to_char(b.total, 'FM999,999,999,999,999,990') || ' → ' || to_char(i.total, 'FM999,999,999,999,999,990') AS text
        FROM billing_invoice i JOIN accounts_customer c ON c.id = i.customer_id JOIN (
            SELECT i.customer_id, i.total FROM billing_invoice i
            WHERE i.month = %(month)s::date - interval '1 month' AND {LIVE_SQL} AND {FIXED_SQL}
        ) b ON b.customer_id = i.customer_id
        WHERE i.month = %(month)s AND {LIVE_SQL} AND abs(i.total - b.total) >= %(yen)s
            AND abs(i.total - b.total) * 100 >= b.total * %(share)s
        """,
    ),
    # A closed month's comes back in the open one, where a person can decide it, until somebody has.
    Question(
        "ended_billed",
        WARNING,
        gettext_lazy("解約日より後の期間の請求"),
        f"""
        SELECT i.number AS document, c.number AS customer,
            '契約 ' || k.number || ' 解約日 ' || to_char(k.cancel_on, 'YYYY/MM/DD') AS text
        FROM contracts_contract k JOIN billing_invoiceline l ON l.customer_id = k.customer_id AND l.contract_id = k.id
        JOIN billing_invoice i ON i.id = l.invoice_id JOIN contracts_service s ON s.id = k.service_id
        JOIN accounts_customer c ON c.id = i.customer_id
        WHERE k.cancel_on IS NOT NULL AND {LIVE_SQL} AND l.ends_on > k.cancel_on AND (i.month = %(month)s
            OR %(open)s AND i.month < %(month)s AND l.amount > 0 AND (l.starts_on > k.cancel_on OR s.prorate)
                AND (SELECT coalesce(sum(d.amount), 0) FROM billing_decision d WHERE d.invoice_line_id = l.id) = 0)
        """,
    ),
    Question(
        "gap",
        WARNING,
        gettext_lazy("短い契約期間の後も続く契約（残りの日は請求されません）"),
        """
        SELECT k.number AS document, c.number AS customer, '契約期間の終了日 ' || to_char(t.ends_on, 'YYYY/MM/DD') AS text
        FROM contracts_term t JOIN contracts_contract k ON k.id = t.contract_id JOIN accounts_customer c ON c.id = t.customer_id
        WHERE (date_trunc('month', t.ends_on) = %(month)s OR %(open)s AND t.ends_on < %(month)s) AND t.dropped_on IS NULL
            AND t.ends_on < (date_trunc('month', t.ends_on) + interval '1 month - 1 day')::date
            AND t.ends_on IS DISTINCT FROM k.cancel_on
        """,
    ),
    Question(
        "usage_outside",
        WARNING,
        gettext_lazy("利用期間外の使用量（請求されません）"),
        """
        SELECT k.number AS document, c.number AS customer, m.item AS text FROM orders_usage u JOIN contracts_meter m ON m.id = u.meter_id
        JOIN contracts_contract k ON k.id = m.contract_id JOIN accounts_customer c ON c.id = u.customer_id
        WHERE u.month = %(month)s AND u.quantity > 0
            AND NOT EXISTS (SELECT FROM orders_usagecharge g WHERE g.usage_id = u.id AND g.dropped_on IS NULL)
        """,
    ),
    Question(
        "not_positive",
        WARNING,
        gettext_lazy("合計が0円以下の請求"),
        f"""
        SELECT i.number AS document, c.number AS customer, to_char(i.total, 'FM999,999,999,999,999,990') AS text
        FROM billing_invoice i JOIN accounts_customer c ON c.id = i.customer_id
        WHERE i.month = %(month)s AND {LIVE_SQL} AND i.total <= 0
        """,
    ),
    # What went and came back is no gap.
    Question(
        "number_gone",
        WARNING,
        gettext_lazy("請求番号の欠番"),
        """
        SELECT DISTINCT ON (g.number) g.number AS document, c.number AS customer,
            to_char(g.at AT TIME ZONE 'Asia/Tokyo', 'YYYY/MM/DD HH24:MI') || ' ' || g.cause AS text
        FROM billing_numbergone g JOIN accounts_customer c ON c.id = g.customer_id
        WHERE g.month = %(month)s AND NOT EXISTS (SELECT FROM billing_invoice i WHERE i.number = g.number)
        ORDER BY g.number, g.id DESC
        """,
    ),
    # What neither an invoice nor the record of the gone has; of neighbours the first and the last.
    Question(
        "number_gone",
        WARNING,
        gettext_lazy("請求番号の欠番"),
        f"""
        SELECT series || {digits("first")} AS document, CASE WHEN last > first THEN '～ ' || series || {digits("last")} || ' ' ELSE '' END
            || '記録のない欠番' AS text
        FROM (
            SELECT series, n + 1 AS first, lead(n) OVER (ORDER BY n) - 1 AS last FROM (
                SELECT s.series, known.n FROM portal_counter s CROSS JOIN LATERAL (
                    SELECT 0 UNION SELECT s.value + 1
                    UNION SELECT substr(i.number, 9)::bigint FROM billing_invoice i WHERE i.number LIKE %(numbers)s
                        AND i.number ~ '^B[0-9]{{6}}-[0-9]{{1,12}}$'
                    UNION SELECT substr(g.number, 9)::bigint FROM billing_numbergone g WHERE g.month = %(month)s
                        AND g.number ~ '^B[0-9]{{6}}-[0-9]{{1,12}}$'
                ) AS known (n)
                WHERE s.series || '%%' = %(numbers)s
            ) known
        ) gap WHERE first <= last
        """,
    ),
    # Both are owed whole (D24): a price changes between months, or where there is 日割.
    Question(
        "changed_inside",
        WARNING,
        gettext_lazy("月の途中で切り替わる明細（日割がないため両方の全額を請求します）"),
        """
        SELECT k.number AS document, c.number AS customer,
            l.item || ' ' || to_char(l.charge_to, 'YYYY/MM/DD') || ' → ' || n.item || ' ' || to_char(n.charge_from, 'YYYY/MM/DD') AS text
        FROM contracts_contractline l JOIN contracts_contract k ON k.id = l.contract_id JOIN contracts_service s ON s.id = k.service_id
        JOIN accounts_customer c ON c.id = k.customer_id
        JOIN contracts_contractline n ON n.contract_id = l.contract_id AND n.id <> l.id
            AND (n.continues_id = l.id OR n.item = l.item OR l.product_code <> '' AND n.product_code = l.product_code)
        JOIN contracts_term t ON t.contract_id = k.id AND t.dropped_on IS NULL AND l.charge_to BETWEEN t.starts_on AND t.ends_on
            AND n.charge_from BETWEEN t.starts_on AND t.ends_on
        WHERE l.charge_to < t.ends_on AND n.charge_from > coalesce(l.charge_from, k.start_on) AND n.charge_from > t.starts_on
            AND NOT s.prorate AND k.withdrawn_on IS NULL AND n.charge_from BETWEEN %(month)s AND %(last)s
        """,
    ),
    # Under the month of the document, and, while it is open, under the month that the adjustment is about.
    Question(
        "adjusted_elsewhere",
        WARNING,
        gettext_lazy("ほかの月の期間についての調整"),
        f"""
        SELECT i.number AS document, c.number AS customer, b.item || ' ' || to_char(b.starts_on, 'YYYY/MM/DD') || '～'
            || to_char(b.ends_on, 'YYYY/MM/DD') || ' ' || to_char(b.amount, 'FM999,999,999,999,999,990') AS text
        FROM billing_invoiceline b JOIN billing_invoice i ON i.id = b.invoice_id JOIN accounts_customer c ON c.id = i.customer_id
        WHERE b.origin = 'adjustment' AND b.credit_id IS NULL AND {LIVE_SQL} AND (
            i.month = %(month)s AND (b.starts_on < %(month)s OR b.ends_on > %(last)s)
            OR %(open)s AND i.month <> %(month)s AND b.starts_on <= %(last)s AND b.ends_on >= %(month)s
                AND (b.starts_on, b.ends_on) <> (i.month, (i.month + interval '1 month - 1 day')::date))
        """,
    ),
]
