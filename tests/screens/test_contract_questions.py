"""What the contract's form asks before it stores: from when a change holds, and whether closed months are charged (D23, D25)."""

import re
from datetime import date

import pytest

from billing.models import InvoiceLine
from contracts.models import Contract
from orders.models import Order
from portal.models import HistoryEvent
from tests import make
from tests.filled import filled
from tests.screens.people import staff

FROM_MAY, FROM_JUNE = "from:2026-05", "next"


@pytest.fixture(autouse=True)
def in_may(time_machine):
    time_machine.move_to("2026-05-08T03:00Z")


@pytest.fixture
def desk(cast, web):
    """A browser in which staff are signed in; April is fixed, May's order is there and isn't billed."""
    make.close_month()
    make.open_month()
    web.force_login(cast.staff)
    return web


def address(contract):
    return f"/admin/contracts/contract/{contract.pk}/change/"


def save(web, contract, **changes):
    """Fill in and send the contract's page; returns the page that answers."""
    return send(web, contract, filled(web, address(contract), **changes))


def send(web, contract, given):
    return web.post(address(contract), given, follow=True).content.decode()


def text(page):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))


def amounts(contract):
    orders = Order.objects.filter(contract=contract, reversed_on=None).order_by("month", "number")
    return [(order.month.month, order.amount) for order in orders]


def it_asks_nothing_of_an_ordinary_save(cast, desk):
    contract = cast.b.contracts.get()
    page = desk.get(address(contract)).content.decode()
    assert re.findall(r'name="apply" value="([^"]*)" >', page) == ["now", FROM_JUNE]  # offered, and not chosen
    assert 'name="charge_past"' not in page
    assert "過去分も請求する" not in page
    assert "errornote" not in save(desk, contract, note="至急")
    assert Contract.objects.get(pk=contract.pk).note == "至急"


def it_offers_each_term_with_its_yen_for_a_billed_line_that_was_changed(cast, desk):
    contract = cast.b.contracts.get()
    page = save(desk, contract, lines__0__unit_price="9,000", note="書きかけ")
    assert re.findall(r'name="apply"\s+value="([^"]*)"', page) == [FROM_MAY, FROM_JUNE]
    said = text(page)
    assert "2026年5月の期間から 未請求の注文 +1,223円（税抜）" in said
    assert "7,777円 → 9,000円" in said
    assert "次の期間から（2026年6月） いまの注文は変わりません" in said
    assert 'value="9,000"' in page
    assert "書きかけ" in page
    assert amounts(contract) == [(4, 7777), (5, 7777)]
    assert contract.lines.count() == 1


@pytest.mark.parametrize(("answer", "may"), [(FROM_MAY, 9000), ("now", 9000), (FROM_JUNE, 7777)])
def it_stores_the_change_from_the_term_that_was_chosen(cast, desk, answer, may):
    contract = cast.b.contracts.get()
    page = save(desk, contract, lines__0__unit_price="9000", apply=answer)
    assert "errornote" not in page
    assert amounts(contract) == [(4, 7777), (5, may)]
    assert [each.unit_price for each in contract.lines.order_by("position")] == [7777, 9000]
    assert InvoiceLine.objects.get(invoice__customer=cast.b, invoice__month=make.MAY).amount == may
    assert ("金額（税抜）が変わりました: 7,777円 → 9,000円" in page) == (may == 9000)


def it_offers_again_when_the_choice_is_none_of_those(cast, desk):
    contract = cast.b.contracts.get()
    page = save(desk, contract, lines__0__unit_price="9000", apply="from:2026-04")
    assert "選んだ期間からは適用できません" in page
    assert re.findall(r'name="apply"\s+value="([^"]*)"', page) == [FROM_MAY, FROM_JUNE]
    assert contract.lines.get().unit_price == 7777


def it_asks_nothing_of_a_billed_line_that_ends(cast, desk):
    contract = cast.b.contracts.get()
    page = save(desk, contract, lines__0__charge_to="2026-05-31")
    assert "errornote" not in page
    assert contract.lines.get().charge_to == date(2026, 5, 31)


