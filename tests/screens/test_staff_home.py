"""担当者ホーム: how far each month is, what stops and what is to be done; every figure is the count of the list that it opens."""

import html
import re
from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models import User
from billing.corrections.voiding import void
from billing.documents.rendering import render, render_waiting
from billing.models import Download, Invoice, MonthTally, Parked, Rendering
from billing.month import parking
from billing.tasks import count_closed
from contracts.models import Contract
from portal import mail
from portal.models import Mail, Vendor
from tests import make
from tests.screens.people import staff
from tests.screens.start import NOW, board, home


@pytest.fixture
def desk(cast, sign_in):
    cast.web = sign_in(cast.staff)
    return cast


@pytest.fixture
def busy(desk):
    """In May: April is closed for A, whose PDF was made and taken; B is parked; and something of each kind waits."""
    parking.park([desk.b.pk], make.MAY, "先月の保留")
    make.close_month()
    make.open_month()
    Parked.objects.all().delete()
    first, second = Invoice.objects.filter(month=make.APRIL).order_by("number")
    render([first.pk])
    Download.objects.create(customer=desk.a, invoice=first, user=desk.hanako)
    Rendering.objects.create(
        customer=desk.b, invoice=second, tries=3, error="文字がありません", parked_at=timezone.now()
    )
    parking.park([desk.a.pk], make.MAY, "「品目1」の税率が 2026/05/31 の税区分にありません。")
    parking.park([desk.b.pk], make.MAY, "請求金額がマイナスです。調整または返還を決めてください。", by_person=True)
    for number in range(4):
        make.make_inquiry(desk.hanako, subject=f"件名{number}")
    mail.queue(Mail.Kind.ACCOUNT_CREATED, user=desk.taro, customer=desk.a, key="x:1")
    Mail.objects.filter(key="x:1").update(state="failed", error="550 user unknown", sent_to="taro@example.com")
    User.objects.filter(pk=desk.jiro.pk).update(bounced="550 no such user")
    ending = make.make_contract(desk.a, (1000,), auto_renew=False, start_on=make.MAY, today=make.MAY)
    Contract.objects.filter(pk=ending.pk).update(name="終わる契約")
    return desk


def figures(page):
    """[(address, number)] of all that the page counts: on the board, of the panels, beside the menu."""
    text = page.content.decode()
    found = re.findall(r'(?s)<a\s+class="(?:figure|of|missing|count|waits)"\s+href="([^"]*)"[^>]*>([^<]*)</a>', text)
    return [(html.unescape(address), int(re.sub(r"\D", "", words))) for address, words in found]


@time_machine.travel(NOW)
def it_counts_what_the_lists_behind_its_figures_hold(busy):
    page = home(busy.web)
    found = figures(page)
    assert len(found) > 15
    for address, number in found:
        listed = busy.web.get(address)
        assert listed.status_code == 200, address
        assert listed.context["cl"].result_count == number, address


def equal_to_their_lists(browser):
    """The figures of the page, each of which is the count of the list that it opens."""
    found = figures(home(browser))
    for address, number in found:
        assert browser.get(address).context["cl"].result_count == number, address
    return dict(found)


def it_counts_right_what_it_knows_of_a_closed_month(desk):
    """Once a month is through, its documents are counted again only if one comes or ends, or a day has passed."""
    opened, pdf = (f"/admin/billing/invoice/?month=2026-04&step={step}" for step in ("opened", "pdf"))

    def total():
        return board(home(desk.web))["2026/04"][7]

    with time_machine.travel(NOW):
        make.close_month()
        assert equal_to_their_lists(desk.web)[pdf] == 0
        assert MonthTally.objects.get().documents is None, "the files are to come"
        list(render_waiting())
        first, second = Invoice.objects.filter(month=make.APRIL).order_by("number")
        Download.objects.create(customer=desk.a, invoice=first, user=desk.hanako)
        assert equal_to_their_lists(desk.web)[opened] == 1
        known = MonthTally.objects.get()
        assert (known.documents, known.opened) == (2, 0), "what was opened just now may not be all"
        Download.objects.create(customer=desk.a, invoice=first, user=desk.hanako)
        assert equal_to_their_lists(desk.web)[opened] == 1
        Download.objects.create(customer=desk.b, invoice=second, user=desk.jiro)
        assert equal_to_their_lists(desk.web)[opened] == 2
        with CaptureQueriesContext(connection) as asked:
            home(desk.web)
        assert not any("billing_invoicepdf" in each["sql"] for each in asked)
    with time_machine.travel("2026-05-08T13:00+09:00"):
        before = total()
        void(second, reason="誤り", by=desk.staff, today=make.IN_MAY)
        make.close_month()
        equal_to_their_lists(desk.web)
        assert total() != before
    with time_machine.travel("2026-05-09T14:00+09:00"):
        equal_to_their_lists(desk.web)
        known = MonthTally.objects.get()
        assert (known.opened, known.ended) == (2, 1)
        assert known.until > timezone.now() - timedelta(hours=1)


