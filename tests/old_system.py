"""A vendor's old system, as its exports tell of it: customers, users, contracts under way, invoices since 2016, in CP932.

Its numbers are its own, its digits full-width here and there, its headings Japanese. What it charged for a month is worked
out here from its own lists, so that `compare_month` meets figures that this portal has nothing to do with.
"""

import csv
from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path

from portal.months import add_months, months_between

FIRST_INVOICE = date(2016, 5, 1)
FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")
CUSTOMER = ["お客様番号", "会社名", "カナ", "郵便番号", "住所", "電話", "支払方法", "取引開始日", "営業担当"]
USER = ["お客様番号", "Eメール", "名前", "フリガナ", "部署", "メール送信先"]
CONTRACT = [
    "契約番号", "お客様番号", "契約名", "サービス", "契約形態", "契約開始日", "更新区分", "解約日",
    "品目", "数量", "単位", "単価", "税区分", "従量", "無料枠", "段階料金",
]  # fmt: skip
INVOICE = [
    "請求番号", "お客様番号", "請求対象年月", "請求日", "支払期日", "確定日", "件名", "税抜金額", "消費税額", "請求金額（税込）", "PDF", "種類", "訂正元",
]  # fmt: skip
OLD = ["お客様番号", "税区分", "税率", "税抜金額", "消費税額"]


