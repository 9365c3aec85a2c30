"""What people do to contracts, with the terms and orders that follow at once (D23 to D26)."""

from collections.abc import Iterable, Sequence
from copy import copy
from datetime import date
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Customer, User
from contracts.models import STAYS_WITHDRAWN, Contract, ContractLine
from contracts.services import add_terms, facts, save_contract
from orders.billed import BILLED_CONTRACT, DRAFTED_SERVICES, FIXED_CONTRACTS
from orders.changes import NEXT, Past, asked, followers, need_apply, settle
from orders.follow import Change, Followed, follow, record
from orders.owed import Proposal, proposed
from orders.usage import recharge_moved_months
from portal import history, rights
from portal.models import Action, Vendor
from portal.templatetags.figures import yen

SERVICE_STAYS = gettext_lazy(
    "請求が確定した契約のサービスは変更できません。この契約を解約し、別の契約を登録してください。"
)


@transaction.atomic
def start_contract(
    contract: Contract,
    lines: Sequence[ContractLine] = (),
    removed: Sequence[ContractLine] = (),
    *,
    today: date,
    by: User | None = None,
    charge_past: bool = False,
    apply: str | None = None,
    reason: str = "",
) -> Contract:
    """Store a contract with its lines (see `save_contract`); terms and orders up to `today` follow at once (D23).

    `apply` says from when a change of a billed line holds: `now`, `next` or `from:YYYY-MM` (see `changes.settle`). Months that
    are closed are charged only if `charge_past` (D25). What became of the orders is in the contract's `changes`. Raises
    ValidationError, then nothing is stored; PermissionDenied.
    """
    Customer.objects.lock([contract.customer_id])  # a close in the middle of this customer ends first
    store_contract(contract, lines, removed, today=today, by=by, apply=apply, reason=reason)
    done = follow([contract.customer_id], today=today, until=today, saved=[contract.pk], charge_past=charge_past)
    recharge_moved_months(contract, today=today)
    record(done.changes, by)
    contract.changes = done.changes
    return contract


@transaction.atomic
def store_contract(
    contract: Contract,
    lines: Sequence[ContractLine] = (),
    removed: Sequence[ContractLine] = (),
    *,
    today: date,
    by: User | None = None,
    apply: str | None = None,
    reason: str = "",
) -> Contract:
    """The same without terms and orders: the next run makes them, or parks the customer. Raises likewise."""
    Customer.objects.lock([contract.customer_id])
    if contract.withdrawn_on:
        raise ValidationError(STAYS_WITHDRAWN, code="withdrawn")
    if contract.pk:
        stored = Contract.objects.get(pk=contract.pk)
        if Vendor.objects.exists():  # what 適用 offers is made by today
            add_terms([contract.customer_id], until=today)
            need_decisions(contract, stored)
        move_service(contract, stored)
    settled = settle(contract, lines, removed, apply, today=today)
    forget(removed, today)
    return save_contract(contract, settled, removed, today=today, by=by, reason=reason)


def move_service(contract: Contract, stored: Contract) -> None:
    """Another service is another contract once a document is fixed (D21); until then drafts follow. Raises ValidationError."""
    if contract.service_id != stored.service_id and move_services([contract]):
        raise ValidationError({"service": ValidationError(SERVICE_STAYS, code="billed")})


def move_services(contracts: Sequence[Contract]) -> set[int]:
    """Drafts follow to the other services of these contracts; returns the ids of those that have to keep theirs (D21)."""
    given = {
        "customers": [each.customer_id for each in contracts],
        "contracts": [each.pk for each in contracts],
        "services": [each.service_id for each in contracts],
    }
    with connection.cursor() as cursor:
        cursor.execute(FIXED_CONTRACTS, given)
        fixed = {row[0] for row in cursor.fetchall()}
        cursor.execute(DRAFTED_SERVICES, given)
    return fixed