def new_contract(web, customer, **changes):
    given = filled(web, "/admin/contracts/contract/add/")
    given |= {
        "customer": customer.pk, "name": "移行分", "service": customer.contracts.first().service_id, "form": "monthly",
        "start_on": "2025-11-01", "lines-0-item": "移行", "lines-0-quantity": "1", "lines-0-unit_price": "500",
    }  # fmt: skip
    given |= {name.replace("__", "-"): value for name, value in changes.items()}
    return web.post("/admin/contracts/contract/add/", given, follow=True).content.decode()


def it_asks_before_it_charges_closed_months_and_stores_nothing(cast, desk):
    page = new_contract(desk, cast.b, start_on="2026-04-01")
    said = text(page)
    assert "過去分も請求する （注文1件、500円（税抜））" in said
    assert "請求開始年月" in said
    assert 'value="移行分"' in page
    assert not Contract.objects.filter(name="移行分").exists()


def it_charges_closed_months_once_it_is_ticked(cast, desk):
    page = new_contract(desk, cast.b, start_on="2026-04-01", charge_past="on")
    assert "errornote" not in page
    assert amounts(Contract.objects.get(name="移行分")) == [(4, 500), (5, 500)]


def it_takes_a_month_of_first_billing_instead_of_the_tick(cast, desk):
    page = new_contract(desk, cast.b, start_on="2026-04-01", bill_from="2026-05")
    assert "errornote" not in page
    assert amounts(Contract.objects.get(name="移行分")) == [(5, 500)]


def it_asks_of_a_line_that_isnt_billed_from_when_it_changes_and_for_closed_months(cast, desk):
    """Of April, which is closed, and of May; and says what goes on after them."""
    new_contract(desk, cast.b, start_on="2026-04-01", charge_past="on")
    contract = Contract.objects.get(name="移行分")
    page = save(desk, contract, lines__0__unit_price="600")
    assert re.findall(r'name="apply"\s+value="([^"]*)"', page) == ["from:2026-04", FROM_MAY, FROM_JUNE]
    assert "まだ請求していない期間が複数あります" in page
    assert "2026年4月の期間から 未請求の注文 +200円（税抜）" in text(page)
    assert "締めた月の注文1件、100円（税抜）を含みます" in text(page)
    assert "続きの明細" not in page
    assert "増やさないときは、後の期間を選んでください。" in page
    assert "を入力してください" not in page
    assert amounts(contract) == [(4, 500), (5, 500)]
    assert "過去分も請求する （注文1件、100円（税抜））" in text(
        save(desk, contract, lines__0__unit_price="600", apply="from:2026-04")
    )
    assert amounts(contract) == [(4, 500), (5, 500)]
    assert "errornote" not in save(desk, contract, lines__0__unit_price="600", apply=FROM_JUNE)
    page = save(desk, contract, lines__0__unit_price="550")
    assert re.findall(r'name="apply"\s+value="([^"]*)"', page) == ["from:2026-04", FROM_MAY]
    assert "2026/06/01からは、続きの明細「移行」（1×600円）が請求されます" in text(page)


def it_asks_again_when_the_tick_was_for_other_yen(cast, desk):
    """Ticked for 500 yen, then the price was typed over: nobody has agreed to 5,000."""
    page = new_contract(
        desk, cast.b, start_on="2026-04-01", lines__0__unit_price="5000", charge_past="on", charge_past_shown="1:500"
    )
    assert "過去分も請求する （注文1件、5,000円（税抜））" in text(page)
    assert not re.search(r'name="charge_past"[^>]*checked', page)
    assert not Contract.objects.filter(name="移行分").exists()
    assert "errornote" not in new_contract(
        desk, cast.b, start_on="2026-04-01", lines__0__unit_price="5000", charge_past="on", charge_past_shown="1:5,000"
    )


