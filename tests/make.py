"""Plain functions that make what a test needs; months are those of 2026."""

from datetime import date
from decimal import Decimal
from types import SimpleNamespace

from django.contrib.auth.hashers import make_password
from django.db import transaction

from accounts.models import Customer, User
from billing.demo import data
from billing.models import Credit, Invoice, MonthRun
from billing.month import close
from contracts.models import Contract, ContractLine, Meter, MeterPrice, MeterTier, Service
from orders import usage
from orders.services import renew, start_contract, store_contract
from portal import faq, months
from portal.models import FaqEntry, Inquiry, Vendor
from portal.services import send_inquiry
from tests.replay import remembered

PASSWORD = "Portal-2024!"
APRIL, MAY, JUNE = date(2026, 4, 1), date(2026, 5, 1), date(2026, 6, 1)
IN_MAY = date(2026, 5, 8)


def make_vendor(first_month=APRIL):
    if not Vendor.objects.exists():
        data.set_up_vendor(first_month)
        faq.add_first_questions(FaqEntry)  # migrations did, but tests that commit empty all tables
    return Vendor.objects.get()


def make_customer(number, **fields):
    return Customer.objects.create(**{"number": number, "name": f"会社{number}", **fields})


def make_user(customer, email, **fields):
    return User.objects.create(
        **{
            "customer": customer,
            "email": email,
            "name": email.split("@")[0],
            "password": make_password(PASSWORD),
            **fields,
        }
    )


def make_contract(customer, *lines, today=APRIL, charge_past=False, **fields):
    """A contract with lines of (unit price,) or (unit price, quantity, {fields})."""
    contract, made = draw_up(customer, *lines, **fields)
    return start_contract(contract, made, today=today, charge_past=charge_past)


def draw_up(customer, *lines, service="cloud", start_on=APRIL, **fields):
    """(contract, lines) of that kind, not stored yet."""
    contract = Contract(
        customer=customer, name="サーバ契約", service=Service.objects.get(code=service), start_on=start_on, **fields
    )
    made = []
    for position, line in enumerate(lines or [(1000,)], start=1):
        price, quantity, more = (*line, 1, {})[:3] if len(line) < 3 else line
        more = more if isinstance(more, dict) else {}
        made.append(
            ContractLine(
                position=position,
                unit_price=Decimal(price),
                quantity=Decimal(quantity),
                **{"item": f"品目{position}", "unit": "式", **more},
            )
        )
    return contract, made


def make_meter(contract, price, *tiers, service="line", free_quantity=0, **fields):
    """A metered item in GB with one price from always; `tiers` are (above, unit price)."""
    meter = Meter.objects.create(
        customer=contract.customer, contract=contract, service=Service.objects.get(code=service), item="データ転送量",
        unit="GB", **fields,
    )  # fmt: skip
    make_price(meter, price, *tiers, free_quantity=free_quantity)
    return meter


def make_price(meter, price, *tiers, **fields):
    made = MeterPrice.objects.create(customer=meter.customer, meter=meter, unit_price=Decimal(price), **fields)
    for above, unit_price in tiers:
        MeterTier.objects.create(customer=meter.customer, price=made, above=above, unit_price=Decimal(unit_price))
    return made


def use(contract, quantity, month="2026-04", service="line", today=IN_MAY):
    """Take in a file with one used quantity."""
    row = f"{contract.number},{service},{month},{quantity}"
    return usage.take_in("usage.csv", f"contract,service,period,quantity\n{row}\n".encode(), today=today)


def make_credit(customer, amount, **fields):
    """調整残高 of tax-exclusive yen at 10 %, given in April."""
    return Credit.objects.create(
        **{
            "customer": customer, "source": "adjustment", "tax_kind": "standard", "tax_rate": Decimal("0.1"),
            "price_basis": "exclusive", "amount": amount, "item": "お詫び", "starts_on": APRIL, "ends_on": APRIL,
            "reason": "障害", "given_on": APRIL,
        } | fields
    )  # fmt: skip


def make_inquiry(user, **fields):
    return send_inquiry(Inquiry(**{"subject": "件名", "body": "本文", **fields}), by=user)


@remembered
def cast_rows():
    make_vendor()
    a, b = make_customer("C0000001"), make_customer("C0000002")
    hanako = make_user(a, "hanako@example.com", is_recipient=True, is_manager=True)
    taro = make_user(a, "taro@example.com")
    jiro = make_user(b, "jiro@example.org", is_recipient=True, is_manager=True)
    staff = User.objects.get(email="staff@example.net")
    with transaction.atomic():
        for contract, lines in (draw_up(a, (10000, 2), (500, 3, {"tax_kind": "reduced"})), draw_up(b, (7777,))):
            store_contract(contract, lines, today=APRIL)
        renew([a.pk, b.pk], until=APRIL, today=APRIL)
    return {"a": a, "b": b, "hanako": hanako, "taro": taro, "jiro": jiro, "staff": staff}


@remembered
def billed_rows():
    people = cast_rows()
    close_month()
    open_month()
    return people


def cast():
    return together(**cast_rows())


def billed_cast():
    """The cast in May: April's invoices are fixed, May's are drafts."""
    return together(**billed_rows())


def together(**people):
    people = SimpleNamespace(**people)
    people.hanako.customer = people.taro.customer = people.a
    people.jiro.customer = people.b
    return people


def close_month(month=APRIL, today=IN_MAY, **options):
    return close.run(month, kind=MonthRun.Kind.CLOSE, today=today, **options)


def import_invoice(like, month=date(2026, 3, 1)):
    """An earlier month's invoice as one imports it: fixed, with the head of this one, and without a file."""
    imported = Invoice.objects.get(pk=like.pk)
    imported.pk, imported.number, imported.kind, imported.month = None, f"X-{month:%Y%m}", "imported", month
    imported.state, imported.fixed_on = "draft", None
    imported.save()
    Invoice.objects.filter(pk=imported.pk).update(state="fixed", fixed_on=months.add_months(month, 1))
    return imported


def open_month(month=MAY, today=IN_MAY):
    return close.run(month, kind=MonthRun.Kind.OPEN, today=today)
