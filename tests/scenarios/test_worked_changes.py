"""The worked examples 9, 13 and 14 of the billing rules: 適用, new rates, and parked customers."""

from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError

from billing import credits
from billing.models import Invoice, InvoiceLine, Parked
from billing.month import close
from billing.settled import introduce_rate
from contracts.models import Contract
from orders.services import cancel_booked, offers
from portal.models import TaxClass
from tests.scenarios.words import (
    bill,
    close_month,
    day,
    line,
    new_line,
    orders,
    owed_of,
    refused,
    register,
    run,
    save,
    standing,
    tried,
    yen_of,
)

# 9: a change from the next term


@pytest.fixture
def two_pieces(customer):
    """1,000 each, quantity 2, and another line; April and May are fixed, June is running."""
    contract = register(customer, (1000, 2), (500,), on="04-01", start="04-01")
    close_month("04", "05-08")
    close_month("05", "06-03")
    run("06-03")
    return contract


def three(contract):
    return line(contract, quantity=Decimal(3))


def it_holds_in_example_9_a_billed_line_ends_and_its_copy_goes_on(two_pieces, subtests):
    for on, apply, begin in (
        ("06-05", "next", "07-01"),
        ("06-30", "next", "07-01"),
        ("07-01", "next", "08-01"),
        ("06-05", "now", "06-01"),
        ("07-01", "now", "06-01"),
        ("06-05", "from:2026-06", "06-01"),
        ("07-01", "from:2026-07", "07-01"),
    ):
        with subtests.test(f"{on} {apply}"), tried():
            save(two_pieces, on, lines=[three(two_pieces)], apply=apply)
            former, other, following = two_pieces.lines.order_by("position")
            assert (former.quantity, following.quantity, following.continues) == (2, 3, former)
            assert (following.charge_from, (following.charge_from - former.charge_to).days) == (day(begin), 1)
            assert (other.charge_from, other.charge_to) == (None, None)
            run("08-01")
            bills = [2500, 2500] + [3500 if month >= begin else 2500 for month in ("06-01", "07-01", "08-01")]
            assert [row[2] for row in standing(two_pieces)] == bills
            assert all(owes == ordered for owes, ordered in owed_of(two_pieces))
            assert yen_of(two_pieces.customer) == []


def it_holds_in_example_9_a_price_that_was_meant_lower_is_mended_on_the_invoice(two_pieces, staff):
    lower = line(two_pieces, unit_price=Decimal(900))
    refused("apply", lambda: save(two_pieces, "06-05", lines=[lower], apply="from:2026-04"))
    april = InvoiceLine.objects.get(invoice__month=day("04-01"), amount=2000)
    credits.give_credit(april, 200, "単価の誤り", by=staff)
    assert sorted(bill(two_pieces.customer, "06")) == [-200, 500, 2000]
    assert yen_of(two_pieces.customer) == []


@pytest.mark.parametrize(
    "change", [{"unit_price": Decimal(900)}, {"quantity": Decimal(3)}, {"tax_kind": "reduced"}, {"item": "別"}]
)
def it_holds_in_example_9_a_billed_line_asks_from_when_it_changes(two_pieces, change):
    params = refused("apply", lambda: save(two_pieces, "06-05", lines=[line(two_pieces, **change)]))
    assert params["line"] == two_pieces.lines.get(position=1).pk


def it_holds_in_example_9_a_billed_term_isnt_offered(two_pieces, subtests):
    for apply in ("from:2026-04", "from:2026-05", "from:2026-08", "soon"):
        with subtests.test(apply):
            refused("apply", lambda apply=apply: save(two_pieces, "06-05", lines=[three(two_pieces)], apply=apply))


def it_holds_in_example_9_a_billed_line_is_neither_deleted_nor_begun_elsewhere(two_pieces):
    refused("billed", lambda: save(two_pieces, "06-05", removed=[line(two_pieces)]))
    refused("billed", lambda: save(two_pieces, "06-05", lines=[line(two_pieces, charge_from=day("04-02"))]))


def it_holds_in_example_9_the_form_can_say_what_each_choice_costs(two_pieces):
    found = offers(two_pieces, [three(two_pieces)], today=day("06-05"))
    assert [(each.apply, each.label, each.yen) for each in found] == [
        ("from:2026-06", "2026年6月の期間から", 1000), ("next", "次の期間から（2026年7月）", 0),
    ]  # fmt: skip
    assert standing(two_pieces)[-1] == ("06", "renewal", 2500)
    assert two_pieces.lines.count() == 2


