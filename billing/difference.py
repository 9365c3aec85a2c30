"""前月との差: why an invoice's total differs from that of the month before, cause by cause, to the yen."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from billing.models import Invoice, InvoiceLine
from contracts.models import ContractLine
from orders.models import Kind as OrderKind
from portal import money, months
from portal.models import PriceBasis
from portal.templatetags.figures import period, plain, yen, ymd

Origin = InvoiceLine.Origin
MOST_CHANGES = 100  # told one by one; what moves less is summed up in a last one


class Cause(models.TextChoices):
    NEW = "new", gettext_lazy("新規")
    RENEWAL = "renewal", gettext_lazy("更新")
    ADDITION = "addition", gettext_lazy("追加")
    END = "end", gettext_lazy("終了")
    QUANTITY = "quantity", gettext_lazy("数量")
    PRICE = "price", gettext_lazy("単価")
    DAYS = "days", gettext_lazy("日割")
    USAGE = "usage", gettext_lazy("従量")
    ADJUSTMENT = "adjustment", gettext_lazy("調整")
    TAX = "tax", gettext_lazy("税")
    REST = "rest", gettext_lazy("ほか")


ARISEN: dict[str, Cause] = {OrderKind.RENEWAL: Cause.RENEWAL, OrderKind.ADDITION: Cause.ADDITION}


@dataclass(frozen=True)
class Line:
    """What the comparison needs of a document's line; `amount` is yen in its own price basis."""

    item: str
    starts_on: date
    ends_on: date
    quantity: Decimal
    unit: str
    unit_price: Decimal
    amount: int
    basis: str = PriceBasis.EXCLUSIVE
    origin: str = Origin.ORDER
    trace: tuple[str, int] | None = None  # the contract line (the first of its chain) or the meter that it bills
    alone: bool = False  # stands for no month of its own: billed late, or the difference of a billed term (D25)
    again: bool = False  # of a document that is 取消, billed once more
    order_kind: str = ""
    prorated: bool = False
    contract: str = ""
    order: str = ""
    invoice: str = ""


@dataclass(frozen=True)
class Change:
    """One cause of the difference: `amount` yen of it, `words` what was and is, `link` (view, number) where to read on."""

    cause: str
    amount: int
    item: str = ""
    words: str = ""
    link: tuple[str, str] | None = None


@dataclass(frozen=True)
class Difference:
    """From the total of the month before (none: 0 yen) to this one; `changes` add up to it, None where one has no lines."""

    month: date
    before: Invoice | None
    now: Invoice
    changes: list[Change] | None

    @property
    def was(self) -> int:
        return self.before.total if self.before else 0

    @property
    def amount(self) -> int:
        return self.now.total - self.was


def month_before(invoices: Any, invoice: Invoice) -> Invoice | None:
    """The document that counts for the month before, out of those the user may see; provisional where it isn't fixed yet."""
    return invoices.regular().counting().filter(month=months.add_months(invoice.month, -1)).order_by("-pk").first()


def explained(invoices: Any, invoice: Invoice) -> Difference | None:
    """The difference with its causes, in three queries; None for a document that doesn't count itself, and for returns."""
    return between(month_before(invoices, invoice), invoice) if invoice.counts else None


def between(before: Invoice | None, invoice: Invoice, former: dict[int, int] | None = None) -> Difference:
    """From the document of the month before to this one; `former` as `formers` finds it, where somebody has read it already."""
    documents = [each for each in (before, invoice) if each]
    lines = lines_of(documents, former)
    whole = all(lines[each.pk] or not each.total for each in documents)
    found = None
    if whole:
        past = lines[before.pk] if before else []
        found = changes(past, before.total if before else 0, lines[invoice.pk], invoice.total)
    return Difference(months.add_months(invoice.month, -1), before, invoice, found)


