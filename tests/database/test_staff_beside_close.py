"""Staff change a customer's contracts in the middle of the close: it counts before or after, never in part (F11)."""

import threading
from datetime import date

import pytest
from django.db import connection

from billing.models import Invoice, InvoiceLine
from billing.month import checks, close, drafts
from contracts.models import Contract
from orders import follow
from orders.models import Order
from orders.services import start_contract
from tests import make, processes


@pytest.fixture
def cast(transactional_db):
    return make.cast()


def add(customer):
    make.make_contract(customer, (300,), service="line", today=make.IN_MAY, charge_past=True)


def cancel(customer):
    contract = Contract.objects.get(customer=customer)
    contract.cancel_on = date(2026, 4, 20)
    start_contract(contract, today=make.IN_MAY)


def reprice(customer):
    contract = Contract.objects.get(customer=customer)
    line = contract.lines.first()
    line.unit_price = 20000
    start_contract(contract, [line], today=make.IN_MAY, apply="now", charge_past=True)


class Staff(threading.Thread):
    """Does one thing on a connection of its own; whether it is done is in `done`."""

    def __init__(self, act, customer):
        super().__init__()
        self.act, self.customer, self.done = act, customer, False

    def run(self):
        try:
            self.act(self.customer)
            self.done = True
        finally:
            connection.close()

    def until_it_is_through_or_waits(self):
        self.start()
        processes.wait_until(lambda: not self.is_alive() or self.waits())

    def waits(self):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            return cursor.fetchone()[0]


def broken():
    """What is wrong with April, but for the PDFs that no worker has made here."""
    found = checks.check(make.APRIL, today=make.IN_MAY)
    return [each.code for each in found if each.kind == "broken" and each.rows and each.code != "pdf_missing"]


AFTER = {
    "terms": (follow, "add_terms"),
    "orders": (close, "renew"),
    "look": (drafts, "find_unbilled"),
    "fix": (close, "fix_drafts"),
}


@pytest.mark.parametrize("after", AFTER)
@pytest.mark.parametrize("act", [add, cancel, reprice])
def it_is_billed_before_or_after_but_never_in_part(cast, monkeypatch, act, after):
    staff = Staff(act, cast.a)
    original = getattr(*AFTER[after])

    def meanwhile(*given, **named):
        original(*given, **named)
        if staff.ident is None:
            staff.until_it_is_through_or_waits()

    monkeypatch.setattr(*AFTER[after], meanwhile)
    make.close_month()
    staff.join()
    assert staff.done
    monkeypatch.undo()
    fixed = {invoice.pk: (invoice.net, invoice.lines.count()) for invoice in Invoice.objects.filter(state="fixed")}
    make.close_month()
    make.open_month()
    assert broken() == []
    assert Invoice.objects.filter(month=make.APRIL, state="fixed").count() == 2
    for invoice in Invoice.objects.filter(pk__in=fixed):
        assert fixed[invoice.pk] == (invoice.net, invoice.lines.count())
        assert invoice.net == sum(line.amount for line in invoice.lines.all())
    assert InvoiceLine.objects.filter(order__isnull=False).values("order_line").distinct().count() == sum(
        order.lines.count() for order in Order.objects.all()
    )
