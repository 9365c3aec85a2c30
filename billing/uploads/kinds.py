"""The kinds of files that staff may send in: how each is read, who may, and the rows that its export writes."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from django.db.models import F

from accounts.imports import CUSTOMERS, USERS
from accounts.models import Customer, User
from billing.models import UploadKind
from contracts.models import Contract
from orders.imports import CONTRACTS
from orders.models import Usage
from orders.rows import rows_of
from orders.usage import USAGE
from portal import rights
from portal.imports.taking import Kind

PIECE = 2000  # rows that are read at once


class Sort(NamedTuple):
    """`rights` are those that its import asks for, `seeing` is the one to read what its export holds: `rows`."""

    kind: Kind
    rights: tuple[str, ...]
    seeing: str
    rows: Callable[[], Iterable]


SORTS = {
    UploadKind.CUSTOMERS.value: Sort(
        CUSTOMERS,
        ("accounts.add_customer", "accounts.change_customer"),
        "accounts.view_customer",
        lambda: Customer.objects.order_by("number").iterator(PIECE),
    ),
    UploadKind.USERS.value: Sort(
        USERS,
        ("accounts.add_user", "accounts.change_user"),
        "accounts.view_user",
        lambda: (
            User.objects.filter(customer__isnull=False, is_active=True)
            .select_related("customer")
            .order_by("customer__number", "pk")
            .iterator(PIECE)
        ),
    ),
    UploadKind.CONTRACTS.value: Sort(
        CONTRACTS,
        ("contracts.add_contract", "contracts.change_contract", "contracts.add_meter", "contracts.change_meter"),
        "contracts.view_contract",
        lambda: rows_of(Contract.objects.all()),
    ),
    UploadKind.USAGE.value: Sort(
        USAGE,
        ("orders.add_usage", "orders.change_usage"),
        "orders.view_usage",
        lambda: (
            Usage.objects.annotate(
                contract=F("meter__contract__number"), service=F("meter__service__code"), period=F("month")
            )
            .order_by("month", "contract", "service")
            .iterator(PIECE)
        ),
    ),
}


def may_import(by, name):
    return all(rights.may(by, right) for right in SORTS[name].rights)


def may_export(by, name):
    return rights.may(by, SORTS[name].seeing)


def need_import(by, name):
    """Raises PermissionDenied."""
    if not may_import(by, name):
        rights.refuse()
