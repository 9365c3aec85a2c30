"""Metered rows (従量) of a file of contracts: each a price of the meter that its service names, from a month on (D32)."""

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contracts.models import Contract, Meter, MeterPrice, MeterTier
from contracts.services import NO_FIRST_PRICE, PriceTyped, meter_facts, save_meter
from orders.rows import LABELS, LINE_ONLY, METER_FACTS, Telling
from orders.usage import reprice
from portal import history
from portal.db.copying import copy_in
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
    """Store new meters in sets, changed ones as a person's save does; used quantities that aren't billed follow."""
    new = [each for each in drawn if each.meter.pk is None]
    stored = [each for each in drawn if each.meter.pk]
    for each in new:
        each.meter.customer_id = each.meter.contract.customer_id
        for price, _tiers in each.prices:
            price.meter, price.customer_id = each.meter, each.meter.customer_id
    for each in new:
        each.meter.contract_id = each.meter.contract.pk
    copy_in([each.meter for each in new])
    new_prices = [price for each in new for price, _tiers in each.prices]
    for price in new_prices:
        price.meter_id = price.meter.pk
    copy_in(new_prices)
    copy_in(
        [
            MeterTier(customer_id=price.customer_id, price=price, above=above, unit_price=unit_price)
            for each in new
            for price, tiers in each.prices
            for above, unit_price in tiers
        ]
    )
    made = Meter.objects.filter(pk__in=[each.meter.pk for each in new]).order_by("pk")
    HistoryEvent.objects.bulk_create(
        history.change(
            Action.PRICES_CHANGED,
            meter.contract.number,
            {},
            meter_facts(meter),
            of=meter,
            by=by,
            customer=meter.contract.customer,
        )
        for meter in made.select_related("contract__customer", "service").prefetch_related("prices__tiers")
    )
    for row, meter, prices in stored:
        try:
            save_meter(meter, prices, by=by)
            reprice(meter, today=today)
        except ValidationError as refused:
            telling.refused(row, {}, refused)
