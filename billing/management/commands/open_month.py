"""Keeps drafts (未確定) of the running month, and of months not closed yet, in step with the orders."""

from billing.management.base import INCOMPLETE, OperatorCommand, month, need_vendor, parked_customers
from billing.models import MonthRun
from billing.month import catching_up, close, lock
from portal import months
from portal.models import Vendor
from portal.tasks import forget_failed


class Command(OperatorCommand):
    help = "未確定の請求（見込）を作り直します。月を省くと、締めていない月から当月までです。"

    def add_arguments(self, parser):
        parser.add_argument("month", nargs="?", help="YYYY-MM")

    def work(self, **options):
        need_vendor()
        today = months.today()
        with lock.alone() as check_lock:
            if options["month"] is not None:
                given = month(options["month"])
                check_open(given, today)
                made = close.run(given, kind=MonthRun.Kind.OPEN, today=today, check_lock=check_lock)
                self.tell(made)
                return INCOMPLETE if made.parked else None
            parked = close.draft_unclosed_months(today, tell=self.tell, check_lock=check_lock)
        forget_failed(catching_up.TASK)  # what they were for is done now, or stands as parked
        return INCOMPLETE if parked else None

    def tell(self, made):
        self.say(f"{months.format_month(made.month)}: 見込を更新しました（保留 {made.parked} 件）")
        self.say_parked(parked_customers([made.month]))


def check_open(given, today):
    """Raises Refused for a month that hasn't begun, is closed already or lies before 運用開始年月 (D22)."""
    first, name = Vendor.objects.settings().first_month, months.format_month(given)
    if given > months.month_of(today):
        raise close.Refused(f"{name} はまだ始まっていません。")
    if given < first:
        raise close.Refused(f"{name} は運用開始年月 {months.format_month(first)} より前です。")
    if given <= MonthRun.objects.last_closed():
        raise close.Refused(f"{name} は締め済みです。保留のお客様は close_month {name} --retry-failed で締めます。")
