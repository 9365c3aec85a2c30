"""Whether the stored documents are still what was stored, and say what their rows say (真実性の確保)."""

import hashlib
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any, NamedTuple

from pypdf import PdfReader

from billing.documents.einvoice import CAC, CBC
from billing.models import InvoicePdf, InvoiceXml, Kind
from portal.templatetags.figures import yen

PIECE = 20  # PDFs that are held at a time
# What a page of the invoice itself says: 請求番号 at its foot, the total below the tax classes.
NUMBER = re.compile(r"請求番号\s+([A-Z0-9-]{1,20})\s+\d+ / \d+")
TOTAL = re.compile(r"合計（税込）\s*([-▲△]?)\s*¥?\s*([-▲△]?)\s*([\d,]+)")


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
    for words, kept in ((words_of, InvoicePdf), (words_of_xml, InvoiceXml)):
        last = 0
        while rows := list(
            kept.objects.filter(pk__gt=last).select_related("invoice", "customer").order_by("pk")[:PIECE]
        ):
            for row in rows:
                read = row.invoice.kind != Kind.IMPORTED
                faults = [*faults_of_bytes(row), *(faults_of_words(row, words) if read else [])]
                yield Verified(kept is InvoiceXml, row.invoice.number, row.customer.number, read, faults)
            last = rows[-1].pk


def faults_of_bytes(row: Any) -> Iterator[str]:
    if hashlib.sha256(row.content).hexdigest() != row.sha256:
        yield "SHA-256が保存時と違います"
    if len(row.content) != row.size:
        yield f"大きさが{len(row.content):,}バイトです（保存時 {row.size:,}バイト）"


def faults_of_words(row: Any, words: Callable[[bytes], tuple[str | None, int | None]]) -> Iterator[str]:
    name = "XML" if isinstance(row, InvoiceXml) else "PDF"
    try:
        number, total = words(bytes(row.content))
    except Exception as fault:  # whatever a damaged file makes a reader raise
        yield f"{name}を読み取れません（{type(fault).__name__}）"
        return
    if number != row.invoice.number:
        yield f"{name}の請求番号は{number or '読み取れません'}"
    if total != row.invoice.total:
        yield f"合計（税込）が{name}では{'読み取れず' if total is None else yen(total)}、台帳では{yen(row.invoice.total)}"


def words_of(content: bytes) -> tuple[str | None, int | None]:
    """請求番号 and 合計（税込） in yen as the PDF itself shows them, None for what it doesn't. Raises what pypdf raises."""
    number, pages = None, PdfReader(BytesIO(content)).pages
    for page in (
        pages[-1],
        *pages[:-1],
    ):  # the total ends the invoice: on the last page, or before an annex on a first one
        text = page.extract_text()
        foot, total = NUMBER.search(text), TOTAL.search(text)
        number = foot[1] if foot else number
        if total:
            sign = -1 if total[1] or total[2] else 1
            return number, sign * int(total[3].replace(",", ""))
    return number, None


def words_of_xml(content: bytes) -> tuple[str | None, int | None]:
    """The same of a JP PINT. Raises what the parser raises."""
    root = ET.fromstring(content)  # noqa: S314  # our own file, whose hash was compared
    total = root.findtext(f"{{{CAC}}}LegalMonetaryTotal/{{{CBC}}}PayableAmount")
    return root.findtext(f"{{{CBC}}}ID"), None if total is None else int(total)
