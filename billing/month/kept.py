"""The vendor's settings as a run used them, kept with it: so a fixed month can be counted again when they have changed."""

from datetime import date
from typing import Any

from contracts.models import Service
from portal import months
from portal.models import CalendarDay, TaxClass, Vendor, VendorRegistration


def issuer(day: date) -> dict[str, str]:
    """The vendor as an invoice of that day shows it (消費税法 57条の4); no registration number without a valid one."""
    vendor = Vendor.objects.settings()
    registration = VendorRegistration.objects.valid_on(day).first()
    return {
        "name": vendor.name,
        "registration_number": registration.number if registration else "",
        "postal_code": vendor.postal_code,
        "address": vendor.address,
        "phone": vendor.phone,
        "bank_account": vendor.bank_account,
        "note": vendor.invoice_note,
        "credit_method": vendor.credit_method,
    }


def settings_of(month: date) -> dict[str, Any]:
    """What the month's documents follow from, as JSON: issuer, rounding, tax classes, calendar, and the services with 日割.

    Days are written as 2026-05-31, an open end is null, services are their ids.
    """
    vendor = Vendor.objects.settings()
    classes = TaxClass.objects.order_by("kind", "valid_from").values_list("kind", "rate", "valid_from", "valid_to")
    return {
        "first_month": vendor.first_month.isoformat(),
        "rounding": vendor.rounding,
        "issuer": issuer(months.last_day(month)),
        "tax_classes": [
            {"kind": kind, "rate": str(rate), "from": since.isoformat(), "to": until and until.isoformat()}
            for kind, rate, since, until in classes
        ],
        "calendar": {
            name: sorted(day.isoformat() for day in days) for name, days in CalendarDay.objects.exceptions().items()
        },
        "prorate": sorted(Service.objects.filter(prorate=True).values_list("pk", flat=True)),
    }