def lines_of(documents: Sequence[Invoice], former: dict[int, int] | None = None) -> dict[int, list[Line]]:
    """The lines of each document, by its key."""
    rows = list(
        InvoiceLine.objects.filter(invoice__in=documents)
        .order_by("invoice", "position")
        .annotate(
            came_from=Coalesce("root__origin", "origin"), meter=F("usage_charge__usage__meter"), contract_line=F("order_line__contract_line"), kind=F("order__kind"),
            prorated=F("order__prorate"), late=Q(ends_on__lt=F("invoice__month")), more=F("order__is_difference"),
        )
        .values(
            "invoice", "origin", "came_from", "item", "starts_on", "ends_on", "quantity", "unit", "unit_price", "amount", "price_basis",
            "contract", "contract__number", "order__number", "invoice__number", "meter", "contract_line", "kind", "prorated",
            "late", "more",
        )
    )  # fmt: skip
    if former is None:
        former = formers({row["contract"] for row in rows} - {None})
    found: dict[int, list[Line]] = {document.pk: [] for document in documents}
    for row in rows:
        found[row["invoice"]].append(
            Line(
                row["item"], row["starts_on"], row["ends_on"], row["quantity"], row["unit"], row["unit_price"],
                row["amount"], row["price_basis"], row["came_from"], trace_of(row, former),
                alone=bool(row["late"] or row["more"]), again=row["origin"] == Origin.REBILL, order_kind=row["kind"] or "", prorated=bool(row["prorated"]),
                contract=row["contract__number"] or "", order=row["order__number"] or "", invoice=row["invoice__number"],
            )
        )  # fmt: skip
    return found


def formers(contracts: Collection[int]) -> dict[int, int]:
    """{contract line: the one that it continues} of these contracts (D23)."""
    copies = ContractLine.objects.filter(contract__in=contracts, continues__isnull=False)
    return dict(copies.order_by().values_list("pk", "continues"))


def trace_of(row: dict[str, Any], former: dict[int, int]) -> tuple[str, int] | None:
    """What the line bills month after month: a meter, or the contract line with which the chain of its changes began."""
    if row["meter"]:
        return "meter", row["meter"]
    first = row["contract_line"]
    while first in former:
        first = former[first]
    return first and ("line", first)


def changes(before: Sequence[Line], was: int, now: Sequence[Line], total: int) -> list[Change]:
    """Why documents with these lines and totals (yen with tax) differ; the amounts add up to `total - was` exactly.

    Lines are compared in their own price basis, as the documents print them; what the totals differ beyond that is 税.
    """
    by_hand = [line for line in now if is_adjustment(line)]
    taken_back = [line for line in before if is_adjustment(line)]
    pairs, ended, arisen = paired(
        [line for line in before if not is_adjustment(line)], [line for line in now if not is_adjustment(line)]
    )
    found = [change for former, present in pairs for change in compared(former, present)]
    found += [arose(line) for line in arisen]
    found += [ended_with(line) for line in ended]
    found += [Change(Cause.ADJUSTMENT, line.amount, line.item, _("今月の調整"), link_of(line)) for line in by_hand]
    found += [
        Change(Cause.ADJUSTMENT, -line.amount, line.item, _("前月のみの調整"), link_of(line)) for line in taken_back
    ]
    tax_was, tax = was - amount_of(before), total - amount_of(now)
    found.append(
        Change(
            Cause.TAX,
            tax - tax_was,
            _("消費税"),
            from_to(*(_("{yen}円").format(yen=yen(each)) for each in (tax_was, tax))),
        )
    )
    return cut([change for change in found if change.amount])


def is_adjustment(line: Line) -> bool:
    """Whether it is of its own month only: what staff charged, a credit taken up, a 値引き."""
    return line.origin in (Origin.ADJUSTMENT, Origin.DISCOUNT)


def paired(
    before: Sequence[Line], now: Sequence[Line]
) -> tuple[list[tuple[list[Line], list[Line]]], list[Line], list[Line]]:
    """(what both months have, as pairs of lines of the same thing; what only the former has; what only this one has).

    By what they trace back to; what then is left, of a corrected document say, by contract and item.
    """
    pairs = []
    keys: list[Callable[[Line], Any]] = [
        lambda line: None if line.alone else line.trace,
        lambda line: None if line.alone or not line.contract else (line.contract, line.item),
    ]
    for key in keys:
        former, present = grouped(before, key), grouped(now, key)
        both = [each for each in present if each is not None and each in former]
        pairs += [(former.pop(each), present.pop(each)) for each in both]
        before, now = flat(former), flat(present)
    return pairs, list(before), list(now)


def grouped(lines: Iterable[Line], key: Callable[[Line], Any]) -> dict[Any, list[Line]]:
    found: dict[Any, list[Line]] = {}
    for line in lines:
        found.setdefault(key(line), []).append(line)
    return found


