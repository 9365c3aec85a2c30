"""What staff change about contracts, prices and drafts is kept with before and after, who and when (D40)."""

from datetime import date

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from billing.models import Invoice, InvoiceLine
from billing.services import adjust_invoice
from contracts.models import Contract, Meter, Service
from contracts.services import delete_meter, save_contract, save_meter
from portal.models import HistoryEvent, TaxClass
from tests import make
from tests.screens.people import staff


@pytest.fixture(autouse=True)
def in_may(time_machine):
    time_machine.move_to("2026-05-08T03:00Z")


@pytest.fixture
def desk(cast, web):
    """A browser in which staff are signed in."""
    web.force_login(cast.staff)
    return web


def rows(prefix, *lines, stored=0):
    """An inline form's fields."""
    fields = {f"{prefix}-TOTAL_FORMS": len(lines), f"{prefix}-INITIAL_FORMS": stored}
    for place, line in enumerate(lines):
        fields |= {f"{prefix}-{place}-{name}": value for name, value in line.items()}
    return fields


def line(**changes):
    return {
        "position": 1, "item": "サーバ", "quantity": "1", "unit_price": "7777", "price_basis": "exclusive",
        "tax_kind": "standard",
    } | changes  # fmt: skip


def typed(contract, *lines, stored=0, **changes):
    """The contract's page as a person fills it in."""
    return {
        "customer": contract.customer_id, "name": contract.name, "service": contract.service_id, "plan": "",
        "form": "monthly", "start_on": contract.start_on, "cancel_on": "", "auto_renew": "on", "note": "",
        **rows("lines", *lines, stored=stored), **rows("meters"), **rows("terms"),
    } | changes  # fmt: skip


def new_contract(desk, customer, *lines, **changes):
    """Register a contract; returns the page that answers."""
    made = Contract(customer=customer, name="新サーバ", service=Service.objects.get(code="cloud"), start_on=make.APRIL)
    return desk.post("/admin/contracts/contract/add/", typed(made, *lines, **changes), follow=True).content.decode()


def changes_of(event):
    return event.data["changes"]


def it_keeps_a_contracts_former_price_and_who_changed_it(cast, desk):
    contract = cast.b.contracts.get()
    stored = contract.lines.get()
    given = line(id=stored.pk, contract=contract.pk, item=stored.item, unit_price="8000")
    desk.post(
        f"/admin/contracts/contract/{contract.pk}/change/",
        typed(contract, given, stored=1, cancel_on="2026-06-30", apply="now"),
    )
    event, followed = HistoryEvent.objects.order_by("pk")
    assert changes_of(followed) == {"注文O202604-000002": ["7,777", "8,000"]}
    assert (event.action, event.subject, event.actor, event.customer) == (
        "contract_changed", contract.number, cast.staff, cast.b,
    )  # fmt: skip
    assert changes_of(event) == {
        "解約日": ["", "2026/06/30"],
        "明細1 単価": ["7,777", "8,000"],
        "明細1 単位": ["式", ""],
    }
    assert "明細1 単価 7,777 → 8,000" in event.detail


def it_keeps_a_line_that_was_taken_away(cast, desk):
    contract = cast.a.contracts.get()
    first, second = contract.lines.order_by("position")
    given = [
        line(id=each.pk, contract=contract.pk, position=each.position, item=each.item, quantity=each.quantity,
             unit=each.unit, unit_price=each.unit_price, tax_kind=each.tax_kind)
        for each in (first, second)
    ]  # fmt: skip
    given[1]["DELETE"] = "on"
    desk.post(f"/admin/contracts/contract/{contract.pk}/change/", typed(contract, *given, stored=2))
    changes = changes_of(HistoryEvent.objects.earliest("pk"))
    assert changes["明細2 品目"] == ["品目2", ""]
    assert changes["明細2 単価"] == ["500", ""]
    assert list(contract.lines.all()) == [first]


def it_leaves_no_event_when_nothing_was_changed(cast, desk):
    contract = cast.b.contracts.get()
    stored = contract.lines.get()
    given = line(id=stored.pk, contract=contract.pk, item=stored.item, unit=stored.unit)
    desk.post(f"/admin/contracts/contract/{contract.pk}/change/", typed(contract, given, stored=1))
    assert not HistoryEvent.objects.exists()


def it_registers_a_contract_with_its_lines_terms_and_orders(cast, desk):
    new_contract(desk, cast.b, line(), line(position=2, item="保守", unit_price="300"))
    contract = Contract.objects.get(name="新サーバ")
    assert [each.amount for each in contract.lines.all()] == [7777, 300]
    assert [order.amount for order in contract.orders.order_by("month")] == [8077, 8077]
    event = HistoryEvent.objects.get()
    assert (event.action, event.actor) == ("contract_created", cast.staff)
    assert changes_of(event)["明細2 単価"] == ["", "300"]


