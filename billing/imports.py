"""Files of invoices that an old system sent (移行): a table and PDFs, kept as they came, never rendered, never mailed (D6, D20)."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import nullcontext, suppress
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.imports import OF_CUSTOMER
from accounts.models import Customer
from billing.documents import given
from billing.documents.registered import SINCE
from billing.models import Invoice, InvoicePdf, Kind, NumberGone, State, TaxTotal
from billing.month.kept import ADDRESSEE, issuer
from portal import characters, months, numbers, reading, rights
from portal.db.sets import arrays
from portal.imports import columns
from portal.imports.columns import Column, Row, chunks, of_model
from portal.imports.faults import Code, Fault
from portal.imports.taking import Kind as FileKind
from portal.imports.taking import Report, once_each
from portal.models import TaxKind, Vendor
from portal.templatetags.figures import month_name, yen, ymd

ADD = "billing.add_invoice"
AT_ONCE = 2000
LOOKS_LIKE_OURS = re.compile(r"B[0-9]{6}-")


def file_name(typed: str) -> str:
    """The name of a file beside the table. Raises ValidationError for one that leads elsewhere."""
    name = given.named(characters.trimmed(typed))
    if re.search(r"[/\\\x00]", name) or name in (".", ".."):
        raise ValidationError(_("フォルダを含まない、ファイル名だけを書いてください。"))
    return name


def of_class(rate: str, label: str) -> list[Column]:
    return [
        Column(f"base_{rate}", f"{label}対象額", reading.yen, example="10,000"),
        Column(f"tax_{rate}", f"{label}税額", reading.yen, example="1,000"),
    ]


SAID = {str(kind): str(Kind(kind).label) for kind in (Kind.INVOICE, Kind.RETURN)}
COLUMNS = [
    of_model(Invoice, "number", reading.code, required=True, example="2016-0500123"),
    OF_CUSTOMER,
    of_model(Invoice, "month", columns.month, required=True, example="2016/05"),
    *(of_model(Invoice, name, required=name != "due_on") for name in ("issued_on", "due_on", "fixed_on")),
    of_model(Invoice, "subject", reading.text, required=True),
    *(of_model(Invoice, name, reading.yen, required=True) for name in ("net", "tax", "total")),
    Column("pdf", _("PDF"), file_name, required=True, example="2016-0500123.pdf"),
    Column("kind", _("種類"), columns.choice(SAID), example=SAID[Kind.INVOICE]),
    Column("corrects", _("訂正元"), reading.code),
    *of_class("10", "10%"),
    *of_class("8", "8%"),
    *of_class("reduced", _("軽減8%")),
]
LABELS = {column.name: column.label for column in COLUMNS}
NUMBER, PDF = COLUMNS[0], next(column for column in COLUMNS if column.name == "pdf")
CLASSES = {
    "10": (TaxKind.STANDARD, Decimal("0.1000")),
    "8": (TaxKind.STANDARD, Decimal("0.0800")),  # until 2019-09, and what is settled by it since
    "reduced": (TaxKind.REDUCED, Decimal("0.0800")),
}
STORED = ("month", "issued_on", "due_on", "fixed_on", "subject", "net", "tax", "total")
Totals = dict[tuple[str, Decimal], tuple[int, int]]  # base and tax in yen, of each class


class Held(NamedTuple):
    """What must be remembered of a row until all are read; `invoice` is the stored document's id, None while there are errors."""

    line: int
    customer: int
    total: int
    month: date
    invoice: int | None
    new: bool = False
    sha256: str | None = None  # of the PDF of one that isn't new


def take_invoices(rows: Iterable[Row], report: Report, *, today: date, by: Any, documents: given.Given) -> None:
    """Store the documents whose numbers are new as 未確定, and fix them; those that are stored must be what the file says.

    Raises PermissionDenied.
    """
    rights.need(by, ADD)
    taken: dict[str, Held] = {}
    originals: dict[str, str] = {}
    rounding, began = Vendor.objects.settings().rounding, Vendor.objects.settings().first_month
    late = 0
    for chunk in chunks(once_each(rows, NUMBER, report), AT_ONCE):
        late += sum(row.values["month"] >= began for row in chunk)
        take_chunk(chunk, report, taken, originals, rounding=rounding, today=today)
    name_originals(taken, originals, report)
    if not report.errors:
        fix(held for held in taken.values() if held.new)
        pass_over(taken)
    keep_pdfs(documents, {held.line: held for held in taken.values()}, report)
    if late:
        told = _(
            "運用開始年月（%(month)s）以後の請求が%(n)s件あります。このポータルの請求と重なっていないか確かめてください。"
        )
        report.warnings.append(told % {"month": month_name(began), "n": yen(late)})


