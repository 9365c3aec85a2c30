"""What documents say, and in which words two of them differ: the rows of a correction's preview."""

from collections import Counter
from typing import NamedTuple

from django.utils.translation import gettext as _

from billing.models import Invoice, InvoiceLine, TaxTotal
from billing.month.kept import party
from portal.templatetags.figures import percent, period, plain, yen, ymd


class Difference(NamedTuple):
    """What stood there and what will; '' where nothing does."""

    of: str
    before: str
    after: str


class Said(NamedTuple):
    """What a document says: its head by label, and its lines in order, each as one text and in the same order their items."""

    head: dict[str, str]
    lines: list[tuple[str, str]]


NOTHING = Said({}, [])


def said_of(invoices: list[int]) -> dict[int, Said]:
    """{id: what the document says now}, of these documents."""
    lines: dict[int, list[tuple[str, str]]] = {pk: [] for pk in invoices}
    totals: dict[int, dict[str, str]] = {pk: {} for pk in invoices}
    for line in InvoiceLine.objects.filter(invoice__in=invoices).order_by("invoice", "position"):
        lines[line.invoice_id].append((line.item, line_text(line)))
    for total in TaxTotal.objects.filter(invoice__in=invoices).order_by("invoice", "pk"):
        told = {"base": yen(total.base), "tax": yen(total.tax)}
        totals[total.invoice_id][str(total)] = _("対象額 %(base)s円、消費税額 %(tax)s円") % told
    return {
        invoice.pk: Said(head_of(invoice) | totals[invoice.pk], lines[invoice.pk])
        for invoice in Invoice.objects.filter(pk__in=invoices)
    }


def head_of(invoice: Invoice) -> dict[str, str]:
    known = invoice.addressee is not None
    return {
        _("宛先"): party(invoice.addressee) if known else "",
        _("発行者"): party(invoice.issuer) if known else "",
        _("支払期日"): ymd(invoice.due_on),
    }


def line_text(line: InvoiceLine) -> str:
    priced = f"{plain(line.quantity)}{line.unit} × {plain(line.unit_price)}円 ＝ {yen(line.amount)}円"
    classed = f"（{line.get_price_basis_display()}、{line.get_tax_kind_display()} {percent(line.tax_rate)}）"
    ordered = line.purchase_order and f"{_('発注')} {line.purchase_order}"
    days = period(line.starts_on, line.ends_on)
    return "　".join(filter(None, [line.item, line.specification, ordered, days, priced + classed]))


def differences(before: Said, after: Said) -> list[Difference]:
    """Head by label, then lines that went, came or are worded otherwise; a line is told beside the one with its item."""
    labels = [*before.head, *(label for label in after.head if label not in before.head)]
    found = [Difference(label, before.head.get(label, ""), after.head.get(label, "")) for label in labels]
    return [each for each in found if each.before != each.after] + line_differences(before.lines, after.lines)


def line_differences(before: list[tuple[str, str]], after: list[tuple[str, str]]) -> list[Difference]:
    gone, came = left_of(before, after), left_of(after, before)
    found = []
    for item, text in gone:
        place = next((place for place, (other, _text) in enumerate(came) if other == item), None)
        found.append(Difference(_("明細"), text, came.pop(place)[1] if place is not None else ""))
    return found + [Difference(_("明細"), "", text) for _item, text in came]


def left_of(lines: list[tuple[str, str]], others: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The lines that the others don't say, as often as they stand there."""
    rest, found = Counter(others), []
    for line in lines:
        if rest[line]:
            rest[line] -= 1
        else:
            found.append(line)
    return found