def it_gives_the_next_contract_a_number_of_its_own_when_orders_could_not_be_made(cast, desk):
    TaxClass.objects.filter(kind="exempt").delete()
    assert "注文を作れません" in new_contract(desk, cast.b, line(tax_kind="exempt"))
    new_contract(desk, cast.b, line())
    numbers = Contract.objects.filter(name="新サーバ").order_by("number").values_list("number", flat=True)
    assert list(numbers) == ["K0000003", "K0000004"]


def it_leaves_no_event_of_a_contract_that_a_program_makes(cast):
    assert not HistoryEvent.objects.exists()


def it_keeps_the_change_that_a_program_makes(cast):
    contract = cast.b.contracts.get()
    contract.name = "改名"
    save_contract(contract, today=make.IN_MAY)
    assert (HistoryEvent.objects.get().actor, changes_of(HistoryEvent.objects.get())) == (
        None,
        {"契約名": ["サーバ契約", "改名"]},
    )


def meter_page(contract, *prices, stored=0, **changes):
    return {
        "contract": contract.pk, "service": Service.objects.get(code="line").pk, "item": "データ転送量", "unit": "GB",
        "price_basis": "exclusive", "tax_kind": "standard", **rows("prices", *prices, stored=stored),
    } | changes  # fmt: skip


def it_keeps_the_former_prices_of_a_metered_item(cast, desk):
    contract = cast.b.contracts.get()
    first = {"since": "", "free_quantity": "0", "unit_price": "10", "steps": "500:7.5"}
    desk.post("/admin/contracts/meter/add/", meter_page(contract, first))
    meter = Meter.objects.get()
    price = meter.prices.get()
    assert {meter.customer_id, price.customer_id, price.tiers.get().customer_id} == {cast.b.pk}
    given = {**first, "id": price.pk, "meter": meter.pk, "unit_price": "9", "steps": "500:6"}
    later = {"since": "2026-06", "free_quantity": "0", "unit_price": "12", "steps": ""}
    desk.post(f"/admin/contracts/meter/{meter.pk}/change/", meter_page(contract, given, later, stored=1))
    desk.post(f"/admin/contracts/meter/{meter.pk}/delete/", {"post": "yes"})
    registered, changed, removed = HistoryEvent.objects.order_by("pk")
    assert {event.action for event in (registered, changed, removed)} == {"prices_changed"}
    assert changes_of(registered)["500を超える分の単価"] == ["", "7.5"]
    assert changes_of(changed) == {
        "単価": ["10", "9"], "500を超える分の単価": ["7.5", "6"], "2026/06から 無料枠": ["", "0"],
        "2026/06から 単価": ["", "12"],
    }  # fmt: skip
    assert changes_of(removed)["単価"] == ["9", ""]
    assert changed.actor == cast.staff
    assert not Meter.objects.exists()


def adjustment(invoice, **fields):
    given = {
        "position": 50, "origin": "adjustment", "item": "調整", "starts_on": make.APRIL, "ends_on": date(2026, 4, 30),
        "quantity": 1, "unit_price": 500,
    }  # fmt: skip
    return InvoiceLine(**given | fields)


def it_keeps_what_an_adjustment_did_to_the_total(cast):
    make.open_month(make.APRIL)
    draft = Invoice.objects.get(customer=cast.b)
    adjust_invoice(draft, [adjustment(draft)], by=cast.staff)
    added = draft.lines.get(origin="adjustment")
    adjust_invoice(draft, [], [added], by=cast.staff)
    first, second = HistoryEvent.objects.order_by("pk")
    assert (first.action, first.subject, first.actor, first.customer) == (
        "invoice_adjusted", draft.number, cast.staff, cast.b,
    )  # fmt: skip
    assert changes_of(first) == {
        "請求金額（税込）": ["8,554", "9,104"],
        "調整・値引き": ["", "調整 2026/04/01～2026/04/30 1×500 税抜 標準税率"],
    }
    assert changes_of(second)["請求金額（税込）"] == ["9,104", "8,554"]


def it_adjusts_no_invoice_that_is_fixed(cast):
    make.close_month()
    fixed = Invoice.objects.get(customer=cast.b)
    with pytest.raises(ValidationError, match="確定した請求は調整できません"):
        adjust_invoice(fixed, [adjustment(fixed)], by=cast.staff)
    assert not HistoryEvent.objects.exists()


