"""An invoice at staff's desk: read in words, adjusted while it is a draft, and corrected by other documents once it is fixed."""

import re
from datetime import date
from hashlib import sha256

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from billing.corrections.reissue import reissue
from billing.documents.rendering import render
from billing.models import Discount, Invoice, InvoiceLine, InvoiceXml
from billing.services import adjust_invoice, note_download
from portal import mail, months, rights
from portal.models import HistoryEvent, Mail
from tests import make
from tests.filled import filled


@pytest.fixture(autouse=True)
def in_may(time_machine):
    time_machine.move_to("2026-05-08T03:00Z")


@pytest.fixture
def desk(cast, web):
    make.close_month()
    make.open_month()
    web.force_login(cast.staff)
    return web


@pytest.fixture
def fixed(cast, desk):
    return Invoice.objects.get(customer=cast.a, state="fixed")


@pytest.fixture
def draft(cast, desk):
    return Invoice.objects.get(customer=cast.a, state="draft")


def address(row, page="change"):
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{page}", args=[row.pk])


def shown(web, invoice):
    return web.get(address(invoice)).content.decode()


def panel(page, name):
    found = re.search(rf'<section class="panel[^"]*" id="{name}">(.*?)</section>', page, re.S)
    return found and " ".join(re.sub(r"<[^>]+>", " ", found[1]).split())


def somebody(role):
    rights.set_up_roles()
    person = make.make_user(None, "somebody@example.net", is_staff=True)
    person.groups.set(Group.objects.filter(name=role))
    return User.objects.get(pk=person.pk)


def it_reads_lines_sums_and_parties_in_words(cast, desk, draft):
    cast.a.billing_name, cast.a.billing_department, cast.a.postal_code = "会社A 本社", "経理部", "100-0001"
    cast.a.save()
    page = shown(desk, draft)
    contract = cast.a.contracts.get()
    order = contract.orders.get(month=make.MAY)
    lines = panel(page, "lines")
    assert f'href="{address(contract)}"' in page and f'href="{address(order)}"' in page
    for words in (
        "2件",
        contract.number,
        order.number,
        "更新",
        "品目1",
        "2026/05/01～05/31",
        "2 式 × 10,000",
        "20,000",
        "10%",
    ):
        assert words in lines, words
    for words in ("軽減税率 8%", "品目2 ※", "1,500", "120", "21,500", "2,120", "23,620円", "切り捨て"):
        assert words in lines, words
    assert "宛名 会社A 本社 部署 経理部 住所 〒100-0001" in panel(page, "addressee")
    assert "いま確定すると写す内容" in panel(page, "issuer") and "登録番号 T" in panel(page, "issuer")
    assert "{&#x27;" not in page and "&quot;" not in panel(page, "issuer")


def it_keeps_showing_the_parties_of_a_fixed_document_as_they_were(cast, desk, fixed):
    cast.a.billing_name = "改名後"
    cast.a.save()
    assert "改名後" not in panel(shown(desk, fixed), "addressee")
    assert "会社C0000001" in panel(shown(desk, fixed), "addressee")


def it_tells_the_difference_to_the_month_before_cause_by_cause(cast, desk, fixed, draft):
    line = InvoiceLine(
        item="出張", starts_on=make.MAY, ends_on=make.MAY, quantity=1, unit_price=3000, position=90, unit="式"
    )
    adjust_invoice(draft, [line], by=cast.staff)
    told = panel(shown(desk, draft), "difference")
    for words in (fixed.number, "23,620", "出張", "+3,000", "+300", "26,920"):
        assert words in told, words
    page = shown(desk, draft)
    assert f'href="{address(fixed)}"' in page and f'href="{address(draft)}"' in shown(desk, fixed)


