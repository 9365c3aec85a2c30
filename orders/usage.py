"""Used quantities of metered services (従量): taken in from files, priced by each meter's ladder, corrected until billed."""

import codecs
import csv
import hashlib
import io
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from typing import NamedTuple

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F, OuterRef, Subquery
from django.utils.translation import gettext as _

from accounts.models import Customer
from contracts.models import Contract, Meter, Term
from contracts.services import add_terms, rate_of
from orders.models import BILLED, Usage, UsageCharge, UsageFile
from portal import money, months, reading
from portal.models import TaxClass, Vendor
from portal.templatetags.figures import plain

# Each column by its English and its Japanese name.
COLUMNS = {"contract": "契約番号", "service": "サービスコード", "period": "対象年月", "quantity": "数量"}
SEPARATORS = ",\t;"
AT_ONCE = 5000


class Row(NamedTuple):
    """A row of a file as it was read; `number` is the line that an editor shows, `fault` why it can't be taken."""

    number: int
    contract: str
    service: str
    month: date | None
    quantity: Decimal | None
    fault: str = ""


@dataclass
class Taken:
    """What became of a file: how many quantities are new, changed or known, and whose (numbers of customers).

    `before` is the file as it came first, if it came before.
    """

    added: int
    changed: int
    known: int
    before: UsageFile | None
    customers: list


@transaction.atomic
def take_in(name, content, *, today):
    """Store the used quantities of a CSV file (bytes) with their charges, all of them or none; returns `Taken`.

    The same contract, service and month with another quantity corrects it, as long as it isn't billed. So a file that
    was taken in before changes nothing but what was corrected since, and isn't stored a second time. Raises
    ValidationError with one message for each bad line.
    """
    digest = hashlib.sha256(content).hexdigest()
    before = UsageFile.objects.filter(sha256=digest).first()
    rows = read(content)
    contracts = Contract.objects.filter(number__in={row.contract for row in rows})
    Customer.objects.lock(set(contracts.values_list("customer_id", flat=True)))
    meters = find_meters(rows)  # only now: whoever was changing prices or contracts of these customers is through
    usages, faults = match(rows, meters, today)
    usages, faults = keep_used(usages, faults, today)
    new, changed = sort_out(usages, faults)
    if faults:
        raise ValidationError([text for _number, text in sorted(faults)])
    file = before or UsageFile.objects.create(sha256=digest, name=name[:200], rows=len(rows))
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
    if unpriced := charge([*new, *changed]):
        raise ValidationError([at(usage.line_number, text) for usage, text in unpriced])
    owners = sorted({meter.contract.customer.number for meter in meters.values()})
    return Taken(len(new), len(changed), len(usages) - len(new) - len(changed), before, owners)


@transaction.atomic
def reprice(meter, *, today):
    """Charge this meter's unbilled quantities again, after prices were changed, each by its month's. Raises ValidationError, then nothing is."""
    Customer.objects.lock([meter.customer_id])
    recharge(list(meter.usages.unbilled()), today)


def read(content):
    """The rows of a CSV file in UTF-8 or CP932. Raises ValidationError for a file that is no such thing."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ValidationError(
            _(
                "文字コードが UTF-16（Excelの「Unicode テキスト」）です。UTF-8 か CP932（Shift_JIS）のCSVにしてください。"
            )
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = content.decode("cp932")
        except UnicodeDecodeError:
            raise ValidationError(_("文字コードは UTF-8 か CP932（Shift_JIS）にしてください。")) from None
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator(text), strict=True)
    try:
        filled = ((lines.line_num, cells) for cells in lines if any(reading.ENDS.sub("", cell) for cell in cells))
        number, header = next(filled, (1, []))
        places = columns(number, header)
        rows = [row_of(number, cells, places, len(header)) for number, cells in filled]
    except csv.Error as error:
        raise ValidationError(at(lines.line_num, _("CSVとして読めません（%s）。") % error)) from None
    if not rows:
        raise ValidationError(_("データの行がありません。"))
    return rows


def separator(text):
    """What stands between the cells: whatever occurs most in the first line that says something, a comma if nothing does."""
    header = next((line for line in text.splitlines() if reading.ENDS.sub("", line)), "")
    return max(SEPARATORS, key=header.count)


def columns(number, header):
    """Where each column stands, in the order of `COLUMNS`. Raises ValidationError if one is missing, or any named twice."""
    english = {japanese: name for name, japanese in COLUMNS.items()}
    try:
        names = [english.get(name, name) for name in (reading.key(cell).lower() for cell in header)]
    except ValidationError as error:
        raise ValidationError(at(number, error.message)) from None
    if twice := [name for place, name in enumerate(names) if name and name in names[:place]]:
        raise ValidationError(at(number, _("見出し %s が2つあります。どちらか1つにしてください。") % twice[0]))
    if missing := [name for name in COLUMNS if name not in names]:
        text = _("列 %(missing)s がありません。見出しは %(all)s です。")
        raise ValidationError(at(number, text % {"missing": ", ".join(missing), "all": ",".join(COLUMNS)}))
    return [names.index(name) for name in COLUMNS]


def row_of(number, cells, places, width):
    """The row in its columns. A cell too many is a fault, for 12,345 without quotes is two cells, and 12 isn't meant."""
    nothing = Row(number, "", "", None, None)
    if len(cells) > width:
        return nothing._replace(
            fault=_('列が見出しより多くあります。桁区切りのある数量は "12,345" のように囲んでください。')
        )
    if len(cells) <= max(places):
        return nothing._replace(fault=_("列が足りません。"))
    contract, service, period, quantity = (cells[place] for place in places)
    try:
        row = Row(
            number,
            reading.code(contract),
            reading.key(service),
            reading.month(period),
            reading.quantity(quantity),
        )
    except ValidationError as error:
        return nothing._replace(fault=str(error.message))
    empty = [name for name, value in zip(COLUMNS.values(), row[1:5], strict=True) if value in ("", None)]
    return row._replace(fault=_("%s が空です。") % "、".join(empty)) if empty else row