def it_holds_in_example_9_the_copy_stands_on_the_invoice_where_its_line_stood(two_pieces):
    save(two_pieces, "06-05", lines=[three(two_pieces)], apply="next")
    run("07-01")
    save(two_pieces, "07-02", lines=[line(two_pieces, position=3, quantity=Decimal(5))], apply="next")
    run("08-01")
    assert [bill(two_pieces.customer, month) for month in ("06", "07", "08")] == [[2000, 500], [3000, 500], [5000, 500]]


def it_holds_in_example_9_the_list_shows_the_line_that_is_in_force(two_pieces):
    save(two_pieces, "06-05", lines=[three(two_pieces)], apply="next")
    save(two_pieces, "07-05", lines=[line(two_pieces, position=3, quantity=Decimal(5))], apply="next")
    shown = Contract.objects.filter(pk=two_pieces.pk)
    found = [shown.with_main_line(day(on)).get().quantity for on in ("06-30", "07-01", "07-31", "08-01")]
    assert found == [2, 3, 3, 5]


def it_holds_in_example_9_a_booked_change_is_taken_back(two_pieces):
    save(two_pieces, "06-05", lines=[three(two_pieces)], apply="next")
    copied = line(two_pieces, position=3)
    with pytest.raises(ValidationError, match="すでに始まっています"):
        cancel_booked(copied, today=day("07-01"))
    cancel_booked(copied, today=day("06-30"))
    run("08-01")
    assert [(each.quantity, each.charge_to) for each in two_pieces.lines.order_by("position")] == [(2, None), (1, None)]
    assert [row[2] for row in standing(two_pieces)] == [2500] * 5
    assert yen_of(two_pieces.customer) == []


def it_holds_in_example_9_the_last_of_several_booked_changes_goes_first(two_pieces):
    save(two_pieces, "06-05", lines=[three(two_pieces)], apply="next")
    save(two_pieces, "06-05", lines=[line(two_pieces, position=3, charge_to=day("08-31"))])
    late = new_line(4000, position=4, charge_from=day("09-01"), continues=line(two_pieces, position=3))
    save(two_pieces, "06-05", lines=[late])
    with pytest.raises(ValidationError, match="先にそちらを"):
        cancel_booked(line(two_pieces, position=3), today=day("06-30"))
    cancel_booked(line(two_pieces, position=4), today=day("06-30"))
    cancel_booked(line(two_pieces, position=3), today=day("06-30"))
    assert two_pieces.lines.count() == 2


def it_holds_in_example_9_the_former_line_cant_go_on_beside_its_copy(two_pieces):
    save(two_pieces, "06-05", lines=[three(two_pieces)], apply="next")
    refused("continued", lambda: save(two_pieces, "06-06", lines=[line(two_pieces, charge_to=day("07-01"))]))
    refused("continued", lambda: save(two_pieces, "06-06", lines=[line(two_pieces, charge_to=None)]))
    save(two_pieces, "06-06", lines=[line(two_pieces, charge_to=day("06-29"))])


def it_holds_in_example_9_the_copy_can_change_or_go_while_it_isnt_billed(two_pieces):
    save(two_pieces, "06-05", lines=[three(two_pieces)], apply="now")
    save(two_pieces, "06-06", lines=[line(two_pieces, 3, quantity=Decimal(4))])
    assert standing(two_pieces)[-1] == ("06", "renewal", 4500)
    save(two_pieces, "06-07", removed=[line(two_pieces, 3)])
    assert orders(two_pieces)[-1] == ("06", "renewal", 500, "received")


def it_offers_the_terms_that_a_contract_makes_up_for_when_it_renews_again(customer, subtests):
    """April is fixed; 更新なし was ticked in April, and is taken back in June, together with a new price."""
    contract = register(customer, (1000,), on="04-01", start="04-01")
    save(contract, "04-10", auto_renew=False)
    close_month("04", "05-08")
    run("06-05")
    contract.refresh_from_db()
    contract.auto_renew = True
    dearer = line(contract, unit_price=Decimal(1200))
    found = offers(contract, [dearer], today=day("06-05"))
    assert [each.apply for each in found] == ["from:2026-05", "from:2026-06", "next"]
    for apply, bills in (("now", [1000, 1200, 1200]), ("from:2026-06", [1000, 1000, 1200]), ("next", [1000] * 3)):
        with subtests.test(apply), tried():
            save(contract, "06-05", lines=[line(contract, unit_price=Decimal(1200))], apply=apply, auto_renew=True)
            assert [row[2] for row in standing(contract)] == bills


