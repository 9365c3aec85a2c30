"""The vendor's own pages: settings, registration numbers, tax classes, and what customers asked."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import PermissionDenied

from accounts.services import save_customer
from billing import settled
from contracts.models import Service, Term
from orders.models import Order, OrderLine
from portal.models import CalendarDay, HistoryEvent, TaxClass, Vendor, VendorRegistration
from tests import make
from tests.acting import act, choose, form_of
from tests.filled import form_page
from tests.screens.people import staff


@pytest.fixture
def save(cast, web):
    """Post a page with some fields changed, as a person would; returns {field: messages}, empty if it was stored."""
    web.force_login(cast.staff)

    def saved(path, **changes):
        form = form_page(web, path).context["adminform"].form
        given = {}
        for field in form:
            value = changes.get(field.name, field.value())
            parts = value if isinstance(value, tuple) else None
            if parts:
                given |= {f"{field.html_name}_{place}": part for place, part in enumerate(parts)}
            elif value is not None and value is not False:
                given[field.html_name] = value
        missing = set(changes) - {field.name for field in form}
        assert not missing, f"the page doesn't offer {missing}"
        answer = web.post(path, given)
        if answer.status_code == 302:
            return {}
        assert answer.status_code == 200
        assert "制約" not in answer.content.decode()
        return {name: " ".join(messages) for name, messages in answer.context["adminform"].form.errors.items()}

    return saved


NUMBERS = "/admin/portal/vendorregistration/add/"
RATES = "/admin/portal/taxclass/add/"
VENDOR = "/admin/portal/vendor/1/change/"


@pytest.fixture
def registered(cast):
    VendorRegistration.objects.all().delete()
    return VendorRegistration.objects.create(number="T8990000000001", valid_from=date(2023, 10, 1))


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"number": "T8990000000002", "valid_from": "2031/01/01", "valid_to": "2030/01/01"}, "valid_to", "開始日以降"),
        ({"number": "T8990000000002", "valid_from": "2026/11/01"}, "valid_from", "「T8990000000001」（2023/10/01～）"),
        ({"number": "T8990000000002", "valid_from": "2020/01/01"}, "valid_to", "重なっています"),
        ({"number": "8990000000002", "valid_from": "2020/01/01", "valid_to": "2020/02/01"}, "number", "Tと13桁"),
    ],
)
def it_tells_beside_the_field_what_is_wrong_with_a_registration(registered, save, given, field, words):
    refused = save(NUMBERS, **given)
    assert list(refused) == [field]
    assert words in refused[field]
    assert VendorRegistration.objects.get() == registered


def it_takes_a_registration_number_in_full_width(registered, save):
    given = {"number": "ｔ８９９０００００００００２", "valid_from": "2020/01/01", "valid_to": "2023/09/30"}
    assert save(NUMBERS, **given) == {}
    assert VendorRegistration.objects.filter(number="T8990000000002").exists()


@pytest.mark.parametrize("typed", ["12", "12%", "１２％", "12.0"])
def it_takes_a_tax_rate_in_per_cent(cast, save, typed):
    assert save(RATES, kind="standard", rate=typed, valid_from="2027/04/01") == {}
    made = TaxClass.objects.filter(kind="standard").latest("valid_from")
    assert made.rate == Decimal("0.12")


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"kind": "standard", "rate": "0.1", "valid_from": "2027/04/01"}, "rate", "10 のように％で"),
        ({"kind": "standard", "rate": "120", "valid_from": "2027/04/01"}, "rate", ""),
        ({"kind": "standard", "rate": "10", "valid_from": "2027/04/01"}, "rate", "この日の税率と同じ"),
        ({"kind": "standard", "rate": "12", "valid_from": "2019/10/01"}, "valid_from", "すでに登録されています"),
        ({"kind": "exempt", "rate": "10", "valid_from": "1980/01/01"}, "rate", "税率は0です"),
        ({"kind": "export", "rate": "10", "valid_from": "1980/01/01"}, "rate", "税率は0です"),
    ],
)
def it_tells_beside_the_field_what_is_wrong_with_a_tax_class(cast, save, given, field, words):
    before = list(TaxClass.objects.values())
    refused = save(RATES, **given)
    assert list(refused) == [field]
    assert words in refused[field]
    assert list(TaxClass.objects.values()) == before


def classes(kind="standard"):
    found = TaxClass.objects.filter(kind=kind, valid_from__gte=date(2019, 1, 1)).order_by("valid_from")
    return [(each.rate, each.valid_from, each.valid_to) for each in found]


@pytest.mark.parametrize("first_day", [date(2026, 5, 1), date(2026, 5, 20)])
def it_ends_the_former_rate_the_day_before_the_new_one(billed, save, first_day):
    """April is closed: the new rate may begin on any day after its last one, in the middle of a month too (D34)."""
    assert save(RATES, kind="standard", rate="12", valid_from=first_day) == {}
    assert classes() == [
        (Decimal("0.10"), date(2019, 10, 1), first_day - timedelta(days=1)),
        (Decimal("0.12"), first_day, None),
    ]


@pytest.mark.parametrize("first_day", ["2026/04/30", "2026/04/01"])
def it_gives_no_closed_month_another_rate(billed, save, first_day):
    before = classes()
    refused = save(RATES, kind="standard", rate="12", valid_from=first_day)
    assert "2026/04/30 までは締め済み" in refused["valid_from"]
    assert classes() == before


def it_ends_a_rate_that_comes_before_another_with_its_beginning(cast, save):
    """A rate of long ago, of which nobody says when it ended."""
    assert save(RATES, kind="standard", rate="3", valid_from="1989/04/01") == {}
    assert TaxClass.objects.get(rate="0.03").valid_to == date(1997, 3, 31)


def it_gives_the_new_rate_the_end_of_the_one_that_it_cuts(cast, save):
    TaxClass.objects.filter(kind="standard", valid_to=None).update(valid_to=date(2028, 3, 31))
    assert save(RATES, kind="standard", rate="12", valid_from="2027/04/01") == {}
    assert classes()[-1] == (Decimal("0.12"), date(2027, 4, 1), date(2028, 3, 31))


def it_may_end_a_rate_that_a_billed_year_goes_beyond(cast, save):
    """A year was billed at 10 % until 2027-03; what isn't billed may have another rate from 05-01 on."""
    make.make_contract(cast.a, (36000,), form="yearly")
    make.close_month()
    current = TaxClass.objects.valid_on(make.APRIL).get(kind="standard")
    assert save(f"/admin/portal/taxclass/{current.pk}/change/", valid_to="2026/04/30") == {}


