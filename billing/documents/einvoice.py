"""The invoice as JP PINT (UBL 2.1): what a program reads, made from the frozen rows that the PDF is made from."""

import re
import unicodedata
import xml.etree.ElementTree as ET
from datetime import date
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import PaymentMethod
from billing.documents import registered
from billing.documents.registered import Class
from billing.models import Invoice, InvoiceLine, Kind
from portal.models import TaxKind
from portal.months import last_day
from portal.templatetags.figures import day_name, plain

RULES = "JP PINT 1.1.3"
CUSTOMIZATION, PROFILE, TYPE = "urn:peppol:pint:billing-1@jp-1", "urn:peppol:bis:billing", "380"
SCHEMAS = "urn:oasis:names:specification:ubl:schema:xsd:"
ROOT, CAC, CBC = f"{SCHEMAS}Invoice-2", f"{SCHEMAS}CommonAggregateComponents-2", f"{SCHEMAS}CommonBasicComponents-2"
CORPORATE, REGISTERED = "0188", "0221"  # schemes of electronic addresses: 法人番号, 登録番号

CATEGORIES = {
    TaxKind.STANDARD: "S",
    TaxKind.REDUCED: "AA",
    TaxKind.EXEMPT: "E",
    TaxKind.EXPORT: "G",
    TaxKind.OUTSIDE: "O",
}
UNITS = {"月": "MON", "か月": "MON", "ヶ月": "MON", "時間": "HUR", "日": "DAY", "個": "H87", "台": "H87", "本": "H87"}
ONE = "C62"
NOT_COVERED = "登録番号の対象外"
# 振込先 as the vendor's settings show an example of it: banks' and branches' codes in brackets, kind, number, name in kana.
ACCOUNT = re.compile(r"\((\d{4})\).*?\((\d{3})\)\s*(普通|当座)\s*(\d{7})\s+(\S.*)", re.DOTALL)
ACCOUNT_KINDS = {"普通": "1", "当座": "2"}


def reason_against(invoice: Invoice) -> str:
    """Why there can't be a JP PINT of this document, in words for its page; empty if there can."""
    if invoice.kind == Kind.IMPORTED:
        return _("他のシステムから移行した請求書のため")
    if not (invoice.issuer or {}).get("registration_number"):
        return _("発行者の登録番号がない請求書のため")
    if not address_of(invoice.addressee or {}):
        return _("お客様の法人番号または登録番号が登録されていないため")
    return ""


def address_of(party: dict[str, Any]) -> tuple[str, str] | None:
    """(scheme, number) by which a company is found on the network, None without any."""
    if number := party.get("corporate_number"):
        return CORPORATE, number
    if number := party.get("registration_number"):
        return REGISTERED, number
    return None


def build(invoice: Invoice) -> bytes:
    """Bytes of the XML of a fixed document of which `reason_against` has nothing to say; the same rows give the same bytes.

    Raises whatever a row raises of which no XML can be made.
    """
    assert invoice.issuer is not None and invoice.addressee is not None  # fixed ones have both
    lines = list(invoice.lines.select_related("contract", "order").order_by("position"))
    apart = registered.apart(invoice, lines)
    classes = registered.classes(invoice, lines, apart)
    nets = registered.nets(lines, classes, apart)
    root = ET.Element("Invoice", {"xmlns": ROOT, "xmlns:cac": CAC, "xmlns:cbc": CBC})
    text(root, "CustomizationID", CUSTOMIZATION)
    text(root, "ProfileID", PROFILE)
    text(root, "ID", invoice.number)
    text(root, "IssueDate", invoice.issued_on.isoformat())
    if invoice.due_on and invoice.total > 0:
        text(root, "DueDate", invoice.due_on.isoformat())
    text(root, "InvoiceTypeCode", TYPE)
    if words := note(invoice, apart):
        text(root, "Note", words)
    text(root, "DocumentCurrencyCode", "JPY")
    text(root, "BuyerReference", invoice.addressee["number"])
    period(root, *document_period(invoice, lines))
    ordered = {line.purchase_order for line in lines}
    if one := ordered.pop() if len(ordered) == 1 else "":
        text(part(root, "OrderReference"), "ID", one)
    if invoice.corrects:
        reference = part(part(root, "BillingReference"), "InvoiceDocumentReference")
        text(reference, "ID", invoice.corrects.number)
        text(reference, "IssueDate", invoice.corrects.issued_on.isoformat())
    supplier(root, invoice.issuer)
    buyer(root, invoice.addressee)
    pay(root, invoice)
    taxes(root, classes)
    sums = part(root, "LegalMonetaryTotal")
    net = sum(nets.values())
    for name, yen in [
        ("LineExtensionAmount", net),
        ("TaxExclusiveAmount", net),
        ("TaxInclusiveAmount", invoice.total),
        ("PayableAmount", invoice.total),
    ]:
        amount(sums, name, yen)
    for line in lines:
        write_line(root, line, nets[line.pk], apart=line.pk in apart, ordered="" if one else line.purchase_order)
    ET.indent(root)
    made = ET.tostring(root, encoding="UTF-8", xml_declaration=True)
    ET.fromstring(made)  # noqa: S314  # our own; a character that XML doesn't know is found here
    return made


