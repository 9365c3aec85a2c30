"""`check_month`: silent about a sound month, and each fault that is put in is found under its own name."""

import json
import re
from datetime import date
from io import StringIO

import pytest
import time_machine
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.models import User
from billing.documents.rendering import render_waiting
from billing.models import Decision, Invoice, InvoiceLine, MonthCheck
from billing.month import checks
from billing.services import adjust_invoice
from contracts.models import Contract, ContractLine, Service
from orders.services import start_contract
from portal import mail
from portal.models import CalendarDay, Mail
from tests import make, processes
from tests.replay import remembered


@remembered
def closed_and_rendered():
    people = make.cast_rows()
    make.close_month()
    list(render_waiting())
    return people


@pytest.fixture
def cast(db, request):
    closed = "month" in request.fixturenames and request.node.callspec.params["month"] == "after"
    return make.together(**(closed_and_rendered() if closed else make.cast_rows()))


@pytest.fixture(params=["before", "after"])
def month(request, cast):
    """April before its close, then closed and rendered."""
    if request.param == "before":
        make.open_month(make.APRIL, today=make.IN_MAY)
    return request.param


def found(today=make.IN_MAY, **options):
    return {each.code: each.rows for each in checks.check(make.APRIL, today=today, **options) if each.rows}


def sql(text, *values):
    """Change what no program may change: the table's triggers look away."""
    table = text.split()[1 if text.startswith("UPDATE") else 2]
    connection.check_constraints()
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(text, values)
        connection.check_constraints()
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def it_finds_nothing_in_a_sound_month(month, cast):
    assert set(found()) <= {"deadline", "address"}


def it_finds_nothing_in_a_month_that_was_closed_before_runs_kept_their_settings(month, cast):
    sql("UPDATE billing_monthrun SET settings = '{}'")
    assert set(found()) <= {"deadline", "address"}


def it_finds_a_term_without_order(month, cast):
    for table in ("billing_invoiceline", "orders_orderline", "orders_order"):
        sql(f"DELETE FROM {table} WHERE customer_id = %s", cast.b.pk)
    assert "K0000002" in found()["term_without_order"][0]
    assert "K0000002" in found()["contract_without_order"][0]


def it_asks_for_used_quantities_only_while_the_contract_runs(month, cast):
    ended = make.make_contract(cast.b, (1000,), form="once", start_on=date(2026, 3, 20))
    running = cast.a.contracts.get()
    for contract in (ended, running):
        make.make_meter(contract, 10)
    assert found()["usage_missing"] == [(running.number, "データ転送量")]


def it_finds_an_order_that_nobody_bills(month, cast):
    sql("DELETE FROM billing_invoiceline WHERE customer_id = %s", cast.b.pk)
    assert found()["order_without_invoice"] == [("O202604-000002", "C0000002")]


def it_finds_totals_that_dont_add_up(month, cast):
    sql("UPDATE billing_taxtotal SET base = base + 1 WHERE customer_id = %s", cast.b.pk)
    assert "B202604-000002" in str(found()["totals"])
    assert "B202604-000002" in str(found()["tax"])


def it_finds_tax_that_was_rounded_the_wrong_way(month, cast):
    sql("UPDATE billing_taxtotal SET tax = tax + 1 WHERE customer_id = %s", cast.b.pk)
    sql("UPDATE billing_invoice SET tax = tax + 1, total = total + 1 WHERE customer_id = %s", cast.b.pk)
    assert set(found()) - {"deadline", "address"} == {"tax"}


def it_finds_what_a_closed_month_lacks(cast):
    make.close_month()
    assert [number for number, _ in found()["pdf_missing"]] == ["B202604-000001", "B202604-000002"]
    list(render_waiting())
    Mail.objects.filter(key="invoice_fixed:B202604-000001").delete()
    assert found()["mail_missing"] == [("B202604-000001", "C0000001")]
    sql("UPDATE billing_invoice SET state = 'draft', fixed_on = NULL WHERE number = 'B202604-000002'")
    assert found()["draft_after_close"] == [("B202604-000002", "C0000002")]


