"""The buyer's 発注番号: of the contract, on what is fixed from then on, and never altered on what is."""

import pytest

from accounts.models import Customer
from billing.corrections.reissue import reissue
from billing.models import Invoice
from contracts.models import Contract
from contracts.services import save_contract
from portal.models import HistoryEvent
from tests import make
from tests.screens.test_einvoice import NAMES, official
from tests.screens.test_registered import schema_tree


def numbers(customer, month, state="fixed"):
    invoice = Invoice.objects.get(customer=customer, month=month, state=state)
    return [line.purchase_order for line in invoice.lines.order_by("position")]


def give(contract, number, by=None):
    contract.purchase_order = number
    save_contract(contract, today=make.IN_MAY, by=by)


def it_goes_with_the_contract_until_the_invoice_is_fixed(cast, sign_in):
    contract = cast.a.contracts.get()
    meter = make.make_meter(contract, 10)
    make.use(meter.contract, 30)
    give(contract, "PO-1", by=cast.staff)
    make.open_month(make.APRIL)
    give(contract, "PO-2", by=cast.staff)
    make.close_month()
    make.open_month()
    give(contract, "PO-3", by=cast.staff)
    make.open_month()
    assert numbers(cast.a, make.APRIL) == ["PO-2"] * 3, "orders and used quantities alike"
    assert numbers(cast.a, make.MAY, "draft") == ["PO-3"] * 2
    assert "発注番号 PO-1 → PO-2" in {each.detail for each in HistoryEvent.objects.filter(subject=contract.number)}
    browser = sign_in(cast.hanako)
    assert "PO-3" in browser.get(f"/contracts/{contract.number}/").content.decode()
    path = f"/invoices/{Invoice.objects.get(customer=cast.a, month=make.APRIL).number}/"
    assert "<small>PO-2</small>" in browser.get(path).content.decode()
    rows = browser.get(f"{path}?export=csv").getvalue().decode("utf-8-sig").splitlines()
    assert rows[0].endswith("発注番号") and rows[1].endswith("PO-2")


def it_is_typed_on_the_contracts_page_and_stands_on_the_draft_at_once(cast, web):
    contract = cast.a.contracts.get()
    make.open_month()
    web.force_login(cast.staff)
    path = f"/admin/contracts/contract/{contract.pk}/change/"
    page = web.get(path)
    data = {name: value for name, value in page.context["adminform"].form.initial.items() if value is not None}
    for inline in page.context["inline_admin_formsets"]:
        for form in [inline.formset.management_form, *inline.formset.forms]:
            for field in form:
                if (value := field.value()) is not None:
                    data[field.html_name] = value
    answer = web.post(path, data | {"purchase_order": "注-77"})
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    assert Contract.objects.get(pk=contract.pk).purchase_order == "注-77"
    assert set(numbers(cast.a, make.MAY, "draft")) == {"注-77"}


def it_can_be_put_right_by_a_correction(cast):
    cast.a.contracts.update(purchase_order="PO-1")
    make.close_month()
    old = Invoice.objects.get(customer=cast.a)
    first = old.lines.order_by("position")[0]
    new = reissue(
        old, {first.pk: {"purchase_order": "PO-9"}}, reason="発注番号の誤り", by=cast.staff, today=make.IN_MAY
    )
    assert [line.purchase_order for line in new.lines.order_by("position")] == ["PO-9", "PO-1"]


@official
@pytest.mark.parametrize(
    ("other", "document", "lines"),
    [("PO-1", "PO-1", []), ("", "", ["PO-1", "PO-1"]), ("PO-2", "", ["PO-1", "PO-1", "PO-2"])],
)
def it_is_the_order_reference_of_the_xml(cast, other, document, lines):
    Customer.objects.update(corporate_number="7990000000002")
    cast.a.contracts.update(purchase_order="PO-1")
    make.make_contract(cast.a, (300,), purchase_order=other)
    make.close_month()
    tree = schema_tree(Invoice.objects.get(customer=cast.a))
    assert tree.xpath("string(/*/cac:OrderReference/cbc:ID)", namespaces=NAMES) == document
    named = tree.xpath("//cac:OrderLineReference/cac:OrderReference/cbc:ID/text()", namespaces=NAMES)
    assert named == lines
