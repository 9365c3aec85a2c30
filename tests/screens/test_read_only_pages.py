"""Staff who may only read: pages say what the forms say, in the same words and figures."""

import re
from datetime import date

import pytest

from billing.documents.rendering import render
from billing.models import Invoice, InvoicePdf
from orders.models import Order
from orders.services import withdraw_contract
from portal.models import Vendor
from tests import make
from tests.screens.people import staff


@pytest.fixture
def reader(cast, web):
    web.force_login(staff("reader@example.net", "閲覧"))
    return web


def text(page):
    found = re.sub(r"(?s)<(script|style|noscript).*?</\1>|<template.*?</template>|<[^>]+>", " ", page.content.decode())
    return re.sub(r"\s+", " ", found)


def it_writes_figures_and_months_as_the_form_does(cast, reader):
    contract = make.make_contract(cast.a, (12800, 2.5), bill_from=date(2026, 4, 1))
    meter = make.make_meter(contract, 9.5, free_quantity=100)
    make.make_price(meter, 11, since=make.MAY)
    Vendor.objects.update(first_month=make.APRIL)
    page = text(reader.get(f"/admin/contracts/contract/{contract.pk}/change/"))
    assert [each for each in (" 2.5 ", " 12,800 ", "請求開始年月: 2026/04") if each not in page] == []
    page = text(reader.get(f"/admin/contracts/meter/{meter.pk}/change/"))
    said = ("適用開始年月: -", "無料枠: 100", "単価: 9.5", "適用開始年月: 2026/05", "単価: 11")
    assert [each for each in said if each not in page] == []
    assert "運用開始年月: 2026/04 この月から請求します" in text(reader.get("/admin/portal/vendor/1/change/"))


def it_says_once_when_a_contract_was_taken_back(cast, web, reader):
    contract = make.make_contract(cast.a, (900,), start_on=make.MAY, today=make.MAY)
    address = f"/admin/contracts/contract/{contract.pk}/change/"
    assert "取消日: " not in text(reader.get(address))
    withdraw_contract(contract, today=make.MAY, by=cast.staff)
    for person in (None, cast.staff):
        if person:
            web.force_login(person)
        assert text(web.get(address)).count("取消日: ") == 1


def it_hands_staff_the_document_as_the_customer_has_it(cast, web, reader):
    make.make_contract(cast.a, (1000,))
    make.close_month()
    invoice = Invoice.objects.get(customer=cast.a, state="fixed")
    page, file = (f"/admin/billing/invoice/{invoice.pk}/{name}/" for name in ("change", "pdf"))
    assert file not in reader.get(page).content.decode()
    for none in (file, f"/admin/billing/invoice/{10**20}/pdf/"):
        assert reader.get(none).status_code == 404
    render([invoice.pk])
    assert file in reader.get(page).content.decode()
    answer = reader.get(file)
    assert (answer.content, answer["Content-Type"]) == (bytes(InvoicePdf.objects.get().content), "application/pdf")
    assert f'filename="{invoice.number}.pdf"' in answer["Content-Disposition"]
    web.force_login(cast.hanako)
    assert web.get(file).status_code in (302, 403, 404)


def it_finds_the_rows_of_a_month(cast, reader, time_machine):
    time_machine.move_to("2026-11-26T03:00Z", tick=False)
    make.close_month()
    make.open_month()
    for path, rows in (("billing/invoice", Invoice.objects), ("orders/order", Order.objects)):
        page = reader.get(f"/admin/{path}/")
        assert ("2026年11月" in text(page), "過去 7 日間" in text(page)) == (True, False)
        found = reader.get(f"/admin/{path}/?month=2026-04").context["cl"].queryset
        assert set(found) == set(rows.filter(month=make.APRIL)) != set(rows.all())
        assert reader.get(f"/admin/{path}/?month=2026-99").url.endswith("?e=1")


def it_leads_from_a_term_to_its_order_and_its_bill_and_names_amounts_with_tax(cast, reader):
    contract = make.make_contract(cast.a, (1100, 2, {"price_basis": "inclusive"}))
    make.close_month()
    invoice, order = Invoice.objects.get(customer=cast.a), contract.orders.get()
    page = reader.get(f"/admin/contracts/contract/{contract.pk}/change/").content.decode()
    assert f'<a href="/admin/orders/order/{order.pk}/change/">{order.number}</a> 新規 2,000円' in page
    assert f'href="/admin/billing/invoice/?q={invoice.number}"' in page
    for address in (f"billing/invoice/{invoice.pk}", f"orders/order/{order.pk}"):
        assert "2,200（税込）" in text(reader.get(f"/admin/{address}/change/"))