class OldSystem:
    """Writes its files into a folder, up to the month before `go_live` (運用開始年月).

    `charged` is what it would bill for 運用開始年月 itself, in yen without tax, by customer.
    """

    def __init__(self, folder: Path, *, customers: int, go_live: date, first_invoice: date = FIRST_INVOICE) -> None:
        self.folder, self.customers = folder, customers
        self.go_live, self.first_invoice = go_live, first_invoice
        self.charged: dict[str, int] = defaultdict(int)
        self.contracts = self.invoices = 0

    def write(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        numbers = [f"A-{n:05}" for n in range(1, self.customers + 1)]
        self.table("customers.csv", CUSTOMER, [self.customer(n, number) for n, number in enumerate(numbers)])
        self.table("users.csv", USER, [row for n, number in enumerate(numbers) for row in self.users(n, number)])
        contracts = [row for n, number in enumerate(numbers) for row in self.lines(n, number)]
        contracts += [row for n, number in enumerate(numbers) for row in self.later_lines(n, number)]
        self.table("contracts.csv", CONTRACT, contracts)
        self.write_invoices(numbers)
        amounts = [
            [number, "標準税率", "10%", f"{net:,}", f"{net // 10:,}"] for number, net in self.charged.items() if net
        ]
        self.table("old.csv", OLD, amounts)

    def table(self, name: str, heading: list[str], rows: list[list[str]]) -> None:
        with (self.folder / name).open("w", encoding="cp932", newline="") as file:
            csv.writer(file).writerows([heading, *rows])

    def customer(self, n: int, number: str) -> list[str]:
        name = ["㈱髙橋商事", "有限会社すみれ", "見本工業株式会社"][n % 3] + f"（第{n}）"
        pays = ["銀行振込", "口座振替", ""][n % 3]
        since = f"平成28年{n % 12 + 1}月1日" if n % 2 else f"2016/{n % 12 + 1}/1"
        return [
            number,
            name,
            "ﾐﾎﾝ",
            f"100{n:04}",
            f"東京都千代田区見本町{n}".translate(FULL_WIDTH),
            "０３－1234－5678",
            pays,
            since,
            "佐々木",
        ]

    def users(self, n: int, number: str) -> list[list[str]]:
        made = [[number, f"Keiri{n}@example.com", f"経理　花子{n}", "ケイリ ハナコ", "経理部", ""]]
        if n % 5 < 2:
            made.append([number, f"soumu{n}@example.com", "総務 太郎", "", "総務部", "○" if n % 5 else ""])
        return made

    def lines(self, n: int, number: str) -> list[list[str]]:
        """Two or three contracts: monthly ones, a yearly one under way or due, one that was paid once, one that ended."""
        monthly = [[f"M{n:05}-1", "クラウド", "cloud", "月額", f"20{16 + n % 10}/4/1", "自動更新", ""]]
        made = [
            [*monthly[0], "基本料金", "1", "式", f"{10_000 + n:,}", "標準税率", "", "", ""],
            [*monthly[0], "追加ディスク", "２", "台", "1,500", "標準税率", "", "", ""],
        ]
        self.charged[number] += 10_000 + n + 3_000
        starts = add_months(self.go_live, n % 9 - 12)  # a year that began twelve months before is due again
        yearly = [f"Y{n:05}", "保守", "monitor", "年額", f"{starts:%Y/%m/%d}", "自動更新", ""]
        made.append([*yearly, "年間保守", "1", "式", "120000", "標準税率", "", "", ""])
        self.charged[number] += 120_000 if n % 9 == 0 else 0
        if n % 5 == 0:
            ended = [
                f"E{n:05}",
                "旧回線",
                "line",
                "月額",
                "2018/4/1",
                "自動更新",
                f"{add_months(self.go_live, -3) - timedelta(1):%Y/%m/%d}",
            ]
            made.append([*ended, "回線", "1", "本", "5000", "標準税率", "", "", ""])
        elif n % 5 == 1:
            metered = [f"D{n:05}", "回線", "line", "月額", "2020/4/1", "自動更新", ""]
            made.append([*metered, "回線基本", "1", "本", "4,800", "標準税率", "", "", ""])
            made.append([*metered, "データ転送量", "", "GB", "10", "標準税率", "○", "100", "500:9;1000:7"])
            self.charged[number] += 4_800
        elif n % 5 == 2:
            once = [f"O{n:05}", "初期構築", "setup", "一括", "2024/4/1", "更新なし", ""]
            made.append([*once, "初期構築", "1", "式", "300000", "標準税率", "", "", ""])
        self.contracts += len({row[0] for row in made})
        return [[row[0], number, *row[1:]] for row in made]

    def later_lines(self, n: int, number: str) -> list[list[str]]:
        """What was sold later stands at the end of the file: one more monthly contract each, and a third here and there."""
        backup = [f"S{n:05}", number, "バックアップ", "cloud", "月額", f"2021/{n % 12 + 1}/1", "自動更新", ""]
        made = [[*backup, "保存容量", f"{n % 9 + 1}", "TB", "800", "標準税率", "", "", ""]]
        self.charged[number] += (n % 9 + 1) * 800
        if n % 15 == 4:
            watch = [f"T{n:05}", number, "監視", "monitor", "月額", "2022/10/1", "自動更新", ""]
            made.append([*watch, "監視", "1", "式", "2,000", "標準税率", "", "", ""])
            self.charged[number] += 2_000
        self.contracts += len(made)
        return made

    def write_invoices(self, numbers: list[str]) -> None:
        """One a customer and month up to the one before 運用開始年月, and here and there a credit note."""
        folder = self.folder / "invoices"
        folder.mkdir(exist_ok=True)
        rows = []
        for month in months_between(self.first_invoice, add_months(self.go_live, -1)):
            rate = 8 if month < date(2019, 10, 1) else 10
            for n, number in enumerate(numbers):
                name, net = f"{month:%y%m}-{n:05}", 10_000 + n
                rows.append(self.document(folder, name, number, month, net, net * rate // 100))
                if n % 100 == 7 and month.month == 3:
                    rows.append(self.document(folder, f"C{name}", number, month, -1_000, -10 * rate, of=name))
        self.invoices = len(rows)
        with (folder / "invoices.csv").open("w", encoding="cp932", newline="") as file:
            csv.writer(file).writerows([INVOICE, *rows])

    def document(
        self, folder: Path, name: str, customer: str, month: date, net: int, tax: int, of: str = ""
    ) -> list[str]:
        (folder / f"{name}.pdf").write_bytes(pdf(f"{name} {customer} {net + tax}"))
        issued = add_months(month, 1)
        due = "" if of else f"{add_months(month, 2):%Y/%m/%d}"
        kind = "返還" if of else "請求書"
        subject = f"{month:%Y}年{month.month}月分".translate(FULL_WIDTH)
        days = [f"{month:%Y/%m}", f"{issued:%Y/%m/%d}", due, f"{issued:%Y/%m/%d}"]
        return [name, customer, *days, subject, f"{net:,}", f"{tax:,}", f"{net + tax:,}", f"{name}.pdf", kind, of]


def pdf(words: str) -> bytes:
    """A page with these ASCII words, as small as a PDF gets."""
    stream = f"BT /F1 12 Tf 72 720 Td ({words}) Tj ET".encode()
    parts = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
    ]
    made, places = b"%PDF-1.4\n", []
    for number, part in enumerate(parts, start=1):
        places.append(len(made))
        made += b"%d 0 obj\n%s\nendobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return made + b"xref\n0 5\n0000000000 65535 f \n%strailer << /Size 5 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        table,
        len(made),
    )
