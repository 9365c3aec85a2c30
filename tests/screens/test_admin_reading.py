"""Staff type dates, amounts and names as customers do: the portal's own writing is read, nothing is taken for another day."""

import re
from datetime import date
from decimal import Decimal

import pytest
from django.contrib import admin
from django.db import models
from django.test import RequestFactory

from contracts.models import Contract, ContractLine
from orders.models import Usage
from portal import forms
from portal.models import CalendarDay, TaxClass
from tests import make
from tests.filled import form_page

READ = {
    models.DateField: forms.DayField,
    models.IntegerField: forms.WholeField,
    models.DecimalField: forms.NumberField,
    models.CharField: forms.LineField,
    models.SlugField: forms.CodeField,
    models.EmailField: forms.AddressField,
    models.DateTimeField: forms.MomentField,
}


def pages():
    for page in admin.site._registry.values():
        yield page
        yield from (inline(page.model, admin.site) for inline in page.inlines)


def it_reads_every_field_of_every_page_in_the_same_way(cast):
    request = RequestFactory().get("/")
    request.user = cast.staff
    seen = set()
    for page in pages():
        for field in page.model._meta.fields:
            if not field.editable or field.primary_key or field.choices:
                continue
            kind = next((kind for kind in type(field).__mro__ if kind in READ), None)
            if kind:
                made = page.formfield_for_dbfield(field, request)
                assert isinstance(made, READ[kind]), (page, field)
                if kind is not models.DateTimeField:
                    assert made.widget.input_type == "text", (page, field)  # a number's own input takes no 9,800
                seen.add(kind)
    assert seen == set(READ)


def it_has_no_buttons_beside_a_choice_that_lead_away_from_what_is_typed(cast):
    request = RequestFactory().get("/")
    request.user = cast.staff
    buttons = ("can_add_related", "can_change_related", "can_delete_related", "can_view_related")
    for page in admin.site._registry.values():
        for field in page.model._meta.fields:
            if field.is_relation and field.editable:
                widget = page.formfield_for_dbfield(field, request).widget
                assert not any(getattr(widget, each) for each in buttons), (page, field)


def it_writes_days_yen_and_whether_something_holds_as_all_other_pages_do(cast, web):
    web.force_login(cast.staff)
    order = cast.a.contracts.get().orders.get()
    page = web.get(f"/admin/orders/order/{order.pk}/change/").content.decode()
    shown = dict(re.findall(r'field-(\w+)">.*?class="readonly">(.*?)</div>', page, re.DOTALL))
    names = ("ordered_on", "month", "amount", "prorate")
    assert [shown[name] for name in names] == ["2026/04/01", "2026/04", "21,500", "-"]
    assert "○" in web.get("/admin/contracts/service/").content.decode()


def it_writes_a_used_quantity_in_the_heading_of_its_page_as_all_other_pages_do(cast, web):
    contract = cast.a.contracts.get()
    make.make_meter(contract, 9, (500, "7.50"))
    make.use(contract, "1234567.5")
    web.force_login(cast.staff)
    page = web.get(f"/admin/orders/usage/{Usage.objects.get().pk}/change/").content.decode()
    assert "2026-04 1,234,567.5<" in page
    assert "1234567" not in page


def it_names_a_rate_as_all_other_pages_do_whole_or_not(cast, web):
    years = {"valid_from": date(1989, 4, 1), "valid_to": date(1997, 3, 31)}
    row = TaxClass.objects.create(kind="standard", rate=Decimal("0.0625"), **years)
    web.force_login(cast.staff)
    assert "標準税率 6.25%" in web.get(f"/admin/portal/taxclass/{row.pk}/change/").content.decode()
    assert [str(each) for each in TaxClass.objects.filter(rate="0.10")] == ["標準税率 10%"]


def it_names_a_price_that_goes_with_its_meter_as_all_other_pages_do(cast, web):
    meter = make.make_meter(cast.a.contracts.get(), 9, (500, "7.50"))
    web.force_login(cast.staff)
    page = web.get(f"/admin/contracts/meter/{meter.pk}/delete/").content.decode()
    assert "500 7.5" in page and "500.000" not in page


