"""「新しい税率」 entered while months are open: what isn't billed follows, by a job in batches; what is billed keeps its rate (D34)."""

from datetime import date
from decimal import Decimal

import pytest
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from billing.models import Invoice
from billing.month import checks
from orders.models import OrderLine, Pending, UsageCharge
from portal.models import CalendarDay
from tests import make

MARCH, ENTERED = date(2026, 3, 1), date(2026, 5, 11)
TEN, TWELVE = Decimal("0.10"), Decimal("0.12")


@pytest.fixture
def desk(time_machine, db, web):
    """Staff on 05-11: April isn't fixed yet, and a year from March is billed."""
    make.make_vendor(first_month=MARCH)
    cast = make.cast()
    cast.billed = make.make_contract(cast.b, (36000,), form="yearly", start_on=MARCH, today=MARCH)
    make.close_month(MARCH, date(2026, 4, 6))
    cast.yearly = make.make_contract(cast.b, (24000,), form="yearly", today=date(2026, 4, 7))
    make.use(make.make_meter(cast.a.contracts.get(), 10).contract, 30, today=ENTERED)
    make.use(cast.a.contracts.get(), 40, month="2026-05", today=ENTERED)
    make.open_month(make.APRIL, ENTERED)
    make.open_month(make.MAY, ENTERED)
    time_machine.move_to("2026-05-11T03:00Z")
    web.force_login(cast.staff)
    cast.web = web
    return cast


def enter(desk, first_day):
    given = {"kind": "standard", "rate": "12", "valid_from": first_day}
    assert desk.web.post("/admin/portal/taxclass/add/", given).status_code == 302


def run_jobs():
    for job in ProcrastinateJob.objects.filter(status="todo", task_name="billing.catch_up").order_by("id"):
        app.tasks[job.task_name].func(**job.args)


def rates(contract):
    """{first day: rates} of the contract's order lines of the standard kind."""
    lines = OrderLine.objects.filter(order__contract=contract, order__reversed_on=None, tax_kind="standard")
    return dict(lines.order_by("starts_on").values_list("starts_on", "tax_rate"))


@pytest.mark.parametrize(
    ("first_day", "april", "may", "year"),
    [
        (date(2026, 4, 30), TWELVE, TWELVE, TWELVE),  # April's last day decides
        (date(2026, 5, 1), TEN, TWELVE, TWELVE),
        (date(2026, 5, 2), TEN, TWELVE, TWELVE),
        (date(2026, 5, 31), TEN, TWELVE, TWELVE),
        (date(2026, 6, 1), TEN, TEN, TWELVE),
        (date(2027, 3, 31), TEN, TEN, TWELVE),
        (date(2027, 4, 1), TEN, TEN, TEN),
    ],
)
def it_makes_unbilled_orders_usage_and_drafts_anew_by_the_last_day_of_each_line(desk, first_day, april, may, year):
    numbers = list(Invoice.objects.order_by("pk").values_list("number", flat=True))
    orders = set(OrderLine.objects.values_list("order__number", flat=True))
    enter(desk, first_day)
    run_jobs()
    monthly = desk.a.contracts.get()
    assert rates(monthly) == {make.APRIL: april, make.MAY: may}
    assert rates(desk.yearly) == {make.APRIL: year}
    assert rates(desk.billed) == {MARCH: TEN}
    charges = UsageCharge.objects.standing().order_by("usage__month").values_list("tax_rate", flat=True)
    assert list(charges) == [april, may]
    drafts = Invoice.objects.filter(customer=desk.a, month__gte=make.APRIL).order_by("month")
    assert [set(each.tax_totals.filter(kind="standard").values_list("rate", flat=True)) for each in drafts] == [
        {april},
        {may},
    ]
    assert list(Invoice.objects.order_by("pk").values_list("number", flat=True)) == numbers
    assert set(OrderLine.objects.values_list("order__number", flat=True)) == orders
    found = {each.code: each.rows for each in checks.check(make.APRIL, today=ENTERED)}
    assert (found["follow_pending"], found["recount"]) == ([], [])


def it_stores_the_rate_at_once_and_says_who_has_yet_to_follow(desk):
    enter(desk, make.MAY)
    assert rates(desk.a.contracts.get()) == {make.APRIL: TEN, make.MAY: TEN}
    for month in (make.APRIL, make.MAY):
        found = {each.code: each.rows for each in checks.check(month, today=ENTERED)}
        assert {number for number, _since in found["follow_pending"]} == {"C0000001", "C0000002"}
        assert found["recount"] == []  # a month isn't broken because a job has yet to run


def it_bills_the_new_rate_though_no_job_has_run_yet(desk):
    enter(desk, date(2026, 4, 30))
    make.close_month(today=ENTERED)
    fixed = Invoice.objects.get(customer=desk.a, month=make.APRIL)
    assert set(fixed.lines.filter(tax_kind="standard").values_list("tax_rate", flat=True)) == {TWELVE}


def it_keeps_the_rate_of_what_is_billed_when_the_year_goes_on_longer(desk):
    enter(desk, make.MAY)
    run_jobs()
    make.close_month(today=ENTERED)
    billed = Invoice.objects.get(customer=desk.b, month=MARCH)
    assert set(billed.lines.values_list("tax_rate", flat=True)) == {TEN}
    found = {each.code: each.rows for each in checks.check(MARCH, today=ENTERED)}
    assert found["recount"] == []


def it_dates_drafts_anew_after_a_change_of_the_calendar(desk):
    desk.web.post("/admin/portal/calendarday/add/", {"day": "2026-06-01", "note": "臨時休業"})
    assert Pending.objects.count() == 2
    run_jobs()
    assert not Pending.objects.exists()
    april = Invoice.objects.get(customer=desk.a, month=make.APRIL)
    assert april.due_on == date(2026, 6, 2)
    row = CalendarDay.objects.get(note="臨時休業")
    desk.web.post(f"/admin/portal/calendarday/{row.pk}/delete/", {"post": "yes"})
    run_jobs()
    april.refresh_from_db()
    assert april.due_on == date(2026, 6, 1)
