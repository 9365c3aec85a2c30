"""The vendor's settings as a run used them, kept with it: so a fixed month can be counted again when they have changed."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from billing.documents.pdf import LAYOUT
from billing.documents.registered import COVERS_SQL
from contracts.models import Service
from portal import months
from portal.models import CalendarDay, RoundingMode, TaxClass, TaxKind, Vendor, VendorRegistration
from portal.templatetags.figures import month_name, percent, ymd

# The customer `c` as an invoice that is fixed now shows it, with what its 支払期日 follows from. An address is one whole: the
# 請求先's own 〒 never stands over the company's address, nor the other way round.
NAME = "coalesce(nullif(c.billing_name, ''), c.name)"
ADDRESSEE = f"""jsonb_build_object(
    'number', c.number, 'name', {NAME},
    'department', c.billing_department, 'person', c.billing_person,
    'postal_code', CASE WHEN c.billing_address = '' THEN c.postal_code ELSE c.billing_postal_code END,
    'address', coalesce(nullif(c.billing_address, ''), c.address),
    'registration_number', c.registration_number, 'corporate_number', c.corporate_number,
    'payment_months', c.payment_months, 'due_shift', c.due_shift, 'calendar', c.calendar)"""


# The 登録番号 under which any line of the document `i` may stand (D41), the latest where there were several; none without such a line.
NUMBER = f"""coalesce((SELECT r.number FROM portal_vendorregistration r WHERE EXISTS (
    SELECT FROM billing_invoiceline l WHERE l.customer_id = i.customer_id AND l.invoice_id = i.id AND {COVERS_SQL})
    ORDER BY r.valid_from DESC LIMIT 1), '')"""

# What freezes the document `i`: from this UPDATE on only its state moves (D6). `frozen` gives the values.
FREEZE = f"""state = 'fixed', fixed_on = %(today)s, template = %(layout)s, addressee = {ADDRESSEE},
    issuer = %(issuer)s::jsonb || jsonb_build_object('registration_number', {NUMBER})"""


def frozen(month: date, today: date) -> dict[str, Any]:
    """The values of `FREEZE` for documents of a month."""
    return {"today": today, "issuer": json.dumps(issuer(months.last_day(month))), "layout": LAYOUT}


def issuer(day: date) -> dict[str, Any]:
    """The vendor as an invoice of that day shows it (消費税法 57条の4); no registration number without a valid one.

    `registrations` says from when to when which number held: so each document tells what its own may cover.
    """
    vendor = Vendor.objects.settings()
    registration = VendorRegistration.objects.valid_on(day).first()
    times = VendorRegistration.objects.order_by("valid_from").values_list("number", "valid_from", "valid_to")
    return {
        "name": vendor.name,
        "registration_number": registration.number if registration else "",
        "registrations": [
            {"number": number, "from": since.isoformat(), "to": until and until.isoformat()}
            for number, since, until in times
        ],
        "postal_code": vendor.postal_code,
        "address": vendor.address,
        "phone": vendor.phone,
        "bank_account": vendor.bank_account,
        "seal": vendor.seal_id or "",
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


def party(kept: dict[str, str] | None) -> str:
    """宛先 or 発行者 as a fixed invoice keeps it, without the fields that are empty."""
    names = ("number", "name", "postal_code", "address", "department", "person", "phone", "registration_number")
    return "\n".join(filter(None, (kept.get(name) for name in names))) if kept else "-"


def in_words(kept: dict[str, Any] | None) -> str:
    """The settings that a run used, one a line, in the words of the pages on which they are set."""
    if not kept:
        return "-"
    names = dict(Service.objects.values_list("pk", "name"))
    off, on = ([ymd(date.fromisoformat(day)) for day in kept["calendar"][name]] for name in ("off", "on"))
    lines = [
        (_("発行者"), "、".join(filter(None, party(kept["issuer"]).splitlines()))),
        (_("振込先"), "、".join(kept["issuer"]["bank_account"].split("\n"))),
        (_("請求書の備考"), "、".join(kept["issuer"]["note"].split("\n"))),
        (_("消費税の端数処理"), RoundingMode(kept["rounding"]).label),
        (_("税区分"), "、".join(map(tax_class, kept["tax_classes"]))),
        (_("日割のサービス"), "、".join(names.get(service, f"#{service}") for service in kept["prorate"])),
        (_("営業しない日"), "、".join(off)),
        (_("営業する日"), "、".join(on)),
        (_("運用開始年月"), month_name(date.fromisoformat(kept["first_month"]))),
    ]
    return "\n".join(f"{label}: {text or _('なし')}" for label, text in lines)


def tax_class(kept: dict[str, str]) -> str:
    """A tax class as a run kept it: 標準税率 10%（2019/10/01～）."""
    since, until = (ymd(date.fromisoformat(day)) if day else "" for day in (kept["from"], kept["to"]))
    return f"{TaxKind(kept['kind']).label} {percent(Decimal(kept['rate']))}（{since}～{until}）"
