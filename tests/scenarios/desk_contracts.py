"""What the desk does with a company's contracts: drawn up, metered, changed at once and from the next month on."""

from tests.scenarios.desk import draft_is, line, work

THREE_LINES, METERED, FROM_NEXT_MONTH = "明細3行の契約", "従量の契約", "数量を翌月から"
CONTRACT, MAILS = "K0000001", "K0000002"


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
