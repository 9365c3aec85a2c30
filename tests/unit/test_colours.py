"""The colours of the charts, in light and dark: they stand out from the page, can be written on, and are told apart."""

import re
from itertools import combinations
from pathlib import Path

import pytest

TOKENS = (Path(__file__).resolve().parents[2] / "static/css/tokens.css").read_text()
LIGHT, DARK = TOKENS.split("@media", 1)
SERVICES = [f"s{place}" for place in range(1, 8)]
OTHERS, TAX = "s7", "off"  # その他 and 消費税 (billing/costs.py)
WRITTEN, DRAWN = 4.5, 3  # contrast of a text, and of a shape, with what is beside it (WCAG 1.4.3, 1.4.11)
APART = 0.1  # in OKLab, where two colours side by side begin to differ at about 0.02

schemes = pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])


def colours(scheme):
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", scheme))


def linear(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def contrast(one, other):
    darker, lighter = sorted(
        sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear(colour), strict=True))
        for colour in (one, other)
    )
    return (lighter + 0.05) / (darker + 0.05)


def apart(one, other):
    """The distance in OKLab (Björn Ottosson's matrices)."""
    return sum((a - b) ** 2 for a, b in zip(oklab(one), oklab(other), strict=True)) ** 0.5


def oklab(colour):
    red, green, blue = linear(colour)
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    middle = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short,
    )


@schemes
def it_can_write_a_share_into_every_part_of_a_pie(scheme):
    found = colours(scheme)
    low = {name: contrast(found[name], found["surface"]) for name in SERVICES}
    assert {name: each for name, each in low.items() if each < WRITTEN} == {}


@schemes
def it_draws_the_tax_so_that_it_stands_out_from_the_page(scheme):
    found = colours(scheme)
    assert contrast(found[TAX], found["surface"]) >= DRAWN


@schemes
def it_tells_other_services_and_the_tax_from_every_service_and_each_other(scheme):
    found = colours(scheme)
    pairs = [pair for pair in combinations([*SERVICES, TAX], 2) if {OTHERS, TAX} & set(pair)]
    near = {pair: apart(*(found[name] for name in pair)) for pair in pairs}
    assert {pair: each for pair, each in near.items() if each < APART} == {}
