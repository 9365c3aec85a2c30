"""What comes in the wake of a closed month: late cancellations, mended data, prices changed too late."""

from datetime import date
from decimal import Decimal

import pytest
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from billing.models import Invoice, InvoiceLine, Parked, Rendering
from billing.month import checks, close, parking
from billing.services import defer_catch_up
from contracts.models import Contract, ContractLine
from orders import services
from portal.models import TaxClass
from tests import make
from tests.acting import act


def cancel(contract, on, *, today=make.IN_MAY):
    contract.cancel_on = on
    services.start_contract(contract, today=today)


def renew(contract, until=make.IN_MAY):
    """As the daily run of that day."""
    services.renew([contract.customer_id], until=until, today=until)


def states(contract):
    rows = contract.orders.with_invoice().order_by("number")
    return [(order.month, order.state, order.starts_on, order.ends_on) for order in rows]


@pytest.fixture
def contract(cast):
    """Company B's monthly contract: April is closed, May's renewal order stands on a draft."""
    made = cast.b.contracts.get()
    make.close_month()
    renew(made)
    make.open_month()
    return made


def it_reverses_the_unbilled_renewal_when_the_cancellation_comes_late(contract):
    cancel(contract, date(2026, 4, 30))
    assert states(contract) == [
        (make.APRIL, "billed", make.APRIL, date(2026, 4, 30)),
        (make.MAY, "reversed", make.MAY, date(2026, 5, 31)),
    ]
    shown = Contract.objects.with_state(make.IN_MAY).get(pk=contract.pk)
    assert (shown.state, shown.term_ends_on) == ("ended", date(2026, 4, 30))
    make.open_month()
    assert not Invoice.objects.filter(customer=contract.customer, month=make.MAY).exists()
    assert make.close_month(make.MAY, date(2026, 6, 3)).skipped == 1
    assert contract.orders.count() == 2  # and nothing is made anew


def it_cuts_the_unbilled_order_of_a_term_that_ends_earlier(contract):
    number = contract.orders.get(month=make.MAY).number
    cancel(contract, date(2026, 5, 20))
    assert states(contract) == [
        (make.APRIL, "billed", make.APRIL, date(2026, 4, 30)),
        (make.MAY, "received", make.MAY, date(2026, 5, 20)),
    ]
    assert contract.orders.get(month=make.MAY).number == number
    make.close_month(make.MAY, date(2026, 6, 3))
    line = InvoiceLine.objects.get(invoice__month=make.MAY, contract=contract)
    assert (line.ends_on, line.amount) == (date(2026, 5, 20), 7777)


def it_takes_a_cancellation_back(contract):
    cancel(contract, date(2026, 5, 20))
    cancel(contract, None)
    assert states(contract)[-1] == (make.MAY, "received", make.MAY, date(2026, 5, 31))
    assert contract.terms.standing().count() == 2
    make.close_month(make.MAY, date(2026, 6, 3))
    assert InvoiceLine.objects.filter(invoice__month=make.MAY, contract=contract).count() == 1


def it_leaves_what_was_billed_and_says_so(contract):
    make.close_month(make.MAY, date(2026, 6, 3))
    cancel(contract, date(2026, 4, 30), today=date(2026, 6, 4))
    assert [state for _month, state, *_term in states(contract)] == ["billed", "billed"]
    assert warned(make.MAY, "ended_billed") == [("B202605-000002", f"契約 {contract.number} 解約日 2026/04/30")]


def it_makes_the_billed_term_whole_when_its_cancellation_is_taken_back(contract):
    cancel(contract, date(2026, 5, 20))
    make.close_month(make.MAY, date(2026, 6, 3))
    cancel(contract, None, today=date(2026, 6, 4))
    latest, billed = contract.terms.standing().order_by("-sequence")[:2]
    assert (billed.ends_on, latest.starts_on) == (date(2026, 5, 31), make.JUNE)
    assert [state for _month, state, *_days in states(contract)] == ["billed", "billed", "received"]


def warned(month, code):
    return next(each.rows for each in checks.check(month, today=date(2026, 6, 4)) if each.code == code)


