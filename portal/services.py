"""What customers leave with the desk."""

from datetime import timedelta

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from portal import history, mail
from portal.models import Action, Inquiry, Mail

INQUIRIES_AN_HOUR = 10


@transaction.atomic
def send_inquiry(inquiry, *, by):
    """Store an inquiry with the sender's company; the desk gets it by mail, the sender a copy (A11).

    Raises ValidationError when one person sends more than ten within an hour.
    """
    lately = Inquiry.objects.filter(user=by, created_at__gt=timezone.now() - timedelta(hours=1))
    if lately.count() >= INQUIRIES_AN_HOUR:
        raise ValidationError(
            _("短い時間に多くのお問い合わせをいただいています。しばらく待ってから送信するか、窓口へお電話ください。")
        )
    inquiry.customer_id, inquiry.user = by.customer_id, by
    inquiry.save()
    content = {
        "label": str(inquiry.get_kind_display()),
        "subject": " ".join(inquiry.subject.split()),
        "body": inquiry.body,
        "about": inquiry.about,
        "sender": by.email,
    }
    for kind in (Mail.Kind.INQUIRY, Mail.Kind.INQUIRY_COPY):
        mail.queue(kind, key=f"{kind}:{inquiry.pk}", customer=by.customer, user=by, **content)
    history.record(Action.INQUIRY_SENT, inquiry.subject, by=by, customer=by.customer)
    return inquiry
