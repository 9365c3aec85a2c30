"""Whether the stored documents are still what was stored, and say what their rows say (真実性の確保)."""

import hashlib
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from functools import cache
from io import BytesIO
from typing import Any, NamedTuple

from django.db.models import Exists, OuterRef
from django.utils.formats import date_format
from pypdf import PdfReader

from billing.documents import einvoice, registered
from billing.documents.einvoice import CAC, CBC
from billing.models import Invoice, InvoicePdf, InvoiceXml, Kind, Rendering
from portal.templatetags.figures import yen

PIECE = 20  # PDFs that are held at a time
# What a page of the invoice itself says: 請求番号 at its foot, the total below the tax classes.
NUMBER = re.compile(r"請求番号\s+([A-Z0-9-]{1,20})\s+\d+ / \d+")
TOTAL = re.compile(r"合計（税込）\s*([-▲△]?)\s*¥?\s*([-▲△]?)\s*([\d,]+)")
# Its days, whose years may be those of eras (和暦).
ISSUED = re.compile(r"(?:請求日|返還日)\s+\S+?年(\d+月\d+日)")


class Verified(NamedTuple):
    """What was found at one document: `faults` in words, none where everything agrees."""

    is_xml: bool
    number: str
    customer: str
    read: bool  # whether the file's own words were compared
    faults: list[str]


def verify() -> Iterator[Verified]:
    """Hash every stored PDF and XML again and read its number and total, a few at a time, in the order in which they were made.

    The documents of 移行 were laid out elsewhere: of them the bytes are compared, not the words.
    """
    for words, kept in ((compare_pdf, InvoicePdf), (compare_xml, InvoiceXml)):
        last = 0
        while rows := list(
            kept.objects.filter(pk__gt=last)
            .select_related("invoice", "customer")
            .prefetch_related("invoice__lines", "invoice__tax_totals")
            .annotate(has_xml=Exists(of_same(InvoiceXml)), waits=Exists(of_same(Rendering)))
            .order_by("pk")[:PIECE]
        ):
            for row in rows:
                read = row.invoice.kind != Kind.IMPORTED
                faults = [*faults_of_bytes(row), *(faults_of_words(row, words) if read else [])]
                if kept is InvoicePdf and lacks_xml(row):
                    faults.append("XMLがありません")
                yield Verified(kept is InvoiceXml, row.invoice.number, row.customer.number, read, faults)
            last = rows[-1].pk


def faults_of_bytes(row: Any) -> Iterator[str]:
    if hashlib.sha256(row.content).hexdigest() != row.sha256:
        yield "SHA-256が保存時と違います"
    if len(row.content) != row.size:
        yield f"大きさが{len(row.content):,}バイトです（保存時 {row.size:,}バイト）"


def faults_of_words(row: Any, compare: Callable[[Invoice, bytes], Iterator[str]]) -> Iterator[str]:
    try:
        yield from compare(row.invoice, bytes(row.content))
    except Exception as fault:  # whatever a damaged file makes a reader raise
        yield f"{'XML' if isinstance(row, InvoiceXml) else 'PDF'}を読み取れません（{type(fault).__name__}）"


def of_same(model: Any) -> Any:
    return model.objects.filter(invoice=OuterRef("invoice"), customer=OuterRef("customer"))


def lacks_xml(row: Any) -> bool:
    """Whether the XML that was made together with this PDF is gone; where it couldn't be made that is written down.

    An 宛先 of before there were any doesn't name the 法人番号.
    """
    may = "corporate_number" in (row.invoice.addressee or {}) and not einvoice.reason_against(row.invoice)
    return may and not row.has_xml and not row.waits


def compare_pdf(invoice: Invoice, content: bytes) -> Iterator[str]:
    """What the PDF says otherwise than the rows. Raises what pypdf raises."""
    pages = PdfReader(BytesIO(content)).pages
    read = cache(lambda place: pages[place].extract_text())
    number, total = number_and_total(len(pages), read)
    yield from told_of("PDF", invoice, number, total)
    left = written(invoice)
    for text in map(read, range(len(pages))):  # mostly the first says all
        left = {fact: words for fact, words in left.items() if not fact.search(text)}
        if (issued := ISSUED.search(text)) and issued[1] != date_format(invoice.issued_on, "n月j日"):
            yield f"請求日がPDFでは{issued[1]}、台帳では{date_format(invoice.issued_on, 'n月j日')}"
        if not left:
            break
    for words in left.values():
        yield f"台帳の{words}がPDFにありません"


