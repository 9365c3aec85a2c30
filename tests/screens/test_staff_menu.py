"""The menu of staff's pages: grouped by work, without what a role may not see, and beside its entries what waits."""

import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from billing.menu import GROUPS, PAGES, SETTINGS, WAITING
from billing.models import Rendering
from billing.month import parking
from portal import mail
from portal.models import FaqEntry, Mail
from tests import make


@pytest.fixture
def desk(cast, sign_in):
    cast.web = sign_in(cast.staff)
    return cast


def menu(page):
    return re.search(r'(?s)<nav id="nav-sidebar".*?</nav>', page.content.decode())[0]


def entries(page):
    """[(name, address, whether one is there)] in the menu, without the counts."""
    found = re.findall(r'<a href="(/admin/[^"]*)"( aria-current="page")?>([^<]*)</a>', menu(page))
    return [(name, address, bool(here)) for address, here, name in found]


def waiting(page):
    """{address: how many} of the counts beside the entries."""
    found = re.findall(r'(?s)class="waits"\s+href="([^"]*)"[^>]*>(\d+)</a>', menu(page))
    return {address.replace("&amp;", "&"): int(count) for address, count in found}


def it_has_every_list_once_and_tells_no_app():
    listed = [model for _heading, _icon, models in GROUPS for model in models] + SETTINGS
    assert sorted(listed) == sorted([*PAGES, *(model._meta.label_lower for model in admin.site._registry)])
    assert set(WAITING) <= set(listed)


def it_marks_where_one_is_and_folds_the_settings_but_on_their_own_pages(desk):
    contract = desk.a.contracts.get()
    page = desk.web.get(f"/admin/contracts/contract/{contract.pk}/change/")
    assert [name for name, _address, here in entries(page) if here] == ["契約"]
    assert "<details>" in menu(page)
    page = desk.web.get("/admin/portal/taxclass/")
    assert [name for name, _address, here in entries(page) if here] == ["税区分"]
    assert "<details open>" in menu(page)
    assert [name for name, _address, here in entries(desk.web.get("/admin/import/customers/")) if here] == [
        "ファイルの取込"
    ]
    home = desk.web.get("/admin/")
    assert not [name for name, _address, here in entries(home) if here]
    assert re.search(r'(?s)href="/admin/" aria-current="page">.*?担当者ホーム', menu(home))


def it_stands_on_every_kind_of_page_without_a_word_of_django(desk):
    for path in (
        "/admin/", "/admin/search/", "/admin/contracts/contract/add/", f"/admin/portal/faqentry/{FaqEntry.objects.first().pk}/delete/",
        "/admin/billing/invoice/", f"/admin/accounts/customer/{desk.a.pk}/history/", "/admin/import/customers/",
    ):  # fmt: skip
        page = desk.web.get(path, follow=True)
        assert [name for name, _address, _here in entries(page)][:3] == ["お客様", "ユーザ", "契約"], path
        assert "サイト管理" not in page.content.decode(), path
        crumbs = re.search(r'(?s)<div class="breadcrumbs">(.*?)</div>', page.content.decode())
        assert path == "/admin/" or crumbs, path
        assert not crumbs or not re.search(r'href="/admin/\w+/"', crumbs[1].replace("/admin/search/", "")), path


def it_leads_an_apps_address_to_the_start(desk):
    assert desk.web.get("/admin/billing/").headers["Location"] == "/admin/"


def it_leaves_out_what_a_role_may_not_see(cast, sign_in):
    clerk = make.make_user(None, "clerk@example.net", is_staff=True)
    browser = sign_in(clerk)
    assert entries(browser.get("/admin/")) == []
    assert "設定と記録" not in menu(browser.get("/admin/"))
    clerk.user_permissions.add(Permission.objects.get(codename="view_inquiry"))
    make.make_inquiry(cast.hanako)
    parking.park([cast.a.pk], make.APRIL, "理由")
    browser = sign_in(User.objects.get(pk=clerk.pk))
    page = browser.get("/admin/")
    assert [name for name, _address, _here in entries(page)] == ["お問い合わせ"]
    assert list(waiting(page).values()) == [1]


def it_counts_what_waits_as_the_list_behind_it_and_asks_once(desk):
    assert waiting(desk.web.get("/admin/")) == {}
    make.close_month()
    fixed = desk.a.invoices.get()
    open_one, done = make.make_inquiry(desk.hanako), make.make_inquiry(desk.jiro)
    type(done).objects.filter(pk=done.pk).update(state="done", handled_at=done.created_at)
    for kind in (Mail.Kind.ACCOUNT_CREATED, Mail.Kind.INVOICE_REMINDER):  # of the second staff know nothing
        mail.queue(kind, user=desk.hanako, customer=desk.a, key=f"{kind}:1")
    Mail.objects.filter(key__endswith=":1").update(state="failed")
    parking.park([desk.a.pk, desk.b.pk], make.MAY, "税区分がありません")
    Rendering.objects.create(invoice=fixed, customer=desk.a, tries=3, error="x", parked_at=open_one.created_at)
    with CaptureQueriesContext(connection) as asked:
        page = desk.web.get("/admin/portal/faqentry/")
    assert len([each for each in asked.captured_queries if ") counted)" in each["sql"]]) == 1
    found = waiting(page)
    assert sorted(address.partition("?")[0] for address in found) == [
        "/admin/billing/parked/", "/admin/billing/rendering/", "/admin/portal/inquiry/", "/admin/portal/mail/",
    ]  # fmt: skip
    for address, count in found.items():
        listed = desk.web.get(address)
        assert listed.status_code == 200, address
        assert listed.context["cl"].result_count == count > 0, address
    assert found["/admin/portal/inquiry/?state__exact=waiting"] == found["/admin/portal/mail/?state__exact=failed"] == 1
