"""What waits for somebody: parked customers and files, mails that reach nobody, a close that is due."""

from datetime import timedelta

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from billing.documents.registered import SINCE
from billing.models import LIVE_SQL
from billing.month.checks.findings import NOTICE, PARKED, WARNING, Asked, Finding, Question, found
from portal import mail, months
from portal.models import CalendarDay, Mail, Vendor, VendorRegistration

DAYS_BEFORE = 2
PATIENCE = timedelta(hours=1)

QUESTIONS = [
    Question(
        "parked",
        PARKED,
        gettext_lazy("保留のお客様"),
        """
        SELECT c.number AS customer, p.reason AS text FROM billing_parked p JOIN accounts_customer c ON c.id = p.customer_id
        WHERE p.month = %(month)s
        """,
    ),
    Question(
        "pdf_parked",
        PARKED,
        gettext_lazy("PDFを作成できない請求"),
        """
        SELECT i.number AS document, c.number AS customer, r.error AS text
        FROM billing_rendering r JOIN billing_invoice i ON i.id = r.invoice_id JOIN accounts_customer c ON c.id = i.customer_id
        WHERE i.month = %(month)s AND r.parked_at IS NOT NULL
            AND NOT EXISTS (SELECT FROM billing_invoicepdf p WHERE p.invoice_id = i.id)
        """,
    ),
    Question(
        "xml_failed",
        WARNING,
        gettext_lazy("デジタルインボイス（XML）を作成できない請求"),
        """
        SELECT i.number AS document, c.number AS customer, r.error AS text
        FROM billing_rendering r JOIN billing_invoice i ON i.id = r.invoice_id JOIN accounts_customer c ON c.id = i.customer_id
        JOIN billing_invoicepdf p ON p.invoice_id = i.id WHERE i.month = %(month)s
        """,
    ),
    Question(
        "follow_pending",
        WARNING,
        gettext_lazy("変更がまだ注文に反映されていないお客様"),
        """
        SELECT c.number AS customer, to_char(p.since AT TIME ZONE 'Asia/Tokyo', 'YYYY/MM/DD HH24:MI') AS text
        FROM orders_pending p JOIN accounts_customer c ON c.id = p.customer_id
        """,
        before=True,
    ),
    Question(
        "address",
        WARNING,
        gettext_lazy("請求先の住所がないお客様"),
        f"""
        SELECT c.number AS customer, c.name AS text FROM billing_invoice i JOIN accounts_customer c ON c.id = i.customer_id
        WHERE i.month = %(month)s AND {LIVE_SQL} AND c.address = '' AND c.billing_address = ''
        """,
    ),
    Question(
        "recipient",
        WARNING,
        gettext_lazy("お知らせのメールが届かないお客様"),
        f"""
        SELECT c.number AS customer, coalesce(u.email || ' ' || u.bounced, '') AS text FROM billing_invoice i
        JOIN accounts_customer c ON c.id = i.customer_id
        LEFT JOIN accounts_user u ON u.customer_id = c.id AND u.is_recipient
        WHERE i.month = %(month)s AND {LIVE_SQL} AND (u.id IS NULL OR u.bounced <> '')
        """,
    ),
    Question(
        "account_pending",
        WARNING,
        gettext_lazy("アカウント情報が未送付のメール送信先（send_account_data まで、お知らせのメールは待ちます）"),
        f"""
        SELECT c.number AS customer, u.email AS text FROM billing_invoice i
        JOIN accounts_customer c ON c.id = i.customer_id
        JOIN accounts_user u ON u.customer_id = c.id AND u.is_recipient
            AND u.account_pending AND u.last_login IS NULL
        WHERE i.month = %(month)s AND {LIVE_SQL}
        """,
    ),
    Question(
        "mail_failed",
        WARNING,
        gettext_lazy("送れなかったメール"),
        f"""
        SELECT m.key AS what, i.number AS document, c.number AS customer, m.error AS text
        FROM billing_invoice i JOIN portal_mail m ON m.key = {NOTICE}
        JOIN accounts_customer c ON c.id = i.customer_id
        WHERE i.month = %(month)s AND m.state = 'failed'
        """,
        after=True,
    ),
]


def mails(asked: Asked) -> Finding:
    """Mails that should have gone an hour ago, but for notices that nobody is there to get: `recipient` names those."""
    waiting = Mail.objects.filter(state__in=mail.OPEN, created_at__lt=timezone.now() - PATIENCE)
    unread = Q(kind__in=mail.TO_RECIPIENT) & ~Exists(
        User.objects.filter(customer=OuterRef("customer"), is_recipient=True).exclude(
            account_pending=True, last_login=None
        )
    )
    late = waiting.exclude(unread).select_related("customer").order_by("created_at", "pk")
    rows = [
        {
            "what": each.key,
            "customer": each.customer.number if each.customer else "",
            "text": each.error or _("送信待ち"),
        }
        for each in late
    ]
    return found("mail_late", WARNING, _("1時間以上送られていないメール"), rows)


def registration(asked: Asked) -> Finding:
    """Whether the vendor has a registration number on each day of the month: the first and the last day without one are named,
    and each on which another one begins, for no number covers a line with days on both sides.

    Not before there were any, nor before the portal bills.
    """
    since_when = max(SINCE, Vendor.objects.settings().first_month)
    times = list(VendorRegistration.objects.values_list("valid_from", "valid_to"))
    days = [asked.month + timedelta(each) for each in range((asked.last - asked.month).days + 1)]
    without = [
        day for day in days if day >= since_when and not any(since <= day <= (until or day) for since, until in times)
    ]
    text = _("この日に有効な登録番号がありません")
    rows = [{"what": f"{day:%Y/%m/%d}", "text": text} for day in sorted({*without[:1], *without[-1:]})]
    changes = {since for since, _until in times if since in days[1:] and since - timedelta(1) not in without}
    text = _("この日に登録番号が変わります（前日までと両方にかかる明細には、登録番号を記載できません）")
    rows += [{"what": f"{day:%Y/%m/%d}", "text": text} for day in sorted(changes) if day > since_when]
    return found("registration", WARNING, _("適格請求書の登録番号"), rows)


def deadline(asked: Asked) -> Finding:
    """確定予定日 nears, or is past, and the month isn't closed."""
    calendar = CalendarDay.objects.exceptions()
    due = months.nth_business_day_after(asked.month, **calendar)
    rows = []
    if not asked.closed and months.is_over(asked.month, asked.today):
        left = months.business_days_between(asked.today, due, **calendar)
        if left <= DAYS_BEFORE:
            text = (
                _("確定予定日 %(due)s を過ぎています")
                if asked.today > due
                else _("確定予定日は %(due)s です（あと%(left)d営業日）")
            )
            told = text % {"due": f"{due:%Y/%m/%d}", "left": left}
            rows.append({"what": months.format_month(asked.month), "text": told})
    return found("deadline", WARNING, _("確定予定日"), rows)
