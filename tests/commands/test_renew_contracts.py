"""`renew_contracts`: adds what is missing, and one bad contract holds up nobody else."""

from datetime import date
from io import StringIO

import pytest
import time_machine
from django.core.management import call_command
from django.db import OperationalError

from billing.management.commands import renew_contracts
from contracts.models import ContractLine, Term
from orders.models import Order
from portal.models import TaxClass
from tests import make


@pytest.fixture(autouse=True)
def in_may():
    with time_machine.travel("2026-05-08T03:00Z"):
        yield


def renew():
    """(exit code, what was said)"""
    said, code = StringIO(), 0
    try:
        call_command("renew_contracts", stdout=said)
    except SystemExit as ended:
        code = ended.code
    return code, said.getvalue()


def it_adds_what_is_missing_once(cast):
    assert renew() == (0, "2026-05 まで更新しました: 契約期間 2 件、注文 2 件を追加\n")
    assert renew() == (0, "2026-05 まで更新しました: 契約期間 0 件、注文 0 件を追加\n")


def it_goes_on_with_the_others_and_names_the_one_that_is_bad(cast):
    for number in range(3, 8):
        make.make_contract(make.make_customer(f"C000000{number}"))
    ContractLine.objects.filter(contract__customer=cast.b).update(tax_kind="exempt")
    exempt = TaxClass.objects.filter(kind="exempt")
    exempt.update(valid_to=date(2026, 4, 30))
    code, said = renew()
    assert code == 1
    assert said.splitlines() == [
        "2026-05 まで更新しました: 契約期間 6 件、注文 6 件を追加",
        "  更新できません C0000002: 「品目1」の税率が 2026/05/31 の税区分にありません。",
    ]
    assert not Term.objects.filter(customer=cast.b, starts_on=make.MAY).exists()
    assert Order.objects.filter(month=make.MAY).count() == 6
    exempt.update(valid_to=None)
    assert renew() == (0, "2026-05 まで更新しました: 契約期間 1 件、注文 1 件を追加\n")


def it_ends_when_the_server_is_in_trouble(cast, monkeypatch):
    class DiskFull(Exception):
        sqlstate = "53100"

    tried = []

    def full(batch, **days):
        tried.append(batch)
        raise OperationalError("could not extend file") from DiskFull()

    monkeypatch.setattr(renew_contracts.services, "renew", full)
    with pytest.raises(Exception, match="could not extend file") as ended:
        call_command("renew_contracts")
    assert ended.value.returncode == 3
    assert len(tried) == 1
