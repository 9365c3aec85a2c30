"""Metered rows (従量) of a file of contracts: each a price of the meter that its service names, from a month on (D32)."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contracts.models import Contract, Meter, MeterPrice, MeterTier
from contracts.services import NO_FIRST_PRICE, PriceTyped, keep_billed, meter_facts
from orders.models import Usage
from orders.rows import LABELS, LINE_ONLY, METER_FACTS, Telling
from orders.usage import recharge_each
from portal import history
from portal.db.copying import copy_in, copy_over
from portal.imports.faults import Code
from portal.models import Action, HistoryEvent

NOT_METERED = gettext_lazy("従量の行には入力できません。使用量は使用量の取り込みで登録します。")


class MeterDrawn(NamedTuple):
    """A meter that is new or changes, with its new and changed prices; `row` is its first."""

    row: int
    meter: Meter
    prices: list[PriceTyped]


def draw_meters(
    rows: Sequence[tuple[int, dict[str, Any]]], contract: Contract, kept: Sequence[Meter], telling: Telling
) -> list[MeterDrawn]:
    """The meters that these rows of a contract make or change, of those that it has; what can't be stored is told."""
    if not rows or (contract.service_id is None and any("meter_service" not in values for _row, values in rows)):
        return []
    stored = {meter.service_id: meter for meter in kept}
    by_service: dict[Any, list[tuple[int, dict[str, Any]]]] = {}
    for row, values in rows:
        for name in LINE_ONLY:
            if name in values:
                telling.at(row, name, values.pop(name), Code.REFUSED, str(NOT_METERED))
        values.pop("line", None)
        by_service.setdefault(values.pop("meter_service", None) or contract.service, []).append((row, values))
    drawn = [draw_meter(own, service, contract, stored.get(service.pk), telling) for service, own in by_service.items()]
    return [each for each in drawn if each]


def draw_meter(
    rows: Sequence[tuple[int, dict[str, Any]]], service: Any, contract: Contract, stored: Meter | None, telling: Telling
) -> MeterDrawn | None:
    """A meter as its rows want it; None where they say nothing new, or can't be stored."""
    said: dict[str, tuple[int, Any]] = {}
    of_month: dict[date | None, int] = {}
    prices: list[PriceTyped] = []
    spoiled = False
    for row, values in rows:
        for name in METER_FACTS:
            if name in values and said.setdefault(name, (row, values[name]))[1] != values[name]:
                given = {"line": said[name][0], "label": LABELS[name].label}
                told = _(
                    "%(line)d行目と「%(label)s」が違います。同じ従量料金の行には同じ内容か空欄を入力してください。"
                )
                telling.at(row, name, values[name], Code.CONTRADICTION, told % given)
        since = values.get("prices_from")
        if since in of_month:
            told = _("この月から適用する料金は %d行目にあります。") % of_month[since]
            telling.at(row, "prices_from", since, Code.TWICE, told)
            continue
        of_month[since] = row
        price = draw_price(row, values, since, stored, telling)
        spoiled = spoiled or (price is None and stored is None)
        if isinstance(price, PriceTyped):
            prices.append(price)
    first = rows[0][0]
    facts = {name: value for name, (_row, value) in said.items()}
    if stored:
        changed = {name: value for name, value in facts.items() if getattr(stored, name) != value}
        for name, value in changed.items():
            setattr(stored, name, value)
        return MeterDrawn(first, stored, prices) if changed or prices else None
    missing = [name for name in ("item", "unit") if name not in facts]
    for name in missing:
        telling.needed(first, name)
    if None not in of_month:
        telling.at(first, "prices_from", min(of_month, key=str), Code.REFUSED, str(NO_FIRST_PRICE))
    return None if missing or spoiled else MeterDrawn(first, Meter(contract=contract, service=service, **facts), prices)


