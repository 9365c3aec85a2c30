"""変更履歴: who did what to whom when, for one's own company, filterable, as CSV, and never changed."""

import pytest
from django.db import IntegrityError, transaction

from billing.documents.rendering import render_waiting
from billing.models import Invoice
from portal.models import HistoryEvent
from tests import make
from tests.conftest import WebClient


@pytest.fixture
def browser(cast, web):
    make.close_month()
    list(render_waiting())
    web.post("/login/", {"username": "hanako@example.com", "password": make.PASSWORD})
    return web


def csv_of(browser, query=""):
    response = browser.get(f"/account/history/?export=csv{query}")
    return b"".join(response).decode("utf-8-sig")


def it_tells_who_did_what(cast, browser):
    number = Invoice.objects.get(customer=cast.a).number
    browser.get(f"/invoices/{number}/pdf/")
    browser.post("/account/users/new/", {"name": "新人", "email": "new@example.com"})
    page = browser.get("/account/history/").content.decode()
    for text in ("ログイン", "請求書ダウンロード", number, "ユーザ作成", "新人", "new@example.com", "hanako"):
        assert text in page


def it_shows_sign_ins_to_nobody_but_oneself(cast, browser):
    taro = WebClient()
    taro.post("/login/", {"username": "taro@example.com", "password": make.PASSWORD})
    assert HistoryEvent.objects.filter(action="signed_in").count() == 2
    assert csv_of(browser).count("ログイン") == 1


def it_shows_another_company_nothing(cast, browser, sign_in):
    browser.post("/account/users/new/", {"name": "新人", "email": "new@example.com"})
    assert "新人" not in csv_of(sign_in(cast.jiro))


def it_filters_by_kind_and_person(cast, browser):
    browser.post("/account/users/new/", {"name": "新人", "email": "new@example.com"})
    assert csv_of(browser, "&action=user_created").splitlines()[1].endswith("hanako,ユーザ作成,新人,new@example.com")
    assert "ユーザ作成" not in csv_of(browser, "&action=signed_in")
    assert len(csv_of(browser, "&actor_name=nobody").splitlines()) == 1
    assert len(csv_of(browser, "&at_min=2020/01/01&at_max=2020/12/31").splitlines()) == 1


def it_offers_no_operation_that_a_companys_history_never_has(cast, browser):
    choices = browser.get("/account/history/").context["filter_form"].fields["action"].choices
    offered = {str(value) for value, _label in choices}
    assert {"signed_in", "invoice_downloaded", "customer_changed"} <= offered
    at_the_desk = {"customer_deleted", "setting_changed", "inquiry_handled", "file_imported", "data_exported"}
    assert not offered & (at_the_desk | {"see_as_page"})


def it_can_only_grow(cast, browser):
    for act in (lambda: HistoryEvent.objects.update(subject="x"), HistoryEvent.objects.all().delete):
        with pytest.raises(IntegrityError), transaction.atomic():
            act()
