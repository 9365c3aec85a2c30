"""`check_month` counts a second time: rows broken behind its back, sums kept consistent, are named with their customer.

One world for all rows of the table: April closed, May open. Each row breaks it with the triggers off, asks, and is undone.
"""

from collections import namedtuple
from datetime import date
from decimal import Decimal

import pytest
from django.db import connection, transaction

from billing.models import Invoice, InvoiceLine
from billing.month import checks
from billing.services import adjust_invoice
from contracts.models import Service
from tests import make

pytestmark = pytest.mark.django_db
MAY_RUN = date(2026, 5, 20)

# What a clever breakage does as well: the documents' totals are those of their lines.
TOTALS = """
    DELETE FROM billing_taxtotal;
    INSERT INTO billing_taxtotal (customer_id, invoice_id, kind, rate, base, tax)
        SELECT customer_id, invoice_id, tax_kind, tax_rate, sum(base)::bigint, sum(tax)::bigint FROM (
            SELECT customer_id, invoice_id, tax_kind, tax_rate,
                CASE price_basis WHEN 'exclusive' THEN sum(amount)
                    ELSE sum(amount) - trunc(sum(amount) * tax_rate / (1 + tax_rate)) END AS base,
                trunc(CASE price_basis WHEN 'exclusive' THEN sum(amount) * tax_rate
                    ELSE sum(amount) * tax_rate / (1 + tax_rate) END) AS tax
            FROM billing_invoiceline GROUP BY 1, 2, 3, 4, price_basis) x GROUP BY 1, 2, 3, 4;
    UPDATE billing_invoice i SET net = t.net, tax = t.tax, total = t.net + t.tax
        FROM (SELECT invoice_id, sum(base)::bigint AS net, sum(tax)::bigint AS tax FROM billing_taxtotal GROUP BY 1) t
        WHERE t.invoice_id = i.id;
"""


def of(number, table="l"):
    return f"{table}.customer_id = (SELECT id FROM accounts_customer WHERE number = '{number}')"


def line(number, change, where="true", *, order=True, bill=True):
    """SQL that changes a customer's lines of April on order and invoice alike, with the order's amount."""
    found = f"{of(number)} AND l.starts_on < '2026-05-01' AND {where}"
    net = change.replace("amount = ", ", net = ") if change.startswith("amount = ") else ""
    ordered = f"""UPDATE orders_orderline l SET {change}{net} WHERE {found};
        UPDATE orders_order o SET amount = l.net FROM (SELECT order_id, sum(net)::bigint AS net FROM orders_orderline GROUP BY 1) l
        WHERE l.order_id = o.id;"""
    billed = f"UPDATE billing_invoiceline l SET {change} WHERE {found} AND origin = 'order';"
    return (ordered if order else "") + (billed if bill else "") + TOTALS


def gone(number, form):
    """SQL that takes away April's order of a contract of that form, and the lines that bill it."""
    orders = f"SELECT o.id FROM orders_order o JOIN contracts_contract k ON k.id = o.contract_id WHERE {of(number, 'o')} AND k.form = '{form}'"
    return (
        f"""
        DELETE FROM billing_invoiceline WHERE order_id IN ({orders});
        DELETE FROM orders_orderline WHERE order_id IN ({orders});
        DELETE FROM orders_order WHERE id IN ({orders});
    """
        + TOTALS
    )


