"""A month beside what another system charged for it: computed as a run would, compared by tax class, and taken back."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Sum
from django.utils.translation import gettext as _

from accounts.models import Customer
from billing.models import OF_MONTH, Invoice, MonthRun, Parked, TaxTotal
from billing.month import close
from billing.month.lock import CheckLock
from portal import months, reading
from portal.imports.columns import Column, Row, choice
from portal.imports.faults import Code, Fault
from portal.imports.taking import Report, read
from portal.models import TaxKind, Vendor


class Amounts(NamedTuple):
    """Yen of one customer's tax class: without tax, and the tax."""

    net: int = 0
    tax: int = 0


class Class(NamedTuple):
    """A tax class of one customer, `rate` as a share of one."""

    customer: str
    kind: str
    rate: Decimal


class Difference(NamedTuple):
    of: Class
    old: Amounts
    new: Amounts


def percentage(typed: str) -> Decimal:
    """A rate in per cent, 10 or 10%, as a share of one. Raises ValidationError."""
    found = reading.number(reading.key(typed).removesuffix("%"))
    if found is None or not 0 <= found <= 100:
        raise ValidationError(_("「%s」は税率として読み取れません。10、8、0 のように入力してください。") % typed)
    return found / 100


COLUMNS = [
    Column("customer", _("お客様番号"), reading.code, required=True),
    Column("tax_kind", _("税区分"), choice({key: str(label) for key, label in TaxKind.choices}), required=True),
    Column("tax_rate", _("税率"), percentage),
    Column("net", _("税抜金額"), reading.yen),
    Column("tax", _("消費税額"), reading.yen),
]


def old_amounts(content: bytes, report: Report) -> dict[Class, Amounts]:
    """What the other system's file says; what is wrong with it goes to the report. Raises Unreadable."""
    found: dict[Class, Amounts] = {}
    lines: dict[Class, int] = {}
    customers: dict[str, int] = {}
    for row in read(COLUMNS, content, report):
        of = class_of(row)
        if of in found:
            told = _("%d行目と同じお客様・税区分・税率です。") % lines[of]
            report.errors.append(Fault(row.line, COLUMNS[0].label, of.customer, Code.TWICE, told))
            continue
        found[of], lines[of] = Amounts(row.values.get("net", 0), row.values.get("tax", 0)), row.line
        customers.setdefault(of.customer, row.line)
    known = set(Customer.objects.filter(number__in=customers).values_list("number", flat=True))
    for number, line in customers.items():
        if number not in known:
            told = _("お客様番号「%s」がありません。") % number
            report.errors.append(Fault(line, COLUMNS[0].label, number, Code.UNKNOWN, told))
    return found


def class_of(row: Row) -> Class:
    return Class(row.values["customer"], row.values["tax_kind"], row.values.get("tax_rate", Decimal()))


def new_amounts(
    month: date, *, today: date, check_lock: CheckLock = lambda: None
) -> tuple[dict[Class, Amounts], dict[str, str]]:
    """(what this portal charges for the month, why for whom it can't tell), by customer's number; nothing is stored.

    A month that isn't closed is drafted for everybody, one to come as on its first day, and taken back. Raises close.Refused before 運用開始年月 (D22).
    """
    first = Vendor.objects.settings().first_month
    if month < first:
        names = {"month": months.format_month(month), "first": months.format_month(first)}
        raise close.Refused(_("%(month)s は運用開始年月 %(first)s より前です。") % names)
    with transaction.atomic():
        if month > MonthRun.objects.last_closed():
            close.run(month, kind=MonthRun.Kind.OPEN, today=max(today, month), check_lock=check_lock)
        totals = TaxTotal.objects.filter(invoice__in=Invoice.objects.counting().filter(month=month, kind__in=OF_MONTH))
        sums = totals.values_list("customer__number", "kind", "rate").annotate(Sum("base"), Sum("tax"))
        found = {Class(*row[:3]): Amounts(*row[3:]) for row in sums.order_by()}
        parked = dict(Parked.objects.filter(month=month).values_list("customer__number", "reason"))
        transaction.set_rollback(True)
    return found, parked


def differences(old: dict[Class, Amounts], new: dict[Class, Amounts]) -> Iterable[Difference]:
    """Where both don't say the same to the yen; what one of them doesn't name is 0 there."""
    for of in sorted({*old, *new}):
        if old.get(of, Amounts()) != new.get(of, Amounts()):
            yield Difference(of, old.get(of, Amounts()), new.get(of, Amounts()))