def pass_over(taken: Iterable[str]) -> None:
    """Let the counter of each month go on behind the numbers that look like its own."""
    by_series = defaultdict(list)
    for number in taken:
        if found := LOOKS_LIKE_OURS.match(number):
            by_series[found[0]].append(number)
    for series, some in by_series.items():
        numbers.pass_over(series, some)


def take_chunk(
    chunk: list[Row], report: Report, taken: dict[str, Held], originals: dict[str, str], *, rounding: str, today: date
) -> None:
    """Make the new documents of so many rows, and compare those that are there; what can't be so goes to the report.

    Fills in `taken`, all of them by number, and `originals`, the numbers that corrections name.
    """
    given_numbers = [row.values["number"] for row in chunk]
    companies = {
        found.number: found for found in Customer.objects.lock_by_number({row.values["customer"] for row in chunk})
    }
    known = stored(given_numbers)
    gone = set(NumberGone.objects.filter(number__in=given_numbers).values_list("number", flat=True))
    made, totals = [], []
    for row in chunk:
        number, customer = row.values["number"], companies.get(row.values["customer"])
        found = known.get(number)
        if customer is None:
            told = _("お客様番号「%s」がありません。") % row.values["customer"]
            blame(row, "customer", Code.UNKNOWN, told, report)
            continue
        classes = classes_of(row, report)
        if not agrees(row, classes, report, today):
            continue
        if number in gone or (found and found.kind != Kind.IMPORTED):
            blame(row, "number", Code.REFUSED, _("この番号は、このポータルで発行した請求の番号です。"), report)
            continue
        if "corrects" in row.values:
            originals[number] = row.values["corrects"]
        if found:
            if differs(found, row, customer, classes, report):
                continue
            report.unchanged += 1
            taken[number] = Held(row.line, customer.pk, found.total, found.month, found.pk, sha256=found.pdf_sha256)
            continue
        report.added += 1
        invoice = Invoice(
            customer=customer, number=number, kind=Kind.IMPORTED, payment_method=customer.payment_method,
            rounding=rounding, fix_due_on=row.values["fixed_on"],
            **{name: row.values.get(name) for name in STORED if name != "fixed_on"},
        )  # fmt: skip
        made.append((row.line, invoice))
        totals += [
            TaxTotal(customer=customer, invoice=invoice, kind=kind, rate=rate, base=base, tax=tax)
            for (kind, rate), (base, tax) in classes.items()
        ]
    if not report.errors:
        Invoice.objects.bulk_create(invoice for _line, invoice in made)
        TaxTotal.objects.bulk_create(totals)
    for line, invoice in made:
        taken[invoice.number] = Held(line, invoice.customer_id, invoice.total, invoice.month, invoice.pk, new=True)


def stored(given_numbers: list[str]) -> dict[str, Any]:
    """The documents that have these numbers, with what is compared of them."""
    rows = Invoice.objects.filter(number__in=given_numbers).with_archive().select_related("customer")
    return {row.number: row for row in rows.prefetch_related("tax_totals")}


def classes_of(row: Row, report: Report) -> Totals:
    """What the row says by tax class; a class of 0 yen is none."""
    found: dict[tuple[str, Decimal], tuple[int, int]] = {}
    for rate, key in CLASSES.items():
        base, tax = (row.values.get(f"{part}_{rate}") for part in ("base", "tax"))
        if base is not None and tax is not None:
            if base or tax:
                found[key] = (base, tax)
        elif base is not None or tax is not None:
            missing = f"base_{rate}" if base is None else f"tax_{rate}"
            blame(row, missing, Code.NEEDED, _("対象額と税額は、両方書くか両方空にしてください。"), report)
    return found


