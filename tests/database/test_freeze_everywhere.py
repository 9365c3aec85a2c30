"""Every table is either kept by the database against everybody, in every way to write, or named here with the reason why not."""

from datetime import date
from decimal import Decimal

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from accounts.models import Customer, Session, Throttle, User
from billing.models import (
    Correction,
    Credit,
    Decision,
    Discount,
    Download,
    Invoice,
    InvoiceLine,
    InvoicePdf,
    InvoiceXml,
    MonthCheck,
    MonthRun,
    MonthTally,
    NumberGone,
    Parked,
    Rendering,
    Review,
    TaxTotal,
    Upload,
)
from contracts.models import Contract, ContractLine, Meter, MeterPrice, MeterTier, Service, Term
from orders.models import Order, OrderLine, Pending, Usage, UsageCharge, UsageFile
from portal import history, seal
from portal.db import rls
from portal.db.schema import DESK, ROLE
from portal.models import (
    CalendarDay,
    ColumnChoice,
    Counter,
    FaqEntry,
    HistoryEvent,
    Inquiry,
    Installation,
    Mail,
    Message,
    Notice,
    Seal,
    SentForm,
    TaxClass,
    Vendor,
    VendorRegistration,
)
from portal.services import write_on
from tests import make

# What is tried to be written into a row that is kept.
KEPT = {
    Invoice: {"subject": "x"},
    InvoiceLine: {"item": "x"},
    TaxTotal: {"base": 1},
    InvoicePdf: {"rendered_at": timezone.now()},
    InvoiceXml: {"rules": "x"},
    Correction: {"reason": "x"},
    Credit: {"reason": "x"},
    Decision: {"reason": "x"},
    Discount: {"item": "x"},
    NumberGone: {"cause": "x"},
    Review: {"memo": "x"},
    Download: {"at": timezone.now()},
    MonthRun: {"fixed": 99},
    MonthCheck: {"is_closed": False},
    OrderLine: {"item": "x"},
    UsageCharge: {"amount": 1},
    Usage: {"quantity": Decimal(1)},
    UsageFile: {"name": "x"},
    MeterPrice: {"unit_price": Decimal(1)},
    MeterTier: {"unit_price": Decimal(1)},
    HistoryEvent: {"subject": "x"},
    Inquiry: {"body": "x"},
    Message: {"body": "x"},
    TaxClass: {"rate": Decimal("0.01")},
    VendorRegistration: {"number": "T1234567890123"},
    CalendarDay: {"working": True},
    Seal: {"content": b"y"},
}
FREE = {
    Order: "its lines are kept; the head names the document and is taken back with it",
    Contract: "a contract goes on; what it gave is kept in orders and documents",
    ContractLine: "as its contract; the service refuses to change a billed one (D23)",
    Term: "as its contract",
    Meter: "as its contract; its prices are kept",
    Service: "a setting; documents carry what they used",
    Customer: "documents carry their addressee",
    User: "people come and go; the history keeps their names",
    Vendor: "documents carry their issuer",
    Parked: "goes when the month is closed",
    Rendering: "goes when the file is stored",
    Pending: "goes when orders have followed",
    Mail: "its state moves as it is sent",
    Counter: "counts",
    Session: "ends",
    Throttle: "ends",
    SentForm: "ends",
    ColumnChoice: "a person's own taste",
    FaqEntry: "a text on a page",
    Notice: "a text on a page; the history keeps what it said",
    Installation: "says where the database belongs",
    MonthTally: "what is counted again whenever it may have changed",
    Upload: "its state moves as it is taken in, and what was in it goes",
}
OWN = ("portal", "accounts", "contracts", "orders", "billing")
GUARDS = """
    SELECT DISTINCT c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
    WHERE p.proname = 'refuse_change'
"""


