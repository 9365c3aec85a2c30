"""What the commands that correct a fixed document share: its number, the reason, and how they report."""

import json

from django.core.exceptions import ValidationError

from billing.corrections import preview
from billing.corrections.chains import RESTING
from billing.management.base import USAGE, OperatorCommand, WrongUsage, need_vendor, readable
from billing.models import Invoice
from portal import months
from portal.templatetags.figures import month_name, yen


class CorrectionCommand(OperatorCommand):
    """A command over one invoice; `act` does it and returns the document that arose, or the one that became 取消."""

    def add_arguments(self, parser):
        parser.add_argument("number", metavar="請求番号")
        parser.add_argument("--reason", required=True, metavar="理由", help="請求の記録に残す理由（必須）")
        parser.add_argument("--dry-run", action="store_true", help="同じ処理をして全部取り消します")
        parser.add_argument("--json", action="store_true", help="結果をJSONで出力します")

    def act(self, invoice, told, options):
        raise NotImplementedError

    def work(self, **options):
        need_vendor()
        number = readable(options["number"])
        invoice = Invoice.objects.filter(number=number).first()
        if invoice is None:
            raise WrongUsage(f"請求番号がありません: {number}")
        told = {"reason": readable(options["reason"]).strip()[:200], "by": None, "today": months.today()}
        run = preview.preview if options["dry_run"] else preview.do
        try:
            done, outcome = run(invoice, lambda: self.act(invoice, told, options))
        except ValidationError as refused:
            if getattr(refused, "code", None) != RESTING:
                raise
            self.stderr.write(" ".join(refused.messages))
            for resting in (refused.params or {})["numbers"]:
                self.say(resting)
            return USAGE
        self.report(invoice, done, outcome, options)
        return None

    def report(self, invoice, done, outcome, options):
        original = invoice if done.pk != invoice.pk else done
        state = next((each.after for each in outcome.effects if each.number == original.number), original.state)
        if options["json"]:
            found = {
                "number": done.number, "kind": done.kind, "corrects": done.corrects.number if done.corrects else None,
                "original_state": state, "total": done.total,
            }  # fmt: skip
            self.say(json.dumps(found, ensure_ascii=False))
            return
        self.say("試行（何も保存していません）" if options["dry_run"] else "保存しました")
        for each in outcome.effects:
            former = f"{each.state_before} {yen(each.total_before)}円 → " if each.before else ""
            now = f"{each.state_after} {yen(each.total_after)}円" if each.after else each.state_after
            self.say(f"  {each.number} {each.kind_name} {former}{now}")
        if outcome.rebilled_in:
            self.say(f"  再請求 {month_name(outcome.rebilled_in)}")
        if outcome.credit_before != outcome.credit_after:
            self.say(f"  調整残高 {yen(outcome.credit_before)}円 → {yen(outcome.credit_after)}円")