def flat(groups: dict[Any, list[Line]]) -> list[Line]:
    return [line for lines in groups.values() for line in lines]


def amount_of(lines: Iterable[Line]) -> int:
    return sum(line.amount for line in lines)


def compared(before: Sequence[Line], now: Sequence[Line]) -> list[Change]:
    """What became of something that both months have: of quantity, of unit price, and of the part of the month (日割).

    Where a month has it in several lines (a change within it, the steps of 段階料金), the last of them stands for its price.
    """
    former, present = before[-1], now[-1]
    link = link_of(present)
    if is_metered(present):
        used = [sum((line.quantity for line in lines), Decimal()) for lines in (before, now)]
        words = from_to(*(f"{plain(quantity)}{present.unit}" for quantity in used))
        return [Change(Cause.USAGE, amount_of(now) - amount_of(before), present.item, words, link)]
    was = money.line_amount(former.quantity, former.unit_price)
    resized = money.line_amount(present.quantity, former.unit_price)
    full = money.line_amount(present.quantity, present.unit_price)
    partial = amount_of(now) - full - (amount_of(before) - was)
    return [
        Change(
            Cause.QUANTITY, resized - was, present.item,
            from_to(f"{plain(former.quantity)}{former.unit}", f"{plain(present.quantity)}{present.unit}"), link,
        ),
        Change(
            Cause.PRICE, full - resized, present.item,
            from_to(*(price_of(line, former.basis != present.basis) for line in (former, present))), link,
        ),
        partly(before, now, partial, link),
    ]  # fmt: skip


def partly(before: Sequence[Line], now: Sequence[Line], amount: int, link: tuple[str, str] | None) -> Change:
    """What quantity and price don't explain: another part of the month, or an amount that was set by hand."""
    if any(line.prorated for line in (*before, *now)):
        told = (period(lines[0].starts_on, lines[-1].ends_on) for lines in (before, now))
        return Change(Cause.DAYS, amount, now[-1].item, from_to(*told), link)
    told = (_("{yen}円").format(yen=yen(amount_of(lines))) for lines in (before, now))
    return Change(Cause.ADJUSTMENT, amount, now[-1].item, from_to(*told), link)


def arose(line: Line) -> Change:
    cause = Cause.USAGE if is_metered(line) else ARISEN.get(line.order_kind, Cause.NEW)
    words = f"{period(line.starts_on, line.ends_on)} {plain(line.quantity)}{line.unit}"
    if line.again:
        return Change(Cause.ADDITION, line.amount, line.item, _("再請求 {words}").format(words=words), link_of(line))
    return Change(cause, line.amount, line.item, words, link_of(line))


def ended_with(line: Line) -> Change:
    cause = Cause.USAGE if is_metered(line) else Cause.END
    days = period(line.starts_on, line.ends_on)
    if line.alone or is_metered(line) or months.month_of(line.starts_on) != months.month_of(line.ends_on):
        words = _("前月のみの請求（{days}）").format(days=days)
    else:
        words = _("{day}分までの請求").format(day=ymd(line.ends_on))
    return Change(cause, -line.amount, line.item, words, link_of(line))


def is_metered(line: Line) -> bool:
    return line.trace is not None and line.trace[0] == "meter"


def price_of(line: Line, with_basis: bool) -> str:
    price = _("{yen}円").format(yen=plain(line.unit_price))
    return _("{price}（{basis}）").format(price=price, basis=PriceBasis(line.basis).label) if with_basis else price


def from_to(was: str, is_now: str) -> str:
    return f"{was} → {is_now}"


def link_of(line: Line) -> tuple[str, str] | None:
    """The contract, else the order, else the document on which it stands."""
    for view, number in (("contract", line.contract), ("order", line.order), ("invoice", line.invoice)):
        if number:
            return f"{view}_detail", number
    return None


def cut(found: list[Change]) -> list[Change]:
    """Those that move most, in their order; the rest as one."""
    if len(found) <= MOST_CHANGES:
        return found
    told = sorted(range(len(found)), key=lambda place: -abs(found[place].amount))[: MOST_CHANGES - 1]
    rest = sum(found[place].amount for place in set(range(len(found))) - set(told))
    words = _("{n}件").format(n=len(found) - len(told))
    return [*(found[place] for place in sorted(told)), Change(Cause.REST, rest, "", words)]
