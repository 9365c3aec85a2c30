"""Before data of many customers is taken away staff say again who they are, unless they did so within the last half hour."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from billing.uploads.kinds import SORTS
from portal import fresh
from portal.models import HistoryEvent
from tests import make
from tests.screens.desk import ADMINS
from tests.screens.test_admin_roles import staff

CONFIRM = "/admin/confirm/"


@pytest.fixture
def stale(cast, sign_in):
    """A browser that has been signed in for an hour."""
    browser = sign_in(cast.staff)
    forget(browser)
    return browser


def forget(browser):
    session = browser.session
    session[fresh.KEY] = (timezone.now() - timedelta(hours=1)).timestamp()
    session.save()


def exports():
    """Every address by which rows of all customers are taken away."""
    lists = [f"/admin/{label.replace('.', '/')}/csv/?q=x" for label in ADMINS]
    return [
        *lists,
        "/admin/books/csv/",
        "/admin/books/archive/",
        *(f"/admin/import/{kind}/export.csv" for kind in SORTS),
    ]


def it_asks_at_each_way_to_take_data_away_and_nowhere_else(stale, sign_in):
    ways = exports()
    assert len(ways) > 25
    for address in ways:
        answer = stale.get(address)
        assert (answer.status_code, answer.url.partition("?")[0]) == (302, CONFIRM), address
    assert not HistoryEvent.objects.filter(action="data_exported").exists()
    for address in ("/admin/accounts/customer/", "/admin/books/", "/admin/import/customers/template.csv"):
        assert stale.get(address).status_code == 200, address
    reader = sign_in(staff("reader@example.net", "閲覧"))
    forget(reader)
    assert {reader.get(address).status_code for address in ways if "/csv/" in address} == {403}, "no right, no question"


def it_goes_on_with_the_download_once_the_password_was_given_and_asks_no_more_for_half_an_hour(cast, stale):
    wanted = "/admin/accounts/customer/csv/?q=C0000002&encoding=cp932"
    page = stale.get(stale.get(wanted).url)
    for wrong in ({"password": ""}, {"password": "wrong"}, {"code": "123456"}):
        answer = stale.post(stale.get(wanted).url, wrong)
        assert answer.status_code == 200 and "errorlist" in answer.content.decode(), wrong
    assert stale.get(wanted).status_code == 302
    page = stale.post(stale.get(wanted).url, {"password": make.PASSWORD}, follow=True).content.decode()
    assert "確認できました" in page
    [address] = re.findall(r'http-equiv="refresh" content="0; url=([^"]*)"', page)
    assert address.replace("&amp;", "&") == wanted
    assert 'href="/admin/accounts/customer/?q=C0000002&amp;encoding=cp932"' in page
    assert b"C0000002" in b"".join(stale.get(wanted))
    assert all(stale.get(each).status_code == 200 for each in ("/admin/billing/invoice/csv/", "/admin/books/csv/"))
    with time_machine.travel(timezone.now() + timedelta(minutes=31)):
        assert stale.get(wanted).status_code == 302


def it_takes_the_sign_in_for_an_answer(cast, web):
    web.post("/login/", {"username": cast.staff.email, "password": make.PASSWORD})
    assert web.get("/admin/accounts/customer/csv/").status_code == 200


def it_leads_to_no_address_outside_of_staffs_pages(stale):
    for odd in ("", "https://example.com/", "//example.com/admin/", "/invoices/", "javascript:alert(1)"):
        assert stale.get(CONFIRM, {"next": odd}).status_code == 404, odd