def written(invoice: Invoice) -> dict[re.Pattern[str], str]:
    """What stands on the pages beside number and total, as it is sought, each with its words: 支払期限, and the sums by tax class."""
    found = {}
    if invoice.due_on and invoice.total > 0:
        day = date_format(invoice.due_on, "n月j日（D）")
        found[re.compile(re.escape(day))] = f"支払期限 {day}"
    for row in classes_of(invoice):
        for words, amount in ((f"{row.get_kind_display()}の対象額", row.base), ("消費税額", row.tax)):
            found[re.compile(rf"(?<![\d,]){yen(abs(amount))}(?![\d,])")] = f"{words} {yen(amount)}"
    return found


def classes_of(invoice: Invoice) -> list[registered.Class]:
    lines = list(invoice.lines.all())
    return registered.classes(invoice, lines, registered.apart(invoice, lines))


def number_and_total(pages: int, read: Callable[[int], str]) -> tuple[str | None, int | None]:
    """請求番号 and 合計（税込） in yen as so many pages show them, None for what they don't.

    The total ends the invoice: it is on the last page, or before an annex on a first one.
    """
    number = None
    for text in map(read, [pages - 1, *range(pages - 1)]):
        foot, total = NUMBER.search(text), TOTAL.search(text)
        number = foot[1] if foot else number
        if total:
            sign = -1 if total[1] or total[2] else 1
            return number, sign * int(total[3].replace(",", ""))
    return number, None


def told_of(name: str, invoice: Invoice, number: str | None, total: int | None) -> Iterator[str]:
    if number != invoice.number:
        yield f"{name}の請求番号は{number or '読み取れません'}"
    if total != invoice.total:
        yield f"合計（税込）が{name}では{'読み取れず' if total is None else yen(total)}、台帳では{yen(invoice.total)}"


def compare_xml(invoice: Invoice, content: bytes) -> Iterator[str]:
    """What the JP PINT says otherwise than the rows. Raises what the parser raises."""
    root = ET.fromstring(content)  # noqa: S314  # our own file, whose hash was compared
    total = root.findtext(f"{{{CAC}}}LegalMonetaryTotal/{{{CBC}}}PayableAmount")
    yield from told_of("XML", invoice, root.findtext(f"{{{CBC}}}ID"), None if total is None else int(total))
    issuer, addressee = invoice.issuer or {}, invoice.addressee or {}
    due = invoice.due_on.isoformat() if invoice.due_on and invoice.total > 0 else None
    name_of = f"{{{CAC}}}Party/{{{CAC}}}PartyLegalEntity/{{{CBC}}}RegistrationName"
    for words, path, value in [
        ("請求日", f"{{{CBC}}}IssueDate", invoice.issued_on.isoformat()),
        ("支払期日", f"{{{CBC}}}DueDate", due),
        ("発行者", f"{{{CAC}}}AccountingSupplierParty/{name_of}", issuer.get("name")),
        ("登録番号", f".//{{{CAC}}}PartyTaxScheme/{{{CBC}}}CompanyID", issuer.get("registration_number")),
        ("宛先", f"{{{CAC}}}AccountingCustomerParty/{name_of}", addressee.get("name")),
    ]:
        if (said := root.findtext(path)) != value:
            yield f"{words}がXMLでは{said or 'なし'}、台帳では{value or 'なし'}"
    made = ET.Element("Invoice")
    einvoice.taxes(made, classes_of(invoice))
    if sums_of(root) != sums_of(made):
        yield "税区分ごとの金額がXMLと台帳で違います"


def sums_of(root: ET.Element) -> list[str | None]:
    """Of each tax category the base and the tax, whether its names have been read or are still to be written."""
    return [each.text for each in root.iter() if each.tag.endswith(("TaxableAmount", "TaxAmount"))]