def it_finds_closed_months_counted_by_a_worker(desk):
    with time_machine.travel(NOW):
        make.close_month()
        list(render_waiting())
        count_closed.func()
        first = Invoice.objects.filter(month=make.APRIL).order_by("number").first()
        Download.objects.create(customer=desk.a, invoice=first, user=desk.hanako)
        assert (MonthTally.objects.get().documents, MonthTally.objects.get().opened) == (2, 0)
        assert equal_to_their_lists(desk.web)["/admin/billing/invoice/?month=2026-04&step=opened"] == 1
    with time_machine.travel("2026-05-08T13:00+09:00"):
        count_closed.func()
        assert MonthTally.objects.get().opened == 1
        equal_to_their_lists(desk.web)


@time_machine.travel(NOW)
def it_shows_how_far_each_month_is(busy):
    shown = board(home(busy.web))
    assert list(shown) == ["2026/05", "2026/04"]
    totals = {
        month: sum(Invoice.objects.filter(month=month).values_list("total", flat=True))
        for month in (make.APRIL, make.MAY)
    }
    change = totals[make.MAY] / totals[make.APRIL] - 1
    assert shown["2026/05"][2:] == [
        "点検する",
        "6/1から",
        "—",
        "—",
        "—",
        f"{totals[make.MAY]:,}",
        f"{change:+.1%}" if change else "±0%",
    ]
    assert shown["2026/04"][1:] == [
        "2", "点検する", "2", "1 / 2 失敗 1 PDFなし 1", "0 / 1", "1", f"{totals[make.APRIL]:,}", "",
    ]  # fmt: skip


@time_machine.travel(NOW)
def it_says_how_many_business_days_are_left_until_the_close_is_due(desk):
    text = home(desk.web).content.decode()
    assert "締め前" in text
    assert "2026年4月分の確定予定日 2026年5月12日（火）" in text
    assert "あと2営業日" in text
    with time_machine.travel("2026-05-14T12:00+09:00"):
        assert "2営業日超過" in home(desk.web).content.decode()


@time_machine.travel(NOW)
def it_names_what_stops_with_the_next_step_and_a_button_that_tries_again(busy):
    text = home(busy.web).content.decode()
    assert "税区分を登録してください" in text
    assert "調整行を入れるか、返還を決めてください" in text
    forms = re.findall(r'(?s)<form method="post" action="([^"]*)">(.*?)</form>', text)
    retries = {}
    for address, form in forms:
        fields = dict(re.findall(r'name="(action|_selected_action)" value="([^"]*)"', form))
        retries.setdefault(address, []).append({**fields, "index": "0"})
    # What waits for a person's decision is not to be tried (D9).
    parked = Parked.objects.get(customer=busy.a)
    assert [each["_selected_action"] for each in retries["/admin/billing/parked/"]] == [str(parked.pk)]
    before = ProcrastinateJob.objects.filter(task_name="billing.catch_up").count()
    for address, (fields, *_others) in retries.items():
        asked = busy.web.post(address, fields).content.decode()
        shown = html.unescape(re.search(r'name="shown" value="([^"]*)"', asked)[1])
        assert busy.web.post(address, {**fields, "shown": shown}).status_code == 302, address
    assert ProcrastinateJob.objects.filter(task_name="billing.catch_up").count() == before + 1
    assert Rendering.objects.get(customer=busy.b).parked_at is None
    assert Mail.objects.get(key="x:1").state == "waiting"


