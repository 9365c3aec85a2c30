"""Staff's page of a contract: what is wrong is said beside it, and nothing that was typed is lost."""

import re
from datetime import date

import pytest
from django.core.exceptions import ValidationError

from contracts.models import Contract, ContractLine, Service
from contracts.services import PriceTyped
from contracts.services import save_meter as store
from orders.models import UsageCharge
from portal.models import TaxClass, Vendor
from tests import make


@pytest.fixture
def save(cast, web):
    """Post the page of company B's contract with some fields changed; returns the page that answers."""
    web.force_login(cast.staff)
    contract = cast.b.contracts.get()
    line = contract.lines.get()
    given = {
        "name": contract.name, "service": contract.service_id, "plan": "", "cancel_on": "", "auto_renew": "on", "note": "",
        "lines-TOTAL_FORMS": 1, "lines-INITIAL_FORMS": 1, "lines-0-id": line.pk, "lines-0-contract": contract.pk,
        "lines-0-position": 1, "lines-0-item": line.item, "lines-0-quantity": "1", "lines-0-unit_price": "7777",
        "lines-0-price_basis": "exclusive", "lines-0-tax_kind": "standard", "meters-TOTAL_FORMS": 0,
        "meters-INITIAL_FORMS": 0, "terms-TOTAL_FORMS": 0, "terms-INITIAL_FORMS": 0,
        "apply": "now",  # of the months that weren't billed since April
    }  # fmt: skip

    def saved(**changes):
        fields = given | {name.replace("__", "-"): value for name, value in changes.items()}
        return web.post(f"/admin/contracts/contract/{contract.pk}/change/", fields, follow=True).content.decode()

    saved.browser = web
    return saved


def stored(cast):
    return Contract.objects.get(customer=cast.b)


def it_stores_what_was_typed(cast, save):
    page = save(note="至急", cancel_on="2026-04-20", lines__0__unit_price="8000")
    assert "errornote" not in page
    assert "請求されません" not in page
    assert (stored(cast).note, stored(cast).cancel_on) == ("至急", date(2026, 4, 20))
    assert ContractLine.objects.get(contract=stored(cast)).amount == 8000


def it_tells_at_once_which_characters_of_a_line_no_document_can_print(cast, save):
    assert "印刷できません" not in save(lines__0__item="髙﨑①㈱")
    assert "次の文字は書類に印刷できません: 张한" in save(lines__0__item="张", lines__0__specification="张한")


def it_keeps_what_was_typed_before_the_vendors_settings_are_there(cast, save):
    Vendor.objects.all().delete()
    page = save(note="至急", cancel_on="2026-04-20")
    assert "ベンダー設定がありません" in page
    assert (stored(cast).note, stored(cast).cancel_on) == ("至急", date(2026, 4, 20))


def it_leads_to_what_has_to_be_decided_when_billed_days_are_cut_off(cast, save, time_machine):
    Service.objects.update(prorate=True)
    make.close_month()
    time_machine.move_to("2026-05-20T03:00Z")
    assert "返すべき額です" not in save(note="至急", apply="", lines__0__unit="式")
    page = save(cancel_on="2026-04-20", apply="", lines__0__unit="式")
    assert "円（税抜） は返すべき額です" in page and '/change/#proposals">契約の画面</a>' in page


def it_refuses_a_cancellation_before_the_start(cast, save):
    assert "解約日は契約開始日以降" in save(cancel_on="2026-03-31")
    assert stored(cast).cancel_on is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"lines__0__quantity": "999999999", "lines__0__unit_price": "999999999999"}, "金額が大きすぎます"),
        ({"lines__0__price_basis": "inclusive", "lines__0__tax_kind": "exempt"}, "税区分に登録されていません"),
        ({"lines__0__charge_from": "2026-05-02", "lines__0__charge_to": "2026-05-01"}, "課金終了日は課金開始日以降"),
    ],
)
def it_says_beside_the_line_what_is_wrong_with_it(cast, save, changes, words):
    TaxClass.objects.filter(kind="exempt").delete()
    assert words in save(**changes)
    assert ContractLine.objects.get(contract=stored(cast)).amount == 7777


@pytest.mark.parametrize("quantity", ["0", "-1", "0.000"])
def it_refuses_a_quantity_that_is_none_beside_it(cast, save, quantity):
    page = save(lines__0__quantity=quantity)
    assert "0より大きい数量を入力してください。" in page
    assert 'id="id_lines-0-quantity_error"' in page
    assert ContractLine.objects.get(contract=stored(cast)).quantity == 1


