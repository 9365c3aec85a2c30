"""A small vendor moves in with an old system's own files, proves the amounts, goes live and closes its first month."""

import json
from datetime import date
from io import StringIO

import pytest
import time_machine
from django.core.management import call_command

from accounts.models import Customer, User
from billing.models import Invoice, Kind
from contracts.models import Contract
from orders.models import Order
from portal.models import HistoryEvent, Mail
from tests import make
from tests.old_system import OldSystem


@pytest.fixture
def old(db, tmp_path):
    make.make_vendor(first_month=make.APRIL)
    with time_machine.travel("2026-05-08T03:00Z"):
        made = OldSystem(tmp_path / "old", customers=10, go_live=make.APRIL, first_invoice=date(2025, 12, 1))
        made.write()
        yield made


def told(command, *arguments):
    said = StringIO()
    try:
        call_command(command, *map(str, arguments), "--json", stdout=said)
    except SystemExit as ended:
        assert ended.code == 1, said.getvalue()
    return json.loads(said.getvalue())


def take_all(old):
    files = {"customers": "customers.csv", "users": "users.csv", "contracts": "contracts.csv", "invoices": "invoices"}
    return {kind: told(f"import_{kind}", old.folder / name) for kind, name in files.items()}


def everything():
    models = (Customer, User, Contract, Order, Invoice, HistoryEvent)
    return [list(model.objects.order_by("pk").values()) for model in models]


def it_moves_in_and_bills_what_the_old_system_would(old):
    taken = take_all(old)
    assert [report["errors"] for report in taken.values()] == [[]] * 4
    assert (taken["customers"]["added"], taken["invoices"]["added"]) == (10, old.invoices)
    assert Contract.objects.count() == old.contracts
    assert not Mail.objects.exists()

    before = everything()
    again = take_all(old)
    assert [report["added"] + report["changed"] for report in again.values()] == [0] * 4
    assert everything() == before

    assert told("compare_month", "2026-04", old.folder / "old.csv")["differences"] == []

    call_command("send_account_data", stdout=StringIO())
    assert (
        Mail.objects.filter(kind=Mail.Kind.ACCOUNT_CREATED).count()
        == User.objects.filter(customer__isnull=False).count()
    )

    call_command("close_month", "2026-04", stdout=StringIO())
    billed = Invoice.objects.filter(month=make.APRIL, state="fixed", kind=Kind.INVOICE)
    assert dict(billed.values_list("customer__number", "net")) == old.charged
    assert Invoice.objects.filter(kind=Kind.IMPORTED).count() == old.invoices
    assert told("compare_month", "2026-04", old.folder / "old.csv")["equal"]
