"""What staff's page of a contract asks before it stores: from when a change holds (適用), and closed months (D23, D25)."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from django.core.exceptions import ValidationError

from contracts.models import Contract, ContractLine
from orders.services import Charge, Offer, charge_of, need_choice, offers, try_contract


class Answers(NamedTuple):
    """What was answered. `shown` is what stood beside the tick; empty where no page asked."""

    apply: str | None
    charge_past: bool
    shown: str

    @classmethod
    def of(cls, data: Mapping[str, str]) -> "Answers":
        return cls(data.get("apply") or None, bool(data.get("charge_past")), data.get("charge_past_shown", ""))

    def agrees_to(self, charge: Charge) -> bool:
        """Whether the tick was for this sum: what was typed over after it was shown is asked again."""
        return self.charge_past and self.shown in ("", shown(charge))


class Question(NamedTuple):
    """What the page asks: the choices of 適用 with the one that was made, and what closed months would be charged with.

    `ticked`: that was agreed to; `answered`: nothing is left to ask, and the page shows the answers until they are stored.
    """

    offers: list[Offer]
    apply: str | None
    past: Charge | None
    asks_tick: bool
    ticked: bool = False
    answered: bool = False

    @property
    def following(self) -> Sequence[ContractLine]:
        """The lines that go on after those that were changed: what is typed doesn't reach them."""
        return self.offers[0].following if self.offers else ()

    @property
    def makes_past(self) -> bool:
        """Whether a choice would charge closed months that aren't charged yet; 請求開始年月 is another way out then."""
        return any(not each.only_rises for each in (self.past, *(offer.past for offer in self.offers)) if each)

    @property
    def shown(self) -> str:
        return shown(self.past) if self.past else ""


def shown(charge: Charge) -> str:
    return f"{charge.orders}:{charge.yen}"


def try_out(
    contract: Contract, lines: Sequence[ContractLine], removed: Sequence[ContractLine], answers: Answers, *, today: date
) -> None:
    """See whether a save with these answers would do. Raises ValidationError as `start_contract` does, and where 適用 is open."""
    if answers.apply is None:
        need_choice(contract, lines, today=today)
    try:
        try_contract(contract, lines, removed, today=today, apply=answers.apply)
    except ValidationError as refused:
        charge = charge_of(refused)
        if charge is None or not answers.agrees_to(charge):
            raise
        try_contract(contract, lines, removed, today=today, apply=answers.apply, charge_past=True)


def question(
    refused: ValidationError,
    contract: Contract,
    lines: Sequence[ContractLine],
    removed: Sequence[ContractLine],
    answers: Answers,
    *,
    today: date,
) -> Question | None:
    """What to ask where a save was refused for want of an answer; None where it was for another reason."""
    charge = charge_of(refused)
    asks_apply = "apply" in codes(refused)
    if charge is None and not asks_apply:
        return None
    offered = offers(contract, lines, removed, today=today) if asks_apply or answers.apply else []
    asks_tick = bool(charge or any(each.past for each in offered))
    # What was agreed to for another sum is asked again.
    ticked = charge is None and answers.charge_past and not answers.shown
    return Question(offered, answers.apply, charge, asks_tick, ticked)


def answered(
    contract: Contract, lines: Sequence[ContractLine], removed: Sequence[ContractLine], answers: Answers, *, today: date
) -> Question | None:
    """What was asked before these answers, with which a save would do; None where nothing was."""
    offered = offers(contract, lines, removed, today=today) if answers.apply else []
    charge = None
    if answers.charge_past:
        try:
            try_contract(contract, lines, removed, today=today, apply=answers.apply)
        except ValidationError as refused:
            charge = charge_of(refused)
    asks_tick = bool(charge or any(each.past for each in offered))
    if not offered and not asks_tick:
        return None
    ticked = bool(charge) or (answers.charge_past and not answers.shown)
    return Question(offered, answers.apply, charge, asks_tick, ticked, answered=True)


def codes(refused: ValidationError) -> set[str]:
    return {error.code or "" for error in told(refused)}


def told(refused: ValidationError) -> list[ValidationError]:
    """The single errors, whether they name fields or not."""
    if hasattr(refused, "error_dict"):
        return [each for errors in refused.error_dict.values() for each in errors]
    return list(refused.error_list)
