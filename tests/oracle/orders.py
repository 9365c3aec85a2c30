"""Which orders must exist, and that they follow their contract until they are billed (rules 1, 2, 4, 5, 8)."""

from typing import NamedTuple

from tests.oracle import calendar as cal
from tests.oracle.arithmetic import Class
from tests.oracle.records import Order, OrderLine


class Past(NamedTuple):
    """An order that would charge a closed month, or the part that would be more of it, in yen."""

    contract: str
    term: int
    line: str | None
    yen: int


class Wanted(NamedTuple):
    """An order as it should be; `line` names the line of a 追加."""

    line: str | None
    difference: bool
    month: object
    begins_on: object
    lines: tuple


def follow(life, day, ticked=None):
    """Make, change and cancel unbilled orders. Returns what a save has to ask for, as `Past`: what closed months owe and nobody
    asked for, and what their orders rise by.

    `ticked` is the contract for which somebody asked: beside the tick stand its orders and its yen, no other's.
    """
    life.charge_past, risen = [], []
    for contract in life.contracts.values():
        kept = set()
        for term in life.terms(contract):
            contract.reached = max(contract.reached, term.sequence)
            for wanted in wanted_orders(life, contract, term):
                kept.add((term.sequence, wanted.line))
                risen += put(life, contract, term, wanted, day, contract.number == ticked)
        for order in life.orders_of(contract.number):
            if not order.frozen and (order.term, order.addition_of) not in kept:
                order.cancelled = True  # rule 2: for good
    return life.charge_past + risen


def put(life, contract, term, wanted, day, charge_past):
    """Bring one order about. Returns what an order of a closed month rises by and nobody asked for: a run lets it follow."""
    amount = sum(line.amount for line in wanted.lines)
    stands = [
        o for o in life.orders_of(contract.number, term.sequence) if not o.frozen and o.addition_of == wanted.line
    ]
    if stands:
        [order] = stands
        moved_back = life.is_open(order.month) and not life.is_open(wanted.month)
        more = amount if moved_back else amount - order.amount
        if (wanted.difference or moved_back) and more > 0 and not charge_past:
            life.charge_past.append(Past(contract.number, term.sequence, wanted.line, more))
            return []
        order.lines, order.month, order.difference = wanted.lines, wanted.month, wanted.difference
        is_late = more > 0 and not charge_past and not life.is_open(wanted.month)
        return [Past(contract.number, term.sequence, wanted.line, more)] if is_late else []
    asked_for = wanted.difference or not life.is_open(wanted.month)
    if asked_for and not charge_past:
        life.charge_past.append(Past(contract.number, term.sequence, wanted.line, amount))
        return []
    kind = "addition" if wanted.line else "new" if term.sequence == 1 else "renewal"
    ordered_on = day if asked_for else wanted.begins_on
    life.orders.append(
        Order(len(life.orders), contract.number, term.sequence, kind, wanted.line, wanted.month, ordered_on,
              wanted.lines, wanted.difference)
    )  # fmt: skip
    return []


def wanted_orders(life, contract, term):
    """What the term's lines are still to be charged with, beside the orders that are billed or set aside."""
    may = life.may_order_from(contract)
    own = [o for o in life.orders_of(contract.number, term.sequence) if o.frozen and not o.addition_of]
    takes = not own and term.starts_on >= may  # the order of the term is still to be made, or can be re-made
    together = []
    for line in contract.lines.values():
        span, begins = life.covered(line, term), contract.begins(line)
        if span is None:
            continue
        done = [o for o in life.orders_of(contract.number, term.sequence, line.name) if o.frozen]
        if done:
            yield from difference(life, contract, term, line, done, own)
        elif takes and not (contract.form == cal.YEARLY and begins > cal.last_day(term.starts_on.replace(day=1))):
            together.append(order_line(life, contract, term, line, span, life.owed(contract, line, term)))
        elif term.starts_on <= begins and begins >= may:
            if begins <= contract.made_to:  # rule 4: made on the line's first day
                part = order_line(life, contract, term, line, span, life.owed(contract, line, term))
                yield Wanted(line.name, False, cal.month_of(begins), begins, (part,))
        elif own:
            yield from difference(life, contract, term, line, done, own)
    if together:
        yield Wanted(None, False, cal.month_of(term.starts_on), term.starts_on, tuple(together))


def difference(life, contract, term, line, done, own):
    """Rule 5: what a billed term owes beyond what was ordered and not given back by a decision."""
    if any(life.set_aside(order.id) for order in (*done, *own)):
        return
    if contract.bill_from and term.starts_on < contract.bill_from:
        return
    what = contract.number, term.sequence, line.name
    more = life.owed(contract, line, term) - (life.ordered(*what) - life.given_back(*what))
    if more <= 0:
        return
    first, last = life.covered(line, term)
    charged_to = max((part.ends_on for order in done for part in order.lines if part.line == line.name), default=None)
    if charged_to and charged_to < last:
        first = charged_to + cal.DAY  # the period not yet billed
    part = order_line(life, contract, term, line, (first, last), more)
    part = part._replace(quantity=1, unit_price=more)
    yield Wanted(line.name, True, cal.month_of(max(term.starts_on, contract.begins(line))), first, (part,))


def order_line(life, contract, term, line, span, amount):
    rate = life.rate(line.kind, span[1])  # D2: the last day of the line's period decides
    cls = Class(line.kind, rate, line.basis)
    return OrderLine(line.name, *span, line.quantity, line.unit_price, amount, cls)
