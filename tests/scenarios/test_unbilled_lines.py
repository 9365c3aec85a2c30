"""A line of which nothing is billed: whoever changes it for several months is asked from when, and for closed months too (D23, D25)."""

from decimal import Decimal

import pytest

from contracts.models import Contract
from orders.services import need_choice, offers, store_contract
from tests.scenarios.words import close_month, day, line, refused, register, run, save, standing, tried


@pytest.fixture
def late(customer):
    """1,000 each, quantity 2, from April, registered with the tick in June after April and May were closed: nothing is billed."""
    for month, on in (("04", "05-08"), ("05", "06-03")):
        close_month(month, on)
    return register(customer, (1000, 2), on="06-05", start="04-01", charge_past=True)


@pytest.fixture
def new(customer):
    """The same from June on: one order, of the month that is running."""
    return register(customer, (1000, 2), on="06-05", start="06-01")


def three(contract):
    return line(contract, quantity=Decimal(3))


def it_asks_from_when_with_the_yen_of_each_choice(late):
    refused("apply", lambda: need_choice(late, [three(late)], today=day("06-06")))
    assert [(each.apply, each.yen, each.past) for each in offers(late, [three(late)], today=day("06-06"))] == [
        ("from:2026-04", 3000, (2, "2,000", True)), ("from:2026-05", 2000, (1, "1,000", True)), ("from:2026-06", 1000, None),
        ("next", 0, None),
    ]  # fmt: skip


def it_charges_more_of_closed_months_only_with_the_tick(late, subtests):
    """Their orders exist, but nobody agreed to this sum."""
    for apply, past, bills in (
        (None, {"count": 2, "yen": "2,000", "only_rises": True}, [3000, 3000, 3000]),
        ("now", {"count": 2, "yen": "2,000", "only_rises": True}, [3000, 3000, 3000]),
        ("from:2026-05", {"count": 1, "yen": "1,000", "only_rises": True}, [2000, 3000, 3000]),
        ("from:2026-06", None, [2000, 2000, 3000]),
        ("next", None, [2000, 2000, 2000]),
    ):
        with subtests.test(apply), tried():
            if past:
                told = refused("charge_past", lambda apply=apply: save(late, "06-06", lines=[three(late)], apply=apply))
                assert told == past
            save(late, "06-06", lines=[three(late)], apply=apply, tick=bool(past))
            run("07-01")
            assert [yen for _month, _kind, yen in standing(late)] == [*bills, 3000]
    with tried():  # less isn't asked for
        save(late, "06-06", lines=[line(late, unit_price=Decimal(900))])
        assert [yen for _month, _kind, yen in standing(late)] == [1800] * 3


def it_lets_orders_of_closed_months_follow_in_a_run(late):
    """Stored without orders, as where a tax class is missing: a run asks nobody."""
    contract = Contract.objects.get(pk=late.pk)
    store_contract(contract, [three(late)], today=day("06-06"))
    run("06-07")
    assert [yen for _month, _kind, yen in standing(late)] == [3000] * 3


def it_asks_nothing_where_one_order_follows(new, subtests):
    for change in (
        {"quantity": Decimal(3)},
        {"unit_price": Decimal(1)},
        {"charge_from": day("06-10"), "tax_kind": "reduced"},
    ):
        with subtests.test(str(change)), tried():
            need_choice(new, [line(new, **change)], today=day("06-20"))
            save(new, "06-20", lines=[line(new, **change)])
            assert new.lines.count() == 1


def it_asks_nothing_of_dates_and_words(late, subtests):
    for change in ({"charge_to": day("06-15")}, {"specification": "予備"}, {"item": "別", "unit": "台"}):
        with subtests.test(str(change)):
            need_choice(late, [line(late, **change)], today=day("06-06"))


def it_asks_of_one_closed_month_where_the_line_goes_on_after_it(late, customer):
    """A line of that one month alone has nothing to choose, but its month is closed still."""
    save(late, "06-06", lines=[line(late, charge_to=day("04-30"))])
    need_choice(late, [three(late)], today=day("06-07"))
    refused("charge_past", lambda: save(late, "06-07", lines=[three(late)]))
    yearly = register(customer, (1000, 2), on="06-05", start="04-01", form="yearly", charge_past=True)
    assert [each.apply for each in offers(yearly, [three(yearly)], today=day("06-06"))] == ["from:2026-04", "next"]


def it_begins_the_line_where_that_was_moved_to_with_the_change(late):
    changed = line(late, quantity=Decimal(3), charge_from=day("05-01"))
    save(late, "06-06", lines=[changed], apply="from:2026-06")
    assert [(each.quantity, each.charge_from, each.charge_to) for each in late.lines.order_by("position")] == [
        (2, day("05-01"), day("05-31")), (3, day("06-01"), None),
    ]  # fmt: skip
    assert [yen for _month, _kind, yen in standing(late)] == [2000, 3000]


def it_names_the_line_that_goes_on_after_the_one_that_is_changed(late):
    save(late, "06-06", lines=[three(late)], apply="next")
    found = offers(late, [line(late, unit_price=Decimal(1100))], today=day("06-07"))
    assert [each.apply for each in found] == ["from:2026-04", "from:2026-05", "from:2026-06"]
    assert [(each.quantity, each.charge_from) for each in found[0].following] == [(3, day("07-01"))]
    assert [
        each.following for each in offers(late, [line(late, 2, unit_price=Decimal(1100))], today=day("07-07"))
    ] == []


def in_order(contract):
    """(quantity, first day, last day, quantity of the line before) of each line, by first day."""
    lines = sorted(contract.lines.all(), key=lambda each: each.charge_from or day("01-01"))
    return [
        (each.quantity, each.charge_from, each.charge_to, getattr(each.continues, "quantity", None)) for each in lines
    ]


def it_keeps_lines_one_after_the_other_where_one_is_changed_between(late):
    """June's line was made first, then May's: neither may go on beside the next one, for both would be charged whole."""
    save(late, "06-06", lines=[three(late)], apply="from:2026-06")
    refused(
        "continued",
        lambda: save(
            late, "06-06", lines=[line(late, quantity=Decimal(4), charge_to=None)], apply="from:2026-05", tick=True
        ),
    )
    save(late, "06-06", lines=[line(late, quantity=Decimal(4))], apply="from:2026-05", tick=True)
    assert in_order(late) == [
        (2, None, day("04-30"), None), (4, day("05-01"), day("05-31"), 2), (3, day("06-01"), None, 4),
    ]  # fmt: skip
    may = late.lines.get(quantity=4)
    refused("continued", lambda: save(late, "06-07", lines=[line(late, may.position, charge_to=None)], tick=True))
    save(late, "06-07", removed=[line(late, may.position)])
    assert in_order(late) == [(2, None, day("04-30"), None), (3, day("06-01"), None, 2)]
    refused("continued", lambda: save(late, "06-07", lines=[line(late, charge_to=None)], tick=True))
    assert [yen for _month, _kind, yen in standing(late)] == [2000, 3000]
