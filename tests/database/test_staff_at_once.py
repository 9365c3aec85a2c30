"""Two of the staff save at the same moment: both are stored, or the second is told what is wrong; nobody sees a 500."""

import threading

import pytest
from django.db import connection, transaction
from django.test import Client

from accounts.models import Customer
from contracts.models import ContractLine, Meter, MeterTier, Service
from portal.models import FaqEntry
from portal.services import lock_inquiry
from tests import make, processes
from tests.filled import filled


@pytest.fixture
def cast(transactional_db):
    return make.cast()


class Saving(threading.Thread):
    """Posts a page of staff's on a connection of its own; `answer` is the page that comes back."""

    def __init__(self, staff, path, given):
        super().__init__()
        self.staff, self.path, self.given = staff, path, given

    def run(self):
        browser = Client(raise_request_exception=False)
        try:
            browser.force_login(self.staff)
            self.answer = browser.post(self.path, self.given)
        finally:
            connection.close()

    @property
    def page(self):
        return self.answer.content.decode()


def save_at_once(cast, path, *pages, hold):
    """Let all begin while `hold` keeps them from storing anything, and end in whichever order; returns them, stored ones first."""
    saving = [Saving(cast.staff, path, given) for given in pages]
    with transaction.atomic():
        hold()
        for each in saving:
            each.start()
        processes.wait_until(lambda: waiting() == sum(each.is_alive() for each in saving))
    for each in saving:
        each.join()
    return sorted(saving, key=lambda each: each.answer.status_code != 302)


def waiting():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0]


def contract_with_another_line(contract, item, position=""):
    line = contract.lines.get()
    return {
        "name": contract.name, "service": contract.service_id, "auto_renew": "on",
        "lines-TOTAL_FORMS": 2, "lines-INITIAL_FORMS": 1, "lines-0-id": line.pk, "lines-0-contract": contract.pk,
        "lines-0-position": 1, "lines-0-item": line.item, "lines-0-quantity": "1", "lines-0-unit_price": "7777",
        "lines-0-price_basis": "exclusive", "lines-0-tax_kind": "standard",
        "lines-1-contract": contract.pk, "lines-1-position": position, "lines-1-item": item, "lines-1-quantity": "1",
        "lines-1-unit_price": "100", "lines-1-price_basis": "exclusive", "lines-1-tax_kind": "standard",
        "meters-TOTAL_FORMS": 0, "meters-INITIAL_FORMS": 0, "terms-TOTAL_FORMS": 0, "terms-INITIAL_FORMS": 0,
    }  # fmt: skip


def it_numbers_the_lines_that_two_add_to_one_contract(cast):
    contract = cast.b.contracts.get()
    given = [contract_with_another_line(contract, item) for item in ("こちらの明細", "あちらの明細")]
    path = f"/admin/contracts/contract/{contract.pk}/change/"
    saved = save_at_once(cast, path, *given, hold=lambda: Customer.objects.lock([cast.b.pk]))
    assert [each.answer.status_code for each in saved] == [302, 302]
    assert sorted(ContractLine.objects.filter(contract=contract).values_list("position", flat=True)) == [1, 2, 3]


def it_tells_the_second_of_two_that_the_lines_number_is_taken(cast):
    contract = cast.b.contracts.get()
    given = [contract_with_another_line(contract, item, position="2") for item in ("こちらの明細", "あちらの明細")]
    path = f"/admin/contracts/contract/{contract.pk}/change/"
    first, second = save_at_once(cast, path, *given, hold=lambda: Customer.objects.lock([cast.b.pk]))
    assert (first.answer.status_code, second.answer.status_code) == (302, 200)
    assert "この行番号はほかの明細で使われています。" in second.page
    assert second.given["lines-1-item"] in second.page
    assert ContractLine.objects.get(contract=contract, position=2).item == first.given["lines-1-item"]


@pytest.mark.parametrize("kind", ["contract", "setting"])
def it_tells_the_second_of_two_what_the_first_stored(cast, kind):
    """Both opened the same form, and neither was stored when the other was sent (D40)."""
    row, field = (cast.b.contracts.get(), "note") if kind == "contract" else (make_entry(), "answer")
    path = f"/admin/{row._meta.label_lower.replace('.', '/')}/{row.pk}/change/"
    browser = Client()
    browser.force_login(cast.staff)
    pages = [filled(browser, path, **{field: each}) for each in ("こちらの文", "あちらの文")]

    def hold():
        type(row)._base_manager.select_for_update().get(pk=row.pk)

    first, second = save_at_once(cast, path, *pages, hold=hold)
    assert (first.answer.status_code, second.answer.status_code) == (302, 200)
    assert "ほかの人が先に保存しました" in second.page
    assert first.given[field] in second.page
    row.refresh_from_db()
    assert getattr(row, field) == first.given[field]


