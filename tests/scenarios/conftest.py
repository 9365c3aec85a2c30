"""A customer of a vendor that bills from April 2026 on, whom the worked examples happen to."""

import pytest

from accounts.models import User
from contracts.models import Service
from tests import make


@pytest.fixture
def customer(db):
    make.make_vendor()
    return make.make_customer("C0000009")


@pytest.fixture
def prorating(customer):
    Service.objects.filter(code="cloud").update(prorate=True)
    return customer


@pytest.fixture
def staff(customer):
    return User.objects.get(email="staff@example.net")
