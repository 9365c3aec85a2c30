"""What billed months were made by stays as it was, whoever writes it (D32, D34)."""

from datetime import date
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction

from billing import settled
from contracts.models import MeterPrice, MeterTier
from contracts.services import PriceTyped, delete_meter, save_meter
from portal.models import CalendarDay, TaxClass, VendorRegistration
from tests import make


@pytest.fixture
def meter(cast):
    """10 yen from always, 9 from June on and 8 above 100; April's usage is billed."""
    found = make.make_meter(cast.a.contracts.get(), 10, (500, 7))
    make.make_price(found, 9, (100, 8), since=make.JUNE)
    make.use(found.contract, 30)
    CalendarDay.objects.create(day=date(2026, 5, 20), working=False)
    make.close_month()
    return found


def run(sql):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
        connection.check_constraints()


FIRST, LATER = "WHERE since IS NULL", "WHERE since = '2026-06-01'"
OF_FIRST = f"price_id IN (SELECT id FROM contracts_meterprice {FIRST})"
ADD = """INSERT INTO contracts_meterprice (customer_id, meter_id, since, free_quantity, unit_price)
    SELECT customer_id, id, '{since}', 0, 5 FROM contracts_meter"""
ADD_TIER = """INSERT INTO contracts_metertier (customer_id, price_id, above, unit_price)
    SELECT customer_id, id, 900, 1 FROM contracts_meterprice {which}"""


REFUSED = [
    f"UPDATE contracts_meterprice SET unit_price = 11 {FIRST}",
    f"UPDATE contracts_meterprice SET free_quantity = 5 {FIRST}",
    f"UPDATE contracts_meterprice SET since = '2026-05-01' {FIRST}",
    f"UPDATE contracts_meterprice SET since = '2026-04-01' {LATER}",
    f"DELETE FROM contracts_metertier; DELETE FROM contracts_meterprice {FIRST}",
    ADD.format(since="2026-03-01"),
    ADD.format(since="2026-04-01"),
    f"UPDATE contracts_metertier SET unit_price = 1 WHERE {OF_FIRST}",
    f"DELETE FROM contracts_metertier WHERE {OF_FIRST}",
    ADD_TIER.format(which=FIRST),
    f"UPDATE contracts_metertier SET price_id = (SELECT id FROM contracts_meterprice {LATER}) WHERE {OF_FIRST}",
    "UPDATE portal_taxclass SET rate = 0.2 WHERE valid_to IS NULL AND kind = 'standard'",
    "UPDATE portal_taxclass SET valid_from = '2020-01-01' WHERE valid_to IS NULL AND kind = 'standard'",
    "UPDATE portal_taxclass SET valid_to = '2026-04-29' WHERE valid_to IS NULL AND kind = 'reduced'",
    "DELETE FROM portal_taxclass WHERE valid_to IS NULL AND kind = 'standard'",
    "UPDATE portal_vendorregistration SET number = 'T8990000000009'",
    "UPDATE portal_vendorregistration SET valid_from = '2024-01-01'",
    "UPDATE portal_vendorregistration SET valid_to = '2026-04-29'",
    "DELETE FROM portal_vendorregistration",
    "UPDATE portal_calendarday SET working = true",
    "UPDATE portal_calendarday SET day = '2026-05-21'",
    "DELETE FROM portal_calendarday",
]
TAKEN = [
    f"UPDATE contracts_meterprice SET unit_price = 11 {LATER}",
    f"UPDATE contracts_meterprice SET since = '2026-05-01' {LATER}",
    f"UPDATE contracts_meterprice SET since = '2026-03-01' {FIRST}",
    f"DELETE FROM contracts_metertier WHERE NOT {OF_FIRST}; DELETE FROM contracts_meterprice {LATER}",
    ADD.format(since="2026-05-01"),
    ADD_TIER.format(which=LATER),
    "UPDATE portal_taxclass SET valid_to = '2026-04-30' WHERE valid_to IS NULL AND kind = 'standard'",
    "DELETE FROM portal_taxclass WHERE valid_to IS NULL AND kind = 'exempt'",
    "UPDATE portal_vendorregistration SET valid_to = '2026-04-30'",
    "UPDATE portal_calendarday SET note = '臨時休業'",
]


def refuses(sql):
    """Whether the database refuses it; what it takes is undone."""
    try:
        with transaction.atomic():
            run(sql)
            transaction.set_rollback(True)
    except IntegrityError as met:
        assert "refused" in str(met)
        return True
    return False


def it_refuses_what_a_billed_month_would_no_longer_be_made_by(meter):
    assert [sql for sql in REFUSED if not refuses(sql)] == []


def it_takes_what_leaves_billed_months_as_they_were(meter):
    assert [sql for sql in TAKEN if refuses(sql)] == []


def it_lets_prices_change_as_long_as_the_invoice_is_provisional(cast):
    make.use(make.make_meter(cast.a.contracts.get(), 10).contract, 30)
    make.open_month(make.APRIL)
    run("UPDATE contracts_meterprice SET unit_price = 11")


def it_keeps_a_rate_under_which_a_year_was_billed_that_goes_on_after_its_end(cast):
    make.make_contract(cast.a, (36000, 1, {"tax_kind": "exempt"}), form="yearly")
    make.close_month()
    run("UPDATE portal_taxclass SET valid_to = '2026-04-30' WHERE kind = 'exempt'")
    with pytest.raises(IntegrityError, match="refused"):
        run("DELETE FROM portal_taxclass WHERE kind = 'exempt'")
    with pytest.raises(ValidationError, match="終了日"):
        settled.remove(TaxClass.objects.get(kind="exempt"))


def it_keeps_apart_two_times_of_one_registration_number(meter):
    """A number that was given up and taken up again is the same one."""
    VendorRegistration.objects.update(valid_to=date(2026, 4, 30))
    again = VendorRegistration.objects.create(number=VendorRegistration.objects.get().number, valid_from=make.JUNE)
    settled.remove(again)
    assert not VendorRegistration.objects.filter(pk=again.pk).exists()


def it_says_so_in_words_before_the_database_does(meter, cast):
    first = MeterPrice.objects.get(since=None)
    first.unit_price = Decimal(11)
    with pytest.raises(ValidationError, match="2026-04 の使用量は請求済み"), transaction.atomic():
        save_meter(meter, [PriceTyped(first, [(Decimal(500), Decimal(7))])], by=cast.staff)
    with pytest.raises(ValidationError, match="使用量が登録されているため"):
        delete_meter(meter, by=cast.staff)
    rate = TaxClass.objects.get(kind="standard", valid_to=None)
    rate.rate = Decimal("0.2")
    with pytest.raises(ValidationError) as refused:
        settled.store(rate, by=cast.staff)
    assert refused.value.message_dict == {"rate": ["確定した請求で使われているため、変更できません。"]}


def it_stores_a_billed_price_again_that_nobody_changed(meter, cast):
    first = MeterPrice.objects.get(since=None)
    save_meter(meter, [PriceTyped(first, [(Decimal(500), Decimal(7))])], by=cast.staff)
    connection.check_constraints()
    assert MeterTier.objects.filter(price=first).count() == 1
