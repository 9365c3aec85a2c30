"""Staff's page of an invoice: what it shows beside the form of a draft's adjustments, read by two statements whatever its size."""

from collections.abc import Iterator
from datetime import date
from typing import Any

from django.db.models import Case, CharField, F, Q, Subquery, Value, When
from django.http import HttpRequest
from django.utils.translation import gettext as _

from billing import difference
from billing.corrections.causes import ways_of
from billing.corrections.making import ADD
from billing.gathered import Part, gather
from billing.models import (
    OF_MONTH,
    Correction,
    Download,
    Invoice,
    InvoiceLine,
    InvoicePdf,
    InvoiceXml,
    Rendering,
    State,
    TaxTotal,
)
from contracts.models import ContractLine
from orders.models import Kind as OrderKind
from portal import months, rights
from portal.models import Action, HistoryEvent, Inquiry, Mail, Vendor, VendorRegistration

MOST_LINES = 200  # shown; the document has all of them
MOST = 10  # of mails, downloads and what was done
Origin = InvoiceLine.Origin


def page_of(invoice: Invoice, request: HttpRequest) -> dict[str, Any]:
    """What the page shows: {name of a part: `Found`}, and what follows from them."""
    parts = [*of_document(invoice), *of_month(invoice), *of_corrections(invoice), *of_people(invoice, request)]
    found: dict[str, Any] = gather(parts)
    vendor = first(found.pop("vendor")) or Vendor()
    for line in found["lines"].rows:
        line.kind_label = OrderKind(line.order_kind).label if line.order_kind else line.get_origin_display()
    found |= {name: first(found.pop(name)) for name in ("pdf", "xml", "rendering", "before", "after")}
    former = {row.pk: row.continues_id for row in found.pop("formers").rows}
    counted = invoice.state == State.FIXED and invoice.kind in OF_MONTH
    may_credit = counted and vendor.carries_credits and rights.may(request.user, "billing.add_credit")
    return found | {
        "difference": difference.between(found["before"], invoice, former) if invoice.counts else None,
        "addressee": addressee_of(invoice),
        "issuer": issuer_of(invoice, vendor, first(found.pop("registration"))),
        "ways": ways_of(invoice) if rights.may(request.user, ADD) else [],
        "may_credit": may_credit,
        "may_see_credits": rights.may(request.user, "billing.view_credit"),
        "credits_taken": [line for line in found["lines"].rows if line.credit_id],
        "charging": InvoiceLine.CHARGING,
        "balances": invoice.balances(),
        "reduced": any(line.tax_kind == "reduced" for line in found["lines"].rows),
    }


def first(found: Any) -> Any:
    return found.rows[0] if found.rows else None


def of_document(invoice: Invoice) -> Iterator[Part]:
    """Lines, totals, files; of a draft the vendor as the document would name it."""
    lines = (
        InvoiceLine.objects.filter(customer=invoice.customer_id, invoice=invoice.pk).with_left().order_by("position")
    )
    lines = lines.annotate(
        contract_number=F("contract__number"), order_number=F("order__number"), order_kind=F("order__kind")
    )
    fields = [
        "id", "position", "origin", "item", "specification", "starts_on", "ends_on", "quantity", "unit", "unit_price",
        "amount", "price_basis", "tax_kind", "tax_rate", "purchase_order", "contract_id", "contract_number", "order_id",
        "order_number", "order_kind", "left", "credit_id",
    ]  # fmt: skip
    yield Part("lines", lines, fields, MOST_LINES)
    own = {"customer": invoice.customer_id, "invoice": invoice.pk}
    yield Part("totals", TaxTotal.objects.filter(**own).order_by("-rate", "kind"), ["kind", "rate", "base", "tax"], 20)
    yield Part("pdf", InvoicePdf.objects.filter(**own).order_by(), ["size", "sha256", "rendered_at"], 1)
    yield Part("xml", InvoiceXml.objects.filter(**own).order_by(), ["size", "sha256"], 1)
    yield Part("rendering", Rendering.objects.filter(**own).order_by(), ["tries", "error", "parked_at"], 1)
    named = ["name", "postal_code", "address", "phone", "bank_account", "invoice_note", "credit_method"]
    yield Part("vendor", Vendor.objects.order_by(), named, 1)
    valid = VendorRegistration.objects.valid_on(months.last_day(invoice.month))
    yield Part("registration", valid.order_by(), ["number"], 1)


def of_month(invoice: Invoice) -> Iterator[Part]:
    """The documents of the months beside this one, and which contract lines go on from which (D23)."""
    fields = ["id", "number", "month", "kind", "state", "net", "tax", "total"]
    regular = Invoice.objects.filter(customer=invoice.customer_id).regular().counting()
    beside = {"before": month_beside(invoice, -1), "after": month_beside(invoice, 1)}
    rows = {name: regular.filter(month=month).order_by("-pk") for name, month in beside.items()}
    for name in beside:
        yield Part(name, rows[name], fields, 1)
    lines = InvoiceLine.objects.filter(customer=invoice.customer_id)
    compared = lines.filter(Q(invoice=invoice.pk) | Q(invoice=Subquery(rows["before"].values("pk")[:1])))
    copies = ContractLine.objects.filter(customer=invoice.customer_id, continues__isnull=False)
    yield Part(
        "formers", copies.filter(contract__in=compared.values("contract")).order_by(), ["id", "continues_id"], 10_000
    )


