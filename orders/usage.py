"""Used quantities of metered services (従量): taken in from files, priced by each meter's ladder, corrected until billed."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from functools import cache
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Customer
from contracts.models import Contract, Meter, Service, Term
from contracts.services import add_terms, rate_of
from orders.billed import OTHER_RATES
from orders.models import Usage, UsageCharge, UsageFile
from orders.rows import finder
from portal import money, months, reading, rights
from portal.db.ids import Ids
from portal.imports import columns, taking
from portal.imports.columns import Column, Row, chunks
from portal.imports.faults import Code, Fault
from portal.imports.taking import Kind, Report
from portal.models import Vendor
from portal.templatetags.figures import plain, ymd

CONTRACT = Column("contract", "契約番号", reading.code, required=True, example="K0000001")
SERVICE = Column("service", "サービスコード", reading.text, required=True, example="line", also=["サービス"])
PERIOD = Column(
    "period", "対象年月", columns.month, required=True, write=months.format_month, example="2026-04", also=["対象月"]
)
QUANTITY = Column("quantity", "数量", reading.quantity, required=True, write=plain, example="1,234.5", also=["使用量"])
AT_ONCE = 5000


def take_usage(rows: Iterable[Row], report: Report, *, today: date, by: Any) -> None:
    """Store used quantities with their charges. Raises PermissionDenied.

    The same contract, service and month with another quantity corrects it, as long as it isn't billed. So a file that
    was taken in before changes nothing but what was corrected since, and isn't stored a second time.
    """
    rights.need(by, "orders.add_usage")
    rights.need(by, "orders.change_usage")
    span = Vendor.objects.settings().first_month, months.month_of(today)
    seen: dict[tuple, int] = {}
    owners: set[str] = set()
    file = None
    for chunk in chunks(by_code(rows), AT_ONCE):
        numbers = {row.values["contract"] for row in chunk}
        Customer.objects.lock(set(Contract.objects.filter(number__in=numbers).values_list("customer_id", flat=True)))
        # Only now: whoever was changing prices or contracts of these customers is through.
        meters = find_meters(numbers)
        usages = keep_used(match(chunk, meters, span, seen, report), report, today)
        new, changed = sort_out(usages, report)
        if report.errors:
            continue
        file = file or file_of(report)
        for usage in usages:
            usage.file = file
        drop_charges(changed, today)
        Usage.objects.bulk_create(
            [*new, *changed],
            batch_size=AT_ONCE,
            update_conflicts=True,
            unique_fields=["meter", "month"],
            update_fields=["quantity", "file", "line_number"],
        )
        for usage, text in charge([*new, *changed]):
            tell(usage, QUANTITY, Code.REFUSED, text, report)
        report.added += len(new)
        report.changed += len(changed)
        report.unchanged += len(usages) - len(new) - len(changed)
        owners |= {meter.contract.customer.number for meter in meters.values()}
    report.owners = sorted(owners)


USAGE = Kind("usage", _("使用量"), [CONTRACT, SERVICE, PERIOD, QUANTITY], take_usage)


def take_in(name, content, *, today):
    """Take a file (bytes) of used quantities in, all of it or nothing; returns its report.

    Raises ValidationError with one message for each bad line.
    """
    report = taking.take_in(USAGE, name, content, today=today)
    if report.errors:
        told = _("%(line)d行目: %(text)s")
        raise ValidationError([told % {"line": fault.line, "text": fault.text} for fault in report.errors])
    return report


def file_of(report):
    """The file as it is known by its hash; when it comes again, the report warns that it did."""
    digest = hashlib.sha256(report.sheet.content).hexdigest()
    before = UsageFile.objects.filter(sha256=digest).first()
    if before:
        known = {"day": ymd(timezone.localtime(before.at)), "name": before.name}
        report.warnings.append(_("%(day)s に取り込み済みのファイルです（%(name)s）。") % known)
        return before
    rows = sum(1 for _row in report.sheet.records())
    return UsageFile.objects.create(sha256=digest, name=report.file[:200], rows=rows)


def tell(usage, column, code, text, report):
    """Put a fault of a usage's row into the report; `column` says which cell it stands in."""
    report.errors.append(Fault(usage.line_number, column.label, WRITTEN[column.name](usage), code, text))


WRITTEN = {
    "period": lambda usage: months.format_month(usage.month),
    "quantity": lambda usage: plain(usage.quantity),
}


@transaction.atomic
def reprice(meter, *, today):
    """Charge this meter's unbilled quantities again, after prices were changed, each by its month's. Raises ValidationError, then nothing is."""
    Customer.objects.lock([meter.customer_id])
    recharge(list(meter.usages.unbilled()), today)