@time_machine.travel(NOW)
def it_shows_three_of_a_kind_and_leaves_out_what_is_empty(busy):
    text = home(busy.web).content.decode()
    assert [f"件名{number}" in text for number in range(4)] == [True, True, True, False]
    assert all(
        words in text
        for words in ("届かなかったメール", "メールが届かないユーザ", "更新なしで終わる契約", "終わる契約")
    )
    User.objects.update(bounced="")
    Rendering.objects.all().delete()
    text = home(busy.web).content.decode()
    assert "メールが届かないユーザ" not in text
    assert "作成できないPDF" not in text


@time_machine.travel(NOW)
def it_is_content_where_nothing_waits(desk):
    make.close_month()
    assert "きょう対応することはありません。" in home(desk.web).content.decode()


@time_machine.travel(NOW)
def it_tells_what_comes_first_until_a_month_was_closed(desk):
    text = home(desk.web).content.decode()
    assert "はじめにすること" in text
    assert re.findall(r'(?s)<li class="done">\s*<a href="([^"]*)"', text) == [
        "/admin/portal/vendor/", "/admin/portal/vendorregistration/", "/admin/portal/taxclass/", "/admin/contracts/service/",
        "/admin/accounts/customer/", "/admin/contracts/contract/",
    ]  # fmt: skip
    make.close_month()
    assert "はじめにすること" not in home(desk.web).content.decode()


def it_stands_before_anything_was_set_up(db, web):
    assert not Vendor.objects.exists()
    web.force_login(make.make_user(None, "first@example.net", is_staff=True, is_superuser=True))
    text = home(web).content.decode()
    assert "ベンダー設定で会社名、振込先、運用開始年月を登録する" in text
    assert 'class="done"' not in text.partition("/admin/portal/vendor/")[2].partition("</li>")[0]
    assert "月次ボード" not in text


@time_machine.travel(NOW)
def it_raises_an_alarm_when_the_days_work_did_not_come(desk):
    make.open_month()
    assert 'class="alarm"' not in home(desk.web).content.decode()
    with time_machine.travel("2026-05-10T12:00+09:00"):
        assert "毎日の見込作成が 5/8 12:00 から動いていません" in home(desk.web).content.decode()


@time_machine.travel(NOW)
def it_shows_a_role_what_it_may_see_and_no_button_that_it_may_not_use(busy, sign_in):
    reader = sign_in(staff("reader@example.net", "閲覧"))
    text = home(reader).content.decode()
    assert "月次ボード" in text
    assert '<input type="hidden" name="action"' not in text
    assert "お客様を登録" not in text
    clerk = make.make_user(None, "clerk@example.net", is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_mail"))
    text = home(sign_in(User.objects.get(pk=clerk.pk))).content.decode()
    assert "届かなかったメール" in text
    for others in ("月次ボード", "保留", "件名0", "終わる契約", "会社C0000002"):
        assert others not in text, others


@time_machine.travel(NOW)
def it_asks_at_most_ten_statements(busy, sign_in):
    for person in (busy.staff, staff("clerk@example.net", "請求", "受付")):
        browser = sign_in(person)
        home(browser)
        with CaptureQueriesContext(connection) as asked:
            home(browser)
        apart = re.compile("set_config|current_setting|SAVEPOINT")
        statements = [each["sql"] for each in asked if not apart.search(each["sql"])]
        assert len(statements) <= 10, "\n".join(each[:150] for each in statements)


@time_machine.travel(NOW)
def it_counts_by_indexes_however_large_the_tables_are(busy):
    """With sequential scans discouraged none of a table that grows is left."""
    large = (
        "billing_invoice",
        "portal_mail",
        "orders_order",
        "billing_download",
        "contracts_contract",
        "portal_inquiry",
    )
    for _time in range(2):
        with connection.cursor() as cursor:
            cursor.execute("SET enable_seqscan = off")
            try:
                with CaptureQueriesContext(connection) as asked:
                    home(busy.web)
                for query in asked.captured_queries:
                    if query["sql"].lstrip("(").startswith("SELECT"):
                        cursor.execute(f"EXPLAIN {query['sql']}")
                        plan = "\n".join(line for (line,) in cursor.fetchall())
                        assert [table for table in large if f"Seq Scan on {table} " in plan] == [], plan
            finally:
                cursor.execute("RESET enable_seqscan")
