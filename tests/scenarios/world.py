"""Lives that the model drew, played in the portal by the services that people's forms and the runs call, and what differs.

A world has one frame (daily runs, closes, settings) and many customers. Model and portal are told the same events in the same
order; after each run of the frame `differences` says where they disagree about a customer.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from unittest import mock

from django.core.exceptions import ValidationError
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, seed, settings

from accounts.models import Customer
from billing import proposals
from billing.demo import data
from billing.models import Credit, Invoice, MonthRun
from billing.month import close, drafts
from contracts.models import Service, Term
from orders.models import Order
from orders.services import renew
from portal.models import Vendor
from tests.oracle import events as ev
from tests.oracle import lives
from tests.oracle import play as play_log
from tests.oracle.life import step
from tests.scenarios import acts


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


@dataclass
class Person:
    """One customer: the events to come, what the model makes of those that were, and the rows that the model's names stand for."""

    log: list
    life: object
    customer: Customer
    contracts: dict = field(default_factory=dict)  # the model's number → id
    lines: dict = field(default_factory=dict)  # (contract, line) → id
    decisions: list = field(default_factory=list)  # ids, in the model's order
    done: list = field(default_factory=list)
    faults: list = field(default_factory=list)

    def hear(self, event):
        """Tell the model; returns why it refuses, if it does."""
        before = len(self.life.refusals)
        self.life = step(self.life, event, len(self.done))
        self.done.append(event)
        return self.life.refusals[-1].why if len(self.life.refusals) > before else ""

    def act(self, event):
        """Tell both of an event of the customer's own; a refusal by one of them only is a fault."""
        refused = self.hear(event)
        try:
            if isinstance(event, ev.Closed):
                retry(self, event)
            else:
                with transaction.atomic():
                    acts.do(self, event)
            told = ""
        except ValidationError as error:
            told = " ".join(error.messages)
        if bool(refused) != bool(told):
            self.faults.append(f"{event}: the model says {refused or 'yes'!r}, the portal {told or 'yes'!r}")


def draw(number, customers, months=14):
    """(vendor, frame, logs of at most that many customers) of the world with this number; the same number draws the same world."""
    [(vendor, shared)] = drawn(lives.frames(months), number, 1)
    logs = [log for _vendor, log in drawn(lives.lives((vendor, shared), months, makers=MAKERS), number, customers)]
    return vendor, shared, [log for place, log in enumerate(logs) if log not in logs[:place]]


