"""Lives drawn by Hypothesis: a customer's months with everything that people do, also what is refused."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from hypothesis import strategies as st

from tests.oracle import calendar as cal
from tests.oracle import events as ev
from tests.oracle.life import play, step

FIRST = date(2026, 4, 1)
RATES = ("0.05", "0.12", "0.15")


@st.composite
def vendors(draw):
    prorated = draw(st.sampled_from([(), ("cloud",), ("cloud", "line")]))
    shift = draw(st.sampled_from(["next", "previous", "none"]))
    return ev.Vendor(
        FIRST, draw(st.sampled_from(["down", "half_up", "up"])), prorated, payment_months=draw(st.sampled_from([1, 1, 2])),
        due_shift=shift,
    )  # fmt: skip


@st.composite
def frames(draw, months=14):
    """(vendor, events) that all customers of a world share: daily runs, closes, tax classes and other settings."""
    vendor, log, waiting = draw(vendors()), [], []
    for place in range(months + 1):
        month = cal.later(FIRST, place)
        found = [ev.Ran(month)]
        if place:
            waiting.append(cal.later(month, -1))
        if place == months or not draw(seldom):  # now and then a close is a month late
            days = sorted(draw(st.lists(st.integers(2, 12), min_size=len(waiting), max_size=len(waiting))))
            found += [ev.Closed(month.replace(day=day), each) for day, each in zip(days, waiting, strict=True)]
            waiting = []
        if draw(seldom):
            found.append(setting(draw, month.replace(day=draw(st.integers(2, 27)))))
        if draw(st.booleans()):
            found.append(ev.Ran(month.replace(day=draw(st.integers(2, 28)))))
        log += sorted(found, key=lambda event: event.day)
    return vendor, log


@st.composite
def lives(draw, frame=None, months=14, busy=2, makers=None):
    """(vendor, events) of one customer, up to `busy` own events between two events of a frame (one of its own, if none).

    `makers` draw the events; without them all kinds are drawn.
    """
    vendor, shared = frame or draw(frames(months))
    life, log = play(vendor, []), []

    def happens(event):
        nonlocal life
        if event is not None:
            life = step(life, event, len(log))
            log.append(event)

    happens(registration(draw, life, FIRST))
    for event, following in zip(shared, [*shared[1:], None], strict=True):
        happens(replace(event, parks=draw(seldom)) if isinstance(event, ev.Closed) else event)
        if following is None:
            break
        same_month = following.day.month == event.day.month
        until = following.day.day if same_month else 28
        for number in sorted(draw(st.integers(event.day.day, until)) for _ in range(draw(st.integers(0, busy)))):
            happens(draw(st.sampled_from(makers or MAKERS))(draw, life, event.day.replace(day=number)))
        if same_month:
            continue
        for parked in sorted(life.parked) if draw(st.booleans()) else ():
            happens(ev.Closed(event.day.replace(day=28), parked))
    return vendor, log


def registration(draw, life, on):
    if len(life.contracts) > 2:
        return None
    start = on + timedelta(days=draw(st.integers(-70, 40)))
    return ev.Registered(
        on,
        f"K{len(life.contracts) + 1}",
        start,
        tuple(first_line(draw, f"L{place}", start) for place in range(draw(st.integers(1, 3)))),
        form=draw(st.sampled_from(["monthly", "monthly", "yearly", "once"])),
        service=draw(st.sampled_from(["cloud", "line"])),
        auto_renew=not draw(seldom),
        cancel_on=start + timedelta(days=draw(st.integers(0, 400))) if draw(seldom) else None,
        bill_from=cal.later(cal.month_of(on), draw(st.integers(-2, 2))) if draw(seldom) else None,
        tick=draw(ticks),
    )


def first_line(draw, name, start):
    begins = start + timedelta(days=draw(st.integers(-5, 60))) if draw(seldom) else None
    ends = (begins or start) + timedelta(days=draw(st.integers(0, 200))) if draw(seldom) else None
    return ev.NewLine(name, draw(prices), draw(quantities), begins, ends, draw(kinds), draw(bases))


seldom = st.sampled_from([False] * 11 + [True])
prices = st.sampled_from([0, 1, 98, 500, 1000, 9800, 10000, 36000, Decimal("333.33"), 1000, 10000, -98])
quantities = st.sampled_from([1, 1, 2, 3, Decimal("0.5")])
kinds = st.sampled_from(["standard", "standard", "standard", "reduced", "reduced", "exempt", "outside"])
bases = st.sampled_from(["exclusive", "exclusive", "exclusive", "inclusive"])
ticks = st.booleans()


def some(draw, found):
    found = list(found)
    return draw(st.sampled_from(found)) if found else None


def a_contract(draw, life):
    return some(draw, [contract for contract in life.contracts.values() if not contract.withdrawn])


def near(draw, on):
    return on + timedelta(days=draw(st.sampled_from([-62, -45, -31, -20, -9, -1, 0, 6, 20, 40])))


def saving(draw, life, on, kinds=None):
    contract = a_contract(draw, life)
    if contract is None:
        return None
    drawn = [draw(st.sampled_from(kinds or CHANGES))(draw, life, contract, on) for _ in range(draw(st.integers(1, 2)))]
    return ev.Saved(on, contract.number, tuple(as_one_form(drawn)), tick=draw(ticks))


def as_one_form(drawn):
    """As one form would send them: one 適用, and each line changed in one way."""
    apply = next((change.apply for change in drawn if isinstance(change, ev.ChangeLine)), None)
    if any(
        isinstance(change, ev.Cancel) for change in drawn
    ):  # 適用 is offered as the 解約日 was when the form was opened
        drawn = [change for change in drawn if not isinstance(change, ev.ChangeLine)]
    named = set()
    # The contract's own fields come first; who switches 自動更新 off and takes the 解約日 back asks for no term more.
    for change in sorted(filter(None, drawn), key=lambda each: (hasattr(each, "name"), not isinstance(each, ev.Renew))):
        name = getattr(change, "name", None) or type(change).__name__
        if name in named:
            continue
        named.add(name)
        yield replace(change, apply=apply) if isinstance(change, ev.ChangeLine) else change


def adding(draw, life, contract, on):
    name = f"L{len(contract.lines)}-{on}"
    start = near(draw, on)
    end = draw(st.none() | st.integers(0, 60).map(lambda days: start + timedelta(days=days)))
    return ev.AddLine(ev.NewLine(name, draw(prices), 1, start, end, draw(kinds), draw(bases)))


def changing(draw, life, contract, on):
    line = some(draw, contract.lines)
    month = cal.later(cal.month_of(on), draw(st.integers(-2, 0)))
    apply = draw(st.sampled_from(["now", "next", f"from:{month:%Y-%m}"]))
    if line is None:
        return None
    former, price, quantity = contract.lines[line], draw(prices), draw(st.none() | quantities)
    kind, basis = (draw(of) if draw(seldom) else None for of in (kinds, bases))
    facts = (former.unit_price, former.quantity, former.kind, former.basis)
    if facts == (price, quantity or former.quantity, kind or former.kind, basis or former.basis):
        return None  # whoever changes nothing asks for nothing
    return ev.ChangeLine(line, apply, unit_price=price, quantity=quantity, kind=kind, basis=basis)


def starting(draw, life, contract, on):
    line = some(draw, contract.lines)
    return line and ev.MoveStart(line, near(draw, on))


def ending(draw, life, contract, on):
    line = some(draw, contract.lines)
    return line and ev.MoveEnd(line, draw(st.none() | st.just(near(draw, on))))


def deleting(draw, life, contract, on):
    line = some(draw, contract.lines)
    return line and ev.DeleteLine(line)


def cancelling(draw, life, contract, on):
    if contract.cancel_on and draw(st.integers(0, 3)):
        return ev.Cancel(None)
    return ev.Cancel(max(near(draw, on), contract.start_on))


def beginning(draw, life, contract, on):
    return ev.BillFrom(draw(st.none() | st.integers(-2, 2).map(lambda n: cal.later(cal.month_of(on), n))))


def renewing(draw, life, contract, on):
    return ev.Renew(draw(st.booleans()))


SHORTENING = [cancelling, cancelling, ending]
CHANGES = [*SHORTENING, adding, adding, changing, changing, changing, starting, deleting, beginning, renewing]


def withdrawing(draw, life, on):
    contract = a_contract(draw, life)
    return contract and ev.Withdrawn(on, contract.number) if draw(st.integers(0, 3)) == 0 else saving(draw, life, on)


def metering(draw, life, on):
    contract = a_contract(draw, life)
    if contract is None:
        return None
    if "meter" in contract.meters and draw(st.integers(0, 3)):
        month = cal.later(cal.month_of(on), draw(st.integers(-2, 0)))
        return ev.Used(on, contract.number, "meter", month, draw(st.sampled_from([0, 10, 100, Decimal("120.5")])))
    price = draw(st.sampled_from([1, 3, 9, Decimal("0.25")]))
    free, tiers = draw(st.sampled_from([0, 50, 150])), draw(st.sampled_from([(), ((100, 2),), ((20, 5), (100, 1))]))
    if former := contract.meters.get("meter"):
        since = cal.later(cal.month_of(on), draw(st.integers(-2, 1)))
        kind, basis = former[0].kind, former[0].basis
    else:
        since, kind, basis = None, draw(kinds), draw(bases)
    return ev.MeterPriced(on, contract.number, "meter", price, free, tiers, since, kind, basis)


def setting(draw, on):
    return draw(
        st.sampled_from(
            [
                ev.TaxEntered(on, "standard", Decimal(draw(st.sampled_from(RATES))), near(draw, on)),
                ev.RoundingChanged(on, draw(st.sampled_from(["down", "half_up", "up"]))),
                ev.ProrationChanged(on, "cloud", draw(st.booleans())),
            ]
        )
    )


def deciding(draw, life, on):
    proposal = some(draw, life.proposals())
    if proposal is None:
        return saving(draw, life, on, SHORTENING)
    how = draw(st.sampled_from(["credit", "credit", "return", "refused"]))
    return ev.Decided(on, proposal.contract, proposal.term, proposal.line, how)


def taking_back(draw, life, on):
    place = some(draw, range(len(life.decisions)))
    return saving(draw, life, on) if place is None else ev.TakenBack(on, place)


def adjusting(draw, life, on):
    month, amount = life.earliest_open, draw(st.sampled_from([100, 3000, 20000]))
    if month not in life.drafts or draw(st.booleans()):
        return ev.Adjusted(on, month, draw(st.sampled_from([1, -1])) * amount, draw(kinds), draw(bases))
    return ev.Discounted(on, month, amount)


def mending(draw, life, on):
    """修正, 返還, 取消 or a 翌月調整 by hand of a fixed document."""
    document = some(draw, life.documents)
    if document is None:
        return None
    lines = [line for line in document.lines if line.charges]
    line = some(draw, lines)
    part = abs(line.amount) // draw(st.integers(1, 3)) if line else 0
    choices = [
        ev.Voided(on, document.number, rebill=draw(st.booleans()), chain=draw(st.booleans())),
        ev.Returned(on, document.number, {line.key: part} if line and draw(st.booleans()) else None),
    ]
    if line:
        choices += [
            ev.Corrected(on, document.number, {line.key: part}, from_orders=draw(seldom)),
            ev.Credited(on, document.number, line.key, part),
        ]
    return draw(st.sampled_from(choices))


MAKERS = [
    saving, saving, saving, deciding, deciding, deciding, deciding, mending, mending, adjusting, registration, metering, metering,
 taking_back, withdrawing,
]  # fmt: skip
