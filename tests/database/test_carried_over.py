"""What migrations carry over: rows as they were before, run through the migration's own SQL."""

from importlib import import_module

from django.db import connection

from billing.models import Credit, Discount, Invoice, InvoiceLine
from tests import make

CONVERT = import_module("billing.migrations.0009_credit_rules").CONVERT


def taken_off(draft, origin, item, amount, position):
    """A line as staff had it on a draft before there were credits and 一括値引き of their own."""
    return InvoiceLine.objects.create(
        customer=draft.customer, invoice=draft, position=position, origin=origin, item=item, starts_on=make.APRIL,
        ends_on=make.APRIL.replace(day=30), quantity=1, unit_price=amount, amount=amount, tax_rate="0.1",
    )  # fmt: skip


def it_keeps_what_negative_adjustments_and_discounts_took_off_a_draft(cast):
    make.close_month()
    make.open_month()
    draft = Invoice.objects.get(customer=cast.b, month=make.MAY)
    fixed = InvoiceLine.objects.exclude(invoice__state="draft").count()
    taken_off(draft, "adjustment", "お詫び", -300, 90)
    taken_off(draft, "discount", "お値引き", -100, 91)
    with connection.cursor() as cursor:
        cursor.execute(CONVERT)
        connection.check_constraints()
    credit, discount = Credit.objects.get(), Discount.objects.get()
    assert (credit.customer, credit.source, credit.amount, credit.item) == (cast.b, "adjustment", 300, "お詫び")
    assert (credit.tax_kind, f"{credit.tax_rate:.2f}", credit.price_basis) == ("standard", "0.10", "exclusive")
    assert (discount.invoice, discount.amount, discount.item) == (draft, 100, "お値引き")
    make.open_month()
    draft.refresh_from_db()
    lines = draft.lines.exclude(amount__gt=0).order_by("amount").values_list("amount", "credit", "discount")
    assert list(lines) == [(-300, credit.pk, None), (-100, None, discount.pk)]
    assert (draft.net, draft.total) == (7377, 8114)
    assert InvoiceLine.objects.exclude(invoice__state="draft").count() == fixed