def it_adjusts_in_a_narrow_form_without_asking_for_a_place(cast, desk, draft):
    page = shown(desk, draft)
    assert "-position" not in page and page.count('name="lines-0-item"') == 1
    given = filled(desk, address(draft), lines__0__item="出張", lines__0__unit_price="3,000", discounts__0__amount="")
    answer = desk.post(address(draft), given | {"_continue": "1"}, follow=True)
    assert "26,920円" in panel(answer.content.decode(), "lines")
    assert [each.amount for each in draft.lines.adjustments()] == [3000]
    assert not Discount.objects.exists()
    given = filled(desk, address(draft), discounts__0__amount="1,000")
    desk.post(address(draft), given | {"_continue": "1"})
    assert [each.amount for each in Discount.objects.all()] == [1000]
    told = panel(shown(desk, draft), "happened")
    assert "請求調整" in told and cast.staff.name in told


def it_hands_out_pdf_and_xml_and_says_what_became_of_them(cast, desk, fixed):
    assert "作成中" in shown(desk, fixed)
    render([fixed.pk])
    kept = {"content": b"<Invoice/>", "sha256": sha256(b"<Invoice/>").hexdigest(), "size": 10, "rules": "JP PINT"}
    InvoiceXml.objects.create(customer=cast.a, invoice=fixed, **kept)
    note_download(fixed, by=cast.hanako)
    page = shown(desk, fixed)
    assert "保存済み" in page and address(fixed, "pdf") in page and address(fixed, "xml") in page
    answer = desk.get(address(fixed, "xml"))
    assert (answer.content, answer["Content-Type"]) == (bytes(InvoiceXml.objects.get().content), "application/xml")
    told = panel(page, "happened")
    assert str(Mail.Kind.INVOICE_FIXED.label) in told
    assert "お客様がダウンロード 2026/05/08" in told and "hanako" in told


def it_shows_no_reminder_for_that_would_say_what_the_company_noted(cast, desk, fixed):
    mail.queue(mail.Kind.INVOICE_REMINDER, key=f"invoice_reminder:{fixed.number}", customer=cast.a, user=cast.hanako)
    assert "支払期日" not in panel(shown(desk, fixed), "happened")


def it_offers_each_way_to_correct_and_names_what_arose(cast, desk, fixed):
    ways = panel(shown(desk, fixed), "ways")
    assert all(words in ways for words in ("訂正する", "修正", "返還", "取消", "取消して再請求"))
    for way in ("reissue", "return", "void"):
        assert desk.get(address(fixed, "correct"), {"way": way}).status_code == 200
    new = reissue(fixed, reason="宛先の誤り", by=cast.staff, today=date(2026, 5, 20))
    for invoice, other in ((fixed, new), (new, fixed)):
        page = shown(desk, invoice)
        told = panel(page, "related")
        assert other.number in told and "宛先の誤り" in told and f'href="{address(other)}"' in page
    assert panel(shown(desk, fixed), "ways") is None


def it_asks_nobody_who_may_only_read(desk, fixed, draft):
    desk.force_login(somebody("閲覧"))
    for invoice in (fixed, draft):
        page = shown(desk, invoice)
        assert panel(page, "lines") and panel(page, "ways") is None
        assert (
            'type="submit" class="button' not in page
            and "lines-0-item" not in page
            and f"/{invoice.pk}/credit/" not in page
        )


def it_asks_at_most_ten_statements_however_much_there_is(cast, desk, fixed, draft):
    line = InvoiceLine(
        item="出張", starts_on=make.MAY, ends_on=make.MAY, quantity=1, unit_price=3000, position=90, unit="式"
    )
    adjust_invoice(draft, [line], by=cast.staff)
    for _n in range(30):
        note_download(fixed, by=cast.hanako)
    make.import_invoice(fixed, months.add_months(make.APRIL, -1))
    people = [cast.staff, somebody("請求")]
    for person in people:
        desk.force_login(person)
        for invoice in (fixed, Invoice.objects.get(pk=draft.pk)):
            with CaptureQueriesContext(connection) as asked:
                assert desk.get(address(invoice)).status_code == 200
            beside = ("set_config", "current_setting", "SAVEPOINT")
            read = [each["sql"][:150] for each in asked if not any(word in each["sql"] for word in beside)]
            assert len(read) <= 10, (person.name, invoice.state, read)
    assert HistoryEvent.objects.count() > 30
