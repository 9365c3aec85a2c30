"""What customers leave with the desk."""

from django.db import transaction

from portal import history, mail
from portal.models import Action


@transaction.atomic
def send_inquiry(inquiry, *, by):
    """Store an inquiry with the sender's company; the desk gets it by mail, the sender a copy (A11)."""
    inquiry.customer_id, inquiry.user = by.customer_id, by
    inquiry.save()
    content = {
        "label": str(inquiry.get_kind_display()),
        "subject": " ".join(inquiry.subject.split()),
        "body": inquiry.body,
        "about": inquiry.about,
    }
    for kind in ("inquiry", "inquiry_copy"):
        mail.queue(kind, key=f"{kind}:{inquiry.pk}", customer=by.customer, user=by, **content)
    history.record(Action.INQUIRY_SENT, inquiry.subject, by=by, customer=by.customer)
    return inquiry