def it_shows_who_is_parked(cast):
    line = InvoiceLine(
        customer=cast.b, invoice=None, position=9, origin="discount", item="値引", quantity=1, unit_price=-99999,
        amount=-99999, price_basis="exclusive", tax_kind="standard", tax_rate="0.1", starts_on=make.APRIL, ends_on=make.APRIL,
    )  # fmt: skip
    make.open_month(make.APRIL)
    line.invoice = Invoice.objects.get(customer=cast.b)
    line.save()
    made = make.close_month()
    assert made.parked == 1
    assert "C0000002" in str(found()["parked"])
    assert found()["not_positive"][0][0] == "B202604-000002"


def it_finds_used_quantities_that_nobody_bills_and_those_that_are_missing(cast):
    meter = make.make_meter(cast.a.contracts.get(), 10)
    make.open_month(make.APRIL, today=make.IN_MAY)
    assert found()["usage_missing"] == [("K0000001", "データ転送量")]
    make.use(meter.contract, 30)
    assert found()["usage_without_invoice"] == [("K0000001 データ転送量", "C0000001")]
    make.close_month()
    list(render_waiting())
    assert not {"usage_missing", "usage_without_invoice"} & set(found())
    assert meter.usages.with_charges().get().invoice_number == "B202604-000001"


def it_finds_a_tax_class_that_no_line_has(month, cast):
    sql(
        "INSERT INTO billing_taxtotal (customer_id, invoice_id, kind, rate, base, tax)"
        " SELECT customer_id, id, 'exempt', 0, 0, 0 FROM billing_invoice WHERE customer_id = %s",
        cast.b.pk,
    )
    assert "tax" not in found()  # nothing, of nothing
    sql("UPDATE billing_taxtotal SET base = 100 WHERE kind = 'exempt' AND customer_id = %s", cast.b.pk)
    assert "100" in found()["tax"][0][1]


def it_warns_of_jumps(cast):
    make.close_month()
    make.make_contract(cast.b, (50000,), start_on=make.MAY, today=make.MAY)
    make.open_month(make.MAY)
    rows = {each.code: each.rows for each in checks.check(make.MAY, today=make.IN_MAY)}
    assert rows["jump"] == [("B202605-000002", "8,554 → 63,554")]
    rows = {each.code: each.rows for each in checks.check(make.MAY, today=make.IN_MAY, yen=100_000)}
    assert rows["jump"] == []


def it_writes_out_an_amount_of_any_length(cast):
    make.close_month()
    make.make_contract(cast.b, (999_999_999_999,), start_on=make.MAY, today=make.MAY)
    make.open_month(make.MAY)
    rows = {each.code: each.rows for each in checks.check(make.MAY, today=make.IN_MAY)}
    assert re.fullmatch(r"8,554 → 1,1\d\d,\d{3},\d{3},\d{3}", rows["jump"][0][1])


def it_warns_of_what_would_go_wrong_with_the_paper(month, cast):
    sql("UPDATE contracts_contract SET cancel_on = '2026-04-10' WHERE customer_id = %s", cast.b.pk)
    sql("DELETE FROM portal_vendorregistration")
    sql("UPDATE accounts_user SET is_recipient = false WHERE id = %s", cast.jiro.pk)
    sql("UPDATE accounts_user SET bounced = '550' WHERE id = %s", cast.hanako.pk)
    assert {"ended_billed", "registration", "recipient"} <= set(found())
    assert [number for number, _ in found()["recipient"]] == ["C0000001", "C0000002"]


def in_may(code):
    """The rows of a code in May, which is open while April is closed."""
    return next(each.rows for each in checks.check(make.MAY, today=make.IN_MAY) if each.code == code)


def it_warns_of_aprils_days_after_the_cancellation_in_open_may_too(cast):
    make.close_month()
    sql(
        "UPDATE contracts_contract SET cancel_on = '2026-03-31', start_on = '2026-03-01' WHERE customer_id = %s",
        cast.b.pk,
    )
    assert found()["ended_billed"] == [("B202604-000002", "契約 K0000002 解約日 2026/03/31")]
    assert in_may("ended_billed") == [("B202604-000002", "契約 K0000002 解約日 2026/03/31")]
    line = InvoiceLine.objects.get(customer=cast.b, invoice__month=make.APRIL)
    Decision.objects.create(
        customer=cast.b, contract_line=line.order_line.contract_line, term=line.order.term, invoice_line=line, choice="refused",
        amount=7777, reason="合意", by=cast.staff,
    )  # fmt: skip
    assert in_may("ended_billed") == []


