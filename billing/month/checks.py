"""What must be so about a month (I1 to I6), and what a person should look at before and after its close (締め前点検)."""

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from billing.models import DRAFT_SQL, FIXED_SQL, LIVE_SQL, OF_MONTH_SQL, MonthRun
from contracts.models import CHARGED_SQL
from portal import money, months
from portal.models import CalendarDay, VendorRegistration

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

# The verdict of a finding: a broken rule, a customer or file that waits for a decision, a thing to look at.
BROKEN, PARKED, WARNING = "broken", "parked", "warning"
JUMP_SHARE, JUMP_YEN = 50, 10_000
DAYS_BEFORE = 2


@dataclass
class Finding:
    """One question with its answer: `rows` are (what it concerns, what is wrong), none if all is well."""

    code: str
    kind: str
    title: "StrOrPromise"
    rows: list = field(default_factory=list)


@dataclass(frozen=True)
class Question:
    """SQL that finds what is wrong, as (number, text); `after` questions are asked once the month was closed."""

    code: str
    kind: str
    title: "StrOrPromise"
    sql: str
    after: bool = False


QUESTIONS = [
    Question(
        "term_without_order",
        BROKEN,
        gettext_lazy("注文のない契約期間"),
        f"""
        SELECT c.number, to_char(t.starts_on, 'YYYY/MM/DD') FROM contracts_term t JOIN contracts_contract c ON c.id = t.contract_id
        WHERE date_trunc('month', t.starts_on) = %(month)s AND t.dropped_on IS NULL AND NOT EXISTS (SELECT FROM orders_order o WHERE o.term_id = t.id)
            AND EXISTS (SELECT FROM contracts_contractline l WHERE l.contract_id = c.id AND {CHARGED_SQL})
        """,
    ),
    Question(
        "order_without_invoice",
        BROKEN,
        gettext_lazy("請求に入っていない注文"),
        """
        SELECT o.number, c.number FROM orders_order o JOIN accounts_customer c ON c.id = o.customer_id
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
        SELECT k.number || ' ' || m.item, c.number FROM orders_usage u JOIN accounts_customer c ON c.id = u.customer_id
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
        SELECT i.number, c.number FROM billing_invoice i JOIN accounts_customer c ON c.id = i.customer_id
        WHERE i.month = %(month)s AND {DRAFT_SQL}
            AND NOT EXISTS (SELECT FROM billing_parked p WHERE p.customer_id = i.customer_id AND p.month = %(month)s)
        """,
        after=True,
    ),
    Question(
        "totals",
        BROKEN,
        gettext_lazy("税区分と合わない合計"),
        """
        SELECT i.number, 'net ' || i.net || ', tax ' || i.tax || ', total ' || i.total
        FROM billing_invoice i
        LEFT JOIN (SELECT invoice_id, sum(base) AS base, sum(tax) AS tax FROM billing_taxtotal GROUP BY 1) t ON t.invoice_id = i.id
        WHERE i.month = %(month)s AND i.kind <> 'imported'
            AND (i.net, i.tax, i.total) IS DISTINCT FROM (coalesce(t.base, 0), coalesce(t.tax, 0), i.net + i.tax)
        """,
    ),
    Question(
        "pdf_missing",
        BROKEN,
        gettext_lazy("PDFのない請求"),
        """
        SELECT i.number, c.number FROM billing_invoice i JOIN accounts_customer c ON c.id = i.customer_id
        WHERE i.month = %(month)s AND i.state IN ('fixed', 'replaced') AND i.kind <> 'imported'
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
        SELECT i.number, c.number FROM billing_invoice i JOIN accounts_customer c ON c.id = i.customer_id
        JOIN billing_invoicepdf p ON p.invoice_id = i.id
        WHERE i.month = %(month)s AND {OF_MONTH_SQL}
            AND NOT EXISTS (SELECT FROM portal_mail m WHERE m.key = 'invoice_fixed:' || i.number)
        """,
        after=True,
    ),
    Question(
        "parked",
        PARKED,
        gettext_lazy("保留のお客様"),
        """
        SELECT c.number, p.reason FROM billing_parked p JOIN accounts_customer c ON c.id = p.customer_id
        WHERE p.month = %(month)s
        """,
    ),
    Question(
        "pdf_parked",
        PARKED,
        gettext_lazy("PDFを作成できない請求"),
        """
        SELECT i.number, r.error FROM billing_rendering r JOIN billing_invoice i ON i.id = r.invoice_id
        WHERE i.month = %(month)s AND r.parked_at IS NOT NULL
        """,
    ),
    Question(
        "jump",
        WARNING,
        gettext_lazy("前月から大きく変わった請求"),
        f"""
        SELECT i.number, to_char(b.total, 'FM999,999,999,999,999,990') || ' → ' || to_char(i.total, 'FM999,999,999,999,999,990')
        FROM billing_invoice i JOIN (
            SELECT i.customer_id, i.total FROM billing_invoice i
            WHERE i.month = %(month)s::date - interval '1 month' AND {LIVE_SQL} AND {FIXED_SQL}
        ) b ON b.customer_id = i.customer_id
        WHERE i.month = %(month)s AND {LIVE_SQL} AND abs(i.total - b.total) >= %(yen)s
            AND abs(i.total - b.total) * 100 >= b.total * %(share)s
        """,
    ),
    Question(
        "ended_billed",
        WARNING,
        gettext_lazy("解約日より後の期間の請求"),
        f"""
        SELECT i.number, k.number || ' ' || to_char(k.cancel_on, 'YYYY/MM/DD') FROM billing_invoiceline l
        JOIN billing_invoice i ON i.id = l.invoice_id JOIN contracts_contract k ON k.id = l.contract_id
        WHERE i.month = %(month)s AND {LIVE_SQL} AND l.ends_on > k.cancel_on
        """,
    ),
    Question(
        "contract_without_order",
        WARNING,
        gettext_lazy("契約中なのにこの月の注文がない月額契約"),
        """
        SELECT k.number, c.number FROM contracts_contract k JOIN accounts_customer c ON c.id = k.customer_id
        WHERE k.form = 'monthly' AND k.auto_renew AND k.start_on <= %(last)s
            AND (k.cancel_on IS NULL OR k.cancel_on >= %(month)s)
            AND NOT EXISTS (SELECT FROM orders_order o WHERE o.contract_id = k.id AND o.month = %(month)s
                AND o.reversed_on IS NULL)
            AND (EXISTS (SELECT FROM contracts_contractline l WHERE l.contract_id = k.id)
                OR NOT EXISTS (SELECT FROM contracts_meter m WHERE m.contract_id = k.id))
        """,
    ),
    Question(
        "gap",
        WARNING,
        gettext_lazy("短い契約期間の後も続く契約（残りの日は請求されません）"),
        """
        SELECT k.number, to_char(t.ends_on, 'YYYY/MM/DD') FROM contracts_term t JOIN contracts_contract k ON k.id = t.contract_id
        WHERE date_trunc('month', t.ends_on) = %(month)s AND t.dropped_on IS NULL
            AND t.ends_on < (date_trunc('month', t.ends_on) + interval '1 month - 1 day')::date
            AND t.ends_on IS DISTINCT FROM k.cancel_on
        """,
    ),
    Question(
        "usage_outside",
        WARNING,
        gettext_lazy("利用期間外の使用量（請求されません）"),
        """
        SELECT k.number, m.item FROM orders_usage u JOIN contracts_meter m ON m.id = u.meter_id
        JOIN contracts_contract k ON k.id = m.contract_id
        WHERE u.month = %(month)s AND u.quantity > 0
            AND NOT EXISTS (SELECT FROM orders_usagecharge g WHERE g.usage_id = u.id AND g.dropped_on IS NULL)
        """,
    ),
    Question(
        "usage_missing",
        WARNING,
        gettext_lazy("使用量が届いていない従量契約"),
        """
        SELECT k.number, m.item FROM contracts_meter m JOIN contracts_contract k ON k.id = m.contract_id
        WHERE EXISTS (SELECT FROM contracts_term t WHERE t.contract_id = k.id AND t.dropped_on IS NULL
                AND t.starts_on <= %(last)s AND t.ends_on >= %(month)s)
            AND NOT EXISTS (SELECT FROM orders_usage u WHERE u.meter_id = m.id AND u.month = %(month)s)
        """,
    ),
    Question(
        "not_positive",
        WARNING,
        gettext_lazy("合計が0円以下の請求"),
        f"""
        SELECT i.number, to_char(i.total, 'FM999,999,999,999,999,990') FROM billing_invoice i
        WHERE i.month = %(month)s AND {LIVE_SQL} AND i.total <= 0
        """,
    ),
    Question(
        "address",
        WARNING,
        gettext_lazy("請求先の住所がないお客様"),
        f"""
        SELECT c.number, c.name FROM billing_invoice i JOIN accounts_customer c ON c.id = i.customer_id
        WHERE i.month = %(month)s AND {LIVE_SQL} AND c.address = '' AND c.billing_address = ''
        """,
    ),
    Question(
        "recipient",
        WARNING,
        gettext_lazy("お知らせのメールが届かないお客様"),
        f"""
        SELECT c.number, coalesce(u.email || ' ' || u.bounced, '') FROM billing_invoice i
        JOIN accounts_customer c ON c.id = i.customer_id
        LEFT JOIN accounts_user u ON u.customer_id = c.id AND u.is_recipient
        WHERE i.month = %(month)s AND {LIVE_SQL} AND (u.id IS NULL OR u.bounced <> '')
        """,
    ),
    Question(
        "mail_failed",
        WARNING,
        gettext_lazy("送れなかったメール"),
        """
        SELECT m.key, m.error FROM portal_mail m
        WHERE m.state = 'failed' AND m.kind = 'invoice_fixed' AND m.key IN (
            SELECT 'invoice_fixed:' || number FROM billing_invoice WHERE month = %(month)s)
        """,
        after=True,
    ),
]


