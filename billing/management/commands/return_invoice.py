"""返還: gives back, wholly or in part, what a fixed invoice charged."""

from django.core.exceptions import ValidationError

from billing.corrections.giving_back import Part, by_days, give_back
from billing.corrections.imported import class_named, is_imported, lines_of
from billing.management.base import WrongUsage, readable
from billing.management.corrections import CorrectionCommand
from billing.proposals import decide, proposals, returned_by
from portal import reading


class Command(CorrectionCommand):
    help = "返還: 確定した請求の明細から返還請求書を作ります。指定がなければ、返還できる残り全部です。"

    def add_arguments(self, parser):
        super().add_arguments(parser)
        given = parser.add_argument_group("返還するもの")
        given.add_argument(
            "--line", action="append", default=[], metavar="行=金額", help="明細の行番号と円（繰り返し可）"
        )
        given.add_argument(
            "--days", action="append", default=[], metavar="行=日数", help="明細の行番号と日数（繰り返し可）"
        )
        given.add_argument(
            "--proposal", action="append", default=[], metavar="ID",
            help="契約の変更で返すべき額の番号（check_month の proposals、繰り返し可）",
        )  # fmt: skip
        given.add_argument(
            "--tax-class", action="append", default=[], metavar="税率=金額",
            help="移行した請求の税率（10、8、reduced、0）と税込の円（繰り返し可）",
        )  # fmt: skip
        given.add_argument(
            "--no-document", action="store_true", help="返還請求書を作らず、記録だけ残します（税込1万円未満の返還のみ）"
        )

    def act(self, invoice, told, options):
        if options["proposal"]:
            return decided(invoice, options, told)
        lines = {line.position: line for line in (lines_of(invoice) if is_imported(invoice) else invoice.lines.all())}
        parts = {}
        for name in ("line", "days"):
            for text in options[name]:
                position, number = pair(text, name)
                if position not in lines:
                    raise WrongUsage(f"{invoice.number} に {position} 行目はありません。")
                line = lines[position]
                if line.pk in parts:
                    raise WrongUsage(f"{position} 行目は1度だけ指定してください。")
                parts[line.pk] = Part(number) if name == "line" else by_days(line, number)
        for text in options["tax_class"]:
            name, yen = readable(text).partition("=")[::2]
            line = class_named(invoice, name.strip()) if is_imported(invoice) else None
            if line is None:
                raise WrongUsage(f"{invoice.number} に税率ごとの金額「{name}」はありません。")
            parts[line.pk] = pair(f"{line.position}={yen}", "tax-class")[1]
        return give_back(invoice, parts or None, without_document=options["no_document"], **told)


def pair(text, name):
    """(line, yen or days) as typed, 2=1,500. Raises WrongUsage."""
    typed = readable(text).split("=")
    try:
        position, number = map(reading.yen, typed)
    except (ValidationError, ValueError):  # no numbers, or not two of them
        position = number = None
    if position is None or number is None:
        raise WrongUsage(f"--{name} は 行=数 の形で指定してください（例 --{name} 1=10）: {readable(text)}")
    return position, number


def decided(invoice, options, told):
    """The 返還 that proposals of this invoice's lead to; the decisions are noted with it (D27)."""
    if options["line"] or options["days"] or options["no_document"]:
        raise WrongUsage("--proposal は --line、--days、--no-document と一緒には使えません。")
    open_ones = {each.key: each for each in proposals([invoice.customer_id]) if each.invoice == invoice.number}
    asked = list(dict.fromkeys(map(readable, options["proposal"])))
    for key in asked:
        if key not in open_ones:
            known = " ".join(open_ones) or "なし"
            raise WrongUsage(f"{invoice.number} の返すべき額に {key} はありません（{known}）。")
    decisions = decide([open_ones[key] for key in asked], "return", told["reason"], by=None, today=told["today"])
    return returned_by(decisions).first()