def agrees(row: Row, classes: Totals, report: Report, today: date) -> bool:
    """Whether the row doesn't contradict itself; what does goes to the report."""
    before, said = len(report.errors), row.values
    net, tax, total = said["net"], said["tax"], said["total"]
    if net + tax != total:
        told = _("税抜金額 %(net)s円 と消費税額 %(tax)s円 を足すと、%(sum)s円 です。")
        told %= {"net": yen(net), "tax": yen(tax), "sum": yen(net + tax)}
        blame(row, "total", Code.CONTRADICTION, told, report)
    for place, name, whole in ((0, "net", net), (1, "tax", tax)):
        if classes and (found := sum(each[place] for each in classes.values())) != whole:
            told = _("税率ごとの金額を足すと、%(sum)s円 です。") % {"sum": yen(found)}
            blame(row, name, Code.CONTRADICTION, told, report)
    if total > 0 and said.get("kind") == Kind.RETURN:
        blame(row, "total", Code.CONTRADICTION, _("返還の金額は、マイナスで書いてください。"), report)
    if total > 0 and "corrects" in said:
        told = _("訂正元は、金額がマイナスの請求（返還）だけに書けます。")
        blame(row, "corrects", Code.CONTRADICTION, told, report)
    if total >= 0 and said.get("due_on") is None:
        blame(row, "due_on", Code.NEEDED, _("「%s」が空です。") % LABELS["due_on"], report)
    if said.get("due_on") and said["due_on"] < said["issued_on"]:
        told = _("%(line)d行目 %(number)s: 支払期日が請求日より前です。")
        report.warnings.append(told % {"line": row.line, "number": said["number"]})
    if said["fixed_on"] > today:
        blame(row, "fixed_on", Code.REFUSED, _("確定日は、今日までの日付を書いてください。"), report)
    if total < 0 and "corrects" not in said:
        told = _("%(line)d行目 %(number)s: 金額がマイナスですが、訂正元が書かれていません。")
        report.warnings.append(told % {"line": row.line, "number": said["number"]})
    return len(report.errors) == before


def differs(found: Any, row: Row, customer: Customer, classes: Totals, report: Report) -> bool:
    """Whether the row says anything else than the document that has its number; each such cell goes to the report."""
    before = len(report.errors)
    had = {name: getattr(found, name) for name in STORED} | {"customer": found.customer, "corrects": found.original}
    says = row.values | {"customer": customer}
    for name, value in had.items():
        if name in says and says[name] != value:
            told = _("同じ番号の請求が、別の内容（%s）で取り込まれています。確定した請求は変えられません。")
            blame(row, name, Code.REFUSED, told % (ymd(value) if isinstance(value, date) else value), report)
    kept = {(each.kind, each.rate): (each.base, each.tax) for each in found.tax_totals.all()}
    if classes and classes != kept:
        told = _("同じ番号の請求が、別の税率ごとの金額で取り込まれています。確定した請求は変えられません。")
        blame(row, "net", Code.REFUSED, told, report)
    return len(report.errors) > before


def blame(row: Row, name: str, code: Code, told: str, report: Report) -> None:
    value = row.values.get(name, "")
    written = ymd(value) if isinstance(value, date) else str("" if value is None else value)
    report.errors.append(Fault(row.line, LABELS[name], written, code, told))


def name_originals(taken: dict[str, Held], originals: dict[str, str], report: Report) -> None:
    """Let each return name the document of which it gives something back, wherever that stands: in the file, or stored."""
    elsewhere = sorted(set(originals.values()) - taken.keys())
    for begin in range(0, len(elsewhere), AT_ONCE):
        imported = Invoice.objects.filter(kind=Kind.IMPORTED, number__in=elsewhere[begin : begin + AT_ONCE])
        taken = taken | {each.number: Held(0, each.customer_id, each.total, each.month, each.pk) for each in imported}
    pairs: list[tuple[int, int]] = []
    for number, named in originals.items():
        held, original = taken[number], taken.get(named)
        if original is None:
            told, code = _("訂正元の請求「%s」がありません。") % named, Code.UNKNOWN
        elif original.customer != held.customer:
            told, code = _("訂正元の請求「%s」は、別のお客様の請求です。") % named, Code.CONTRADICTION
        elif original.total < 0:
            told, code = _("訂正元の請求「%s」は、金額がマイナスです。") % named, Code.CONTRADICTION
        else:
            if held.invoice and original.invoice and held.new:
                pairs.append((held.invoice, original.invoice))
            continue
        report.errors.append(Fault(held.line, LABELS["corrects"], named, code, told))
    if not report.errors:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE billing_invoice i SET corrects_id = p.original
                FROM unnest(%(ids)s::bigint[], %(originals)s::bigint[]) AS p (id, original) WHERE i.id = p.id
                """,
                arrays(pairs, "ids", "originals"),
            )


def fix(new: Iterable[Held]) -> None:
    """From here on they are frozen: addressed as the company is registered today, from the vendor as of their month."""
    by_month: dict[date, list[int]] = {}
    for held in new:
        by_month.setdefault(held.month, []).append(held.invoice or 0)
    for month, ids in by_month.items():
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                UPDATE billing_invoice i SET state = '{State.FIXED}', fixed_on = i.fix_due_on, addressee = {ADDRESSEE},
                    issuer = %s::jsonb
                FROM accounts_customer c WHERE c.id = i.customer_id AND i.id = ANY(%s)
                """,
                [json.dumps(issuer_of(month)), ids],
            )


