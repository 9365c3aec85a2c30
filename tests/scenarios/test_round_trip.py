"""What staff's exports write imports again without a change, and makes the same customers, users and contracts elsewhere.

A few drawn vendors are in `bin/test`; many, for a night: `bin/test -m nightly tests/scenarios/test_round_trip.py`.
"""

import io
from datetime import date
from decimal import Decimal

import pytest
import time_machine
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from accounts.models import Customer, User
from accounts.services import create_user, save_customer
from billing.uploads import sheets
from billing.uploads.kinds import SORTS
from contracts.models import Contract, ContractLine, Meter, MeterPrice, Service
from contracts.services import PriceTyped, save_meter
from orders.services import start_contract, withdraw_contract
from portal.desk import Desk
from portal.imports.taking import take_in
from tests import make
from tests.stored import differing, digests

KINDS = ("customers", "users", "contracts")
TODAY = make.IN_MAY
DAYS = [date(2016, 5, 10), date(2025, 8, 1), make.APRIL, date(2026, 5, 3), date(2026, 7, 31)]
AWKWARD = [
    "(空)",
    "（空）",
    "'(空)",
    "'=1",
    "=1+1",
    "-1",
    "00012",
    "2026/05/01",
    "１２",
    "1,234",
    '"',
    "'",
    "x\u200by",
    "か\u3099",
]
words = st.sampled_from(AWKWARD) | st.text("あｱ髙﨑①𠮷Aa0 \u3000\u00a0'=+-@\"',;|()空", max_size=12)
passages = words | st.lists(words, max_size=3).map("\r\n".join) | st.just("一\r\n\t二\n  三 \r\n=四\r\n\r\n")
perhaps_day = st.sampled_from([None] * 10 + DAYS)
bases, kinds = st.sampled_from(["exclusive", "inclusive"]), st.sampled_from(["standard", "reduced", "exempt"])
lines = st.fixed_dictionaries(
    {
        "item": words, "product_code": words, "specification": words, "unit": words,
        "quantity": st.sampled_from(["0.001", "1", "2.5", "12345.678"]),
        "unit_price": st.sampled_from(["0", "1000", "333.33", "1", "9876543.21", "0.01", "1234.5", "-1234.5"]),
        "price_basis": bases, "tax_kind": kinds, "charge_from": perhaps_day, "charge_to": perhaps_day,
    }
)  # fmt: skip
tiers = st.dictionaries(st.sampled_from(["0.5", "500", "1000.125"]), st.sampled_from(["0", "9", "7.25"]), max_size=3)
prices = st.tuples(st.sampled_from(["0", "10", "0.01"]), st.sampled_from(["0", "1.5", "1000"]), tiers)
meters = st.fixed_dictionaries(
    {
        "item": words, "unit": words, "price_basis": bases, "tax_kind": kinds, "first": prices,
        "later": st.dictionaries(st.sampled_from([make.MAY, make.JUNE, date(2025, 1, 1)]), prices, max_size=2),
    }
)  # fmt: skip
contracts = st.fixed_dictionaries(
    {
        "name": words, "plan": words, "purchase_order": words, "note": passages,
        "service": st.sampled_from(["cloud", "line", "monitor", "_-x"]), "form": st.sampled_from(["monthly", "monthly", "yearly", "once"]),
        "start_on": st.sampled_from(DAYS), "cancel_on": perhaps_day, "auto_renew": st.sampled_from([True, True, False]),
        "bill_from": st.sampled_from([None, None, make.MAY]), "lines": st.lists(lines, max_size=3),
        "meters": st.dictionaries(st.sampled_from(["line", "cloud"]), meters, max_size=2),
        "then": st.sampled_from(["raise", "raise", "end", "withdraw", "add"]),
    }
)  # fmt: skip
users = st.fixed_dictionaries(
    {"name": words, "kana": st.just("") | st.just("カナ"), "department": words, "position": words}
)
customers = st.fixed_dictionaries(
    {
        "name": words, "address": words, "representative": words, "billing_name": words, "payment_months": st.integers(0, 12),
        "due_shift": st.sampled_from(["next", "previous", "none"]), "since": perhaps_day,
        "users": st.lists(users, max_size=3), "contracts": st.lists(contracts, min_size=1, max_size=5),
    }
)  # fmt: skip

LINE = {"item": "基本", "unit": "式", "unit_price": "1000", "tax_kind": "reduced", "price_basis": "inclusive"}
PRICES = ("5", "10", {"500": "9", "1000.125": "7.25"})
METER = {"item": "転送量", "unit": "GB", "price_basis": "exclusive", "tax_kind": "standard", "first": PRICES}
SIGNED = {
    "name": "(空)", "note": "=一\n  二", "service": "_-x", "form": "monthly", "start_on": make.APRIL, "cancel_on": None,
    "purchase_order": "-1", "meters": {}, "lines": [LINE, LINE | {"charge_to": date(2026, 5, 20)}],
}  # fmt: skip
# One of each: with a line that goes on from a billed one, ended, taken back, without lines, metered alone.
WHOLE = {
    "name": "=会社", "users": [{"name": "一"}, {"name": "-二"}],
    "contracts": [
        SIGNED | {"then": "raise"}, SIGNED | {"then": "end"}, SIGNED | {"lines": [], "then": "nothing"},
        SIGNED | {"start_on": DAYS[-1], "then": "withdraw"},
        SIGNED | {"lines": [], "meters": {"line": METER | {"later": {make.JUNE: ("0", "8", {})}}}, "then": "nothing"},
    ],
}  # fmt: skip


