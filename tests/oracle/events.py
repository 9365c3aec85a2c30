"""The log of a customer's life: what people and runs do, each on a day, in the order in which they do it."""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal


@dataclass(frozen=True)
class Vendor:
    """Settings as they are when the log begins; tax classes are (kind, rate, first day)."""

    first_month: date  # 運用開始年月
    rounding: str = "down"
    prorated: tuple = ()  # services with 日割
    taxes: tuple = (
        ("standard", Decimal("0.10"), date(2019, 10, 1)),
        ("reduced", Decimal("0.08"), date(2019, 10, 1)),
        ("exempt", Decimal(0), date(1989, 4, 1)),
        ("outside", Decimal(0), date(1989, 4, 1)),
    )
    payment_months: int = 1
    due_shift: str = "next"


@dataclass(frozen=True)
class NewLine:
    name: str
    unit_price: Decimal | int
    quantity: Decimal | int = 1
    charge_from: date | None = None
    charge_to: date | None = None
    kind: str = "standard"
    basis: str = "exclusive"


@dataclass(frozen=True)
class Event:
    day: date


@dataclass(frozen=True)
class Registered(Event):
    """A contract is saved for the first time."""

    contract: str
    start_on: date
    lines: tuple
    form: str = "monthly"
    service: str = "cloud"
    auto_renew: bool = True
    cancel_on: date | None = None
    bill_from: date | None = None
    tick: bool = False  # 過去分も請求する
    unjudged: bool = False  # written by a file or SQL, past the form's questions


@dataclass(frozen=True)
class Saved(Event):
    """A contract is saved with one change or several, all of them or none."""

    contract: str
    changes: tuple
    tick: bool = False
    unjudged: bool = False


@dataclass(frozen=True)
class AddLine:
    line: NewLine


@dataclass(frozen=True)
class ChangeLine:
    """New price, quantity or tax of a line; `apply` is now, next or from:YYYY-MM, `copy` the name of the copy, if any."""

    name: str
    apply: str = "now"
    unit_price: Decimal | int | None = None
    quantity: Decimal | int | None = None
    kind: str | None = None
    basis: str | None = None
    copy: str | None = None


@dataclass(frozen=True)
class MoveStart:
    name: str
    charge_from: date | None


@dataclass(frozen=True)
class MoveEnd:
    name: str
    charge_to: date | None


@dataclass(frozen=True)
class DeleteLine:
    name: str


@dataclass(frozen=True)
class Cancel:
    """解約日 set, moved, or taken back (None)."""

    on: date | None


@dataclass(frozen=True)
class BillFrom:
    """請求開始年月 set, moved, or emptied (None)."""

    month: date | None


@dataclass(frozen=True)
class Renew:
    """自動更新 switched."""

    on: bool


@dataclass(frozen=True)
class Withdrawn(Event):
    """契約を取り消す (D26)."""

    contract: str


@dataclass(frozen=True)
class MeterPriced(Event):
    """A meter's prices from a month on (None = from always); `tiers` are (above, unit price)."""

    contract: str
    meter: str
    unit_price: Decimal | int
    free: Decimal | int = 0
    tiers: tuple = ()
    since: date | None = None
    kind: str = "standard"
    basis: str = "exclusive"


@dataclass(frozen=True)
class Used(Event):
    """A usage file gives a meter's quantity of a month, or another one than before."""

    contract: str
    meter: str
    month: date
    quantity: Decimal | int


@dataclass(frozen=True)
class TaxEntered(Event):
    """新しい税率 (D34)."""

    kind: str
    rate: Decimal
    since: date


@dataclass(frozen=True)
class RoundingChanged(Event):
    rounding: str


@dataclass(frozen=True)
class ProrationChanged(Event):
    service: str
    on: bool


@dataclass(frozen=True)
class Decided(Event):
    """A person decides on a proposal: "credit" (翌月調整), "return" (返還) or "refused" (no refund)."""

    contract: str
    term: int
    line: str
    how: str


@dataclass(frozen=True)
class TakenBack(Event):
    """A decision is taken back by a counter-entry; decisions are counted from 0."""

    decision: int


@dataclass(frozen=True)
class Credited(Event):
    """翌月調整 by hand for a document's line (`key` as in the state), in yen of the line's basis."""

    number: str
    key: tuple
    amount: int


@dataclass(frozen=True)
class Adjusted(Event):
    """An adjustment by staff: positive on the month's provisional invoice, negative as a credit (D28)."""

    month: date
    amount: int
    kind: str = "standard"
    basis: str = "exclusive"


@dataclass(frozen=True)
class Discounted(Event):
    """一括値引き of `amount` yen (positive) on the month's provisional invoice."""

    month: date
    amount: int


@dataclass(frozen=True)
class Ran(Event):
    """`open_month` of the running month."""


@dataclass(frozen=True)
class Closed(Event):
    """`close_month`; `parks` = something is wrong with this customer. Closing again tries a parked customer again."""

    month: date
    parks: bool = False


@dataclass(frozen=True)
class Corrected(Event):
    """修正: the lines of `amounts` (key → yen) change, the others stay; `from_orders` gives all their orders' amounts."""

    number: str
    amounts: dict = field(default_factory=dict)
    from_orders: bool = False


@dataclass(frozen=True)
class Returned(Event):
    """返還 of `amounts` (key → yen); none = all that can still be returned."""

    number: str
    amounts: dict | None = None


@dataclass(frozen=True)
class Voided(Event):
    """取消, with `--rebill` and `--chain`."""

    number: str
    rebill: bool = False
    chain: bool = False