def it_keeps_what_was_changed_of_settings_and_companies(cast, save, web):
    """Before and after, who and when (D40)."""
    assert save(RATES, kind="standard", rate="12", valid_from="2027/04/01") == {}
    vendor = Vendor.objects.get()
    settled.store(CalendarDay(day=date(2027, 5, 6), note="臨時休業"), by=cast.staff)
    settled.remove(CalendarDay.objects.get(note="臨時休業"), by=cast.staff)
    vendor.rounding = "up"
    settled.store(vendor, by=cast.staff)
    cast.a.billing_person = "経理 花子"
    save_customer(cast.a, by=cast.staff)
    told = [(event.action, event.data["changes"]) for event in HistoryEvent.objects.order_by("pk")]
    assert told == [
        ("setting_changed", {"終了日": ["", "2027/03/31"]}),
        ("setting_changed", {
            "区分": ["", "標準税率"], "税率": ["", "0.12"], "開始日": ["", "2027/04/01"],
        }),
        ("setting_changed", {"日付": ["", "2027/05/06"], "メモ": ["", "臨時休業"]}),
        ("setting_changed", {"日付": ["2027/05/06", ""], "メモ": ["臨時休業", ""]}),
        ("setting_changed", {"消費税の端数処理": ["切り捨て", "切り上げ"]}),
        ("customer_changed", {"請求先担当者": ["", "経理 花子"]}),
    ]  # fmt: skip
    assert {event.actor for event in HistoryEvent.objects.all()} == {cast.staff}


@pytest.mark.parametrize(("day", "kept"), [("2026-05-07", True), ("2026-05-31", True), ("2026-08-13", False)])
def it_keeps_calendar_days_that_a_fixed_invoices_days_were_found_with(cast, web, day, kept):
    make.close_month()
    row = CalendarDay.objects.create(day=day, working=False)
    web.force_login(cast.staff)
    path = f"/admin/portal/calendarday/{row.pk}"
    assert ("day" not in web.get(f"{path}/change/").context["adminform"].form.fields) == kept
    told = [str(each) for each in web.post(f"{path}/delete/", {"post": "yes"}, follow=True).context["messages"]]
    assert any("計算に使われているため、削除できません。" in each for each in told) == kept
    assert CalendarDay.objects.filter(pk=row.pk).exists() == kept


