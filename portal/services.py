"""What customers leave with the desk."""

from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from portal import history, mail, numbers
from portal.models import Action, Inquiry, Mail
from portal.months import month_of, today

INQUIRIES_AN_HOUR = 10
# Where a number on an inquiry may come from: the company's own contracts, orders, invoices.
RECORDS = ("contracts", "orders", "invoices")


def find_record(customer: Any, number: str) -> Any:
    """The customer's contract, order or invoice with this number, or None."""
    found = (getattr(customer, records).filter(number=number).first() for records in RECORDS)
    return next((record for record in found if record), None)


def suggested_subject(kind: str, record: Any) -> str:
    """What an inquiry of this kind about this record (or None) is called unless the sender names it; '' for a plain question."""
    if record is None:
        return _("お客様情報の変更の申し込み") if kind == Inquiry.Kind.CHANGE else ""
    if kind == Inquiry.Kind.CANCEL:
        subject = _("解約の申し込み: %(record)s")
    elif kind == Inquiry.Kind.CHANGE:
        subject = _("変更の申し込み: %(record)s")
    else:
        subject = _("%(name)sについて: %(record)s")
    made = subject % {"name": record._meta.verbose_name, "record": record}
    return made[: Inquiry._meta.get_field("subject").max_length]


@transaction.atomic
def send_inquiry(inquiry: Inquiry, *, by: Any) -> Inquiry:
    """Store an inquiry with the sender's company, under a number; the desk gets it by mail, the sender a copy (A11).

    Raises ValidationError when one person sends more than ten within an hour. The number comes first: it makes others
    wait who send at the same moment, so that each counts what the one before stored.
    """
    inquiry.number = numbers.next_number(numbers.inquiry_series(month_of(today())))
    lately = Inquiry.objects.filter(user=by, created_at__gt=timezone.now() - timedelta(hours=1))
    if lately.count() >= INQUIRIES_AN_HOUR:
        raise ValidationError(
            _("短い時間に多くのお問い合わせをいただいています。しばらく待ってから送信するか、窓口へお電話ください。")
        )
    inquiry.customer_id, inquiry.user = by.customer_id, by
    inquiry.save()
    content = {
        "number": inquiry.number,
        "label": str(inquiry.get_kind_display()),
        "subject": " ".join(inquiry.subject.split()),
        "body": inquiry.body,
        "about": inquiry.about,
        "sender": by.email,
    }
    for kind in (Mail.Kind.INQUIRY, Mail.Kind.INQUIRY_COPY):
        mail.queue(kind, key=f"{kind}:{inquiry.pk}", customer=by.customer, user=by, **content)
    history.record(Action.INQUIRY_SENT, f"{inquiry.number} {inquiry.subject}", by=by, customer=by.customer)
    return inquiry
