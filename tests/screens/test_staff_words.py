"""Staff's pages speak Japanese: no heading, label, choice or message is left in a developer's words."""

import html
import re

import pytest
from django.contrib import admin
from django.urls import reverse

from billing.models import Invoice, Rendering
from contracts.models import Service
from orders.models import UsageFile
from portal import history, mail
from portal.models import Action, CalendarDay, FaqEntry, Notice, VendorRegistration
from tests import make
from tests.screens.people import staff

# Words that people use, and what the rows of these tests say themselves.
WORDS = {"FAX", "PDF", "PNG", "CSV", "URL", "SHA", "UTF", "Shift", "JIS", "English", "hanako", "jiro", "taro"}
CODES = re.compile(r"[\w.+-]+@[\w.-]+|\b[A-Z]\d[\d-]*\b|\b[0-9a-f]{16,}\b|https?://\S+|[\w-]+:[\w-]+")


def typed():
    """What these rows themselves say in Latin letters."""
    said = [*Service.objects.values_list("code"), *FaqEntry.objects.values_list("question_en", "answer_en")]
    said += UsageFile.objects.values_list("name")
    return set(re.findall(r"[A-Za-z]{3,}", str(said)))


def english(page):
    """Latin words that a person sees on this page."""
    shown = re.sub(r"(?s)<(script|style|noscript).*?</\1>|<template.*?</template>|<!--.*?-->", " ", page)
    shown = html.unescape(re.sub(r"<[^>]+>", " ", shown))
    return set(re.findall(r"[A-Za-z]{3,}", CODES.sub(" ", shown))) - WORDS - typed()


@pytest.fixture
def rows(cast):
    """One row of every page; a fixed and a draft invoice with metered lines."""
    contract = make.make_contract(cast.a, (1000,))
    meter = make.make_meter(contract, 10, (500, 8))
    make.use(contract, 5)
    make.close_month()
    make.open_month()
    fixed = Invoice.objects.filter(customer=cast.a, state="fixed").get()
    Rendering.objects.create(customer=cast.a, invoice=fixed, tries=3)
    history.record(Action.CONTRACT_CHANGED, "K0000001", by=cast.staff, customer=cast.a)
    mail.queue(mail.Kind.PASSWORD_CHANGED, key="1", customer=cast.a, user=cast.hanako)
    make.make_inquiry(cast.hanako)
    CalendarDay.objects.create(day=make.MAY)
    Notice.objects.create(title="件名", body="本文")
    VendorRegistration.objects.get_or_create(number="T8990000000001", defaults={"valid_from": make.APRIL})
    found = {page.model: page.model._default_manager.order_by("pk").last() for page in admin.site._registry.values()}
    return found | {Invoice: fixed, type(cast.hanako): cast.hanako, type(meter): meter}


def it_says_everything_in_japanese(cast, web, rows):
    web.force_login(cast.staff)
    addresses = ["/admin/", *{f"/admin/{model._meta.app_label}/" for model in rows}]
    for model, row in rows.items():
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        addresses += [reverse(f"{name}_changelist"), reverse(f"{name}_add")]
        if row:
            addresses += [reverse(f"{name}_{page}", args=[row.pk]) for page in ("change", "delete", "history")]
    addresses += [reverse("admin:billing_invoice_change", args=[Invoice.objects.filter(state="draft").last().pk])]
    found = {}
    for address in addresses:
        page = web.get(address)
        found[address] = english(page.content.decode().replace(page["X-Request-ID"], ""))
    left = "\n".join(f"{address} {sorted(words)}" for address, words in found.items() if words)
    assert left == ""


def it_says_so_to_whoever_may_only_read(cast, web, rows):
    web.force_login(staff("reader@example.net", "閲覧", name="閲覧 太郎"))
    found = {}
    for model, row in rows.items():
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        found[name] = english(web.get(reverse(f"{name}_change", args=[row.pk])).content.decode()) if row else set()
    assert {name: words for name, words in found.items() if words} == {}


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/admin/accounts/customer/", ["<h1>お客様</h1>", "お客様を追加"]),
        ("/admin/contracts/service/", ["選択したサービスを削除"]),
        ("/admin/", ["担当者ホーム"]),
        ("/admin/contracts/contract/add/", ["契約を追加"]),
        ("/admin/portal/inquiry/", ["状態で絞り込む", "返信待ち", "お客様の返事待ち"]),
        ("/admin/billing/rendering/", ["再試行中", "保留中"]),
    ],
)
def it_writes_sentences_as_people_do(cast, web, path, words):
    web.force_login(cast.staff)
    page = web.get(path).content.decode()
    assert [each for each in words if each not in page] == []
    for stock in (" を追加", "する お客様", " の削除", "空でない", " で絞り込む"):
        assert stock not in page


def it_says_in_natural_words_what_it_stored_and_what_is_taken(cast, web):
    web.force_login(cast.staff)
    given = {"code": "fax", "name": "ファクス", "position": "1", "published": "on"}
    page = html.unescape(web.post("/admin/contracts/service/add/", given, follow=True).content.decode())
    assert "サービス「ファクス」を追加しました。" in re.sub(r"<[^>]+>", "", page)
    page = web.post("/admin/contracts/service/add/", given).content.decode()
    assert "このサービスコードはほかのサービスで使われています。" in page