def by_code(rows):
    """The rows with the code of the service that they name, by its code or its name as files of contracts do."""
    service_of = finder()
    for row in rows:
        named = service_of(row.values["service"])
        if isinstance(named, Service):  # of any other, the row's own fault will be that there is no such meter
            row.values["service"] = named.code
        yield row


def find_meters(numbers):
    """The meters of the contracts with these numbers, as {(contract number, service code): Meter}."""
    meters = Meter.objects.filter(contract__number__in=numbers)
    return {
        (meter.contract.number, meter.service.code): meter
        for meter in meters.select_related("contract__customer", "service").prefetch_related("prices__tiers")
    }


def match(rows, meters, span, seen, report):
    """A Usage of each good row; `seen` are the lines of the rows before these. What is wrong goes to the report."""
    contracts = {number for number, _service in meters}
    usages = []
    for row in rows:
        same = tuple(row.values[column.name] for column in (CONTRACT, SERVICE, PERIOD))
        meter = meters.get(same[:2])
        fault = wrong_with(row, meter, contracts, span)
        if not fault and same in seen:
            told = _("%d行目と同じ契約・サービス・年月です。") % seen[same]
            fault = Fault(row.line, CONTRACT.label, same[0], Code.TWICE, told)
        if fault:
            report.errors.append(fault)
            continue
        seen[same] = row.line
        usages.append(
            Usage(
                customer_id=meter.customer_id,
                meter=meter,
                month=row.values["period"],
                quantity=row.values["quantity"],
                line_number=row.line,
            )
        )
    return usages


def wrong_with(row, meter, contracts, span):
    """What is wrong with the row by itself, or None; `span` is the first and the last month that may be given."""
    contract, service, period = (row.values[column.name] for column in (CONTRACT, SERVICE, PERIOD))
    if contract not in contracts:
        told = _("従量の契約「%s」がありません。") % contract
        return Fault(row.line, CONTRACT.label, contract, Code.UNKNOWN, told)
    if meter is None:
        told = _("契約 %(contract)s に従量サービス「%(service)s」がありません。")
        return Fault(row.line, SERVICE.label, service, Code.UNKNOWN, told % {"contract": contract, "service": service})
    first, last = (months.format_month(month) for month in span)
    if not span[0] <= period <= span[1]:
        given = months.format_month(period)
        told = _("対象年月は %(first)s から %(last)s までです: %(period)s")
        text = told % {"first": first, "last": last, "period": given}
        return Fault(row.line, PERIOD.label, given, Code.REFUSED, text)
    return None


def keep_used(usages, report, today):
    """The usages of months with a standing term, each other one a fault (D33); terms that should exist are added first."""
    owners = {usage.customer_id for usage in usages}
    newest = max((usage.month for usage in usages), default=today)
    add_terms(sorted(owners), until=min(today, months.last_day(newest)))
    days = days_of_use(usages)
    text = _("契約 %(contract)s は %(period)s には利用されていません。")
    for usage in usages:
        if key(usage) not in days:
            named = {"contract": usage.meter.contract.number, "period": months.format_month(usage.month)}
            tell(usage, PERIOD, Code.REFUSED, text % named, report)
    return [usage for usage in usages if key(usage) in days]


def days_of_use(usages):
    """{key of each usage whose month has a standing term of its contract: (first, last) day of use in that month}."""
    if not usages:
        return {}
    first, last = min(usage.month for usage in usages), max(usage.month for usage in usages)
    terms = Term.objects.standing().filter(starts_on__lte=months.last_day(last), ends_on__gte=first)
    spans = defaultdict(list)
    for contract, *span in terms.filter(contract__in={usage.meter.contract_id for usage in usages}).values_list(
        "contract", "starts_on", "ends_on"
    ):
        spans[contract].append(span)
    found = {}
    for usage in usages:
        contract, end = usage.meter.contract, months.last_day(usage.month)
        end = min(end, contract.cancel_on or end)
        inside = [(max(begin, usage.month), min(until, end)) for begin, until in spans[contract.pk]]
        if days := [(begin, until) for begin, until in inside if begin <= until]:
            found[key(usage)] = (min(begin for begin, _until in days), max(until for _begin, until in days))
    return found


