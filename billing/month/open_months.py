"""The months of one customer that still take something up (D5, D25), and their provisional invoices."""

from datetime import date

from django.db import transaction
from django.utils import timezone

from accounts.models import Customer
from billing.models import OF_MONTH, Invoice, MonthRun, Parked
from billing.month import drafts
from orders.models import Pending
from orders.services import renew
from portal import months
from portal.models import Vendor


@transaction.atomic
def redraft(customer: Customer, *, today: date) -> None:
    """Bring the customer's provisional invoices in step with the orders at once, also those of parked months."""
    Customer.objects.lock([customer.pk])
    since = months.add_months(MonthRun.objects.last_closed(), 1)
    open_months = set(months.months_between(max(since, first_month()), months.month_of(today)))
    for month in sorted(open_months.union(waiting(customer.pk))):
        drafts.rebuild([customer.pk], month, MonthRun.objects.last_closed())


@transaction.atomic
def bring_up_to_date(customer: Customer, *, today: date) -> None:
    """Orders and provisional invoices follow what became of a document or a decision, credits taken up anew."""
    Customer.objects.lock([customer.pk])
    Pending.objects.bulk_create([Pending(customer=customer, since=timezone.now())], ignore_conflicts=True)
    renew([customer.pk], until=today, today=today)
    redraft(customer, today=today)


def earliest_open(customer: int) -> date:
    """The first month whose invoice still takes something up for the customer (id, locked)."""
    following = months.add_months(MonthRun.objects.last_closed(), 1)
    month = min([*waiting(customer), max(following, first_month())])
    fixed = set(Invoice.objects.fixed().filter(customer=customer, kind__in=OF_MONTH).values_list("month", flat=True))
    while month in fixed:  # by a close that isn't through yet
        month = months.add_months(month, 1)
    return month


def waiting(customer: int) -> set[date]:
    """Months of the customer (id) with a provisional invoice, or parked."""
    drafted = Invoice.objects.drafts().filter(customer=customer, kind__in=OF_MONTH)
    parked = Parked.objects.filter(customer=customer)
    return {*drafted.values_list("month", flat=True), *parked.values_list("month", flat=True)}


def first_month() -> date:
    """運用開始年月."""
    return Vendor.objects.settings().first_month
