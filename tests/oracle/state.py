"""What the model keeps of one customer, and the words of the rules as questions about it."""

from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction

from tests.oracle import arithmetic as ar
from tests.oracle import calendar as cal
from tests.oracle.records import Proposal, Refused, Term


@dataclass
class Life:
    vendor: object
    rounding: str
    prorated: set
    taxes: list  # [kind, rate, first day, last day or None]
    contracts: dict = field(default_factory=dict)
    orders: list = field(default_factory=list)
    documents: list = field(default_factory=list)  # once fixed
    drafts: dict = field(default_factory=dict)  # month → Document
    credits: list = field(default_factory=list)
    decisions: list = field(default_factory=list)
    adjustments: list = field(default_factory=list)  # events of positive ones
    rebilled: list = field(default_factory=list)  # (month, DocLine) that a draft shows, or showed
    discounts: dict = field(default_factory=dict)  # month → yen
    lapsed: dict = field(default_factory=dict)  # month → yen of discounts that no class can take
    given: dict = field(default_factory=dict)  # month → how many numbers were given
    invoice_numbers: dict = field(default_factory=dict)  # month → the number of its invoice, kept through rebuilds
    parked: set = field(default_factory=set)
    last_closed: date | None = None
    charge_past: list = field(default_factory=list)  # what closed months owe and nobody asked to charge (rule 5)
    refusals: list = field(default_factory=list)

    # Months

    def is_open(self, month):
        if month < self.vendor.first_month:
            return False
        return self.last_closed is None or month > self.last_closed or month in self.parked

    @property
    def earliest_open(self):
        month = self.vendor.first_month
        while not self.is_open(month):
            month = cal.later(month, 1)
        return month

    def invoice_month(self, month):
        """The month whose invoice takes what belongs to `month`."""
        return month if self.is_open(month) else self.earliest_open

    # Terms and what lines owe of them

    def may_order_from(self, contract):
        return max(self.vendor.first_month, contract.bill_from or date.min)

    def terms(self, contract):
        """Rule 1, and D22 for terms that end before 運用開始年月."""
        if contract.withdrawn:
            return []
        held = {order.term for order in self.orders_of(contract.number) if order.frozen}
        found, sequence = [], 1
        while contract.last_sequence is None or sequence <= contract.last_sequence:
            first, last = cal.natural_term(contract.form, contract.start_on, sequence)
            if first > contract.made_to:
                break
            if contract.cancel_on and contract.cancel_on < first:
                if sequence in held:
                    found.append(Term(sequence, first, last, marked=True))
            else:
                last = min(last, contract.cancel_on or last)
                if last >= self.vendor.first_month:
                    found.append(Term(sequence, first, last))
            sequence += 1
        return found

    def next_term(self, contract):
        """The first term that isn't made yet, or None."""
        sequence = 1
        while (first := cal.natural_term(contract.form, contract.start_on, sequence)[0]) <= contract.made_to:
            sequence += 1
        if contract.last_sequence is not None and sequence > contract.last_sequence:
            return None
        if contract.withdrawn or (contract.cancel_on and contract.cancel_on < first):
            return None
        return Term(sequence, *cal.natural_term(contract.form, contract.start_on, sequence))

    @staticmethod
    def covered(line, term):
        """The days of the term for which the line is charged, or None."""
        return None if term.marked else cal.overlap(term.starts_on, term.ends_on, line.charge_from, line.charge_to)

    def owed(self, contract, line, term):
        """O(line, term), by D24."""
        span = self.covered(line, term)
        if span is None:
            return 0
        if not self.prorates(contract, term) or contract.form == cal.ONCE:
            return line.amount
        if contract.form == cal.YEARLY:
            return ar.yen(Fraction(line.amount * cal.months_touched(*span), 12))
        return ar.yen(Fraction(line.amount * cal.days(*span), cal.last_day(term.starts_on.replace(day=1)).day))

    def prorates(self, contract, term):
        """日割 as it was when the term was billed, else as it is now."""
        shown = [line for _month, line in self.open_rebilled()]
        shown = [line for document in self.documents if document.counts for line in document.lines] + shown
        for line in shown:
            if (line.contract, line.term) == (contract.number, term.sequence) and not self.set_aside(line.order):
                return line.prorated
        return contract.service in self.prorated

    def rate(self, kind, day):
        for row in self.taxes:
            if row[0] == kind and self.holds(row, day):
                return row[1]
        raise Refused(f"no tax class of {kind} for {day}")

    @staticmethod
    def holds(tax, day):
        """Whether a row of `taxes` holds on the day."""
        return tax[2] <= day and (tax[3] is None or day <= tax[3])

    def class_in(self, event):
        """The tax class of an adjustment, by its month's last day."""
        return ar.Class(event.kind, self.rate(event.kind, cal.last_day(event.month)), event.basis)

    # Orders

    def orders_of(self, contract, term=None, line=None):
        """Its orders that aren't 取消."""
        return [
            order
            for order in self.orders
            if order.contract == contract
            and not order.cancelled
            and term in (None, order.term)
            and (line is None or any(line == part.line for part in order.lines))
        ]

    def set_aside(self, order_id):
        """Its newest document is 取消 and not rebilled."""
        if order_id is None or not self.orders[order_id].frozen:
            return False
        if any(line.order == order_id for document in self.documents if document.counts for line in document.lines):
            return False
        return not any(line.order == order_id for _month, line in self.open_rebilled())

    def open_rebilled(self):
        """Rebilled lines that stand on a 未確定 invoice."""
        bills = [document for document in self.documents if document.kind != "return"]
        done = {(line.replaces, line.key) for document in bills for line in document.lines}
        return [(month, line) for month, line in self.rebilled if (line.replaces, line.key) not in done]

    def ordered(self, contract, term, line):
        """K(line, term), of orders that no longer follow the contract."""
        parts = [part for order in self.orders_of(contract, term) if order.frozen for part in order.lines]
        return sum(part.amount for part in parts if part.line == line)

    # What was billed and given back

    def document(self, number):
        for document in self.documents:
            if document.number == number:
                return document
        raise Refused(f"no fixed document {number}")

    def chain(self, number):
        """Numbers of the document and of all that it replaces."""
        found = [number]
        while self.document(found[-1]).kind == "correction":
            found.append(self.document(found[-1]).corrects)
        return found

    def billed(self, contract, term, line):
        """B(line, term)."""
        return sum(charged.amount for _document, charged in self.billed_lines(contract, term, line))

    def billed_lines(self, contract, term, line):
        return [
            (document, charged)
            for document in self.documents
            if document.counts
            for charged in document.lines
            if (charged.contract, charged.term, charged.line) == (contract, term, line)
        ]

    def returned(self, *what, decided):
        return -sum(
            line.amount
            for document in self.documents
            if (document.kind, document.state) == ("return", "fixed") and (document.decision is not None) == decided
            for line in document.lines
            if (line.contract, line.term, line.line) == what
        )

    def credited(self, *what, source):
        named = [credit for credit in self.credits if credit.source == source]
        return sum(credit.stands for credit in named if (credit.contract, credit.term, credit.line) == what)

    def given_back(self, *what):
        """G(line, term): by a decision."""
        return self.credited(*what, source="decision") + self.returned(*what, decided=True)

    def otherwise_returned(self, *what):
        """X(line, term); a 翌月調整 by hand counts here, for it was no decision about dates."""
        return self.returned(*what, decided=False) + self.credited(*what, source="hand")

    def refused_refunds(self, *what):
        """R(line, term)."""
        found = [decision for decision in self.decisions if decision.how == "refused"]
        return sum(d.amount - d.taken_back for d in found if (d.contract, d.term, d.line) == what)

    def proposals(self):
        """Rule 6, for whatever 解約日 or 課金終了日 has shortened."""
        found = []
        for contract in self.contracts.values():
            for term in self.terms(contract):
                for line in contract.lines.values():
                    what = contract.number, term.sequence, line.name
                    billed = self.billed_lines(*what)
                    if not billed:
                        continue
                    span = self.covered(line, term)
                    if span and span[1] >= max(charged.ends_on for _document, charged in billed):
                        continue
                    left = self.billed(*what) - self.given_back(*what) - self.otherwise_returned(*what)
                    left -= self.refused_refunds(*what) + self.owed(contract, line, term)
                    if left > 0:
                        document, charged = billed[-1]
                        found.append(
                            Proposal(*what, amount=left, cls=charged.cls, number=document.number, key=charged.key)
                        )
        return found

    # Credits

    def still_open(self, credit):
        """Yen of a credit that no fixed document has taken up."""
        lines = [line for document in self.documents if document.counts for line in document.lines]
        return credit.stands + sum(line.amount for line in lines if line.credit == credit.id)

    def balances(self):
        """Class → 調整残高 in yen, behind what the provisional invoices take up."""
        found = {}
        drafted = [line for draft in self.drafts.values() for line in draft.lines]
        for credit in self.credits:
            left = self.still_open(credit) + sum(line.amount for line in drafted if line.credit == credit.id)
            found[credit.cls] = found.get(credit.cls, 0) + left
        return {cls: left for cls, left in found.items() if left}

    def credit_open(self):
        """Classes of which the earliest open month can take up nothing (rule 7)."""
        draft = self.drafts.get(self.earliest_open)
        taken = {line.cls for line in draft.lines if line.credit is not None} if draft else set()
        return sorted(set(self.balances()) - taken)

    # Numbers

    def number(self, month):
        """The next number of a month (D20)."""
        self.given[month] = self.given.get(month, 0) + 1
        return f"{month:%Y-%m}-{self.given[month]}"

    def invoice_number(self, month):
        if month not in self.invoice_numbers:
            self.invoice_numbers[month] = self.number(month)
        return self.invoice_numbers[month]
