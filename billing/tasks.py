"""Rendering in the background: each PDF is stored with its hash and its mail in one transaction."""

import hashlib

from django.db import OperationalError, transaction
from django.utils import timezone
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from billing import close, pdf
from billing.models import Invoice, InvoicePdf, Rendering
from portal import mail, months
from portal.tasks import retry_stalled_jobs

MOST_TRIES = 3
PEOPLE_WAIT = 5  # ahead of 100,000 renderings


@app.task(name="billing.render", queue="render")
def render(invoices):
    """Render what of these invoices (ids) has no PDF yet; those that can't be rendered don't stop the others."""
    for invoice in Invoice.objects.without_pdf().filter(pk__in=invoices).order_by("pk"):
        if not Rendering.objects.filter(invoice=invoice, parked_at__isnull=False).exists():
            render_one(invoice)


def render_one(invoice):
    """Store the PDF of a fixed invoice and queue its mail, once. Returns whether the PDF is there now.

    A fault is written down; after three tries the invoice is parked, until `render_invoices` is run by hand.
    """
    try:
        store(invoice, pdf.render(invoice))
    except OperationalError:
        raise  # the database's trouble, not the invoice's
    except Exception as fault:
        note_failure(invoice, fault)
        return False
    return True


@transaction.atomic
def store(invoice, content):
    """The bytes, their SHA-256 and the mail that says so, in one transaction; a second writer finds it done."""
    locked = Invoice.objects.select_for_update(of=["self"], no_key=True).get(pk=invoice.pk)
    if InvoicePdf.objects.filter(invoice=locked).exists():
        return
    InvoicePdf.objects.create(
        invoice=locked,
        customer_id=locked.customer_id,
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
    )
    Rendering.objects.filter(invoice=locked).delete()
    mail.queue("invoice_fixed", key=f"invoice_fixed:{locked.number}", customer=locked.customer, number=locked.number)


def note_failure(invoice, fault):
    with transaction.atomic():
        failed, _added = Rendering.objects.select_for_update().get_or_create(
            invoice=invoice, defaults={"customer_id": invoice.customer_id, "error": ""}
        )
        failed.tries += 1
        failed.error = f"{type(fault).__name__}: {fault}"[:2000]
        failed.parked_at = timezone.now() if failed.tries >= MOST_TRIES else None
        failed.save()


def render_waiting(invoices=None):
    """Render here and now whatever waits (or waits among these), parked ones too. Yields (invoice, done)."""
    waiting = Invoice.objects.without_pdf() if invoices is None else invoices.without_pdf()
    for number in list(waiting.order_by("pk").values_list("pk", flat=True)):
        invoice = Invoice.objects.get(pk=number)
        yield invoice, render_one(invoice)


@app.periodic(cron="* * * * *")
@app.task(name="billing.sweep", queue="sweep", queueing_lock="billing.sweep")
def sweep(timestamp=0):
    """Every minute: render what no task will render any more, a failed try or a dead worker having left it."""
    retry_stalled_jobs()
    open_jobs = ProcrastinateJob.objects.filter(status__in=["todo", "doing"], task_name="billing.render")
    if not open_jobs.exists():
        parked = Rendering.objects.filter(parked_at__isnull=False).values("invoice")
        waiting = Invoice.objects.without_pdf().exclude(pk__in=parked).order_by("pk").values_list("pk", flat=True)
        render.func(list(waiting[:150]))


def render_again(failed):
    """Let workers try parked invoices (rows of `Rendering`) as if they had never been tried; returns how many."""
    waiting = sorted(failed.filter(parked_at__isnull=False).values_list("pk", flat=True))
    Rendering.objects.filter(pk__in=waiting).update(parked_at=None, tries=0)
    close.defer_rendering(waiting)
    return len(waiting)


def follow_up(*customers):
    """After staff changed what is billed: bring provisional invoices up to date and try what is parked again.

    Without customers the change concerns all of them (tax classes, the vendor's settings).
    """
    catch_up.configure(priority=PEOPLE_WAIT).defer(numbers=[customer.number for customer in customers] or None)


@app.task(
    name="billing.catch_up",
    queue="render",
    retry=RetryStrategy(max_attempts=20, wait=30, retry_exceptions=[close.Busy]),
)
def catch_up(numbers):
    with close.alone():
        tried = close.retry_parked(months.today(), numbers)
        close.draft_open_months(months.today(), numbers or tried)
