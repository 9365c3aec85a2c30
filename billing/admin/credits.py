"""What staff gave back or decided, taken back here by a counter-entry (D27, D28)."""

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from accounts.models import Customer
from billing.credits import take_back
from billing.models import Credit, Decision
from portal.desk import ReadOnly
from portal.shown import cell
from portal.templatetags.figures import percent, yen


class ReasonForm(ActionForm):
    reason = forms.CharField(label=_("理由"), required=False, max_length=200)


class Entries(ReadOnly):
    """What staff gave or decided, taken back by a counter-entry."""

    actions = ["take_back"]
    action_form = ReasonForm

    def told(self, entry):
        """The entry as a message names it."""
        return str(entry)

    @admin.action(description=_("取り消す（理由を入力）"), permissions=["act"])
    def take_back(self, request, chosen):
        Customer.objects.lock([entry.customer_id for entry in chosen])
        for entry in chosen.select_related("customer"):
            try:
                taken = take_back(entry, request.POST.get("reason", "")[:200], by=request.user)
            except ValidationError as refused:
                self.message_user(request, f"{self.told(entry)}: {' '.join(refused.messages)}", messages.ERROR)
            else:
                told = {"entry": self.told(entry), "yen": yen(taken)}
                self.message_user(request, _("%(entry)s の %(yen)s円 を取り消しました。") % told)


@admin.register(Credit)
class CreditAdmin(Entries):
    list_display = [
        "customer",
        "item",
        "source",
        "invoice",
        "given_on",
        cell("tax_rate", percent, _("税率")),
        "price_basis",
        cell("amount", yen, _("金額")),
        "used",
        "balance",
        "reason",
    ]
    list_filter = ["source"]
    list_select_related = ["customer", "invoice"]
    search_fields = ["customer__number", "customer__name", "item", "invoice__number"]
    exclude = ["invoice_line", "decision"]

    def get_queryset(self, request):
        return super().get_queryset(request).with_left()

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

    def told(self, decision):
        return f"{decision.customer} {decision}"

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
        return _("請求で使用済みのため取り消せません") if used else _("取り消せます")
