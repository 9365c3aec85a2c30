"""Rendering: each PDF is stored with its hash and its mail in one transaction; who waits, who failed, who comes next."""

import faulthandler
import hashlib
import sys
from contextlib import contextmanager, suppress

from django.db import Error, InterfaceError, OperationalError, connection, transaction
from django.db.models import Case, F, When
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.exceptions import ConnectorException

from billing.documents import einvoice, pdf
from billing.models import Invoice, InvoicePdf, InvoiceXml, Kind, Rendering, State
from portal import mail, rights, trace
from portal.models import Mail, Vendor

TASK, QUEUE = "billing.render", "render"
INVOICES_A_TASK = 15  # invoices
INVOICES_A_SWEEP = 150  # invoices
MOST_TRIES = 3
# Seconds that a worker gives one invoice, and one of its lines (which takes 0.015 of a free core); one that never ends would
# hold up all others.
RENDER_SECONDS, LINE_SECONDS = 120, 0.05
# What tells the company of a document once it can be downloaded.
NOTICES = {
    Kind.INVOICE: Mail.Kind.INVOICE_FIXED,
    Kind.CORRECTION: Mail.Kind.INVOICE_CORRECTED,
    Kind.RETURN: Mail.Kind.INVOICE_RETURNED,
}
DIED = "作成中にプロセスが終了しました（時間切れ、メモリ不足など）"


def defer(invoices):
    """Have these invoices (ids) rendered: tasks of some each, in the caller's transaction; they start when it commits."""
    tasks = [
        {"invoices": invoices[start : start + INVOICES_A_TASK], **trace.for_job()}
        for start in range(0, len(invoices), INVOICES_A_TASK)
    ]
    if tasks:
        app.configure_task(TASK, queue=QUEUE).batch_defer(*tasks)


def render(invoices):
    """Render what of these invoices (ids) has no PDF yet; those that can't be rendered don't stop the others.

    Whoever failed before comes last, so an invoice that kills this process holds up nobody but itself.
    """
    waiting = Invoice.objects.renderable().filter(pk__in=invoices)
    for invoice in waiting.order_by(F("rendering__tries").asc(nulls_first=True), "pk"):
        if Invoice.objects.renderable().filter(pk=invoice.pk).exists():
            with time_limit(RENDER_SECONDS + LINE_SECONDS * invoice.lines.count()):
                render_one(invoice)
    for invoice in Invoice.objects.without_xml().filter(pk__in=invoices, rendering__parked_at=None).order_by("pk"):
        keep_xml_again(invoice)


@contextmanager
def time_limit(seconds):
    """Ends this process if the block outlasts it: nothing else stops C code. Whoever started it starts it again."""
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__ or 2)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def render_one(invoice):
    """Store the PDF of a fixed invoice and queue its mail, once. Returns whether the PDF is there now.

    A fault is written down; after three tries the invoice is parked, until `render_invoices` is run by hand.
    """
    count_try(invoice)
    try:
        store(invoice, pdf.render(invoice))
    except (OperationalError, InterfaceError, ConnectorException):  # the database's trouble, not the invoice's
        uncount_try(invoice)
        raise
    except Exception as fault:
        Rendering.objects.filter(invoice=invoice).update(error=f"{type(fault).__name__}: {fault}"[:2000])
        return False
    except BaseException:  # somebody stops us
        uncount_try(invoice)
        raise
    return True


@transaction.atomic
def count_try(invoice):
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


def uncount_try(invoice):
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
    """The bytes, the XML of the same rows, their SHA-256 and the mail that says so, in one transaction; a second writer finds it done.

    An XML that can't be made stops neither PDF nor mail.
    """
    locked = Invoice.objects.select_for_update(of=["self"], no_key=True).get(pk=invoice.pk)
    Rendering.objects.filter(invoice=locked).delete()
    if InvoicePdf.objects.filter(invoice=locked).exists():
        return
    keep(InvoicePdf, locked, content)
    keep_xml(locked)
    silent = locked.kind == Kind.INVOICE and locked.is_free and not Vendor.objects.settings().mail_free
    if locked.state == State.FIXED and not silent:  # of one replaced or void by now the later mail tells
        kind = NOTICES[locked.kind]
        mail.queue(kind, key=f"{kind}:{locked.number}", customer=locked.customer, number=locked.number)


def keep_xml(invoice):
    """The XML of a locked document, if there is to be one. A fault is written down beside its PDF, for somebody to look at."""
    if einvoice.reason_against(invoice):
        return
    try:
        content = einvoice.build(invoice)
    except Error:  # the database's, not the document's
        raise
    except Exception as fault:
        error = f"デジタルインボイス（XML）を作成できません: {type(fault).__name__}: {fault}"[:2000]
        Rendering.objects.create(
            invoice=invoice, customer_id=invoice.customer_id, tries=1, error=error, parked_at=timezone.now()
        )
    else:
        keep(InvoiceXml, invoice, content, rules=einvoice.RULES)


@transaction.atomic
def keep_xml_again(invoice):
    """Try once more what `keep_xml` couldn't do; returns whether it is done now."""
    locked = Invoice.objects.select_for_update(of=["self"], no_key=True).get(pk=invoice.pk)
    Rendering.objects.filter(invoice=locked).delete()
    keep_xml(locked)
    return not Rendering.objects.filter(invoice=locked).exists()


def keep(kind, invoice, content, **more):
    kind.objects.create(
        invoice=invoice,
        customer_id=invoice.customer_id,
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        **more,
    )


def render_waiting(invoices=None):
    """Render here and now whatever waits (or waits among these), parked ones too. Yields (invoice, done)."""
    waiting = Invoice.objects.without_pdf() if invoices is None else invoices.without_pdf()
    tried = list(waiting.order_by("pk").values_list("pk", flat=True))
    for number in tried:
        invoice = Invoice.objects.get(pk=number)
        yield invoice, render_one(invoice)
    lacking = Invoice.objects.without_xml() if invoices is None else invoices.without_xml()
    for invoice in lacking.exclude(pk__in=tried).order_by("pk"):
        yield invoice, keep_xml_again(invoice)


def render_left_over(after=0):
    """Render what no task will render any more, a failed try or a dead worker having left it; `after` an id only later documents."""
    if ProcrastinateJob.objects.filter(status__in=["todo", "doing"], task_name=TASK).exists():
        return
    waiting = Invoice.objects.renderable(after).order_by("pk").values_list("pk", flat=True)
    render(list(waiting[:INVOICES_A_SWEEP]))


def render_again(failed, *, by=None):
    """Let workers try parked invoices (rows of `Rendering`) as if they had never been tried; returns how many.

    Raises PermissionDenied.
    """
    rights.need(by, "billing.change_rendering")
    waiting = sorted(failed.filter(parked_at__isnull=False).values_list("pk", flat=True))
    Rendering.objects.filter(pk__in=waiting).update(parked_at=None, tries=0)
    defer(waiting)
    return len(waiting)
