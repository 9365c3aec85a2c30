"""履歴 of every row that staff change: who, when, from what to what, in words (D40)."""

from datetime import date

import pytest
from django.contrib import admin
from django.urls import reverse

from accounts.services import change_user, save_customer
from billing import settled
from billing.credits import take_back
from billing.models import Decision, Invoice, InvoiceLine
from billing.services import adjust_invoice
from contracts.models import Service
from contracts.services import PriceTyped, save_meter
from orders.services import start_contract
from portal.desk import ReadOnly
from portal.models import CalendarDay, FaqEntry, Notice, TaxClass, Vendor, VendorRegistration
from tests import make
from tests.filled import filled


def store(row, by, **changes):
    settled.store(row, by=by)
    for name, value in changes.items():
        setattr(row, name, value)
    settled.store(row, by=by)
    return row


def contract(cast):
    found = cast.b.contracts.get()
    line = found.lines.get()
    line.unit_price = 8000
    found.name = "改名"
    return start_contract(found, [line], today=make.IN_MAY, by=cast.staff)


def meter(cast):
    found = make.make_meter(cast.a.contracts.get(), 10)
    price = found.prices.get()
    price.unit_price = 9
    return save_meter(found, [PriceTyped(price)], by=cast.staff)


def customer(cast):
    cast.a.billing_person = "経理 花子"
    return save_customer(cast.a, by=cast.staff)


def user(cast):
    cast.taro.department = "経理部"
    change_user(cast.taro, by=cast.staff)
    return cast.taro


def draft(cast):
    make.open_month(make.APRIL)
    found = Invoice.objects.get(customer=cast.b)
    line = InvoiceLine(
        position=50, origin="adjustment", item="調整", starts_on=make.APRIL, ends_on=date(2026, 4, 30), quantity=1,
        unit_price=500,
    )  # fmt: skip
    adjust_invoice(found, [line], by=cast.staff)
    return found


def inquiry(cast, web):
    found = make.make_inquiry(cast.hanako)
    path = f"/admin/portal/inquiry/{found.pk}/change/"
    web.post(path, filled(web, path, state="held"))
    return found


def credit(cast):
    """Only ever added: what was given, and what of it was taken back."""
    found = make.make_credit(cast.a, 500)
    take_back(found, "誤登録", by=cast.staff)
    return found


def decision(cast):
    make.close_month()
    line = InvoiceLine.objects.filter(customer=cast.a).exclude(order_line=None).first()
    found = Decision.objects.create(
        customer=cast.a, contract_line=line.order_line.contract_line, term=line.order.term, invoice_line=line,
        choice="refused", amount=300, reason="不要", by=cast.staff,
    )  # fmt: skip
    take_back(found, "再検討", by=cast.staff)
    return found


NOTHING = "（なし）"
# What becomes of a row of each of staff's pages, and what its 履歴 says then.
CHANGES = {
    "portal.vendor": (lambda cast: store(Vendor.objects.get(), cast.staff, rounding="up"), ("切り捨て", "切り上げ")),
    "portal.vendorregistration": (
        lambda cast: store(VendorRegistration.objects.get(), cast.staff, valid_to=date(2030, 3, 31)),
        (NOTHING, "2030/03/31"),
    ),
    "portal.taxclass": (
        lambda cast: store(TaxClass.objects.get(kind="exempt"), cast.staff, valid_to=date(2030, 3, 31)),
        (NOTHING, "2030/03/31"),
    ),
    "portal.calendarday": (
        lambda cast: store(CalendarDay(day=date(2027, 5, 6), note="臨時休業"), cast.staff, note="創立記念日"),
        ("臨時休業", "創立記念日"),
    ),
    "portal.faqentry": (
        lambda cast: store(FaqEntry(question="質問", answer="旧"), cast.staff, answer="新しい回答"),
        ("旧", "新しい回答"),
    ),
    "portal.notice": (
        lambda cast: store(Notice(title="旧い件名", body="本文"), cast.staff, title="新しい件名"),
        ("旧い件名", "新しい件名"),
    ),
    "portal.inquiry": (inquiry, ("返信待ち", "保留")),
    "accounts.customer": (customer, (NOTHING, "経理 花子")),
    "accounts.user": (user, (NOTHING, "経理部")),
    "contracts.service": (
        lambda cast: store(Service.objects.get(code="cloud"), cast.staff, prorate=True),
        (NOTHING, "○"),
    ),
    "contracts.contract": (contract, ("7,777", "8,000")),
    "contracts.meter": (meter, ("10", "9")),
    "billing.invoice": (draft, ("8,554", "9,104")),
    "billing.credit": (credit, (NOTHING, "-500")),
    "billing.decision": (decision, (NOTHING, "-300")),
}


def it_has_a_row_for_everything_that_staff_change():
    changed = {
        model._meta.label_lower
        for model, desk in admin.site._registry.items()
        if not isinstance(desk, ReadOnly) or "take_back" in desk.actions
    }
    assert set(CHANGES) == changed


@pytest.mark.parametrize("label", CHANGES)
def it_shows_who_changed_a_row_from_what_to_what(label, cast, web, time_machine):
    time_machine.move_to("2026-05-08T03:30Z")
    web.force_login(cast.staff)
    act, (before, after) = CHANGES[label]
    row = act(cast, web) if act is inquiry else act(cast)
    page = web.get(reverse(f"admin:{label.replace('.', '_')}_history", args=[row.pk])).content.decode()
    assert f"{before} → {after}" in " ".join(page.split())
    assert cast.staff.name in page
    assert "2026/05/08 12:30" in page


def it_tells_nothing_of_another_row(cast, web):
    web.force_login(cast.staff)
    first = meter(cast)
    other = make.make_meter(cast.a.contracts.get(), 10, service="cloud")
    customer(cast)
    pages = [f"contracts/meter/{other.pk}", f"accounts/customer/{cast.b.pk}"]
    for page in pages:
        assert "変更の記録はありません。" in web.get(f"/admin/{page}/history/").content.decode()
    page = web.get(f"/admin/contracts/meter/{first.pk}/history/?p=x").content.decode()
    assert "10 → 9" in page
