"""Reminders of payments: once, three days before the day, and only while nobody of the company has arranged them."""

from datetime import date, timedelta

import pytest
import time_machine
from django.core import mail as outbox

from accounts.models import PaymentMethod, User
from billing import reminders, tasks
from billing.documents.rendering import render_waiting
from billing.models import Invoice
from billing.services import review_invoice
from portal.models import Mail, Vendor
from portal.tasks import send_due
from tests import make

DUE = date(2026, 6, 1)
THREE_BEFORE = DUE - timedelta(days=3)
MORNING = "2026-05-29 09:00+09:00"


@pytest.fixture
def two_bills(cast):
    """Those of A and B, due on the same day; the vendor wants reminders."""
    Vendor.objects.update(remind=True)
    make.close_month()
    list(render_waiting())
    Mail.objects.all().delete()
    return [Invoice.objects.get(customer=customer) for customer in (cast.a, cast.b)]


def arrange(invoice, by):
    review_invoice(invoice, "arranged", "", by=by)


def reminded():
    return sorted(Mail.objects.filter(kind="invoice_reminder").values_list("customer__number", flat=True))


def sent():
    while send_due():
        pass
    return outbox.outbox


def it_reminds_three_days_before_and_once(two_bills):
    assert reminders.queue_due(THREE_BEFORE - timedelta(days=1)) == 0
    with time_machine.travel(MORNING, tick=False):
        tasks.remind.func()
        tasks.remind.func()
        assert reminders.queue_due(DUE) == 0
        messages = {message.to[0]: message for message in sent()}
    assert set(messages) == {"hanako@example.com", "jiro@example.org"}
    message = messages["hanako@example.com"]
    assert message.subject == "お支払期日のお知らせ（2026年4月分・B202604-000001）"
    for words in (
        "請求金額（税込）: 23,620円",
        "支払期日: 2026年6月1日（月）",
        Vendor.objects.get().bank_account,
        "/invoices/B202604-000001/\n",
    ):
        assert words in message.body, words


def it_makes_up_for_days_on_which_nothing_ran_but_not_after_the_day(two_bills):
    assert reminders.queue_due(DUE + timedelta(days=1)) == 0
    assert reminders.queue_due(DUE) == 2


def it_reminds_nobody_who_has_arranged_the_payment(two_bills, cast):
    of_a, of_b = two_bills
    arrange(of_a, cast.taro)
    assert reminders.queue_due(THREE_BEFORE) == 1
    assert reminded() == ["C0000002"]
    arrange(of_b, cast.jiro)  # while the mail waits
    with time_machine.travel(MORNING, tick=False):
        assert sent() == []
    review_invoice(of_a, "checked", "まだでした", by=cast.hanako)
    assert reminders.queue_due(THREE_BEFORE) == 1


def it_reminds_only_of_what_somebody_has_to_pay(two_bills, cast):
    of_a, _of_b = two_bills
    Invoice.objects.filter(pk=of_a.pk).update(state="void")
    Vendor.objects.update(remind=False)
    assert reminders.queue_due(THREE_BEFORE) == 0
    Vendor.objects.update(remind=True)
    assert reminders.queue_due(THREE_BEFORE) == 1
    assert reminded() == ["C0000002"]


def it_leaves_out_what_the_bank_draws_and_what_has_no_document_yet(cast):
    Vendor.objects.update(remind=True)
    cast.a.payment_method = PaymentMethod.DEBIT
    cast.a.save()
    make.close_month()
    assert reminders.queue_due(THREE_BEFORE) == 0
    list(render_waiting())
    assert reminders.queue_due(THREE_BEFORE) == 1
    assert reminded() == ["C0000002"]


def it_shows_staff_none_of_them(two_bills, sign_in):
    """Whether one went would say what the company noted for itself."""
    reminders.queue_due(THREE_BEFORE)
    boss = User.objects.get(email="staff@example.net")
    boss.is_superuser = True
    boss.save()
    browser, row = sign_in(boss), Mail.objects.filter(kind="invoice_reminder").first()
    assert f"/admin/portal/mail/{row.pk}/" not in browser.get("/admin/portal/mail/").content.decode()
    assert browser.get(f"/admin/portal/mail/{row.pk}/change/").status_code == 302  # as for a row that isn't there
