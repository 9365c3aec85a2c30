"""`close_month --jobs N`: batches side by side end in the same month as one after the other."""

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connections

from accounts.models import Customer
from billing import close
from billing.models import Invoice, InvoiceLine, Parked, TaxTotal
from orders.models import Order
from tests import make


@pytest.fixture
def many(transactional_db, monkeypatch):
    """Thirty customers, in batches of four."""
    make.make_vendor()
    for number in range(1, 31):
        customer = make.make_customer(f"C{number:07}")
        make.make_contract(customer, (number * 10, 3), (999,))
    monkeypatch.setattr(close, "BATCH", 4)
    with time_machine.travel("2026-05-08T03:00Z"):
        yield


def it_closes_every_customer_once(many):
    call_command("close_month", "2026-04", "--jobs", "3")
    call_command("close_month", "2026-04", "--jobs", "3")
    assert Invoice.objects.filter(state="fixed").count() == 30
    assert Order.objects.count() == 30
    assert InvoiceLine.objects.count() == 60
    assert TaxTotal.objects.count() == 30
    assert len(set(Invoice.objects.values_list("number", flat=True))) == 30
    for invoice in Invoice.objects.all():
        assert invoice.net == sum(line.amount for line in invoice.lines.all())


def it_parks_the_bad_one_and_goes_on(many, monkeypatch):
    bad, original = Customer.objects.get(number="C0000007").pk, close.drafts.rebuild

    def rebuild(customers, *given):
        if bad in customers:
            raise ValueError("a price that nobody can read")
        original(customers, *given)

    monkeypatch.setattr(close.drafts, "rebuild", rebuild)
    with pytest.raises(SystemExit) as ended:
        call_command("close_month", "2026-04", "--jobs", "2")
    assert ended.value.code == 1
    assert Invoice.objects.filter(state="fixed").count() == 29
    assert Parked.objects.get().customer_id == bad


def it_wants_at_least_one_job(db):
    make.make_vendor()
    with pytest.raises(CommandError) as refused:
        call_command("close_month", "2026-04", "--jobs", "0")
    assert refused.value.returncode == 2


def it_goes_on_when_a_customer_cannot_even_be_parked(many, monkeypatch):
    monkeypatch.setattr(close, "PATIENCE", "100ms")
    holder = connections.create_connection("default")
    try:
        holder.set_autocommit(False)
        with holder.cursor() as cursor:
            cursor.execute("SELECT 1 FROM accounts_customer WHERE number = 'C0000007' FOR UPDATE")
        with pytest.raises(SystemExit) as ended:
            call_command("close_month", "2026-04")
        assert ended.value.code == 1
        assert Invoice.objects.filter(state="fixed").count() == 29
    finally:
        holder.close()
    call_command("close_month", "2026-04")
    assert Invoice.objects.filter(state="fixed").count() == 30


def it_parks_a_customer_whose_row_somebody_holds_and_closes_the_others(many, monkeypatch):
    """Held for longer than the lock's patience: the batch is halved until that customer stands alone (F14)."""
    monkeypatch.setattr(close, "PATIENCE", "100ms")
    held = Customer.objects.get(number="C0000007").pk
    holder = connections.create_connection("default")
    try:
        holder.set_autocommit(False)
        with holder.cursor() as cursor:
            cursor.execute("SELECT 1 FROM accounts_customer WHERE id = %s FOR NO KEY UPDATE", [held])
        with pytest.raises(SystemExit):
            call_command("close_month", "2026-04")
        assert Invoice.objects.filter(state="fixed").count() == 29
        assert "lock timeout" in Parked.objects.get(customer=held).reason
    finally:
        holder.close()
    call_command("close_month", "2026-04", "--retry-failed")
    assert Invoice.objects.filter(state="fixed").count() == 30
