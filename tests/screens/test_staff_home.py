"""担当者ホーム: how far each month is, what stops and what is to be done; every figure is the count of the list that it opens."""

import html
import re
from datetime import date, timedelta

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models import User
from billing.corrections.voiding import void
from billing.credits import take_back
from billing.documents.rendering import render, render_waiting
from billing.models import Download, Invoice, MonthCheck, MonthRun, MonthTally, Parked, Rendering
from billing.month import parking
from billing.proposals import decide, proposals
from billing.tasks import count_closed
from contracts.models import Contract
from portal import mail
from portal.models import Mail, Vendor
from tests import make
from tests.scenarios.words import save
from tests.screens.people import staff
from tests.screens.test_check_page import APRIL, JUNE, check, said

NOW = "2026-05-08T12:00+09:00"


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


def home(browser):
    answer = browser.get("/admin/")
    assert answer.status_code == 200
    return answer


def figures(page):
    """[(address, number)] of all that the page counts: on the board, of the panels, beside the menu."""
    text = page.content.decode()
    found = re.findall(r'(?s)<a\s+class="(?:figure|of|missing|count|waits)"\s+href="([^"]*)"[^>]*>([^<]*)</a>', text)
    return [(html.unescape(address), int(re.sub(r"\D", "", words))) for address, words in found]


def board(page):
    """{month: [what each step says]}."""
    rows = re.findall(r'(?s)<tr(?: class="current")?>\s*<th scope="row">(.*?)</th>(.*?)</tr>', page.content.decode())

    def words(cell):
        return " ".join(re.sub(r"(?s)<[^>]*>", " ", html.unescape(cell)).replace("✓", "").split())

    return {words(head)[:7]: [words(cell) for cell in re.findall(r"(?s)<td.*?</td>", row)] for head, row in rows}


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


def it_says_on_the_board_what_the_newest_check_of_a_month_found(desk):
    with time_machine.travel(NOW):
        make.close_month()
        assert board(home(desk.web))["2026/04"][2] == "点検する"
    with time_machine.travel("2026-05-08T13:00+09:00"):
        told = {}
        for each in check(desk.web).context["findings"]:
            told[str(each.verdict)] = told.get(str(each.verdict), 0) + each.count
        said = " ".join(f"{verdict} {count}" for verdict, count in told.items())
        assert said.startswith("規則違反 2"), "two invoices without PDF"
        shown = board(home(desk.web))
        assert shown["2026/04"][2] == f"{said} 5/8 13:00"
        assert shown["2026/05"][2] == "点検する"
        list(render_waiting())
        check(desk.web)
        assert board(home(desk.web))["2026/04"][2].startswith("違反なし")


@time_machine.travel(NOW)
def it_asks_for_another_check_once_the_month_was_run_again(desk):
    make.close_month()
    list(render_waiting())
    check(desk.web)
    assert board(home(desk.web))["2026/04"][2].startswith("違反なし")
    MonthRun.objects.create(month=make.APRIL, kind="open", whole=False, as_of=make.APRIL, finished_at=timezone.now())
    assert board(home(desk.web))["2026/04"][2].startswith("違反なし"), "a run for one customer"
    MonthRun.objects.create(month=make.APRIL, kind="close", as_of=make.APRIL, finished_at=timezone.now())
    assert board(home(desk.web))["2026/04"][2] == "要再点検 前回 5/8 12:00"
    assert "要再点検" in said(desk.web.get(APRIL))
    assert "要再点検" not in said(check(desk.web))
    assert board(home(desk.web))["2026/04"][2].startswith("違反なし")
    assert ">完了<" in home(desk.web).content.decode()
    wrong = [{"code": "recount", "kind": "broken", "count": 1}]
    MonthCheck.objects.create(month=make.APRIL, at=timezone.now(), is_closed=True, findings=wrong)
    assert board(home(desk.web))["2026/04"][2].startswith("規則違反 1")
    assert ">完了<" not in home(desk.web).content.decode(), "a month with a fault isn't done"


def proposed(page):
    """(where the panel 返還の提案 leads, how many it says), or None."""
    found = re.search(r'(?s)<a\s+class="proposed"\s+href="([^"]*)"[^>]*>([^<]*)</a>', page.content.decode())
    return found and (found[1], int(found[2]))


