"""What people change about invoices, and what follows from what they change elsewhere."""

from django.db import transaction

from billing import tasks
from billing.models import Download
from portal import history, rights
from portal.models import Action

URGENT_PRIORITY = 7  # the priority of what staff wait for, ahead of 100,000 renderings


def defer_catch_up(*customers, decided=False, by=None):
    """After staff changed what is billed: bring their provisional invoices up to date and try again what is parked.

    Without customers (tax classes, the vendor's settings) only what is parked; the daily run brings all invoices up to
    date. What waits for a person's decision (D9) is tried only when that person says so (`decided`). Raises PermissionDenied
    where `by` may not say so.
    """
    if decided:
        rights.need(by, "billing.change_parked")
    numbers = [customer.number for customer in customers] or None
    tasks.catch_up.configure(priority=URGENT_PRIORITY).defer(numbers=numbers, decided=decided)


@transaction.atomic
def note_download(invoice, *, by):
    """Remember who took the PDF, with the invoice and in the company's history."""
    Download(customer_id=invoice.customer_id, invoice=invoice, user=by).save(force_insert=True)
    history.record(Action.INVOICE_DOWNLOADED, invoice.number, by=by, customer=by.customer)
