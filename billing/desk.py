"""Staff's small pages that ask for a reason: a proposal is decided, a billed line is credited by hand (D27, D28)."""

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from billing.credits import give_credit, left_of
from billing.models import Decision, InvoiceLine
from billing.proposals import Proposal, choices, decide, proposals
from contracts.models import Contract
from portal import rights
from portal.forms import LineField, WholeField
from portal.models import Vendor
from portal.once import once
from portal.templatetags.figures import yen, ymd


class ReasonForm(forms.Form):
    reason = LineField(label=gettext_lazy("理由"), max_length=200)


class ShownForm(ReasonForm):
    """Remembers the amount that was shown, so that nobody decides about another one."""

    shown = forms.IntegerField(widget=forms.HiddenInput)


class CreditForm(ReasonForm):
    amount = WholeField(label=gettext_lazy("金額"), min_value=1)
    field_order = ["amount", "reason"]


@once
def decide_page(request, contract, line, term, choice):
    """翌月調整 or 返金しない for one proposal of a contract; who comes second is told so, on the contract's page."""
    rights.need(request.user, "billing.add_decision")
    found = get_object_or_404(Contract, pk=contract)
    if choice not in choices():
        raise Http404
    proposal = proposal_of(found, line, term)
    if proposal is None:
        messages.error(request, _("この金額はもう残っていません。ほかの人が決定したか、契約が変わりました。"))
        return redirect("admin:contracts_contract_change", contract)
    form = ShownForm(request.POST or None, initial={"shown": proposal.amount})
    if request.method == "POST" and form.is_valid():
        try:
            shown = proposal._replace(amount=form.cleaned_data["shown"])
            decide(shown, choice, form.cleaned_data["reason"], by=request.user)
        except ValidationError as refused:
            messages.error(request, " ".join(refused.messages))
        else:
            told = {"item": proposal.item, "yen": yen(proposal.amount), "choice": Decision.Choice(choice).label}
            messages.success(request, _("%(item)s（%(yen)s円）を%(choice)sに決定しました。") % told)
        return redirect("admin:contracts_contract_change", contract)
    facts = [
        (_("契約"), found),
        (_("品目"), proposal.item),
        (_("契約期間"), f"{ymd(proposal.term_starts_on)}～"),
        (_("元の請求"), proposal.invoice),
        (_("返すべき額"), f"{yen(proposal.amount)}円"),
    ]
    return asked(request, form, Decision.Choice(choice).label, facts, "admin:contracts_contract_change", found)


def proposal_of(contract: Contract, line: int, term: int) -> Proposal | None:
    open_ones = proposals([contract.customer_id])
    return next(
        (
            each
            for each in open_ones
            if (each.contract_id, each.contract_line_id, each.term_id) == (contract.pk, line, term)
        ),
        None,
    )


@once
def credit_page(request, invoice, line):
    """翌月調整 by hand for a line of a fixed document."""
    rights.need(request.user, "billing.add_credit")
    found = get_object_or_404(InvoiceLine.objects.select_related("invoice"), pk=line, invoice=invoice)
    form = CreditForm(request.POST or None, initial={"amount": left_of(found)})
    if request.method == "POST" and form.is_valid():
        try:
            credit = give_credit(found, form.cleaned_data["amount"], form.cleaned_data["reason"], by=request.user)
        except ValidationError as refused:
            form.add_error("amount", refused)
        else:
            told = {"item": credit.item, "yen": yen(credit.amount)}
            messages.success(request, _("%(item)s（%(yen)s円）は調整残高として登録しました。") % told)
            return redirect("admin:billing_invoice_change", invoice)
    facts = [
        (_("請求"), found.invoice.number),
        (_("品目"), found.item),
        (_("期間"), f"{ymd(found.starts_on)}～{ymd(found.ends_on)}"),
        (_("明細の金額"), f"{yen(found.amount)}円"),
        (_("調整できる残り"), f"{yen(left_of(found))}円"),
    ]
    return asked(request, form, _("翌月調整"), facts, "admin:billing_invoice_change", found.invoice)


def asked(request, form, title, facts, back, row):
    given = {"form": form, "title": title, "facts": facts, "back": back, "row": row}
    return render(request, "admin/billing/ask_reason.html", admin.site.each_context(request) | given)


def proposals_of(contract: Contract, by) -> dict:
    """What the contract's page shows of proposals: the open ones, and the choices that `by` has."""
    found = [each for each in proposals([contract.customer_id]) if each.contract_id == contract.pk]
    if not found:
        return {}
    may = rights.may(by, "billing.add_decision")
    return {
        "proposals": found,
        "choices": [(value, Decision.Choice(value).label) for value in choices()] if may else [],
        "carries": Vendor.objects.settings().carries_credits,
    }
