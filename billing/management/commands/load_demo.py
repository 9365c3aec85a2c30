"""Demo data: a vendor, three customers and a year of months closed by the real close; or N customers for load."""

from billing.demo import data
from billing.management.base import OperatorCommand, WrongUsage
from billing.month import lock
from portal import months


class Command(OperatorCommand):
    help = "デモデータを登録します（2回目からは契約の更新と見込の作成だけを行います）。"

    def add_arguments(self, parser):
        parser.add_argument("--customers", type=int, metavar="N", help="負荷試験用にN件のお客様を作ります")

    def work(self, **options):
        count, today = options["customers"], months.today()
        if count is not None and count < 1:
            raise WrongUsage("--customers には1以上を指定してください。")
        with lock.alone():
            if count:
                data.load_many(count, today, self.say)
            else:
                data.load(today, self.say)