def at(line_number, text):
    return _("%(line)d行目: %(text)s") % {"line": line_number, "text": text}


def find_meters(rows):
    """The meters of the contracts that the rows name, as {(contract number, service code): Meter}."""
    meters = Meter.objects.filter(contract__number__in={row.contract for row in rows})
    return {
        (meter.contract.number, meter.service.code): meter
        for meter in meters.select_related("contract__customer", "service").prefetch_related("prices__tiers")
    }


def match(rows, meters, today):
    """(Usage of each good row, [(line number, text) of each bad one])."""
    span = Vendor.objects.settings().first_month, months.month_of(today)
    contracts = {number for number, _service in meters}
    usages, faults = [], []
    seen: dict[tuple, int] = {}
    for row in rows:
        meter = meters.get((row.contract, row.service))
        fault = row.fault or wrong_with(row, meter, contracts, span)
        same = (row.contract, row.service, row.month)
        if not fault and same in seen:
            fault = _("%d行目と同じ契約・サービス・年月です。") % seen[same]
        if fault:
            faults.append((row.number, at(row.number, fault)))
            continue
        seen[same] = row.number
        usages.append(
            Usage(
                customer_id=meter.customer_id,
                meter=meter,
                month=row.month,
                quantity=row.quantity,
                line_number=row.number,
            )
        )
    return usages, faults


def wrong_with(row, meter, contracts, span):
    """What is wrong with the row by itself, or None; `span` is the first and the last month that may be given."""
    if row.contract not in contracts:
        return _("従量の契約「%s」がありません。") % row.contract
    if meter is None:
        return _("契約 %(contract)s に従量サービス「%(service)s」がありません。") % row._asdict()
    first, last = span
    if not first <= row.month <= last:
        return _("対象年月は %(first)s から %(last)s までです: %(period)s") % {
            "first": months.format_month(first),
            "last": months.format_month(last),
            "period": months.format_month(row.month),
        }
    return None


def keep_used(usages, faults, today):
    """Leave out usages of months without a standing term, each as a fault more (D33); terms that should exist are added first."""
    owners = {usage.customer_id for usage in usages}
    newest = max((usage.month for usage in usages), default=today)
    add_terms(sorted(owners), until=min(today, months.last_day(newest)))
    days = days_of_use(usages)
    text = _("契約 %(contract)s は %(period)s には利用されていません。")
    unused = [
        (
            usage.line_number,
            at(usage.line_number, text % {"contract": usage.meter.contract.number, "period": f"{usage.month:%Y-%m}"}),
        )
        for usage in usages
        if key(usage) not in days
    ]
    return [usage for usage in usages if key(usage) in days], faults + unused


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


def sort_out(usages, faults):
    """(new, changed) usages, those that stand already left out; a change of what is billed is added to the faults."""
    former = {key(usage): usage for usage in Usage.objects.filter(meter__in={usage.meter_id for usage in usages})}
    new = [usage for usage in usages if key(usage) not in former]
    changed = [usage for usage in usages if key(usage) in former and former[key(usage)].quantity != usage.quantity]
    stored = [former[key(usage)].pk for usage in changed]
    billed = {key(usage) for usage in Usage.objects.billed().filter(pk__in=stored)}
    faults += [
        (usage.line_number, at(usage.line_number, _("この使用量は請求済みです。変更するには請求を訂正してください。")))
        for usage in changed
        if key(usage) in billed
    ]
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
    classes = TaxClass.objects.filter(kind=OuterRef("tax_kind"), valid_from__lte=OuterRef("ends_on"))
    right = Subquery(classes.exclude(valid_to__lt=OuterRef("ends_on")).values("rate")[:1])
    charges = UsageCharge.objects.standing().filter(customer__in=customer_ids)
    odd = charges.exclude(invoice_lines__invoice__state__in=BILLED).annotate(right=right).exclude(right=F("tax_rate"))
    usages = Usage.objects.filter(pk__in=odd.values("usage")).select_related("meter__contract", "meter__service")
    recharge(list(usages.prefetch_related("meter__prices__tiers")), today)


def recharge(usages, today):
    """A month in which the contract is no longer used costs nothing. Raises ValidationError, then all stays as it was."""
    drop_charges(usages, today)
    if unpriced := charge(usages):
        raise ValidationError([text for _usage, text in unpriced])


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