def it_changes_no_setting_for_staff_without_the_right(cast):
    clerk = staff("clerk@example.net", "請求")
    for change in (
        lambda: settled.introduce_rate(TaxClass(kind="standard", rate="0.12", valid_from=date(2027, 4, 1)), by=clerk),
        lambda: settled.store(Vendor.objects.get(), by=clerk),
        lambda: settled.remove(TaxClass.objects.first(), by=clerk),
        lambda: save_customer(cast.a, by=clerk),
    ):
        with pytest.raises(PermissionDenied):
            change()
    assert not HistoryEvent.objects.exists()


@pytest.fixture
def billed(cast):
    """April is fixed; returns the tax class and the number on its invoices."""
    make.make_contract(cast.a, (1000,))
    make.close_month()
    return TaxClass.objects.valid_on(make.APRIL).get(kind="standard"), VendorRegistration.objects.valid_on(
        make.APRIL
    ).get()


def it_lets_what_fixed_invoices_stand_on_only_end_after_them(billed, cast, save, web):
    for row in billed:
        path = f"/admin/portal/{row._meta.model_name}/{row.pk}"
        web.force_login(cast.staff)
        page = web.get(f"{path}/change/")
        assert list(page.context["adminform"].form.fields) == ["valid_to"]
        assert "0.1" not in page.content.decode(), "a rate is written as 10%"
        assert ("10%</div>" in page.content.decode()) == isinstance(row, TaxClass)
        assert "2026/04/30" in save(f"{path}/change/", valid_to="2026/04/29")["valid_to"]
        assert save(f"{path}/change/", valid_to="2026/04/30") == {}
        row.refresh_from_db()
        assert row.valid_to == date(2026, 4, 30)
    web.force_login(staff("viewer@example.net", "閲覧"))
    reduced = TaxClass.objects.valid_on(make.APRIL).get(kind="reduced")
    assert "8%</div>" in web.get(f"/admin/portal/taxclass/{reduced.pk}/change/").content.decode()


@pytest.mark.parametrize("sent", [{}, {"post": "yes"}])
def it_says_at_each_way_of_deleting_why_a_used_row_stays_and_lets_the_others_go(billed, cast, web, sent):
    web.force_login(cast.staff)
    spare = TaxClass.objects.create(
        kind="standard", rate="0.01", valid_from=make.APRIL.replace(year=1980), valid_to=make.APRIL.replace(year=1981)
    )
    number = VendorRegistration.objects.create(
        number="T8990000000009", valid_from=make.APRIL.replace(year=1980), valid_to=make.APRIL.replace(year=1981)
    )
    for row, unused in zip(billed, (spare, number), strict=True):
        path = f"/admin/portal/{row._meta.model_name}/"
        page = web.post(f"{path}{row.pk}/delete/", sent, follow=True)
        (told,) = page.context["messages"]
        assert "削除できません。使い終わる日は「終了日」に入力してください。" in str(told)
        page = choose(web, path, "delete_selected", row, unused)
        assert f"{row}: " in page.content.decode()
        assert type(row).objects.filter(pk=unused.pk).exists()
        web.post(path, form_of(page), follow=True)
        assert type(row).objects.filter(pk=row.pk).exists()
        assert not type(row).objects.filter(pk=unused.pk).exists()


def it_says_so_where_a_row_was_used_after_its_page_was_opened(billed, cast, web, monkeypatch):
    """Whatever the page took for unused, the service and the database know."""
    web.force_login(cast.staff)
    monkeypatch.setattr(settled, "is_used", lambda row: False)
    for row in billed:
        path = f"/admin/portal/{row._meta.model_name}/"
        (told,) = web.post(f"{path}{row.pk}/delete/", {"post": "yes"}, follow=True).context["messages"]
        assert str(told) == "ほかのデータで使われているため、削除できません。"
        (told,) = act(web, path, "delete_selected", row, follow=True).context["messages"]
        assert str(told) == f"{row}: ほかのデータで使われているため、削除できません。"
        given = {
            "kind": "standard",
            "rate": "5",
            "number": "T8990000000009",
            "valid_from": "2026/04/01",
            "valid_to": "",
        }
        assert "保存できませんでした" in web.post(f"{path}{row.pk}/change/", given, follow=True).content.decode()


