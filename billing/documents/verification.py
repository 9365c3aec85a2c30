"""Whether the stored documents are still what was stored, and say what their rows say (真実性の確保)."""

import hashlib
import re
from collections.abc import Iterator
from io import BytesIO
from typing import NamedTuple

from pypdf import PdfReader

from billing.models import InvoicePdf, Kind
from portal.templatetags.figures import yen

PIECE = 20  # PDFs that are held at a time
# What a document's last page says of itself: 請求番号 at its foot, the total below the tax classes.
NUMBER = re.compile(r"請求番号\s+([A-Z0-9-]{1,20})(?![A-Z0-9-])")
TOTAL = re.compile(r"合計（税込）\s*([-▲△]?)\s*¥?\s*([-▲△]?)\s*([\d,]+)")


class Verified(NamedTuple):
    """What was found at one document: `faults` in words, none where everything agrees."""

    number: str
    customer: str
    read: bool  # whether the PDF's own words were compared
    faults: list[str]


def verify() -> Iterator[Verified]:
    """Hash every stored PDF again and read its number and total, a few at a time, in the order in which they were made.

    The documents of 移行 were laid out elsewhere: of them the bytes are compared, not the words.
    """
    last = 0
    while rows := list(
        InvoicePdf.objects.filter(pk__gt=last).select_related("invoice", "customer").order_by("pk")[:PIECE]
    ):
        for row in rows:
            read = row.invoice.kind != Kind.IMPORTED
            faults = [*faults_of_bytes(row), *(faults_of_words(row) if read else [])]
            yield Verified(row.invoice.number, row.customer.number, read, faults)
        last = rows[-1].pk


def faults_of_bytes(row: InvoicePdf) -> Iterator[str]:
    if hashlib.sha256(row.content).hexdigest() != row.sha256:
        yield "SHA-256が保存時と違います"
    if len(row.content) != row.size:
        yield f"大きさが{len(row.content):,}バイトです（保存時 {row.size:,}バイト）"


def faults_of_words(row: InvoicePdf) -> Iterator[str]:
    try:
        number, total = words_of(row.content)
    except Exception as fault:  # whatever a damaged file makes a reader raise
        yield f"PDFを読み取れません（{type(fault).__name__}）"
        return
    if number != row.invoice.number:
        yield f"PDFの請求番号は{number or '読み取れません'}"
    if total != row.invoice.total:
        yield f"合計（税込）がPDFでは{'読み取れず' if total is None else yen(total)}、台帳では{yen(row.invoice.total)}"


def words_of(content: bytes) -> tuple[str | None, int | None]:
    """請求番号 and 合計（税込） in yen as the PDF itself shows them, None for what it doesn't. Raises what pypdf raises."""
    number = None
    for page in reversed(PdfReader(BytesIO(content)).pages):
        text = page.extract_text()
        foot, total = NUMBER.search(text), TOTAL.search(text)
        number = foot[1] if foot else number
        if total:
            sign = -1 if total[1] or total[2] else 1
            return number, sign * int(total[3].replace(",", ""))
    return number, None
