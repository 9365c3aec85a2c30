"""What people change about invoices, and what follows from what they change elsewhere."""

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import BigIntegerField, F, Sum
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from accounts.models import Customer, User
from billing.credits import credit_of_adjustment
from billing.models import Credit, Discount, Download, Invoice, InvoiceLine, MonthRun, Review, ReviewState, State
from billing.month import catching_up, drafts
from contracts.services import amount_of, rate_of
from portal import history, rights
from portal.models import Action, Vendor
from portal.templatetags.figures import plain, yen, ymd


def defer_catch_up(*customers: Any, decided: bool = False, by: User | None = None) -> None:
    """After staff changed what is billed: bring their drafts up to date and try again what is parked.

    Without customers (tax classes, the vendor's settings) what is parked, and whoever's orders have yet to follow (D34);
    the job does it in batches. What waits for a person's decision (D9) is tried only when that person says so (`decided`). Raises PermissionDenied
    where `by` may not say so.
    """
    if decided:
        rights.need(by, "billing.change_parked")
    numbers = [customer.number for customer in customers] or None
    catching_up.defer(numbers, decided=decided)


@transaction.atomic
def adjust_invoice(
    invoice: Invoice,
    lines: Sequence[InvoiceLine],
    removed: Sequence[InvoiceLine] = (),
    discounts: Sequence[Discount] = (),
    removed_discounts: Sequence[Discount] = (),
    *,
    by: User,
) -> list[Credit]:
    """Store the adjustments and 一括値引き of a draft, total it anew, and keep before and after in the history (D40).

    A negative adjustment becomes a credit (D28); returns those. Raises ValidationError once the invoice is fixed, and for a
    line that can't be priced; PermissionDenied.
    """
    rights.need(by, "billing.change_invoice")
    Customer.objects.lock([invoice.customer_id])
    draft = Invoice.objects.select_related("customer").get(pk=invoice.pk)
    if draft.is_fixed:
        raise ValidationError(_("確定した請求は調整できません。"))
    before = facts(draft)
    given = []
    for row in [*removed, *removed_discounts]:
        row.delete()
    for line in lines:
        line.invoice, line.customer_id = draft, draft.customer_id
        price_adjustment(line)
        if line.amount < 0:
            if line.pk:
                InvoiceLine.objects.filter(pk=line.pk).delete()
            given.append(credit_of_adjustment(line, by=by))
        else:
            line.save()
    for discount in discounts:
        discount.invoice, discount.customer_id, discount.by = draft, draft.customer_id, by
        discount.save()
    drafts.rebuild([draft.customer_id], draft.month, MonthRun.objects.last_closed())
    left = Invoice.objects.filter(pk=draft.pk).first()  # one without any line goes
    after = facts(left) if left else {}
    history.record_change(Action.INVOICE_ADJUSTED, draft.number, before, after, by=by, customer=draft.customer)
    defer_catch_up(draft.customer)
    return given


def lapsing(invoice: Invoice) -> list[Discount]:
    """一括値引き of an invoice that its lines can't take up whole, each with the `lapsed` yen that nobody gets."""
    taken = Coalesce(Sum("lines__amount"), 0, output_field=BigIntegerField())
    return list(invoice.discounts.annotate(lapsed=F("amount") + taken).filter(lapsed__gt=0).order_by("pk"))


def discountable(invoice: Invoice) -> int:
    """Yen from which 一括値引き of a draft are taken: its lines before discounts and credits, each in its own price basis."""
    lines = invoice.lines.filter(credit=None).exclude(origin=InvoiceLine.Origin.DISCOUNT).order_by()
    classes = lines.values("tax_kind", "tax_rate", "price_basis").annotate(yen=Sum("amount")).filter(yen__gt=0)
    return sum(row["yen"] for row in classes)


def price_adjustment(line: InvoiceLine) -> None:
    """Fill in an adjustment's amount (yen, rounded down) and tax rate, that of its last day (D2).

    Raises ValidationError, for one of 0 yen, and for a negative one where the vendor's 調整方法 gives no credits (D28).
    """
    line.amount = amount_of(line.quantity, line.unit_price)
    if line.amount == 0:
        field = "unit_price" if line.quantity else "quantity"
        raise ValidationError({field: _("金額が0円になります。数量と単価を見直してください。")})
    if line.amount < 0 and not Vendor.objects.settings().carries_credits:
        told = _(
            "「調整方法」が翌月の請求での調整ではないため、マイナスの調整は登録できません。この請求だけの値引きは「一括値引き」に入力してください。"
        )
        raise ValidationError({"unit_price": told})
    try:
        line.tax_rate = rate_of(line.tax_kind, line.ends_on)
    except ValidationError as unknown:
        raise ValidationError({"tax_kind": unknown.messages}) from None


def facts(invoice: Invoice) -> dict[str, str]:
    """What people may change of a draft, for the history."""
    adjustments = invoice.lines.adjustments().order_by("position")
    told = [
        f"{line.item} {ymd(line.starts_on)}～{ymd(line.ends_on)} {plain(line.quantity)}×{plain(line.unit_price)}"
        f" {line.get_price_basis_display()} {line.get_tax_kind_display()}"
        for line in adjustments
    ]
    told += [f"{discount.item} {yen(-discount.amount)}" for discount in invoice.discounts.all()]
    return {_("請求金額（税込）"): yen(invoice.total), _("調整・値引き"): "、".join(told)}


@transaction.atomic
def note_download(invoice: Invoice, *, by: User) -> None:
    """Remember who took the PDF, with the invoice and in the company's history; staff who look on leave nothing there."""
    if by.is_onlooker:
        return
    Download(customer_id=invoice.customer_id, invoice=invoice, user=by).save(force_insert=True)
    history.record(Action.INVOICE_DOWNLOADED, invoice.number, by=by, customer=by.customer)


@transaction.atomic
def note_archive(documents: Sequence[Any], conditions: Sequence[str], *, by: User) -> None:
    """Remember who took which documents at once: with each whose PDF went along, and once in the company's history.

    `conditions` are those of the list, in words; none is all documents. The documents are those of `archive.gather`.
    Staff who look on leave nothing there.
    """
    if by.is_onlooker:
        return
    taken = [row for row in documents if row.pdf_size is not None]
    Download.objects.bulk_create(Download(customer_id=row.customer_id, invoice=row, user=by) for row in taken)
    told = _("・").join(conditions) or _("すべて")
    subject = _("%(n)s件") % {"n": len(documents)}
    history.record(
        Action.ARCHIVE_DOWNLOADED, subject, by=by, customer=by.customer, detail=told, count=len(documents), filter=told
    )


@transaction.atomic
def review_invoice(invoice: Invoice, state: str, memo: str, *, by: User) -> None:
    """Note 社内確認, a `ReviewState` with a memo of the company's own; of two at once both are kept and the later one holds.

    What says the same as before adds nothing. Raises ValidationError for a document that doesn't hold, and for a payment
    that nobody asks for. Nothing of it goes to the change history, which the vendor's staff read too.
    """
    if invoice.state != State.FIXED:
        raise ValidationError(_("確定した請求だけに記録できます。"))
    if state == ReviewState.ARRANGED and not invoice.asks_for_payment:
        raise ValidationError({"state": _("この請求にお支払いの必要はありません。")})
    last = invoice.reviews.first()
    if (state, memo) != ((last.state, last.memo) if last else (ReviewState.OPEN, "")):
        Review(customer_id=invoice.customer_id, invoice=invoice, user=by, state=state, memo=memo).save(
            force_insert=True
        )
