"""Takes in a month's used quantities (従量) from a CSV file, and shows them on the drafts at once."""

import json
from pathlib import Path

from django.core.exceptions import ValidationError
from django.utils import timezone

from billing.management.base import (
    INCOMPLETE,
    USAGE,
    OperatorCommand,
    WrongUsage,
    need_vendor,
    parked_customers,
    readable,
)
from billing.models import MonthRun
from billing.month import close, lock
from orders import usage
from portal import months

SHOWN = 50


class Command(OperatorCommand):
    help = "従量の使用量をCSVから取り込みます（見出しは contract,service,period,quantity）。1行でも誤りがあれば何も取り込みません。"

    def add_arguments(self, parser):
        parser.add_argument("file", metavar="FILE.csv")
        parser.add_argument("--json", action="store_true", help="結果をJSONで出力します")

    def work(self, **options):
        need_vendor()
        path = Path(options["file"])
        name = readable(path.name)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise WrongUsage(f"{readable(str(path))} を読めません: {error.strerror}") from None
        with lock.alone() as check_lock:
            try:
                taken = usage.take_in(name, content, today=months.today())
            except ValidationError as invalid:
                self.reject(name, invalid.messages, options["json"])
                return USAGE
            drafted: list[MonthRun] = []
            count = close.draft_unclosed_months(
                months.today(), numbers=taken.customers, tell=drafted.append, check_lock=check_lock
            )
        parked = parked_customers([made.month for made in drafted], taken.customers)
        self.report(name, taken, parked, options["json"])
        return INCOMPLETE if count else None

    def reject(self, name, faults, as_json):
        if as_json:
            self.say(json.dumps({"file": name, "errors": faults}, ensure_ascii=False))
            return
        self.stderr.write(f"{name}: {len(faults)}件の誤りがあります。何も取り込みませんでした。")
        for fault in faults[:SHOWN]:
            self.stderr.write(f"  {fault}")
        if len(faults) > SHOWN:
            self.stderr.write(f"  ほか {len(faults) - SHOWN}件（--json で全件）")

    def report(self, name, taken, parked, as_json):
        if as_json:
            counts = {"added": taken.added, "changed": taken.changed, "known": taken.known}
            self.say(json.dumps({"file": name, **counts, "parked_customers": parked}, ensure_ascii=False))
            return
        if taken.before and not taken.added and not taken.changed:
            self.say(
                f"{name}: {timezone.localtime(taken.before.at):%Y/%m/%d} に取り込み済みのファイルです（{taken.before.name}）。"
            )
        else:
            self.say(f"{name}: 追加 {taken.added} 件、変更 {taken.changed} 件、変更なし {taken.known} 件")
        self.say_parked(parked)