def document_period(invoice: Invoice, lines: list[InvoiceLine]) -> tuple[date, date]:
    """From the earliest day of a line to the latest: every line's period must lie within it."""
    first = min((line.starts_on for line in lines), default=invoice.month)
    return first, max((line.ends_on for line in lines), default=last_day(invoice.month))


def note(invoice: Invoice, apart: set[int]) -> str:
    """What the document names, and what of it isn't under its 登録番号."""
    words = []
    if invoice.corrects:
        named = f"{invoice.corrects.number}（{day_name(invoice.corrects.issued_on)}付）"
        words.append(f"{named}の{invoice.get_kind_display()}")
    if apart:
        words.append(
            f"品目に（{NOT_COVERED}）とある明細は、適格請求書の対象ではありません（消費税相当額を含む金額です）。"
        )
    return "　".join(words)


def part(parent: ET.Element, name: str) -> ET.Element:
    return ET.SubElement(parent, f"cac:{name}")


def text(parent: ET.Element, name: str, words: str, /, **attributes: str) -> None:
    ET.SubElement(parent, f"cbc:{name}", attributes).text = words


def amount(parent: ET.Element, name: str, yen: int) -> None:
    text(parent, name, str(yen), currencyID="JPY")


def period(parent: ET.Element, first: Any, last: Any) -> None:
    made = part(parent, "InvoicePeriod")
    text(made, "StartDate", first.isoformat())
    text(made, "EndDate", last.isoformat())


def category(parent: ET.Element, name: str, kind: str, rate: Decimal, *, apart: bool = False) -> None:
    """The tax category; what stands apart from the 登録番号 has none of which a buyer could deduct tax (O)."""
    kind = TaxKind.OUTSIDE if apart else kind
    made = part(parent, name)
    text(made, "ID", CATEGORIES[TaxKind(kind)])
    if kind != TaxKind.OUTSIDE:  # outside the tax's scope there is no rate, not even 0
        text(made, "Percent", plain(rate * 100))
    text(part(made, "TaxScheme"), "ID", "VAT")


def place(party: ET.Element, kept: dict[str, Any]) -> None:
    made = part(party, "PostalAddress")
    if kept.get("address"):
        text(made, "StreetName", kept["address"])
    if kept.get("postal_code"):
        text(made, "PostalZone", kept["postal_code"].replace("-", ""))
    text(part(made, "Country"), "IdentificationCode", "JP")


def supplier(root: ET.Element, issuer: dict[str, Any]) -> None:
    party = part(part(root, "AccountingSupplierParty"), "Party")
    text(party, "EndpointID", issuer["registration_number"], schemeID=REGISTERED)
    place(party, issuer)
    scheme = part(party, "PartyTaxScheme")
    text(scheme, "CompanyID", issuer["registration_number"])
    text(part(scheme, "TaxScheme"), "ID", "VAT")
    text(part(party, "PartyLegalEntity"), "RegistrationName", issuer["name"])


def buyer(root: ET.Element, addressee: dict[str, Any]) -> None:
    party = part(part(root, "AccountingCustomerParty"), "Party")
    scheme, number = address_of(addressee) or ("", "")
    text(party, "EndpointID", number, schemeID=scheme)
    place(party, addressee)
    text(part(party, "PartyLegalEntity"), "RegistrationName", addressee["name"])
    if who := " ".join(filter(None, (addressee.get("department"), addressee.get("person")))):
        text(part(party, "Contact"), "Name", who)


