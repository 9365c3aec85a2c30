"""`import_contracts` takes in the prices of metered items too, and charges used quantities by them."""

from datetime import date

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contracts.models import Contract, Meter, MeterTier
from orders.models import UsageCharge
from portal.models import HistoryEvent
from tests import make
from tests.commands.contract_files import METERED, counts, faults, orders, sender, vendor_in_may


@pytest.fixture(autouse=True)
def in_may(db):
    with vendor_in_may():
        yield


@pytest.fixture
def send(tmp_path):
    return sender(tmp_path)


def it_takes_prices_of_metered_services_from_month_to_month(send):
    told = send(
        METERED,
        "K-1,A,従量,line,2026-04-01,,通信,GB,10,1,,5,,500:9;1000:7",
        "K-1,,,,,,,,12,○,,,2026-06,",
        "K-1,,,,,,保管,GB,3,1,cloud,,,",
        "K-1,,,,,,基本,式,1000,,,,,",
    )
    assert (counts(told), told["errors"]) == ((1, 0, 0), [])
    meter = Meter.objects.get(service__code="line")
    assert [(each.since, each.free_quantity, len(each.ladder)) for each in meter.prices.all()] == [
        (None, 5, 3),
        (make.JUNE, 0, 1),
    ]
    assert orders("K-1") == ["2026-04 new 1000", "2026-05 renewal 1000"]
    make.use(meter.contract, "100", today=date(2026, 5, 8))
    told = send(METERED, "K-1,,,,,,,,20,1,,,,(空)", "K-1,,,,,,,,12,1,,,2026-06,")
    assert (counts(told), told["errors"]) == ((0, 1, 0), [])
    assert not MeterTier.objects.exists()
    assert sum(each.amount for each in meter.usages.get().charges.filter(dropped_on=None)) == 95 * 20
    event = HistoryEvent.objects.filter(action="prices_changed").latest("pk")
    assert event.data["changes"]["単価"] == ["10", "20"]
    make.close_month()
    told = send(
        METERED,
        "K-1,,,,,,,,30,1,,,,",
        "K-2,A,従,line,2026-04-01,,通信,GB,10,1,,5,2026-06,",
        "K-3,,,,,,,,9,1,cloud,,2026-06,500",
    )
    assert faults(told) == [
        (2, "", "", "IM-021"),
        (3, "適用開始年月", "2026-06", "IM-021"),
        (4, "段階料金", "500", "IM-012"),
    ]


def it_asks_no_more_of_the_database_for_many_changed_prices(send):
    def asked(count, price):
        rows = [f"M-{n},A,従量,line,2026-04-01,,通信,GB,{price},1,,5,,500:{price}" for n in range(count)]
        with CaptureQueriesContext(connection) as queries:
            assert counts(send(METERED, *rows)) in ((count, 0, 0), (0, count, 0))
        return len(queries)

    asked(8, 10)
    for contract in Contract.objects.all():
        make.use(contract, "700", today=date(2026, 5, 8))
    assert asked(8, 20) == asked(2, 30)
    charged = UsageCharge.objects.filter(dropped_on=None).order_by("usage__meter__contract__number", "position")
    assert list(charged.values_list("unit_price", flat=True)[6:9]) == [0, 20, 20]
    assert list(charged.values_list("unit_price", flat=True)[:3]) == [0, 30, 30]
    assert HistoryEvent.objects.filter(action="prices_changed", data__changes__has_key="単価").count() == 18


def it_charges_used_quantities_for_the_days_that_are_left_after_a_解約日(send):
    send(METERED, "K-1,A,従量,line,2026-04-01,,通信,GB,10,1,,,,")
    contract = Contract.objects.get()
    make.use(contract, "100", today=make.IN_MAY)
    assert counts(send("number,cancel_on", "K-1,2026-04-20")) == (0, 1, 0)
    charge = contract.meters.get().usages.get().charges.get(dropped_on=None)
    assert (f"{charge.ends_on}", charge.amount) == ("2026-04-20", 1000)
