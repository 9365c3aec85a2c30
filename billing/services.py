"""What people change about invoices."""

from django.db import transaction

from billing.models import Download
from portal import history
from portal.models import Action


@transaction.atomic
def note_download(invoice, *, by):
    """Remember who took the PDF, with the invoice and in the company's history."""
    Download(customer_id=invoice.customer_id, invoice=invoice, user=by).save(force_insert=True)
    history.record(Action.INVOICE_DOWNLOADED, invoice.number, by=by, customer=by.customer)
