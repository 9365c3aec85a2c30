"""Takes in a month's used quantities (従量) from a CSV file, and shows them on the drafts at once."""

from billing.management.base import INCOMPLETE, parked_customers
from billing.management.imports import ImportCommand
from billing.models import MonthRun
from billing.month import close
from orders.usage import USAGE
from portal import months


class Command(ImportCommand):
    help = "従量の使用量をCSVから取り込みます（見出しは contract,service,period,quantity）。1行でも誤りがあれば何も取り込みません。"
    kind = USAGE
    parked: dict[str, str] = {}

    def after(self, report, check_lock):
        drafted: list[MonthRun] = []
        count = close.draft_unclosed_months(
            months.today(), numbers=report.owners, tell=drafted.append, check_lock=check_lock
        )
        self.parked = parked_customers([made.month for made in drafted], report.owners)
        return INCOMPLETE if count else None

    def as_json(self, report):
        return {**super().as_json(report), "parked_customers": self.parked}

    def tell(self, report, mended):
        super().tell(report, mended)
        self.say_parked(self.parked)
