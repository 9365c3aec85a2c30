"""Notes that a backup was made just now, whatever made it: `doctor` and /metrics say how old the last one is."""

from django.utils import timezone

from billing.management.base import OperatorCommand
from portal import installation
from portal.models import Installation


class Command(OperatorCommand):
    help = "バックアップが終わったことを記録します（バックアップの直後に実行します）。"

    def work(self, **options):
        installation.at_home()  # which makes the row of a new database
        Installation.objects.update(backed_up_at=timezone.now())
        self.say("バックアップを記録しました。")
