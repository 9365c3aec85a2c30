"""A month at the desk, played by the pages alone: from a new customer's first telephone call to what the second bill gives back.

Who wants to know how the portal is worked with reads this. One member of the staff, no superuser, and the customer each
have a browser of their own; at night runs what the timers run. What people do is counted, and told at the end.
"""

import re

import pytest
from django.core import mail
from django.core.management import call_command
from django.db import connection
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from tests import make
from tests.browser.chromium import started
from tests.browser.hands import Hands
from tests.screens.people import staff

pytestmark = pytest.mark.django_db(transaction=True)

FIRST_USER, THREE_LINES = "最初のユーザ", "明細3行の契約"
METERED, FROM_NEXT_MONTH = "従量の契約", "数量を翌月から"
# What the same took before the desk had pages of its own.
BEFORE = {FIRST_USER: 7, THREE_LINES: 26, METERED: 29, FROM_NEXT_MONTH: 11}

SATO, ABE, BANDO = "sato@example.net", "abe@example.co.jp", "bando@example.co.jp"
ANSWER = "本文（メールで届き、お客様の画面にも残ります）"
OWN_PASSWORD = "Asahi-2026-04"
CONTRACT, MAILS = "K0000001", "K0000002"
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


def draws_up_a_contract_of_three_lines_and_a_meter(desk):
    desk.go(desk.company)
    with desk.doing(THREE_LINES):
        desk.press("契約を追加")
        desk.choose("サービス", "固定IP回線")
        for row, (item, quantity, price) in enumerate(
            [("本体", "2", "10,000"), ("保守", "2", "3,000"), ("回線", "1", "500")]
        ):
            desk.fill("品目", item, f"#lines-{row}")
            desk.fill("数量", quantity, f"#lines-{row}")
            desk.fill("単価", price, f"#lines-{row}")
        desk.press("保存して従量料金を追加")
    with desk.doing("その契約の従量料金"):
        desk.fill("品目", "データ転送量")
        desk.fill("単位", "GB")
        desk.fill("単価", "12.5", "#prices-0")
        desk.press("保存")
    draft_is(desk, "29,150")  # 26,500 and tax


def draws_up_a_metered_contract(desk):
    with desk.doing(METERED):
        desk.press("契約を追加")
        desk.choose("サービス", "メールセキュリティ")
        desk.press("保存して従量料金を追加")
        assert (
            "請求されません" not in desk.page.content()
        )  # whoever goes on to the meter needs no warning that it lacks
        desk.fill("品目", "検査")
        desk.fill("単位", "通")
        desk.fill("単価", "3", "#prices-0")
        desk.press("保存")
    desk.sees("検査", within="#meters-group")
    desk.go(desk.company)


def takes_in_what_was_used(desk):
    with desk.doing("使用量の取込"):
        desk.press("担当者ホーム")
        desk.press("取込")
        desk.press("使用量", ".import-kinds")
        used = f"contract,service,period,quantity\n{CONTRACT},line,2026-04,120\n{MAILS},mail,2026-04,200\n"
        desk.send_file("ファイル", "usage-2026-04.csv", used)
        desk.press("送信して内容を確かめる")
        work()
        desk.press("今すぐ更新する")
        desk.sees("追加2", within=".import-counts")
        desk.press("この内容で取り込む")
        work()
        desk.press("今すぐ更新する")
    desk.sees("取込済")
    draft_is(desk, "31,460")  # 1,500 and 600 more


def corrects_a_price_at_once(desk):
    with desk.doing("単価を今の期間から"):
        desk.press(CONTRACT, "#contracts")
        desk.fill("単価", "800", line("回線"))
        desk.tick("今の期間を訂正")
        desk.press("保存")
    draft_is(desk, "31,790")


def raises_a_price_from_next_month(desk):
    with desk.doing("単価を翌月から"):
        desk.press(CONTRACT, "#contracts")
        desk.fill("単価", "3,500", line("保守"))
        desk.tick("次の期間から変更")
        desk.press("確認を更新")
        desk.sees("2026/05", "+1,100", within=".preview-bills tr:has-text('2026/05')")
        desk.press("保存")
    draft_is(desk, "31,790")


def raises_a_quantity_from_next_month(desk):
    with desk.doing(FROM_NEXT_MONTH):
        desk.search(CONTRACT)
        desk.fill("数量", "3", line("本体"))
        desk.tick("次の期間から変更")
        desk.press("保存")
    draft_is(desk, "31,790")


def adds_an_option_in_the_middle_of_the_month(desk):
    """15 of April's 30 days of 1,000."""
    empty = "#lines-group tr.form-row:not(.has_original):not(.empty-form)"
    with desk.doing("期間の途中からのオプション"):
        desk.press(CONTRACT, "#contracts")
        desk.fill("品目", "バックアップ", empty)
        desk.fill("単価", "1,000", empty)
        desk.fill("課金開始日", "2026/4/16", empty)
        desk.tick("今の期間を訂正")
        desk.press("保存")
    draft_is(desk, "32,340")


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


# What the steps share


def line(item):
    """The row of the contract's line that is called so."""
    return f'#lines-group tr.has_original:has(input[value="{item}"])'


def draft_is(desk, total):
    """The company's page shows this much, in yen with tax, as the running month's bill."""
    work()
    desk.go(desk.company)
    desk.sees(f"{total}円", within=".strip")


def work():
    """What the workers do: mails, drafts, files that were sent, PDFs."""
    while jobs := list(ProcrastinateJob.objects.filter(status="todo").order_by("-priority", "id")):
        for job in jobs:
            app.tasks[job.task_name].func(**job.args)
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM procrastinate_jobs WHERE id = ANY(%s)", [[job.pk for job in jobs]])


def letter(to, words):
    """Subject and text of the newest mail to this address whose subject has the words."""
    found = [each for each in mail.outbox if to in each.to and words in each.subject]
    assert found, f"no mail {words} to {to}: {[(each.to, each.subject) for each in mail.outbox]}"
    return f"{found[-1].subject}\n{found[-1].body}"


def tells_the_counts(done):
    """What each task took, with what it took before."""
    told = "\n".join(f"{task} {count} {BEFORE.get(task, '')}" for task, count in done.items())
    print(f"\n{told}")
    return told