def it_shows_the_company_what_was_changed(cast, sign_in):
    contract = cast.b.contracts.get()
    contract.name = "改名"
    save_contract(contract, today=make.IN_MAY, by=cast.staff)
    page = sign_in(cast.jiro).get("/account/history/").content.decode()
    assert "契約変更" in page
    assert "契約名 サーバ契約 → 改名" in page


INCLUSIVE = {"price_basis": "inclusive", "tax_kind": "reduced"}


def it_takes_a_line_whose_rate_begins_with_its_first_day(cast, desk, time_machine):
    """軽減税率 holds from 2019-10-01; whoever registers such a line before has no rate of today to go by."""
    time_machine.move_to("2019-08-20T03:00Z")
    page = new_contract(
        desk, cast.b, line(**INCLUSIVE, charge_from="2019-10-01", unit_price="1080"), start_on="2019-09-01"
    )
    assert "税率" not in page.partition("messagelist")[2][:500]
    assert Contract.objects.get(name="新サーバ").lines.get().net == 1000


def it_takes_a_line_of_a_contract_that_begins_with_its_rate(cast, desk, time_machine):
    time_machine.move_to("2019-08-20T03:00Z")
    new_contract(desk, cast.b, line(**INCLUSIVE, unit_price="1080"), start_on="2019-10-01")
    assert Contract.objects.get(name="新サーバ").lines.get().net == 1000


def it_goes_on_saving_a_line_whose_rate_has_ended_with_it(cast, desk):
    TaxClass.objects.filter(kind="reduced").update(valid_to=date(2026, 4, 30))
    new_contract(desk, cast.b, line(**INCLUSIVE, charge_to="2026-04-30", unit_price="1080"))
    assert Contract.objects.get(name="新サーバ").lines.get().net == 1000


def it_still_refuses_a_line_without_a_rate_on_any_day(cast, desk):
    TaxClass.objects.filter(kind="reduced").update(valid_to=date(2026, 4, 30))
    page = new_contract(desk, cast.b, line(**INCLUSIVE, charge_from="2026-05-01", unit_price="1080"))
    assert "2026/05/08 の税率が税区分に登録されていません" in page
    assert not Contract.objects.filter(name="新サーバ").exists()


def it_changes_nothing_for_staff_without_the_right(cast):
    """受付 may see all this, but not change it; the services ask, whichever page or program calls them."""
    clerk = staff("clerk@example.net", "受付")
    make.open_month(make.APRIL)
    draft, contract = Invoice.objects.get(customer=cast.b), cast.b.contracts.get()
    meter = make.make_meter(contract, 10)
    for act in (
        lambda: adjust_invoice(draft, [adjustment(draft)], by=clerk),
        lambda: save_contract(contract, today=make.IN_MAY, by=clerk),
        lambda: save_meter(meter, by=clerk),
        lambda: delete_meter(meter, by=clerk),
    ):
        with pytest.raises(PermissionDenied):
            act()
    assert Meter.objects.get() == meter
    assert not HistoryEvent.objects.exists()


def it_tells_a_new_line_in_the_order_of_its_fields(cast, desk):
    contract = make.make_contract(cast.a, (1000,), today=make.MAY)
    stored = contract.lines.get()
    first = line(id=stored.pk, contract=contract.pk, item=stored.item, unit="式", unit_price="1000")
    given = typed(contract, first, line(position=2, item="回線", unit="本", quantity="2"), stored=1)
    desk.post(f"/admin/contracts/contract/{contract.pk}/change/", given)
    event = HistoryEvent.objects.get(data__changes__has_key="明細2 品目")
    labels = [label.removeprefix("明細2 ") for label, *_texts in event.changes]
    assert labels == ["品目", "数量", "単位", "単価", "税抜・税込", "税区分"]


def it_calls_an_order_billed_beyond_the_cancellation_only_if_it_was(cast, desk, time_machine):
    contract = make.make_contract(cast.a, (1000,))
    june = date(2026, 6, 5)
    time_machine.move_to("2026-06-05T03:00Z")
    desk.force_login(cast.staff)
    make.close_month()
    make.close_month(make.MAY, today=june)
    make.open_month(date(2026, 6, 1), today=june)
    stored = contract.lines.get()
    given = line(id=stored.pk, contract=contract.pk, item=stored.item, unit="式", unit_price="1000")
    address = f"/admin/contracts/contract/{contract.pk}/change/"
    page = desk.post(address, typed(contract, given, stored=1, cancel_on="2026-04-30"), follow=True).content.decode()
    assert "は取消になりました（税抜1,000円）。" in page
    assert desk.get(address).content.decode().count("解約日より後（請求済み）") == 1