def make_entry():
    return FaqEntry.objects.create(question="質問", answer="元の文")


def it_stores_a_months_price_once_though_two_add_it(cast):
    meter = make.make_meter(cast.b.contracts.get(), 10)
    given = {
        "item": meter.item, "unit": "GB", "price_basis": "exclusive", "tax_kind": "standard", "prices-TOTAL_FORMS": 2,
        "prices-INITIAL_FORMS": 1, "prices-0-id": meter.prices.get().pk, "prices-0-meter": meter.pk, "prices-0-since": "",
        "prices-0-free_quantity": "0", "prices-0-unit_price": "10", "prices-0-steps": "", "prices-1-meter": meter.pk,
        "prices-1-since": "2099/01", "prices-1-free_quantity": "0", "prices-1-unit_price": "9", "prices-1-steps": "500:8",
    }  # fmt: skip
    path = f"/admin/contracts/meter/{meter.pk}/change/"
    save_at_once(cast, path, given, given, hold=lambda: Customer.objects.lock([cast.b.pk]))
    assert meter.prices.count() == 2
    assert MeterTier.objects.count() == 1


def it_tells_the_second_of_two_that_the_service_is_metered_already(cast):
    contract = cast.b.contracts.get()
    given = {
        "contract": contract.pk, "service": Service.objects.get(code="line").pk, "item": "データ転送量", "unit": "GB",
        "price_basis": "exclusive", "tax_kind": "standard", "prices-TOTAL_FORMS": 1, "prices-INITIAL_FORMS": 0,
        "prices-0-since": "", "prices-0-free_quantity": "0", "prices-0-unit_price": "10", "prices-0-steps": "",
    }  # fmt: skip
    lock = {"hold": lambda: Customer.objects.lock([cast.b.pk])}
    first, second = save_at_once(cast, "/admin/contracts/meter/add/", given, given, **lock)
    assert (first.answer.status_code, second.answer.status_code) == (302, 200)
    assert "この契約には、このサービスの従量料金がすでに登録されています。" in second.page
    assert Meter.objects.count() == 1


def it_tells_who_stores_a_code_that_another_is_just_storing(cast):
    given = {"code": "fax", "name": "ファクス", "position": "1", "published": "on"}
    hold = {"hold": lambda: Service.objects.create(code="fax", name="FAX", position=1)}
    (refused,) = save_at_once(cast, "/admin/contracts/service/add/", given, **hold)
    assert refused.answer.status_code == 200
    assert "ファクス" in refused.page
    assert "このサービスコードはほかのサービスで使われています。" in refused.page
    assert Service.objects.get(code="fax").name == "FAX"


def it_says_so_when_the_database_refuses_what_no_form_knows(cast, monkeypatch):
    """Whatever constraint a form forgets: the page says that nothing was stored, and leads back."""
    monkeypatch.setattr(Service, "validate_unique", lambda *_given, **_more: None)
    given = {"code": "cloud", "name": "ファクス", "position": "1", "published": "on"}
    browser = Client(raise_request_exception=False)
    browser.force_login(cast.staff)
    page = browser.post("/admin/contracts/service/add/", given, follow=True).content.decode()
    assert "保存できませんでした" in page
    assert not Service.objects.filter(name="ファクス").exists()


def it_sends_one_answer_of_two_written_at_once_and_keeps_the_text_of_the_other(cast):
    inquiry = make.make_inquiry(cast.hanako)
    pages = [{"body": each, "seen": 0} for each in ("こちらの返信", "あちらの返信")]
    path = f"/admin/portal/inquiry/{inquiry.pk}/answer/"
    first, second = save_at_once(cast, path, *pages, hold=lambda: lock_inquiry(inquiry))
    assert (first.answer.status_code, second.answer.status_code) == (302, 200)
    assert "まだ送信していません" in second.page
    assert f"{second.given['body']}</textarea>" in second.page
    assert [each.body for each in inquiry.messages.all()] == [first.given["body"]]