def it_takes_a_price_below_zero_for_a_discount(cast, save):
    assert "errornote" not in save(lines__0__unit_price="-500")
    assert ContractLine.objects.get(contract=stored(cast)).amount == -500


def it_shows_numbers_as_people_write_them(cast, save):
    save(lines__0__quantity="2", lines__0__unit_price="1,500.50")
    path = f"/admin/contracts/contract/{stored(cast).pk}/change/"
    page = save.browser.get(path).content.decode()
    assert re.findall(r'name="lines-0-(?:quantity|unit_price)" value="([^"]*)"', page) == ["2", "1500.5"]
    assert re.findall(r"2026/04/01.2026/04/30", page) == ["2026/04/01～2026/04/30"]


def it_shows_a_price_typed_wrongly_as_it_was_typed(save):
    assert 'value="1500.50円"' in save(lines__0__unit_price="1500.50円", lines__0__quantity="x")


def second_line(number):
    fields = {"position": number, "item": "二つ目", "quantity": 1, "unit_price": 1, "price_basis": "exclusive"}
    return {f"lines__1__{name}": value for name, value in (fields | {"tax_kind": "standard"}).items()}


def it_refuses_two_lines_of_one_number(cast, save):
    page = save(lines__TOTAL_FORMS=2, **second_line(1))
    assert page.count("この行番号はほかの明細で使われています。") == 1
    assert "重複した" not in page
    assert stored(cast).lines.count() == 1


@pytest.fixture
def save_meter(cast, web):
    """Post company A's metered item with prices of (month, yen, tiers) behind the first and some fields changed.

    Returns the errors by field.
    """
    meter = make.make_meter(cast.a.contracts.get(), 10, (500, 8))
    web.force_login(cast.staff)

    def saved(*later, path=f"{meter.pk}/change", stored=1, **changes):
        given = {
            "item": "転送量", "unit": "GB", "price_basis": "exclusive", "tax_kind": "standard",
            "prices-TOTAL_FORMS": stored + len(later), "prices-INITIAL_FORMS": stored,
        }  # fmt: skip
        rows = [("", "10", "500:8")] * stored + list(later)
        for place, (since, unit_price, tiers) in enumerate(rows):
            row = {"since": since, "free_quantity": "0", "unit_price": unit_price, "steps": tiers}
            given |= {f"prices-{place}-{name}": value for name, value in row.items()}
        if stored:
            given |= {"prices-0-id": meter.prices.get(since=None).pk, "prices-0-meter": meter.pk}
        answer = web.post(f"/admin/contracts/meter/{path}/", given | changes)
        if answer.status_code == 302:
            return {}
        assert "重複した" not in answer.content.decode()
        formset = answer.context["inline_admin_formsets"][0].formset
        found = {name: told for row in formset.errors for name, told in row.items()}
        if formset.non_form_errors():
            found[""] = formset.non_form_errors()
        return {**answer.context["adminform"].form.errors, **found}

    saved.meter = meter
    return saved


@pytest.mark.parametrize(
    ("later", "changes", "field", "words"),
    [
        ([], {"prices-0-steps": "1000:7\n1,000:6"}, "steps", "1,000 を超える分の単価が2つ"),
        ([], {"prices-0-steps": "0:7"}, "steps", "0より大きい"),
        ([], {"prices-0-steps": "1000:-7"}, "steps", "0以上"),
        ([], {"prices-0-steps": "1000 7"}, "steps", "「:」で区切って"),
        ([], {"prices-0-steps": "千:7"}, "steps", "数"),
        ([], {"prices-0-unit_price": "-1"}, "unit_price", "0以上"),
        ([], {"prices-0-free_quantity": "-1"}, "free_quantity", "0以上"),
        ([("2026-13", "12", "")], {}, "since", "暦にありません"),
        ([("2026-06", "12", ""), ("2026年6月", "13", "")], {}, "since", "すでにあります"),
        ([("", "12", "")], {}, "since", "1つだけ"),
        ([], {"prices-0-DELETE": "on"}, "", "1つだけ"),
    ],
)
def it_tells_beside_the_field_what_is_wrong_with_prices(cast, save_meter, later, changes, field, words):
    refused = save_meter(*later, **changes)
    assert list(refused) == [field]
    assert words in " ".join(refused[field])
    assert [price.ladder for price in save_meter.meter.prices.all()] == [[(0, 10), (500, 8)]]


