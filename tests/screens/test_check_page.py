"""点検 of a month: a worker does it, the page shows what is kept of it, what is under way and what went wrong, and writes nothing."""

import html
import json
import re

import pytest
import time_machine
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from billing.models import Invoice, MonthCheck, Rendering
from billing.month import checks, parking
from tests import make

NOW = "2026-05-08T12:00+09:00"
APRIL, JUNE = "/admin/check/2026-04/", "/admin/check/2026-06/"


def check(browser, address=APRIL):
    """Ask for a check of a month, have a worker do it, and open what it found."""
    assert browser.post(address).status_code == 302
    work()
    return browser.get(address)


def sql(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)


def work(status="todo"):
    """What a worker does of the checks."""
    for job in ProcrastinateJob.objects.filter(task_name="billing.check_month", status=status):
        app.tasks[job.task_name].func(**job.args)
        sql(f"DELETE FROM procrastinate_jobs WHERE id = {job.pk}")


@pytest.fixture
def worker(db):
    with time_machine.travel(NOW):
        sql(f"INSERT INTO procrastinate_workers (last_heartbeat) VALUES ('{timezone.now()}')")


def said(page):
    """The page's own words."""
    main = page.content.decode().partition('id="content-main"')[2].partition("</main>")[0]
    return " ".join(re.sub(r"(?s)<[^>]*>", " ", html.unescape(main)).split())


@pytest.fixture
def desk(cast, sign_in):
    cast.web = sign_in(cast.staff)
    return cast


@pytest.fixture
def busy(desk):
    """In May: April is closed, and the PDF of one of its invoices can't be made."""
    with time_machine.travel(NOW):
        make.close_month()
        Rendering.objects.create(
            customer=desk.b, invoice=Invoice.objects.get(customer=desk.b), tries=3, error="文字がありません",
            parked_at=timezone.now(),
        )  # fmt: skip
    return desk


@time_machine.travel(NOW)
def it_shows_what_the_check_of_a_month_found(busy):
    before = busy.web.get(APRIL)
    assert "まだ点検していません" in said(before)
    assert not MonthCheck.objects.exists(), "to look is to write nothing"
    page = check(busy.web)
    shown = {(str(each.verdict), each.title): each.count for each in page.context["findings"]}
    expected = [each for each in checks.check(make.APRIL, today=make.IN_MAY) if each.rows]
    assert {title: count for (_verdict, title), count in shown.items()} == {
        each.title: len(each.rows) for each in expected
    }
    assert shown["保留", "PDFを作成できない請求"] == 1
    failed = Rendering.objects.get().invoice.number
    assert f'href="/admin/search/?q={failed}"' in page.content.decode()
    assert "invoice_fixed" not in page.content.decode()
    assert f"2026/05/08 12:00 の点検 依頼 {busy.staff.name}" in said(page)
    assert busy.web.get(APRIL).context["findings"] == page.context["findings"]
    assert MonthCheck.objects.count() == 1
    for unknown in ("2026-03", "2026-06", "2026-13", "x"):
        for ask in (busy.web.get, busy.web.post):
            assert ask(f"/admin/check/{unknown}/").status_code == 404, unknown


@time_machine.travel(NOW)
def it_checks_once_however_often_it_is_asked_and_shows_what_is_under_way(desk, worker):
    for _click in range(2):
        page = desk.web.post(APRIL, follow=True)
    assert "すでに点検しています" in page.content.decode()
    assert [job.args["month"] for job in checks_waiting()] == ["2026-04-01"]
    text = said(page)
    assert "点検しています" in text and f"{desk.staff.name} が依頼" in text and "ほかの処理の後に始まります" in text
    assert "点検する" not in text, "no button meanwhile"
    assert '<meta http-equiv="refresh" content="5">' in page.content.decode()
    sql("UPDATE procrastinate_jobs SET status = 'doing' WHERE task_name = 'billing.check_month'")
    desk.web.post(APRIL)
    assert checks_waiting().count() == 1, "one that is being worked on is one"
    assert "ほかの処理の後に" not in said(desk.web.get(APRIL))
    desk.web.post("/admin/check/2026-05/")
    assert checks_waiting().count() == 2, "another month's is another"
    assert "ワーカーが動いていない" not in said(desk.web.get(APRIL))
    sql("UPDATE procrastinate_workers SET last_heartbeat = last_heartbeat - interval '2 minutes'")
    page = desk.web.get(APRIL)
    assert "ワーカーが動いていない" in said(page)
    assert "http-equiv" not in page.content.decode(), "nobody waits for what doesn't come"


