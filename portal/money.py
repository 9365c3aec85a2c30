"""Arithmetic with money: every amount that the portal rounds or divides is rounded or divided here.

Amounts are whole yen as `int`, rates are `Decimal` ("0.10"), quantities and unit prices are `Decimal` or `int`.
A float, or a `Decimal` where yen are expected, is a TypeError. All rounding acts on the absolute value and keeps the
sign, so a line or an invoice and its full return add up to nothing.
"""

from collections.abc import Sequence
from decimal import ROUND_DOWN, ROUND_HALF_UP, ROUND_UP, Context, Decimal
from operator import index
from typing import NamedTuple

DOWN, HALF_UP, UP = "down", "half_up", "up"
MODES = {DOWN: ROUND_DOWN, HALF_UP: ROUND_HALF_UP, UP: ROUND_UP}

MOST_YEN = 10**12  # of a line; more is a slip of the keyboard, and a sum of many must still fit a column

# With the usual 28 digits a long quantity times a long price would be rounded before the one rounding that is meant.
_WIDE = Context(prec=60)


class TaxTotal(NamedTuple):
    """One tax class of one invoice, in yen: `base` is tax-exclusive, `base + tax` is what the customer pays."""

    base: int
    tax: int


def line_amount(quantity: Decimal | int, unit_price: Decimal | int) -> int:
    """Yen of a line: quantity times unit price, always rounded down toward zero (切り捨て).

    This is price arithmetic; the vendor's rounding mode (D7) is for tax only.
    """
    return _yen(_WIDE.multiply(quantity, unit_price), DOWN)


class Stretch(NamedTuple):
    """A part of a metered quantity that has one price: what lies above `above`, `amount` in yen."""

    above: Decimal
    quantity: Decimal
    unit_price: Decimal
    amount: int


def metered(quantity: Decimal, free: Decimal, ladder: Sequence[tuple[Decimal, Decimal]]) -> list[Stretch]:
    """What a used `quantity` costs, as a list of `Stretch`; each amount is rounded like a line's (`line_amount`).

    The first `free` of it costs nothing, and the rest the prices of `ladder`: (above, unit price), rising from above 0,
    each of which holds for the part of the quantity above it and below the next (段階料金).
    """
    ends = [above for above, _price in ladder[1:]] + [quantity]
    parts = [(Decimal(0), min(free, quantity), Decimal(0))]
    parts += [(max(above, free), min(end, quantity), price) for (above, price), end in zip(ladder, ends, strict=True)]
    return [
        Stretch(begin, end - begin, price, line_amount(end - begin, price))
        for begin, end, price in parts
        if end > begin
    ]


def prorated(amount: int, part: int, whole: int) -> int:
    """Yen of `amount` for a part of a period, rounded down toward zero (日割, D8, D24).

    That is days (counted inclusively) of a month's real days, or calendar months touched of a year's 12. Raises ValueError
    unless 0 <= part <= whole.
    """
    if not 0 <= part <= whole or whole == 0:
        raise ValueError(f"{part} don't fit into a period of {whole}")
    return _yen(_WIDE.divide(index(amount) * index(part), index(whole)), DOWN)


def share_of(amount: int, percent: Decimal) -> int:
    """Yen of `amount` that so many per cent of it are, rounded down toward zero: what a 値引き in per cent takes off.

    Raises ValueError unless 0 <= percent <= 100.
    """
    if not 0 <= percent <= 100:
        raise ValueError(f"{percent} per cent is no part of a whole")
    return _yen(_WIDE.divide(_WIDE.multiply(index(amount), percent), 100), DOWN)


def tax_on(net: int, rate: Decimal, mode: str) -> int:
    """Yen of tax on top of `net` tax-exclusive yen (D7).

    Raises ValueError for an unknown mode, and for a rate that isn't from 0 to below 1.
    """
    return _yen(_WIDE.multiply(index(net), _checked(rate)), mode)


def tax_within(gross: int, rate: Decimal, mode: str) -> int:
    """Yen of tax contained in `gross` tax-inclusive yen: gross × rate / (1 + rate). Raises like `tax_on`."""
    return _yen(_WIDE.divide(_WIDE.multiply(index(gross), _checked(rate)), 1 + rate), mode)


