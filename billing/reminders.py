"""Reminders of payments: three days before the day, once, to companies that have to see to it themselves."""

from datetime import date, timedelta

from django.db.models import Exists, OuterRef, Value
from django.db.models.functions import Concat

from accounts.models import PaymentMethod
from billing.models import OF_MONTH, Invoice, ReviewState
from portal import mail
from portal.models import Mail, Vendor

BEFORE = timedelta(days=3)
BATCH = 1000  # mails that are queued at a time


def queue_due(today: date) -> int:
    """Queue what is to be told today, and of the days before what no run told; returns how many mails it added.

    Nothing where the vendor wants none; no document that the bank draws by itself, that asks for nothing, or whose
    payment the company has arranged (社内確認). None goes before the PDF is there (D10).
    """
    if not Vendor.objects.filter(remind=True).exists():
        return 0
    told = Mail.objects.filter(key=Concat(Value(f"{Mail.Kind.INVOICE_REMINDER}:"), OuterRef("number")))
    due = (
        Invoice.objects.standing()
        .filter(kind__in=OF_MONTH, payment_method=PaymentMethod.TRANSFER, total__gt=0, pdf__isnull=False)
        .filter(due_on__range=(today, today + BEFORE))
        .exclude(Exists(told))
        .with_review()
        .exclude(review_state=ReviewState.ARRANGED)
        .order_by("pk")
    )
    kind = Mail.Kind.INVOICE_REMINDER
    rows = [
        (f"{kind}:{number}", customer, {"number": number}) for number, customer in due.values_list("number", "customer")
    ]
    return sum(mail.queue_all(kind, rows[place : place + BATCH]) for place in range(0, len(rows), BATCH))
