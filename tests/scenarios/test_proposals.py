"""What is billed beyond a 解約日 or 課金終了日 is proposed until somebody decides, and what is decided stands (D27)."""

import pytest
from django.core.exceptions import ValidationError

from accounts.models import User
from billing.credits import take_back
from billing.models import Credit, Invoice
from billing.month import checks
from billing.proposals import decide, proposals
from contracts.models import Service
from tests import make
from tests.scenarios.words import close_month, day, register, run, save


@pytest.fixture
def customer(db):
    make.make_vendor()
    return make.make_customer("C0000009")


@pytest.fixture
def staff(customer):
    return User.objects.get(email="staff@example.net")


def yen_of(customer):
    return [proposal.amount for proposal in proposals([customer.pk])]


def named(month, today, code="proposals"):
    return next(finding.rows for finding in checks.check(day(f"{month}-01"), today=day(today)) if finding.code == code)


@pytest.mark.parametrize(
    ("last", "prorated", "proposed"),
    [
        ("04-15", True, [5000]),
        ("04-14", True, [5334]),
        ("04-29", True, [334]),
        ("04-30", True, []),
        ("04-15", False, []),
    ],
)
def it_proposes_what_a_line_that_ends_no_longer_owes(customer, last, prorated, proposed):
    """Example 5."""
    Service.objects.filter(code="cloud").update(prorate=prorated)
    contract = register(customer, (10000,), on="04-01", start="04-01")
    close_month("04", "05-08")
    line = contract.lines.get()
    line.charge_to = day(last)
    save(contract, "05-12", lines=[line])
    assert yen_of(customer) == proposed


def it_names_a_credit_of_a_customer_without_bills(customer, staff):
    """Example 5, decided: the customer's only line is gone, so no bill takes it up."""
    Service.objects.filter(code="cloud").update(prorate=True)
    contract = register(customer, (10000,), on="04-01", start="04-01")
    close_month("04", "05-08")
    line = contract.lines.get()
    line.charge_to = day("04-15")
    save(contract, "05-12", lines=[line])
    assert len(named("05", "05-12")) == 1
    decide(proposals([customer.pk])[:1], "credit", "利用終了", by=staff)
    assert named("05", "05-12") == []
    assert [row[0] for row in named("05", "05-12", "credit_open")] == ["C0000009"]


@pytest.fixture
def cancelled(customer):
    """Example 6: May is fixed at 10,000 as 解約日 04-30 is entered."""
    contract = register(customer, (10000,), on="04-01", start="04-01")
    close_month("04", "05-08")
    close_month("05", "06-03")
    run("06-04")
    save(contract, "06-04", cancel_on=day("04-30"))
    return contract


def it_proposes_a_term_behind_the_cancellation(customer, cancelled):
    assert yen_of(customer) == [10000]
    assert [number for number, _text in named("06", "06-04")] == [cancelled.number]


def it_proposes_nothing_once_the_cancellation_is_taken_back(customer, cancelled):
    """Example 7, undecided."""
    save(cancelled, "06-10", cancel_on=None)
    assert yen_of(customer) == []


def it_proposes_only_what_is_more_after_a_decision(customer, cancelled, staff):
    decide(proposals([customer.pk])[:1], "refused", "規約による", by=staff)
    assert yen_of(customer) == []
    assert not Credit.objects.exists()
    save(cancelled, "06-10", cancel_on=day("04-29"))  # 日割 isn't charged, so no term owes less than before
    assert yen_of(customer) == []


def it_charges_a_credited_term_again_with_the_tick(customer, cancelled, staff):
    """Example 7, decided as credit: 追加 10,000 + June 10,000 − credit 10,000."""
    decide(proposals([customer.pk])[:1], "credit", "解約", by=staff)
    save(cancelled, "06-10", cancel_on=None, tick=True)
    run("06-10")
    june = Invoice.objects.get(customer=customer, month=make.JUNE)
    assert sorted(june.lines.values_list("amount", flat=True)) == [-10000, 10000, 10000]
    assert june.net == 10000


def it_charges_less_again_when_the_credit_behind_it_is_taken_back(customer, cancelled, staff):
    [decision] = decide(proposals([customer.pk])[:1], "credit", "解約", by=staff)
    save(cancelled, "06-10", cancel_on=None, tick=True)
    take_back(decision, "入力誤り", by=staff, today=day("06-11"))
    june = Invoice.objects.get(customer=customer, month=make.JUNE)
    assert list(june.lines.values_list("amount", flat=True)) == [10000]


@pytest.mark.parametrize("choice", ["credit", "refused"])
def it_proposes_again_what_was_taken_back(customer, cancelled, staff, choice):
    [decision] = decide(proposals([customer.pk])[:1], choice, "解約", by=staff)
    assert take_back(decision, "入力誤り", by=staff) == 10000
    assert yen_of(customer) == [10000]


def it_decides_nothing_twice(customer, cancelled, staff):
    [proposal] = proposals([customer.pk])
    decide([proposal], "credit", "解約", by=staff)
    with pytest.raises(ValidationError, match="変わっています"):
        decide([proposal], "credit", "解約", by=staff)
    assert Credit.objects.count() == 1


@pytest.mark.parametrize(("choice", "reason"), [("credit", ""), ("return", " "), ("other", "x")])
def it_takes_a_choice_with_a_reason_only(customer, cancelled, staff, choice, reason):
    with pytest.raises(ValidationError):
        decide(proposals([customer.pk])[:1], choice, reason, by=staff)