def it_counts_what_nobody_has_decided_to_give_back(desk):
    with time_machine.travel("2026-06-04T12:00+09:00"):
        for month in (make.APRIL, make.MAY):
            make.close_month(month, today=date(2026, 6, 4))
        for contract in Contract.objects.order_by("pk"):
            save(contract, "06-04", cancel_on=date(2026, 4, 30))
        assert len(proposals()) == 3
        assert proposed(home(desk.web)) is None
        check(desk.web, "/admin/check/2026-05/")
        assert proposed(home(desk.web)) is None, "a closed month isn't asked for them"
        address = "/admin/check/2026-06/#proposals"
        opened = check(desk.web, JUNE)
        assert [each.count for each in opened.context["findings"] if each.code == "proposals"] == [3]
        assert 'id="proposals"' in opened.content.decode()
        assert proposed(home(desk.web)) == (address, 3)
    with time_machine.travel("2026-06-04T13:00+09:00"):
        [decision] = decide(proposals()[:1], "refused", "合意", by=desk.staff)
        assert proposed(home(desk.web)) == (address, 2)
        assert listed_as_proposed(desk.web) == (2, 1)
        take_back(decision, "誤り", by=desk.staff)
        assert len(proposals()) == 3
        assert proposed(home(desk.web)) == (address, 3)
    with time_machine.travel("2026-06-04T14:00+09:00"):
        for each in proposals():
            decide([each], "refused", "合意", by=desk.staff)
        assert proposed(home(desk.web)) is None
        assert "返還の提案" not in home(desk.web).content.decode()
        assert listed_as_proposed(desk.web) == (0, 3)


@time_machine.travel("2026-06-04T12:00+09:00")
def it_says_when_a_contract_was_changed_since_and_offers_another_check(desk):
    """解約日 was a mistake and is taken back: what the check found goes with the next one only."""
    for month in (make.APRIL, make.MAY):
        make.close_month(month, today=date(2026, 6, 4))
    contract = Contract.objects.order_by("pk").first()
    save(contract, "06-04", cancel_on=date(2026, 4, 30))
    opened = check(desk.web, JUNE).content.decode()
    [found] = proposals([contract.customer_id])[:1]
    assert f"円（税抜） 請求番号 {found.invoice} 提案ID {found.key}" in opened
    assert f'href="/admin/search/?q={contract.number}"' in opened
    assert desk.web.get(f"/admin/search/?q={contract.number}").url == f"/admin/contracts/contract/{contract.pk}/change/"
    assert "この点検の後に契約が変わっています" not in home(desk.web).content.decode()
    with time_machine.travel("2026-06-04T13:00+09:00"):
        save(contract, "06-04", cancel_on=None)
        page = home(desk.web).content.decode()
        assert "6/4 12:00 の点検で見つかった" in page and "この点検の後に契約が変わっています" in page
        assert f'action="{JUNE}"' in page and "もう一度点検する" in page
        check(desk.web, JUNE)
        assert proposed(home(desk.web)) is None


def listed_as_proposed(browser):
    """(how many are left, how many were decided since) on the page that the panel 返還の提案 leads to."""
    [each] = [each for each in browser.get(JUNE).context["findings"] if each.code == "proposals"]
    return each.count, each.decided


def it_leads_to_the_check_that_it_counts_what_is_to_give_back_from(desk):
    """A closed month's page has none: the check of a month that is still open counts, though it is older."""
    july = "/admin/check/2026-07/"
    with time_machine.travel("2026-07-03T12:00+09:00"):
        for month in (make.APRIL, make.MAY):
            make.close_month(month, today=date(2026, 7, 3))
        save(Contract.objects.order_by("pk").first(), "07-03", cancel_on=date(2026, 4, 30))
        check(desk.web, july)
    with time_machine.travel("2026-07-03T13:00+09:00"):
        check(desk.web, JUNE)
        address, count = proposed(home(desk.web))
        assert (address, count > 0) == (f"{JUNE}#proposals", True)
        make.close_month(date(2026, 6, 1), today=date(2026, 7, 3))
        check(desk.web, JUNE)
        assert proposed(home(desk.web)) == (f"{july}#proposals", count)


@time_machine.travel(NOW)
def it_is_content_with_a_month_in_which_all_is_well(desk):
    make.close_month()
    make.open_month()
    page = check(desk.web, "/admin/check/2026-05/")
    assert page.status_code == 200
    assert [each.title for each in page.context["findings"] if each.verdict == "規則違反"] == []
