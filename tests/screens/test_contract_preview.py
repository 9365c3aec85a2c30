"""「保存するとこうなります」 on the contract's form: what it says is what three real closes bill, and it stores nothing."""

import re
from datetime import date, datetime

import pytest

from billing.models import Invoice, Parked
from billing.month import lock
from contracts.models import Contract, Service
from portal import months
from tests import make
from tests.filled import filled
from tests.stored import differing, digests

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


def page_of(contract):
    return f"/admin/contracts/contract/{contract.pk}/change/"


def look(web, path, given):
    """What the page shows of a save with these fields."""
    answer = web.post(path, given | {"_preview": "1"})
    assert answer.status_code == 200
    return answer.context["preview"]


def closed_bills(customer, time_machine, count=3, since=make.MAY):
    """What real closes bill, month after month."""
    found = []
    for number in range(count):
        month = months.add_months(since, number)
        day = months.add_months(month, 1).replace(day=8)
        time_machine.move_to(datetime(day.year, day.month, 8, 3))
        make.close_month(month, today=day)
        assert not Parked.objects.filter(customer=customer).exists()
        made = Invoice.objects.fixed().filter(customer=customer, month=month).first()
        found.append((month, made.total if made else 0))
    return found


def then(preview):
    return [(each.month, each.then.total) for each in preview.bills]


def now(preview):
    return [(each.month, each.now.total) for each in preview.bills]


OPTION = {
    "position": "",
    "item": "追加の品",
    "quantity": 2,
    "unit_price": 3000,
    "price_basis": "exclusive",
    "tax_kind": "standard",
}
NEW_LINE = {"lines__TOTAL_FORMS": 2} | {f"lines__1__{name}": value for name, value in OPTION.items()}
CHANGES = {
    "quantity now": {"lines__0__quantity": "3", "apply": "now"},
    "quantity from the next term": {"lines__0__quantity": "3", "apply": "next"},
    "price from a month": {"lines__0__unit_price": "9000", "apply": "from:2026-05"},
    "line ended": {"lines__0__charge_to": "2026-06-15"},
    "line added inside a billed term": NEW_LINE | {"lines__1__charge_from": "2026-04-10", "charge_past": "on"},
    "line added later": NEW_LINE | {"lines__1__charge_from": "2026-06-10"},
    "cancelled later": {"cancel_on": "2026-06-15"},
    "cancelled inside a billed term": {"cancel_on": "2026-04-20"},
}


NIGHTLY = ("quantity now", "line ended", "line added later", "cancelled later")


@pytest.mark.parametrize(
    "change", [pytest.param(name, marks=pytest.mark.nightly if name in NIGHTLY else ()) for name in CHANGES]
)
def it_says_what_three_closes_will_bill(cast, desk, time_machine, change):
    Service.objects.update(prorate=True)
    customer, contract = cast.b, cast.b.contracts.get()
    make.make_credit(customer, 9000)
    given = filled(desk, page_of(contract), **CHANGES[change])
    before = digests()
    shown = look(desk, page_of(contract), given)
    assert differing(before, digests()) == set()
    assert desk.post(page_of(contract), given).status_code == 302
    assert then(shown) == closed_bills(customer, time_machine)


def it_says_what_they_bill_without_the_change(cast, desk, time_machine):
    contract = cast.b.contracts.get()
    shown = look(desk, page_of(contract), filled(desk, page_of(contract), lines__0__quantity="3", apply="next"))
    assert now(shown) == closed_bills(cast.b, time_machine)


def it_foresees_a_new_yearly_contract(cast, desk, time_machine):
    given = filled(desk, ADD)
    given |= {"customer": cast.b.pk, "name": "新しい契約", "service": Service.objects.get(code="cloud").pk}
    given |= {"form": "yearly", "start_on": "2026-06-10", "lines-0-item": "品目", "lines-0-quantity": 1}
    given |= {"lines-0-unit_price": "36000"}
    before = digests()
    shown = look(desk, ADD, given)
    assert differing(before, digests()) == set()
    assert desk.post(ADD, given).status_code == 302
    assert Contract.objects.filter(customer=cast.b).count() == 2
    assert then(shown) == closed_bills(cast.b, time_machine)