@pytest.fixture
def line(cast, web):
    """Post company B's contract with some fields changed; returns (page, the line as stored)."""
    web.force_login(cast.staff)
    contract = cast.b.contracts.get()
    stored = contract.lines.get()
    given = {
        "name": contract.name, "service": contract.service_id, "plan": "", "cancel_on": "", "auto_renew": "on", "note": "",
        "lines-TOTAL_FORMS": 1, "lines-INITIAL_FORMS": 1, "lines-0-id": stored.pk, "lines-0-contract": contract.pk,
        "lines-0-position": "1", "lines-0-item": stored.item, "lines-0-quantity": "1", "lines-0-unit_price": "7777",
        "lines-0-price_basis": "exclusive", "lines-0-tax_kind": "standard", "meters-TOTAL_FORMS": 0,
        "meters-INITIAL_FORMS": 0, "terms-TOTAL_FORMS": 0, "terms-INITIAL_FORMS": 0,
    }  # fmt: skip

    def saved(**changes):
        fields = given | {
            name if name in (*given, "apply") else f"lines-0-{name}": value for name, value in changes.items()
        }
        page = web.post(f"/admin/contracts/contract/{contract.pk}/change/", fields, follow=True).content.decode()
        return page, ContractLine.objects.get(pk=stored.pk)

    return saved


def it_takes_amounts_and_quantities_with_separators_and_in_full_width(line):
    _page, stored = line(unit_price="￥９，８００", quantity="1,234.5 ", position="２", apply="now")
    assert (stored.unit_price, stored.quantity, stored.position) == (Decimal("9800"), Decimal("1234.5"), 2)


@pytest.mark.parametrize(
    "typed", ["2026/11/30", "20261130", "2026年11月30日", "R8.11.30", "２０２６／１１／３０\u200b"]
)
def it_takes_a_day_as_the_portal_writes_it(line, cast, typed):
    line(cancel_on=typed)
    assert Contract.objects.get(customer=cast.b).cancel_on == date(2026, 11, 30)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cancel_on": "10/11/12"}, "「10/11/12」は日付として読み取れません"),
        ({"cancel_on": "202611"}, "2026/11/30 のように"),
        ({"unit_price": "98,00"}, "「98,00」は数として"),
        ({"unit_price": "10²"}, "「10²」は数として"),
        ({"position": "1.5"}, "「1.5」は整数として読み取れません。12 のように入力してください。"),
        ({"item": "サーバ\t1"}, "改行やタブ"),
    ],
)
def it_refuses_beside_the_field_what_it_cant_read(line, cast, changes, words):
    page, stored = line(**changes)
    assert words in page
    assert (stored.unit_price, stored.position, stored.item) == (7777, 1, "品目1")
    assert Contract.objects.get(customer=cast.b).cancel_on is None


def it_shows_days_as_it_reads_them(cast, web):
    web.force_login(cast.staff)
    day = CalendarDay.objects.create(day=date(2026, 12, 29), note="x")
    assert 'value="2026/12/29"' in web.get(f"/admin/portal/calendarday/{day.pk}/change/").content.decode()


def it_stores_names_without_what_nobody_sees(cast, web):
    web.force_login(cast.staff)
    given = {"customer": cast.b.pk, "name": "\ufeff契約\u00a0A\u200b ", "service": cast.b.contracts.get().service_id}
    for name, total in (("lines", 1), ("meters", 0), ("terms", 0)):
        given |= {f"{name}-TOTAL_FORMS": total, f"{name}-INITIAL_FORMS": 0}
    given |= {
        "form": "monthly",
        "start_on": "2030/04/01",
        "auto_renew": "on",
        "lines-0-position": "1",
        "lines-0-item": "x",
    }
    given |= {
        "lines-0-quantity": "1",
        "lines-0-unit_price": "1",
        "lines-0-price_basis": "exclusive",
        "lines-0-tax_kind": "standard",
    }
    web.post("/admin/contracts/contract/add/", given)
    assert Contract.objects.latest("pk").name == "契約 A"


def it_keeps_a_companys_reading_and_numbers_in_one_form(cast, web):
    web.force_login(cast.staff)
    path = f"/admin/accounts/customer/{cast.a.pk}/change/"
    given = form_page(web, path).context["adminform"].form.initial
    typed = {"kana": "みどりしょうじ", "phone": "０３（１２３４）５６７８", "fax": "03 1234 5679"}
    answer = web.post(path, {name: value for name, value in given.items() if value is not None} | typed)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    cast.a.refresh_from_db()
    assert (cast.a.kana, cast.a.phone, cast.a.fax) == ("ミドリショウジ", "03-1234-5678", "03-1234-5679")


def it_tells_a_reading_that_is_none_beside_its_field(cast, web):
    web.force_login(cast.staff)
    path = f"/admin/accounts/user/{cast.hanako.pk}/change/"
    page = web.post(path, {"name": "山田 花子", "email": "hanako@example.com", "language": "ja", "kana": "山田"})
    assert "カタカナで入力してください" in page.content.decode()