def it_keeps_the_chosen_term_while_it_asks_for_the_tick(cast, desk, time_machine):
    """A 解約日 is taken back after its month was closed, and the price changes with it."""
    contract = cast.b.contracts.get()
    save(desk, contract, cancel_on="2026-04-30")
    time_machine.move_to("2026-06-08T03:00Z")
    make.close_month(make.MAY, date(2026, 6, 8))
    desk.force_login(cast.staff)
    given = filled(desk, address(contract), cancel_on="", lines__0__unit_price="9000", apply="next")
    page = send(desk, contract, given)
    assert re.search(r'value="next"\s+checked', page)
    assert "過去分も請求する （注文1件、7,777円（税抜））" in text(page)
    assert "errornote" not in send(desk, contract, given | {"charge_past": "on"})
    assert amounts(contract) == [(4, 7777), (5, 7777), (6, 7777)]


@pytest.mark.parametrize("field", ["apply", "charge_past", "charge_past_shown"])
def it_survives_odd_answers(cast, desk, field):
    contract = cast.b.contracts.get()
    page = save(desk, contract, lines__0__unit_price="9000", **{field: "\0'\"<b>" * 99})
    assert "errornote" in page
    assert contract.lines.get().unit_price == 7777


def it_shows_staff_the_terms_with_their_orders_and_what_became_of_them(cast, desk):
    contract = cast.b.contracts.get()
    save(desk, contract, lines__0__unit_price="9000", apply=FROM_MAY)
    said = text(desk.get(address(contract)).content.decode())
    order = Order.objects.get(contract=contract, month=make.MAY)
    assert f"{order.number} 更新 9,000円" in said
    assert f"注文{order.number} 7,777 → 9,000" in said
    assert HistoryEvent.objects.filter(subject=contract.number).count() == 2


def it_lets_whoever_only_reads_see_all_that(cast, desk):
    desk.force_login(staff("viewer@example.net", "閲覧"))
    said = text(desk.get(address(cast.b.contracts.get())).content.decode())
    assert "更新 7,777円" in said
    assert "契約を取り消す" not in said


def it_takes_a_booked_change_back_by_one_button_and_says_first_what_follows(cast, desk):
    contract = cast.b.contracts.get()
    save(desk, contract, lines__0__unit_price="9,000", apply=FROM_JUNE, reason="値上げの申し入れ")
    page = desk.get(address(contract)).content.decode()
    told = text(page)[text(page).index("予約済みの変更") :]
    assert told.startswith("予約済みの変更 2026/06/01から 品目1 単価 7,777 → 9,000 予約を取り消す")
    assert "理由: 値上げの申し入れ" in text(page)
    booked = contract.lines.get(charge_from=date(2026, 6, 1))
    back = f"/admin/contracts/contract/{contract.pk}/booked/{booked.pk}/"
    assert back in page
    assert "今の明細（1×7,777円）がそのまま続きます。" in text(desk.get(back).content.decode())
    assert contract.lines.count() == 2
    page = desk.post(back, follow=True).content.decode()
    assert "2026/06/01からの変更を取り消しました。" in page
    assert "予約済みの変更" not in page
    line = contract.lines.get()
    assert (line.unit_price, line.charge_from, line.charge_to) == (7777, None, None)
    assert amounts(contract) == [(4, 7777), (5, 7777)]
    assert desk.post(back).status_code == 404


def it_takes_no_line_back_that_has_begun_and_lets_no_reader_do_so(cast, desk):
    contract = cast.b.contracts.get()
    back = f"/admin/contracts/contract/{contract.pk}/booked/{contract.lines.get().pk}/"
    assert "この変更はすでに始まっています。" in desk.post(back, follow=True).content.decode()
    assert contract.lines.count() == 1
    desk.force_login(staff("reader@example.net", "閲覧"))
    assert desk.post(back).status_code == 403


def it_keeps_the_reason_of_a_change_for_the_staff_alone(cast, desk):
    contract = cast.b.contracts.get()
    save(desk, contract, note="至急", reason="電話で依頼")
    told = HistoryEvent.objects.filter(subject=contract.number).latest("pk")
    assert told.data["reason"] == "電話で依頼"
    assert "電話で依頼" not in told.detail
    assert "電話で依頼" in desk.get(f"/admin/contracts/contract/{contract.pk}/history/").content.decode()
    desk.force_login(cast.jiro)
    assert "電話で依頼" not in desk.get("/account/history/").content.decode()
