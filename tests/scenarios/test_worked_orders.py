"""The worked examples 1 to 4, 15 and 16 of the billing rules: orders of what begins, changes and ends before it is billed; 追加."""

from datetime import date
from decimal import Decimal

import pytest

from billing.models import Invoice
from contracts.models import Service
from tests import make
from tests.scenarios.words import (
    bill,
    close_month,
    day,
    line,
    new_line,
    orders,
    refused,
    register,
    run,
    save,
    standing,
    tried,
)

# 1, 2: begun on the first day, not before


@pytest.mark.parametrize(
    ("on", "found"),
    [("04-06", []), ("04-19", []), ("04-20", [("04", "new", 15000)]), ("04-21", [("04", "new", 15000)])],
)
def it_holds_in_example_1_a_contract_gives_its_order_on_its_first_day(customer, on, found):
    """A line that begins later in the month is in the same order."""
    later = (5000, 1, {"charge_from": day("04-25")})
    contract = register(customer, (10000,), later, on="04-05", start="04-20")
    run(on, "04")
    assert standing(contract) == found
    assert [order.ordered_on for order in contract.orders.all()] == [day("04-20")] * len(found)


def it_holds_in_example_1_the_months_close_makes_no_order_of_the_next_month(customer):
    contract = register(customer, (10000,), on="04-05", start="05-01")
    close_month("04", "05-08")
    assert orders(contract) == []
    run("05-08")
    assert standing(contract) == [("05", "new", 10000)]


def it_holds_in_example_1_registered_on_the_first_day_it_gives_its_order_at_once(customer):
    assert standing(register(customer, (10000,), on="04-20", start="04-20")) == [("04", "new", 10000)]


@pytest.mark.parametrize("on", ["04-10", "04-19", "04-20", "04-30", "05-10"])
def it_holds_in_example_2_a_price_that_is_mended_before_it_is_billed_changes_in_place(customer, on):
    contract = register(customer, (10000,), (500,), on="04-05", start="04-20")
    run(min("04-06", on), "04")
    save(contract, on, lines=[line(contract, unit_price=Decimal(12000))])
    run("05-10")
    assert standing(contract) == [("04", "new", 12500), ("05", "renewal", 12500)]
    assert contract.lines.count() == 2
    assert contract.orders.count() == 2


def it_holds_in_example_2_a_price_that_is_billed_goes_on_with_a_copy(customer):
    contract = register(customer, (10000,), on="04-05", start="04-20")
    close_month("04", "05-08")
    save(contract, "05-10", lines=[line(contract, unit_price=Decimal(12000))], apply="now")
    assert standing(contract) == [("04", "new", 10000), ("05", "renewal", 12000)]
    former, copy = contract.lines.order_by("position")
    assert (former.charge_to, copy.charge_from, copy.continues) == (day("04-30"), day("05-01"), former)


# 3: a line more, before the term is billed


@pytest.mark.parametrize("prorated", [True, False])
def it_holds_in_example_3_a_line_more_joins_the_order_of_its_month(customer, prorated, subtests):
    Service.objects.filter(code="cloud").update(prorate=prorated)
    contract = register(customer, (10000,), on="04-01", start="04-01")
    run("04-02")
    number = contract.orders.get().number
    for begin, part in (("04-10", 3500), ("04-11", 3333), ("04-30", 166), ("04-01", 5000), (None, 5000)):
        yen = part if prorated else 5000
        with subtests.test(begin), tried():
            told = save(contract, "04-10", lines=[new_line(5000, charge_from=begin and day(begin))])
            assert told == {number: (10000, 10000 + yen)}
            assert bill(customer, "04") == [10000, yen]
    with tried():
        save(contract, "04-10", lines=[new_line(5000), new_line(2000, 3)])
        assert standing(contract) == [("04", "new", 17000)]


def it_holds_in_example_3_a_line_of_the_next_month_waits_for_it(customer):
    contract = register(customer, (10000,), on="04-01", start="04-01")
    save(contract, "04-10", lines=[new_line(5000, charge_from=day("05-01"))])
    run("05-01")
    assert standing(contract) == [("04", "new", 10000), ("05", "renewal", 15000)]


def it_holds_in_example_3_a_line_more_of_a_fixed_month_needs_the_tick(prorating):
    contract = register(prorating, (10000,), on="04-01", start="04-01")
    close_month("04", "05-08")
    with tried():
        save(contract, "05-09", lines=[new_line(5000, charge_from=day("05-10"))])
        assert bill(prorating, "05") == [10000, 3548]
    late = {"lines": [new_line(5000, charge_from=day("04-10"))]}
    assert refused("charge_past", lambda: save(contract, "05-09", **late)) == {"count": 1, "yen": "3,500"}
    save(contract, "05-09", lines=[new_line(5000, charge_from=day("04-10"))], tick=True)
    assert standing(contract) == [("04", "new", 10000), ("04", "addition", 3500), ("05", "renewal", 15000)]
    assert sorted(bill(prorating, "05")) == [3500, 5000, 10000]


# 4: a line that ends