def it_names_the_orders_that_change_and_those_to_come(cast, desk):
    contract = cast.b.contracts.get()
    may = contract.orders.get(month=make.MAY)
    shown = look(desk, page_of(contract), filled(desk, page_of(contract), lines__0__unit_price="9000", apply="now"))
    assert [(each.number, each.starts_on, each.before, each.after) for each in shown.orders] == [
        (may.number, make.MAY, 7777, 9000),
        ("", make.JUNE, 7777, 9000),
        ("", date(2026, 7, 1), 7777, 9000),
    ]


def it_shows_what_closed_months_would_cost_before_the_tick(cast, desk, time_machine):
    contract = cast.b.contracts.get()
    given = filled(desk, page_of(contract), **NEW_LINE, lines__1__charge_from="2026-04-10")
    answer = desk.post(page_of(contract), given | {"_preview": "1"})
    page = answer.content.decode()
    assert "過去分も請求する" in page and "を選んで保存したときの金額です" in page
    given |= {"charge_past": "on", "charge_past_shown": answer.context["question"].shown}
    assert desk.post(page_of(contract), given).status_code == 302
    assert then(answer.context["preview"]) == closed_bills(cast.b, time_machine)


def it_says_so_where_it_takes_too_long_and_stores_nothing(cast, desk, monkeypatch):
    contract = cast.b.contracts.get()
    given = filled(desk, page_of(contract), lines__0__quantity="3", apply="next", _preview="1")
    before = digests()
    for name, seconds in (("STATEMENT", 0.001), ("PATIENCE", 0)):
        monkeypatch.setattr(f"contracts.admin.preview.{name}", seconds)
        answer = desk.post(page_of(contract), given)
        assert differing(before, digests()) == set()
        assert answer.status_code == 200
        assert "時間内に計算できませんでした" in answer.content.decode()
        assert "preview" not in answer.context
    make.make_contract(cast.b, (5000,), start_on=make.MAY, today=make.IN_MAY)
    path = f"/admin/contracts/contract/{cast.b.contracts.get(start_on=make.MAY).pk}/withdraw/"
    assert "時間内に計算できませんでした" in desk.get(path).content.decode()
    assert desk.post(path).status_code == 302


def it_says_beside_its_field_what_a_save_would_refuse_and_foresees_nothing(cast, desk):
    contract = cast.b.contracts.get()
    given = filled(desk, page_of(contract), lines__0__quantity="0", _preview="1")
    answer = desk.post(page_of(contract), given)
    assert "0より大きい数量を入力してください。" in answer.content.decode()
    assert "preview" not in answer.context


def it_keeps_what_was_typed_and_waits_for_no_run_of_months(cast, desk):
    contract = cast.b.contracts.get()
    with lock.alone():
        given = filled(desk, page_of(contract), note="書きかけ", _preview="1")
        page = desk.post(page_of(contract), given).content.decode()
    assert "書きかけ" in page and "errornote" not in page
    assert "変わる注文はありません。" in page
    assert Contract.objects.get(pk=contract.pk).note == ""


def it_says_what_is_left_when_a_contract_is_taken_back(cast, desk, time_machine):
    make.make_contract(cast.b, (5000,), start_on=make.MAY, today=make.IN_MAY)
    contract = cast.b.contracts.get(start_on=make.MAY)
    path = f"/admin/contracts/contract/{contract.pk}/withdraw/"
    before = digests()
    asked = desk.get(path)
    page, shown = asked.content.decode(), asked.context["preview"]
    assert page.count(">取消後<") == 2 and "保存後" not in page and ">戻る</a>" in page
    assert differing(before, digests()) == set()
    assert [each.difference for each in shown.bills] == [-5500] * 3
    assert desk.post(path).status_code == 302
    assert then(shown) == closed_bills(cast.b, time_machine)


