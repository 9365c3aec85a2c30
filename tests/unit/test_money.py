"""Lines, proration, tax, discounts and shares, by worked examples and by properties that hold for every amount."""

from decimal import Decimal
from fractions import Fraction
from math import floor

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from portal.money import (
    DOWN,
    HALF_UP,
    MODES,
    UP,
    TaxTotal,
    apportioned,
    line_amount,
    metered,
    prorated,
    share_of,
    shares,
    split,
    tax_on,
    tax_total,
    tax_within,
)

TEN, EIGHT = Decimal("0.10"), Decimal("0.08")

yen = st.integers(-(10**12), 10**12)
rates = st.sampled_from([Decimal(0), Decimal("0.05"), EIGHT, TEN])
modes = st.sampled_from(list(MODES))
often = settings(max_examples=200, deadline=None)


def rounded(value, mode):
    """Whole yen by fractions only: a second opinion that shares nothing with the code under test."""
    size = abs(value)
    whole = {DOWN: floor(size), HALF_UP: floor(size + Fraction(1, 2)), UP: -floor(-size)}[mode]
    return whole if value >= 0 else -whole


# Lines


@pytest.mark.parametrize(
    ("quantity", "unit_price", "amount"),
    [
        (3, 105, 315),
        (Decimal("1.5"), 333, 499),
        (Decimal("0.001"), 999, 0),
        (Decimal("2.5"), Decimal("99.99"), 249),
        (Decimal("-1.5"), 333, -499),
        (Decimal("1.5"), -333, -499),
        (0, 980, 0),
    ],
)
def test_a_line_is_quantity_times_price_with_the_rest_cut_off(quantity, unit_price, amount):
    assert line_amount(quantity, unit_price) == amount


def test_a_line_is_cut_once_however_many_digits_it_has():
    just_below_two = Decimal("1.9999999999999999999999999999")
    assert line_amount(just_below_two, 1) == 1
    assert line_amount(just_below_two, Decimal("0.99999999999999999999")) == 1


@often
@given(st.decimals(-10_000, 10_000, places=3), st.decimals(0, 10_000_000, places=4))
def test_a_line_and_its_return_cancel_to_the_yen(quantity, unit_price):
    assert line_amount(quantity, unit_price) + line_amount(-quantity, unit_price) == 0


@pytest.mark.parametrize(("quantity", "unit_price"), [(1.5, 100), (Decimal("1.5"), 0.1), (2, 0.5)])
def test_a_line_refuses_floats(quantity, unit_price):
    with pytest.raises(TypeError):
        line_amount(quantity, unit_price)


# Proration


@pytest.mark.parametrize(
    ("amount", "days", "days_in_month", "part"),
    [
        (10_000, 12, 31, 3_870),
        (10_000, 14, 28, 5_000),
        (10_000, 1, 31, 322),
        (10_000, 28, 28, 10_000),
        (10_000, 15, 31, 4_838),
        (9_800, 15, 30, 4_900),
        (-10_000, 12, 31, -3_870),
        (10_000, 0, 30, 0),
    ],
)
def test_a_part_of_a_month_costs_its_real_days_cut_to_the_yen(amount, days, days_in_month, part):
    assert prorated(amount, days, days_in_month) == part


@often
@given(yen, st.integers(28, 31).flatmap(lambda month: st.tuples(st.integers(0, month), st.just(month))))
def test_both_parts_of_a_month_are_never_dearer_than_the_month_and_lose_one_yen_at_most(amount, cut):
    days, days_in_month = cut
    rest = prorated(amount, days_in_month - days, days_in_month)
    assert 0 <= abs(amount) - abs(prorated(amount, days, days_in_month) + rest) <= 1
    assert prorated(-amount, days, days_in_month) == -prorated(amount, days, days_in_month)


@often
@given(yen, st.decimals(0, 100, places=2))
def it_rounds_a_share_down_toward_zero(amount, percent):
    exact = Fraction(amount) * Fraction(percent) / 100
    assert share_of(amount, percent) == rounded(exact, DOWN)


@pytest.mark.parametrize("percent", [Decimal("-0.01"), Decimal("100.01")])
def it_takes_no_share_that_is_no_part(percent):
    with pytest.raises(ValueError, match="per cent"):
        share_of(1000, percent)


@pytest.mark.parametrize(("days", "days_in_month"), [(32, 31), (-1, 31), (0, 0)])
def test_days_outside_the_month_are_refused(days, days_in_month):
    with pytest.raises(ValueError, match="don't fit"):
        prorated(10_000, days, days_in_month)


# Tax


@pytest.mark.parametrize(
    ("net", "rate", "down", "half_up", "up"),
    [
        (3 * 105, TEN, 31, 32, 32),
        (3 * 1_015, TEN, 304, 305, 305),
        (2 * 1_237, EIGHT, 197, 198, 198),
        (9_999, TEN, 999, 1_000, 1_000),
        (1, TEN, 0, 0, 1),
        (5, TEN, 0, 1, 1),
        (13, EIGHT, 1, 1, 2),
        (999_999_999, TEN, 99_999_999, 100_000_000, 100_000_000),
        (-3_045, TEN, -304, -305, -305),
        (7_200, TEN, 720, 720, 720),
        (1_800, EIGHT, 144, 144, 144),
        (200, 0, 0, 0, 0),
    ],
)
def test_tax_on_top_follows_the_vendors_mode(net, rate, down, half_up, up):
    assert [tax_on(net, rate, mode) for mode in (DOWN, HALF_UP, UP)] == [down, half_up, up]


