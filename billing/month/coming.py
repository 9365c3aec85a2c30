"""The next bills of one customer, by the close's own work: closed month after month, and taken back (what a change comes to)."""

from collections.abc import Callable
from datetime import date
from typing import NamedTuple, TypeVar

from django.db import transaction
from django.db.models import Exists, OuterRef, Subquery
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Customer
from billing.models import OF_MONTH, Invoice, MonthRun, Parked
from billing.models.invoices import Invoices
from billing.models.runs import NEVER
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
            before = standing(customer, month)
            if not before.is_done:
                bills.append(close_alone(customer, before, today))
            month = months.add_months(month, 1)
        seen = look()
        transaction.set_rollback(True)
    return bills, seen


class Standing(NamedTuple):
    """A month of the customer's: whether it asks for no bill any more, the last month that is closed, and whether an earlier
    one is parked."""

    month: date
    is_done: bool
    closed: date
    waits: bool


def standing(customer: Customer, month: date) -> Standing:
    """A month is done once it is closed and the customer isn't parked in it, or once its bill is fixed."""
    mine, parked = of_month(month), Parked.objects.filter(customer=OuterRef("pk"))
    closed = MonthRun.objects.filter(kind=MonthRun.Kind.CLOSE, finished_at__isnull=False).order_by("-month")
    last, drafted, fixed, is_parked, waits = Customer.objects.values_list(
        Subquery(closed.values("month")[:1]),
        Exists(mine.drafts()),
        Exists(mine.fixed()),
        Exists(parked.filter(month=month)),
        Exists(parked.filter(month__lt=month)),
    ).get(pk=customer.pk)
    last = last or NEVER
    return Standing(month, (month <= last and not drafted and not is_parked) or fixed, last, waits)


def of_month(month: date) -> Invoices:
    """The month's bill of the customer in the outer query."""
    return Invoice.objects.filter(customer=OuterRef("pk"), month=month, kind__in=OF_MONTH)


def close_alone(customer: Customer, before: Standing, today: date) -> Bill:
    """Close the month for this customer alone, on the first day that may, as if all others were through."""
    month, closed = before.month, before.closed
    day = max(today, months.add_months(month, 1))
    if before.waits:
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
    parked = Parked.objects.filter(customer=OuterRef("pk"), month=month)
    reason, total = Customer.objects.values_list(
        Subquery(parked.values("reason")[:1]), Subquery(of_month(month).fixed().values("total")[:1])
    ).get(pk=customer.pk)
    return Bill(month, 0 if reason is not None else total or 0, reason or "")