def check(month: date, *, today: date, share: int = JUMP_SHARE, yen: int = JUMP_YEN) -> list[Finding]:
    """All findings about the month, empty ones too. `share` is per cent, `yen` the least change that counts as a jump."""
    closed = MonthRun.objects.last_closed() >= month
    last = months.last_day(month)
    given: dict[str, Any] = {"month": month, "last": last, "share": share, "yen": yen}
    findings = []
    with connection.cursor() as cursor:
        for question in QUESTIONS:
            if question.after and not closed:
                continue
            cursor.execute(f"SELECT * FROM ({question.sql}) found ORDER BY 1", given)
            findings.append(Finding(question.code, question.kind, str(question.title), cursor.fetchall()))
    findings += [check_tax(month), check_registration(last), check_deadline(month, closed, today)]
    return findings


def check_tax(month: date) -> Finding:
    """The tax of every class once more from the lines, by `money.tax_total` (D7)."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT i.number, i.rounding, coalesce(l.tax_rate, t.rate), coalesce(l.exclusive, 0), coalesce(l.inclusive, 0),
                t.base, t.tax
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
            WHERE i.kind <> 'imported' ORDER BY 1
            """,
            {"month": month},
        )
        rows = [
            (number, f"{rate * 100:.0f}%: {stored_base} + {stored_tax}")
            for number, rounding, rate, exclusive, inclusive, stored_base, stored_tax in cursor
            if money.tax_total(exclusive, inclusive, rate, rounding) != (stored_base, stored_tax)
        ]
    return Finding("tax", BROKEN, _("規則と合わない消費税"), rows)


def check_registration(day: date) -> Finding:
    valid = VendorRegistration.objects.valid_on(day).exists()
    rows = [] if valid else [(f"{day:%Y/%m/%d}", _("この日に有効な登録番号がありません"))]
    return Finding("registration", WARNING, _("適格請求書の登録番号"), rows)


def check_deadline(month: date, closed: bool, today: date) -> Finding:
    """確定予定日 nears, or is past, and the month isn't closed."""
    calendar = CalendarDay.objects.exceptions()
    due = months.nth_business_day_after(month, **calendar)
    rows = []
    if not closed and months.is_over(month, today):
        left = months.business_days_between(today, due, **calendar)
        if left <= DAYS_BEFORE:
            text = (
                _("確定予定日 %(due)s を過ぎています")
                if today > due
                else _("確定予定日は %(due)s です（あと%(left)d営業日）")
            )
            rows.append((months.format_month(month), text % {"due": f"{due:%Y/%m/%d}", "left": left}))
    return Finding("deadline", WARNING, _("確定予定日"), rows)