@pytest.mark.parametrize(
    ("gross", "rate", "down", "half_up", "up"),
    [
        (1_999, TEN, 181, 182, 182),
        (1_413, EIGHT, 104, 105, 105),
        (2_530, TEN, 230, 230, 230),
        (-1_999, TEN, -181, -182, -182),
    ],
)
def test_tax_inside_a_price_follows_the_vendors_mode(gross, rate, down, half_up, up):
    assert [tax_within(gross, rate, mode) for mode in (DOWN, HALF_UP, UP)] == [down, half_up, up]


@often
@given(yen, rates, modes)
def test_tax_is_what_fractions_say(amount, rate, mode):
    exact = Fraction(rate)
    assert tax_on(amount, rate, mode) == rounded(amount * exact, mode)
    assert tax_within(amount, rate, mode) == rounded(amount * exact / (1 + exact), mode)


@pytest.mark.parametrize(("mode", "total"), [(DOWN, 6_020), (HALF_UP, 6_022), (UP, 6_022)])
def test_two_rates_on_one_invoice_are_taxed_apart(mode, total):
    classes = [tax_total(3 * 1_015, 0, TEN, mode), tax_total(2 * 1_237, 0, EIGHT, mode)]
    assert sum(base + tax for base, tax in classes) == total


@pytest.mark.parametrize("mode", MODES)
def test_what_lies_outside_the_tax_stays_untaxed(mode):
    assert sum(map(sum, [tax_total(10_000, 0, TEN, mode), tax_total(200, 0, Decimal(0), mode)])) == 11_200


@pytest.mark.parametrize(
    ("gross", "mode", "base", "tax"),
    [
        (1_000, DOWN, 910, 90),
        (995, HALF_UP, 905, 90),
        (1_002, UP, 910, 92),
        (-1_000, DOWN, -910, -90),
    ],
)
def test_inclusive_lines_alone_keep_the_agreed_price(gross, mode, base, tax):
    assert tax_total(0, gross, TEN, mode) == TaxTotal(base, tax)
    assert base + tax == gross


@pytest.mark.parametrize(
    ("mode", "base", "tax"),
    [
        (DOWN, 315 + 1_818, 213),
        (HALF_UP, 315 + 1_817, 213),
        (UP, 315 + 1_817, 214),
    ],
)
def test_mixed_lines_are_made_net_first_and_taxed_once(mode, base, tax):
    assert tax_total(315, 1_999, TEN, mode) == TaxTotal(base, tax)


@often
@given(yen, yen, rates, modes)
@example(3_045, 0, TEN, HALF_UP)
@example(0, 1_999, TEN, DOWN)
@example(315, 1_999, TEN, UP)
def test_an_invoice_and_its_full_return_cancel_to_the_yen(exclusive, inclusive, rate, mode):
    invoice, returned = tax_total(exclusive, inclusive, rate, mode), tax_total(-exclusive, -inclusive, rate, mode)
    assert invoice.base + returned.base == 0
    assert invoice.tax + returned.tax == 0


@often
@given(yen, yen, rates, modes)
def test_the_tax_of_an_invoice_is_its_base_times_the_rate_within_a_yen_and_a_bit(exclusive, inclusive, rate, mode):
    base, tax = tax_total(exclusive, inclusive, rate, mode)
    assert abs(tax - base * Fraction(rate)) < 1 + Fraction(rate)


@often
@given(yen, rates, modes)
def test_an_invoice_of_one_kind_of_lines_keeps_their_sum(amount, rate, mode):
    assert tax_total(amount, 0, rate, mode) == (amount, tax_on(amount, rate, mode))
    assert sum(tax_total(0, amount, rate, mode)) == amount


@pytest.mark.parametrize("tax", [tax_on, tax_within])
@pytest.mark.parametrize("rate", [10, Decimal("-0.10"), Decimal(1)])
def test_a_rate_that_is_none_is_refused(tax, rate):
    with pytest.raises(ValueError, match="no tax rate"):
        tax(1_000, rate, DOWN)


@pytest.mark.parametrize("tax", [tax_on, tax_within])
def test_an_unknown_mode_is_refused(tax):
    with pytest.raises(ValueError, match="no rounding mode"):
        tax(1_000, TEN, "floor")


@pytest.mark.parametrize("tax", [tax_on, tax_within])
@pytest.mark.parametrize(("amount", "rate"), [(10.5, TEN), (Decimal("10.5"), TEN), (1_000, 0.1)])
def test_tax_refuses_floats_and_parts_of_a_yen(tax, amount, rate):
    with pytest.raises(TypeError):
        tax(amount, rate, DOWN)


# Splitting


