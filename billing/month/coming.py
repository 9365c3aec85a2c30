"""The next bills of one customer, by the close's own work: closed month after month, and taken back (what a change comes to)."""

from collections.abc import Callable
from datetime import date
from typing import NamedTuple, TypeVar

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Customer
from billing.models import OF_MONTH, Invoice, MonthRun, Parked
from billing.month import batches, close, parking
from billing.month.open_months import earliest_open
from portal import months
from portal.db.ids import Ids

Seen = TypeVar("Seen")
COUNT = 3  # bills


class Bill(NamedTuple):
    """What a month's invoice will come to, in whole yen with tax: 0 where there is none. `parked` says why it waits (保留)."""

    month: date
    total: int
    parked: str = ""


def next_bills(
    customer: Customer, *, today: date, look: Callable[[], Seen], go_on: Callable[[], None] = lambda: None
) -> tuple[list[Bill], Seen]:
    """The next three bills as the data stand in the caller's transaction, and what `look` finds once they are made.

    Usage counts as far as it is known by now. The customer is locked as by a save, runs of months aren't; nothing is kept.
    `go_on` is called before each month and may raise. Raises ValidationError before the vendor's settings are there.
    """
    with transaction.atomic():
        Customer.objects.lock([customer.pk])
        month, bills = earliest_open(customer.pk), list[Bill]()
        while len(bills) < COUNT:
            go_on()
            if not is_done(customer, month):
                bills.append(close_alone(customer, month, today))
            month = months.add_months(month, 1)
        seen = look()
        transaction.set_rollback(True)
    return bills, seen


def is_done(customer: Customer, month: date) -> bool:
    """Whether the month asks for no bill any more: it is closed and the customer isn't parked in it, or its bill is fixed."""
    mine = Invoice.objects.filter(customer=customer, month=month, kind__in=OF_MONTH)
    waits = mine.drafts().exists() or Parked.objects.filter(customer=customer, month=month).exists()
    return (month <= MonthRun.objects.last_closed() and not waits) or mine.fixed().exists()


def close_alone(customer: Customer, month: date, today: date) -> Bill:
    """Close the month for this customer alone, on the first day that may, as if all others were through."""
    closed = MonthRun.objects.last_closed()
    day = max(today, months.add_months(month, 1))
    if Parked.objects.filter(customer=customer, month__lt=month).exists():
        parking.park([customer.pk], month, _("前の月の保留が解決していません。"))
    else:
        batches.attempt(
            [customer.pk],
            lambda part: close.work(Ids(part), month, closed, day, fix=True),
            lambda part, reason: parking.park(part, month, reason),
        )
    if month > closed:
        run = MonthRun(month=month, kind=MonthRun.Kind.CLOSE, as_of=day, whole=True, finished_at=timezone.now())
        run.save()  # without the settings: who counts it again never sees it
    parked = Parked.objects.filter(customer=customer, month=month).first()
    made = Invoice.objects.fixed().filter(customer=customer, month=month, kind__in=OF_MONTH).first()
    return Bill(month, made.total if made and not parked else 0, parked.reason if parked else "")
