"""取消 of a fixed invoice."""

from billing.corrections.voiding import void
from billing.management.corrections import CorrectionCommand


class Command(CorrectionCommand):
    help = "取消: 確定した請求を取り消します。先に取り消す必要がある請求があれば、その番号を出して終了コード2で終わります。"

    def add_arguments(self, parser):
        super().add_arguments(parser)
        parser.add_argument("--rebill", action="store_true", help="明細をそのまま、次に確定する月で請求し直します")
        parser.add_argument("--chain", action="store_true", help="先に取り消す必要がある請求も一緒に取り消します")

    def act(self, invoice, told, options):
        return void(invoice, rebill=options["rebill"], chain=options["chain"], **told)