@pytest.mark.parametrize(
    ("amount", "weights", "parts"),
    [
        (1_000, [8_000, 2_000], [800, 200]),
        (1_000, [7_777, 3_333], [700, 300]),
        (-1_000, [8_000, 2_000], [-800, -200]),
        (100, [1, 1, 1], [34, 33, 33]),
        (-100, [1, 1, 1], [-34, -33, -33]),
        (10, [1, 3, 0], [2, 8, 0]),
        (1, [0, 5], [0, 1]),
        (3, [2, 9, 9], [0, 2, 1]),
        (1, [5, 3, 2], [1, 0, 0]),
        (0, [5, 3], [0, 0]),
    ],
)
def test_a_discount_is_split_in_proportion(amount, weights, parts):
    assert split(amount, weights) == parts


def test_a_split_discount_leaves_the_taxed_bases_of_the_example():
    ten, eight = split(1_000, [8_000, 2_000])
    classes = [tax_total(8_000 - ten, 0, TEN, DOWN), tax_total(2_000 - eight, 0, EIGHT, DOWN)]
    assert classes == [TaxTotal(7_200, 720), TaxTotal(1_800, 144)]
    assert sum(map(sum, classes)) == 9_864


@often
@given(yen, st.lists(st.integers(0, 10**12), min_size=1, max_size=8).filter(any))
def test_the_parts_of_a_split_add_up_and_lie_within_a_yen_of_their_proportion(amount, weights):
    parts = split(amount, weights)
    assert sum(parts) == amount
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part - Fraction(amount * weight, sum(weights))) < 1
    assert split(-amount, weights) == [-part for part in parts]


@pytest.mark.parametrize("weights", [[], [0, 0], [3, -1]])
def test_weights_that_give_no_proportion_are_refused(weights):
    with pytest.raises(ValueError, match="weights"):
        split(1_000, weights)


@pytest.mark.parametrize(
    ("amount", "weights", "parts"),
    [
        (1_000, [8_000, 2_000], [800, 200]),
        (909, [1_100, -100], [1_009, -100]),
        (-90, [-100], [-90]),
        (7, [0, 0], [7, 0]),
    ],
)
def it_parts_an_amount_by_weights_that_may_be_negative_too(amount, weights, parts):
    assert apportioned(amount, weights) == parts


# Shares


@pytest.mark.parametrize(
    ("amounts", "percentages"),
    [
        ([1, 1, 1], ["33.4", "33.3", "33.3"]),
        ([2, 1], ["66.7", "33.3"]),
        ([1, 999_999], ["0.0", "100.0"]),
        ([5], ["100.0"]),
        ([0, 0], ["0.0", "0.0"]),
        ([], []),
        ([150, -50], ["150.0", "-50.0"]),
        ([-2, -1], ["66.7", "33.3"]),
        ([50, -50], ["0.0", "0.0"]),
    ],
)
def test_shares_are_written_as_percentages(amounts, percentages):
    assert [str(share) for share in shares(amounts)] == percentages


def test_shares_take_the_number_of_decimals():
    assert [str(share) for share in shares([1, 1, 1], digits=0)] == ["34", "33", "33"]
    assert [str(share) for share in shares([2, 1], digits=2)] == ["66.67", "33.33"]


@often
@given(st.lists(yen, min_size=1, max_size=12).filter(sum), st.integers(0, 3))
def test_shares_add_up_to_exactly_a_hundred_and_lie_within_one_step_of_the_truth(amounts, digits):
    found = shares(amounts, digits)
    assert sum(map(Fraction, found)) == 100
    for share, amount in zip(found, amounts, strict=True):
        assert abs(Fraction(share) - Fraction(100 * amount, sum(amounts))) < Fraction(1, 10**digits)


LADDER = [(0, Decimal("10")), (500, Decimal("7.5")), (1000, Decimal("5.25"))]


@pytest.mark.parametrize(
    ("quantity", "free", "expected"),
    [
        ("0", "0", []),
        ("80", "100", [("80", "0", 0)]),
        ("100.001", "100", [("100", "0", 0), ("0.001", "10", 0)]),
        ("620.5", "0", [("500", "10", 5000), ("120.5", "7.5", 903)]),
        ("1200", "600", [("600", "0", 0), ("400", "7.5", 3000), ("200", "5.25", 1050)]),
        ("500", "0", [("500", "10", 5000)]),
    ],
)
def test_a_metered_quantity_climbs_the_ladder_of_prices(quantity, free, expected):
    stretches = metered(Decimal(quantity), Decimal(free), LADDER)
    assert [(part.quantity, part.unit_price, part.amount) for part in stretches] == [
        (Decimal(part), Decimal(price), amount) for part, price, amount in expected
    ]


@given(
    quantity=st.decimals(0, 10**6, places=3),
    free=st.decimals(0, 2000, places=3),
)
def test_the_stretches_of_a_metered_quantity_are_all_of_it_without_gaps(quantity, free):
    stretches = metered(quantity, free, LADDER)
    assert sum((part.quantity for part in stretches), Decimal(0)) == quantity
    reached = Decimal(0)
    for part in stretches:
        assert part.above == reached
        reached += part.quantity