def issuer_of(month: date) -> dict[str, Any]:
    """The vendor as its document of that month names it; which days its number covers there, only the PDF says."""
    found = issuer(months.last_day(month))
    del found["registrations"]
    return found if month >= SINCE else found | {"registration_number": ""}


def keep_pdfs(documents: given.Given, taken: dict[int, Held], report: Report) -> None:
    """Read every PDF once, one at a time; store those of new documents, unless anything is wrong with the file."""
    if not report.places:
        return  # without a heading no row names a PDF
    kept = InvoicePdf.objects.filter(invoice__kind=Kind.IMPORTED)
    seen = dict(kept.values_list("sha256", "invoice__number"))
    copying = "COPY billing_invoicepdf (invoice_id, customer_id, content, sha256, size, rendered_at) FROM STDIN (FORMAT binary)"
    at, named = timezone.now(), set[str]()
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        nullcontext() if report.errors else cursor.copy(copying) as copy,
    ):
        if copy:
            copy.set_types(["int8", "int8", "bytea", "text", "int4", "timestamptz"])
        for line, number, name in named_pdfs(report):
            pdf = read_pdf(documents, line, number, name, named, seen, taken, report)
            named.add(name)
            held = taken.get(line)
            if copy and pdf and held and held.invoice and held.new and not report.errors:
                copy.write_row((held.invoice, held.customer, pdf.content, pdf.sha256, len(pdf.content), at))
    line = report.sheet.heading.line if report.sheet else 1
    for name in sorted(documents.names - named):
        told = _("どの行にも書かれていないPDFです。")
        report.errors.append(Fault(line, PDF.label, name, Code.SURPLUS_PDF, told))


def named_pdfs(report: Report) -> Iterator[tuple[int, str, str]]:
    """(line, number, name of the PDF) of all rows, also of those that can't be taken."""
    if report.sheet is None:
        return
    places, _unknown, faults = columns.places_of(report.sheet, COLUMNS)
    if faults:
        return
    for record in report.sheet.records():
        number, name = (
            record.cells[place] if place < len(record.cells) else "" for place in (places["number"], places["pdf"])
        )
        with suppress(ValidationError):
            if name := file_name(name):
                yield record.line, reading.code(number), name


def read_pdf(
    documents: given.Given, line: int, number: str, name: str, named: set[str], seen: dict[str, str],
    taken: dict[int, Held], report: Report,
) -> given.Pdf | None:  # fmt: skip
    """The PDF of a row, if nothing is wrong with it."""
    held = taken.get(line)
    try:
        if name not in documents.names:
            code, told = Code.NO_PDF, _("PDFがありません。")
        elif name in named:
            code, told = Code.PDF_TWICE, _("同じPDFが、別の行にも書かれています。")
        else:
            pdf = given.checked(documents.read(name))
            if held and not held.new:
                if pdf.sha256 == held.sha256:
                    return pdf
                code, told = Code.OTHER_PDF, _("同じ番号の請求が、別の内容のPDFで取り込まれています。")
            elif (other := seen.get(pdf.sha256, number)) != number:
                code, told = Code.PDF_TWICE, _("請求番号「%s」のPDFと同じ内容です。") % other
            else:
                seen[pdf.sha256] = number
                if pdf.restricted:
                    report.warnings.append(
                        _("%(line)d行目 %(name)s: 変更や印刷が制限されたPDFです。") % {"line": line, "name": name}
                    )
                return pdf
    except given.Locked:
        code, told = Code.LOCKED_PDF, _("パスワードがないと開けないPDFです。")
    except given.TooLarge:
        code, told = Code.BAD_PDF, _("50MBを超えるPDFです。")
    except Exception:  # whatever a damaged file makes a reader raise
        code, told = Code.BAD_PDF, _("PDFとして読めません。")
    report.errors.append(Fault(line, PDF.label, name, code, told))
    return None


INVOICES = FileKind("invoices", _("過去の請求"), COLUMNS, take_invoices)
