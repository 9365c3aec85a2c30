"""What is billed beyond what contracts now owe by their dates, and what staff decide about it (D27)."""

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils.translation import gettext as _

from accounts.models import Customer, User
from billing.credits import need_carrying, need_reason, store, take_up_anew
from billing.models import Credit, Decision, InvoiceLine
from orders.owed import Proposal, proposed
from portal import history, rights
from portal.models import Action, Vendor
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
    if not customers:
        return []
    with transaction.atomic():
        return proposed(customers)


def choices() -> list[str]:
    """What may be decided: 翌月調整 only with the vendor's 調整方法 for it (D28)."""
    carried = [Decision.Choice.CREDIT] if Vendor.objects.settings().carries_credits else []
    return [choice.value for choice in [*carried, Decision.Choice.REFUSED]]


@transaction.atomic
def decide(proposal: Proposal, choice: str, reason: str, *, by: User) -> Decision:
    """Decide a proposal whole: 翌月調整 gives a credit for the next bills, 返金しない nothing. Append-only.

    Raises ValidationError once the proposal isn't what was shown any more, or without a reason; PermissionDenied.
    """
    rights.need(by, "billing.add_decision")
    need_reason(reason)
    if choice not in (Decision.Choice.CREDIT, Decision.Choice.REFUSED):
        raise ValidationError(_("翌月調整か返金しないを選んでください。"))
    if choice == Decision.Choice.CREDIT:
        need_carrying()
    Customer.objects.lock([proposal.customer_id])
    if proposal not in proposals([proposal.customer_id]):
        raise ValidationError(_("内容が変わっています。もう一度確認してから決めてください。"))
    line = InvoiceLine.objects.select_related("invoice", "customer").get(pk=proposal.invoice_line_id)
    decision = Decision.objects.create(
        customer=line.customer, contract_line_id=proposal.contract_line_id, term_id=proposal.term_id, invoice_line=line,
        choice=choice, amount=proposal.amount, reason=reason, by=by,
    )  # fmt: skip
    told = {_("決定"): str(decision), _("金額"): yen(decision.amount), _("理由"): reason}
    history.record_change(Action.REFUND_DECIDED, proposal.contract, {}, told, by=by, customer=line.customer)
    if choice == Decision.Choice.CREDIT:
        credit = Credit(
            customer=line.customer, source=Credit.Source.DECISION, decision=decision, invoice=line.invoice,
            invoice_line=line, amount=decision.amount, item=line.item, starts_on=line.starts_on, ends_on=line.ends_on,
            tax_kind=line.tax_kind, tax_rate=line.tax_rate, price_basis=line.price_basis, reason=reason,
        )  # fmt: skip
        store(credit, by=by)
        take_up_anew(line.customer_id)
    return decision
