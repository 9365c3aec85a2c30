"""Used quantities come in while staff change what they cost: they are charged by the prices that hold afterwards."""

import threading
from datetime import date
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction

from contracts.models import MeterTier
from orders.models import Usage, UsageCharge
from orders.usage import reprice
from tests import make, processes


@pytest.fixture
def meter(transactional_db):
    return make.make_meter(make.cast().a.contracts.get(), 10, (500, "7.5"))


class Import(threading.Thread):
    """Takes in 600 GB of May on a connection of its own; what refused it is in `refused`."""

    def __init__(self, contract):
        super().__init__()
        self.contract, self.refused = contract, None

    def run(self):
        try:
            make.use(self.contract, 600, month="2026-05")
        except ValidationError as refused:
            self.refused = refused
        finally:
            connection.close()

    def waits(self):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            return cursor.fetchone()[0]


def beside(meter, change):
    """Let the import begin in the middle of `change`, which holds the customer as the admin's pages do."""
    arriving = Import(meter.contract)
    with transaction.atomic():
        change()
        arriving.start()
        processes.wait_until(lambda: not arriving.is_alive() or arriving.waits())
    arriving.join()
    return arriving


def it_charges_the_prices_that_staff_are_storing(meter):
    def change():
        meter.prices.update(unit_price=Decimal(20))
        MeterTier.objects.update(unit_price=Decimal(15))
        reprice(meter, today=make.IN_MAY)

    assert beside(meter, change).refused is None
    assert list(UsageCharge.objects.order_by("position").values_list("unit_price", "amount")) == [
        (20, 10000),
        (15, 1500),
    ]


def it_knows_the_cancellation_that_staff_are_storing(meter):
    def change():
        reprice(meter, today=make.IN_MAY)
        meter.contract.cancel_on = date(2026, 4, 20)
        meter.contract.save()

    assert "利用されていません" in str(beside(meter, change).refused)
    assert not Usage.objects.exists()
