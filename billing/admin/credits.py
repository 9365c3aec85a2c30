"""What staff gave back or decided, taken back here by a counter-entry (D27, D28)."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from billing.credits import take_back
from billing.models import Credit, Decision
from portal.acting import acts
from portal.desk import ReadOnly
from portal.lists.columns import YenColumn
from portal.shown import cell
from portal.templatetags.figures import percent, yen

OPEN = _("取り消せます")


class Entries(ReadOnly):
    """What staff gave or decided, taken back by a counter-entry."""

    actions = ["take_back"]

    def why_not(self, entry):
        """Why nothing of the entry can be taken back, in words; '' if something can."""
        return ""

    @acts(
        description=_("取り消す"),
        permissions=["act"],
        done=_("%(names)s の %(yen)s円 を取り消しました。"),
        kept=lambda desk, request, entry: desk.why_not(entry),
        yen=lambda entry: entry.standing if entry.open is None else entry.open,
        reason=True,
        locks=True,
    )
    def take_back(self, request, entry, reason):
        take_back(entry, reason, by=request.user)


@admin.register(Credit)
class CreditAdmin(Entries):
    csv_more = (YenColumn(_("充当済"), "taken_up"), YenColumn(_("残高"), "left"))
    list_display = [
        "customer",
        "item",
        "source",
        "invoice",
        "given_on",
        "tax",
        cell("amount", yen, _("金額")),
        "used",
        "balance",
    ]
    list_filter = ["source"]
    list_select_related = ["customer", "invoice"]
    search_fields = ["customer__number", "customer__name", "item", "invoice__number"]
    exclude = ["invoice_line", "decision"]

    def get_queryset(self, request):
        return super().get_queryset(request).with_left()

    def why_not(self, entry):
        if entry.takes_back_id:
            return _("取消の記録は取り消せません。")
        return "" if entry.open > 0 else _("取り消せる残りがありません。確定した請求で使った分は取り消せません。")

    @admin.display(description=_("税"), ordering="tax_rate")
    def tax(self, credit):
        return f"{percent(credit.tax_rate)} {credit.get_price_basis_display()}"

    @admin.display(description=_("充当済"))
    def used(self, credit):
        return "-" if credit.takes_back_id else yen(credit.taken_up)

    @admin.display(description=_("残高"))
    def balance(self, credit):
        return "-" if credit.takes_back_id else yen(credit.left)


@admin.register(Decision)
class DecisionAdmin(Entries):
    """What was decided about 契約の変更で返すべき額."""

    list_display = ["customer", "contract", "choice", cell("amount", yen, _("金額")), "reason", "by", "at", "state"]
    list_filter = ["choice"]
    list_select_related = ["customer", "contract_line__contract", "by"]
    search_fields = ["customer__number", "customer__name", "contract_line__contract__number"]
    exclude = ["contract_line", "term", "invoice_line"]

    def get_queryset(self, request):
        return super().get_queryset(request).with_standing()

    def why_not(self, entry):
        told = self.state(entry)
        return "" if told == OPEN else told

    @admin.display(description=_("契約"))
    def contract(self, decision):
        return decision.contract_line.contract

    @admin.display(description=_("取消"))
    def state(self, decision):
        """In words, why there is nothing left to take back."""
        if decision.takes_back_id:
            return _("取消の記録")
        if not decision.standing:
            return _("取消済み")
        if decision.choice == Decision.Choice.RETURN:
            return _("返還請求書の取消で取り消します")
        used = decision.open is not None and decision.open <= 0
        return _("請求で使用済みのため取り消せません") if used else OPEN
