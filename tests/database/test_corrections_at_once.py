"""Two people correct one document, or one of them in the middle of a close: one wins, and nothing is billed twice or lost (D41)."""

import pytest
from django.core.exceptions import ValidationError

from accounts.models import User
from billing.corrections.reissue import reissue
from billing.corrections.voiding import void
from billing.models import Invoice
from billing.month import checks, close, drafts
from tests import make
from tests.database.test_staff_beside_close import Staff

JUNE_3 = make.JUNE.replace(day=3)


@pytest.fixture
def april(transactional_db):
    cast = make.cast()
    make.close_month()
    return Invoice.objects.get(customer=cast.a)


def told():
    return {"reason": "間違い", "by": User.objects.get(email="staff@example.net"), "today": JUNE_3}


def it_lets_one_of_two_people_win(april, monkeypatch):
    refused = []

    def second(_customer):
        try:
            void(Invoice.objects.get(pk=april.pk), **told())
        except ValidationError as error:
            refused.append(error.messages)

    staff, original = Staff(second, april.customer), drafts.set_totals

    def meanwhile(*given):
        original(*given)
        if staff.ident is None:
            staff.until_it_is_through_or_waits()

    monkeypatch.setattr(drafts, "set_totals", meanwhile)
    new = reissue(april, **told())
    staff.join()
    [[message]] = refused
    assert new.number in message
    assert list(Invoice.objects.filter(month=make.APRIL, customer=april.customer).order_by("pk").values_list("state", flat=True)) == [
        "replaced", "fixed",
    ]  # fmt: skip


@pytest.mark.parametrize("after", [(drafts, "find_unbilled"), (close, "fix_drafts")], ids=["look", "fix"])
def it_bills_again_in_the_month_that_is_closed_or_in_the_next(april, monkeypatch, after):
    staff = Staff(lambda _customer: void(april, rebill=True, **told()), april.customer)
    original = getattr(*after)

    def meanwhile(*given, **named):
        original(*given, **named)
        if staff.ident is None:
            staff.until_it_is_through_or_waits()

    monkeypatch.setattr(*after, meanwhile)
    make.close_month(make.MAY, JUNE_3)
    staff.join()
    assert staff.done
    monkeypatch.undo()
    make.open_month(make.JUNE, today=JUNE_3)
    lines = [
        line
        for invoice in Invoice.objects.filter(customer=april.customer)
        for line in invoice.lines.filter(origin="rebill")
    ]
    assert sorted(line.amount for line in lines) == [1500, 20000]
    broken = [
        each.code
        for month in (make.APRIL, make.MAY)
        for each in checks.check(month, today=JUNE_3)
        if each.kind == "broken" and each.rows
    ]
    assert set(broken) <= {"pdf_missing"}
