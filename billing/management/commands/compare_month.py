"""Puts a month beside what the old system charged for it, before anybody is billed from here; stores nothing."""

import json
from pathlib import Path

from billing.management.base import INCOMPLETE, USAGE, OperatorCommand, month, need_vendor, readable
from billing.management.imports import read_bytes, tell_faults
from billing.month import compare, lock
from portal import months
from portal.imports.sheets import Unreadable
from portal.imports.taking import Report
from portal.models import TaxKind
from portal.templatetags.figures import percent, signed, yen

SHOWN = 50


class Command(OperatorCommand):
    help = "旧システムの税区分ごとの金額（customer,tax_kind,tax_rate,net,tax のCSV）と、その月の金額を比べます。何も保存しません。"

    def add_arguments(self, parser):
        parser.add_argument("month", help="YYYY-MM")
        parser.add_argument("file", metavar="FILE.csv")
        parser.add_argument("--json", action="store_true", help="結果をJSONで出力します")

    def work(self, **options):
        need_vendor()
        given, path = month(options["month"]), Path(options["file"])
        report = Report(readable(path.name), dry_run=True)
        try:
            old = compare.old_amounts(read_bytes(path), report)
        except Unreadable as unreadable:
            report.errors.append(unreadable.fault)
        if report.errors:
            self.refuse(report, options["json"])
            return USAGE
        with lock.alone() as check_lock:
            new, parked = compare.new_amounts(given, today=months.today(), check_lock=check_lock)
        found = list(compare.differences(old, new))
        if options["json"]:
            self.say(json.dumps(as_json(given, found), ensure_ascii=False))
        else:
            self.tell(given, found, parked)
        return INCOMPLETE if found else None

    def refuse(self, report, as_json):
        if as_json:
            self.say(json.dumps({"errors": report.as_json()["errors"]}, ensure_ascii=False))
            return
        self.stderr.write(f"{report.file}: {len(report.errors)}件の誤りがあります。比べていません。")
        tell_faults(report, self.stderr)

    def tell(self, given, found, parked):
        self.say(
            f"{months.format_month(given)}: " + (f"{len(found):,}件の違いがあります" if found else "すべて一致しました")
        )
        for of, old, new in found[:SHOWN]:
            more = signed(sum(new) - sum(old))
            self.say(
                f"  {of.customer} {TaxKind(of.kind).label} {percent(of.rate)}: 旧 {yen(old.net)} + 税 {yen(old.tax)}、"
                f"新 {yen(new.net)} + 税 {yen(new.tax)}（差 {more}）"
            )
        if len(found) > SHOWN:
            self.say(f"  ほか {len(found) - SHOWN:,}件（--json で全件）")
        self.say_parked(parked)


def as_json(given, found):
    differences = [
        {
            "customer": of.customer,
            "tax_kind": of.kind,
            "tax_rate": int(of.rate * 100) if of.rate * 100 % 1 == 0 else float(of.rate * 100),
            "old": old._asdict(),
            "new": new._asdict(),
        }
        for of, old, new in found
    ]
    return {"month": months.format_month(given), "equal": not found, "differences": differences}
