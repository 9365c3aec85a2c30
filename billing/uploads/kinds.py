"""The kinds of files that staff may send in: how each is read, who may, and the rows that its export writes."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from django.db.models import F
from django.utils.translation import gettext as _

from accounts.imports import CUSTOMERS, USERS
from accounts.models import Customer, User
from billing.imports import INVOICES
from billing.models import UploadKind
from contracts.models import Contract
from orders.imports import CONTRACTS
from orders.models import Usage
from orders.rows import rows_of
from orders.usage import USAGE
from portal import rights
from portal.imports.columns import known_words
from portal.imports.taking import Kind, Report
from portal.reading import fold

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


def warn_of_other_kind(kind: Kind, report: Report) -> None:
    """Of a heading that another kind of file has much more of: it would bring nothing, or rows of what it isn't."""
    given = {fold(cell) for cell in report.heading}
    known = {
        each.label: len(given & known_words(each.columns).keys())
        for each in [INVOICES, *(sort.kind for sort in SORTS.values())]
    }
    label = max(known, key=known.__getitem__)
    if label != kind.label and known[label] > 2 * known[kind.label]:
        told = _("「%s」のファイルの見出しのようです。取り込む種類を確かめてください。")
        report.warnings.append(told % label)


def may_import(by, name):
    return all(rights.may(by, right) for right in SORTS[name].rights)


def may_export(by, name):
    return rights.may(by, SORTS[name].seeing)


def need_import(by, name):
    """Raises PermissionDenied."""
    if not may_import(by, name):
        rights.refuse()
