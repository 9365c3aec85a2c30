"""What a document of another system (移行) charged, as lines that exist only while it is corrected: one a tax class, tax included."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Sum
from django.utils.translation import gettext as _

from billing.corrections import chains
from billing.imports import CLASSES
from billing.models import OF_MONTH, Invoice, InvoiceLine, Kind, TaxTotal
from contracts.services import amount_of
from portal import months
from portal.models import PriceBasis, TaxKind
from portal.templatetags.figures import percent, yen

TEN_PERCENT_SINCE = date(2019, 10, 1)  # with the reduced rate; until then 8 % alone
NO_TAX = (TaxKind.EXEMPT, Decimal("0.0000"))


def lines_of(invoice: Invoice) -> list[InvoiceLine]:
    """A line a tax class of the document, none of them stored: their keys are their positions, and `returnable` is the yen
    that standing 返還 leave.

    Where only totals are known, those are the classes of its time: the first stands for all, each may return all that is left.
    """
    left = left_of(invoice)
    charged = {(row.kind, row.rate): row.base + row.tax for row in invoice.tax_totals.all()}
    if charged:
        back = chains.returns_of(invoice).values("pk")
        rows = TaxTotal.objects.filter(invoice__in=back).order_by().values_list("kind", "rate")
        given = {(kind, rate): base + tax for kind, rate, base, tax in rows.annotate(Sum("base"), Sum("tax"))}
        sums = {key: (amount, min(amount + int(given.get(key, 0)), left)) for key, amount in charged.items()}
    else:
        keys = [*CLASSES.values()] if invoice.month >= TEN_PERCENT_SINCE else [CLASSES["8"]]
        sums = {key: (invoice.total if key == keys[0] else 0, left) for key in [*keys, NO_TAX]}
    return [line_of(invoice, place, key, *sums[key]) for place, key in enumerate(sums, start=1)]


def restatable(invoice: Invoice, places: Iterable[int]) -> list[InvoiceLine]:
    """Those lines, and one that charges nothing yet at each further place, for what is written by hand."""
    lines = lines_of(invoice)
    standard = CLASSES["10" if invoice.month >= TEN_PERCENT_SINCE else "8"]
    blank = [line_of(invoice, place, standard, 0, 0) for place in sorted({*places}) if place > len(lines)]
    for line in blank:
        line.item = line.specification = ""
    return lines + blank


def line_of(invoice: Invoice, place: int, key: tuple[str, Decimal], amount: int, left: int) -> Any:
    kind, rate = key
    line: Any = InvoiceLine(
        pk=place, position=place, customer_id=invoice.customer_id, invoice=invoice, item=invoice.subject, unit="式",
        starts_on=invoice.month, ends_on=months.last_day(invoice.month), unit_price=amount, amount=amount,
        specification=f"{TaxKind(kind).label} {percent(rate)}", price_basis=PriceBasis.INCLUSIVE, tax_kind=kind, tax_rate=rate,
    )  # fmt: skip
    line.returnable = left
    return line


def left_of(invoice: Invoice) -> int:
    """Yen, tax included, that standing 返還 leave of the document, those that the other system sent too."""
    return invoice.total + (chains.returns_of(invoice).aggregate(sum=Sum("total"))["sum"] or 0)


def class_named(invoice: Invoice, name: str) -> InvoiceLine | None:
    """The line of the class that files call so (10, 8, reduced; 0 for what bears no tax), None where the document has none."""
    key = NO_TAX if name == "0" else CLASSES.get(name)
    return next((line for line in lines_of(invoice) if (line.tax_kind, line.tax_rate) == key), None)


def need_classes(invoice: Invoice) -> None:
    """Raises ValidationError where only totals are known, so that nobody knows what all of it is."""
    if not invoice.tax_totals.exists():
        raise ValidationError(_("この請求は税率ごとの金額がわかりません。税率ごとに金額を入力してください。"))


def refuse_more(invoice: Invoice, amounts: Iterable[int]) -> None:
    """Raises ValidationError for more yen than there are left, all classes together."""
    left = left_of(invoice)
    if sum(amounts) > left:
        raise ValidationError(_("この請求は、残り %(yen)s円 までしか返還できません。") % {"yen": yen(left)})


def priced(lines: Iterable[InvoiceLine]) -> list[InvoiceLine]:
    """Those that charge something; one whose amount was given alone is one piece of that price."""
    found = [line for line in lines if line.amount]
    for line in found:
        if amount_of(line.quantity, line.unit_price) != line.amount:
            line.quantity, line.unit_price = Decimal(1), Decimal(line.amount)
    return found


def need_month(invoice: Invoice) -> None:
    """Raises ValidationError where another document asks for the month: a 修正 would be a second one."""
    other = (
        Invoice.objects.counting().filter(customer=invoice.customer_id, month=invoice.month, kind__in=OF_MONTH).first()
    )
    if other:
        told = _("この月には請求 %(number)s があるため修正できません。返還か取消をしてください。")
        raise ValidationError(told % {"number": other.number})


def is_imported(invoice: Invoice) -> bool:
    return invoice.kind == Kind.IMPORTED
