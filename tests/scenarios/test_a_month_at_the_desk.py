"""A month at the desk, played by the pages alone: from a new customer's first telephone call to what the second bill gives back.

Who wants to know how the portal is worked with reads this. One member of the staff, no superuser, and the customer each
have a browser of their own; at night runs what the timers run. What people do is counted, and told at the end.
"""

import re

import pytest
from django.core import mail
from django.core.management import call_command

from tests import make
from tests.browser.chromium import started
from tests.browser.hands import Hands
from tests.scenarios.desk import draft_is, letter, line, work
from tests.scenarios.desk_contracts import (
    CONTRACT,
    FROM_NEXT_MONTH,
    METERED,
    THREE_LINES,
    adds_an_option_in_the_middle_of_the_month,
    corrects_a_price_at_once,
    draws_up_a_contract_of_three_lines_and_a_meter,
    draws_up_a_metered_contract,
    raises_a_price_from_next_month,
    raises_a_quantity_from_next_month,
    takes_in_what_was_used,
)
from tests.screens.people import staff

pytestmark = pytest.mark.django_db(transaction=True)

FIRST_USER = "最初のユーザ"
# What the same took before the desk had pages of its own.
BEFORE = {FIRST_USER: 7, THREE_LINES: 26, METERED: 29, FROM_NEXT_MONTH: 11}

SATO, ABE, BANDO = "sato@example.net", "abe@example.co.jp", "bando@example.co.jp"
ANSWER = "本文（メールで届き、お客様の画面にも残ります）"
OWN_PASSWORD = "Asahi-2026-04"
APRIL, CORRECTED, MAY = "B202604-000001", "B202604-000002", "B202605-000001"


@pytest.fixture
def chromium(tmp_path):
    with started(tmp_path) as browser:
        yield browser


@pytest.fixture
def people(chromium, live_server, time_machine):
    """(the member of the staff, the customer), each with a browser; it is the morning of 8 April."""
    time_machine.move_to("2026-04-08T00:30Z")
    make.make_vendor()
    staff(SATO, "受付", "請求")
    contexts = [chromium.new_context(viewport={"width": 1280, "height": 900}, locale="ja-JP") for _each in range(2)]
    yield [Hands(context.new_page(), live_server.url) for context in contexts]
    for context in contexts:
        context.close()


def it_takes_a_customer_from_the_first_call_to_the_second_bill(people, time_machine):
    desk, customer = people
    desk.sign_in(SATO, make.PASSWORD)
    registers_the_company(desk)
    enters_its_first_user(desk)
    enters_another_user_and_sends_the_account_data_later(desk)
    first_sign_in(customer)

    draws_up_a_contract_of_three_lines_and_a_meter(desk)
    draws_up_a_metered_contract(desk)
    takes_in_what_was_used(desk)
    corrects_a_price_at_once(desk)
    raises_a_price_from_next_month(desk)
    raises_a_quantity_from_next_month(desk)
    adds_an_option_in_the_middle_of_the_month(desk)
    sees_the_orders(customer)
    adjusts_the_provisional_invoice(desk)

    answers_a_question(desk, customer)
    tells_all_customers(desk, customer)
    takes_over_a_change_application(desk, customer)

    time_machine.move_to("2026-05-08T01:00Z")
    desk.sign_in(SATO, make.PASSWORD)
    checks_april(desk)
    closes_april()
    sees_the_closed_month(desk)
    document = reads_the_invoice_and_its_pdf(desk)
    customer_takes_the_same_pdf(customer, document)
    corrects_the_invoice(desk, customer)
    credits_what_the_option_no_longer_owes(desk)
    next_bill_takes_it_up(desk, customer)

    told = tells_the_counts(desk.done)
    assert all(desk.done[task] * 2 < before for task, before in BEFORE.items()), told


# April


def registers_the_company(desk):
    with desk.doing("お客様の登録"):
        desk.press("お客様を登録")
        desk.fill("会社名", "株式会社あさひ製作所")
        desk.fill("郵便番号", "604-0001")
        desk.fill("住所", "京都市中京区見本町1-1")
        desk.fill("電話", "075-000-0001")
        desk.press("保存")
    desk.sees("株式会社あさひ製作所", "C0000001", within=".record-head")
    desk.company = desk.page.url


