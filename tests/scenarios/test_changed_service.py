"""サービス of a contract: it may be mended while nothing is fixed, and drafts follow; a fixed document stays what it was."""

import pytest
from django.core.exceptions import ValidationError

from billing.models import InvoiceLine
from billing.month import checks
from contracts.models import Service
from orders.services import start_contract
from tests import make


def change(contract, today):
    contract.service = Service.objects.get(code="backup")
    return start_contract(contract, today=today)


def it_moves_the_lines_of_drafts_with_the_contract(cast):
    make.open_month(make.APRIL, today=make.APRIL)
    change(cast.a.contracts.get(), make.APRIL)
    make.open_month(make.APRIL, today=make.APRIL)
    assert set(InvoiceLine.objects.filter(customer=cast.a).values_list("service__code", flat=True)) == {"backup"}
    assert not [each for each in checks.check(make.APRIL, today=make.APRIL) if each.code == "recount" and each.items]


def it_asks_for_another_contract_once_a_document_is_fixed(cast):
    make.close_month()
    with pytest.raises(ValidationError) as refused:
        change(cast.a.contracts.get(), make.IN_MAY)
    assert "別の契約を登録してください" in refused.value.message_dict["service"][0]