def it_warns_of_aprils_gap_in_open_may_too(cast):
    make.close_month()
    sql(
        "UPDATE contracts_term SET ends_on = '2026-04-20' WHERE customer_id = %s AND starts_on = '2026-04-01'",
        cast.b.pk,
    )
    assert found()["gap"] == in_may("gap") == [("K0000002", "契約期間の終了日 2026/04/20")]


def it_warns_of_an_adjustment_under_both_months_that_it_concerns(cast):
    make.open_month(make.APRIL)
    draft = Invoice.objects.get(customer=cast.b)
    extra = InvoiceLine(item="前払", quantity=1, unit_price=500, starts_on=make.MAY, ends_on=make.MAY, position=9)
    adjust_invoice(draft, [extra], by=cast.staff)
    make.close_month()
    assert found()["adjusted_elsewhere"] == [("B202604-000002", "前払 2026/05/01～2026/05/01 500")]
    assert in_may("adjusted_elsewhere") == found()["adjusted_elsewhere"]


def it_warns_of_two_prices_in_one_month_that_are_both_charged_whole(cast):
    first = cast.b.contracts.get().lines.get()
    sql("UPDATE contracts_contractline SET charge_to = '2026-05-10' WHERE id = %s", first.pk)
    first.pk, first.position, first.charge_from, first.charge_to = None, 2, date(2026, 5, 11), None
    first.save(force_insert=True)
    make.open_month(make.MAY, today=date(2026, 5, 20))
    assert in_may("changed_inside") == [("K0000002", "品目1 2026/05/10 → 品目1 2026/05/11")]
    assert "changed_inside" not in found()
    sql("UPDATE contracts_service SET prorate = true")
    assert in_may("changed_inside") == []


def it_warns_when_the_day_of_the_close_nears(cast):
    make.open_month(make.APRIL)
    assert "deadline" not in found(today=date(2026, 5, 1))
    assert "あと1営業日" in found(today=date(2026, 5, 11))["deadline"][0][1]
    assert "過ぎています" in found(today=date(2026, 5, 13))["deadline"][0][1]
    CalendarDay.objects.create(day=date(2026, 5, 12), working=False)  # the vendor's own day off moves it on
    assert "あと0営業日" in found(today=date(2026, 5, 13))["deadline"][0][1]
    make.close_month(today=date(2026, 5, 13))
    assert "deadline" not in found(today=date(2026, 5, 13))


def run(*arguments):
    out = StringIO()
    try:
        with time_machine.travel("2026-05-08T03:00Z"):
            call_command("check_month", *arguments, stdout=out)
    except SystemExit as ended:
        return ended.code, out.getvalue()
    return 0, out.getvalue()


def it_ends_with_0_for_warnings_and_1_for_faults(cast):
    make.close_month()
    list(render_waiting())
    code, text = run("2026-04")
    assert (code, "○ 注文のない契約期間: なし" in text) == (0, True)
    Mail.objects.filter(key="invoice_fixed:B202604-000001").delete()
    code, text = run("2026-04")
    assert code == 1
    assert "× お知らせのない請求: 1件" in text
    code, text = run("2026-04", "--json")
    assert json.loads(text)["findings"]["mail_missing"]["rows"] == [["B202604-000001", "C0000001"]]


def it_refuses_a_bad_month_in_one_line(cast):
    with pytest.raises(CommandError) as refused:
        call_command("check_month", "2026-13")
    assert refused.value.returncode == 2


def it_changes_nothing_of_the_month_and_keeps_how_much_it_found(cast):
    make.close_month()
    before = Contract.objects.count(), Invoice.objects.count(), Mail.objects.count()
    run("2026-04")
    assert (Contract.objects.count(), Invoice.objects.count(), Mail.objects.count()) == before
    kept = MonthCheck.objects.get()
    assert (kept.month, kept.is_closed) == (make.APRIL, True)
    assert {each["code"]: each["count"] for each in kept.findings} == {
        code: len(rows) for code, rows in found().items()
    }
    run("2026-04", "--jump", "10")
    assert MonthCheck.objects.get() == kept, "asked for something else than the page asks for"


