"""A contract that was registered by mistake is taken back, while nothing of it is billed (D26)."""

from datetime import date

import pytest
from django.core.exceptions import ValidationError

from billing.models import Invoice, InvoiceLine
from billing.month import checks
from contracts.models import Contract
from orders.models import Usage, UsageCharge
from orders.services import start_contract, withdraw_contract
from portal.models import HistoryEvent
from tests import make

DAY = date(2026, 4, 10)


@pytest.fixture
def mistake(cast):
    """A second contract of company A, with usage, on April's provisional invoice."""
    contract = make.make_contract(cast.a, (900,))
    make.make_meter(contract, 10)
    make.use(contract, 30)
    make.open_month(make.APRIL)
    return contract


def it_takes_orders_terms_and_charges_along_and_keeps_quantities(mistake, cast):
    withdraw_contract(mistake, today=DAY, by=cast.staff)
    assert [order.state for order in mistake.orders.with_invoice()] == ["reversed"]
    assert not mistake.terms.standing().exists()
    assert not UsageCharge.objects.standing().exists()
    assert Usage.objects.get().quantity == 30
    make.open_month(make.APRIL)
    assert not InvoiceLine.objects.filter(contract=mistake).exists()
    assert Invoice.objects.get(customer=cast.a).lines.count() == 2
    make.close_month()
    make.open_month()
    assert mistake.orders.count() == 1
    assert not mistake.terms.standing().exists()
    assert HistoryEvent.objects.filter(subject=mistake.number, detail__contains="取消日").exists()


def it_refuses_a_contract_that_is_billed(mistake):
    make.close_month()
    with pytest.raises(ValidationError, match="請求済みの契約は取り消せません"):
        withdraw_contract(mistake, today=make.IN_MAY)
    assert Contract.objects.get(pk=mistake.pk).withdrawn_on is None


def it_takes_back_what_stands_on_a_void_document_alone(mistake, cast):
    make.close_month()
    Invoice.objects.filter(customer=cast.a).update(state="void")
    withdraw_contract(mistake, today=make.IN_MAY)
    make.open_month()
    assert not InvoiceLine.objects.filter(contract=mistake, invoice__state="draft").exists()
    assert {order.state for order in mistake.orders.with_invoice()} == {"reversed"}
    found = [each.text for one in checks.check(make.APRIL, today=make.IN_MAY) for each in one.items]
    assert not [text for text in found if "取消になった注文" in text]


def it_stays_as_it_is_then(mistake):
    withdraw_contract(mistake, today=DAY)
    with pytest.raises(ValidationError, match="すでに取り消されています"):
        withdraw_contract(mistake, today=DAY)
    with pytest.raises(ValidationError, match="変更できません"):
        start_contract(Contract.objects.get(pk=mistake.pk), today=DAY)


def it_is_listed_only_when_asked_for_and_its_page_answers(mistake, cast, sign_in):
    withdraw_contract(mistake, today=DAY)
    hanako = sign_in(cast.hanako)
    assert mistake.number not in hanako.get("/contracts/").content.decode()
    assert mistake.number in hanako.get("/contracts/?state=withdrawn").content.decode()
    page = hanako.get(f"/contracts/{mistake.number}/")
    assert (page.status_code, "取消" in page.content.decode()) == (200, True)
