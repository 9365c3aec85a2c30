"""The ZIP of documents with its 索引簿 (電子帳簿保存法), a customer's or the vendor's: what is in it, and how it is made while it is sent."""

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from operator import attrgetter
from typing import Any, NamedTuple
from zipfile import ZipFile, ZipInfo

from django.utils.timezone import localtime

from accounts.models import User
from billing.models import Invoice, InvoicePdf, InvoiceXml
from portal import languages
from portal.db import rls
from portal.db.schema import DESK, ROLE
from portal.lists.columns import FORMULA
from portal.months import last_day
from portal.templatetags.figures import ymd

MOST_DOCUMENTS = 1000
MOST_BYTES = 2**31 - 1  # of a ZIP that every program opens
INDEX = "索引簿.csv"
LONGEST_NAME = 60  # characters of the counterparty in a file's name
NOT_IN_NAMES = re.compile(r'[\\/:*?"<>|\x00-\x1f\x7f]')
LOCAL_HEAD, CENTRAL_HEAD, END = 30, 46, 22  # bytes that a ZIP takes beside names and contents (APPNOTE 4.3)

HEADS = [
    "連番", "取引年月日", "取引先名", "取引先登録番号", "書類区分", "書類番号", "税抜金額", "消費税額", "税込金額",
    "10%対象額", "10%税額", "8%対象額", "8%税額", "対象期間(自)", "対象期間(至)", "ファイル名", "SHA-256", "発行日時",
    "訂正元書類番号", "書類状態", "差替先書類番号", "XMLファイル名", "XML SHA-256",
]  # fmt: skip


# Whom a document of the books is with: the customer's are with the vendor, the vendor's with the customer.
Party = Callable[[Any], dict[str, Any]]
ISSUER: Party = attrgetter("issuer")
ADDRESSEE: Party = attrgetter("addressee")


class TooMuch(Exception):
    """More than one ZIP may hold."""


class File(NamedTuple):
    """A stored file of the ZIP: the table it is in, its name, its day, its size in bytes, and the document whose it is."""

    kept: type[InvoicePdf | InvoiceXml]
    name: str
    day: date
    size: int
    document: int


class Archive(NamedTuple):
    """What one ZIP will hold."""

    documents: list[Invoice]
    files: list[File]
    listing: bytes  # 索引簿

    @property
    def size(self) -> int:
        """Bytes of the whole ZIP."""
        entries = [(INDEX, len(self.listing)), *((file.name, file.size) for file in self.files)]
        return END + sum(LOCAL_HEAD + CENTRAL_HEAD + 2 * len(name.encode()) + size for name, size in entries)


def gather(found: Any, party: Party = ISSUER) -> Archive:
    """The archive of what is fixed among these documents, oldest first, each named by its party. Raises TooMuch.

    A document without a stored PDF (移行, or not rendered yet) stands in the index, without a file.
    """
    documents = list(found.fixed().with_archive().order_by("issued_on", "number")[: MOST_DOCUMENTS + 1])
    if len(documents) > MOST_DOCUMENTS:
        raise TooMuch
    files = []
    for row in documents:
        if row.pdf_size is not None:
            files.append(File(InvoicePdf, file_name(row, party=party), row.issued_on, row.pdf_size, row.pk))
        if row.xml_size is not None:
            files.append(File(InvoiceXml, file_name(row, "xml", party=party), row.issued_on, row.xml_size, row.pk))
    made = Archive(documents, files, index_of(documents, party))
    if made.size > MOST_BYTES:
        raise TooMuch
    return made


def file_name(row: Any, kind: str = "pdf", *, party: Party = ISSUER) -> str:
    """`YYYYMMDD_取引先_金額_請求番号.pdf` (or `.xml`): 請求日, the party as the document names it, yen with tax."""
    name = NOT_IN_NAMES.sub("_", unicodedata.normalize("NFC", party(row)["name"]))[:LONGEST_NAME].strip()
    return f"{row.issued_on:%Y%m%d}_{name}_{row.total}_{row.number}.{kind}"


def index_of(documents: Iterable[Any], party: Party) -> bytes:
    """索引簿: a row a document, UTF-8 with BOM and CRLF; yen bare, days as 2026/04/30.

    When the PDF of an imported document was made isn't known: its 発行日時 stays empty. Japanese, whoever takes it.
    """
    made = io.StringIO()
    write = csv.writer(made).writerow
    write(HEADS)
    with languages.house():
        for place, row in enumerate(documents, start=1):
            write(
                [
                    place, ymd(row.issued_on), plain(party(row)["name"]), party(row).get("registration_number", ""),
                    row.get_kind_display(), row.number, row.net, row.tax, row.total,
                    row.base_10, row.tax_10, row.base_8, row.tax_8,
                    ymd(row.period_from or row.month), ymd(row.period_to or last_day(row.month)),
                    file_name(row, party=party) if row.pdf_size is not None else "", row.pdf_sha256,
                    f"{localtime(row.rendered_at):%Y/%m/%d %H:%M:%S}" if row.rendered_at and row.gets_pdf else "",
                    row.original, row.get_state_display(), row.replaced_by_number,
                    file_name(row, "xml", party=party) if row.xml_size is not None else "", row.xml_sha256,
                ]
            )  # fmt: skip
    return made.getvalue().encode("utf-8-sig")


def plain(text: str) -> str:
    """A text that no spreadsheet takes for a formula, as in every CSV (D16)."""
    return f"'{text}" if re.search(FORMULA, text) else text


class Outlet(io.RawIOBase):
    """Where zipfile writes: it may go back within what wasn't taken yet, to put size and checksum into an entry's head.

    So no entry needs a data descriptor, which some programs can't read without compression.
    """

    def __init__(self) -> None:
        self.held = io.BytesIO()
        self.taken = 0

    def write(self, data: Any) -> int:
        return self.held.write(data)

    def tell(self) -> int:
        return self.taken + self.held.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self.taken + self.held.seek(offset - self.taken, whence)

    def take(self) -> bytes:
        """What was written since the last time."""
        data = self.held.getvalue()
        self.taken += len(data)
        self.held = io.BytesIO()
        return data


def stream(archive: Archive, user: User) -> Iterator[bytes]:
    """The bytes of the ZIP, one file at a time; the same documents give the same bytes.

    This runs after the request's scope has ended, while somebody reads, so each file is read in a short scope of its own.
    Whatever is raised ends the answer before its announced length: a broken download, never a ZIP that looks whole.
    """
    outlet = Outlet()
    with ZipFile(outlet, "w") as made:  # stored: a PDF is compressed inside
        last = max((row.issued_on for row in archive.documents), default=date(1980, 1, 1))
        made.writestr(entry(INDEX, last), archive.listing)
        yield outlet.take()
        for file in archive.files:
            made.writestr(entry(file.name, file.day), stored(file, user))
            yield outlet.take()
    yield outlet.take()


def entry(name: str, day: date) -> ZipInfo:
    """The head of a file: dated by its document, whoever takes it and whenever, and readable once unpacked."""
    info = ZipInfo(name, (day.year, day.month, day.day, 0, 0, 0))
    info.external_attr = 0o644 << 16
    return info


def stored(file: File, user: User) -> bytes:
    """Read as the user may read: a customer's as the web's role of that customer, the vendor's staff all."""
    of_staff = user.is_staff and user.customer_id is None
    with rls.scope(DESK if of_staff else ROLE, user.customer_id):
        rows = file.kept.objects.all() if of_staff else file.kept.objects.for_user(user)
        return bytes(rows.values_list("content", flat=True).get(invoice=file.document))
