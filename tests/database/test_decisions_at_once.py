"""A decision beside a close counts in the month or in the next, whole; of two decisions at once one is stored (D27)."""

import pytest
from django.core.exceptions import ValidationError

from accounts.models import User
from billing.models import Credit, Decision, Invoice
from billing.month import close, drafts
from billing.proposals import decide, proposals
from contracts.models import Service
from orders import follow
from tests import make
from tests.database.test_staff_beside_close import Staff
from tests.scenarios.words import close_month, day, register, run, save


@pytest.fixture
def contract(transactional_db):
    make.make_vendor()
    Service.objects.filter(code="cloud").update(prorate=True)
    found = register(make.make_customer("C0000009"), (10000,), (9000,), on="04-01", start="04-01")
    close_month("04", "05-08")
    line = found.lines.first()
    line.charge_to = day("04-15")
    save(found, "05-12", lines=[line])
    run("05-12")
    return found


def credit_it(customer):
    person = User.objects.get(email="staff@example.net")
    decide(proposals([customer.pk])[:1], "credit", "利用終了", by=person)


def taken_up(month):
    lines = Invoice.objects.get(month=day(f"{month}-01"), kind="invoice").lines.filter(origin="adjustment")
    return [line.amount for line in lines]


AFTER = {
    "terms": (follow, "add_terms"),
    "orders": (close, "renew"),
    "look": (drafts, "find_unbilled"),
    "fix": (close, "fix_drafts"),
}


@pytest.mark.parametrize("after", AFTER)
def it_waits_for_the_customers_close_and_counts_once_in_the_month_after(contract, monkeypatch, after):
    """Wherever in the close it comes: were it stored there, the close might have looked at credits already."""
    staff = Staff(credit_it, contract.customer)
    original, stored = getattr(*AFTER[after]), []

    def meanwhile(*given, **named):
        found = original(*given, **named)
        if staff.ident is None:
            staff.until_it_is_through_or_waits()
            stored.append(staff.done)
        return found

    monkeypatch.setattr(*AFTER[after], meanwhile)
    close_month("05", "06-08")
    staff.join()
    monkeypatch.undo()
    assert (stored, staff.done) == ([False], True)
    fixed = Invoice.objects.get(month=day("05-01"), kind="invoice")
    assert (fixed.state, fixed.total, taken_up("05")) == ("fixed", 9900, [])
    run("06-09")
    close_month("06", "07-08")
    assert Credit.objects.get().amount == 5000
    assert taken_up("06") == [-5000]
    assert proposals([contract.customer_id]) == []


def it_counts_in_the_month_once_it_is_decided_before_the_close(contract):
    credit_it(contract.customer)
    close_month("05", "06-08")
    assert taken_up("05") == [-5000]


def it_stores_one_of_two_decisions_and_tells_the_other(contract):
    person = User.objects.get(email="staff@example.net")
    seen = proposals([contract.customer_id])[0]
    told = []

    def refuse(customer):
        try:
            decide([seen], "refused", "不要", by=person)
        except ValidationError as refused:
            told.extend(refused.messages)

    both = [Staff(credit_it_of(seen, person, told), contract.customer), Staff(refuse, contract.customer)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert Decision.objects.count() == 1
    assert told == ["内容が変わっています。もう一度確認してから決めてください。"]


def credit_it_of(seen, person, told):
    def credit(customer):
        try:
            decide([seen], "credit", "利用終了", by=person)
        except ValidationError as refused:
            told.extend(refused.messages)

    return credit