def it_refuses_a_second_meter_of_one_service(cast, save_meter):
    meter = cast.a.contracts.get().meters.get()
    refused = save_meter(("", "10", ""), path="add", stored=0, contract=meter.contract_id, service=meter.service_id)
    assert list(refused) == ["service"]
    assert cast.a.contracts.get().meters.count() == 1


def it_asks_for_a_price_of_a_new_meter(cast, save_meter):
    service = Service.objects.get(code="traffic")
    refused = save_meter(path="add", stored=0, contract=save_meter.meter.contract_id, service=service.pk)
    assert "1つだけ" in " ".join(refused[""])
    assert cast.a.contracts.get().meters.count() == 1


def it_takes_the_first_price_of_a_new_meter_from_always_whatever_month_stands_beside_it(cast, save_meter, web):
    about = {"path": "add", "stored": 0, "contract": save_meter.meter.contract_id}
    rows = [("2026-07", "13", ""), ("2026-06", "12", "")]
    assert save_meter(*rows, **about, service=Service.objects.get(code="traffic").pk) == {}
    prices = cast.a.contracts.get().meters.get(service__code="traffic").prices.all()
    assert [(price.since, price.unit_price) for price in prices] == [(None, 12), (date(2026, 7, 1), 13)]
    page = web.get("/admin/").content.decode()
    assert "2026/06 からの料金を、当初からの料金として登録しました" in page


def it_takes_tiers_and_prices_of_several_months_as_people_write_them(cast, save_meter):
    assert save_meter(("令和8年6月", "１２", "２０００：6; 1,000:7"), ("2026/7", "13", "")) == {}
    prices = cast.a.contracts.get().meters.get().prices.all()
    assert [(price.since, price.ladder) for price in prices] == [
        (None, [(0, 10), (500, 8)]),
        (make.JUNE, [(0, 12), (1000, 7), (2000, 6)]),
        (date(2026, 7, 1), [(0, 13)]),
    ]


def amounts(meter):
    charges = UsageCharge.objects.standing().filter(usage__meter=meter).order_by("usage__month", "position")
    return [(charge.usage.month, charge.amount) for charge in charges]


def it_leaves_a_month_its_price_when_a_later_months_is_entered(cast, save_meter, time_machine):
    """May's usage arrived; June's price is entered on 06-03, before May is closed (D32)."""
    time_machine.move_to("2026-06-03T03:00Z")
    make.use(save_meter.meter.contract, "100", month="2026-05", today=date(2026, 6, 3))
    make.use(save_meter.meter.contract, "100", month="2026-06", today=date(2026, 6, 3))
    assert save_meter(("2026-06", "12", "")) == {}
    assert amounts(save_meter.meter) == [(make.MAY, 1000), (make.JUNE, 1200)]
    make.use(save_meter.meter.contract, "200", month="2026-05", today=date(2026, 6, 3))
    assert amounts(save_meter.meter) == [(make.MAY, 2000), (make.JUNE, 1200)]


@pytest.mark.parametrize(
    ("later", "changes", "field"),
    [
        ([], {"prices-0-unit_price": "11"}, "unit_price"),
        ([], {"prices-0-free_quantity": "1"}, "free_quantity"),
        ([], {"prices-0-steps": ""}, "steps"),
        ([("2026-04", "12", "")], {}, "since"),
        ([("2026-03", "12", "")], {}, "since"),
    ],
)
def it_changes_no_price_of_a_month_whose_usage_is_billed(cast, save_meter, later, changes, field):
    make.use(save_meter.meter.contract, "100")
    make.close_month()
    refused = save_meter(*later, **changes)
    assert list(refused) == [field]
    assert "2026-04 の使用量は請求済みです" in " ".join(refused[field])
    assert [price.ladder for price in save_meter.meter.prices.all()] == [[(0, 10), (500, 8)]]


def it_takes_a_price_from_the_month_after_what_is_billed(cast, save_meter):
    make.use(save_meter.meter.contract, "100")
    make.close_month()
    assert save_meter(("2026-05", "12", "")) == {}


def it_neither_moves_nor_drops_the_price_that_billed_a_month(cast, save_meter):
    """Whoever calls the service: a program is refused as the page is."""
    meter = save_meter.meter
    june = make.make_price(meter, 12, since=make.APRIL)
    make.use(meter.contract, "100")
    make.close_month()
    with pytest.raises(ValidationError, match="請求済み"):
        store(meter, removed=[june])
    june = meter.prices.get(since=make.APRIL)
    june.since = make.MAY
    with pytest.raises(ValidationError, match="請求済み"):
        store(meter, [PriceTyped(june)])
    assert [price.since for price in meter.prices.all()] == [None, make.APRIL]


