"""Credits and decisions in the database itself: only added, never beyond what there is."""

import pytest
from django.db import DatabaseError, connection, transaction

from billing.models import Credit, Discount, Invoice
from tests import make


def refused(sql, *values):
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, values)
    return True


@pytest.fixture
def credit(cast):
    return make.make_credit(cast.b, 1000)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE billing_credit SET amount = amount + 1",
        "UPDATE billing_credit SET reason = 'x'",
        "DELETE FROM billing_credit",
        "TRUNCATE billing_credit CASCADE",
        "TRUNCATE billing_decision CASCADE",
    ],
)
def it_only_adds(credit, sql):
    assert refused(sql)
    assert list(Credit.objects.values_list("amount", "reason")) == [(1000, "障害")]


def it_takes_back_at_most_what_is_there(cast, credit):
    make.make_credit(cast.b, -400, takes_back=credit)
    with pytest.raises(DatabaseError), transaction.atomic():
        make.make_credit(cast.b, -601, takes_back=credit)
    make.make_credit(cast.b, -600, takes_back=credit)


@pytest.mark.parametrize("wrong", [{"amount": -100}, {"amount": 100, "takes_back": "it"}, {"amount": 0}])
def it_knows_entries_and_counter_entries_only(cast, credit, wrong):
    with pytest.raises(DatabaseError), transaction.atomic():
        make.make_credit(cast.b, **{name: credit if value == "it" else value for name, value in wrong.items()})


def it_takes_back_nothing_of_another_customer_or_class(cast, credit):
    for customer, fields in [(cast.a, {}), (cast.b, {"price_basis": "inclusive"}), (cast.b, {"source": "hand"})]:
        with pytest.raises(DatabaseError), transaction.atomic():
            make.make_credit(customer, -1, takes_back=credit, **fields)


def it_takes_up_no_more_than_was_given(credit):
    make.open_month(make.APRIL)
    line = credit.taken_up_by.get()
    assert line.amount == -1000
    assert refused("UPDATE billing_invoiceline SET amount = amount - 1 WHERE id = %s", line.pk)


def it_keeps_what_a_fixed_document_took_up(cast, credit):
    make.close_month()
    with pytest.raises(DatabaseError), transaction.atomic():
        make.make_credit(cast.b, -1, takes_back=credit)


def it_freezes_a_discount_with_its_invoice(cast):
    make.open_month(make.APRIL)
    invoice = Invoice.objects.get(customer=cast.b)
    Discount.objects.create(customer=cast.b, invoice=invoice, amount=10)
    make.close_month()
    assert refused("UPDATE billing_discount SET amount = 11")
    assert refused("DELETE FROM billing_discount")
    with pytest.raises(DatabaseError), transaction.atomic():
        Discount.objects.create(customer=cast.b, invoice=invoice, amount=1)