def draw_price(
    row: int, values: dict[str, Any], since: date | None, stored: Meter | None, telling: Telling
) -> PriceTyped | None:
    """The price if it is new or changes; None also where it can't be."""
    former = next((each for each in stored.prices.all() if each.since == since), None) if stored else None
    named = {name: values[name] for name in ("free_quantity", "unit_price") if name in values}
    if former is None and stored and not named and "tiers" not in values:
        return None  # a row that says something of the meter alone
    if former is None and "unit_price" not in values:
        telling.needed(row, "unit_price")
        return None
    price = former or MeterPrice(since=since)
    changed = {name: value for name, value in named.items() if former is None or getattr(former, name) != value}
    for name, value in changed.items():
        setattr(price, name, value)
    had = former.ladder[1:] if former else []
    tiers = list(values.get("tiers", had))
    try:
        price.clean()
    except ValidationError as refused:
        telling.refused(row, values, refused)
        return None
    return PriceTyped(price, tiers) if changed or tiers != had or former is None else None


def store_meters(drawn: Sequence[MeterDrawn], telling: Telling, *, today: date, by: Any) -> None:
    """Store new and changed meters in sets, with their history; used quantities that aren't billed follow (D32)."""
    stored = [each for each in drawn if each.meter.pk]
    before = meters_of(stored)
    billed: dict[int, list[date]] = defaultdict(list)
    for meter_id, month in Usage.objects.billed().filter(meter__in=list(before)).values_list("meter", "month"):
        billed[meter_id].append(month)
    refused_ids = set()
    for each in stored:
        try:
            keep_billed(before[each.meter.pk], each.prices, [], sorted(billed[each.meter.pk]))
        except ValidationError as refused:
            telling.refused(each.row, {}, refused)
            refused_ids.add(each.meter.pk)
    drawn = [each for each in drawn if each.meter.pk is None or each.meter.pk not in refused_ids]
    facts = {meter_id: meter_facts(meter) for meter_id, meter in before.items()}
    store_rows(drawn, before)
    after = meters_of(drawn)
    telling.report.keep(changed_prices(meter, facts.get(meter.pk, {}), by) for meter in after.values())
    rows = {each.meter.pk: each.row for each in stored}
    usages = Usage.objects.unbilled().filter(meter__in=list(before)).select_related("meter__contract", "meter__service")
    for usage, text in recharge_each(list(usages.prefetch_related("meter__prices__tiers")), today):
        telling.at(rows[usage.meter_id], "", None, Code.REFUSED, text)


def meters_of(drawn: Sequence[MeterDrawn]) -> dict[int, Meter]:
    """These meters as they are stored, by id."""
    found = Meter.objects.filter(pk__in=[each.meter.pk for each in drawn]).order_by("pk")
    found = found.select_related("contract__customer", "service").prefetch_related("prices__tiers")
    return {meter.pk: meter for meter in found}


def store_rows(drawn: Sequence[MeterDrawn], before: dict[int, Meter]) -> None:
    new = [each.meter for each in drawn if each.meter.pk is None]
    for meter in new:
        meter.customer_id, meter.contract_id = meter.contract.customer_id, meter.contract.pk
    copy_over([each.meter for each in drawn if each.meter.pk], METER_FACTS)
    copy_in(new)
    typed = [price for each in drawn for price in each.prices]
    for each in drawn:
        for price, _tiers in each.prices:
            price.meter, price.customer_id = each.meter, each.meter.customer_id
    former = {price.pk: price.ladder[1:] for meter in before.values() for price in meter.prices.all()}
    copy_over([price for price, _tiers in typed if price.pk], ("free_quantity", "unit_price"))
    copy_in([price for price, _tiers in typed if price.pk is None])
    # The tiers of the others may be billed, and stay.
    other = [each for each in typed if list(each.tiers) != former.get(each.price.pk, [])]
    MeterTier.objects.filter(price__in=[price.pk for price, _tiers in other if price.pk in former]).delete()
    copy_in(
        [
            MeterTier(customer_id=price.customer_id, price=price, above=above, unit_price=unit_price)
            for price, tiers in other
            for above, unit_price in tiers
        ]
    )


def changed_prices(meter: Meter, before: dict[str, str], by: Any) -> HistoryEvent | None:
    contract = meter.contract
    about = {"of": meter, "by": by, "customer": contract.customer}
    return history.change(Action.PRICES_CHANGED, contract.number, before, meter_facts(meter), **about)
