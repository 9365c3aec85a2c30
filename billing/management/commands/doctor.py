"""Looks whether all is well with this installation; changes nothing. Exit 0: nothing fails, 1: something does, 3: it can't look."""

import json
from collections import Counter

from billing import doctor
from billing.management.base import INCOMPLETE, OperatorCommand

MARKS = {"ok": "○", "warn": "注意", "fail": "×"}


class Command(OperatorCommand):
    help = "設定、データベース、ワーカー、メールなどを点検します。"

    def add_arguments(self, parser):
        parser.add_argument("--json", action="store_true", help="結果をJSONで出力します")

    def work(self, **options):
        found = []
        for finding in doctor.examine():
            found.append(finding)
            if not options["json"]:
                self.say(f"{MARKS[finding.result]:　<2} {finding.code}: {finding.text}")
                if finding.todo:
                    self.say(f"     → {finding.todo}")
        count = Counter(finding.result for finding in found)
        if options["json"]:
            self.say(json.dumps({"checks": [finding._asdict() for finding in found]}, ensure_ascii=False))
        else:
            self.say(
                f"点検 {len(found)} 件: 異常 {count['fail']}、注意 {count['warn']}。コードの説明は docs/manual.md にあります。"
            )
        return INCOMPLETE if count["fail"] else None
