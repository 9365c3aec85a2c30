"""Sends, here and now, the mails that are due."""

from datetime import datetime

from django.core.management.base import CommandError
from django.utils import timezone

from billing.management.base import CONFIGURATION, INCOMPLETE, OperatorCommand, WrongUsage
from portal import installation, mail
from portal.models import Mail
from portal.tasks import send_due

AWAY = (
    "このデータベースは、ほかの場所から復元または複製されたものです。メールは送られません。"
    "ここを本番にするときは、確認の後 manage.py release_instance を実行してください。"
)


class Command(OperatorCommand):
    help = "送信待ちのメールを送ります。"

    def add_arguments(self, parser):
        parser.add_argument(
            "--no-mail-before",
            metavar="2026-05-08T10:00",
            help="これより前に作られた請求のお知らせは送りません（バックアップから復元した後に使います）",
        )

    def work(self, **options):
        if options["no_mail_before"] is not None:
            withheld = mail.withhold(moment(options["no_mail_before"]))
            self.say(f"請求のお知らせ {withheld} 件を送信不可にしました（管理画面から送り直せます）")
        if not installation.at_home():
            raise CommandError(AWAY, returncode=CONFIGURATION)
        tried = send_due()
        failed = Mail.objects.filter(state=Mail.State.FAILED).count()
        left = Mail.objects.filter(state=Mail.State.WAITING, tries__gt=0).count()  # each tried, and refused for now
        self.say(f"メール {tried} 件を処理しました（送信不可 {failed} 件、再送待ち {left} 件）")
        return INCOMPLETE if failed or left else None


def moment(text):
    """A date and time typed by a person, of Japan unless it says otherwise. Raises WrongUsage."""
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise WrongUsage(f"日時は YYYY-MM-DDTHH:MM の形で指定してください（例 2026-05-08T10:00）: {text}") from None
    return timezone.make_aware(given) if timezone.is_naive(given) else given
