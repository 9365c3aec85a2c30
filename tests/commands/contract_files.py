"""Files of contracts: their rows, how they are taken in, and what was told and ordered."""

import json
from contextlib import contextmanager
from io import StringIO

import time_machine
from django.core.management import call_command

from orders.models import Order
from tests import make

HEADING = (
    "契約番号,お客様番号,契約名,サービス,プラン,契約形態,契約開始日,更新区分,解約日,請求開始年月,発注番号,備考,"
    "行,品目,数量,単位,単価,税込/税抜,税区分,課金開始日,課金終了日"
)
NAMES = [
    "number", "customer", "name", "service", "plan", "form", "start_on", "auto_renew", "cancel_on", "bill_from", "purchase_order",
    "note", "line", "item", "quantity", "unit", "unit_price", "price_basis", "tax_kind", "charge_from", "charge_to",
]  # fmt: skip
METERED = "number,customer,name,service,start_on,line,item,unit,unit_price,meter,meter_service,free_quantity,prices_from,tiers"


@contextmanager
def vendor_in_may():
    """A vendor with the customers A and B, on 8 May."""
    with time_machine.travel("2026-05-08T03:00Z"):
        make.make_vendor()
        make.make_customer("A"), make.make_customer("B")
        yield


def sender(folder):
    """A function that writes a file and takes it in; it returns what was told as JSON, errors too."""

    def sent(*lines, encoding="utf-8", options=()):
        path, said = folder / "contracts.csv", StringIO()
        path.write_bytes("\r\n".join([*lines, ""]).encode(encoding))
        try:
            call_command("import_contracts", str(path), "--json", *options, stdout=said)
        except SystemExit as ended:
            assert ended.code == 2
        return json.loads(said.getvalue())

    return sent


def row(**values):
    return ",".join(values.get(name, "") for name in NAMES)


def new(number="K-1", **values):
    """A row of a new contract of A since April with one line of 1,000 yen."""
    given = {
        "customer": "A", "name": "サーバ", "service": "cloud", "start_on": "2026-04-01", "item": "基本", "unit_price": "1000",
    }  # fmt: skip
    return row(**{"number": number, **given, **values})


def counts(told):
    return told["added"], told["changed"], told["unchanged"]


def faults(told):
    return [(fault["line"], fault["heading"], fault["value"], fault["code"]) for fault in told["errors"]]


def orders(number=None):
    found = Order.objects.filter(contract__number=number) if number else Order.objects
    return [
        f"{each.month:%Y-%m} {each.kind} {each.amount}" for each in found.order_by("contract__number", "month", "id")
    ]
