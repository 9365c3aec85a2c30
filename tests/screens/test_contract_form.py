"""The contract's form takes few steps: what is likely is filled in, rows that stay empty are none, and ways to change are choices."""

import re
from datetime import date

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contracts.models import Contract, Meter, Service
from portal.models import HistoryEvent
from tests import make
from tests.filled import filled

ADD = "/admin/contracts/contract/add/"


@pytest.fixture(autouse=True)
def in_may(time_machine):
    time_machine.move_to("2026-05-08T03:00Z")


@pytest.fixture
def cast(db):
    return make.billed_cast()


@pytest.fixture
def desk(cast, web):
    """A browser in which staff are signed in; April is fixed, May is a draft."""
    web.force_login(cast.staff)
    return web


@pytest.fixture
def contract(cast):
    return cast.b.contracts.get()


def page_of(contract):
    return f"/admin/contracts/contract/{contract.pk}/change/"


def save(web, contract, **changes):
    answer = web.post(page_of(contract), filled(web, page_of(contract), **changes), follow=True)
    assert "errornote" not in answer.content.decode()
    return answer


def it_fills_in_what_is_likely_and_numbers_the_lines_that_were_filled(cast, desk):
    address = f"{ADD}?customer={cast.b.pk}"
    given = filled(desk, address)
    cloud = Service.objects.get(code="cloud")
    given |= {"service": cloud.pk, "lines-0-item": "本体", "lines-0-unit_price": "1,000"}
    given |= {"lines-2-item": "保守", "lines-2-unit_price": "200", "lines-2-quantity": "3"}
    page = desk.post(address, given, follow=True).content.decode()
    assert "errornote" not in page
    made = Contract.objects.get(customer=cast.b, start_on=make.MAY)
    assert made.name == cloud.name
    lines = made.lines.order_by("position").values_list("position", "item", "quantity", "unit", "amount")
    assert [*lines] == [(1, "本体", 1, "式", 1000), (2, "保守", 3, "式", 600)]


def it_ends_a_contract_with_the_term_that_was_chosen(desk, contract):
    page = desk.get(page_of(contract)).content.decode()
    assert re.findall(r'name="cancel_at" value="([^"]*)"', page) == ["", "2026-05-31", "2026-06-30"]
    save(desk, contract, cancel_at="2026-05-31")
    assert Contract.objects.get(pk=contract.pk).cancel_on == date(2026, 5, 31)
    save(desk, contract, cancel_at="", note="至急")
    assert Contract.objects.get(pk=contract.pk).cancel_on == date(2026, 5, 31)
    told = HistoryEvent.objects.filter(subject=contract.number, action="contract_changed").order_by("pk").first()
    assert ["解約日", "（なし）", "2026/05/31"] in [[str(each) for each in change] for change in told.changes]


def it_says_of_an_end_that_is_no_day_that_it_cant_be_read(desk, contract):
    given = filled(desk, page_of(contract), cancel_at="いつか")
    assert "errornote" in desk.post(page_of(contract), given).content.decode()
    assert Contract.objects.get(pk=contract.pk).cancel_on is None


def it_begins_an_added_line_with_the_next_term_where_that_was_chosen(desk, contract):
    save(desk, contract, lines__1__item="追加", lines__1__unit_price="500", apply="next")
    assert contract.lines.get(item="追加").charge_from == make.JUNE
    given = filled(desk, page_of(contract), lines__2__item="初めから", lines__2__unit_price="500", apply="now")
    assert "過去分も請求する" in desk.post(page_of(contract), given).content.decode()


def it_folds_what_ended_and_shows_what_was_typed_over(desk, contract):
    save(desk, contract, lines__0__unit_price="9000", apply="from:2026-05")
    page = desk.get(page_of(contract)).content.decode().partition('id="terms-group"')[0]
    assert "終わった行 1件を表示する" in page
    assert re.findall(r'class="form-row has_original\s+(is-ended)?\s*"', page) == ["is-ended", ""]
    given = filled(desk, page_of(contract), lines__1__unit_price="9,500", _preview="1")
    page = desk.post(page_of(contract), given).content.decode()
    assert re.findall(r"<span>(.*?) <del>(.*?)</del>", page) == [("単価", "9,000")]


def it_goes_on_to_a_metered_item_and_back_to_its_contract(cast, desk, contract):
    address = f"{ADD}?customer={cast.b.pk}"
    line = Service.objects.get(code="line")
    answer = desk.post(address, filled(desk, address) | {"service": line.pk, "_meter": "1"})
    made = Contract.objects.get(customer=cast.b, service=line)
    assert answer.url == f"/admin/contracts/meter/add/?contract={made.pk}"
    given = filled(desk, answer.url)
    assert (given["contract"], given["service"]) == (str(made.pk), str(line.pk))
    given |= {"item": "転送量", "unit": "GB", "prices-0-unit_price": "12"}
    assert desk.post(answer.url, given).url == page_of(made)
    meter = Meter.objects.get(contract=made)
    page = desk.get(page_of(made)).content.decode()
    change = f"/admin/contracts/meter/{meter.pk}/change/?contract={made.pk}"
    assert f'<a href="{change}">転送量</a>' in page
    assert desk.post(change, filled(desk, change, unit="TB")).url == page_of(made)


def it_offers_services_as_a_list_until_they_are_too_many(desk):
    assert '<option value="" selected>---------</option>' in desk.get(ADD).content.decode()
    Service.objects.bulk_create(Service(code=f"s{number}", name=f"サービス{number}") for number in range(200))
    assert "サービス199" not in desk.get(ADD).content.decode()


def it_asks_at_most_ten_statements_however_long_the_contract_is(cast, desk, contract):
    for name in range(40):
        contract.lines.create(customer=cast.b, position=name + 2, item=f"品目{name}", unit_price=1, amount=1, net=1)
    beside = ("set_config", "current_setting", "SAVEPOINT", "accounts_session", 'FROM "accounts_user"')
    for address in (page_of(contract), f"{ADD}?customer={cast.b.pk}"):
        with CaptureQueriesContext(connection) as asked:
            assert desk.get(address).status_code == 200
        read = [each["sql"] for each in asked if not any(word in each["sql"] for word in beside)]
        assert len(read) <= 10, read
