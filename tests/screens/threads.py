"""Where the desk answers an inquiry, and what is sent of it."""

from django.core import mail as outbox

from portal.tasks import send_due


def address(inquiry, page="change"):
    return f"/admin/portal/inquiry/{inquiry.pk}/{page}/"


def sent():
    while send_due():
        pass
    return outbox.outbox
