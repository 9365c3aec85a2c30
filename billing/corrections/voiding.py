"""取消: a document no longer counts; its orders are set aside, or billed again by 再請求 (D6)."""

from datetime import date

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Sum
from django.utils.translation import gettext as _

from accounts.models import User
from billing.corrections import chains, making
from billing.credits import counter, counter_of, need_reason
from billing.models import OF_MONTH, Correction, Decision, Invoice, Kind, State
from billing.month.open_months import bring_up_to_date, earliest_open, redraft
from portal import mail, rights
from portal.models import Mail
from portal.templatetags.figures import month_name


@transaction.atomic
def void(
    invoice: Invoice, *, rebill: bool = False, chain: bool = False, reason: str, by: User | None, today: date
) -> Invoice:
    """取消 of a fixed document; returns it.

    Credits that it took up are open again, and what is open of credits that name it is taken back. With `rebill` its lines
    come as they stood to the earliest open month, and those credits stay; of a document that is 取消 already that alone
    is done, once. What rests on the document is named, or with `chain` void too. Raises ValidationError (code `resting`
    with the numbers), PermissionDenied.
    """
    rights.need(by, making.ADD)
    need_reason(reason)
    old = chains.locked(invoice)
    if rebill and old.kind == Kind.IMPORTED:
        raise ValidationError(_("移行した請求には注文がないため、再請求できません。"))
    if old.gives_back and old.state == State.FIXED:
        if rebill:
            raise ValidationError(_("返還請求書は再請求できません。"))
        withdraw(old, reason, by)
    elif old.state == State.VOID and rebill and old.kind in OF_MONTH:
        bill_again(old, earliest_open(old.customer_id), reason, by)
    else:
        chains.need_newest(old)
        resting = chains.resting_on(old, keeps_credits=rebill)
        if not chain:
            chains.refuse_resting(resting, _("先に取り消す必要がある請求があります: %(numbers)s"))
        for one in resting:
            withdraw(one, reason, by)
        month = earliest_open(old.customer_id) if rebill else None
        withdraw(old, reason, by, rebilled_in=month)
        if month:
            bill_again(old, month, reason, by)
    if rebill:  # before orders follow: one that nothing bills is set aside, and its unbilled difference would go
        redraft(old.customer, today=today)
    bring_up_to_date(old.customer, today=today)
    old.refresh_from_db()
    return old


def withdraw(invoice: Invoice, reason: str, by: User | None, *, rebilled_in: date | None = None) -> None:
    """取消 of one document on which nothing rests any more; the credits that name it go on where it is billed again."""
    invoice.state = State.VOID
    invoice.save(update_fields=["state"])
    making.note(Correction.What.VOID, invoice, reason, by=by)
    if invoice.gives_back:
        take_decisions_back(invoice, reason, by)
    elif rebilled_in is None:
        for credit in chains.credits_of(invoice).with_left().select_related("decision"):
            if credit.open > 0:
                counter(credit, credit.open, reason, by=by)
    if not invoice.without_document:  # of that one nobody was told
        told = {"number": invoice.number, "rebilled_in": month_name(rebilled_in) if rebilled_in else ""}
        mail.queue(Mail.Kind.INVOICE_VOID, key=f"invoice_void:{invoice.number}", customer=invoice.customer, **told)


def take_decisions_back(invoice: Invoice, reason: str, by: User | None) -> None:
    """What a 返還 carried out of decisions is undecided again (D27)."""
    lines = invoice.lines.exclude(decision=None).order_by()
    given = dict(lines.values_list("decision").annotate(given=-Sum("amount")))
    for decision in Decision.objects.filter(pk__in=given).order_by("pk"):
        counter_of(decision, given[decision.pk], reason, by).save(force_insert=True)


def bill_again(invoice: Invoice, month: date, reason: str, by: User | None) -> None:
    """再請求 of a void document, each line once; the lines come with the next rebuild of the month's draft. Raises ValidationError."""
    if Correction.objects.filter(invoice=invoice, what=Correction.What.REBILL, customer=invoice.customer_id).exists():
        raise ValidationError(_("この請求はすでに再請求しています。"))
    making.note(Correction.What.REBILL, invoice, reason, by=by, month=month)
