"""締め前点検 and reconciliation: what is wrong with a month, and what a person should look at."""

import json

from billing.management.base import INCOMPLETE, OperatorCommand, WrongUsage, month, need_vendor
from billing.month import checks
from billing.month.checked import check_and_keep, months_to_check
from billing.month.close import Refused
from portal import months

MARKS = {checks.BROKEN: "×", checks.PARKED: "保留", checks.WARNING: "注意"}
SHOWN = 20


class Command(OperatorCommand):
    help = "締め前点検と締め後の照合: 規則違反と保留があれば終了コード1、注意だけなら0です。月を省くと、最後に締めた月から当月までです。"

    def add_arguments(self, parser):
        parser.add_argument("month", nargs="?", help="YYYY-MM")
        parser.add_argument("--jump", type=int, default=checks.JUMP_SHARE, help="前月からの変化（%%）")
        parser.add_argument("--jump-yen", type=int, default=checks.JUMP_YEN, help="この金額（円）未満の変化は見ません")
        parser.add_argument("--json", action="store_true", help="結果をJSONで出力します")

    def work(self, **options):
        need_vendor()
        if options["jump"] < 0 or options["jump_yen"] < 0:
            raise WrongUsage("--jump と --jump-yen には0以上を指定してください。")
        today = months.today()
        asked = months_to_check(today) if options["month"] is None else [month(options["month"])]
        for each in asked:
            if each > months.month_of(today):  # nothing would be wrong, whatever month was meant
                raise Refused(f"{months.format_month(each)} はまだ始まっていません。")
        codes = [self.tell(each, today, options) for each in asked]
        return INCOMPLETE if INCOMPLETE in codes else None

    def tell(self, given, today, options):
        """Findings that begin elsewhere than the page's aren't kept: the board would tell of other things than it opens."""
        jump = {"share": options["jump"], "yen": options["jump_yen"]}
        if jump == {"share": checks.JUMP_SHARE, "yen": checks.JUMP_YEN}:
            findings = check_and_keep(given, today=today)
        else:
            findings = checks.check(given, today=today, **jump)
        if options["json"]:
            found = {
                each.code: {"kind": each.kind, "rows": each.rows, "items": [item._asdict() for item in each.items]}
                for each in findings
            }
            self.say(json.dumps({"month": months.format_month(given), "findings": found}, ensure_ascii=False))
        else:
            self.report(given, findings)
        return INCOMPLETE if any(each.rows and each.kind != checks.WARNING for each in findings) else None

    def report(self, given, findings):
        self.say(f"{months.format_month(given)} の点検")
        for each in findings:
            if not each.rows:
                self.say(f"  ○ {each.title}: なし")
                continue
            self.say(f"  {MARKS[each.kind]} {each.title}: {len(each.rows)}件")
            groups = checks.grouped(each)
            for what, text, alike in groups[:SHOWN]:
                self.say(f"      {what}{f' ほか{alike - 1}件' if alike > 1 else ''}  {text}")
            if left := sum(alike for _what, _text, alike in groups[SHOWN:]):
                self.say(f"      ほか {left}件（--json で全件）")
