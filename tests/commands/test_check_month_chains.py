"""`check_month` reads documents beside the record of what was done to them: who changes one behind its back is told of.

One world for all rows of the table: April is closed, and of its invoices one was corrected, one given back in part, one voided.
Each row breaks it with the triggers off, asks, and is undone.
"""

from collections import namedtuple
from decimal import Decimal

import pytest
from django.db import connection, transaction

from accounts.models import Customer
from billing.corrections.giving_back import give_back
from billing.corrections.reissue import reissue
from billing.corrections.voiding import void
from billing.models import Invoice
from billing.month import checks
from tests import make
from tests.commands.test_check_month_breakages import MAY_RUN, TOTALS, broken, of

pytestmark = pytest.mark.django_db
OTHER, _SECOND, CORRECTED, GIVEN, VOID, CREDITED = (f"C000000{n}" for n in range(1, 7))
BY = {"reason": "理由", "by": None, "today": make.IN_MAY}

DOCUMENT = "UPDATE billing_invoice i SET {} WHERE " + of("{}", "i") + " AND i.month = '2026-04-01' AND i.kind = '{}'"
LINES = (
    "UPDATE billing_invoiceline l SET {} FROM billing_invoice i WHERE i.id = l.invoice_id AND "
    + of("{}")
    + (" AND i.kind = '{}';" + TOTALS)
)
GONE = """DELETE FROM billing_taxtotal t USING billing_invoice i WHERE i.id = t.invoice_id AND i.kind = 'return';
    DELETE FROM billing_invoiceline l USING billing_invoice i WHERE i.id = l.invoice_id AND i.kind = 'return';
    DELETE FROM billing_invoice WHERE kind = 'return'"""
RECORD = "DELETE FROM billing_correction WHERE what = '{}'"

Row = namedtuple("Row", "name sql number code month", defaults=["chain", make.APRIL])
ROWS = [
    Row("取消 taken back", DOCUMENT.format("state = 'fixed'", VOID, "invoice"), VOID),
    Row("取消 without its record", RECORD.format("void"), VOID),
    Row("取消 that nobody did", DOCUMENT.format("state = 'void'", OTHER, "invoice"), OTHER),
    Row("差替済 without a 修正", DOCUMENT.format("state = 'replaced'", OTHER, "invoice"), OTHER),
    Row("修正 without its record", RECORD.format("reissue"), CORRECTED),
    Row("返還 without its record", RECORD.format("return"), GIVEN),
    Row("返還 gone", GONE, GIVEN),
    Row("修正 of another document", DOCUMENT.format(
        f"corrects_id = (SELECT min(o.id) FROM billing_invoice o WHERE {of(OTHER, 'o')})", CORRECTED, "correction"), CORRECTED),
    Row("修正 dated back", DOCUMENT.format("issued_on = '2026-04-30'", CORRECTED, "correction"), CORRECTED),
    Row("修正 fixed on another day", DOCUMENT.format("fixed_on = '2026-05-01'", CORRECTED, "correction"), CORRECTED),
    Row("支払期日 of a 修正 moved", DOCUMENT.format("due_on = '2026-07-31'", CORRECTED, "correction"), CORRECTED),
    Row("支払期日 of a late 修正 moved near", DOCUMENT.format("(fixed_on, issued_on, due_on) = ('2026-06-10', '2026-06-10', '2026-06-15')",
        CORRECTED, "correction"), CORRECTED),
    Row("返還 of another month", DOCUMENT.format("month = '2026-05-01'", GIVEN, "return"), GIVEN, "chain", make.MAY),
    Row("返還 rounded otherwise", DOCUMENT.format("rounding = 'up'", GIVEN, "return"), GIVEN),
    Row("修正 to be paid otherwise", DOCUMENT.format("payment_method = 'card'", CORRECTED, "correction"), CORRECTED),
    Row("返還 in another class", LINES.format("tax_rate = 0.08", GIVEN, "return"), GIVEN),
    Row("修正 at another rate", LINES.format("tax_rate = 0.08", CORRECTED, "correction"), CORRECTED),
    Row("宛先 of a 修正 emptied", DOCUMENT.format("""addressee = jsonb_set(addressee, '{name}', '""')""", CORRECTED, "correction"), CORRECTED, "recount"),
    Row("another company's number in the 宛先", DOCUMENT.format("addressee = addressee || '{\"number\": \"C0000002\"}'", OTHER, "invoice"),
        OTHER, "recount"),
    Row("invoice moved to another month", DOCUMENT.format("month = '2026-03-01'", OTHER, "invoice"), OTHER, "recount"),
    Row("the same, in that month", DOCUMENT.format("month = '2026-03-01'", OTHER, "invoice"), OTHER, "recount", make.APRIL.replace(month=3)),
    Row("notice of another company", f"""UPDATE portal_mail SET customer_id = (SELECT max(id) FROM accounts_customer)
        WHERE key = (SELECT 'invoice_void:' || number FROM billing_invoice i WHERE {of(VOID, 'i')} AND state = 'void')""", VOID, "mail_missing"),
    Row("調整残高 gone that an invoice took up", "DELETE FROM billing_credit", CREDITED, "credit_balance", make.MAY),
]  # fmt: skip


@pytest.fixture(scope="module")
def world(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), transaction.atomic():
        build()
        yield
        transaction.set_rollback(True)


def build():
    make.cast()
    for number in (CORRECTED, GIVEN, VOID, CREDITED):
        make.make_contract(make.make_customer(number), (10000,), (2000, 1, {"tax_kind": "reduced"}))
    make.close_month()
    first = of_april(CORRECTED).lines.first()
    reissue(of_april(CORRECTED), {first.pk: {"quantity": Decimal(1), "unit_price": Decimal(9000)}}, **BY)
    give_back(of_april(GIVEN), {of_april(GIVEN).lines.first().pk: 3000}, **BY)
    void(of_april(VOID), **BY)
    make.make_credit(Customer.objects.get(number=CREDITED), 4000)
    make.open_month(make.MAY, today=MAY_RUN)


def of_april(number):
    return Invoice.objects.get(customer__number=number, month=make.APRIL, kind="invoice")


@pytest.mark.parametrize("month", [make.APRIL, make.MAY])
def it_finds_nothing_in_the_sound_world(world, month):
    assert set(broken(month)) <= {"pdf_missing"}
    assert numbers_gone(month) == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def it_names(world, row):
    found = broken(row.month, row.sql)
    assert row.number in found.get(row.code, ()), found


def numbers_gone(month=make.APRIL):
    [found] = [each for each in checks.check(month, today=MAY_RUN) if each.code == "number_gone"]
    return found.rows


def it_tells_of_numbers_that_neither_a_document_nor_a_record_has(world):
    broken(make.APRIL, GONE)
    assert numbers_gone() == [("B202604-000008", "記録のない欠番")]


def it_tells_of_neighbours_at_once(world):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE portal_counter SET value = value + 500 WHERE series = 'B202604-'")
    assert numbers_gone() == [("B202604-000009", "～ B202604-000508 記録のない欠番")]