def it_holds_in_example_4_a_line_that_ended_leaves_the_unbilled_order(customer, subtests):
    contract = register(customer, (10000,), (3000,), on="04-01", start="04-01")
    close_month("04", "05-01")
    run("05-01")
    for end, may in (("04-30", 10000), ("05-01", 13000), ("05-31", 13000), ("04-29", 10000)):
        with subtests.test(end), tried():
            save(contract, "05-02", lines=[line(contract, 2, charge_to=day(end))])
            run("06-01")
            assert standing(contract) == [("04", "new", 13000), ("05", "renewal", may), ("06", "renewal", 10000)]
            assert bill(customer, "04") == [10000, 3000]
            assert sum(bill(customer, "05")) == may


def it_holds_in_example_4_the_only_line_takes_order_and_draft_along(customer):
    contract = register(customer, (3000,), on="04-01", start="04-01")
    close_month("04", "05-01")
    run("05-01")
    number = Invoice.objects.get(month=day("05-01")).number
    save(contract, "05-02", lines=[line(contract, charge_to=day("04-30"))])
    assert orders(contract) == [("04", "new", 3000, "billed"), ("05", "renewal", 3000, "reversed")]
    assert bill(customer, "05") is None
    run("05-03")
    assert orders(contract)[1:] == [("05", "renewal", 3000, "reversed")]
    with tried():  # another line, and what was ended goes on
        save(contract, "05-04", lines=[new_line(2000, charge_from=day("05-04"))])
        assert standing(contract) == [("04", "new", 3000), ("05", "renewal", 2000)]
        assert Invoice.objects.get(month=day("05-01")).number == number
    save(contract, "05-04", lines=[line(contract, charge_to=None)])
    assert standing(contract) == [("04", "new", 3000), ("05", "renewal", 3000)]
    assert contract.orders.count() == 3


# 15, 16: 追加


@pytest.fixture
def yearly_since_june(prorating):
    return make.make_contract(prorating, (120000,), today=day("04-01"), start_on=date(2025, 6, 15), form="yearly")


def it_holds_in_example_15_a_year_that_began_elsewhere_gives_no_order_until_it_turns(yearly_since_june):
    run("05-31")
    assert orders(yearly_since_june) == []
    assert yearly_since_june.terms.get().starts_on == date(2025, 6, 15)
    run("06-01")
    assert standing(yearly_since_june) == [("06", "renewal", 120000)]


@pytest.mark.parametrize("prorated", [True, False])
def it_holds_in_example_15_a_line_more_of_such_a_year_is_an_order_of_its_own(yearly_since_june, prorated, subtests):
    Service.objects.filter(code="cloud").update(prorate=prorated)
    for begin, month, yen in (
        ("05-01", "05", 2000),
        ("05-31", "05", 2000),
        ("04-30", "04", 4000),
        ("04-01", "04", 4000),
    ):
        with subtests.test(begin), tried():
            save(yearly_since_june, "04-01", lines=[new_line(24000, charge_from=day(begin))])
            run("05-31")
            assert standing(yearly_since_june) == [(month, "addition", yen if prorated else 24000)]
            assert [order.ordered_on for order in yearly_since_june.orders.all()] == [day(begin)]
            run("06-01")
            assert standing(yearly_since_june)[1:] == [("06", "renewal", 144000)]
    with tried():  # begun before the portal did
        save(yearly_since_june, "04-01", lines=[new_line(24000, charge_from=day("03-31"))])
        run("05-31")
        assert orders(yearly_since_june) == []


@pytest.mark.parametrize("entered", ["05-07", "05-09"])
def it_holds_in_example_16_a_line_more_in_a_year_is_an_order_of_its_own(prorating, entered, subtests):
    contract = register(prorating, (36000,), on="04-01", start="04-01", form="yearly")
    if entered == "05-09":
        close_month("04", "05-08")
    for begin, yen in (("05-20", 33000), ("05-31", 33000), ("06-01", 30000), ("05-01", 33000)):
        with subtests.test(begin), tried():
            save(contract, entered, lines=[new_line(36000, charge_from=day(begin))])
            run("06-01")
            assert standing(contract) == [("04", "new", 36000), (begin[:2], "addition", yen)]
            assert {order.ordered_on for order in contract.orders.filter(kind="addition")} == {day(begin)}
    first_month = [new_line(36000, charge_from=day("04-30"))]
    if entered == "05-09":
        params = refused("charge_past", lambda: save(contract, entered, lines=first_month))
        assert params == {"count": 1, "yen": "36,000"}
    else:
        save(contract, entered, lines=first_month)
        assert standing(contract) == [("04", "new", 72000)]


def it_holds_in_example_16_its_unbilled_order_follows_too(prorating):
    contract = register(prorating, (36000,), on="04-01", start="04-01", form="yearly")
    close_month("04", "05-08")
    save(contract, "05-20", lines=[new_line(98000, charge_from=day("05-20"))])
    assert standing(contract)[1:] == [("05", "addition", 89833)]
    save(contract, "05-20", lines=[line(contract, 2, unit_price=Decimal(9800))])
    assert standing(contract)[1:] == [("05", "addition", 8983)]
    assert contract.orders.filter(kind="addition").count() == 1
    save(contract, "05-21", lines=[line(contract, 2, charge_from=day("06-01"))])
    assert standing(contract)[1:] == []
    run("06-01")
    assert standing(contract)[1:] == [("06", "addition", 8166)]
