"""Says whether no month run and no migration is active: 0, or 75 and the line that other runs say. `bin/upgrade` asks it."""

from billing.management.base import OperatorCommand
from billing.month import lock


class Command(OperatorCommand):
    help = "月次処理や移行が実行中でないことを確かめます（実行中なら75）。"

    def work(self, **options):
        with lock.alone():
            self.say("月次処理は実行されていません。")
