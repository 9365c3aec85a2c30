"""修正: a new invoice in place of a fixed one."""

from billing.corrections.reissue import reissue
from billing.management.corrections import CorrectionCommand


class Command(CorrectionCommand):
    help = "修正: 確定した請求を、新しい請求番号の修正請求書に差し替えます（宛先と発行者は今の登録内容になります）。"

    def add_arguments(self, parser):
        super().add_arguments(parser)
        parser.add_argument("--from-orders", action="store_true", help="明細を注文・使用量・調整から取り直します")

    def act(self, invoice, told, options):
        return reissue(invoice, from_orders=options["from_orders"], **told)
