"""Lives that the model drew, played in the portal by the services that people's forms and the runs call, and what differs.

A world has one frame (daily runs, closes, settings) and many customers. Model and portal are told the same events in the same
order; after each run of the frame it is compared what both have made of each customer.
"""

from dataclasses import dataclass, field, replace
from functools import cache
from time import monotonic
from unittest import mock

from django.core.exceptions import ValidationError
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.internal import constants_ast
from hypothesis.internal.cache import LRUCache
from hypothesis.internal.conjecture import providers

from accounts.models import Customer
from billing.demo import data
from billing.models import MonthRun
from billing.month import close, drafts
from contracts.models import Service
from orders.services import renew
from portal.models import Vendor
from tests import databases
from tests.oracle import events as ev
from tests.oracle import lives
from tests.oracle import play as play_log
from tests.oracle.life import step
from tests.scenarios import acts
from tests.scenarios.compare import alarms, differences


def crediting(draw, life, on):
    """翌月調整 by hand of an order's line."""
    found = [
        (document, line)
        for document in life.documents
        for line in document.lines
        if line.order is not None and line.amount > 0
    ]
    chosen = lives.some(draw, found)
    if chosen is None:
        return lives.saving(draw, life, on)
    document, line = chosen
    return ev.Credited(on, document.number, line.key, max(1, line.amount // draw(lives.st.integers(1, 3))))


MAKERS = [
    *[lives.saving] * 4, *[lives.deciding] * 3, *[lives.metering] * 2, *[lives.mending] * 2, lives.registration, lives.adjusting,
    crediting, lives.taking_back, lives.withdrawing,
]  # fmt: skip


# Drawing

MONTHS = 14
LIVES_AT_ONCE = 10


def draw(number, customers, months=MONTHS):
    """(vendor, frame, logs of so many customers) of the world with this number; each is the same whenever it is drawn."""
    return *frame_of(number, months), [log_of(number, place, months) for place in range(customers)]


@cache
def frame_of(number, months=MONTHS):
    return drawn(lives.frames(months), number, 1)[0]


def log_of(number, place, months=MONTHS):
    """The log of one customer of the world, who can be played alone."""
    batch, rest = divmod(place, LIVES_AT_ONCE)
    return batch_of(number, batch, months)[rest]


@cache
def batch_of(number, batch, months):
    strategy = lives.lives(frame_of(number, months), months, makers=MAKERS)
    return [log for _vendor, log in drawn(strategy, number * 1000 + batch, LIVES_AT_ONCE)]


def drawn(strategy, number, count):
    """So many examples; the first that Hypothesis tries is the simplest there is, and left out.

    Hypothesis likes to draw constants of the source that is loaded, so a change of any file would draw other lives.
    """
    found = []

    @seed(number)
    @settings(max_examples=count + 1, database=None, deadline=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(strategy)
    def collect(value):
        found.append(value)

    with (
        mock.patch.object(providers, "_get_local_constants", constants_ast.Constants),
        mock.patch.object(providers, "CONSTANTS_CACHE", LRUCache(1024)),
    ):
        collect()
    return found[1:]


# Playing


@dataclass
class Person:
    """One customer: the events to come, what the model makes of those that were, and the rows that the model's names stand for."""

    log: list
    life: object
    customer: Customer
    contracts: dict = field(default_factory=dict)  # the model's number → id
    lines: dict = field(default_factory=dict)  # (contract, line) → id
    decisions: list = field(default_factory=list)  # ids, in the model's order
    numbers: dict = field(default_factory=dict)  # month → the number that its invoice was given first
    done: int = 0
    faults: list = field(default_factory=list)

    def hear(self, event):
        """Tell the model; returns why it refuses, if it does."""
        before = len(self.life.refusals)
        self.life = step(self.life, event, self.done)
        self.done += 1
        return self.life.refusals[-1].why if len(self.life.refusals) > before else ""

    def act(self, event):
        """Tell both of an event of the customer's own."""
        if self.faults:
            return
        refused = self.hear(event)
        try:
            if isinstance(event, ev.Closed):
                retry(self, event)
            else:
                with transaction.atomic():
                    acts.do(self, event)
            told = ""
        except (ValidationError, close.Refused) as error:
            told = str(error)
        self.judge(event, refused, told)

    def judge(self, event, refused, told):
        """A refusal by one of both only is a fault."""
        if bool(refused) != bool(told):
            self.faults.append(f"{event}: the model says {refused or 'yes'!r}, the portal {told or 'yes'!r}")


def retry(person, event):
    """The close again, of a customer who was parked in it."""
    close.run(
        event.month, kind=MonthRun.Kind.CLOSE, today=event.day, numbers=[person.customer.number], retry_failed=True
    )


def play(vendor, shared, logs, look=False):
    """Play the world; returns {place of a log: what went wrong} of those customers of whom model and portal don't agree.

    Who differs is played and compared no further. With `look`, `check_month` is asked too after each close.
    """
    set_up(vendor)
    people = [Person(list(log), play_log(vendor, []), customer(place, vendor)) for place, log in enumerate(logs, 1)]
    for event in shared:
        for person in people:
            while person.log and not belongs(person.log[0], event):
                person.act(person.log.pop(0))
        happen(event, people)
        agreed = [person for person in people if not person.faults]
        if isinstance(event, ev.Ran | ev.Closed):
            differences(agreed, closing=isinstance(event, ev.Closed))
        if look and isinstance(event, ev.Closed):
            alarms([person for person in agreed if not person.faults], event.month, event.day)
        for person in agreed:
            person.faults = [f"after {event}: {each}" for each in person.faults[:5]]
        if all(person.faults for person in people):
            break
    return {place: person.faults for place, person in enumerate(people) if person.faults}


def customer(place, vendor):
    return Customer.objects.create(
        number=f"C{place:07}", name=f"会社{place}", payment_months=vendor.payment_months, due_shift=vendor.due_shift
    )


def belongs(own, shared):
    """Whether the event of a customer's log is the shared one (which this customer may be parked by)."""
    return own == shared or (isinstance(own, ev.Closed) and replace(own, parks=False) == shared)


def set_up(vendor):
    data.set_up_vendor(vendor.first_month)
    Vendor.objects.update(rounding=vendor.rounding)
    Service.objects.update(prorate=False)
    Service.objects.filter(code__in=vendor.prorated).update(prorate=True)


def happen(event, people):
    """What all customers share; whether it is refused is asked of both, too."""
    mine = [person.log.pop(0) for person in people]
    heard = [(person, own, person.hear(own)) for person, own in zip(people, mine, strict=True) if not person.faults]
    try:
        share(event, people, {person.customer.pk for person, own, _refused in heard if getattr(own, "parks", False)})
        told = ""
    except (ValidationError, close.Refused) as error:
        told = str(error)
    for person, _own, refused in heard:
        person.judge(event, refused, told)


def share(event, people, parked):
    match event:
        case ev.Ran(day=day):
            renew_all(people, day)
            close.draft_unclosed_months(day)
        case ev.Closed(day=day, month=month):
            if month.month % 4 == 0:  # whatever a dry run did would be there twice by the close
                close.run(month, kind=MonthRun.Kind.CLOSE, today=day, dry_run=True)
            with failing(parked):
                close.run(month, kind=MonthRun.Kind.CLOSE, today=day)
        case ev.TaxEntered():
            acts.enter_tax(event)
        case ev.RoundingChanged(rounding=rounding):
            Vendor.objects.update(rounding=rounding)
        case ev.ProrationChanged(service=service, on=on):
            Service.objects.filter(code=service).update(prorate=on)


def renew_all(people, day):
    """As the daily `renew_contracts`."""
    with transaction.atomic():
        customers = [person.customer.pk for person in people]
        Customer.objects.lock(customers)
        renew(customers, until=day, today=day)


def failing(parked):
    """These customers can't be closed, whatever the reason; nothing that a log says would do it."""
    rebuild = drafts.rebuild

    def fail(customers, *rest):
        if parked & set(customers):
            raise ValidationError("nobody knows why")
        return rebuild(customers, *rest)

    return mock.patch.object(drafts, "rebuild", fail)


# Telling


def story(number, place, look=False, months=MONTHS):
    """One life played alone and as short as it can be: what happened, and what the portal makes of it otherwise than the model."""
    vendor, shared = frame_of(number, months)
    log = log_of(number, place, months)
    faults = alone(vendor, shared, log, look)
    if not faults:
        return f"\nlife {number}:{place}: alone it agrees; another customer, or what came before, has to do with it\n"
    shared, log = shortened(vendor, shared, log, look)
    told = [f"life {number}:{place}", str(vendor), *map(str, log), "--", *alone(vendor, shared, log, look)]
    return "\n" + "\n  ".join(told) + "\n"


def alone(vendor, shared, log, look=False):
    databases.empty()
    return play(vendor, shared, [log], look).get(0, [])


def shortened(vendor, shared, log, look):
    """The life without what it goes wrong without: as many events at a time as it can spare, for two minutes at most."""
    until, size = monotonic() + 120, len(log) // 2
    while size:
        place = 0
        while place < len(log) and monotonic() < until:
            gone = log[place : place + size]
            shorter = log[:place] + log[place + size :]
            frame = [event for event in shared if not any(belongs(own, event) for own in gone)]
            if alone(vendor, frame, shorter, look):
                shared, log = frame, shorter
            else:
                place += size
        size //= 2
    return shared, log
