"""Months of ordinary and untidy business, made by the portal itself: `check_month` finds nothing wrong in any of them.

Customers register, change, add and cancel, usage comes late, settings change, months are closed and looked at again later. The
choices are drawn once (a fixed seed), so a failure can be played again.
"""

import random
from datetime import date, timedelta
from decimal import Decimal
from itertools import islice

import pytest
import time_machine
from django.core.exceptions import ValidationError

from accounts.models import Customer
from billing.demo import data
from billing.models import Invoice, InvoiceLine, MonthRun
from billing.month import checks, close
from billing.services import adjust_invoice
from contracts.models import Contract, ContractLine, Service
from orders.models import Order
from orders.services import start_contract, withdraw_contract
from portal import months
from portal.models import CalendarDay, TaxClass, Vendor
from tests import make

# What a person has to decide isn't wrong, and no worker makes files here.
NO_ALARM = {"pdf_missing", "parked", "mail_missing"}


def alarms(month, today):
    found = checks.check(month, today=today)
    return {
        each.code: each.rows[:5]
        for each in found
        if each.rows and each.kind != checks.WARNING and each.code not in NO_ALARM
    }


def register(draw, number, today):
    customer = make.make_customer(
        number, payment_months=draw.choice([1, 1, 1, 2]), due_shift=draw.choice(["next", "previous", "none"])
    )
    for _place in range(draw.randint(1, 3)):
        agree(draw, customer, today)


def agree(draw, customer, today):
    form = draw.choice(["monthly", "monthly", "monthly", "yearly", "once"])
    lines = [
        (draw.randint(1, 300) * 100, draw.choice([1, 2, Decimal("0.5")]), {
            "price_basis": draw.choice(["exclusive", "exclusive", "inclusive"]), "tax_kind": draw.choice(["standard", "standard", "reduced"]),
        })
        for _place in range(draw.randint(1, 3))
    ]  # fmt: skip
    start = today + timedelta(draw.randint(0, 20))
    service = draw.choice(["cloud", "line", "backup", "mail"])
    contract = make.make_contract(customer, *lines, service=service, form=form, start_on=start, today=today)
    if draw.random() < 0.3:
        make.make_meter(contract, draw.randint(1, 20), (100, 5), service="traffic")


CHANGES = [
    "cancel",
    "cancel",
    "take back",
    "end line",
    "add line",
    "price",
    "remove",
    "withdraw",
    "bill from",
    "adjust",
    "use",
]


def change(draw, contract, today):
    """Something that staff do to a contract; returns what it was, None if the rules refused it."""
    kind, lines = draw.choice(CHANGES), list(contract.lines.all())
    ticks = {"today": today, "charge_past": draw.random() < 0.4}
    line = draw.choice(lines) if lines else None
    try:
        if kind == "cancel":
            contract.cancel_on = max(contract.start_on, today + timedelta(draw.randint(-50, 60)))
            start_contract(contract, **ticks)
        elif kind == "take back" and contract.cancel_on:
            contract.cancel_on = None
            start_contract(contract, **ticks)
        elif kind == "bill from":
            contract.bill_from = months.add_months(months.month_of(today), draw.choice([0, 1]))
            start_contract(contract, **ticks)
        elif kind == "end line" and line:
            line.charge_to = max(line.charge_from or contract.start_on, today + timedelta(draw.randint(-30, 60)))
            start_contract(contract, [line], **ticks)
        elif kind == "add line":
            begins = draw.choice([None, today, today + timedelta(draw.randint(-20, 40))])
            start_contract(contract, [another_line(draw, lines, begins, f"追加{today:%m%d}")], **ticks)
        elif kind == "price" and line:
            line.unit_price += 100
            start_contract(contract, [line], apply=draw.choice(["now", "next"]), **ticks)
        elif kind == "remove" and len(lines) > 1:
            start_contract(contract, [], [line], **ticks)
        elif kind == "withdraw" and draw.random() < 0.3:
            withdraw_contract(contract, today=today)
        elif kind == "adjust":
            adjust(draw, contract.customer, today)
        elif kind == "use" and contract.meters.exists():
            month = months.add_months(months.month_of(today), draw.choice([0, -1]))
            make.use(contract, draw.randint(0, 300), months.format_month(month), "traffic", today)
        else:
            return None
    except ValidationError:
        return None
    return kind