def sort_out(usages, report):
    """(new, changed) usages, those that stand already left out; a change of what is billed goes to the report."""
    former = {key(usage): usage for usage in Usage.objects.filter(meter__in={usage.meter_id for usage in usages})}
    new = [usage for usage in usages if key(usage) not in former]
    changed = [usage for usage in usages if key(usage) in former and former[key(usage)].quantity != usage.quantity]
    stored = [former[key(usage)].pk for usage in changed]
    billed = {key(usage) for usage in Usage.objects.billed().filter(pk__in=stored)}
    for usage in changed:
        if key(usage) in billed:
            told = _(
                "この使用量は請求済みのため、変更できません。請求の「訂正する」で、明細の数量を直した修正か、返還を行ってください。"
            )
            tell(usage, QUANTITY, Code.REFUSED, told, report)
    report.add_outcome([(usage.line_number, former[key(usage)].quantity) for usage in changed])
    report.add_outcome([usage.line_number for usage in new])
    return new, changed


def key(usage):
    return usage.meter_id, usage.month


def recharge_moved_months(contract, *, today):
    """Charge again the contract's unbilled quantities whose period a 解約日 has changed. Raises ValidationError."""
    for meter in contract.meters.prefetch_related("prices__tiers"):
        meter.contract = contract
        usages = list(meter.usages.unbilled())
        days = days_of_use(usages)
        for usage in usages:
            charged = usage.charges.standing().values_list("starts_on", "ends_on").first()
            if charged != days.get(key(usage)):
                recharge([usage], today)


def recharge_other_rates(customer_ids, *, today):
    """Charge again these customers' unbilled quantities whose tax class has another rate by now (D34). Raises ValidationError."""
    with connection.cursor() as cursor:
        cursor.execute(OTHER_RATES, {"customers": Ids(customer_ids)})
        odd = [row[0] for row in cursor.fetchall()]
    if odd:
        usages = Usage.objects.filter(pk__in=odd).select_related("meter__contract", "meter__service")
        recharge(list(usages.prefetch_related("meter__prices__tiers")), today)


def recharge(usages, today):
    """A month in which the contract is no longer used costs nothing. Raises ValidationError, then all stays as it was."""
    if unpriced := recharge_each(usages, today):
        raise ValidationError([text for _usage, text in unpriced])


def recharge_each(usages, today):
    """The same; returns [(usage, text)] of those that can't be charged, with which the caller stores nothing."""
    drop_charges(usages, today)
    return charge(usages)


def charge(usages):
    """Make the charges of these usages, which have none that count, by the prices of their month (D32).

    Nothing for those whose month has no standing term. Returns [(usage, text)] of those that can't be charged; if there are any, none is.
    """
    rate, days, charges, unpriced = cache(rate_of), days_of_use(usages), [], []
    for usage in usages:
        if key(usage) not in days:
            continue
        try:
            starts_on, ends_on = days[key(usage)]
            charges += charges_of(usage, starts_on, ends_on, rate)
        except ValidationError as fault:
            unpriced.append((usage, " ".join(fault.messages)))
    if not unpriced:
        UsageCharge.objects.bulk_create(charges, batch_size=AT_ONCE)
    return unpriced


def charges_of(usage, starts_on, ends_on, rate):
    """One charge for each price, for use between these days; the tax class is that of the last of them (D2).

    Raises ValidationError for a tax class that isn't registered, and for an amount that is too large.
    """
    meter, price = usage.meter, usage.meter.price_of(usage.month)
    stretches = money.metered(usage.quantity, price.free_quantity, price.ladder)
    if any(stretch.amount > money.MOST_YEN for stretch in stretches):
        named = {"contract": meter.contract.number, "period": months.format_month(usage.month)}
        raise ValidationError(_("契約 %(contract)s の %(period)s の使用量は、金額が大きすぎます。") % named)
    return [
        UsageCharge(
            customer_id=usage.customer_id,
            usage=usage,
            position=position,
            item=meter.item,
            specification=describe(stretch, price, meter.unit),
            starts_on=starts_on,
            ends_on=ends_on,
            quantity=stretch.quantity,
            unit=meter.unit,
            unit_price=stretch.unit_price,
            amount=stretch.amount,
            price_basis=meter.price_basis,
            tax_kind=meter.tax_kind,
            tax_rate=rate(meter.tax_kind, ends_on),
        )
        for position, stretch in enumerate(stretches, start=1)
    ]


def drop_charges(usages, today):
    """The charges of the stored usages with the same meter and month count no more."""
    for month in {usage.month for usage in usages}:
        meters = [usage.meter_id for usage in usages if usage.month == month]
        charges = UsageCharge.objects.standing().filter(usage__month=month, usage__meter__in=meters)
        charges.update(dropped_on=today)


def describe(stretch, price, unit):
    """What the invoice says beside the item: the free part, or where on the ladder the quantity lies."""
    if stretch.above < price.free_quantity:
        return "無料枠"
    return f"{plain(stretch.above)}{unit}を超える分" if stretch.above else ""
