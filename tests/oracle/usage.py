"""Metered quantities: the prices of their month, and when they may be given (D32, D33)."""

from fractions import Fraction

from tests.oracle import calendar as cal
from tests.oracle.arithmetic import Class, yen
from tests.oracle.contracts import contract_of
from tests.oracle.records import DocLine, Refused


def price(life, event):
    """Prices from a month on; a month whose usage is billed keeps its prices (D32)."""
    contract = contract_of(life, event.contract)
    prices = contract.meters.get(event.meter, [])
    if bool(prices) != bool(event.since) or any(event.since == other.since for other in prices):
        raise Refused("the first prices hold from always, later ones from a month of their own")
    former = {key: prices_of(contract, *key) for key in contract.used}
    contract.meters[event.meter] = [*prices, event]
    for key, before in former.items():
        if prices_of(contract, *key) != before and shown(life, contract, *key):
            raise Refused("usage of the month is billed")


def use(life, event):
    contract = contract_of(life, event.contract)
    contract.made_to = max(contract.made_to, event.day)
    if event.meter not in contract.meters or event.month < life.vendor.first_month:
        raise Refused("no such meter, or before 運用開始年月")
    if not standing(life, contract, event.month):
        raise Refused("the contract has no standing term in the month")
    if shown(life, contract, event.meter, event.month):
        if contract.used[event.meter, event.month] == event.quantity:
            return  # a file that comes again changes nothing
        raise Refused("the usage is billed")
    contract.used[event.meter, event.month] = event.quantity


def prices_of(contract, meter, month):
    """The newest prices that hold in the month."""
    return [p for p in sorted(contract.meters[meter], key=lambda p: (p.since is not None, p.since))
            if p.since is None or p.since <= month][-1]  # fmt: skip


def standing(life, contract, month):
    return any(
        not term.marked and cal.overlap(term.starts_on, term.ends_on, month, cal.last_day(month))
        for term in life.terms(contract)
    )


def shown(life, contract, meter, month):
    """Whether it was ever on a fixed document: it doesn't change any more, set aside or not."""
    key = ("usage", contract.number, meter, month)
    return any(line.key[:4] == key for document in life.documents for line in document.lines)


def lines(life, contract):
    """Month and line of what is used and not yet billed; a month in which the contract isn't used costs nothing."""
    for (meter, month), quantity in contract.used.items():
        if shown(life, contract, meter, month) or not standing(life, contract, month):
            continue
        prices = prices_of(contract, meter, month)
        span = cal.overlap(month, cal.last_day(month), contract.start_on, contract.cancel_on)
        cls = Class(prices.kind, life.rate(prices.kind, span[1]), prices.basis)
        for place, amount in enumerate(stretches(quantity, prices)):
            key = ("usage", contract.number, meter, month, place)
            yield month, DocLine(key, "usage", amount, cls, *span, contract.number, ordered=amount)


def stretches(quantity, prices):
    """Yen of each part of the quantity that has one price: the free part, then step by step (段階料金)."""
    steps = [(0, prices.unit_price), *prices.tiers]
    ends = [above for above, _price in steps[1:]] + [quantity]
    parts = [(min(prices.free, quantity), 0)]
    for (above, unit_price), end in zip(steps, ends, strict=True):
        parts.append((min(end, quantity) - max(above, prices.free), unit_price))
    return [yen(Fraction(size) * Fraction(unit_price)) for size, unit_price in parts if size > 0]
