"""Rendering in the background: each PDF is stored with its hash and its mail in one transaction."""

import faulthandler
import hashlib
import sys
from contextlib import contextmanager, suppress

from django.db import Error, InterfaceError, OperationalError, connection, transaction
from django.db.models import Case, F, When
from django.utils import timezone
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.exceptions import ConnectorException

from billing import close, pdf
from billing.models import Invoice, InvoicePdf, Rendering
from portal import mail, months
from portal.tasks import retry_stalled_jobs

MOST_TRIES = 3
PEOPLE_WAIT = 7  # ahead of 100,000 renderings
# Seconds that a worker gives one invoice (5,000 lines take 37); one that never ends would hold up all others.
PATIENCE = 120
DIED = "作成中にプロセスが終了しました（時間切れ、メモリ不足など）"


@app.task(name="billing.render", queue="render", priority=5)  # before the notices of invoices, after credentials
def render(invoices):
    """Render what of these invoices (ids) has no PDF yet; those that can't be rendered don't stop the others.

    Whoever failed before comes last, so an invoice that kills this process holds up nobody but itself.
    """
    waiting = Invoice.objects.without_pdf().filter(pk__in=invoices)
    for invoice in waiting.order_by(F("rendering__tries").asc(nulls_first=True), "pk"):
        if not Rendering.objects.filter(invoice=invoice, parked_at__isnull=False).exists():
            with time_limit():
                render_one(invoice)


@contextmanager
def time_limit():
    """Ends this process if the block outlasts PATIENCE: nothing else stops C code. Whoever started it starts it again."""
    faulthandler.dump_traceback_later(PATIENCE, exit=True, file=sys.__stderr__)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def render_one(invoice):
    """Store the PDF of a fixed invoice and queue its mail, once. Returns whether the PDF is there now.

    A fault is written down; after three tries the invoice is parked, until `render_invoices` is run by hand.
    """
    begin(invoice)
    try:
        store(invoice, pdf.render(invoice))
    except (OperationalError, InterfaceError, ConnectorException):  # the database's trouble, not the invoice's
        take_back(invoice)
        raise
    except Exception as fault:
        Rendering.objects.filter(invoice=invoice).update(error=f"{type(fault).__name__}: {fault}"[:2000])
        return False
    except BaseException:  # somebody stops us
        take_back(invoice)
        raise
    return True


@transaction.atomic
def begin(invoice):
    """Count the try before it starts, so that one which takes the process down with it has counted too."""
    tried, first = Rendering.objects.select_for_update().get_or_create(
        invoice=invoice, defaults={"customer_id": invoice.customer_id, "tries": 1}
    )
    if not first:
        tried.tries += 1
        tried.error = tried.error or DIED
        if tried.tries >= MOST_TRIES and tried.parked_at is None:
            tried.parked_at = timezone.now()
        tried.save()


def take_back(invoice):
    """A try that was no fault of the invoice doesn't count; if the database is gone altogether, it stays counted."""
    with suppress(Error):
        connection.close_if_unusable_or_obsolete()
        with transaction.atomic():
            Rendering.objects.filter(invoice=invoice, tries=1).delete()
            Rendering.objects.filter(invoice=invoice).update(
                tries=F("tries") - 1, parked_at=Case(When(tries__gt=MOST_TRIES, then=F("parked_at")))
            )


@transaction.atomic
def store(invoice, content):
    """The bytes, their SHA-256 and the mail that says so, in one transaction; a second writer finds it done."""
    locked = Invoice.objects.select_for_update(of=["self"], no_key=True).get(pk=invoice.pk)
    Rendering.objects.filter(invoice=locked).delete()
    if InvoicePdf.objects.filter(invoice=locked).exists():
        return
    InvoicePdf.objects.create(
        invoice=locked,
        customer_id=locked.customer_id,
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
    )
    mail.queue("invoice_fixed", key=f"invoice_fixed:{locked.number}", customer=locked.customer, number=locked.number)


def render_waiting(invoices=None):
    """Render here and now whatever waits (or waits among these), parked ones too. Yields (invoice, done)."""
    waiting = Invoice.objects.without_pdf() if invoices is None else invoices.without_pdf()
    for number in list(waiting.order_by("pk").values_list("pk", flat=True)):
        invoice = Invoice.objects.get(pk=number)
        yield invoice, render_one(invoice)


@app.periodic(cron="* * * * *")
@app.task(name="billing.sweep", queue="sweep", queueing_lock="billing.sweep", priority=20)
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


def follow_up(*customers, decided=False):
    """After staff changed what is billed: bring their provisional invoices up to date and try again what is parked.

    Without customers (tax classes, the vendor's settings) only what is parked; the daily run brings all invoices up to
    date. What waits for a person's decision (D9) is tried only when that person says so (`decided`).
    """
    numbers = [customer.number for customer in customers] or None
    catch_up.configure(priority=PEOPLE_WAIT).defer(numbers=numbers, decided=decided)


@app.task(name="billing.catch_up", queue="render", retry=RetryStrategy(wait=30, retry_exceptions=[close.Busy]))
def catch_up(numbers, decided=False):
    with close.alone() as check_lock:
        tried = close.retry_parked(months.today(), numbers, decided, check_lock)
        if numbers or tried:
            close.draft_open_months(months.today(), numbers or tried, check_lock=check_lock)