def remove_terms():
    for model in (OrderLine, Order, Term):
        model.objects.all().delete()


def it_settles_the_first_month_with_the_first_fixed_invoice(billed, cast, web):
    web.force_login(cast.staff)
    assert "first_month" not in web.get(VENDOR).context["adminform"].form.fields


@pytest.mark.parametrize("typed", ["2026/02", "2026年2月", "2026/02/01", "令和8年2月", "２０２６－０２"])
def it_takes_the_first_month_as_a_month_until_contracts_have_terms(cast, save, web, typed):
    assert "first_month" not in web.get(VENDOR).context["adminform"].form.fields
    assert "契約を登録した後は変更できません" in web.get(VENDOR).content.decode()
    remove_terms()
    assert save(VENDOR, first_month=typed) == {}
    assert Vendor.objects.get().first_month == date(2026, 2, 1)


@pytest.mark.parametrize(
    ("field", "typed", "words"),
    [
        ("first_month", "2026/02/15", "2026/11 のように"),
        ("postal_code", "abc", "100-0001 のように"),
        ("phone", "電話", "03-1234-5678 のように"),
        ("desk_phone", "でんわ", "03-1234-5678 のように"),
        ("desk_email", "abc", "hanako@example.com のように"),
    ],
)
def it_tells_beside_the_field_what_cant_stand_on_an_invoice(cast, save, field, typed, words):
    remove_terms()
    refused = save(VENDOR, **{field: typed})
    assert list(refused) == [field]
    assert words in refused[field]


def it_keeps_a_companys_postal_code_and_numbers_in_one_form(cast, save):
    typed = {
        "postal_code": "１０００００１",
        "corporate_number": "5-8356-7825-6246",
        "registration_number": "t 5835678256246",
    }
    assert save(f"/admin/accounts/customer/{cast.a.pk}/change/", **typed) == {}
    cast.a.refresh_from_db()
    kept = (cast.a.postal_code, cast.a.corporate_number, cast.a.registration_number)
    assert kept == ("100-0001", "5835678256246", "T5835678256246")


@pytest.mark.parametrize(
    ("field", "typed", "words"),
    [
        ("payment_months", "99", "12か月まで"),
        ("postal_code", "123", "100-0001"),
        ("billing_postal_code", "abc", "100-0001"),
    ],
)
def it_tells_beside_the_field_what_is_wrong_with_a_company(cast, save, field, typed, words):
    refused = save(f"/admin/accounts/customer/{cast.a.pk}/change/", **{field: typed})
    assert list(refused) == [field]
    assert words in refused[field]


def it_tells_at_once_which_characters_no_document_can_print(cast, save, web):
    for path, typed, letters in (
        (f"/admin/accounts/customer/{cast.a.pk}/change/", {"billing_name": "张"}, "张"),
        (VENDOR, {"invoice_note": "감", "desk_hours": "🚀"}, "감"),
    ):
        assert save(path, **typed) == {}
        page = web.get("/admin/").content.decode()
        assert f"次の文字は書類に印刷できません: {letters} " in page and "🚀" not in page


def it_asks_for_the_address_of_a_postal_code(cast, save):
    """Without it documents would go on to print the company's own address."""
    refused = save(f"/admin/accounts/customer/{cast.a.pk}/change/", billing_postal_code="530-0001")
    assert list(refused) == ["billing_address"]


@pytest.mark.parametrize("typed", ["ＰＨＯＮＥ", " Phone\u200b"])
def it_spells_a_service_code_in_one_way(cast, save, typed):
    assert save("/admin/contracts/service/add/", code=typed, name="電話") == {}
    assert Service.objects.get(name="電話").code == "phone"
    assert "code" in save("/admin/contracts/service/add/", code=typed, name="二つ目")


def it_says_in_japanese_what_a_service_code_may_be(cast, save):
    refused = save("/admin/contracts/service/add/", code="電 話", name="電話")
    assert refused == {"code": "半角の英数字、ハイフン、アンダースコアで入力してください。"}


@pytest.mark.parametrize("sought", ["ﾐﾄﾞﾘ", "ミドリ", "Ｃ０００"])
def it_finds_a_company_in_whatever_width_was_typed(cast, web, sought):
    type(cast.a).objects.filter(pk=cast.a.pk).update(kana="ミドリショウジ")
    web.force_login(cast.staff)
    assert cast.a in web.get("/admin/accounts/customer/", {"q": sought}).context["cl"].queryset
