"""What is billed beyond what contracts now owe by their dates, and what staff decide about it (D27)."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.models import Customer, User
from billing.corrections import giving_back
from billing.credits import need_carrying, need_reason, store, take_up_anew
from billing.models import OF_MONTH, Credit, Decision, Invoice, InvoiceLine, State
from orders.owed import Proposal, proposed
from portal import history, months, rights
from portal.models import Action, PriceBasis
from portal.templatetags.figures import yen

# Customers of whom a document that counts charges days beyond the 解約日 or 課金終了日: only they can have a proposal.
SHORTENED = """
    SELECT DISTINCT k.customer_id FROM contracts_contract c JOIN contracts_contractline k ON k.contract_id = c.id
    JOIN orders_orderline o ON o.contract_line_id = k.id
    JOIN billing_invoiceline b ON b.order_line_id = o.id JOIN billing_invoice i ON i.id = b.invoice_id
    WHERE (c.cancel_on IS NOT NULL OR k.charge_to IS NOT NULL) AND b.ends_on > least(c.cancel_on, k.charge_to)
        AND i.state = 'fixed'
"""


def proposals(customers: list[int] | None = None) -> list[Proposal]:
    """Open proposals of these customers (ids), or of all, by contract and term."""
    if customers is None:
        with connection.cursor() as cursor:
            cursor.execute(SHORTENED)
            customers = [row[0] for row in cursor.fetchall()]
    return proposed(customers) if customers else []


def in_words(yen_of: Mapping[str, int]) -> str:
    """Yen of each price basis, so that nobody takes them for the other: 19,097円（税抜）. '' for nothing to give back."""
    told = [f"{yen(yen_of[basis])}円（{label}）" for basis, label in PriceBasis.choices if yen_of.get(basis, 0) > 0]
    return _("と").join(told)


def summed(found: Iterable[Proposal]) -> Counter[str]:
    """Their yen in each price basis."""
    owed: Counter[str] = Counter()
    for each in found:
        owed[each.price_basis] += each.amount
    return owed


def choices(*, carries: bool) -> list[str]:
    """What may be decided: 翌月調整 only if the vendor `carries` credits by a 調整方法 (D28)."""
    carried = [Decision.Choice.CREDIT] if carries else []
    return [choice.value for choice in [*carried, Decision.Choice.RETURN, Decision.Choice.REFUSED]]


@transaction.atomic
def decide(
    found: list[Proposal], choice: str, reason: str, *, by: User | None, today: date | None = None
) -> list[Decision]:
    """Decide proposals of one customer, each whole: 翌月調整 gives a credit for the next bills, 返還 documents, 返金しない nothing.

    Append-only. Raises ValidationError once a proposal isn't what was shown any more, or without a reason; PermissionDenied.
    """
    rights.need(by, "billing.add_decision")
    need_reason(reason)
    if choice not in Decision.Choice.values:
        raise ValidationError(_("翌月調整、返還、返金しないから選んでください。"))
    if choice == Decision.Choice.CREDIT:
        need_carrying()
    customer = found[0].customer_id
    Customer.objects.lock([customer])
    if not {*found} <= {*proposals([customer])}:
        raise ValidationError(_("内容が変わっています。もう一度確認してから決めてください。"))
    decisions = [note(each, choice, reason, by=by) for each in found]
    if choice == Decision.Choice.CREDIT:
        for decision in decisions:
            credit_decided(decision, by=by)
        take_up_anew(customer)
    elif choice == Decision.Choice.RETURN:
        return_decided(decisions, today=today or months.today())
    return decisions


def note(proposal: Proposal, choice: str, reason: str, *, by: User | None) -> Decision:
    """Who decided it so, and why, beside the billed line and in the company's history."""
    line = InvoiceLine.objects.select_related("invoice", "customer").get(pk=proposal.invoice_line_id)
    decision = Decision.objects.create(
        customer=line.customer, contract_line_id=proposal.contract_line_id, term_id=proposal.term_id, invoice_line=line,
        choice=choice, amount=proposal.amount, reason=reason, by=by,
    )  # fmt: skip
    told = {_("決定"): str(decision), _("金額"): yen(decision.amount), _("理由"): reason}
    history.record_change(
        Action.REFUND_DECIDED, proposal.contract, {}, told, of=decision, by=by, customer=line.customer
    )
    return decision


def credit_decided(decision: Decision, *, by: User | None) -> None:
    line = decision.invoice_line
    credit = Credit(
        customer=line.customer, source=Credit.Source.DECISION, decision=decision, invoice=line.invoice,
        invoice_line=line, amount=decision.amount, item=line.item, starts_on=line.starts_on, ends_on=line.ends_on,
        tax_kind=line.tax_kind, tax_rate=line.tax_rate, price_basis=line.price_basis, reason=decision.reason,
    )  # fmt: skip
    store(credit, by=by)


def return_decided(decisions: list[Decision], *, today: date) -> None:
    """返還 of what was decided, from the newest billed line backwards; one document for each that is given back of.

    A 返還 names one document, with its day (消費税法57条の4③一), so what several of them charged takes as many. Raises ValidationError.
    """
    back: dict[int, dict[int, giving_back.Part]] = {}
    for decision in decisions:
        left = decision.amount
        for line in billed_lines(decision):
            part = min(left, line.returnable)
            if part > 0:
                back.setdefault(line.invoice_id, {})[line.pk] = giving_back.Part(part, decision=decision)
                left -= part
        if left:
            told = _("請求の明細から返還できる残りが、あと %(yen)s円 足りません。")
            raise ValidationError(told % {"yen": yen(left)})
    reason, by = decisions[0].reason, decisions[0].by
    for invoice in Invoice.objects.filter(pk__in=back).select_related("customer").order_by("-fixed_on", "-pk"):
        giving_back.make(invoice, back[invoice.pk], reason=reason, by=by, today=today)


def returned_by(decisions: list[Decision]) -> "QuerySet[Invoice]":
    """The documents that carry them out, in the order in which they arose."""
    return Invoice.objects.filter(lines__decision__in=decisions).distinct().order_by("pk")


def billed_lines(decision: Decision) -> list[Any]:
    """What bills the decision's line of its term now, the newest first."""
    lines = InvoiceLine.objects.filter(
        customer=decision.customer_id,
        order_line__contract_line=decision.contract_line_id,
        order__term=decision.term_id,
        origin__in=[InvoiceLine.Origin.ORDER, InvoiceLine.Origin.CORRECTION, InvoiceLine.Origin.REBILL],
        invoice__state=State.FIXED,
        invoice__kind__in=OF_MONTH,
    )
    return list(lines.with_left().order_by("-invoice__fixed_on", "-invoice", "-pk"))
