"""Staff's page of a contract: what is wrong is said beside it, and nothing that was typed is lost."""

import re
from datetime import date

import pytest

from contracts.models import Contract, ContractLine
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


def it_keeps_what_was_typed_before_the_vendors_settings_are_there(cast, save):
    Vendor.objects.all().delete()
    page = save(note="至急", cancel_on="2026-04-20")
    assert "ベンダー設定がありません" in page
    assert (stored(cast).note, stored(cast).cancel_on) == ("至急", date(2026, 4, 20))


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
    """Post company A's metered item with tiers of (quantity, price) and some fields changed; returns the errors by field."""
    meter = make.make_meter(cast.a.contracts.get(), 10, (500, 8))
    web.force_login(cast.staff)

    def saved(*tiers, path=f"{meter.pk}/change", **changes):
        given = {
            "item": "転送量", "unit": "GB", "free_quantity": "0", "unit_price": "10", "price_basis": "exclusive",
            "tax_kind": "standard", "tiers-TOTAL_FORMS": len(tiers), "tiers-INITIAL_FORMS": 0,
        }  # fmt: skip
        for place, (above, unit_price) in enumerate(tiers):
            given |= {f"tiers-{place}-above": above, f"tiers-{place}-unit_price": unit_price}
        answer = web.post(f"/admin/contracts/meter/{path}/", given | changes)
        if answer.status_code == 302:
            return {}
        assert "重複した" not in answer.content.decode()
        rows = answer.context["inline_admin_formsets"][0].formset.errors
        return {**answer.context["adminform"].form.errors, **{name: told for row in rows for name, told in row.items()}}

    return saved


@pytest.mark.parametrize(
    ("tiers", "changes", "field", "words"),
    [
        ([("1000", "7"), ("1,000", "6")], {}, "above", "すでにあります"),
        ([("0", "7")], {}, "above", "0より大きい"),
        ([("1000", "-7")], {}, "unit_price", "0以上"),
        ([], {"unit_price": "-1"}, "unit_price", "0以上"),
        ([], {"free_quantity": "-1"}, "free_quantity", "0以上"),
    ],
)
def it_tells_beside_the_field_what_is_wrong_with_prices(cast, save_meter, tiers, changes, field, words):
    refused = save_meter(*tiers, **changes)
    assert list(refused) == [field]
    assert words in " ".join(refused[field])
    assert cast.a.contracts.get().meters.get().unit_price == 10


def it_refuses_a_second_meter_of_one_service(cast, save_meter):
    meter = cast.a.contracts.get().meters.get()
    refused = save_meter(path="add", contract=meter.contract_id, service=meter.service_id)
    assert list(refused) == ["service"]
    assert "すでに登録されています" in " ".join(refused["service"])


def it_takes_tiers_of_several_quantities(cast, save_meter):
    assert save_meter(("1,000", "７"), ("２０００", "6")) == {}
    assert cast.a.contracts.get().meters.get().tiers.count() == 3


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


def it_refuses_two_tiers_of_one_quantity(cast, web):
    meter = make.make_meter(cast.a.contracts.get(), 10, (500, 8))
    web.force_login(cast.staff)
    given = {
        "item": "転送量", "unit": "GB", "free_quantity": 0, "unit_price": 10, "price_basis": "exclusive",
        "tax_kind": "standard", "tiers-TOTAL_FORMS": 2, "tiers-INITIAL_FORMS": 1, "tiers-0-id": meter.tiers.get().pk,
        "tiers-0-above": 500, "tiers-0-unit_price": 8, "tiers-1-above": 500, "tiers-1-unit_price": 7,
        "tiers-0-meter": meter.pk,
    }  # fmt: skip
    page = web.post(f"/admin/contracts/meter/{meter.pk}/change/", given, follow=True).content.decode()
    assert "この数量の段階料金がすでにあります" in page
    stale = given | {"tiers-TOTAL_FORMS": 1, "tiers-INITIAL_FORMS": 0, "tiers-0-id": ""}
    page = web.post(f"/admin/contracts/meter/{meter.pk}/change/", stale, follow=True).content.decode()
    assert "この数量の段階料金がすでにあります" in page
    assert meter.tiers.count() == 1


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
