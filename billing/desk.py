"""Staff's small pages that ask for a reason: a proposal is decided, a billed line is credited by hand (D27, D28)."""

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from billing.corrections.preview import Changed, do_as_shown, preview
from billing.credits import give_credit, left_of
from billing.models import Decision, Invoice, InvoiceLine
from billing.proposals import Proposal, choices, decide, in_words, proposals, returned_by, summed
from contracts.models import Contract
from portal import rights
from portal.forms import LineField, WholeField
from portal.models import Vendor
from portal.once import once
from portal.templatetags.figures import yen, ymd

# Who reads the reason beside the vendor's own staff: it is the 仕様 of a credit's line, and goes with a correction.
READ_BY = {
    Decision.Choice.CREDIT: gettext_lazy("お客様の請求書の明細に表示されます。"),
    Decision.Choice.RETURN: gettext_lazy("お客様の画面と変更履歴にも表示されます。"),
    Decision.Choice.REFUSED: gettext_lazy("お客様の変更履歴にも表示されます。"),
}


class ReasonForm(forms.Form):
    reason = LineField(label=gettext_lazy("理由"), max_length=200)


class ShownForm(ReasonForm):
    """Remembers which amounts were shown, so that nobody decides about others, and says who reads the reason."""

    shown = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, choice, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["reason"].help_text = READ_BY[choice]


class CreditForm(ReasonForm):
    amount = WholeField(min_value=1)
    field_order = ["amount", "reason"]

    def __init__(self, line, data=None):
        super().__init__(data)
        self.fields["reason"].help_text = READ_BY[Decision.Choice.CREDIT]
        self.fields["amount"].label = _("金額（%s）") % line.get_price_basis_display()


@once
def decide_page(request, contract, choice, line=None, term=None):
    """翌月調整, 返還 or 返金しない for one proposal of a contract, or for all of them; what changes documents is shown before.

    Who comes second is told so, on the contract's page.
    """
    rights.need(request.user, "billing.add_decision")
    found = get_object_or_404(Contract, pk=contract)
    if choice not in choices(carries=Vendor.objects.settings().carries_credits):
        raise Http404
    meant = [each for each in open_ones(found) if line is None or (each.contract_line_id, each.term_id) == (line, term)]
    if not meant:
        messages.error(request, _("この金額はもう残っていません。ほかの人が決定したか、契約が変わりました。"))
        return redirect("admin:contracts_contract_change", contract)
    form = ShownForm(choice, request.POST or None, initial={"shown": named(meant)})
    outcome = None
    if request.method == "POST" and form.is_valid():
        try:
            if form.cleaned_data["shown"] != named(meant):
                raise ValidationError(_("内容が変わっています。もう一度確認してから決めてください。"))
            outcome = decided(request, meant, choice, form.cleaned_data["reason"])
        except ValidationError as refused:
            messages.error(request, " ".join(refused.messages))
        if outcome is None:
            return redirect("admin:contracts_contract_change", contract)
    context = {"outcome": outcome, "submit": _("決定する") if choice == Decision.Choice.REFUSED else _("確認する")}
    facts, back = [(_("契約"), found), *facts_of(meant)], "admin:contracts_contract_change"
    return asked(request, form, Decision.Choice(choice).label, facts, back, found, **context)


def decided(request, meant, choice, reason):
    """Do it and say so; or what it would do, as long as that isn't what was shown and confirmed. Raises ValidationError."""

    def act():
        return decide(meant, choice, reason, by=request.user)

    if choice == Decision.Choice.REFUSED:
        tell_decided(request, meant, act())
        return None
    done, outcome = done_as_shown(request, Invoice.objects.get(lines=meant[0].invoice_line_id), act)
    if done:
        tell_decided(request, meant, done)
    return outcome