def enters_its_first_user(desk):
    with desk.doing(FIRST_USER):
        desk.fill("名前", "阿部 花")
        desk.fill("Eメール", ABE)
        desk.press("登録してアカウント情報を送る")
    desk.sees("阿部 花", "送信先", "未ログイン", within="#users")
    work()
    assert f"ユーザ名: {ABE}" in letter(ABE, "アカウント情報のお知らせ")


def enters_another_user_and_sends_the_account_data_later(desk):
    with desk.doing("2人目のユーザ、あとで送る"):
        desk.press("ユーザを追加")
        desk.fill("名前", "坂東 一郎")
        desk.fill("Eメール", BANDO)
        desk.tick("あとで送る")
        desk.press("保存")
        work()
        assert not [each for each in mail.outbox if BANDO in each.to]
        desk.press("送る: 坂東 一郎", "#users")
        desk.press("実行する")
    work()
    letter(BANDO, "アカウント情報のお知らせ")


def first_sign_in(customer):
    initial = re.search(r"パスワード: (\S+)", letter(ABE, "アカウント情報のお知らせ"))[1]
    customer.sign_in(ABE, initial)
    customer.sees("初期パスワードのままではご利用になれません")
    customer.fill("現在のパスワード", initial)
    customer.fill("新しいパスワード", OWN_PASSWORD)
    customer.fill("新しいパスワード（確認）", OWN_PASSWORD)
    customer.press("保存", "main")
    customer.sees("阿部 花 様")


def sees_the_orders(customer):
    """All that was changed before April is billed stands in its one order: 20,000, 6,000, 800 and 500."""
    customer.press("注文情報", "nav")
    customer.sees("1件", "O202604-000001", "新規", "27,300", "受付", within="main")


def adjusts_the_provisional_invoice(desk):
    with desk.doing("見込への調整"):
        desk.press("32,340円", ".strip")
        desk.fill("品目", "出張費", "#lines-group")
        desk.fill("単価", "5,000", "#lines-group")
        desk.press("保存して計算し直す")
    desk.sees("37,840円", within=".strip")
    draft_is(desk, "37,840")


def answers_a_question(desk, customer):
    customer.press("お問い合わせ", "nav")
    customer.fill("件名", "出張費について")
    customer.fill("対象", APRIL)
    customer.fill("本文", "出張費は何の費用ですか。")
    customer.press("送信", "main")
    work()
    assert "出張費は何の費用ですか" in letter("desk@example.net", "出張費について")

    with desk.doing("問い合わせへの返信"):
        desk.press("担当者ホーム")
        desk.press("出張費について", "#content-main")
        desk.fill(ANSWER, "設置の費用です。")
        desk.press("返信して「お客様の返事待ち」にする")
    work()
    assert "設置の費用です" in letter(ABE, "お問い合わせへの返信")

    customer.page.reload()
    customer.sees("設置の費用です。", "窓口", within="#thread")
    customer.fill("本文", "分かりました。ありがとうございます。")
    customer.press("送信", "main")
    desk.press("担当者ホーム")
    desk.press("出張費について", "#content-main")
    desk.sees("分かりました。", within="#thread")
    desk.fill(ANSWER, "またお気軽にお問い合わせください。")
    desk.press("返信して完了")
    desk.sees("完了", within=".thread-state")
    work()


def tells_all_customers(desk, customer):
    with desk.doing("お知らせ"):
        desk.press("お知らせ", "#nav-sidebar")
        desk.press("お知らせを追加")
        desk.fill("件名", "大型連休の窓口について")
        desk.fill("本文", "4月29日から5月5日まで、窓口はお休みします。")
        desk.press("保存")
    customer.press("ホーム", "nav")
    customer.sees("大型連休の窓口について", within=".notices")