def it_checks_the_last_closed_month_and_those_since_where_none_is_given(cast):
    make.close_month()
    with time_machine.travel("2026-06-02T03:00Z"):
        call_command("open_month", stdout=StringIO())
        with pytest.raises(SystemExit) as ended:  # April has no PDFs yet
            call_command("check_month", stdout=StringIO())
    assert ended.value.code == 1
    assert [f"{each:%Y-%m}" for each in MonthCheck.objects.order_by("pk").values_list("month", flat=True)] == [
        "2026-04", "2026-05", "2026-06",
    ]  # fmt: skip


def it_says_whose_and_what_it_should_be_in_parts(cast):
    make.close_month()
    list(render_waiting())
    sql("UPDATE billing_taxtotal SET tax = tax + 1 WHERE customer_id = %s", cast.b.pk)
    found = json.loads(run("2026-04", "--json")[1])["findings"]["tax"]
    [item] = found["items"]
    assert (item["customer"], item["document"]) == ("C0000002", "B202604-000002")
    assert (item["expected"], item["found"]) == (777, 778)
    assert found["rows"][0][0] == "B202604-000002"


def it_counts_what_is_alike_in_one_line_and_shows_twenty(cast):
    for number in range(3, 30):
        make.make_contract(make.make_customer(f"C{number:07}"), (1000,))
    make.close_month()
    for number in range(29):
        mail.queue(mail.Kind.PASSWORD_CHANGED, key=f"x{number}", customer=cast.a, user=cast.hanako)
    sql("UPDATE billing_taxtotal SET tax = 0")
    code, text = run("2026-04")
    assert code == 1
    assert "規則と合わない消費税: 30件" in text
    assert "B202604-000003 ほか26件  C0000003 10%: 1000 + 0 正しくは 100、現在 0" in text
    sql("UPDATE portal_mail SET kind = 'invoice_fixed', state = 'failed', error = key")
    assert "ほか 9件（--json で全件）" in run("2026-04")[1]


def it_misses_nothing_that_was_entered_on_the_morning_after_a_close_at_night(cast):
    with time_machine.travel("2026-04-30T15:30Z"):  # 00:30 in Japan
        make.close_month(today=date(2026, 5, 1))
    with time_machine.travel("2026-04-30T23:00Z"):
        cast.b.billing_department = "経理部"
        cast.b.save()
    assert "recount" not in found()


def it_is_explained_code_by_code_on_the_operators_page(cast):
    make.close_month()
    asked = [checks.check(month, today=make.IN_MAY) for month in (make.APRIL, make.MAY)]
    page = (settings.BASE_DIR / "docs" / "operations.md").read_text()
    assert [each.code for findings in asked for each in findings if f"`{each.code}`" not in page] == []


def it_names_a_mail_that_has_waited_for_an_hour(cast):
    """No worker runs: the notice waits, and somebody is told while it is still of use."""
    with time_machine.travel("2026-05-08T03:00Z", tick=False) as clock:
        make.close_month()
        list(render_waiting())
        clock.shift(3600)
        assert "mail_late" not in found()
        clock.shift(1)
        late = dict(found()["mail_late"])
        assert set(late) == {f"invoice_fixed:{number}" for number in Invoice.objects.values_list("number", flat=True)}
        recipient = User.objects.filter(pk=cast.hanako.pk)
        recipient.update(is_recipient=False)
        assert len(found()["mail_late"]) == 1  # of the other `recipient` tells that nobody is there to get it
        recipient.update(is_recipient=True)  # the database lets no company end without one


def it_judges_what_joins_a_billed_term_by_日割_as_it_was_then(cast):
    Service.objects.filter(code="cloud").update(prorate=True)
    contract = make.make_contract(cast.a, (36000,), form="yearly")
    make.close_month()
    Service.objects.filter(code="cloud").update(prorate=False)
    option = ContractLine(
        position=2, item="オプション", unit="式", unit_price=36000, quantity=1, charge_from=date(2026, 5, 4)
    )
    start_contract(contract, [option], today=make.IN_MAY)
    make.open_month()
    assert contract.orders.get(kind="addition").amount == 33000  # eleven months of twelve
    assert not [each for each in checks.check(make.MAY, today=make.IN_MAY) if each.code == "recount" and each.items]


def it_goes_on_when_nobody_reads_its_words_any_more(transactional_db, tmp_path):
    """As with `| head`: no traceback, and the code that it would have had."""
    make.cast()
    command = processes.start("check_month", "2026-04", **processes.here(tmp_path))
    command.stdout.close()
    assert (command.stderr.read(), command.wait()) == ("", 1)