def tax_total(exclusive: int, inclusive: int, rate: Decimal, mode: str) -> TaxTotal:
    """The `TaxTotal` of one tax class on one invoice, from its sums of tax-exclusive and tax-inclusive lines, in yen.

    Tax is rounded once per rate and invoice (消費税法施行令 70条の10, D7), so call it with sums and never per line.

    - Only exclusive lines: base = exclusive, tax = tax_on(base).
    - Only inclusive lines: tax = tax_within(inclusive), base = inclusive - tax; base + tax is the agreed price.
    - Both: the tax agency's Q&A on the invoice system (税抜価額と税込価額が混在する場合) wants all lines on one footing
      before they are added up. The inclusive sum is made net (inclusive - tax_within(inclusive), same mode), then
      base = exclusive + that net, and tax = tax_on(base) is computed once. The tax found inside the inclusive sum is
      only a step on the way, so base + tax can differ by a yen from the two sides computed apart.

    Raises like `tax_on`.
    """
    if not exclusive:
        tax = tax_within(inclusive, rate, mode)
        return TaxTotal(index(inclusive) - tax, tax)
    base = index(exclusive) + index(inclusive) - tax_within(inclusive, rate, mode)
    return TaxTotal(base, tax_on(base, rate, mode))


def nets_of(grosses: Sequence[int], rate: Decimal, net: int) -> list[int]:
    """Tax-inclusive lines of one class without their tax, in yen; they add up to `net`, which their sum was made into.

    What is left by rounding each running sum moves from line to line, and the last one takes what is missing. Raises like `tax_on`.
    """
    sums = [sum(grosses[:place]) for place in range(1, len(grosses))]
    ends = [gross - tax_within(gross, rate, DOWN) for gross in sums] + [net] * bool(grosses)
    return [end - begin for begin, end in zip([0, *ends], ends, strict=False)]


def split(amount: int, weights: Sequence[int]) -> list[int]:
    """`amount` yen (a 一括値引き over several tax classes) in proportion to `weights`; the parts add up to it exactly.

    Parts are rounded down, the yen left over go to the largest remainders; among equals to the larger weight, then to
    the first. That order is our own: the tax agency's Q&A (一括値引きがある場合) asks for the proportion only.
    Raises ValueError for a negative weight or when all weights are zero.
    """
    if min(weights, default=0) < 0 or not any(weights):
        raise ValueError("an amount can be split by weights of zero and more only, of which at least one isn't zero")
    sign = -1 if amount < 0 else 1
    return [sign * part for part in _parts(abs(index(amount)), weights)]


def apportioned(amount: int, weights: Sequence[int]) -> list[int]:
    """`amount` yen as parts of it, like `split`, by at least one weight; weights may be negative too (discounts).

    With a negative one, or nothing but zeros, no proportion makes sense: each part is its weight then, and the largest takes
    what is left over.
    """
    if min(weights) >= 0 and any(weights):
        return split(amount, weights)
    largest = max(range(len(weights)), key=lambda place: abs(weights[place]))
    return [
        weight if place != largest else amount - sum(weights) + weight
        for place, weight in enumerate(map(index, weights))
    ]


def shares(amounts: Sequence[int], digits: int = 1) -> list[Decimal]:
    """Percentages of the sum of `amounts`, with `digits` decimals, that add up to exactly 100.

    Rounded by largest remainders like `split`. Negative amounts give negative shares; if the sum is zero, all are zero.
    """
    total = sum(amounts)
    sign = -1 if total < 0 else 1
    parts = _parts(100 * 10**digits, [sign * amount for amount in amounts]) if total else [0] * len(amounts)
    return [Decimal(part).scaleb(-digits) for part in parts]


def _yen(exact: Decimal, mode: str) -> int:
    if mode not in MODES:
        raise ValueError(f"{mode!r} is no rounding mode; there are {', '.join(MODES)}")
    return int(exact.to_integral_value(rounding=MODES[mode]))


def _checked(rate: Decimal) -> Decimal:
    if not 0 <= rate < 1:
        raise ValueError(f"{rate} is no tax rate; 10 % is written Decimal('0.10')")
    return rate


def _parts(whole: int, weights: Sequence[int]) -> list[int]:
    total = sum(weights)
    divided = [divmod(whole * index(weight), total) for weight in weights]
    parts = [part for part, _remainder in divided]
    order = sorted(range(len(weights)), key=lambda i: (-divided[i][1], -weights[i], i))
    for i in order[: whole - sum(parts)]:
        parts[i] += 1
    return parts