def it_lets_used_quantities_follow_the_cancellation(contract):
    make.make_meter(contract, 10)
    for month, quantity in (("2026-05", 30), ("2026-04", 5)):
        make.use(contract, quantity, month=month)
    cancel(contract, date(2026, 5, 20))
    make.open_month()
    lines = (
        InvoiceLine.objects.filter(origin="usage").order_by("starts_on").values_list("starts_on", "ends_on", "amount")
    )
    assert list(lines) == [(make.APRIL, date(2026, 4, 30), 50), (make.MAY, date(2026, 5, 20), 300)]
    cancel(contract, date(2026, 4, 30))
    make.open_month()
    assert list(lines.all()) == [(make.APRIL, date(2026, 4, 30), 50)]
    assert warned(make.MAY, "usage_outside") == [(contract.number, "データ転送量")]
    cancel(contract, None)
    make.open_month()
    assert list(lines.all())[1:] == [(make.MAY, date(2026, 5, 31), 300)]


def it_keeps_the_lines_in_order_whatever_came_when(cast):
    second = make.make_contract(cast.a, (3000,))
    make.open_month(make.APRIL)
    first = cast.a.contracts.exclude(pk=second.pk).get()
    cancel(first, date(2026, 4, 20))
    make.make_meter(first, 10)
    make.use(first, 5)
    make.open_month(make.APRIL)
    invoice = Invoice.objects.get(customer=cast.a, month=make.APRIL)
    assert list(invoice.lines.values_list("position", "contract", "origin")) == [
        (1, first.pk, "order"), (2, first.pk, "order"), (3, first.pk, "usage"), (4, second.pk, "order"),
    ]  # fmt: skip


def it_moves_the_lines_of_a_draft_as_staff_move_those_of_the_contract(cast):
    contract = make.make_contract(cast.b, (1000,), (2000,), start_on=make.IN_MAY, today=make.IN_MAY)
    close.draft_unclosed_months(make.IN_MAY)
    first = contract.lines.get(position=1)
    first.position = 3
    services.start_contract(contract, [first], today=make.IN_MAY)
    close.draft_unclosed_months(make.IN_MAY)
    lines = InvoiceLine.objects.filter(contract=contract).order_by("position")
    assert [line.item for line in lines] == ["品目2", "品目1"]


def it_shows_the_customer_the_reversed_order(contract, cast, sign_in):
    cancel(contract, date(2026, 4, 30))
    reversed_one = contract.orders.get(month=make.MAY).number
    export = b"".join(sign_in(cast.jiro).get("/orders/?export=csv").streaming_content)
    rows = export.decode("utf-8-sig").splitlines()
    assert ["取消" in row for row in rows if reversed_one in row] == [True]
    page = sign_in(cast.jiro).get(f"/contracts/{contract.number}/").content.decode()
    assert "2026/05/31" not in page


def spoil(customer):
    """A tax class that isn't registered parks the customer in May; returns the one to put it right."""
    ContractLine.objects.filter(contract__customer=customer).update(tax_kind="exempt")
    exempt = TaxClass.objects.get(kind="exempt")
    TaxClass.objects.filter(pk=exempt.pk).update(valid_to=date(2026, 4, 30))
    return exempt


def it_closes_a_parked_customer_as_soon_as_staff_mended_the_data(cast, web, time_machine):
    time_machine.move_to("2026-06-03T03:00Z")
    make.close_month()
    exempt = spoil(cast.b)
    assert make.close_month(make.MAY, date(2026, 6, 3)).parked == 1
    web.force_login(cast.staff)
    web.post(
        f"/admin/portal/taxclass/{exempt.pk}/change/",
        {"kind": "exempt", "rate": "0", "valid_from": "1989-04-01", "valid_to": ""},
    )
    assert run_jobs()[0] == "billing.catch_up"  # ahead of the renderings
    assert not Parked.objects.exists()
    assert Invoice.objects.get(customer=cast.b, month=make.MAY).state == "fixed"


def it_bills_each_month_by_itself_when_an_early_one_is_closed_late(cast):
    """May can't be priced until June is over: May's invoice must not take June's orders, nor the other way round."""
    make.close_month()
    exempt = spoil(cast.b)
    make.close_month(make.MAY, date(2026, 6, 3))
    make.close_month(make.JUNE, date(2026, 7, 3))
    TaxClass.objects.filter(pk=exempt.pk).update(valid_to=None)
    renew(cast.b.contracts.get(), until=date(2026, 7, 4))
    close.retry_parked(date(2026, 7, 4))
    billed = InvoiceLine.objects.filter(invoice__customer=cast.b).order_by("starts_on")
    assert [(line.invoice.month, line.starts_on, line.invoice.state) for line in billed] == [
        (make.APRIL, make.APRIL, "fixed"), (make.MAY, make.MAY, "fixed"), (make.JUNE, make.JUNE, "fixed"),
    ]  # fmt: skip
    assert not Parked.objects.exists()