def need_decisions(contract: Contract, stored: Contract, proposals: Iterable[Proposal] | None = None) -> None:
    """Before 請求開始年月 cuts terms away, what is proposed to be given back of them is decided (D22, D27).

    Who has the customer's `proposals` at hand passes them. Raises ValidationError.
    """
    if contract.bill_from is None or contract.bill_from == stored.bill_from:
        return
    found = [
        f"{each.term_starts_on:%Y-%m} {each.item} {yen(each.amount)}円"
        for each in (proposed([stored.customer_id]) if proposals is None else proposals)
        if each.contract_id == stored.pk and each.term_starts_on < contract.bill_from
    ]
    if found:
        text = _("請求開始年月より前の期間に、返金するかどうかを決めていない分があります。先に決めてください: %s")
        told = ValidationError(text % "、".join(found), code="undecided", params={"names": found})
        raise ValidationError({"bill_from": told})


def forget(removed: Sequence[ContractLine], today: date) -> None:
    """The unbilled 追加 of lines that go become 取消 before their lines are gone."""
    for line in removed:
        line.additions.filter(reversed_on=None).update(reversed_on=today)


class Charge(NamedTuple):
    """What a save would charge for closed months (D25): so many orders, and their yen without tax, as they are told.

    `only_rises`: none of them is new.
    """

    orders: int
    yen: str
    only_rises: bool = False


class Tried(NamedTuple):
    """What a save would do to the orders, and what of it needs the tick 「過去分も請求する」."""

    changes: list[Change]
    past: Charge | None = None


class Offer(NamedTuple):
    """A choice of 適用: what `start_contract` takes, in words, and what becomes of the orders that aren't billed.

    `yen` is what those come to more (less, if negative) than if the lines stayed as they are, without tax. `following` are
    the lines that go on after those that were changed, and stay as they are.
    """

    apply: str
    label: str
    yen: int
    changes: list[Change]
    past: Charge | None = None
    following: Sequence[ContractLine] = ()


def offers(
    contract: Contract,
    lines: Sequence[ContractLine],
    removed: Sequence[ContractLine] = (),
    *,
    today: date,
) -> list[Offer]:
    """What 適用 can be for these changed lines of a stored contract, each with what it costs: done, and taken back.

    Nothing where nobody has to choose. A choice that would be refused isn't offered, unless a tick is all that it needs.
    """
    with transaction.atomic():
        add_terms([contract.customer_id], until=today)  # as the save will
        past = Past(contract, today)
        changed = asked(contract, lines, past)
        days = dict(sorted({choice for line in changed for choice in past.choices(line)}, key=lambda choice: choice[1]))
        following = followers(contract, changed)
        transaction.set_rollback(True)
    unchanged = tried(contract, [], [], today=today, apply=None) if days else None
    found = []
    for apply, day in days.items():
        done = tried(contract, lines, removed, today=today, apply=apply)
        if done is not None:
            month = {"year": day.year, "month": day.month}
            label = (
                _("次の期間から（%(year)d年%(month)d月）") if apply == NEXT else _("%(year)d年%(month)d月の期間から")
            )
            more = total(done.changes) - (total(unchanged.changes) if unchanged else 0)
            found.append(Offer(apply, label % month, more, *done, following))
    return found


def total(changes: Sequence[Change]) -> int:
    """What these changes add to the orders, in yen without tax."""
    return sum(change.after - change.before for change in changes)


def tried(
    contract: Contract,
    lines: Sequence[ContractLine],
    removed: Sequence[ContractLine],
    *,
    today: date,
    apply: str | None,
) -> Tried | None:
    """What a save would do, rolled back; None if it is refused whatever is ticked."""
    past = None
    for charge_past in (False, True):
        try:
            done = try_contract(contract, lines, removed, today=today, charge_past=charge_past, apply=apply)
            return Tried(list(done.changes), past)
        except ValidationError as refused:
            past = charge_of(refused)
            if past is None:
                return None
    return None


def try_contract(
    contract: Contract, lines: Sequence[ContractLine], removed: Sequence[ContractLine], **options: Any
) -> Contract:
    """`start_contract`, rolled back, with the rows that were given as they were. Raises likewise."""
    with transaction.atomic():
        done = start_contract(
            copy(contract), [copy(each) for each in lines], [copy(each) for each in removed], **options
        )
        transaction.set_rollback(True)
    return done


