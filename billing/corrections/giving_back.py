"""返還: a 適格返還請求書 gives back, wholly or in part, what lines of a fixed document charged (消費税法57条の4③, D41)."""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from billing.corrections import chains, imported, making
from billing.credits import need_reason
from billing.models import Correction, Decision, Invoice, InvoiceLine, Kind
from billing.month.open_months import bring_up_to_date
from portal import money, months, rights
from portal.templatetags.figures import yen


class Part(NamedTuple):
    """What is given back of a line: yen in its basis, of the line's own sign; `quantity` where it was said by quantity,
    `decision` where somebody decided so about a contract's dates (D27)."""

    yen: int
    quantity: Decimal | None = None
    note: str = ""
    decision: Decision | None = None


def by_quantity(line: InvoiceLine, quantity: Decimal) -> Part:
    """The price of so many of the line's quantity. Raises ValidationError."""
    if not 0 < quantity <= line.quantity:
        raise ValidationError(_("数量は0より大きく、明細の数量以下で入力してください。"))
    amount = line.amount if quantity == line.quantity else money.line_amount(quantity, line.unit_price)
    return Part(amount, quantity)


def by_days(line: InvoiceLine, days: int) -> Part:
    """So many days of the line's period, by its real days, rounded down (D24). Raises ValidationError."""
    length = months.days(line.starts_on, line.ends_on)
    if not 0 < days <= length:
        raise ValidationError(_("日数は1日以上、利用期間の %(days)d日 以下で入力してください。") % {"days": length})
    return Part(money.prorated(line.amount, days, length), note=f"{days}日分（{length}日中）")


@transaction.atomic
def give_back(
    invoice: Invoice, parts: Mapping[int, Part | int] | None = None, *, reason: str, by: User | None, today: date,
    without_document: bool = False,
) -> Invoice:  # fmt: skip
    """Give back parts of lines (by their ids; yen alone will do), or all that can still be returned; returns the 返還.

    Lines can be returned up to their amount less what standing 返還 gave back; credits neither add to it nor lessen it.
    Below 10,000 yen, tax included, it may do `without_document`: the entry is made, no PDF and no mail. Raises ValidationError,
    PermissionDenied.
    """
    rights.need(by, making.ADD)
    need_reason(reason)
    old = chains.locked(invoice)
    chains.need_newest(old)
    made = make(old, parts, reason=reason, by=by, today=today, without_document=without_document)
    bring_up_to_date(old.customer, today=today)
    return made


def make(
    old: Invoice, parts: Mapping[int, Part | int] | None, *, reason: str, by: User | None, today: date,
    without_document: bool = False,
) -> Invoice:  # fmt: skip
    """The document alone, of a locked and standing one. Raises ValidationError for more than can still be given back."""
    lines = {line.pk: line for line in returnable_lines(old)}
    if parts is None:
        if imported.is_imported(old):
            imported.need_classes(old)
        parts = {pk: line.returnable for pk, line in lines.items() if line.returnable}
    if not parts:
        raise ValidationError(_("返還できる残りがありません。"))
    if set(parts) - lines.keys():
        raise ValidationError(_("返還できるのは、この請求の注文・従量・調整の明細だけです。"))
    given = {pk: part if isinstance(part, Part) else Part(part) for pk, part in parts.items()}
    for pk, part in given.items():
        left = lines[pk].returnable
        if not (0 < part.yen <= left or left <= part.yen < 0):
            told = {"item": lines[pk].item, "yen": yen(left)}
            raise ValidationError(_("%(item)s は、残り %(yen)s円 までしか返還できません。") % told)
    if imported.is_imported(old):
        imported.refuse_more(old, [part.yen for part in given.values()])
    new = making.begin(old, Kind.RETURN, today=today, without_document=without_document)
    making.add_lines(new, [returned(line, given[pk], new) for pk, line in lines.items() if pk in given])
    making.fix(new, today=today)
    making.note(Correction.What.RETURN, old, reason, by=by, made=new)
    return new


def returnable_lines(invoice: Invoice) -> Iterable[Any]:
    """What is charged on a document, with what can still be returned of it (`returnable`, yen)."""
    if imported.is_imported(invoice):
        return imported.lines_of(invoice)
    return invoice.lines.charging().with_left().order_by("position")


def returned(line: InvoiceLine, part: Part, new: Invoice) -> InvoiceLine:
    """The line of the 返還, with its sign."""
    whole = part.yen == line.amount
    quantity, price = Decimal(1), Decimal(-part.yen)
    unit = "式"
    if part.quantity is not None or whole:
        quantity, price, unit = part.quantity or line.quantity, -line.unit_price, line.unit
    told = "　".join(filter(None, [line.specification, part.note]))[:200]
    return making.standing_for(
        line, new, InvoiceLine.Origin.RETURN, quantity=quantity, unit=unit, unit_price=price, amount=-part.yen,
        specification=told, decision_id=part.decision and part.decision.pk,
    )  # fmt: skip
