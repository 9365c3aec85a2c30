"""From when a change of a contract's line holds (適用): what is billed stays, the line ends and its copy goes on (D23)."""

from collections.abc import Sequence
from copy import copy
from datetime import date
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import Max
from django.utils.translation import gettext as _

from contracts.models import Contract, ContractLine, Term
from orders.billed import FROZEN, closed
from portal import months
from portal.models import Vendor
from portal.templatetags.figures import ymd

NOW, NEXT, FROM = "now", "next", "from:"
# What a billed line keeps; its place, 商品コード, 仕様 and 課金終了日 may be mended.
KEPT = ("item", "quantity", "unit", "unit_price", "price_basis", "tax_kind")
# What of it makes other yen; mended words of a line that isn't billed are mended everywhere.
PRICED = ("quantity", "unit_price", "price_basis", "tax_kind")


class Shown(NamedTuple):
    """An order that stands, for one of its lines: `addition_of` is the line of a 追加, `is_frozen` once a fixed document has it.

    `is_closed` is one whose month is closed for the customer.
    """

    term_id: int
    line_id: int | None
    addition_of: int | None
    is_frozen: bool
    is_closed: bool


class Past:
    """A contract with its dates as they will be, its terms that cover days then, and its orders that stand."""

    def __init__(self, contract: Contract, today: date) -> None:
        self.contract, self.today = contract, today
        vendor = Vendor.objects.first()
        self.may = max(vendor.first_month if vendor else date.min, contract.bill_from or date.min)  # D22
        standing = list(contract.terms.standing().order_by("starts_on"))
        self.last = standing[-1] if standing else None
        self.terms = terms_to_be(contract, standing, today)
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                SELECT o.term_id, x.contract_line_id, o.line_id, {FROZEN}, {closed("o.customer_id", "o.month")}
                FROM orders_order o
                JOIN orders_orderline x ON x.order_id = o.id
                WHERE o.customer_id = %s AND o.contract_id = %s AND o.reversed_on IS NULL
                """,
                [contract.customer_id, contract.pk],
            )
            self.shown = [Shown(*row) for row in cursor.fetchall()]

    def holds(self, line: ContractLine, term: Term | None = None) -> bool:
        """Whether a fixed document has shown the line (of that term)."""
        return any(
            each.is_frozen and each.line_id == line.pk and (term is None or each.term_id == term.pk)
            for each in self.shown
        )

    def begins(self, line: ContractLine) -> date:
        return max(line.charge_from or self.contract.start_on, self.contract.start_on)

    def is_unbilled(self, line: ContractLine, term: Term) -> bool:
        """Whether 適用 offers the term: nothing of it is billed, or the line has an unbilled 追加 of its own there."""
        shown = [each for each in self.shown if each.term_id == term.pk]
        own = any(each.addition_of == line.pk and not each.is_frozen for each in shown)
        billed = any(each.is_frozen and each.addition_of in (None, line.pk) for each in shown)
        return (own and not self.holds(line, term)) or (not billed and term.starts_on >= self.may)

    def charges(self, line: ContractLine, term: Term) -> bool:
        """Whether the term charges the line, by its dates."""
        return (
            self.begins(line) <= term.ends_on
            and (line.charge_to is None or line.charge_to >= term.starts_on)
            and max(term.starts_on, self.begins(line)) >= self.may
        )

    def is_charged_before(self, line: ContractLine, day: date) -> bool:
        """Whether an earlier term charges the line."""
        return any(term.starts_on < day and self.charges(line, term) for term in self.terms)

    def asks(self, line: ContractLine) -> bool:
        """Whether a person is asked from when a change of it holds: it is billed, or several terms or a closed month follow it."""
        if self.holds(line):
            return True
        terms = [term for term in self.terms if self.is_unbilled(line, term) and self.charges(line, term)]
        is_late = any(each.is_closed and not each.is_frozen and each.line_id == line.pk for each in self.shown)
        days = [day for _value, day in self.choices(line) if terms and day >= terms[0].starts_on]
        days = [day for day in days if line.charge_to is None or line.charge_to >= day]
        return len(days) > 1 and (len(terms) > 1 or is_late)

    def choices(self, line: ContractLine) -> list[tuple[str, date]]:
        """What 適用 offers for a change of this line: each unbilled term and the next one, as (value, first day)."""
        found = [
            (f"{FROM}{months.format_month(term.starts_on)}", term.starts_on)
            for term in self.terms
            if self.is_unbilled(line, term)
        ]
        contract = self.contract
        following = months.next_term(
            contract.form,
            contract.start_on,
            auto_renew=contract.auto_renew,
            end_on=contract.cancel_on,
            after=max(self.today, self.last.starts_on) if self.last else self.today,
        )
        return found + ([(NEXT, following.starts_on)] if following else [])

    def first_day(self, line: ContractLine, apply: str) -> date:
        """The day from which the change holds; `now` is the earliest unbilled term. Raises ValidationError."""
        for value, day in self.choices(line):
            if apply in (NOW, value):
                return day
        raise refusal(line, {"apply": _("この変更は、選んだ期間からは適用できません。")}, "apply")


def terms_to_be(contract: Contract, stored: list[Term], today: date) -> list[Term]:
    """Its terms with the ends that the contract's dates will give them, and those that the save will add up to today.

    Some are added where the contract renews again or its 解約日 is taken back; they aren't stored yet. None lies behind the 解約日.
    """
    vendor = Vendor.objects.first()
    since = stored[-1].starts_on if stored else max(vendor.first_month if vendor else date.min, contract.start_on)
    dates: dict[str, Any] = {"form": contract.form, "start_on": contract.start_on, "end_on": contract.cancel_on}
    # Without 自動更新 a term that the 解約日 took away comes again, but no other.
    terms = contract.terms.filter(customer=contract.customer_id)
    begun = None if contract.auto_renew else terms.aggregate(last=Max("starts_on"))["last"]
    renews = contract.auto_renew or begun is not None
    coming = months.terms(**dates, auto_renew=renews, since=since, until=min(today, begun or today))
    known = months.terms(**dates, since=stored[0].starts_on, until=since) if stored else []
    found = {term.starts_on: term for term in stored}
    for term in (*known, *coming):
        if term.starts_on not in found:
            found[term.starts_on] = Term(contract=contract, sequence=term.sequence, starts_on=term.starts_on)
        found[term.starts_on].ends_on = term.ends_on
    return [term for day, term in sorted(found.items()) if contract.cancel_on is None or day <= contract.cancel_on]


def asked(contract: Contract, lines: Sequence[ContractLine], past: Past) -> list[ContractLine]:
    """The lines, as they will be but for the change itself, of which a person has to say from when their change holds (rule 3)."""
    stored = {line.pk: line for line in contract.lines.all()} if contract.pk else {}
    found = []
    for line in lines:
        former = stored.get(line.pk)
        if former and is_changed(line, former, KEPT if past.holds(former) else PRICED):
            take_dates(past, line, former)
            found += [former] if past.asks(former) else []
    return found


def need_apply(contract: Contract, lines: Sequence[ContractLine], *, today: date) -> None:
    """A page asks for 適用 wherever there is a choice. Raises ValidationError at the first line that needs it."""
    past = Past(contract, today)
    for former in asked(contract, lines, past):
        line = next(each for each in lines if each.pk == former.pk)
        raise unanswered(line, former, held=past.holds(former))


def followers(contract: Contract, lines: Sequence[ContractLine]) -> list[ContractLine]:
    """The lines that continue these, one after the other, by their first day."""
    others, found = list(contract.lines.all()), [line.pk for line in lines]
    for pk in found:
        found += [each.pk for each in others if each.continues_id == pk and each.pk not in found]
    return sorted(
        (each for each in others if each.pk in found[len(lines) :] and each.charge_from),
        key=lambda each: (each.charge_from or date.max, each.position),
    )


def is_changed(line: ContractLine, former: ContractLine, names: Sequence[str] = KEPT) -> bool:
    return any(getattr(line, name) != getattr(former, name) for name in names)


def take_dates(past: Past, line: ContractLine, former: ContractLine) -> None:
    """課金開始日 of a line of which nothing is billed moves before its change is applied."""
    if not past.holds(former):
        former.charge_from = line.charge_from


def unanswered(line: ContractLine, former: ContractLine, *, held: bool) -> ValidationError:
    names = KEPT if held else PRICED
    name = next(name for name in names if getattr(line, name) != getattr(former, name))
    text = (
        _("請求済みの明細です。変更をいつから適用するかを選んでください。")
        if held
        else _("まだ請求していない期間が複数あります。変更をいつから適用するかを選んでください。")
    )
    return refusal(line, {name: text}, "apply")


def keep_billed(line: ContractLine, former: ContractLine, apply: str | None) -> None:
    """What a fixed document has shown of a line stays, unless `apply` says from when the change holds. Raises ValidationError."""
    if line.charge_from != former.charge_from:
        raise refusal(line, {"charge_from": _("請求済みの明細の課金開始日は変更できません。")}, "billed")
    if apply is None and is_changed(line, former):
        raise unanswered(line, former, held=True)


def settle(
    contract: Contract,
    lines: Sequence[ContractLine],
    removed: Sequence[ContractLine],
    apply: str | None,
    *,
    today: date,
) -> list[ContractLine]:
    """The lines to store in place of those that were changed: each itself, or ended as it was, with the copy that goes on.

    `apply` decides for a billed line: `now`, `next` or `from:YYYY-MM`. A line of which nothing is billed changes in place,
    unless `apply` names a later term than its first. Raises ValidationError, at the field, with the line's place in `params`.
    """
    stored = Contract.objects.filter(pk=contract.pk).first()
    if stored is None:
        return list(lines)
    past, kept = Past(contract, today), {line.pk: line for line in stored.lines.select_related("continues")}
    for line in removed:
        if past.holds(line):
            text = _("請求済みの明細は削除できません。終わらせるには課金終了日を入力してください。")
            raise refusal(line, {"item": text}, "billed")
    place = max([line.position or 0 for line in (*lines, *kept.values())], default=0)
    found: list[ContractLine] = []
    for line in lines:
        former = kept.get(line.pk)
        if former is None:
            found.append(line)
            continue
        if past.holds(former):
            keep_billed(line, former, apply)
        if apply is None or not is_changed(line, former):
            found.append(line)
            continue
        take_dates(past, line, former)
        begin = past.first_day(former, apply)
        if not past.holds(former) and not past.is_charged_before(former, begin):
            found.append(line)
            continue
        place += 1
        found += split(past, line, former, begin, place)
    others = [kept[pk] for pk in kept.keys() - {line.pk for line in (*found, *removed)}]
    linked = link_anew(found, others, removed)
    check_dates(found, others)
    return [line for line in found if line not in linked] + linked  # a copy is stored before the line that continues it


def split(past: Past, line: ContractLine, former: ContractLine, begin: date, place: int) -> list[ContractLine]:
    """The line as it was, ended the day before, and its copy with the change. Raises ValidationError."""
    if past.begins(former) >= begin or (line.charge_to and line.charge_to < begin):
        text = _("この明細は %(day)s より前と以後の両方では課金されていないため、この日からは変更できません。")
        raise refusal(line, {"apply": text % {"day": ymd(begin)}}, "apply")
    following = copy(line)
    following.pk, following.position, following.charge_from, following.continues = None, place, begin, former
    following._state = copy(line._state)
    following._state.adding = True
    former.charge_to = begin - months.ONE_DAY
    return [former, following]


def link_anew(
    found: Sequence[ContractLine], others: Sequence[ContractLine], removed: Sequence[ContractLine]
) -> list[ContractLine]:
    """Lines go on one after the other: what continued a line continues its new copy, or what stood before one that goes."""
    linked = []
    copies = [line for line in found if line.pk is None and line.continues_id]
    gone = {line.pk: line.continues for line in removed}
    for line in (*found, *others):
        former = line.continues
        for copied in copies:
            if former == copied.continues and (line.charge_from or date.min) > (copied.charge_from or date.min):
                line.continues = copied
        while line.continues is not None and line.continues.pk in gone:
            line.continues = gone[line.continues.pk]
        if line.pk and line.continues is not former:
            linked.append(line)
    return linked


def check_dates(changed: Sequence[ContractLine], others: Sequence[ContractLine]) -> None:
    """A line that another continues ends before that one begins: both would be charged whole. Raises ValidationError."""
    lines = {line.pk: line for line in (*others, *changed) if line.pk}
    for following in (*changed, *others):
        former = lines.get(following.continues_id or 0, following.continues)
        if former is None or following.charge_from is None:
            continue
        if former.charge_to is None or former.charge_to >= following.charge_from:
            told = _("この明細は %(day)s から別の明細に引き継がれています。それより前の日付を入力してください。")
            shown = former if former.pk else former.continues or former  # the page has no copy yet
            raise refusal(shown, {"charge_to": told % {"day": ymd(following.charge_from)}}, "continued")


def refusal(line: ContractLine, told: dict[str, str], code: str) -> ValidationError:
    """What is refused, beside its field; which line is meant is in `params`."""
    params = {"position": line.position, "line": line.pk}
    return ValidationError({field: ValidationError(text, code=code, params=params) for field, text in told.items()})