def typed(model, values):
    """The row as it is after staff typed these words into its page; nothing where the page refuses them."""
    desk, row = Desk(model, admin.site), model()
    for name, value in values.items():
        if isinstance(value, str):
            field = desk.formfield_for_dbfield(model._meta.get_field(name), None)
            try:
                value = field.clean(value)
            except ValidationError:
                value = "名" if field.required else ""
        setattr(row, name, value)
    return row


def without(values, *names):
    return {name: value for name, value in values.items() if name not in names}


def try_to(act, *given, **options):
    """What staff's pages refuse doesn't come about."""
    try:
        with transaction.atomic():
            return act(*given, **options)
    except ValidationError:
        return None


def settle(drawn, staff):
    """Store a drawn vendor's customers as staff would, with a month that is closed in the middle."""
    Service.objects.create(code="_-x", name="=サービス"), Service.objects.create(code="_x", name="cloud")
    made = []
    for place, values in enumerate(drawn):
        customer = typed(Customer, without(values, "users", "contracts") | {"number": f"-{place}"})
        save_customer(customer, by=staff)
        for number, user in enumerate(values["users"]):
            row = typed(User, user)
            row.customer, row.email = customer, f"u{number}@{place}.example.com"
            create_user(row, later=True, by=staff)
        made += [(sign(customer, each, staff), each["then"]) for each in values["contracts"]]
    make.close_month()
    for contract, then in made:
        if contract:
            go_on(contract, then, staff)


def sign(customer, values, staff):
    contract = typed(Contract, without(values, "lines", "meters", "then", "service"))
    contract.customer, contract.service = customer, Service.objects.get(code=values["service"])
    rows = [typed(ContractLine, each | {"position": 3 * place}) for place, each in enumerate(values["lines"])]
    stored = try_to(checked, contract, rows, staff)
    for service, meter in values["meters"].items() if stored else ():
        row = typed(Meter, without(meter, "first", "later"))
        row.contract, row.service = contract, Service.objects.get(code=service)
        save_meter(
            row, [priced(since, each) for since, each in [(None, meter["first"]), *meter["later"].items()]], by=staff
        )
    return stored


def checked(contract, rows, staff):
    for row in (contract, *rows):
        row.clean()
    return start_contract(contract, rows, today=make.APRIL, by=staff)


def priced(since, drawn):
    unit_price, free, steps = drawn
    price = MeterPrice(since=since, unit_price=Decimal(unit_price), free_quantity=Decimal(free))
    return PriceTyped(price, sorted((Decimal(above), Decimal(each)) for above, each in steps.items()))


def go_on(contract, then, staff):
    """What happens to it after its first month is billed."""
    contract = Contract.objects.get(pk=contract.pk)
    rows = list(contract.lines.all())
    if then == "withdraw":
        try_to(withdraw_contract, contract, today=TODAY, by=staff)
    elif then == "end":
        contract.cancel_on = max(contract.start_on, date(2026, 5, 20))
        try_to(start_contract, contract, today=TODAY, by=staff)
    elif then == "add":
        try_to(
            start_contract,
            contract,
            [ContractLine(position=20, item="追加", unit_price=Decimal(5))],
            today=TODAY,
            by=staff,
        )
    elif then == "raise" and rows:
        rows[0].unit_price += 1
        try_to(start_contract, contract, rows[:1], today=TODAY, by=staff, apply="next")


def exported(kind):
    file = io.BytesIO()
    sheets.write(file, SORTS[kind].kind.columns, SORTS[kind].rows())
    return file.getvalue()


def take(kind, content, staff):
    report = take_in(SORTS[kind].kind, f"{kind}.csv", content, today=TODAY, by=staff)
    assert report.errors == [], report.errors
    return report


def shapes():
    continues, withdrawn = ContractLine.objects.exclude(continues=None), Contract.objects.exclude(withdrawn_on=None)
    found = {"lines": ContractLine.objects, "continues": continues, "withdrawn": withdrawn, "meters": Meter.objects}
    return {name: rows.count() for name, rows in found.items()}


def go_round(drawn, staff):
    with transaction.atomic():
        settle(drawn, staff)
        assert drawn != [WHOLE] or shapes() == {"lines": 7, "continues": 1, "withdrawn": 1, "meters": 1}
        files, before = {kind: exported(kind) for kind in KINDS}, digests()
        for kind, content in files.items():
            report = take(kind, content, staff) if content.count(b"\n") > 1 else None
            assert report is None or (report.added, report.changed) == (0, 0), kind
        assert differing(before, digests()) == set()
        transaction.set_rollback(True)
    with transaction.atomic():
        Service.objects.create(code="_-x", name="=サービス"), Service.objects.create(code="_x", name="cloud")
        for kind, content in files.items():
            if content.count(b"\n") > 1:
                take(kind, content, staff)
            assert exported(kind).decode() == content.decode()
        connection.check_constraints()
        transaction.set_rollback(True)


def play(examples):
    make.make_vendor()
    staff = User.objects.get(email="staff@example.net")

    @settings(
        max_examples=examples, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )  # fmt: skip
    @example([WHOLE])
    @given(st.lists(customers, min_size=1, max_size=3))
    def every_vendor(drawn):
        go_round(drawn, staff)

    with time_machine.travel("2026-05-08T03:00Z"):
        every_vendor()


def it_takes_back_what_it_wrote_and_makes_the_same_elsewhere(db):
    play(2)


@pytest.mark.nightly
def it_takes_back_what_it_wrote_of_many_vendors(db):
    play(400)
