"""Short words to play a worked example with: staff register and save, days pass and months are closed. Days of 2026 are "04-20"."""

from contextlib import contextmanager
from datetime import date
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction

from billing import proposals
from billing.models import Invoice, MonthRun
from billing.month import checks, close
from billing.month.open_months import redraft
from contracts.models import Contract, ContractLine
from orders.models import Order
from orders.owed import OWED, asked_of, due_of
from orders.services import start_contract
from tests import make


def day(text, year=2026):
    month, number = map(int, text.split("-"))
    return date(year, month, number)


def register(customer, *lines, on, start, **fields):
    """A contract as staff register it `on` that day; lines as `make_contract` takes them."""
    return make.make_contract(customer, *lines, today=day(on), start_on=day(start), **fields)


def run(on, month=None):
    """The daily run of that day, for the month that is running or an earlier one."""
    today = day(on)
    if month:
        close.run(day(f"{month}-01"), kind=MonthRun.Kind.OPEN, today=today)
    else:
        close.draft_unclosed_months(today)


def close_month(month, on):
    close.run(day(f"{month}-01"), kind=MonthRun.Kind.CLOSE, today=day(on))


def save(contract, on, *, lines=(), removed=(), apply=None, tick=False, **fields):
    """Staff change the contract's fields and lines, as the form would; returns the changes of orders by number."""
    contract = Contract.objects.get(pk=contract.pk)
    for name, value in fields.items():
        setattr(contract, name, value)
    done = start_contract(contract, lines, removed, today=day(on), apply=apply, charge_past=tick)
    redraft(contract.customer, today=day(on))
    return {change.number: (change.before, change.after) for change in done.changes}


def line(contract, position=1, **fields):
    """A line of the contract with other values; saved by `save`."""
    found = ContractLine.objects.get(contract=contract, position=position)
    for name, value in fields.items():
        setattr(found, name, value)
    return found


def new_line(price, position=2, **fields):
    return ContractLine(position=position, item=f"品目{position}", unit="式", unit_price=Decimal(price), **fields)


def orders(contract):
    """(対象年月, 注文区分, yen, state) of all orders, oldest number first."""
    rows = contract.orders.with_invoice().order_by("month", "number")
    return [(f"{row.month:%m}", row.kind, row.amount, row.state) for row in rows]


def standing(contract):
    return [row[:3] for row in orders(contract) if row[3] != "reversed"]


def bill(customer, month):
    """Amounts of the lines that the month's invoice shows, or None; the totals are those of the lines."""
    invoice = Invoice.objects.filter(customer=customer, month=day(f"{month}-01"), state__in=["draft", "fixed"]).first()
    if invoice is None:
        return None
    amounts = [each.amount for each in invoice.lines.order_by("position")]
    assert invoice.net == sum(amounts)
    return amounts


def refused(code, act):
    """What a save says that is refused with this code; nothing is stored by it."""
    before = list(Order.objects.order_by("pk").values()), list(ContractLine.objects.order_by("pk").values())
    with pytest.raises(ValidationError) as told:
        act()
    errors = (
        [each for found in told.value.error_dict.values() for each in found]
        if hasattr(told.value, "error_dict")
        else told.value.error_list
    )
    assert [each.code for each in errors] == [code]
    assert before == (list(Order.objects.order_by("pk").values()), list(ContractLine.objects.order_by("pk").values()))
    return errors[0].params


def yen_of(customer):
    """What is proposed to be given back."""
    return [proposal.amount for proposal in proposals.proposals([customer.pk])]


@contextmanager
def tried():
    """One case of several in the same world: what happens in it is taken back."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def decide(customer, choice, staff, item="品目1"):
    """Somebody decides what is proposed of the line with this name."""
    [proposal] = [each for each in proposals.proposals([customer.pk]) if each.item == item]
    return proposals.decide([proposal], choice, "解約", by=staff)[0]


def named(month, today, code="proposals"):
    """The rows that `check_month` has of this code."""
    found = checks.check(day(f"{month}-01"), today=day(today))
    return next(finding.rows for finding in found if finding.code == code)


def owed_of(contract):
    """(owed, ordered) of each line in each billed term."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH {OWED} SELECT due, part, whole, ordered FROM owed_line ORDER BY contract_id, term_id, contract_line_id",
            asked_of([contract.customer_id]),
        )
        return [(due_of(*due), ordered) for *due, ordered in cursor.fetchall()]