def asked_again(web, path, given, times=2):
    """What is stored in the end by whoever sends what the page shows, looking at it so many times before."""
    for _look in range(times):
        answer = web.post(path, given | {"_preview": "1"})
        assert answer.context["preview"]
        given = given_again(answer, given)
    return answer, web.post(path, given)


def given_again(answer, given):
    """The answers that the page shows now, beside what was typed."""
    page = answer.content.decode()
    typed = {name: value for name, value in given.items() if name not in ("apply", "charge_past", "charge_past_shown")}
    shown = re.findall(r'name="(apply)"\s+value="([^"]*)"\s+checked', page)
    shown += re.findall(r'name="(charge_past_shown)" value="([^"]*)"', page)
    shown += [("charge_past", "on")] if re.search(r'name="charge_past"[^>]*\schecked', page) else []
    return typed | dict(shown)


def it_says_of_what_would_be_given_back_whether_it_is_with_tax(cast, desk, time_machine):
    time_machine.move_to("2026-06-08T03:00Z")
    make.close_month(make.MAY, date(2026, 6, 8))
    desk.force_login(cast.staff)
    path = page_of(cast.b.contracts.get())
    page = desk.post(path, filled(desk, path, cancel_on="2026-04-30") | {"_preview": "1"}).content.decode()
    assert "請求済みの料金のうち 7,777円（税抜）が返すべき額になります。" in " ".join(page.split())


def it_keeps_the_tick_for_closed_months_over_any_number_of_looks(cast, desk, time_machine):
    """A 解約日 in a closed month was a mistake: it is taken back, looked at, ticked, and looked at again."""
    contract = cast.b.contracts.get()
    desk.post(page_of(contract), filled(desk, page_of(contract), cancel_on="2026-04-30"))
    time_machine.move_to("2026-06-08T03:00Z")
    make.close_month(make.MAY, date(2026, 6, 8))
    desk.force_login(cast.staff)
    given = filled(desk, page_of(contract), cancel_on="")
    first = desk.post(page_of(contract), given | {"_preview": "1"})
    assert first.context["preview"].ticks
    given |= {"charge_past": "on", "charge_past_shown": first.context["question"].shown}
    shown, stored = asked_again(desk, page_of(contract), given)
    page = shown.content.decode()
    assert re.search(r'name="charge_past"[^>]*\schecked', page) and "（注文1件、7,777円（税抜））" in " ".join(
        page.split()
    )
    assert "保存する前にお答えください" not in page and not shown.context["preview"].ticks
    assert stored.status_code == 302
    assert contract.orders.filter(month=make.MAY, reversed_on=None).exists()
    typed_over = given | {"lines-0-unit_price": "9000", "apply": "next", "charge_past_shown": "1:1", "_preview": "1"}
    assert (
        'name="charge_past" id="id_charge_past" checked'
        not in desk.post(page_of(contract), typed_over).content.decode()
    )


@pytest.mark.parametrize("apply", ["from:2026-05", "next"])
def it_keeps_the_term_that_was_chosen_over_any_number_of_looks(cast, desk, apply):
    contract = cast.b.contracts.get()
    given = filled(desk, page_of(contract), lines__0__unit_price="9000", apply=apply)
    shown, stored = asked_again(desk, page_of(contract), given)
    assert re.search(rf'value="{apply}"\s+checked', shown.content.decode())
    assert len(shown.context["question"].offers) == 2, "another can still be chosen"
    assert not shown.context["preview"].ticks
    assert stored.status_code == 302
    assert contract.orders.get(month=make.MAY, reversed_on=None).amount == (9000 if apply != "next" else 7777)
