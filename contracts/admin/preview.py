"""「保存するとこうなります」: what a save would make of the customer's next bills and of the contract's orders, done and taken back."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import NamedTuple

from django.core.exceptions import ValidationError
from django.db import OperationalError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from psycopg.errors import QueryCanceled

from accounts.models import Customer
from billing.month.coming import Bill, next_bills
from billing.proposals import in_words, proposals, summed
from contracts.models import Contract
from orders.models import Kind, Order
from portal.db.rls import patient

MOST_ORDERS = 12  # that are shown singly
PATIENCE = 10.0  # seconds for all of it
STATEMENT = 3.0  # seconds for one statement; four end in an error


class TooSlow(ValidationError):
    """It takes longer than people wait; whatever they want to do they may do without."""

    def __init__(self) -> None:
        super().__init__(_("時間内に計算できませんでした。このまま続けることもできます。"))


class BillRow(NamedTuple):
    """A month's bill as it is now and as it would be, in whole yen with tax."""

    month: date
    now: Bill
    then: Bill

    @property
    def difference(self) -> int:
        return self.then.total - self.now.total


class OrderRow(NamedTuple):
    """An order now and then, in whole yen without tax; without `number` it is yet to be made, on its first day."""

    number: str
    starts_on: date
    ends_on: date
    before: int
    after: int


class Preview(NamedTuple):
    """What the page shows. `more` orders aren't shown singly, `owed` is what would have to be given back of what is billed,
    in yen, and `ticks` says that it holds with 「過去分も請求する」 only.
    """

    bills: list[BillRow]
    orders: list[OrderRow]
    more: int
    owed: str
    ticks: bool


class Seen(NamedTuple):
    """The contract's orders that stand, by what tells them apart, and what of the billed would have to be given back."""

    orders: dict[tuple[date, str, bool], OrderRow]
    owed: Counter[str]


def preview(
    customer: Customer, contract: Contract, act: Callable[[], Contract], *, today: date, ticks: bool = False
) -> Preview:
    """What `act` makes of the next three bills and of the contract's orders until then. `act` returns the contract that it stored.

    It is done and taken back; the customer is locked meanwhile, as by a save. Raises what `act` raises, and TooSlow.
    """
    standing = set(orders_of(contract).values_list("pk", flat=True)) if contract.pk else set()
    with in_time() as go_on, transaction.atomic():
        before, was = next_bills(customer, today=today, look=lambda: look(contract, standing), go_on=go_on)
        stored = act()
        after, becomes = next_bills(customer, today=today, look=lambda: look(stored, standing), go_on=go_on)
        transaction.set_rollback(True)
    changed = []
    for key in sorted(was.orders.keys() | becomes.orders.keys()):
        old, new = was.orders.get(key), becomes.orders.get(key)
        row = (new or was.orders[key])._replace(before=old.after if old else 0, after=new.after if new else 0)
        if row.before != row.after:
            changed.append(row)
    rows = [BillRow(then.month, now, then) for now, then in zip(before, after, strict=True)]
    owed = in_words(becomes.owed - was.owed)
    return Preview(rows, changed[:MOST_ORDERS], max(0, len(changed) - MOST_ORDERS), owed, ticks)


@contextmanager
def in_time() -> Iterator[Callable[[], None]]:
    """What is done within may take `PATIENCE`, each of its statements `STATEMENT`; it calls what is given here now and then."""
    until = time.monotonic() + PATIENCE

    def go_on() -> None:
        if time.monotonic() > until:
            raise TooSlow

    try:
        with patient(STATEMENT):
            yield go_on
    except OperationalError as error:
        if not isinstance(error.__cause__, QueryCanceled):
            raise
        raise TooSlow from error


def orders_of(contract: Contract) -> QuerySet[Order]:
    return Order.objects.filter(contract=contract.pk, customer=contract.customer_id, reversed_on=None)


def look(contract: Contract, standing: set[int]) -> Seen:
    """The contract as it is at this moment. Orders that aren't `standing` now have no number yet that would hold."""
    found: dict[tuple[date, str, bool], OrderRow] = {}
    for order in orders_of(contract).order_by("starts_on", "pk") if contract.pk else []:
        is_new = order.pk not in standing
        row = OrderRow("" if is_new else order.number, order.starts_on, order.ends_on, 0, order.amount)
        key = (order.starts_on, row.number, order.kind == Kind.ADDITION)
        found[key] = row._replace(after=row.after + (found[key].after if key in found else 0))
    mine = [each for each in proposals([contract.customer_id]) if each.contract_id == contract.pk]
    return Seen(found, summed(mine))
