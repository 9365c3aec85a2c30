"""What fixed invoices stand on, so that it stays as it was when they were made."""

from datetime import date

from django.db.models import Max

from billing.models import Invoice, InvoiceLine, Kind, State
from portal import months
from portal.models import TaxClass, VendorRegistration


def billing_has_begun() -> bool:
    """Whether this portal ever fixed an invoice of its own."""
    return Invoice.objects.exclude(state=State.DRAFT).exclude(kind=Kind.IMPORTED).exists()


def last_day_of_tax_class(row: TaxClass) -> date | None:
    """The latest day of supply (D7) that was taxed by this class on a fixed invoice; None if none was."""
    lines = InvoiceLine.objects.exclude(invoice__state=State.DRAFT)
    lines = lines.filter(tax_kind=row.kind, tax_rate=row.rate, ends_on__gte=row.valid_from)
    if row.valid_to:
        lines = lines.filter(ends_on__lte=row.valid_to)
    return lines.aggregate(last=Max("ends_on"))["last"]


def last_day_of_registration(row: VendorRegistration) -> date | None:
    """The last day of the latest month whose fixed invoices carry this number; None if none does."""
    fixed = Invoice.objects.exclude(state=State.DRAFT).filter(issuer__registration_number=row.number)
    last = fixed.aggregate(last=Max("month"))["last"]
    return last and months.last_day(last)
