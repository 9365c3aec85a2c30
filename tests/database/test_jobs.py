"""`close_month --jobs N`: batches side by side end in the same month as one after the other."""

import threading
import time

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import DatabaseError, OperationalError, connection, connections

from accounts.models import Customer
from billing.models import Invoice, InvoiceLine, Parked, TaxTotal
from billing.month import batches, close
from contracts.models import ContractLine, Term
from orders.models import Order
from tests import make


@pytest.fixture
def many(transactional_db, monkeypatch):
    """Thirty customers, in batches of four."""
    make.make_vendor()
    for number in range(1, 31):
        customer = make.make_customer(f"C{number:07}")
        make.make_contract(customer, (number * 10, 3), (999,))
    monkeypatch.setattr(batches, "CUSTOMERS_A_BATCH", 4)
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


def it_says_in_japanese_that_amounts_are_too_large_to_be_added(cast):
    """Limits at every entry keep such amounts out; what got past them parks the customer with a line that people can read."""
    ContractLine.objects.filter(customer=cast.a).update(
        quantity=9 * 10**7, unit_price=10**11, amount=9 * 10**18, net=9 * 10**18
    )
    Order.objects.filter(customer=cast.a).update(reversed_on=make.APRIL)
    Term.objects.filter(customer=cast.a).update(dropped_on=make.APRIL)
    assert make.close_month().parked == 1
    reason = Parked.objects.get().reason
    assert "金額または数量が大きすぎて計算できません" in reason
    assert len(reason.splitlines()) == 1


def it_wants_at_least_one_job(db):
    make.make_vendor()
    with pytest.raises(CommandError) as refused:
        call_command("close_month", "2026-04", "--jobs", "0")
    assert refused.value.returncode == 2


def it_goes_on_when_a_customer_cannot_even_be_parked(many, monkeypatch):
    monkeypatch.setattr(batches, "LOCK_SECONDS", 0.1)
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
    monkeypatch.setattr(batches, "LOCK_SECONDS", 0.1)
    held = Customer.objects.get(number="C0000007").pk
    holder = connections.create_connection("default")
    try:
        holder.set_autocommit(False)
        with holder.cursor() as cursor:
            cursor.execute("SELECT 1 FROM accounts_customer WHERE id = %s FOR NO KEY UPDATE", [held])
        with pytest.raises(SystemExit):
            call_command("close_month", "2026-04")
        assert Invoice.objects.filter(state="fixed").count() == 29
        assert "使用中" in Parked.objects.get(customer=held).reason
    finally:
        holder.close()
    call_command("close_month", "2026-04", "--retry-failed")
    assert Invoice.objects.filter(state="fixed").count() == 30


@pytest.mark.parametrize("size", [1, 30])
def it_tries_again_after_a_deadlock(many, monkeypatch, size):
    """Somebody locks the numbers first and a customer then, the close the other way round (F15).

    It looks for a deadlock long before the other side does, so it is the one that gives way.
    """
    monkeypatch.setattr(batches, "CUSTOMERS_A_BATCH", size)
    victims = []
    original = close.work

    def work(*given):
        try:
            original(*given)
        except OperationalError as error:
            victims.append(error.__cause__.sqlstate)
            raise

    monkeypatch.setattr(close, "work", work)
    other = connections.create_connection("default")
    other.inc_thread_sharing()
    try:
        for side, patience in ((connection, "3s"), (other, "1h")):
            with side.cursor() as cursor:
                cursor.execute("SELECT set_config('deadlock_timeout', %s, false)", [patience])
    except DatabaseError:
        other.close()
        pytest.skip("only whoever may set deadlock_timeout may say when a deadlock is looked for")
    other.set_autocommit(False)
    with other.cursor() as cursor:
        cursor.execute("LOCK TABLE portal_counter IN EXCLUSIVE MODE")

    def cross():
        with connections.create_connection("default").cursor() as watcher:
            for _each in range(200):
                watcher.execute(
                    "SELECT count(*) FROM pg_stat_activity"
                    " WHERE wait_event_type = 'Lock' AND datname = current_database()"
                )
                if watcher.fetchone()[0]:
                    break
                time.sleep(0.05)
            watcher.connection.close()
        with other.cursor() as cursor:
            cursor.execute("SELECT 1 FROM accounts_customer WHERE number = 'C0000001' FOR UPDATE")
        other.rollback()

    crossing = threading.Thread(target=cross)
    crossing.start()
    try:
        call_command("close_month", "2026-04")
    finally:
        crossing.join()
        other.close()
        connection.close()
    assert victims == ["40P01"]
    assert not Parked.objects.exists()
    assert Invoice.objects.filter(state="fixed").count() == 30