def need_choice(contract: Contract, lines: Sequence[ContractLine], *, today: date) -> None:
    """What a page does before it saves without 適用. Raises ValidationError where somebody has to choose (D23)."""
    if contract.pk is None or not Vendor.objects.exists():
        return
    with transaction.atomic():
        add_terms([contract.customer_id], until=today)
        try:
            need_apply(contract, lines, today=today)
        finally:
            transaction.set_rollback(True)


def charge_of(refused: ValidationError) -> Charge | None:
    """What a save was refused for, if that was closed months alone."""
    params = getattr(refused, "params", None)
    if params is None or getattr(refused, "code", None) != "charge_past":
        return None
    return Charge(params["count"], params["yen"], params.get("only_rises", False))


@transaction.atomic
def cancel_booked(line: ContractLine, *, today: date, by: User | None = None) -> Contract:
    """Take back a line that has yet to begin (予約を取り消す): it goes, and the one that it continues goes on as before (D23).

    Raises ValidationError for one that has begun, or that another line continues; PermissionDenied.
    """
    rights.need(by, "contracts.change_contract")
    Customer.objects.lock([line.customer_id])
    stored = ContractLine.objects.select_related("contract", "continues").get(pk=line.pk)
    check_booked(stored, today=today)
    former = stored.continues
    if former:
        former.charge_to = stored.charge_to
    return start_contract(stored.contract, [former] if former else [], [stored], today=today, by=by)


def check_booked(line: ContractLine, *, today: date) -> None:
    """Raises ValidationError, in words, for a line that can't be taken back as a change that has yet to begin."""
    if line.charge_from is None or line.charge_from <= today:
        raise ValidationError(_("この変更はすでに始まっています。明細を変更してください。"))
    if line.continuations.exists():
        raise ValidationError(_("この明細から続く変更があります。先にそちらを取り消してください。"))


@transaction.atomic
def withdraw_contract(contract: Contract, *, today: date, by: User | None = None) -> Contract:
    """Take back a contract of which nothing is billed (契約を取り消す, D26): orders become 取消, terms and charges go.

    Used quantities are kept. Raises ValidationError for one that is billed, or was taken back before; PermissionDenied.
    """
    rights.need(by, "contracts.change_contract")
    Customer.objects.lock([contract.customer_id])
    stored = Contract.objects.get(pk=contract.pk)
    check_withdrawal(stored)
    before = facts(stored)
    stored.withdrawn_on = contract.withdrawn_on = today
    stored.save(update_fields=["withdrawn_on", "updated_at"])
    done = follow([stored.customer_id], today=today, until=today)
    stored.orders.filter(reversed_on=None).update(reversed_on=today)  # those of void documents too
    recharge_moved_months(stored, today=today)
    after = before | {str(Contract._meta.get_field("withdrawn_on").verbose_name): history.worded(today)}
    history.record_change(Action.CONTRACT_CHANGED, stored.number, before, after, by=by, customer=stored.customer)
    record(done.changes, by)
    contract.changes = done.changes
    return contract


def check_withdrawal(contract: Contract) -> None:
    """Raises ValidationError, in words, for a contract that can't be taken back (D26)."""
    if contract.withdrawn_on:
        raise ValidationError(_("この契約はすでに取り消されています。"))
    with connection.cursor() as cursor:
        cursor.execute(BILLED_CONTRACT, {"customer": contract.customer_id, "contract": contract.pk})
        if cursor.fetchone()[0]:
            raise ValidationError(_("請求済みの契約は取り消せません。終わらせるには解約日を入力してください。"))


def renew(customer_ids: Sequence[int], *, until: date, today: date) -> Followed:
    """What every run does first for customers that it has locked: terms, orders, and what follows of changes, by D31."""
    done = follow(customer_ids, today=today, until=min(until, today))
    record(done.changes)
    return done
