"""One row of every model of staff's desk in the world of May, and requests whose writes are undone."""

from datetime import date

import time_machine
from django.contrib import admin
from django.db import transaction
from django.utils import timezone

from billing.models import Decision, Invoice, NumberGone, Rendering, Upload
from billing.month import parking
from contracts.models import Contract
from portal import history, mail, rights
from portal.models import Action, CalendarDay, Notice, VendorRegistration
from tests import make
from tests.replay import remembered

ADMINS = {model._meta.label_lower: desk for model, desk in admin.site._registry.items()}
SIGN_IN = "sign-in"
NOW = "2026-05-08T12:00+09:00"


@remembered
def people_and_rows():
    people = make.cast_rows()
    with time_machine.travel(NOW):
        return people | make_rows(make.together(**people))


def make_rows(cast):
    rights.set_up_roles()
    contract = make.make_contract(cast.a, (1000,))
    make.make_meter(contract, 10)
    make.use(contract, 5)
    make.close_month()
    make.open_month()
    parking.park([cast.b.pk], make.MAY, "for a test")
    fixed = Invoice.objects.filter(customer=cast.a, state="fixed").get()
    Rendering.objects.create(customer=cast.a, invoice=fixed, tries=3, parked_at=timezone.now())
    history.record(Action.USER_CHANGED, "x", by=cast.staff, customer=cast.a)
    mail.queue(mail.Kind.PASSWORD_CHANGED, key="x", customer=cast.a, user=cast.hanako)
    Upload.objects.create(kind="customers", name="x.csv", sha256="x", size=1, content=b"x", by=cast.staff)
    found = {label: desk.model._default_manager.order_by("pk").last() for label, desk in ADMINS.items()}
    found["accounts.user"] = cast.hanako
    found["billing.credit"] = make.make_credit(cast.a, 100)
    line = fixed.lines.exclude(order_line=None).first()
    found["billing.decision"] = Decision.objects.create(
        customer=cast.a, contract_line=line.order_line.contract_line, term=line.order.term, invoice_line=line,
        choice="refused", amount=1, reason="x", by=cast.staff,
    )  # fmt: skip
    found["billing.numbergone"] = NumberGone.objects.create(customer=cast.a, number="B202604-000009", month=make.APRIL)
    found["billing.invoice"] = Invoice.objects.filter(state="draft").last()
    found["contracts.meter"] = make.make_meter(Contract.objects.filter(customer=cast.b).get(), 10)
    # On no invoice, so they may change and go.
    found["portal.calendarday"] = CalendarDay.objects.create(day=date(2000, 1, 31))
    found["portal.vendorregistration"] = VendorRegistration.objects.create(
        number="T8990000000009", valid_from=date(2000, 1, 1), valid_to=date(2000, 1, 31)
    )
    found["portal.notice"] = Notice.objects.create(title="x", body="x", starts_at="2099-01-01T00:00Z")
    found["portal.inquiry"] = make.make_inquiry(cast.hanako)
    assert [label for label, row in found.items() if row is None] == []
    return found


def outcome(response):
    if response.status_code == 302 and response.url.startswith(("/admin/login/", "/login/")):
        return SIGN_IN
    return response.status_code


def try_out(web, method, address, data=None):
    """One request whose writes are undone."""
    with transaction.atomic():
        found = outcome(getattr(web, method)(address, data))
        transaction.set_rollback(True)
    return found