@pytest.fixture
def kept(cast):
    """{model: a row that is kept}, one of every table that is."""
    meter = make.make_meter(cast.a.contracts.get(), 10, (20, 7))
    make.use(meter.contract, 30)
    CalendarDay.objects.create(day=date(2026, 5, 20), working=False)
    make.open_month(make.APRIL)
    april = Invoice.objects.get(customer=cast.a)
    Discount.objects.create(customer=cast.a, invoice=april, item="お値引き", amount=1, by=cast.staff)
    make.close_month()
    invoice = Invoice.objects.get(customer=cast.a)
    file = {"customer": cast.a, "invoice": invoice, "content": b"x", "size": 1}
    file["sha256"] = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    told = {"customer": cast.a, "invoice": invoice}
    line = invoice.lines.filter(order_line__isnull=False).first()
    rows = [
        InvoicePdf.objects.create(**file),
        InvoiceXml.objects.create(rules="1.1.3", **file),
        Correction.objects.create(what="void", reason="誤り", by=cast.staff, **told),
        Review.objects.create(user=cast.hanako, **told),
        Download.objects.create(user=cast.hanako, **told),
        make.make_credit(cast.a, 1),
        NumberGone.objects.create(customer=cast.a, number="B202604-000099", month=make.APRIL, cause="取消"),
        Decision.objects.create(
            customer=cast.a, contract_line=line.order_line.contract_line, term=line.order.term, invoice_line=line, choice="refused",
            amount=1, reason="合意", by=cast.staff,
        ),
        TaxClass.objects.get(kind="standard", rate="0.10"),
        CalendarDay.objects.get(day="2026-05-20"),
        seal.keep(b"x"),
        MonthCheck.objects.create(month=make.APRIL, at=timezone.now(), is_closed=True),
        invoice,
        line,
        line.order_line,
    ]  # fmt: skip
    history.record("test", "x", by=cast.hanako, customer=cast.a)
    write_on(make.make_inquiry(cast.hanako), "続き", by=cast.hanako)
    found = {type(row): row for row in rows}
    for model in KEPT:
        if model not in found:
            found[model] = model.objects.order_by("pk").first()
    connection.check_constraints()
    return found


def save(row, change):
    for name, value in change.items():
        setattr(row, name, value)
    row.save(force_update=True)


def delete(row, _change):
    type(row).objects.filter(pk=row.pk)._raw_delete("default")  # Django's own refusals come before the database's


def update(row, change):
    type(row).objects.filter(pk=row.pk).update(**change)


def raw_update(row, change):
    [(name, value)] = change.items()
    run(row, f'UPDATE "{row._meta.db_table}" SET "{name}" = %s', value)


def raw_delete(row, _change):
    run(row, f'DELETE FROM "{row._meta.db_table}"')


def truncate(row, _change):
    with connection.cursor() as cursor:
        cursor.execute(f'TRUNCATE "{row._meta.db_table}" CASCADE')


def run(row, sql, *values):
    with connection.cursor() as cursor:
        cursor.execute(f'{sql} WHERE "{row._meta.pk.column}" = %s', [*values, row.pk])


WAYS = [save, delete, update, raw_update, raw_delete, truncate]


def refused(way, row, role, customer):
    """Whether the database itself says no."""
    try:
        with transaction.atomic(), rls.scope(role, customer.pk):
            way(row, KEPT[type(row)])
            transaction.set_rollback(True)
    except DatabaseError:
        return True
    return False


@pytest.mark.parametrize("role", ["none", ROLE, DESK])
def it_refuses_every_way_to_change_what_is_kept(kept, cast, role):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL portal.test_database = 'off'")
    accepted = [
        f"{way.__name__} of {model.__name__}"
        for model in KEPT
        for way in WAYS
        if not refused(way, model.objects.get(pk=kept[model].pk), role, cast.a)
    ]
    assert accepted == []


def it_knows_of_every_table_whether_it_is_kept(db):
    with connection.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        tables = {name for (name,) in cursor.fetchall() if name.partition("_")[0] in OWN}
        cursor.execute(GUARDS)
        guarded = {name for (name,) in cursor.fetchall()}
    named = {model._meta.db_table for model in [*KEPT, *FREE]}
    bound = {model._meta.db_table for model in apps.get_models(include_auto_created=True) if model._meta.auto_created}
    assert tables - bound == named
    assert guarded == {model._meta.db_table for model in KEPT}
    assert not KEPT.keys() & FREE.keys()
