"""Keeps provisional invoices (未確定) of the running month, and of months not closed yet, in step with the orders."""

from billing import close
from billing.management.operator import INCOMPLETE, OperatorCommand, month, need_vendor
from billing.models import MonthRun
from portal import months
from portal.models import Vendor


class Command(OperatorCommand):
    help = "未確定の請求（見込）を作り直します。月を省くと、締めていない月から当月までです。"

    def add_arguments(self, parser):
        parser.add_argument("month", nargs="?", help="YYYY-MM")

    def work(self, **options):
        need_vendor()
        running = months.month_of(months.today())
        if options["month"]:
            todo = [month(options["month"])]
            if todo[0] > running:
                raise close.Refused(f"{months.format_month(todo[0])} はまだ始まっていません。")
        else:
            first = Vendor.objects.get().first_month
            todo = months.months_between(max(first, months.add_months(close.last_closed(), 1)), running)
        parked = 0
        with close.alone():
            for each in todo:
                made = close.run(each, kind=MonthRun.Kind.OPEN, today=months.today())
                parked += made.parked
                self.say(f"{months.format_month(each)}: 見込を更新しました（保留 {made.parked} 件）")
        return INCOMPLETE if parked else None