def it_parks_no_month_that_is_done_already(cast):
    make.close_month()
    make.close_month(make.MAY, date(2026, 6, 3))
    parking.park([cast.b.pk], make.APRIL, "found later")
    assert make.close_month(make.MAY, date(2026, 6, 3)).parked == 0
    assert [(each.month, each.tries) for each in Parked.objects.all()] == [(make.APRIL, 1)]
    assert make.close_month().parked == 0
    assert not Parked.objects.exists()


def it_leaves_a_negative_total_to_the_person_who_decides(cast, web, time_machine):
    time_machine.move_to("2026-05-08T03:00Z")
    make.open_month(make.APRIL)
    draft = Invoice.objects.get(customer=cast.b, month=make.APRIL)
    discount = InvoiceLine.objects.create(
        customer=cast.b, invoice=draft, position=9, origin="discount", item="値引き", starts_on=make.APRIL,
        ends_on=make.APRIL, unit_price=-10000, amount=-10000, tax_rate=Decimal("0.1"),
    )  # fmt: skip
    make.close_month()
    discount.delete()
    defer_catch_up(cast.b)
    run_jobs()
    assert Parked.objects.get(month=make.APRIL).by_person
    web.force_login(cast.staff)
    act(web, "/admin/billing/parked/", "try_again", Parked.objects.get(month=make.APRIL))
    run_jobs()
    draft.refresh_from_db()
    assert (draft.state, draft.net) == ("fixed", 7777)


def it_tries_parked_customers_again_from_the_list(cast, web, time_machine):
    time_machine.move_to("2026-06-03T03:00Z")
    make.close_month()
    spoil(cast.b)
    make.close_month(make.MAY, date(2026, 6, 3))
    web.force_login(cast.staff)
    page = act(web, "/admin/billing/parked/", "try_again", Parked.objects.get(), follow=True)
    assert "1件をもう一度処理します" in page.content.decode()
    run_jobs()
    assert Parked.objects.get(month=make.MAY).tries == 2


def it_renders_parked_invoices_again_from_the_list(cast, web):
    make.close_month()
    invoice = Invoice.objects.get(customer=cast.a)
    Rendering.objects.create(invoice=invoice, customer=cast.a, tries=3, error="a glyph", parked_at=timezone.now())
    web.force_login(cast.staff)
    page = act(web, "/admin/billing/rendering/", "try_again", invoice, follow=True)
    assert "1件のPDFをもう一度作成します" in page.content.decode()
    assert run_jobs().count("billing.render") == 2  # the close's own task, and this one
    assert not Rendering.objects.exists()
    assert invoice.pdf.size > 1000


def it_follows_a_new_price_of_a_metered_item_until_it_is_billed(cast, web, time_machine):
    time_machine.move_to("2026-05-08T03:00Z")
    meter = make.make_meter(cast.a.contracts.get(), 10)
    make.use(meter.contract, 30)
    make.open_month(make.APRIL)
    web.force_login(cast.staff)
    assert "請求済み" not in new_price(web, meter, "12.5")
    run_jobs()
    line = InvoiceLine.objects.get(origin="usage")
    assert (line.unit_price, line.amount) == (Decimal("12.5"), 375)
    make.close_month()
    assert "請求済み" in new_price(web, meter, "99")
    run_jobs()
    assert InvoiceLine.objects.get(origin="usage").amount == 375


def new_price(web, meter, price):
    """Change the price that holds from always; returns the page that answers."""
    answer = web.post(
        f"/admin/contracts/meter/{meter.pk}/change/",
        {
            "item": "データ転送量", "unit": "GB", "price_basis": "exclusive", "tax_kind": "standard",
            "prices-TOTAL_FORMS": 1, "prices-INITIAL_FORMS": 1, "prices-0-id": meter.prices.get().pk,
            "prices-0-meter": meter.pk, "prices-0-since": "", "prices-0-free_quantity": "0", "prices-0-unit_price": price,
            "prices-0-steps": "",
        },
        follow=True,
    )  # fmt: skip
    return answer.content.decode()


def run_jobs():
    """Do what a worker would do now; returns the names of the tasks."""
    done = []
    for job in ProcrastinateJob.objects.filter(status="todo").order_by("-priority", "id"):
        app.tasks[job.task_name].func(**job.args)
        done.append(job.task_name)
    return done