def it_says_so_when_somebody_else_added_a_line_of_that_number_meanwhile(cast, save):
    assert "errornote" not in save(lines__TOTAL_FORMS=2, **second_line(2))
    assert "この行番号はほかの明細で使われています" in save(lines__TOTAL_FORMS=2, **second_line(2))
    assert "errornote" not in save(lines__TOTAL_FORMS=2, **second_line(3))
    assert stored(cast).lines.count() == 3


@pytest.mark.parametrize("rows", [0, -1])
def it_takes_no_line_for_a_new_one_when_the_page_says_it_had_none(cast, save, rows):
    assert "この行番号はほかの明細で使われています" in save(lines__INITIAL_FORMS=rows)
    assert ContractLine.objects.filter(contract=stored(cast)).count() == 1


def it_makes_no_thousand_lines_of_a_number(cast, save):
    page = save(lines__TOTAL_FORMS=100000)
    assert "errornote" in page
    assert "lines-99-item" not in page


def it_keeps_the_contract_when_no_order_can_be_made_of_it(cast, save):
    TaxClass.objects.filter(kind="exempt").delete()
    page = save(note="至急", cancel_on="2026-04-20", lines__0__tax_kind="exempt")
    assert "契約は保存しましたが、注文を作れません" in page
    assert (stored(cast).note, stored(cast).cancel_on) == ("至急", date(2026, 4, 20))


def it_takes_a_new_contract_of_metered_items_alone(cast, web):
    web.force_login(cast.staff)
    given = {
        "customer": cast.a.pk, "name": "従量のみ", "service": cast.a.contracts.get().service_id, "form": "monthly",
        "start_on": make.APRIL.isoformat(), "auto_renew": "on", "lines-TOTAL_FORMS": 1, "lines-INITIAL_FORMS": 0,
        "lines-0-position": "", "lines-0-quantity": 1, "lines-0-price_basis": "exclusive", "lines-0-tax_kind": "standard",
        "meters-TOTAL_FORMS": 0, "meters-INITIAL_FORMS": 0, "terms-TOTAL_FORMS": 0, "terms-INITIAL_FORMS": 0,
    }  # fmt: skip
    page = web.post("/admin/contracts/contract/add/", given, follow=True).content.decode()
    assert "errornote" not in page
    assert "契約明細か従量料金を登録するまで請求されません" in page
    made = Contract.objects.get(name="従量のみ")
    assert made.number
    assert not made.lines.exists()
    assert not made.orders.exists()


def it_numbers_the_lines_that_were_added_without_a_number(cast, web):
    """The page gives none, as a person who adds lines sees them."""
    web.force_login(cast.staff)
    first = web.get("/admin/contracts/contract/add/").context["inline_admin_formsets"][0].formset.forms[0]
    assert first["position"].value() is None
    given = {
        "customer": cast.a.pk, "name": "三行", "service": cast.a.contracts.get().service_id, "form": "monthly",
        "start_on": make.APRIL.isoformat(), "auto_renew": "on", "lines-TOTAL_FORMS": 3, "lines-INITIAL_FORMS": 0,
        "meters-TOTAL_FORMS": 0, "meters-INITIAL_FORMS": 0, "terms-TOTAL_FORMS": 0, "terms-INITIAL_FORMS": 0,
    }  # fmt: skip
    for place, (position, item) in enumerate([("", "一つ目"), ("5", "五番"), ("", "次")]):
        given |= {f"lines-{place}-{name}": value for name, value in {
            "position": position, "item": item, "quantity": "1", "unit_price": "100", "price_basis": "exclusive",
            "tax_kind": "standard",
        }.items()}  # fmt: skip
    assert "errornote" not in web.post("/admin/contracts/contract/add/", given, follow=True).content.decode()
    made = Contract.objects.get(name="三行")
    assert list(made.lines.values_list("position", "item")) == [(5, "五番"), (6, "一つ目"), (7, "次")]


def it_tells_an_end_before_the_start_at_the_end(save):
    page = save(lines__0__charge_from="2026-05-02", lines__0__charge_to="2026-05-01")
    assert 'id="id_lines-0-charge_to_error"' in page
