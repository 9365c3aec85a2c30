"""Says that this database belongs here: after a restore or a move, mails go out again (portal/installation.py)."""

from django.conf import settings
from django.db import transaction

from billing.management.base import OperatorCommand
from billing.management.commands.send_mail import moment
from portal import installation, mail
from portal.models import Mail


class Command(OperatorCommand):
    help = "復元または複製したデータベースから、メールを送り、ワーカーが動けるようにします。"

    def add_arguments(self, parser):
        parser.add_argument(
            "--no-mail-before",
            metavar="2026-05-08T10:00",
            help="これより前に作られた請求のお知らせは送りません（復元前に送られたかもしれないため）",
        )

    def work(self, **options):
        before = options["no_mail_before"]
        with transaction.atomic():
            if before is not None:
                self.say(
                    f"請求のお知らせ {mail.withhold(moment(before))} 件を送信不可にしました（管理画面から送り直せます）"
                )
            known = installation.release()
        if known:
            self.say("このデータベースは、すでにこの場所のものです。")
            return
        waiting = Mail.objects.filter(state__in=mail.OPEN).count()
        self.say(
            f"このデータベースを {settings.PORTAL_URL} のものとして登録しました。送信待ちのメール {waiting} 件が送られます。"
        )
