"""What of a document its 登録番号 may stand over: supplies of days on which the vendor was a 適格請求書発行事業者 (消費税法57条の4, D41)."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any

from billing.models import Invoice, InvoiceLine
from portal import money
from portal.models import PriceBasis, TaxKind

SINCE = date(2023, 10, 1)  # the first day of the qualified invoice system

# The same for a line `l` and a registration `r` of the vendor, in SQL.
COVERS_SQL = f"""r.valid_from <= l.starts_on AND (r.valid_to IS NULL OR r.valid_to >= l.ends_on)
    AND l.starts_on >= '{SINCE}'"""


@dataclass(frozen=True)
class Class:
    """A tax class as the document sums it up, in yen; `apart` from what stands under the 登録番号."""

    kind: str
    rate: Decimal
    base: int
    tax: int
    apart: bool

    def get_kind_display(self) -> str:
        return str(TaxKind(self.kind).label)


def covers(issuer: dict[str, Any], line: InvoiceLine) -> bool:
    """Whether each day of the line's period lies in a time of the number that the document carries.

    A document of before these times were kept carries its number for all its lines.
    """
    if "registrations" not in issuer:
        return True
    first, last = line.starts_on.isoformat(), line.ends_on.isoformat()
    return first >= SINCE.isoformat() and any(
        row["number"] == issuer["registration_number"] and row["from"] <= first and (not row["to"] or row["to"] >= last)
        for row in issuer["registrations"]
    )


def apart(invoice: Invoice, lines: list[InvoiceLine]) -> set[int]:
    """Ids of the lines that the document's 登録番号 doesn't cover; none of a document without one, for nothing is claimed there."""
    issuer = invoice.issuer or {}
    if not issuer.get("registration_number"):
        return set()
    return {line.pk for line in lines if not covers(issuer, line)}


def classes(invoice: Invoice, lines: list[InvoiceLine], apart: set[int]) -> list[Class]:
    """The document's tax classes, those under the 登録番号 first: their tax is rounded once per rate for themselves (D7).

    What stands apart is the rest of the stored sums, so that both add up to the document.
    """
    stored = list(invoice.tax_totals.all())
    if not apart:
        return [Class(row.kind, row.rate, row.base, row.tax, False) for row in stored]
    sums: dict[Any, int] = defaultdict(int)
    for line in lines:
        sums[line.tax_kind, line.tax_rate, line.pk in apart, line.price_basis] += line.amount
    held = {key[:3] for key in sums}
    found = []
    for row in stored:
        its = (row.kind, row.rate)
        within = money.TaxTotal(row.base, row.tax)
        if (*its, True) in held:
            exclusive, inclusive = (
                sums[(*its, False, basis)] for basis in (PriceBasis.EXCLUSIVE, PriceBasis.INCLUSIVE)
            )
            within = money.tax_total(exclusive, inclusive, row.rate, invoice.rounding)
            found.append(Class(*its, row.base - within.base, row.tax - within.tax, True))
        if (*its, False) in held:
            found.append(Class(*its, *within, False))
    return sorted(found, key=lambda each: each.apart)


def nets(lines: list[InvoiceLine], found: list[Class], apart: set[int]) -> dict[int, int]:
    """{line: yen as the XML writes it}; those of a class add up to it, to the yen.

    Under the 登録番号 that is the amount without tax, of which a tax-inclusive line gets its share of what the class leaves for
    the inclusive ones. What stands apart is written with tax, as the price it is.
    """
    sums = {(row.kind, row.rate, row.apart): row for row in found}
    written = {line.pk: line.amount for line in lines if line.price_basis == PriceBasis.EXCLUSIVE}

    def of_class(line: InvoiceLine) -> tuple[Decimal, str, bool]:
        return line.tax_rate, line.tax_kind, line.pk in apart

    for (rate, kind, is_apart), group in groupby(sorted(lines, key=of_class), key=of_class):
        members = list(group)
        row = sums[kind, rate, is_apart]
        inclusive = [line for line in members if line.price_basis == PriceBasis.INCLUSIVE]
        left = row.base - sum(written[line.pk] for line in members if line.pk in written)
        parts = money.nets_of([line.amount for line in inclusive], rate, left)
        written |= {line.pk: net for line, net in zip(inclusive, parts, strict=True)}
        if is_apart:
            written |= with_tax(members, written, row.tax)
    return written


def with_tax(members: list[InvoiceLine], written: dict[int, int], tax: int) -> dict[int, int]:
    """The lines of a class with its tax spread over them by their size."""
    weights = [abs(written[line.pk]) for line in members]
    parts = money.split(tax, weights) if any(weights) else [0] * len(members)
    return {line.pk: written[line.pk] + part for line, part in zip(members, parts, strict=True)}
