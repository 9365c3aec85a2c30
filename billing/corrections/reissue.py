"""修正: a whole new document in place of one that was wrong (消費税法57条の4④, D6, D41)."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Sum
from django.utils.translation import gettext as _

from accounts.models import User
from billing.corrections import chains, imported, making
from billing.credits import counter, need_reason
from billing.models import Correction, Discount, Invoice, InvoiceLine, Kind, State
from billing.month import credits, drafts
from billing.month.open_months import bring_up_to_date
from contracts.services import amount_of, rate_of
from portal import rights

Line = int  # the id of a line of the document that is corrected
EDITABLE = (
    "item", "specification", "purchase_order", "starts_on", "ends_on", "quantity", "unit", "unit_price", "amount", "price_basis", "tax_kind",
)  # fmt: skip


@transaction.atomic
def reissue(
    invoice: Invoice,
    changes: Mapping[Line, Mapping[str, Any]] | None = None,
    *,
    from_orders: bool = False,
    reason: str,
    by: User | None,
    today: date,
) -> Invoice:
    """Replace a fixed document by a 修正 with its lines, changed ones (`EDITABLE`) as given; returns the new document.

    `from_orders` takes the lines anew as they were ordered, used or adjusted first. An amount that isn't given follows
    quantity and price. 一括値引き and credits are taken up again as far as the classes allow, and what was credited beyond
    what a line charges now is taken back as far as it is open. Of an imported document (移行) further places add lines.
    Raises ValidationError, PermissionDenied.
    """
    rights.need(by, making.ADD)
    need_reason(reason)
    old = chains.locked(invoice)
    chains.need_newest(old)
    text = _("返還請求書 %(numbers)s があるため修正できません。先に返還請求書を取り消してください。")
    chains.refuse_resting(chains.returns_of(old), text)
    lines, origin = restated(old, changes or {}, from_orders), InvoiceLine.Origin.CORRECTION
    if imported.is_imported(old):
        if from_orders:
            raise ValidationError(_("移行した請求には注文がないため、明細を取り直せません。"))
        imported.need_month(old)
        if not changes:
            imported.need_classes(old)
        lines, origin = imported.priced(lines), InvoiceLine.Origin.ADJUSTMENT
    old.state = State.REPLACED
    old.save(update_fields=["state"])
    new = making.begin(old, Kind.CORRECTION, today=today)
    making.add_lines(new, [making.standing_for(line, new, origin) for line in lines])
    take_discounts(old, new, by)
    take_credits(old, new)
    making.fix(new, today=today)
    take_back_excess(new, reason, by)
    making.note(Correction.What.REISSUE, old, reason, by=by, made=new)
    bring_up_to_date(old.customer, today=today)
    return new


def restated(old: Invoice, changes: Mapping[Line, Mapping[str, Any]], from_orders: bool) -> list[InvoiceLine]:
    """The charging lines of a document as they should have been; not stored. Raises ValidationError."""
    charged = old.lines.charging().select_related("order_line", "usage_charge", "root", "contract", "order")
    lines = imported.restatable(old, changes) if imported.is_imported(old) else list(charged.order_by("position"))
    if unknown := set(changes) - {line.pk for line in lines}:
        raise ValidationError(_("この請求にない明細です: %(lines)s") % {"lines": "、".join(map(str, sorted(unknown)))})
    if not lines:
        raise ValidationError(_("修正できる明細がありません。"))
    for line in lines:
        if from_orders:
            take_from_source(line)
        if line.pk in changes:
            change(line, changes[line.pk])
    return lines


def take_from_source(line: InvoiceLine) -> None:
    """What the line said before anybody corrected it."""
    source = line.order_line or line.usage_charge or line.root or line
    for name in drafts.SHOWN:
        setattr(line, name, getattr(source, name, getattr(line, name)))


def change(line: InvoiceLine, given: Mapping[str, Any]) -> None:
    """Set what was given. Raises ValidationError beside the fields."""
    priced = {"quantity", "unit_price"} & {name for name, value in given.items() if getattr(line, name) != value}
    taxed = {"tax_kind", "ends_on"} & {name for name, value in given.items() if getattr(line, name) != value}
    for name in EDITABLE:
        if name in given:
            setattr(line, name, given[name])
    if priced and given.get("amount") is None:
        line.amount = amount_of(line.quantity, line.unit_price)
    line.clean_fields(exclude=[field.name for field in line._meta.fields if field.name not in EDITABLE])
    line.clean()
    if taxed:
        line.tax_rate = rate_of(line.tax_kind, line.ends_on)


def take_discounts(old: Invoice, new: Invoice, by: User | None) -> None:
    """The whole 一括値引き of the former document, split over what the new one has."""
    asked = [
        Discount(customer_id=new.customer_id, invoice=new, item=each.item, amount=each.amount, by=by)
        for each in old.discounts.all()
    ]
    if asked:
        Discount.objects.bulk_create(asked)
        with connection.cursor() as cursor:
            credits.split_discounts(cursor, {"discounted": [new.pk]})


def take_credits(old: Invoice, new: Invoice) -> None:
    """The credits of the former document, as far as the classes of the new one stay at or above 0; the rest is open again."""
    classes = ("tax_kind", "tax_rate", "price_basis")
    sums = new.lines.order_by().values_list(*classes).annotate(sum=Sum("amount"))
    room = {tuple(row[:3]): int(row[3]) for row in sums}
    taken = []
    for line in old.lines.exclude(credit=None).order_by("position"):
        its = tuple(getattr(line, name) for name in classes)
        part = min(-line.amount, room.get(its, 0))
        if part > 0:
            room[its] -= part
            line.pk, line.invoice, line.amount, line.unit_price = None, new, -part, -part
            taken.append(line)
    making.add_lines(new, taken)


def take_back_excess(new: Invoice, reason: str, by: User | None) -> None:
    """What is credited of a line beyond what it charges now goes back, as far as it is open, the newest first."""
    lines = {line.first: line for line in new.lines.charging().with_first()}
    named: dict[int, list[Any]] = {}
    for credit in (
        chains.credits_of(new).with_left().select_related("invoice_line", "decision").order_by("-given_on", "-pk")
    ):
        named.setdefault(credit.invoice_line.root_id or credit.invoice_line_id, []).append(credit)
    for first, given in named.items():
        excess = sum(credit.standing for credit in given) - max(lines[first].amount, 0)
        for credit in given:
            part = min(excess, credit.open)
            if part > 0:
                counter(credit, part, reason, by=by)
                excess -= part
