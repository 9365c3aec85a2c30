"""The month-end close: fixes the invoices of a month that is over, for all customers."""

import json

from billing.documents.rendering import render_again, render_waiting
from billing.management.base import (
    INCOMPLETE,
    OperatorCommand,
    WrongUsage,
    known_customers,
    month,
    need_vendor,
    parked_customers,
)
from billing.models import Invoice, MonthRun, Rendering
from billing.month import close, lock
from portal import months


class Command(OperatorCommand):
    help = "月末締め: 終わった月の請求を確定します（何度実行しても二重にはなりません）。"

    def add_arguments(self, parser):
        parser.add_argument("month", help="YYYY-MM")
        parser.add_argument("--dry-run", action="store_true", help="同じ処理をして全部取り消します")
        parser.add_argument("--customer", action="append", metavar="C0000001", help="このお客様だけ（繰り返し可）")
        parser.add_argument("--retry-failed", action="store_true", help="保留のお客様と請求書PDFだけ")
        parser.add_argument("--jobs", type=int, default=1, metavar="N", help="N組を同時に処理します（既定は1）")
        parser.add_argument("--wait", action="store_true", help="PDFがすべて保存されるまでここで作成します")
        parser.add_argument("--json", action="store_true", help="結果をJSONで出力します")

    def work(self, **options):
        need_vendor()
        given = month(options["month"])
        numbers = known_customers(options["customer"])
        silent = options["json"]
        if options["jobs"] < 1:
            raise WrongUsage("--jobs には1以上を指定してください。")
        with lock.alone() as check_lock:
            made = close.run(
                given,
                kind=MonthRun.Kind.CLOSE,
                today=months.today(),
                numbers=numbers,
                retry_failed=options["retry_failed"],
                dry_run=options["dry_run"],
                jobs=options["jobs"],
                check_lock=check_lock,
                progress=(lambda done, total: None) if silent else self.progress(given),
            )
        failed = Rendering.objects.filter(invoice__month=given, parked_at__isnull=False)
        if options["retry_failed"] and not options["dry_run"]:
            render_again(failed)
        if options["wait"] and not options["dry_run"]:
            unrendered = sum(not done for _invoice, done in render_waiting(Invoice.objects.filter(month=given)))
        else:
            unrendered = failed.count()
        self.report(made, failed, options["dry_run"], silent)
        return INCOMPLETE if made.parked or unrendered or not close.adds_up(made) else None

    def report(self, made, failed, dry_run, as_json):
        result = {
            "month": months.format_month(made.month),
            "dry_run": dry_run,
            "expected": made.expected,
            "fixed": made.fixed,
            "skipped": made.skipped,
            "parked": made.parked,
            "adds_up": close.adds_up(made),
        }
        parked = parked_customers([made.month])
        pdfs = failed.order_by("invoice__number").values_list("invoice__number", "error")
        if as_json:
            found = {"parked_customers": parked, "parked_invoices": dict(pdfs)}
            self.say(json.dumps(result | found, ensure_ascii=False))
            return
        self.say(
            f"{result['month']}{'（試行）' if dry_run else ''}: お客様 {made.expected} = 確定 {made.fixed}"
            f" + 対象外 {made.skipped} + 保留 {made.parked}"
        )
        self.say_parked(parked)
        for number, error in pdfs:
            self.say(f"  PDF保留 {number}: {error}")
        if not close.adds_up(made):
            self.say("  合計が一致しません。もう一度実行してください。")
