"""契約を取り消す: staff take a contract back that was registered by mistake, and the customer reads so (D26)."""

import pytest
from django.core.exceptions import ValidationError

from billing.models import InvoiceLine
from contracts.models import Contract, Service
from contracts.services import delete_meter
from tests import make
from tests.filled import filled
from tests.screens.people import staff


@pytest.fixture(autouse=True)
def in_may(time_machine):
    time_machine.move_to("2026-05-08T03:00Z")


@pytest.fixture
def mistake(cast):
    return make.make_contract(cast.a, (900,), start_on=make.MAY, today=make.MAY)


def address(contract, page="withdraw"):
    return f"/admin/contracts/contract/{contract.pk}/{page}/"


def again(contract):
    return Contract.objects.get(pk=contract.pk)


def withdraw(web, contract):
    return web.post(address(contract), follow=True).content.decode()


def it_asks_before_a_contract_is_taken_back(cast, web, mistake):
    web.force_login(staff("billing@example.net", "請求"))
    assert address(mistake) in web.get(address(mistake, "change")).content.decode()
    page = web.get(address(mistake)).content.decode()
    assert "よろしいですか" in page
    assert mistake.number in page
    assert again(mistake).withdrawn_on is None
    page = withdraw(web, mistake)
    assert "取り消しました" in page
    assert again(mistake).withdrawn_on
    assert [order.state for order in mistake.orders.with_invoice()] == ["reversed"]


def it_takes_the_lines_off_the_provisional_invoice(cast, web, mistake):
    make.close_month()
    make.open_month()
    web.force_login(cast.staff)
    withdraw(web, mistake)
    assert not InvoiceLine.objects.filter(contract=mistake).exists()


def it_says_why_a_billed_contract_isnt_taken_back(cast, web):
    make.close_month()
    web.force_login(cast.staff)
    billed = cast.a.contracts.get()
    for page in (web.get(address(billed), follow=True).content.decode(), withdraw(web, billed)):
        assert "請求済みの契約は取り消せません。終わらせるには解約日を入力してください。" in page
        assert "よろしいですか" not in page
    assert again(billed).withdrawn_on is None


def it_says_that_somebody_else_took_it_back_already(cast, web, mistake):
    web.force_login(cast.staff)
    withdraw(web, mistake)
    assert "すでに取り消されています" in withdraw(web, mistake)


@pytest.mark.parametrize("role", ["閲覧", "受付", "管理"])
def it_is_for_billing_clerks_alone(cast, web, mistake, role):
    web.force_login(staff("other@example.net", role))
    assert address(mistake) not in web.get(address(mistake, "change")).content.decode()
    assert web.get(address(mistake)).status_code == 403
    assert web.post(address(mistake)).status_code == 403
    assert again(mistake).withdrawn_on is None


def it_answers_for_a_contract_that_there_isnt(cast, web):
    web.force_login(cast.staff)
    assert web.get("/admin/contracts/contract/987654/withdraw/").status_code == 404


def it_can_only_be_read_then(cast, web, mistake):
    web.force_login(cast.staff)
    withdraw(web, mistake)
    page = web.get(address(mistake, "change")).content.decode()
    assert "2026/05/08" in page.partition("取消日")[2][:200]
    assert 'name="_save"' not in page
    assert address(mistake) not in page


def it_keeps_what_somebody_types_while_another_takes_it_back(cast, web, mistake):
    web.force_login(cast.staff)
    withdraw(web, mistake)
    line = mistake.lines.get()
    given = {
        "name": "書きかけ", "service": mistake.service_id, "auto_renew": "on", "note": "", "lines-TOTAL_FORMS": 1,
        "lines-INITIAL_FORMS": 1, "lines-0-id": line.pk, "lines-0-contract": mistake.pk, "lines-0-position": 1,
        "lines-0-item": line.item, "lines-0-quantity": "1", "lines-0-unit_price": "901", "lines-0-price_basis": "exclusive",
        "lines-0-tax_kind": "standard", "meters-TOTAL_FORMS": 0, "meters-INITIAL_FORMS": 0, "terms-TOTAL_FORMS": 0,
        "terms-INITIAL_FORMS": 0,
    }  # fmt: skip
    page = web.post(address(mistake, "change"), given).content.decode()
    assert "取り消した契約は変更できません" in page
    assert 'value="書きかけ"' in page
    assert mistake.lines.get().unit_price == 900


def it_is_in_the_desks_list_only_when_asked_for(cast, web, mistake):
    web.force_login(cast.staff)
    withdraw(web, mistake)
    assert mistake.number not in web.get("/admin/contracts/contract/").content.decode()
    assert mistake.number in web.get("/admin/contracts/contract/?state=withdrawn").content.decode()
    assert mistake.number not in web.get("/admin/contracts/contract/?state=active").content.decode()
    assert web.get("/admin/contracts/contract/?state=odd").status_code in (200, 302)


def it_is_on_the_customers_list_only_when_asked_for(cast, web, sign_in, mistake):
    web.force_login(cast.staff)
    withdraw(web, mistake)
    customer = sign_in(cast.hanako)
    assert mistake.number not in customer.get("/contracts/").content.decode()
    assert mistake.number in customer.get("/contracts/?state=withdrawn").content.decode()


def it_answers_the_customer_and_says_so(cast, web, sign_in, mistake):
    web.force_login(cast.staff)
    withdraw(web, mistake)
    page = sign_in(cast.hanako).get(f"/contracts/{mistake.number}/").content.decode()
    assert "2026/05/08に取り消されました" in page
    assert "変更を申し込む" not in page
    assert "解約を申し込む" not in page
    assert "契約開始日に作られます" not in page


def it_leaves_the_prices_of_its_metered_items_as_they_are(cast, web, mistake):
    meter = make.make_meter(mistake, 10)
    web.force_login(cast.staff)
    page = f"/admin/contracts/meter/{meter.pk}/change/"
    typed = filled(web, page, prices__0__unit_price="12")
    withdraw(web, mistake)
    assert "取り消した契約は変更できません。" in web.post(page, typed).content.decode()
    assert meter.prices.get().unit_price == 10
    assert 'name="_save"' not in web.get(page).content.decode()
    other = typed | {
        "contract": mistake.pk,
        "service": Service.objects.get(code="line").pk,
        "prices-INITIAL_FORMS": "0",
        "prices-0-id": "",
    }
    assert "取り消した契約は変更できません。" in web.post("/admin/contracts/meter/add/", other).content.decode()
    assert mistake.meters.get() == meter
    with pytest.raises(ValidationError, match="取り消した契約"):
        delete_meter(meter, by=cast.staff)