def month_beside(invoice: Invoice, by: int) -> date:
    return months.add_months(invoice.month, by)


def of_corrections(invoice: Invoice) -> Iterator[Part]:
    """Documents that this one names or that name it, each with its word; who corrected what, and why."""
    rebilled = InvoiceLine.objects.filter(customer=invoice.customer_id, origin=Origin.REBILL)
    former = rebilled.filter(invoice=invoice.pk).values("replaces__invoice")
    following = rebilled.filter(replaces__invoice=invoice.pk).values("invoice")
    corrects = Q(pk=invoice.corrects_id) if invoice.corrects_id else Q(pk=None)
    rows = Invoice.objects.filter(customer=invoice.customer_id).annotate(
        how=Case(
            When(corrects, then=Value(_("訂正元"))),
            When(corrects=invoice.pk, then=Value(_("訂正"))),
            When(pk__in=former, then=Value(_("再請求の元"))),
            default=Value(_("再請求")),
            output_field=CharField(),
        )
    )
    rows = rows.filter(corrects | Q(corrects=invoice.pk) | Q(pk__in=former) | Q(pk__in=following))
    fields = ["id", "number", "month", "kind", "state", "total", "how"]
    yield Part("related", rows.order_by("month", "number"), fields, MOST)
    done = Correction.objects.filter(Q(invoice=invoice.pk) | Q(made=invoice.pk), customer=invoice.customer_id)
    done = done.annotate(person=F("by__name"), of_number=F("invoice__number"), made_number=F("made__number")).order_by(
        "-at", "-pk"
    )
    fields = ["what", "month", "reason", "at", "person", "invoice_id", "of_number", "made_id", "made_number"]
    yield Part("corrections", done, fields, MOST)


def of_people(invoice: Invoice, request: HttpRequest) -> Iterator[Part]:
    """What was mailed and taken of it, asked about it, and done to it; each for whom may see it. Reminders say what the company noted."""
    own = {"customer": invoice.customer_id}
    if rights.may(request.user, "portal.view_mail"):
        keys = [f"{kind}:{invoice.number}" for kind in Mail.ABOUT_DOCUMENTS]
        rows = Mail.objects.filter(**own, key__in=keys).annotate(person=F("user__name")).order_by("-pk")
        fields = ["id", "kind", "state", "sent_to", "sent_at", "created_at", "error", "person"]
        yield Part("mails", rows, fields, MOST)
    taken = Download.objects.filter(**own, invoice=invoice.pk).annotate(person=F("user__name")).order_by("-at")
    yield Part("downloads", taken, ["at", "person"], MOST)
    if rights.may(request.user, "portal.view_inquiry"):
        about = Inquiry.objects.filter(**own, about=invoice.number).order_by("-created_at")
        yield Part("inquiries", about, ["id", "number", "subject", "state", "created_at"], 5)
    if rights.may(request.user, "portal.view_historyevent"):
        events = HistoryEvent.objects.about(invoice).exclude(action=Action.INVOICE_DOWNLOADED)
        yield Part("events", events, ["id", "at", "actor_name", "action", "detail"], MOST)


def addressee_of(invoice: Invoice) -> list[tuple[str, str]]:
    """宛先 as (label, text): as it was frozen, or as the fix would copy it from the customer today."""
    customer = invoice.customer
    kept = invoice.addressee or {
        "number": customer.number,
        "name": customer.addressee_name,
        "department": customer.billing_department,
        "person": customer.billing_person,
        "postal_code": customer.billing_postal_code if customer.billing_address else customer.postal_code,
        "address": customer.billing_address or customer.address,
        "registration_number": customer.registration_number,
    }
    return pairs(
        kept,
        (_("宛名"), "name"), (_("部署"), "department"), (_("担当者"), "person"), (_("住所"), "address"),
        (_("お客様番号"), "number"), (_("登録番号"), "registration_number"),
    )  # fmt: skip


def issuer_of(invoice: Invoice, vendor: Vendor, registration: VendorRegistration | None) -> list[tuple[str, str]]:
    """発行者, likewise."""
    kept = invoice.issuer or {
        "name": vendor.name,
        "registration_number": registration.number if registration else "",
        "postal_code": vendor.postal_code,
        "address": vendor.address,
        "phone": vendor.phone,
        "bank_account": vendor.bank_account,
        "note": vendor.invoice_note,
        "credit_method": vendor.credit_method,
    }
    return pairs(
        kept,
        (_("会社名"), "name"), (_("登録番号"), "registration_number"), (_("住所"), "address"), (_("電話"), "phone"),
        (_("振込先"), "bank_account"), (_("備考"), "note"), (_("調整方法"), "credit_method"),
    )  # fmt: skip


def pairs(kept: dict[str, Any], *labels: tuple[str, str]) -> list[tuple[str, str]]:
    """What is there of it, with its label; an address stands behind its 〒."""
    found = [(label, kept.get(name) or "") for label, name in labels]
    if kept.get("postal_code"):
        found = [(label, f"〒{kept['postal_code']} {text}" if label == _("住所") else text) for label, text in found]
    return [(label, text) for label, text in found if text]