def another_line(draw, lines, begins, item):
    position = max((line.position for line in lines), default=0) + 1
    price = Decimal(draw.randint(1, 90) * 100)
    return ContractLine(position=position, item=item, quantity=1, unit_price=price, charge_from=begins)


def adjust(draw, customer, today):
    draft = Invoice.objects.drafts().filter(customer=customer).order_by("month").first()
    if draft:
        last = months.last_day(draft.month)
        line = InvoiceLine(
            item=f"作業{today:%m%d}", quantity=1, unit_price=draw.randint(1, 50) * 10, starts_on=draft.month, ends_on=last, position=99 - draw.randint(0, 40),
        )  # fmt: skip
        staff = make.User.objects.get(email="staff@example.net")
        adjust_invoice(draft, [line], by=staff)


def settle(draw, today):
    """Something that the vendor changes for all."""
    kind = draw.choice(["rounding", "day off", "日割", "payment"])
    if kind == "rounding":
        Vendor.objects.update(rounding=draw.choice(["down", "half_up", "up"]))
    elif kind == "day off":
        CalendarDay.objects.get_or_create(day=today + timedelta(draw.randint(5, 40)), defaults={"working": False})
    elif kind == "日割":
        Service.objects.filter(code="mail").update(prorate=draw.random() < 0.5)
    else:
        Customer.objects.filter(pk=draw.choice(Customer.objects.values_list("pk", flat=True))).update(payment_months=2)


def draft(closed, today):
    """What the daily run does, and a worker after a save."""
    first = months.add_months(closed, 1) if closed else make.APRIL
    for month in months.months_between(first, months.month_of(today)):
        close.run(month, kind=MonthRun.Kind.OPEN, today=today)


def drawn(draw):
    key = draw.choice(Contract.objects.order_by("pk").values_list("pk", flat=True))
    return Contract.objects.select_related("customer").get(pk=key)


def live(months_long, customers, seed=7, changes=3):
    """Play from April 2026 on; yields (day, last closed month, what was done) after each day on which something was done."""
    draw = random.Random(seed)
    TaxClass.objects.filter(kind="standard", valid_to=None).update(valid_to=date(2026, 6, 30))
    TaxClass.objects.create(kind="standard", rate="0.12", valid_from=date(2026, 7, 1))
    day, closed, new = make.APRIL, None, iter(range(Customer.objects.count() + 1, customers + 1))
    while day < months.add_months(make.APRIL, months_long):
        with time_machine.travel(f"{day:%Y-%m-%d}T03:00Z"):
            draft(closed, day)
            for number in islice(new, 3):
                register(draw, f"C{number:07}", day)
            done = [change(draw, drawn(draw), day) for _place in range(changes)]
            if draw.random() < 0.3:
                settle(draw, day)
            before = months.add_months(months.month_of(day), -1)
            ready = months.nth_business_day_after(before, 3, **CalendarDay.objects.exceptions())
            if before >= make.APRIL and day >= ready and (closed is None or closed < before):
                close.run(before, kind=MonthRun.Kind.CLOSE, today=day)
                closed = before
            draft(closed, day)
            yield day, closed, done
        day += timedelta(draw.randint(2, 6))


@pytest.mark.parametrize("months_long", [2, pytest.param(4, marks=pytest.mark.nightly)])
def it_finds_nothing_wrong_in_months_of_business(months_long, db):
    make.make_vendor()
    looked_at, all_done = set(), set()
    for day, closed, done in live(months_long, 12, changes=4):
        all_done |= set(done) - {None}
        for month in {months.month_of(day), closed or make.APRIL} - (looked_at if day.day > 15 else set()):
            looked_at.add(month)
            assert alarms(month, day) == {}, (day, month)
    assert len(all_done) > 6, all_done
    assert {"addition", "new", "renewal"} == set(Order.objects.values_list("kind", flat=True))


@pytest.mark.nightly
def it_finds_nothing_wrong_in_six_months_of_2500_customers(transactional_db):
    """Committed as it goes: inside one transaction the planner would take all tables for empty, and ask for hours."""
    data.load_many(2500, make.IN_MAY, lambda text: None)
    seen = None
    for day, closed, _done in live(6, 2600, changes=100):
        if closed == seen:
            continue
        seen = closed
        for month in months.months_between(make.APRIL, months.month_of(day)):
            assert alarms(month, day) == {}, (day, month)
    assert seen == date(2026, 8, 1)
