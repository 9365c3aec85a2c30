"""What a correction would do, found by doing it and taking it back: every document that arises or changes (D41)."""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils.translation import gettext as _

from billing.corrections import chains
from billing.corrections.compared import NOTHING, Difference, differences, said_of
from billing.models import Correction, Credit, Invoice, Kind, State

Done = TypeVar("Done")  # what the act that is tried or done returns


@dataclass(frozen=True)
class Effect:
    """A document that a correction makes or changes; None where there was none before, or is none after. Totals in yen."""

    number: str
    kind: str
    month: date
    before: str | None
    after: str | None
    total_before: int | None
    total_after: int | None
    says: str | None  # a digest of its lines and addressee after
    differences: list[Difference]  # of a 修正 to its original, of any other document to what it says now

    @property
    def arises(self) -> bool:
        return self.before is None

    @property
    def says_the_same(self) -> bool:
        """Whether it is a 修正 that puts nothing right."""
        return self.arises and self.kind == Kind.CORRECTION and not self.differences

    @property
    def kind_name(self) -> str:
        return str(Kind(self.kind).label)

    @property
    def state_before(self) -> str:
        return str(State(self.before).label) if self.before else ""

    @property
    def state_after(self) -> str:
        return str(State(self.after).label) if self.after else str(_("なくなります"))


@dataclass(frozen=True)
class Outcome:
    """All that a correction does: documents, 調整残高 in yen before and after, and the month of a 再請求, which may have no draft yet."""

    effects: list[Effect]
    credit_before: int
    credit_after: int
    rebilled_in: date | None

    @property
    def digest(self) -> str:
        """Names the outcome; numbers that are yet to be given don't matter, for others may take them meanwhile."""
        told = [asdict(effect) | ({"number": ""} if effect.arises else {}) for effect in self.effects]
        others = [self.credit_before, self.credit_after, self.rebilled_in]
        facts = json.dumps([told, *others], default=str, sort_keys=True)
        return hashlib.sha256(facts.encode()).hexdigest()


class Changed(ValidationError):
    """What would be stored isn't what was shown."""


def preview(invoice: Invoice, act: Callable[[], Done]) -> tuple[Done, Outcome]:
    """Do it and take it back; returns what `act` returned, with the outcome. Raises what `act` raises."""
    with transaction.atomic():
        done = carried_out(invoice, act)
        transaction.set_rollback(True)
    return done


@transaction.atomic
def do(invoice: Invoice, act: Callable[[], Done]) -> tuple[Done, Outcome]:
    """Do it; returns the same. Raises what `act` raises."""
    return carried_out(invoice, act)


def do_as_shown(invoice: Invoice, act: Callable[[], Done], digest: str) -> tuple[Done, Outcome]:
    """Do it, if the outcome is the one with this digest. Raises Changed, with nothing stored, and what `act` raises."""
    with transaction.atomic():
        done, outcome = carried_out(invoice, act)
        if outcome.digest != digest:
            raise Changed(_("確認した後に内容が変わりました。もう一度確認してください。"))
    return done, outcome


def carried_out(invoice: Invoice, act: Callable[[], Done]) -> tuple[Done, Outcome]:
    customer = chains.locked(invoice).customer_id
    before, credit_before = documents_of(customer), balance_of(customer)
    said_before = said_of([key for key, facts in before.items() if facts[STATE] == State.DRAFT])
    earlier = list(rebilled(customer))
    done = act()
    connection.check_constraints()
    after, credit_after = documents_of(customer), balance_of(customer)
    changed = [key for key in sorted({*before, *after}) if before.get(key) != after.get(key)]
    originals = {key: after[key][CORRECTS] for key in changed if key not in before}
    said = said_of([*(key for key in changed if key in after), *filter(None, originals.values())])
    effects = []
    for key in changed:
        if key in before and key not in said_before:  # it was fixed: no more than its state changes
            found = []
        elif key not in before and after[key][KIND] == Kind.CORRECTION:
            found = differences(said[originals[key]], said[key])
        else:
            found = differences(said_before.get(key, NOTHING), said.get(key, NOTHING))
        effects.append(effect(before.get(key), after.get(key), found))
    effects.sort(key=lambda each: (each.month, each.number))
    month = next((month for pk, month in rebilled(customer) if (pk, month) not in earlier), None)
    return done, Outcome(effects, credit_before, credit_after, month)


# What stands on the lines of each document, but for keys that are made anew with each try.
LINES = """
    SELECT i.id, i.number, i.kind, i.corrects_id, i.month, i.state, i.total, md5(coalesce(i.addressee::text, '') || i.without_document || coalesce((
        SELECT string_agg(concat_ws('|', l.position, l.item, l.specification, l.purchase_order, l.starts_on, l.ends_on, l.quantity, l.unit, l.unit_price,
            l.amount, l.price_basis, l.tax_kind, l.tax_rate, l.replaces_id, l.credit_id IS NOT NULL), '/' ORDER BY l.position)
        FROM billing_invoiceline l WHERE l.customer_id = i.customer_id AND l.invoice_id = i.id
    ), '')) FROM billing_invoice i WHERE i.customer_id = %s
"""
_NUMBER, KIND, CORRECTS, _MONTH, STATE = range(5)  # places of these facts


def documents_of(customer: int) -> dict[int, tuple[Any, ...]]:
    """{id: what the document is and says}."""
    with connection.cursor() as cursor:
        cursor.execute(LINES, [customer])
        return {pk: tuple(facts) for pk, *facts in cursor.fetchall()}


def rebilled(customer: int) -> Iterable[tuple[int, date]]:
    return Correction.objects.filter(customer=customer, what=Correction.What.REBILL).values_list("pk", "month")


def balance_of(customer: int) -> int:
    return sum(Credit.objects.filter(customer=customer).entries().with_left().values_list("left", flat=True))


def effect(before: Any, after: Any, found: list[Difference]) -> Effect:
    number, kind, _corrects, month, *_now = after or before
    state_before, total_before, _said = before[4:] if before else (None, None, None)
    state_after, total_after, says = after[4:] if after else (None, None, None)
    return Effect(number, kind, month, state_before, state_after, total_before, total_after, says, found)
