"""What is billed beyond what contracts now owe by their dates, and what staff decide about it (D27)."""

from datetime import date
from typing import NamedTuple

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils.translation import gettext as _

from accounts.models import Customer, User
from billing.credits import need_carrying, need_reason, store, take_up_anew
from billing.models import Credit, Decision, InvoiceLine
from orders.owed import owed
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
# B − G − X − R − O of each line in a term (`owed_line`), in the class and document of its newest billed line.
PROPOSED = """
    WITH billed AS (
        SELECT o.term_id, k.contract_line_id, b.id, b.amount, b.ends_on, b.item, b.price_basis, i.number,
            row_number() OVER (PARTITION BY o.term_id, k.contract_line_id ORDER BY i.fixed_on DESC, i.id DESC, b.id DESC) AS place
        FROM billing_invoiceline b JOIN billing_invoice i ON i.id = b.invoice_id
        JOIN orders_orderline k ON k.id = b.order_line_id JOIN orders_order o ON o.id = k.order_id
        WHERE b.customer_id = ANY(%(customers)s) AND i.state = 'fixed' AND i.kind IN ('invoice', 'correction')
            AND b.origin IN ('order', 'correction', 'rebill')
    ), summed AS (
        SELECT term_id, contract_line_id, sum(amount) AS amount, max(ends_on) AS ends_on,
            max(id) FILTER (WHERE place = 1) AS newest FROM billed GROUP BY 1, 2
    ), decided AS (
        SELECT term_id, contract_line_id, sum(amount) AS amount FROM billing_decision
        WHERE customer_id = ANY(%(customers)s) GROUP BY 1, 2
    ), returned AS (
        SELECT o.term_id, k.contract_line_id, sum(c.amount) AS amount FROM billing_credit c
        JOIN billing_invoiceline b ON b.id = c.invoice_line_id JOIN orders_orderline k ON k.id = b.order_line_id
        JOIN orders_order o ON o.id = k.order_id
        WHERE c.customer_id = ANY(%(customers)s) AND c.source = 'hand' GROUP BY 1, 2
    )
    SELECT w.customer_id, w.contract_id, c.number, w.contract_line_id, w.term_id, t.starts_on, s.newest, b.number, b.item,
        s.amount::bigint, (coalesce(d.amount, 0) + coalesce(r.amount, 0))::bigint, w.owed::bigint,
        (s.amount - coalesce(d.amount, 0) - coalesce(r.amount, 0) - w.owed)::bigint
    FROM owed_line w JOIN contracts_term t ON t.id = w.term_id JOIN contracts_contract c ON c.id = w.contract_id
    JOIN summed s ON s.term_id = w.term_id AND s.contract_line_id = w.contract_line_id JOIN billed b ON b.id = s.newest
    LEFT JOIN decided d ON d.term_id = w.term_id AND d.contract_line_id = w.contract_line_id
    LEFT JOIN returned r ON r.term_id = w.term_id AND r.contract_line_id = w.contract_line_id
    WHERE (w.covered_to IS NULL OR w.covered_to < s.ends_on)
        AND s.amount - coalesce(d.amount, 0) - coalesce(r.amount, 0) - w.owed > 0
    ORDER BY c.number, t.starts_on, w.contract_line_id
"""


class Proposal(NamedTuple):
    """A billed line in a term that by its dates now owes less; `amount` is billed − given − owed, all yen in its basis."""

    customer_id: int
    contract_id: int
    contract: str
    contract_line_id: int
    term_id: int
    term_starts_on: date
    invoice_line_id: int
    invoice: str
    item: str
    billed: int
    given: int
    owed: int
    amount: int


def proposals(customers: list[int] | None = None) -> list[Proposal]:
    """Open proposals of these customers (ids), or of all, by contract and term. To be asked in a transaction, by the owner's role."""
    with connection.cursor() as cursor:
        if customers is None:
            cursor.execute(SHORTENED)
            customers = [row[0] for row in cursor.fetchall()]
        if not customers:
            return []
        with transaction.atomic():
            owed(customers)
            cursor.execute(PROPOSED, {"customers": customers})
            return [Proposal(*row) for row in cursor.fetchall()]


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
