"""Corrections in any order: whatever is closed, put right, returned, taken back, billed again or cancelled, nothing is billed twice or
lost, sums and balances add up, and `check_month` finds nothing broken, after each step.

Beside tests/oracle, which says what must become of a life: here the rows that arose are counted, without any model. A short walk
is in `bin/test`; long ones, for a night: `bin/test -m nightly tests/scenarios/test_corrections_at_random.py`.
"""

from contextlib import suppress
from datetime import date, timedelta
from random import Random

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction

from billing import credits, proposals
from billing.corrections.giving_back import give_back
from billing.corrections.reissue import reissue
from billing.corrections.voiding import void
from billing.models import Correction, Credit, Invoice, InvoiceLine, MonthRun
from billing.month import checks, close
from billing.month.open_months import redraft
from contracts.models import Contract, Service
from orders.models import OrderLine, UsageCharge
from orders.services import start_contract
from portal import months
from portal.models import Vendor
from tests import make

OF_MONTH = ["invoice", "correction"]
STANDING = ["draft", "fixed"]


class Walk:
    """A company with contracts of all kinds, and a person who does something to its documents each day or so."""

    def __init__(self, seed, clock):
        self.chance, self.clock, self.told = Random(seed), clock, []
        self.cast = make.cast()
        Service.objects.filter(code="cloud").update(prorate=True)
        self.customer, self.staff = self.cast.a, self.cast.staff
        self.today, self.month = date(2026, 5, 8), make.APRIL
        self.clock.move_to("2026-05-08T03:00Z")
        inclusive = {"price_basis": "inclusive"}
        self.contract((3000, 2, inclusive), (777, 1, {"tax_kind": "reduced"}))
        self.contract((12000,), form="yearly", service="line")
        make.make_meter(self.customer.contracts.earliest("pk"), 10, (20, 7))
        self.close()
        self.today = date(2026, 6, 8)
        self.clock.move_to("2026-06-08T03:00Z")
        self.close()

    def contract(self, *lines, **fields):
        make.make_contract(self.customer, *lines, today=self.today, start_on=make.APRIL, **fields)

    def step(self):
        """One day's act, or its refusal; a refusal changes nothing."""
        self.today += timedelta(days=self.chance.randint(0, 5))
        self.clock.move_to(f"{self.today}T03:00Z")
        if self.today >= months.add_months(self.month, 2).replace(day=8):
            return self.close()
        act = self.chance.choice(
            [self.reissue] * 3 + [self.give_back] * 2 + [self.void] * 3 + [self.credit, self.decide, self.cancel]
        )
        before = documents()
        try:
            with transaction.atomic():
                act()
                connection.check_constraints()
        except ValidationError as refused:
            self.told[-1] += f" refused: {refused.messages}"
            assert documents() == before
        return None

    def close(self):
        if self.told:
            self.month = months.add_months(self.month, 1)
        self.told.append(f"{self.today} close {self.month:%Y-%m}")
        with suppress(ValidationError):  # of a contract that was cancelled
            meter = self.customer.contracts.earliest("pk")
            make.use(meter, self.chance.randint(1, 99), f"{self.month:%Y-%m}", today=self.today)
        close.run(self.month, kind=MonthRun.Kind.CLOSE, today=self.today)
        close.draft_unclosed_months(self.today)

    def said(self, *words):
        self.told.append(" ".join(map(str, [self.today, *words])))
        return {"reason": "間違い", "by": self.staff, "today": self.today}

    def invoice(self):
        """Mostly one that can be put right, now and then any."""
        known = Invoice.objects.filter(customer=self.customer).exclude(state="draft").order_by("pk")
        fitting = list(known.filter(state="fixed", kind__in=OF_MONTH)) if self.chance.random() < 0.8 else []
        return self.chance.choice(fitting or list(known))

    def lines(self, invoice):
        """Some of its lines that charge, each with a part of its amount."""
        found = list(invoice.lines.charging().order_by("position"))
        found = self.chance.sample(found, min(len(found), self.chance.randint(1, 3)))
        return {line.pk: line.amount * self.chance.randint(1, 4) // 4 for line in found if line.amount}

    def reissue(self):
        invoice, from_orders = self.invoice(), self.chance.random() < 0.3
        changes = {pk: {"amount": yen} for pk, yen in self.lines(invoice).items()}
        reissue(invoice, changes, from_orders=from_orders, **self.said("reissue", invoice, changes, from_orders))

    def give_back(self):
        invoice = self.invoice()
        parts = self.lines(invoice) if self.chance.random() < 0.8 else None
        give_back(invoice, parts, **self.said("give back", invoice, parts))

    def void(self):
        invoice, rebill, chain = self.invoice(), self.chance.random() < 0.6, self.chance.random() < 0.5
        void(invoice, rebill=rebill, chain=chain, **self.said("void", invoice, rebill, chain))

    def credit(self):
        invoice = self.invoice()
        for pk, yen in self.lines(invoice).items():
            self.said("credit", invoice, pk, yen)
            credits.give_credit(InvoiceLine.objects.get(pk=pk), yen, "値引き", by=self.staff)

    def decide(self):
        for proposal in proposals.proposals([self.customer.pk]):
            choice = self.chance.choice(proposals.choices(carries=Vendor.objects.settings().carries_credits))
            self.said("decide", proposal.item, proposal.amount, choice)
            proposals.decide([proposal], choice, "解約", by=self.staff, today=self.today)

    def cancel(self):
        contract = self.chance.choice(list(Contract.objects.filter(customer=self.customer).order_by("pk")))
        back = contract.cancel_on is not None
        contract.cancel_on = (
            None if back else max(contract.start_on, self.today - timedelta(days=self.chance.randint(-20, 50)))
        )
        self.said("cancel", contract.number, contract.cancel_on)
        start_contract(contract, [], today=self.today, charge_past=back)
        redraft(self.customer, today=self.today)

    def wrong(self):
        """What doesn't hold of what arose, in words."""
        return [*charged_wrongly(), *returned_too_much(), *balances_wrong(), *totals_wrong(), *self.alarms()]

    def alarms(self):
        earlier = self.chance.choice([*months.months_between(make.APRIL, self.month)])
        for month in sorted({self.month, earlier}):
            for finding in checks.check(month, today=self.today):
                if finding.kind == "broken" and finding.code not in ("pdf_missing", "mail_missing"):
                    yield from (f"{finding.code} in {month:%Y-%m}: {item}" for item in finding.items)


def documents():
    return list(Invoice.objects.order_by("pk").values_list("pk", "number", "state", "total"))


def charged_wrongly():
    """What was ordered or used and is charged twice, or not at all though nobody set it aside."""
    rebilled = set(Correction.objects.filter(what="rebill").values_list("invoice", flat=True))
    sources = {
        "order_line": OrderLine.objects.filter(order__reversed_on=None, order__month__lte=opened()),
        "usage_charge": UsageCharge.objects.filter(dropped_on=None),
    }
    for name, found in sources.items():
        for source in found:
            lines = (
                InvoiceLine.objects.filter(**{name: source})
                .exclude(origin="return")
                .select_related("invoice")
                .order_by("pk")
            )
            standing = [line for line in lines if line.invoice.state in STANDING]
            set_aside = (
                lines and lines.latest("pk").invoice.state == "void" and lines.latest("pk").invoice_id not in rebilled
            )
            if len(standing) != (0 if set_aside else 1):
                yield f"{name} {source} is charged {len(standing)} times: {[(line.invoice.number, line.invoice.state) for line in lines]}"


def opened():
    return Invoice.objects.latest("month").month


def returned_too_much():
    for line in InvoiceLine.objects.exclude(origin="return").filter(invoice__kind__in=OF_MONTH, credit=None):
        back = sum(
            each.amount for each in InvoiceLine.objects.filter(replaces=line, origin="return", invoice__state="fixed")
        )
        if not 0 <= -back <= max(line.amount, 0):
            yield f"{line.invoice} {line}: {-back} of {line.amount} is returned"


def balances_wrong():
    given = sum(Credit.objects.values_list("amount", flat=True))
    lines = InvoiceLine.objects.exclude(credit=None).filter(invoice__state__in=STANDING)
    taken = -sum(lines.values_list("amount", flat=True))
    left = list(Credit.objects.entries().with_left().values_list("left", flat=True))
    if given != taken + sum(left) or min(left, default=0) < 0:
        yield f"credits: {given} given, {taken} taken up, {left} left"


def totals_wrong():
    for invoice in Invoice.objects.prefetch_related("lines", "tax_totals"):
        classes = {}
        for line in invoice.lines.all():
            key = line.tax_kind, line.tax_rate
            at, sums = (line.price_basis == "inclusive"), classes.setdefault(key, [0, 0])
            sums[at] += line.amount
        told = {(each.kind, each.rate): each for each in invoice.tax_totals.all()}
        whole = sum(each.base + each.tax for each in told.values())
        wrong = [key for key, sums in classes.items() if not sums[1] and told[key].base != sums[0]]
        wrong += [key for key, sums in classes.items() if not sums[0] and told[key].base + told[key].tax != sums[1]]
        if wrong or whole != invoice.total or invoice.net + invoice.tax != invoice.total:
            yield f"{invoice}: {wrong} of {classes}, {invoice.net} + {invoice.tax} = {invoice.total}"


def walked(seed, steps, clock):
    walk = Walk(seed, clock)
    for _each in range(steps):
        walk.step()
        assert not (wrong := list(walk.wrong())), "\n".join([*walk.told, *wrong])
    return walk


def it_bills_nothing_twice_and_loses_nothing_whatever_is_put_right(db, time_machine):
    walk = walked(3, 14, time_machine)
    assert set(Correction.objects.values_list("what", flat=True)) == set(Correction.What.values), walk.told


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(3, 43))
def it_bills_nothing_twice_and_loses_nothing_in_long_walks(db, time_machine, seed):
    walked(seed, 80, time_machine)
