"""What staff do with credits: give them for a billed line, and take them back by a counter-entry (D28)."""

from datetime import date

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Customer, User
from billing.models import OF_MONTH, Credit, Decision, Invoice, InvoiceLine, MonthRun, State
from billing.month import drafts
from billing.month.open_months import bring_up_to_date
from portal import history, months, rights
from portal.models import Action, Vendor
from portal.templatetags.figures import yen, ymd


@transaction.atomic
def give_credit(invoice_line: InvoiceLine, amount: int, reason: str, *, by: User) -> Credit:
    """翌月調整 by hand: `amount` yen of a fixed document's line, in its own class and price basis.

    At most what of the line is neither credited nor returned yet. Raises ValidationError, PermissionDenied.
    """
    rights.need(by, "billing.add_credit")
    need_reason(reason)
    need_carrying()
    Customer.objects.lock([invoice_line.customer_id])
    line = InvoiceLine.objects.select_related("invoice").get(pk=invoice_line.pk)
    if line.invoice.state != State.FIXED or line.invoice.kind not in OF_MONTH:
        raise ValidationError(_("確定している請求の明細だけを翌月調整できます。"))
    if line.amount <= 0 or line.origin not in InvoiceLine.CHARGING:
        raise ValidationError(_("この明細は翌月調整できません。"))
    left = left_of(line)
    if not 0 < amount <= left:
        raise ValidationError(_("1円以上、明細の残り %(yen)s円 以下で入力してください。") % {"yen": yen(left)})
    credit = Credit(
        source=Credit.Source.HAND, invoice=line.invoice, invoice_line=line, item=line.item, starts_on=line.starts_on,
        ends_on=line.ends_on, amount=amount, tax_kind=line.tax_kind, tax_rate=line.tax_rate, price_basis=line.price_basis,
        customer_id=line.customer_id, reason=reason,
    )  # fmt: skip
    store(credit, by=by)
    take_up_anew(line.customer_id)
    return credit


def left_of(line: InvoiceLine) -> int:
    """Yen of the line that can still be given back."""
    return InvoiceLine.objects.with_left().get(pk=line.pk).left


def credit_of_adjustment(line: InvoiceLine, *, by: User) -> Credit:
    """A negative adjustment that staff typed on a draft, as a credit; it names no document, so it outlives this one."""
    credit = Credit(
        source=Credit.Source.ADJUSTMENT, customer_id=line.customer_id, tax_kind=line.tax_kind, tax_rate=line.tax_rate,
        price_basis=line.price_basis, amount=-line.amount, item=line.item, starts_on=line.starts_on, ends_on=line.ends_on,
        reason=line.specification or line.item,
    )  # fmt: skip
    store(credit, by=by)
    return credit


@transaction.atomic
def take_back(entry: Credit | Decision, reason: str, *, by: User, today: date | None = None) -> int:
    """Take back, by a counter-entry, what of a credit no fixed document has taken up, or a refusal; returns the yen.

    A decided credit takes its decision back by as much. Raises ValidationError if nothing of it is open, PermissionDenied.
    """
    rights.need(by, "billing.change_credit" if isinstance(entry, Credit) else "billing.change_decision")
    need_reason(reason)
    Customer.objects.lock([entry.customer_id])
    credit = entry if isinstance(entry, Credit) else entry.credits.filter(takes_back=None).first()
    decision = entry.decision if isinstance(entry, Credit) else entry
    if credit is not None and credit.takes_back_id is not None:
        raise ValidationError(_("取消の記録は取り消せません。"))
    left = 0
    if credit is not None:
        left = open_of(credit)
    elif decision is not None and decision.choice == Decision.Choice.REFUSED:
        left = standing_of(decision)
    elif decision is not None:
        raise ValidationError(_("返還の決定は、その返還請求書の取消で取り消されます。"))
    if left <= 0:
        raise ValidationError(_("取り消せる残りがありません。確定した請求で使った分は取り消せません。"))
    if credit is not None:
        counter(credit, left, reason, by=by)
        if decision is None:
            take_up_anew(credit.customer_id)
        else:  # less is given back of the line, so an unbilled difference charges less of it
            bring_up_to_date(credit.customer, today=today or months.today())
    else:
        counter_of(decision, left, reason, by).save(force_insert=True)
        note_taken_back(entry, str(decision), left, reason, by)
    return left


def counter(credit: Credit, part: int, reason: str, *, by: User | None) -> None:
    """Take so many yen of a credit back by a counter-entry, and of its decision as much. The customer is locked."""
    taken = counter_of(credit, part, reason, by)
    if credit.decision is not None:
        taken.decision = counter_of(credit.decision, part, reason, by)
        taken.decision.save(force_insert=True)
    taken.given_on = months.today()
    taken.save(force_insert=True)
    note_taken_back(credit, credit.item, part, reason, by)


def note_taken_back(entry: Credit | Decision, subject: str, part: int, reason: str, by: User | None) -> None:
    told = {_("金額"): yen(-part), _("理由"): reason}
    history.record_change(Action.CREDIT_TAKEN_BACK, subject[:100], {}, told, of=entry, by=by, customer=entry.customer)


def open_of(credit: Credit) -> int:
    """Yen of the credit that no fixed document has taken up."""
    return Credit.objects.with_left().get(pk=credit.pk).open


def standing_of(decision: Decision) -> int:
    """Yen of the decision less its counter-entries."""
    return Decision.objects.with_standing().get(pk=decision.pk).standing


def counter_of(entry, yen_of_it: int, reason: str, by: User | None):
    """A row like `entry` that takes `yen_of_it` of it back; not stored yet."""
    kept = {field.attname: getattr(entry, field.attname) for field in entry._meta.concrete_fields if field.name != "id"}
    kept |= {"takes_back_id": entry.pk, "amount": -yen_of_it, "reason": reason, "by_id": by and by.pk}
    return type(entry)(**kept)


def store(credit: Credit, *, by: User | None) -> None:
    """Give the credit, and note it in the history."""
    credit.by, credit.given_on = by, months.today()
    credit.save(force_insert=True)
    told = {
        _("金額"): f"{yen(credit.amount)} {credit.get_price_basis_display()} {credit.get_tax_kind_display()}",
        _("期間"): f"{ymd(credit.starts_on)}～{ymd(credit.ends_on)}",
        _("元の請求"): credit.invoice.number if credit.invoice else "",
        _("理由"): credit.reason,
    }
    history.record_change(Action.CREDIT_GIVEN, credit.item, {}, told, of=credit, by=by, customer=credit.customer)


def take_up_anew(customer: int) -> None:
    """Bring the drafts of the customer (id, locked) in line with what credits there are; all of them are re-made at once."""
    first = Invoice.objects.drafts().filter(customer=customer).order_by("month").values_list("month", flat=True).first()
    if first:
        drafts.rebuild([customer], first, MonthRun.objects.last_closed())


def need_carrying() -> None:
    """Raises ValidationError unless the vendor's 調整方法 lets credits go off the next bills (D28)."""
    if not Vendor.objects.settings().carries_credits:
        raise ValidationError(_("「調整方法」が翌月の請求での調整ではないため、翌月調整は選べません。"))


def need_reason(reason: str) -> None:
    """Raises ValidationError without one."""
    if not reason.strip():
        raise ValidationError(_("理由を入力してください。"))
