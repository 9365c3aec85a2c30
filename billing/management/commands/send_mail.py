"""Sends, here and now, the mails that are due."""

from billing.management.operator import INCOMPLETE, OperatorCommand
from portal.models import Mail
from portal.tasks import send_due


class Command(OperatorCommand):
    help = "送信待ちのメールを送ります。"

    def work(self, **options):
        tried = send_due()
        failed = Mail.objects.filter(state=Mail.State.FAILED).count()
        self.say(f"メール {tried} 件を処理しました（送信不可 {failed} 件）")
        return INCOMPLETE if failed else None
