"""Yen: every rounding of the model, in exact fractions."""

from fractions import Fraction
from math import floor
from typing import NamedTuple

DOWN, HALF_UP, UP = "down", "half_up", "up"


class Class(NamedTuple):
    """What is added up together: kind of tax, rate (Decimal), and whether the prices contain the tax."""

    kind: str
    rate: object
    basis: str


class Total(NamedTuple):
    """One tax class of a document in yen: `base` without tax."""

    kind: str
    rate: object
    base: int
    tax: int


def yen(exact, mode=DOWN):
    """Whole yen, rounded around zero, so that a return mirrors what it returns (消費税法施行令70条の10)."""
    size = abs(Fraction(exact))
    whole = {DOWN: floor(size), HALF_UP: floor(size + Fraction(1, 2)), UP: -floor(-size)}[mode]
    return whole if exact >= 0 else -whole


def totals(lines, mode):
    """The tax totals of lines of (class, yen): once for each kind and rate, however many lines there are (D7)."""
    sums = {}
    for cls, amount in lines:
        inclusive = cls.basis == "inclusive"
        pair = sums.setdefault((cls.kind, cls.rate), [0, 0])
        pair[inclusive] += amount
    return sorted(
        (Total(kind, rate, *_total(*pair, Fraction(rate), mode)) for (kind, rate), pair in sums.items()),
        key=lambda total: (-total.rate, total.kind),
    )


def _total(exclusive, inclusive, rate, mode):
    inside = yen(inclusive * rate / (1 + rate), mode)
    base = exclusive + inclusive - inside
    return (base, inside) if exclusive == 0 else (base, yen(base * rate, mode))


def split(amount, weights):
    """`amount` yen in proportion to the weights; yen left over go to the largest remainders, then the largest weights."""
    whole = sum(weights)
    parts = [floor(Fraction(amount * weight, whole)) for weight in weights]
    rest = [Fraction(amount * weight, whole) - part for weight, part in zip(weights, parts, strict=True)]
    for place in sorted(range(len(weights)), key=lambda i: (-rest[i], -weights[i], i))[: amount - sum(parts)]:
        parts[place] += 1
    return parts