def it_brings_back_the_last_term_of_a_contract_without_renewal_when_its_cancellation_is_taken_back(customer):
    contract = register(customer, (1000,), on="04-01", start="04-01")
    run("05-01")
    save(contract, "05-02", auto_renew=False)
    save(contract, "05-03", cancel_on=day("04-30"))
    assert standing(contract) == [("04", "new", 1000)]
    save(contract, "05-04", cancel_on=None)
    assert standing(contract) == [("04", "new", 1000), ("05", "renewal", 1000)]
    run("06-01")
    assert len(standing(contract)) == 2


# 13: a new rate


def introduce(since, kind="standard"):
    introduce_rate(TaxClass(kind=kind, rate=Decimal("0.12"), valid_from=day(since)))


def rates(contract):
    """{month: rate} of what the contract's lines on bills are taxed with."""
    return {
        f"{month:%m}": rate
        for month, rate in InvoiceLine.objects.filter(contract=contract)
        .order_by("invoice__month")
        .values_list("invoice__month", "tax_rate")
    }


def it_holds_in_example_13_orders_that_arent_billed_follow_a_new_rate(customer, subtests):
    monthly = register(customer, (10000,), on="04-01", start="04-01")
    food = register(customer, (2000, 1, {"tax_kind": "reduced"}), on="04-01", start="04-01", service="domain")
    yearly = register(customer, (12000,), on="05-02", start="05-01", form="yearly", service="mail")
    run("05-10")
    ten, twelve = Decimal("0.10"), Decimal("0.12")
    for since, april, may in (
        ("04-30", twelve, twelve), ("05-01", ten, twelve), ("05-02", ten, twelve), ("05-31", ten, twelve), ("06-01", ten, ten),
    ):  # fmt: skip
        with subtests.test(since), tried():
            introduce(since)
            run("05-11")
            assert rates(monthly) == {"04": april, "05": may}
            assert rates(food) == {"04": Decimal("0.08"), "05": Decimal("0.08")}
            assert rates(yearly) == {"05": twelve}
            assert Invoice.objects.get(month=day("05-01")).tax == 12000 * twelve + 10000 * may + 160


def it_holds_in_example_13_a_billed_order_keeps_its_rate(customer):
    yearly = register(customer, (36000,), on="04-01", start="04-01", form="yearly")
    close_month("04", "05-08")
    refused(None, lambda: introduce("04-30"))
    introduce("05-01")
    run("05-11")
    assert rates(yearly) == {"04": Decimal("0.10")}


# 14: parked


@pytest.fixture
def parked(customer):
    """10,000 a month; nobody could be taxed as April was closed, and May is closed since."""
    contract = register(customer, (10000,), on="04-01", start="04-01")
    class_of_today = TaxClass.objects.filter(kind="standard", valid_to=None)
    class_of_today.update(valid_to=day("04-15"))
    close_month("04", "05-08")
    assert [each.month for each in Parked.objects.all()] == [day("04-01")]
    TaxClass.objects.filter(kind="standard", valid_to=day("04-15")).update(valid_to=None)
    close_month("05", "06-04")
    run("06-10")
    assert {each.month for each in Parked.objects.all()} == {day("04-01"), day("05-01"), day("06-01")}
    return contract


def it_holds_in_example_14_a_parked_month_is_open_for_its_customer(parked, subtests):
    with tried():
        save(parked, "06-10", lines=[new_line(5000, charge_from=day("04-01"))])
        assert standing(parked) == [("04", "new", 15000), ("05", "renewal", 15000), ("06", "renewal", 15000)]
    for apply, bills in (
        ("from:2026-04", [12000] * 4),
        ("now", [12000] * 4),
        ("from:2026-05", [10000] + [12000] * 3),
        ("from:2026-06", [10000] * 2 + [12000] * 2),
        ("next", [10000] * 3 + [12000]),
    ):
        with subtests.test(apply), tried():
            save(parked, "06-10", lines=[line(parked, unit_price=Decimal(12000))], apply=apply)
            run("07-01")
            assert [bill(parked.customer, month) for month in ("04", "05", "06", "07")] == [[yen] for yen in bills]


def it_holds_in_example_14_what_is_fixed_late_leaves_ten_days_to_pay(parked, subtests):
    for on, due in (("06-20", "06-30"), ("06-21", "07-31")):
        with subtests.test(on), tried():
            close.retry_parked(day(on))
            found = Invoice.objects.filter(customer=parked.customer, month__lt=day("06-01")).order_by("month")
            assert [(each.state, each.due_on) for each in found] == [("fixed", day(due))] * 2
