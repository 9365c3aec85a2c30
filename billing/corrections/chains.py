"""Which documents may be corrected, and which others rest on one: 返還 of it, and what took up credits that name it (D41)."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from accounts.models import Customer
from billing.models import OF_MONTH, Credit, Invoice, InvoiceLine, Kind, State

RESTING = "resting"  # the code of the refusal that names what rests on a document; its numbers are in `params`


def locked(invoice: Invoice) -> Invoice:
    """The document as it is now; nobody else, and no run, changes anything of its customer until the transaction ends."""
    Customer.objects.lock([invoice.customer_id])
    return Invoice.objects.select_related("customer").get(pk=invoice.pk)


def need_newest(invoice: Invoice) -> None:
    """Raises ValidationError, with what to do instead, unless the document is the newest of its chain and stands."""
    if invoice.state == State.DRAFT:
        raise ValidationError(_("未確定の請求です。契約か調整を直してください。"))
    if invoice.state == State.VOID:
        raise ValidationError(_("取り消した請求です。"))
    if invoice.gives_back:
        raise ValidationError(_("返還請求書は直せません。取り消して、もう一度作成してください。"))
    if invoice.state == State.REPLACED:
        newest = newest_of(invoice).number
        raise ValidationError(_("差し替えた請求です。最新の %(number)s を訂正してください。") % {"number": newest})


def newest_of(invoice: Invoice) -> Invoice:
    """The last 修正 of a chain, whatever became of it."""
    while following := invoice.corrections.filter(kind=Kind.CORRECTION, customer=invoice.customer_id).first():
        invoice = following
    return invoice


def returns_of(invoice: Invoice) -> "QuerySet[Invoice]":
    """返還 of the document that stand, those that another system sent too."""
    standing = Invoice.objects.standing().filter(corrects=invoice, customer=invoice.customer_id)
    standing = standing.filter(kind__in=[Kind.RETURN, Kind.IMPORTED])
    return standing.order_by("pk")


def credits_of(invoice: Invoice) -> Any:
    """Credits given for what the document charges, also where an earlier document charged it then."""
    firsts = invoice.lines.charging().with_first().values("first")
    alike = InvoiceLine.objects.filter(Q(pk__in=firsts) | Q(root__in=firsts), customer=invoice.customer_id)
    return Credit.objects.entries().filter(customer=invoice.customer_id, invoice_line__in=alike.values("pk"))


def resting_on(invoice: Invoice, *, keeps_credits: bool = False, known: set[int] | None = None) -> list[Invoice]:
    """Documents that would have to be void before this one, in that order.

    With `keeps_credits` (再請求) the credits that name it go on, and so do the documents that took them up.
    """
    known = known if known is not None else {invoice.pk}
    found = list(returns_of(invoice))
    if not keeps_credits:
        bills = Invoice.objects.standing().filter(kind__in=OF_MONTH, customer=invoice.customer_id)
        took = InvoiceLine.objects.filter(customer=invoice.customer_id, credit__in=credits_of(invoice).values("pk"))
        found += bills.filter(pk__in=took.values("invoice")).order_by("month", "pk")
    chain = []
    for one in found:
        if one.pk not in known:
            known.add(one.pk)
            chain += [*([] if one.gives_back else resting_on(one, known=known)), one]
    return chain


def refuse_resting(found: "list[Invoice] | QuerySet[Invoice]", text: str) -> None:
    """Raises ValidationError that names these documents, if there are any."""
    numbers = [one.number for one in found]
    if numbers:
        told = text % {"numbers": "、".join(numbers)}
        raise ValidationError(told, code=RESTING, params={"numbers": numbers})