def drawn(strategy, number, count):
    found = []

    @seed(number)
    @settings(max_examples=count, database=None, deadline=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(strategy)
    def collect(value):
        found.append(value)

    collect()
    return found[:count]


def play(vendor, shared, logs):
    """Play the world; returns {place of a log: what went wrong} of those customers of whom model and portal don't agree.

    Who differs is compared no further.
    """
    set_up(vendor)
    people = [Person(list(log), play_log(vendor, []), customer(place, vendor)) for place, log in enumerate(logs, 1)]
    for event in shared:
        for person in people:
            while person.log and not belongs(person.log[0], event):
                person.act(person.log.pop(0))
        happen(event, people)
        if isinstance(event, ev.Ran | ev.Closed):
            for person in people:
                if not person.faults:
                    person.faults += [f"after {event}: {each}" for each in differences(person, event)]
    return {place: person.faults[:5] for place, person in enumerate(people) if person.faults}


def customer(place, vendor):
    return Customer.objects.create(number=f"C{place:07}", name=f"会社{place}", due_shift=vendor.due_shift)


def belongs(own, shared):
    """Whether the event of a customer's log is the shared one (which this customer may be parked by)."""
    return own == shared or (isinstance(own, ev.Closed) and replace(own, parks=False) == shared)


def set_up(vendor):
    data.set_up_vendor(vendor.first_month)
    Vendor.objects.update(rounding=vendor.rounding)
    Service.objects.update(prorate=False)
    Service.objects.filter(code__in=vendor.prorated).update(prorate=True)


def happen(event, people):
    """What all customers share."""
    mine = [person.log.pop(0) for person in people]
    refused = [person.hear(own) for person, own in zip(people, mine, strict=True)]
    match event:
        case ev.Ran(day=day):
            renew_all(people, day)
            close.draft_unclosed_months(day)
        case ev.Closed(day=day, month=month):
            parked = {person.customer.pk for person, own in zip(people, mine, strict=True) if own.parks}
            with failing(parked):
                close.run(month, kind=MonthRun.Kind.CLOSE, today=day)
        case ev.TaxEntered() if not any(refused):
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


def retry(person, event):
    close.run(
        event.month, kind=MonthRun.Kind.CLOSE, today=event.day, numbers=[person.customer.number], retry_failed=True
    )


def differences(person, event):
    """Where model and portal disagree about the customer, as sentences. A close leaves the drafts of later months to the next run."""
    for what, told in (
        ("orders", orders_of),
        ("documents", documents_of),
        ("proposals", proposals_of),
        ("balances", balances_of),
    ):
        model, portal = told(person)
        if what == "balances" and isinstance(event, ev.Closed):
            continue  # what drafts take up
        if what == "documents" and isinstance(event, ev.Closed):
            model, portal = (
                Counter({each: n for each, n in found.items() if each[2] != "draft"}) for found in (model, portal)
            )
        yield from (f"{what}: only the model has {each}" for each in (model - portal).elements())
        yield from (f"{what}: only the portal has {each}" for each in (portal - model).elements())


def orders_of(person):
    """(model's, portal's) orders that aren't 取消, each with its lines."""
    names = {pk: contract for contract, pk in person.contracts.items()}
    lines = {pk: name for (_contract, name), pk in person.lines.items()}
    model = Counter(
        (order.contract, order.term, order.kind, order.addition_of, order.difference, order.month,
         tuple(sorted((line.line, line.starts_on, line.ends_on, line.amount, line.cls.rate) for line in order.lines)))
        for order in person.life.orders if not order.cancelled
    )  # fmt: skip
    stored = Order.objects.filter(customer=person.customer, reversed_on=None).select_related("term")
    portal = Counter(
        (names[order.contract_id], order.term.sequence, order.kind, order.line_id and lines[order.line_id],
         order.is_difference, order.month,
         tuple(sorted((lines[line.contract_line_id], line.starts_on, line.ends_on, line.amount, line.tax_rate)
                      for line in order.lines.all())))
        for order in stored.prefetch_related("lines")
    )  # fmt: skip
    return model, portal


def documents_of(person):
    """(model's, portal's) documents with what they come to, when they are due, and what stands on them."""
    life = person.life
    model = Counter(
        (
            each.kind,
            each.month,
            each.state,
            each.net,
            each.total,
            each.due_on,
            tuple(sorted(map(line_of_model, each.lines))),
        )
        for each in [*life.documents, *life.drafts.values()]
    )
    portal = Counter(
        (
            each.kind,
            each.month,
            each.state,
            each.net,
            each.total,
            each.due_on,
            tuple(sorted(map(line_of_portal, each.lines.all()))),
        )
        for each in Invoice.objects.filter(customer=person.customer).prefetch_related("lines")
    )
    return model, portal


def line_of_model(line):
    days = (line.starts_on, line.ends_on) if line.charges else ()
    return line.amount, line.cls.kind, line.cls.rate, line.cls.basis, days


def line_of_portal(line):
    """What takes up a credit says of which days it is, and the model doesn't."""
    charges = line.credit_id is None and line.discount_id is None
    return (
        line.amount,
        line.tax_kind,
        line.tax_rate,
        line.price_basis,
        (line.starts_on, line.ends_on) if charges else (),
    )


def proposals_of(person):
    """(model's, portal's) proposals."""
    names = {pk: contract for contract, pk in person.contracts.items()}
    lines = {pk: name for (_contract, name), pk in person.lines.items()}
    model = Counter((each.contract, each.term, each.line, each.amount) for each in person.life.proposals())
    portal = Counter(
        (names[each.contract_id], Term.objects.get(pk=each.term_id).sequence, lines[each.contract_line_id], each.amount)
        for each in proposals.proposals([person.customer.pk])
    )
    return model, portal


def balances_of(person):
    """(model's, portal's) 調整残高 of each class."""
    model = Counter({tuple(cls): left for cls, left in person.life.balances().items()})
    portal = Counter()
    for credit in Credit.objects.filter(customer=person.customer).entries().with_left():
        portal[credit.tax_kind, credit.tax_rate, credit.price_basis] += credit.left
    return +model, +portal