def takes_over_a_change_application(desk, customer):
    customer.press("基本情報", "nav")
    customer.press("変更申込", "main")
    customer.fill("電話", "075-999-0002")
    customer.fill("請求先部署", "経理部")
    customer.press("申し込む")
    with desk.doing("変更申込の取込と返信"):
        desk.press("担当者ホーム")
        desk.press("お客様情報の変更の申し込み", "#content-main")
        desk.sees("075-000-0001", "075-999-0002", within=".wishes")
        desk.press("申し込みの内容に変更する")
        desk.press("返信して完了")
    work()
    assert "請求先部署: 経理部" in letter(ABE, "お問い合わせへの返信")
    customer.press("基本情報", "nav")
    customer.sees("075-999-0002", "経理部", within="main")


# May


def checks_april(desk):
    """Nothing is wrong with it; it must only be closed in two business days."""
    call_command("open_month")
    with desk.doing("点検"):
        desk.press("担当者ホーム")
        desk.press("2026/04 点検する", ".board")
        desk.press("点検する", "#content-main")
        desk.sees("点検しています", within="#content-main")
        work()
        desk.press("今の状態を見る", "#content-main")
    desk.sees("2026/05/12 です（あと2営業日）", within="#content-main")
    assert desk.page.locator("#content-main section .mark").count() == 1


def closes_april():
    """What the operator does; a fault would end a command with another code."""
    call_command("close_month", "2026-04")
    work()
    told = letter(ABE, "請求金額確定のお知らせ")
    assert APRIL in told and "37,840円" in told
    call_command("check_month", "2026-04")


def sees_the_closed_month(desk):
    desk.press("担当者ホーム")
    desk.sees("5/8 締め", "37,840", within=".board tr:has-text('2026/04')")


def reads_the_invoice_and_its_pdf(desk):
    desk.search(APRIL)
    desk.sees("37,840円", "2026/05/08", "保存済み", "送信済", within=".strip")
    desk.sees("経理部", within="#addressee")
    return desk.download("請求書PDF")


def customer_takes_the_same_pdf(customer, document):
    customer.sign_in(ABE, OWN_PASSWORD)
    customer.sees("37,840円", within="main")
    assert customer.download("請求", "main") == document
    assert document.startswith(b"%PDF-")


def corrects_the_invoice(desk, customer):
    with desk.doing("請求の修正"):
        desk.press("訂正する", "#ways")
        desk.tick("単価、数量の誤り")
        desk.press("次へ")
        desk.open("出張費")
        desk.fill("単価", "4,500", ".correct-line[open]")
        desk.fill("理由", "出張費の単価を誤って登録したため")
        desk.press("確認する")
        desk.sees("37,840円", "37,290円", within=".correct-outcome")
        desk.press("この内容で実行する")
    desk.sees(CORRECTED, "修正", within=".record-head")
    desk.sees("37,290円", within=".strip")
    work()
    told = letter(ABE, "請求書差替えのお知らせ")
    assert f"{APRIL}（37,840円）" in told and "37,290円" in told
    customer.go(f"/invoices/{APRIL}/")
    customer.sees("差替済", within="main")


def credits_what_the_option_no_longer_owes(desk):
    """Until 22 April it owes 233 of the 500 that were billed."""
    with desk.doing("返すべき額を翌月調整に"):
        desk.search(CONTRACT)
        desk.fill("課金終了日", "2026/4/22", line("バックアップ"))
        desk.tick("今の期間を訂正")
        desk.press("保存")
        desk.sees("267円", within="#proposals")
        desk.press(CONTRACT, "#proposals")
        desk.press("翌月調整", "#proposals")
        desk.fill("理由", "オプションを4月22日で終えたため")
        desk.press("確認する")
        desk.sees("-267円", "41,286", within=".correct-outcome")
        desk.press("この内容で実行する")
    work()


def next_bill_takes_it_up(desk, customer):
    """30,000, 7,000 and 800, less 267."""
    draft_is(desk, "41,286")
    desk.press("41,286円", ".strip")
    desk.sees("-267", within="#lines")
    customer.go(f"/invoices/{MAY}/")
    customer.sees("41,286", within="main")
    customer.press("注文情報", "nav")
    customer.sees("2件", "O202605-000001", "更新", "37,800", "受付", "O202604-000001", "請求済", within="main")
    call_command("check_month", "2026-04")


def tells_the_counts(done):
    """What each task took, with what it took before."""
    told = "\n".join(f"{task} {count} {BEFORE.get(task, '')}" for task, count in done.items())
    print(f"\n{told}")
    return told
