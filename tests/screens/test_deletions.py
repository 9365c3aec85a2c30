"""What carries a number, or stands in a billed row, stays: the page says what hangs on it and what to do instead."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import IntegrityError, connection, transaction

from accounts.imports import CUSTOMERS
from accounts.models import Customer, User
from accounts.services import save_customer
from billing.models import Credit, Invoice
from contracts.models import Contract, ContractLine, Meter, MeterPrice, Service, Term
from orders.models import Order, OrderLine, Usage
from portal import history
from portal.desk import ReadOnly
from portal.imports.taking import take_in
from portal.models import (
    Action,
    CalendarDay,
    FaqEntry,
    HistoryEvent,
    Inquiry,
    Notice,
    TaxClass,
    Vendor,
    VendorRegistration,
)
from tests import make

# What the page of a row that stays says, so that nobody is left standing: a new ModelAdmin without a row fails.
TOLD = {
    Customer: "契約に解約日を入力し、ユーザを無効にしてください",
    User: "操作「ユーザを削除する（無効にする）」",
    Service: "名前で区別して残してください",
    Contract: "「契約を取り消す」",
    Meter: "契約に解約日を入力してください",
    Invoice: "「訂正する」で取り消せます",
    Inquiry: "状態を「完了」に",
    Vendor: "変更はこの画面で",
    VendorRegistration: "使い終わる日は「終了日」",
    TaxClass: "使い終わる日は「終了日」",
    CalendarDay: "説明は「メモ」に",
}
FREE = {
    FaqEntry: "a text on a page, which nothing names",
    Notice: "a text that goes before it is shown; test_notices.py says that one which was shown stays",
}
CHANGED_BY_PROGRAMS = [model for model, desk in admin.site._registry.items() if isinstance(desk, ReadOnly)]


@pytest.fixture
def rows(cast):
    """{model: a row that was billed, or that carries a number}."""
    meter = make.make_meter(cast.a.contracts.get(), 10, (20, 7))
    make.use(meter.contract, 30)
    day = CalendarDay.objects.create(day="2026-05-20", working=False)
    make.close_month()
    return {
        Customer: cast.a,
        User: cast.hanako,
        Service: meter.contract.service,
        Contract: meter.contract,
        Meter: meter,
        Invoice: Invoice.objects.get(customer=cast.a),
        Inquiry: make.make_inquiry(cast.hanako),
        Vendor: Vendor.objects.get(),
        VendorRegistration: VendorRegistration.objects.get(),
        TaxClass: TaxClass.objects.get(kind="standard", rate="0.10"),
        CalendarDay: day,
    }


def page_of(row):
    return f"/admin/{row._meta.app_label}/{row._meta.model_name}/{row.pk}"


def it_knows_of_every_page_whether_its_rows_can_go():
    assert set(admin.site._registry) == {*TOLD, *FREE, *CHANGED_BY_PROGRAMS}
    for model in CHANGED_BY_PROGRAMS:
        assert "削除できません" in str(admin.site._registry[model].stays), model


def it_says_on_the_page_why_a_row_stays_and_what_to_do_instead(rows, cast, web):
    web.force_login(cast.staff)
    for model, row in rows.items():
        page = web.get(f"{page_of(row)}/change/?form=1").content.decode()
        assert TOLD[model] in page, model
        assert f"{page_of(row)}/delete/" not in page, model


def it_deletes_none_of_them_whoever_tries_in_whatever_way(rows, cast, web):
    web.force_login(cast.staff)
    for model, row in rows.items():
        web.post(f"{page_of(row)}/delete/", {"post": "yes"})
        chosen = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
        web.post(page_of(row).rpartition("/")[0] + "/", chosen)
        assert model.objects.filter(pk=row.pk).exists(), model


def it_names_what_hangs_on_a_customer(rows, cast, web):
    web.force_login(cast.staff)
    told = web.get(f"{page_of(cast.a)}/delete/", follow=True).content.decode()
    for words in ("ユーザ 2件", "契約 1件", "注文 1件", "請求 1件", "お問い合わせ 1件"):
        assert words in told, words


@pytest.mark.parametrize(
    "model",
    [Customer, User, Service, Contract, ContractLine, Term, Meter, MeterPrice, Order, OrderLine, Usage, Invoice, Inquiry,
     Credit, VendorRegistration, TaxClass, CalendarDay],
)  # fmt: skip
def it_is_kept_by_the_database_too(model, rows, cast):
    make.make_credit(cast.a, 1)
    row = rows.get(model) or model.objects.filter(customer=cast.a).first()
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {model._meta.db_table} WHERE id = %s", [row.pk])
        connection.check_constraints()


def it_keeps_a_contract_that_nothing_names_yet(cast):
    contract, _lines = make.draw_up(cast.a, (100,))
    contract.number = "K9999999"
    contract.save()
    with pytest.raises(IntegrityError, match="keeps its number"), transaction.atomic():
        contract.delete()


@pytest.fixture
def mistaken(cast):
    """A company that was entered by mistake, and nothing more."""
    return save_customer(Customer(name="入力誤り株式会社", number="C0000077", phone="03-1234-5678"), by=cast.staff)


def it_lets_a_customer_go_that_was_entered_by_mistake_and_keeps_its_name_in_the_history(mistaken, cast, web):
    web.force_login(cast.staff)
    entered = HistoryEvent.objects.get(subject="C0000077")
    assert f"{page_of(mistaken)}/delete/" in web.get(f"{page_of(mistaken)}/change/?form=1").content.decode()
    assert "入力誤り株式会社" in web.get(f"{page_of(mistaken)}/delete/").content.decode()
    web.post(f"{page_of(mistaken)}/delete/", {"post": "yes"})
    assert not Customer.objects.filter(pk=mistaken.pk).exists()
    gone = HistoryEvent.objects.get(action=Action.CUSTOMER_DELETED)
    assert (gone.subject, gone.detail, gone.actor) == ("C0000077", "入力誤り株式会社", cast.staff)
    assert ("電話", "03-1234-5678", "（なし）") in gone.changes
    assert HistoryEvent.objects.get(pk=entered.pk).detail == entered.detail, "what was told before stands"
    assert "入力誤り株式会社" in web.get(f"/admin/portal/historyevent/{gone.pk}/change/").content.decode()
    assert web.get(f"/admin/portal/historyevent/{entered.pk}/change/").status_code == 200


def it_keeps_a_customer_as_soon_as_anything_hangs_on_it(mistaken, cast, web):
    web.force_login(cast.staff)
    make.make_user(mistaken, "new@example.com", is_recipient=True, is_manager=True)
    told = web.post(f"{page_of(mistaken)}/delete/", {"post": "yes"}, follow=True).content.decode()
    assert "ユーザ 1件 で使われているため、削除できません" in told
    assert Customer.objects.filter(pk=mistaken.pk).exists()


def it_is_no_ones_right_but_that_of_who_enters_customers(mistaken, cast, web):
    cast.staff.is_superuser = False
    cast.staff.save()
    for role, may in (("閲覧", False), ("請求", False), ("管理", False), ("受付", True)):
        cast.staff.groups.set([Group.objects.get(name=role)])
        web.force_login(cast.staff)
        assert web.post(f"{page_of(mistaken)}/delete/", {"post": "yes"}).status_code == (302 if may else 403), role
    assert not Customer.objects.filter(pk=mistaken.pk).exists()


def it_never_gives_the_number_of_a_deleted_customer_again(mistaken, cast, web):
    web.force_login(cast.staff)
    web.post(f"{page_of(mistaken)}/delete/", {"post": "yes"})
    with pytest.raises(IntegrityError, match="never given again"), transaction.atomic():
        make.make_customer("C0000077")
    with pytest.raises(IntegrityError, match="never given again"), transaction.atomic():
        Customer.objects.filter(pk=cast.b.pk).update(number="C0000077")
    report = take_in(
        CUSTOMERS, "x.csv", "number,name\r\nC0000077,別の会社\r\n".encode(), today=make.IN_MAY, by=cast.staff
    )
    assert [fault.text for fault in report.errors] == ["削除したお客様の番号です。ほかの番号にしてください。"]


def it_changes_nothing_else_of_the_history(cast):
    event = history.record(Action.CUSTOMER_CHANGED, "C0000001", customer=cast.a)
    for change in ({"customer": None}, {"subject": "x"}, {"customer": cast.b}):
        with pytest.raises(IntegrityError), transaction.atomic():
            HistoryEvent.objects.filter(pk=event.pk).update(**change)
