"""What documents say, and in which words two of them differ: the rows of a correction's preview."""

from collections import Counter
from typing import NamedTuple

from django.utils.translation import gettext as _

from accounts.models import Calendar, PaymentMethod
from billing.documents import registered
from billing.models import OF_MONTH, Invoice, InvoiceLine, Kind
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
    found = Invoice.objects.filter(pk__in=invoices).prefetch_related("lines", "tax_totals")
    return {invoice.pk: said(invoice) for invoice in found}


def said(invoice: Invoice) -> Said:
    """All that the document says, but for its number, its day and which document it corrects: those differ always."""
    lines = list(invoice.lines.all())
    apart = registered.apart(invoice, lines)
    told = [(line.item, line_text(line, apart=line.pk in apart)) for line in lines]
    return Said(head_of(invoice) | totals_of(invoice), told)


def totals_of(invoice: Invoice) -> dict[str, str]:
    return {
        str(total): _("対象額 %(base)s円、消費税額 %(tax)s円") % {"base": yen(total.base), "tax": yen(total.tax)}
        for total in invoice.tax_totals.all()
    }


def head_of(invoice: Invoice) -> dict[str, str]:
    """What stands around the lines, as PDF and XML say it; an empty text where nothing is said."""
    due = {_("支払期日"): ymd(invoice.due_on)}
    if invoice.addressee is None or invoice.issuer is None:
        return due
    to, issuer, billed = invoice.addressee, invoice.issuer, invoice.kind != Kind.RETURN
    asked = billed and not invoice.is_free and invoice.payment_method == PaymentMethod.TRANSFER
    own = invoice.kind in OF_MONTH
    balances = "\n".join(
        f"{percent(rate)} {kind} {yen(left)}円（{basis}）" for rate, kind, basis, left in invoice.balances()
    )
    return due | {
        _("書類"): _("発行しません（記録だけ）") if invoice.without_document else "",
        _("宛先"): party(to),
        _("法人番号"): to.get("corporate_number", ""),
        _("年の表記"): str(Calendar(to.get("calendar", Calendar.WESTERN)).label) if own else "",
        _("発行者"): party(issuer),
        _("角印"): _("あり（画像 %(key)s）") % {"key": issuer["seal"][:8]} if issuer.get("seal") else "",
        _("振込先"): issuer.get("bank_account", "") if asked else "",
        _("備考"): issuer.get("note", "") if billed else "",
        _("調整残高"): balances,
        _("調整方法"): issuer.get("credit_method", "") if balances else "",
        _("書類の様式"): invoice.template if own else "",
    }


def line_text(line: InvoiceLine, *, apart: bool) -> str:
    priced = f"{plain(line.quantity)}{line.unit} × {plain(line.unit_price)}円 ＝ {yen(line.amount)}円"
    classed = f"（{line.get_price_basis_display()}、{line.get_tax_kind_display()} {percent(line.tax_rate)}）"
    ordered = line.purchase_order and f"{_('発注')} {line.purchase_order}"
    beside = _("登録番号の対象外") if apart else ""
    days = period(line.starts_on, line.ends_on)
    return "　".join(filter(None, [line.item, line.specification, ordered, days, priced + classed, beside]))


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
