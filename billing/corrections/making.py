"""New documents that name a fixed one: made as 未確定 with lines and totals, and fixed in the same transaction (D6)."""

from datetime import date
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection
from django.utils.translation import gettext as _

from accounts.models import User
from billing.documents import rendering
from billing.models import DOCUMENT_FROM, Correction, Invoice, InvoiceLine, Kind
from billing.month import credits, drafts, required
from billing.month.kept import FREEZE, frozen
from portal import history, months, numbers
from portal.models import Action, CalendarDay
from portal.templatetags.figures import month_name

ADD = "billing.add_correction"  # the right to correct documents (D37)


def begin(original: Invoice, kind: str, *, today: date, without_document: bool = False) -> Invoice:
    """A provisional document of the original's month, with its way of rounding and the month's next number (D41)."""
    subject = original.subject
    if kind == Kind.RETURN:
        subject = f"{month_name(original.month)}分ご利用料金の返還"
    return Invoice.objects.create(
        customer_id=original.customer_id, number=numbers.next_number(numbers.invoice_series(original.month)), kind=kind,
        corrects=original, month=original.month, subject=subject, issued_on=today,
        due_on=None if kind == Kind.RETURN else due_on(original, today), fix_due_on=original.fix_due_on,
        payment_method=original.payment_method, rounding=original.rounding, without_document=without_document,
    )  # fmt: skip


def due_on(original: Invoice, today: date) -> date:
    """支払期日 of a 修正: that of the original, unless it is past (D36)."""
    if original.due_on and original.due_on >= today:
        return original.due_on
    customer = original.customer
    return months.due_on(
        original.month,
        months_later=customer.payment_months,
        shift=customer.due_shift,
        fixed_on=today,
        **CalendarDay.objects.exceptions(),
    )


def standing_for(line: InvoiceLine, invoice: Invoice, origin: str, **changes: Any) -> InvoiceLine:
    """A line of `invoice` that stands for a fixed one, or gives something of it back; not stored yet.

    It names that one, unless that is a line which is only thought of, of a document that another system sent.
    """
    kept = {field.attname: getattr(line, field.attname) for field in line._meta.concrete_fields}
    own = {
        "id": None, "invoice_id": invoice.pk, "origin": origin, "replaces_id": None if line._state.adding else line.pk,
        "root_id": None if line._state.adding else line.root_id or line.pk,
        "is_order_head": False,
    }  # fmt: skip
    return InvoiceLine(**kept | own | changes)


def add_lines(invoice: Invoice, lines: list[InvoiceLine]) -> None:
    """Store the lines behind those that the document has."""
    last = invoice.lines.count()
    for position, line in enumerate(lines, last + 1):
        line.position = position
    InvoiceLine.objects.bulk_create(lines)


def fix(invoice: Invoice, *, today: date) -> Invoice:
    """Total the document, freeze it with addressee and issuer as they are now, and have it rendered.

    Raises ValidationError where a class of a 修正 falls below 0 (D9), a 返還 would ask for money, one
    without document isn't below 10,000 yen, or it would lack what a 適格請求書 must say.
    """
    with connection.cursor() as cursor:
        drafts.set_totals(cursor, {"kept": [invoice.pk]})
        invoice.refresh_from_db()
        if invoice.kind == Kind.RETURN and invoice.total > 0:
            raise ValidationError(_("返還する金額の合計がマイナスになります。"))
        if invoice.without_document and invoice.given_back >= DOCUMENT_FROM:
            raise ValidationError(_("返還請求書を省けるのは、税込1万円未満の返還だけです。"))
        if invoice.kind != Kind.RETURN:
            if invoice.tax_totals.filter(base__lt=0).exists():
                raise ValidationError(_("税率ごとの金額がマイナスになります。"))
            if invoice.customer.credits.exists():
                credits.note_what_is_left(cursor, {"credited": [invoice.customer_id]})
        given = {"invoice": invoice.pk} | frozen(invoice.month, today)
        if missing := required.lacking(cursor, "i.id = %(invoice)s", given):
            raise ValidationError(required.refused(missing[invoice.customer_id]))
        cursor.execute(
            f"""
            UPDATE billing_invoice i SET {FREEZE}
            FROM accounts_customer c WHERE c.id = i.customer_id AND i.id = %(invoice)s
            """,
            given,
        )
    invoice.refresh_from_db()
    if invoice.gets_pdf:
        rendering.defer([invoice.pk])
    return invoice


def note(
    what: str, invoice: Invoice, reason: str, *, by: User | None, made: Invoice | None = None, month: date | None = None
) -> Correction:
    """Who did it, when and why, beside the document and in the company's history."""
    done = Correction.objects.create(
        customer_id=invoice.customer_id, invoice=invoice, what=what, made=made, month=month, reason=reason, by=by
    )
    follower = f" {made.number}" if made else f" {month_name(month)}" if month else ""
    detail = _("%(what)s、理由: %(reason)s") % {"what": f"{done}{follower}", "reason": reason}
    history.record(Action.INVOICE_CORRECTED, invoice.number, by=by, customer=invoice.customer, detail=detail)
    return done