def done_as_shown(request, invoice, act):
    """(what `act` returned, None) once it was confirmed as it was shown, else (None, what it would do). Raises what `act` raises."""
    if "confirm" in request.POST:
        try:
            return do_as_shown(invoice, act, request.POST.get("digest", ""))[0], None
        except Changed as changed:
            messages.error(request, " ".join(changed.messages))
    return None, preview(invoice, act)[1]


def tell_decided(request, meant, decisions):
    """What was decided, and the numbers of the documents that arose, each leading to its page."""
    items = "、".join(each.item for each in meant)
    told = {"item": items, "yen": yen(sum(each.amount for each in meant)), "choice": decisions[0]}
    text = _("%(item)s（%(yen)s円）を%(choice)sに決定しました。") % told
    made = [(admin_page(each), each.number, yen(each.total)) for each in returned_by(decisions)]
    if made:
        links = format_html_join("、", '<a href="{}">{}</a>（{}円）', made)
        text = format_html(_("{}返還請求書{}を作りました。"), text, links)
    messages.success(request, text)


def admin_page(invoice):
    return reverse("admin:billing_invoice_change", args=[invoice.pk])


def open_ones(contract):
    return [each for each in proposals([contract.customer_id]) if each.contract_id == contract.pk]


def named(meant: list[Proposal]) -> str:
    """Which amounts these are."""
    return " ".join(f"{each.key}={each.amount}" for each in meant)


def facts_of(meant):
    """What is to be given back; of several, a line each and the sum. All lines of a contract needn't have one price basis."""
    if len(meant) > 1:
        for each in meant:
            yield each.item, f"{ymd(each.term_starts_on)}～　{each.invoice}　{yen(each.amount)}円（{each.basis}）"
    else:
        [each] = meant
        yield _("品目"), each.item
        yield _("契約期間"), f"{ymd(each.term_starts_on)}～"
        yield _("元の請求"), each.invoice
    yield _("返すべき額"), in_words(summed(meant))


@once
def credit_page(request, invoice, line):
    """翌月調整 by hand for a line of a fixed document; what it does to the next bill is shown before."""
    rights.need(request.user, "billing.add_credit")
    found = get_object_or_404(InvoiceLine.objects.select_related("invoice"), pk=line, invoice=invoice)
    form = CreditForm(found, request.POST or None)
    outcome = None
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data["amount"], form.cleaned_data["reason"]
        try:
            credit, outcome = done_as_shown(request, found.invoice, lambda: give_credit(found, *given, by=request.user))
        except ValidationError as refused:
            form.add_error("amount", refused)
        else:
            if credit:
                told = {"item": credit.item, "yen": yen(credit.amount)}
                messages.success(request, _("%(item)s（%(yen)s円）は調整残高として登録しました。") % told)
                return redirect("admin:billing_invoice_change", invoice)
    facts = [
        (_("請求"), found.invoice.number),
        (_("品目"), found.item),
        (_("期間"), f"{ymd(found.starts_on)}～{ymd(found.ends_on)}"),
        (_("明細の金額"), f"{yen(found.amount)}円（{found.get_price_basis_display()}）"),
        (_("調整できる残り"), f"{yen(left_of(found))}円（{found.get_price_basis_display()}）"),
    ]
    context = {"outcome": outcome, "submit": _("確認する")}
    return asked(request, form, _("翌月調整"), facts, "admin:billing_invoice_change", found.invoice, **context)


def asked(request, form, title, facts, back, row, **more):
    given = {"form": form, "title": title, "facts": facts, "back": back, "row": row, "opts": row._meta, **more}
    return render(request, "admin/billing/ask_reason.html", admin.site.each_context(request) | given)


def proposals_of(contract: Contract, by, *, carries: bool) -> dict:
    """What the contract's page shows of proposals: the open ones, and the choices that `by` has."""
    found = open_ones(contract)
    if not found:
        return {}
    may = rights.may(by, "billing.add_decision")
    offered = choices(carries=carries) if may else []
    return {
        "proposals": found,
        "choices": [(value, Decision.Choice(value).label) for value in offered],
        "carries": carries,
    }