def pay(root: ET.Element, invoice: Invoice) -> None:
    """The accounts, each where the 振込先 can be read as one, and always in words how and by when."""
    asked = invoice.kind != Kind.RETURN and invoice.total > 0
    told = unicodedata.normalize("NFKC", (invoice.issuer or {}).get("bank_account", ""))
    accounts = [ACCOUNT.search(account) for account in re.split(r"\n\s*\n", told.replace("\r\n", "\n"))]
    for account in filter(None, accounts):
        if not asked or invoice.payment_method != PaymentMethod.TRANSFER:
            break
        bank, branch, kind, number, name = account.groups()
        means = part(root, "PaymentMeans")
        text(means, "PaymentMeansCode", "30", name="Credit transfer")
        payee = part(means, "PayeeFinancialAccount")
        text(payee, "ID", f"{bank}:{branch}:{ACCOUNT_KINDS[kind]}:{number}")
        text(payee, "Name", name.strip())
    words = (
        f"{invoice.get_payment_method_display()} {day_name(invoice.due_on)}まで"
        if asked
        else "お支払いの必要はありません"
    )
    text(part(root, "PaymentTerms"), "Note", words)


def taxes(root: ET.Element, classes: list[Class]) -> None:
    """Base and tax by category; what stands apart is one of them, with its tax inside."""
    total = part(root, "TaxTotal")
    outside = [row for row in classes if row.apart or row.kind == TaxKind.OUTSIDE]
    amount(total, "TaxAmount", sum(row.tax for row in classes if not row.apart))
    for row in classes:
        if row not in outside:
            subtotal(total, row, row.base, row.tax)
    if outside:
        subtotal(total, outside[0], sum(row.base + row.tax for row in outside), 0)


def subtotal(total: ET.Element, row: Class, base: int, tax: int) -> None:
    made = part(total, "TaxSubtotal")
    amount(made, "TaxableAmount", base)
    amount(made, "TaxAmount", tax)
    category(made, "TaxCategory", row.kind, row.rate, apart=row.apart)


def write_line(root: ET.Element, line: InvoiceLine, net: int, *, apart: bool, ordered: str) -> None:
    """Quantity times price is the amount exactly, else the line is one piece of its amount and its words tell the quantity.

    `ordered` is the buyer's 発注番号 where the document has none that is good for all lines.
    """
    made = part(root, "InvoiceLine")
    text(made, "ID", str(line.position))
    quantity, price, unit, told = line.quantity, line.unit_price, UNITS.get(line.unit, ONE), ""
    if quantity * price != net:
        told = f"{plain(quantity)}{line.unit} × {plain(price)}（{line.get_price_basis_display()}）"
        quantity, price, unit = Decimal(1), Decimal(net), ONE
    if price < 0:  # a unit price is never below 0 there
        quantity, price = -quantity, -price
    text(made, "InvoicedQuantity", bare(quantity), unitCode=unit)
    amount(made, "LineExtensionAmount", net)
    period(made, line.starts_on, line.ends_on)
    if ordered:
        reference = part(made, "OrderLineReference")
        text(reference, "LineID", "NA")  # UBL wants one; what line of the buyer's order it is nobody said
        text(part(reference, "OrderReference"), "ID", ordered)
    item = part(made, "Item")
    if words := "　".join(filter(None, (line.specification, told, line.explanation))):
        text(item, "Description", words)
    marks = [("軽減税率対象", line.tax_kind == TaxKind.REDUCED), (NOT_COVERED, apart)]
    text(item, "Name", line.item + "".join(f"（{mark}）" for mark, holds in marks if holds))
    category(item, "ClassifiedTaxCategory", line.tax_kind, line.tax_rate, apart=apart)
    of_one = part(made, "Price")
    text(of_one, "PriceAmount", bare(price), currencyID="JPY")
    text(of_one, "BaseQuantity", "1", unitCode=unit)


def bare(number: Decimal) -> str:
    """A number without separators and without zeros that say nothing."""
    return plain(number).replace(",", "")
