"""The rows of the model: contracts with lines, terms, orders, documents, credits, decisions. Amounts are whole yen."""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from tests.oracle import arithmetic as ar


class Refused(Exception):
    """What was asked isn't done; `count` orders and `yen` where closed months would be charged (rule 5)."""

    def __init__(self, why, count=0, yen=0, names=()):
        super().__init__(why)
        self.why, self.count, self.yen, self.names = why, count, yen, tuple(names)


class Refusal(NamedTuple):
    """A refused event: its place in the log, and what `Refused` said."""

    place: int
    why: str
    count: int
    yen: int
    names: tuple


@dataclass
class Line:
    name: str
    unit_price: Decimal | int
    quantity: Decimal | int
    charge_from: date | None
    charge_to: date | None
    kind: str
    basis: str
    forerunner: str | None = None

    @property
    def amount(self):
        return ar.yen(Fraction(self.quantity) * Fraction(self.unit_price))


@dataclass
class Contract:
    number: str
    service: str
    form: str
    start_on: date
    cancel_on: date | None
    bill_from: date | None
    last_sequence: int | None  # None while it renews by itself
    lines: dict
    made_to: date  # terms and 追加 that begin up to this day exist (rule 1)
    reached: int = 1  # the last term that ever was
    withdrawn: bool = False
    meters: dict = field(default_factory=dict)  # name → prices, each a MeterPriced event
    used: dict = field(default_factory=dict)  # (meter, month) → quantity

    def begins(self, line):
        return max(line.charge_from or self.start_on, self.start_on)


@dataclass(frozen=True)
class Term:
    sequence: int
    starts_on: date
    ends_on: date
    marked: bool = False  # billed, but behind the 解約日


class OrderLine(NamedTuple):
    line: str
    starts_on: date
    ends_on: date
    quantity: Decimal | int
    unit_price: Decimal | int
    amount: int
    cls: ar.Class


@dataclass
class Order:
    id: int
    contract: str
    term: int
    kind: str  # "new", "renewal" or "addition"
    addition_of: str | None  # the line of a 追加
    month: date  # 対象年月
    ordered_on: date
    lines: tuple
    difference: bool = False  # a 追加 「…（差額）」
    frozen: bool = False  # once on a 確定 document; before that it follows its contract
    cancelled: bool = False

    @property
    def amount(self):
        return sum(line.amount for line in self.lines)


@dataclass(frozen=True)
class DocLine:
    """`key` stays the same through 修正, 返還 and 再請求: it names what is charged, not where."""

    key: tuple
    origin: str
    amount: int
    cls: ar.Class
    starts_on: date
    ends_on: date
    contract: str | None = None
    term: int | None = None
    line: str | None = None
    order: int | None = None
    credit: int | None = None
    prorated: bool = False  # 日割 as it was when the line was first billed
    ordered: int = 0  # yen before any 修正
    replaces: str | None = None  # number of the document whose line this one stands for

    @property
    def charges(self):
        """Order, usage and positive adjustment lines, and what stands for them."""
        return self.origin != "discount" and self.credit is None


@dataclass
class Document:
    number: str
    kind: str  # "invoice", "correction" or "return"
    state: str  # "draft", "fixed", "replaced" or "void"
    month: date
    lines: list
    rounding: str
    due_on: date | None = None
    fixed_on: date | None = None
    corrects: str | None = None
    discount: int = 0  # the whole 一括値引き that was asked for
    decision: int | None = None  # of a 返還 that decides a proposal
    rebilled: bool = False

    @property
    def totals(self):
        return ar.totals([(line.cls, line.amount) for line in self.lines], self.rounding)

    @property
    def net(self):
        return sum(total.base for total in self.totals)

    @property
    def total(self):
        return sum(total.base + total.tax for total in self.totals)

    @property
    def counts(self):
        """Whether it is the newest of a chain and 確定."""
        return self.state == "fixed" and self.kind != "return"


@dataclass
class Credit:
    id: int
    cls: ar.Class
    amount: int
    day: date
    source: str  # "decision", "hand" or "adjustment"
    number: str | None = None  # the document and line that it names
    key: tuple | None = None
    contract: str | None = None
    term: int | None = None
    line: str | None = None
    countered: int = 0

    @property
    def stands(self):
        return self.amount - self.countered


@dataclass
class Decision:
    how: str
    contract: str
    term: int
    line: str
    amount: int
    credit: int | None = None
    taken_back: int = 0


@dataclass(frozen=True)
class Proposal:
    contract: str
    term: int
    line: str
    amount: int
    cls: ar.Class
    number: str
    key: tuple