Row = namedtuple("Row", "name sql code number month", defaults=[make.APRIL])
A, B, PART, LONG, METERED, GROSS, ADJUSTED, WHOLE = (f"C000000{n}" for n in range(1, 9))
HEAD = "UPDATE billing_invoice i SET {} WHERE month = '2026-04-01' AND " + of("{}", "i")
AGAIN = """
    INSERT INTO billing_invoiceline (customer_id, invoice_id, position, origin, is_order_head, product_code, item, specification,
        starts_on, ends_on, quantity, unit, unit_price, amount, price_basis, tax_kind, tax_rate)
    SELECT customer_id, invoice_id, position + 90, 'adjustment', false, '', item, '', starts_on, ends_on, 1, '', amount, amount,
        price_basis, tax_kind, tax_rate FROM billing_invoiceline l WHERE {} AND starts_on >= '{}' AND origin = 'order'
"""
ADDED = """
    INSERT INTO contracts_contractline (customer_id, contract_id, position, product_code, item, specification, quantity, unit, unit_price,
        amount, net, price_basis, tax_kind, charge_from, charge_to)
    SELECT customer_id, id, 9, '', '追加品目', '', 1, '', 12000, 12000, 12000, 'exclusive', 'standard', {}, {}
    FROM contracts_contract l WHERE {} AND form = '{}'
"""
ROWS = [
    Row("yearly term without order", gone(LONG, "yearly"), "term_without_order", LONG),
    Row("一括 term without order", gone(LONG, "once"), "term_without_order", LONG),
    Row("monthly term without order", gone(B, "monthly"), "term_without_order", B),
    Row("invoice line dearer than its order line", line(B, "amount = amount + 1000", order=False), "recount", B),
    Row("invoice line cheaper than its order line", line(B, "amount = amount - 1000", order=False), "recount", B),
    Row("order line rewritten under a fixed invoice", line(B, "amount = amount + 1000", bill=False), "recount", B),
    Row("order line and invoice line dearer than quantity × price", line(B, "amount = amount + 1"), "recount", B),
    Row("invoice line with another item", line(B, "item = 'x'", order=False), "recount", B),
    Row("invoice line with another specification", line(B, "specification = 'x'", order=False), "recount", B),
    Row("invoice line with another product code", line(B, "product_code = 'x'", order=False), "recount", B),
    Row("invoice line with another quantity", line(B, "quantity = 2", order=False), "recount", B),
    Row("invoice line with another unit price", line(B, "unit_price = 1", order=False), "recount", B),
    Row("invoice line with another unit", line(B, "unit = '箱'", order=False), "recount", B),
    Row("invoice line with another first day", line(B, "starts_on = '2026-04-02'", order=False), "recount", B),
    Row("invoice line with another last day", line(B, "ends_on = '2026-04-29'", order=False), "recount", B),
    Row("invoice line of another kind of tax", line(B, "tax_kind = 'reduced'", order=False), "recount", B),
    Row("invoice line of another contract", f"""UPDATE billing_invoiceline l SET contract_id = (SELECT id FROM contracts_contract k
        WHERE {of(LONG, "k")} AND form = 'once') WHERE {of(LONG)} AND origin = 'order'""", "recount", LONG),
    Row("invoice line of another service", f"""UPDATE billing_invoiceline l SET service_id = (SELECT max(id) FROM contracts_service)
        WHERE {of(B)}""", "recount", B),
    Row("order dearer than its lines", f"UPDATE orders_order l SET amount = amount + 1 WHERE {of(B)}", "recount", B),
    Row("order without lines", f"""UPDATE billing_invoiceline l SET order_line_id = NULL, origin = 'adjustment', is_order_head = false
        WHERE {of(B)}; DELETE FROM orders_orderline l WHERE {of(B)}""", "recount", B),
    Row("order cancelled under its invoice", f"UPDATE orders_order l SET reversed_on = '2026-05-08' WHERE {of(B)}", "recount", B),
    Row("8 % for a standard line, on order and invoice", line(B, "tax_rate = 0.08"), "recount", B),
    Row("10 % for a reduced line", line(A, "tax_rate = 0.1", "tax_kind = 'reduced'"), "recount", A),
    Row("a rate that nobody registered", line(B, "tax_rate = 0.12"), "recount", B),
    Row("tax rounded up", f"""UPDATE billing_taxtotal l SET tax = tax + 1 WHERE {of(B)};
        UPDATE billing_invoice l SET tax = tax + 1, total = total + 1 WHERE {of(B)}""", "tax", B),
    Row("invoice rounded by another mode", HEAD.format("rounding = 'up'", B), "recount", B),
    Row("日割 at full price", line(PART, "amount = 10000"), "recount", PART),
    Row("日割 for a day too many", line(PART, "amount = 5333"), "recount", PART),
    Row("whole month at part price", line(A, "amount = 10000", "tax_kind = 'standard'"), "recount", A),
    Row("yearly at part price", line(LONG, "amount = 33000", "quantity = 1"), "recount", LONG),
    Row("net of a tax-inclusive line", f"UPDATE orders_orderline l SET net = net - 1 WHERE {of(GROSS)};"
        f"UPDATE orders_order l SET amount = amount - 1 WHERE {of(GROSS)}", "recount", GROSS),
    Row("due date moved", HEAD.format("due_on = '2026-06-30'", B), "recount", B),
    Row("due date on a Sunday", HEAD.format("due_on = '2026-05-31'", B), "recount", B),
    Row("date of the invoice moved", HEAD.format("issued_on = '2026-05-01'", B), "recount", B),
    Row("fixed on a day without close", HEAD.format("fixed_on = '2026-05-09'", B), "recount", B),
    Row("登録番号 emptied", HEAD.format("""issuer = jsonb_set(issuer, '{registration_number}', '""')""", B), "recount", B),
    Row("bank account changed", HEAD.format("""issuer = jsonb_set(issuer, '{bank_account}', '"x"')""", B), "recount", B),
    Row("issuer's name gone", HEAD.format("issuer = issuer - 'name'", B), "recount", B),
    Row("宛先 emptied", HEAD.format("addressee = '{}'", B), "recount", B),
    Row("addressee's name emptied", HEAD.format("""addressee = jsonb_set(addressee, '{name}', '""')""", B), "recount", B),
    Row("addressee's address emptied", HEAD.format("""addressee = jsonb_set(addressee, '{address}', '""')""", WHOLE), "recount", WHOLE),
    Row("addressee's department emptied", HEAD.format("addressee = addressee - 'department'", WHOLE), "recount", WHOLE),
    Row("adjustment that doubles a billed line", AGAIN.format(of(B), "2026-04-01") + ";" + TOTALS, "recount", B),
    Row("adjustment in May that doubles April's line", f"UPDATE billing_invoiceline l SET (item, amount, unit_price, starts_on, ends_on)"
        f" = (SELECT item, amount, amount, starts_on, ends_on FROM billing_invoiceline l WHERE {of(ADJUSTED)} AND origin = 'order'"
        f" AND starts_on < '2026-05-01') WHERE {of(ADJUSTED)} AND origin = 'adjustment' AND starts_on < '2026-05-01';" + TOTALS,
        "recount", ADJUSTED),
    Row("adjustment dearer than quantity × price", f"UPDATE billing_invoiceline l SET amount = 501 WHERE {of(ADJUSTED)}"
        f" AND origin = 'adjustment';{TOTALS}", "recount", ADJUSTED),
    Row("usage changed after it was billed", f"UPDATE orders_usage l SET quantity = quantity + 1 WHERE {of(METERED)}", "recount", METERED),
    Row("usage charge of another price", f"""UPDATE orders_usagecharge l SET amount = amount + 10 WHERE {of(METERED)} AND position = 1;
        UPDATE billing_invoiceline l SET amount = amount + 10 WHERE {of(METERED)} AND usage_charge_id = (SELECT id FROM orders_usagecharge
        g WHERE {of(METERED, "g")} AND position = 1);{TOTALS}""", "recount", METERED),
    Row("usage billed for another amount", f"""UPDATE billing_invoiceline l SET amount = amount + 10 WHERE {of(METERED)}
        AND origin = 'usage';{TOTALS}""", "recount", METERED),
    Row("usage charge dropped under its invoice", f"UPDATE orders_usagecharge l SET dropped_on = '2026-05-09' WHERE {of(METERED)}",
        "balance", METERED),
    Row("order line that no invoice shows", f"DELETE FROM billing_invoiceline l WHERE {of(A)} AND tax_kind = 'reduced'"
        f" AND starts_on < '2026-05-01';{TOTALS}", "order_without_invoice", A),
    Row("the same, as a sum", f"DELETE FROM billing_invoiceline l WHERE {of(A)} AND tax_kind = 'reduced'"
        f" AND starts_on < '2026-05-01';{TOTALS}", "balance", A),
    Row("line of an order line that is gone", f"UPDATE billing_invoiceline l SET order_line_id = NULL, origin = 'correction', (replaces_id, root_id) = (l.id, l.id), is_order_head = false WHERE {of(B)};"
        f"DELETE FROM orders_orderline l WHERE {of(B)}; DELETE FROM orders_order l WHERE {of(B)} AND NOT EXISTS"
        f" (SELECT FROM billing_invoiceline b WHERE b.order_id = l.id)", "recount", B),
    Row("price of an unbilled line changed", f"UPDATE contracts_contractline l SET (unit_price, amount, net) = (9999, 9999, 9999)"
        f" WHERE {of(B)}", "recount", B, make.MAY),
    Row("item of an unbilled line changed", f"UPDATE contracts_contractline l SET item = 'x' WHERE {of(B)}", "recount", B, make.MAY),
    Row("kind of tax of an unbilled line changed", f"UPDATE contracts_contractline l SET tax_kind = 'reduced' WHERE {of(B)}",
        "recount", B, make.MAY),
    Row("line for May that May's order lacks", ADDED.format("NULL::date", "NULL::date", of(B), "monthly"), "recount", B, make.MAY),
    Row("line that ended before May", f"UPDATE contracts_contractline l SET charge_to = '2026-04-30' WHERE {of(B)}", "recount", B, make.MAY),
    Row("解約日 before May", f"UPDATE contracts_contract l SET cancel_on = '2026-04-30' WHERE {of(B)}", "recount", B, make.MAY),
    Row("解約日 inside May", f"UPDATE contracts_contract l SET cancel_on = '2026-05-10' WHERE {of(PART)}", "recount", PART, make.MAY),
    Row("請求開始年月 after May", f"UPDATE contracts_contract l SET bill_from = '2026-06-01' WHERE {of(B)}", "recount", B, make.MAY),
    Row("contract taken back, its order not", f"UPDATE contracts_contract l SET withdrawn_on = '2026-05-10' WHERE {of(B)}",
        "recount", B, make.MAY),
    Row("May's term, order and bill gone", f"DELETE FROM billing_invoiceline l WHERE {of(B)} AND starts_on >= '2026-05-01';"
        f"DELETE FROM orders_orderline l WHERE {of(B)} AND starts_on >= '2026-05-01'; DELETE FROM orders_order l WHERE {of(B)}"
        f" AND month = '2026-05-01'; DELETE FROM contracts_term l WHERE {of(B)} AND starts_on >= '2026-05-01';{TOTALS}",
        "recount", B, make.MAY),
    Row("May's term shorter than May", f"UPDATE contracts_term l SET ends_on = '2026-05-20' WHERE {of(B)} AND starts_on >= '2026-05-01'",
        "recount", B, make.MAY),
    Row("term with another number", f"UPDATE contracts_term l SET sequence = 7 WHERE {of(B)} AND starts_on >= '2026-05-01'",
        "recount", B, make.MAY),
    Row("日割 switched on behind the orders' back", f"UPDATE contracts_contractline l SET charge_from = '2026-05-16' WHERE {of(PART)}",
        "recount", PART, make.MAY),
    Row("option of a year in May without 追加", ADDED.format("'2026-05-10'", "NULL::date", of(LONG), "yearly"), "recount", LONG, make.MAY),
    Row("a file charged closed April", ADDED.format("'2026-04-01'", "'2026-04-30'", of(B), "monthly"), "charge_past", B, make.MAY),
    Row("the same in April itself", ADDED.format("'2026-04-01'", "'2026-04-30'", of(B), "monthly"), "charge_past", B),
    Row("課金終了日 of a billed line taken back", f"UPDATE contracts_contractline l SET charge_to = NULL WHERE {of(PART)}; "
        f"UPDATE orders_orderline l SET (amount, net, ends_on) = (3333, 3333, '2026-04-25') WHERE {of(PART)} AND starts_on < '2026-05-01'",
        "charge_past", PART, make.MAY),
    Row("yearly term and order gone", gone(LONG, "yearly") + f"DELETE FROM contracts_term l WHERE {of(LONG)} AND ends_on > '2026-12-31'",
        "charge_past", LONG),
    Row("一括 term and order gone", gone(LONG, "once") + f"DELETE FROM contracts_term l WHERE {of(LONG)} AND starts_on = '2026-04-10'",
        "charge_past", LONG, make.MAY),
    Row("order of May moved to June", f"UPDATE orders_order l SET month = '2026-06-01' WHERE {of(B)} AND month = '2026-05-01'",
        "recount", B, make.MAY),
    Row("totals of nothing", f"DELETE FROM billing_taxtotal l WHERE {of(B)}", "totals", B),
    Row("draft left behind by the close", HEAD.format("state = 'draft', fixed_on = NULL", B), "draft_after_close", B),
]  # fmt: skip