def checks_waiting():
    return ProcrastinateJob.objects.filter(task_name="billing.check_month", status__in=["todo", "doing"])


@time_machine.travel(NOW)
def it_tells_why_a_check_could_not_be_ended(desk, worker, monkeypatch):
    sql("UPDATE procrastinate_workers SET last_heartbeat = last_heartbeat + interval '3 hours'")
    make.close_month()
    good = said(check(desk.web)).partition("もう一度")[0]
    with time_machine.travel("2026-05-08T13:00+09:00"), monkeypatch.context() as patched:
        patched.setattr(checks, "check", refuse)
        page = check(desk.web)
    assert "2026/05/08 13:00 の点検は終わりませんでした。「品目1」の税率がありません。" in said(page)
    assert "2026/05/08 12:00 の点検" in said(page), "what was known stays in sight"
    assert "<small>5/8 12:00</small>" in desk.web.get("/admin/").content.decode()
    with time_machine.travel("2026-05-08T14:00+09:00"), monkeypatch.context() as patched:
        patched.setattr(checks, "check", break_down)
        desk.web.post(APRIL)
        with pytest.raises(ZeroDivisionError):
            work()
        sql("UPDATE procrastinate_jobs SET status = 'failed' WHERE task_name = 'billing.check_month'")
        page = desk.web.get(APRIL)
    assert "2026/05/08 14:00 の点検は終わりませんでした。途中でエラーが起きました" in said(page)
    assert "点検しています" not in said(page)
    with time_machine.travel("2026-05-08T14:30+09:00"):
        desk.web.post(APRIL)
        sql(
            "UPDATE procrastinate_jobs SET status = 'doing', attempts = 3 WHERE task_name = 'billing.check_month' AND status = 'todo'"
        )
        work("doing")
        assert "途中でワーカーが3回終了しました" in said(desk.web.get(APRIL)), "it isn't tried for ever"
    with time_machine.travel("2026-05-08T15:00+09:00"):
        page = check(desk.web)
    assert "終わりませんでした" not in said(page)
    assert said(page).partition("もう一度")[0] == good.replace("12:00", "15:00")
    assert not ProcrastinateJob.objects.filter(task_name="billing.check_month").exists(), "the failed one is over"


def refuse(month, **given):
    raise ValidationError("「品目1」の税率がありません。")


def break_down(month, **given):
    raise ZeroDivisionError


@time_machine.travel(NOW)
def it_shows_the_counts_of_a_check_of_which_no_more_was_kept(desk):
    wrong = [{"code": "recount", "kind": "broken", "count": 1}, {"code": "tax", "kind": "broken", "count": 2}]
    MonthCheck.objects.create(month=make.APRIL, at=timezone.now(), is_closed=True, findings=wrong)
    text = said(desk.web.get(APRIL))
    assert "規則違反 3件" in text and "もう一度点検してください" in text and "依頼 システム" in text


@time_machine.travel(NOW)
def it_keeps_twenty_things_of_a_finding_and_says_how_many_more_there_are(desk):
    for number in range(3, 31):
        parking.park([make.make_customer(f"C{number:07}").pk], make.APRIL, f"{number}の保留" * 100)
    parking.park([desk.a.pk, desk.b.pk], make.APRIL, "x" * 1000)
    page = check(desk.web)
    [each] = [each for each in page.context["findings"] if each.code == "parked"]
    assert (each.count, len(each.things), each.more) == (30, 20, 10)
    assert "ほか 10件" in said(page)
    assert len(json.dumps(MonthCheck.objects.get().things, ensure_ascii=False)) < 10_000
    with CaptureQueriesContext(connection) as asked:
        desk.web.get("/admin/")
    loaded = [each["sql"] for each in asked if "billing_monthcheck" in each["sql"]]
    assert loaded and not [each for each in loaded if "things" in each], "the board needs no more than counts"
    with CaptureQueriesContext(connection) as asked:
        desk.web.get(APRIL)
    apart = re.compile("set_config|current_setting|SAVEPOINT")
    statements = [each["sql"] for each in asked if not apart.search(each["sql"])]
    assert len(statements) <= 10, "\n".join(each[:150] for each in statements)
    large = re.compile('FROM "?(billing_invoice|billing_taxtotal|orders_|contracts_contract|accounts_customer)')
    assert not [each for each in statements if large.search(each)], "nothing grows with the customers"