@pytest.fixture(scope="module")
def world(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), transaction.atomic():
        build()
        yield
        transaction.set_rollback(True)


def build():
    staff = make.cast().staff
    part, long, metered, gross, adjusted = (
        make.make_customer(number) for number in (PART, LONG, METERED, GROSS, ADJUSTED)
    )
    whole = make.make_customer(
        WHOLE, address="東京都", postal_code="100-0000", billing_department="経理部", billing_person="佐藤"
    )
    Service.objects.filter(code="backup").update(prorate=True)
    make.make_contract(part, (10000,), service="backup", start_on=date(2026, 4, 16), today=date(2026, 4, 16))
    make.make_contract(long, (36000,), form="yearly")
    make.make_contract(long, (180000,), form="once", start_on=date(2026, 4, 10), today=date(2026, 4, 10))
    meter = make.make_meter(make.make_contract(metered, (1000,)), 10, (20, 7))
    make.use(meter.contract, 30)
    make.make_contract(gross, (1100, 1, {"price_basis": "inclusive"}))
    make.make_contract(adjusted, (3000,))
    make.make_contract(whole, (4000,))
    make.open_month(make.APRIL, today=make.IN_MAY)
    draft = Invoice.objects.get(customer=adjusted)
    extra = InvoiceLine(
        item="作業", quantity=1, unit_price=Decimal(500), starts_on=make.APRIL, ends_on=make.APRIL, position=9
    )
    adjust_invoice(draft, [extra], by=staff)
    make.close_month()
    make.open_month(make.MAY, today=MAY_RUN)
    with connection.cursor() as cursor:  # as if nobody had saved a customer since
        cursor.execute("UPDATE accounts_customer SET updated_at = '2026-04-01'")


def broken(month, sql=""):
    """What `check_month` finds broken or waiting, as {code: numbers of customers}, when the triggers have looked away."""
    connection.check_constraints()
    with connection.cursor() as cursor:
        if sql:
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute(sql)
            cursor.execute("SET LOCAL session_replication_role = DEFAULT")
    found = checks.check(month, today=MAY_RUN)
    return {
        each.code: {item.customer for item in each.items} for each in found if each.rows and each.kind != checks.WARNING
    }


@pytest.mark.parametrize("month", [make.APRIL, make.MAY])
def it_finds_nothing_in_the_sound_world(world, month):
    assert set(broken(month)) <= {"pdf_missing"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def it_names(world, row):
    found = broken(row.month, row.sql)
    assert row.number in found.get(row.code, ()), found
