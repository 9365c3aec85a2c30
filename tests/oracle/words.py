"""Short words to write a life of 2026 with, and to read what became of it. Days are "04-20", months "04"."""

from datetime import date
from decimal import Decimal

from tests.oracle import calendar as cal
from tests.oracle import events as ev
from tests.oracle import play as play_log
from tests.oracle.arithmetic import Class


def day(text):
    """The day "04-20" is in 2026; other years are written out."""
    return date.fromisoformat(text if len(text) == 10 else f"2026-{text}")


def month(text):
    return day(f"{text}-01")


def line(name, price, start=None, end=None, **more):
    return ev.NewLine(name, price, charge_from=start and day(start), charge_to=end and day(end), **more)


def registered(on, start, *lines, contract="K1", **more):
    dates = {name: day(more.pop(name)) for name in ("cancel_on", "bill_from") if name in more}
    return ev.Registered(day(on), contract, day(start), lines, **dates, **more)


def saved(on, *changes, contract="K1", **more):
    return ev.Saved(day(on), contract, changes, **more)


def cancelled(on, last_day, *changes, **more):
    return saved(on, ev.Cancel(last_day and day(last_day)), *changes, **more)


def ran(on):
    return ev.Ran(day(on))


def closed(text, on=None, **more):
    """The close of a month, on the 8th of the next one unless said."""
    return ev.Closed(day(on) if on else cal.later(month(text), 1).replace(day=8), month(text), **more)


def prorated(first="04"):
    return ev.Vendor(month(first), prorated=("cloud",))


def play(*events, vendor=None):
    return play_log(vendor or ev.Vendor(month("04")), events)


def orders(life, contract="K1"):
    """(注文区分, 対象年月, yen) of orders that aren't 取消, in the order in which they were made."""
    return [(order.kind, f"{order.month:%m}", order.amount) for order in life.orders_of(contract)]


def document(life, text):
    """The newest document of a month that charges, 未確定 or 確定; None if there is none."""
    if month(text) in life.drafts:
        return life.drafts[month(text)]
    found = [one for one in life.documents if one.month == month(text) and one.counts]
    return found[-1] if found else None


def yen(life, text):
    """Yen of the lines of the month's document, the largest first."""
    found = document(life, text)
    return sorted((line.amount for line in found.lines), reverse=True) if found else []


def proposals(life):
    """(term, line, yen)."""
    return [(proposal.term, proposal.line, proposal.amount) for proposal in life.proposals()]


def refusal(life):
    """Orders and yen that the last event would have charged of closed months."""
    return life.refusals[-1].count, life.refusals[-1].yen


# What most of the examples begin with: the class at 10 %, a line of 10,000 yen a month, its contract and a yearly one.
TEN = Class("standard", Decimal("0.10"), "exclusive")
BASIC = line("basic", 10000)
APRIL = registered("04-01", "04-01", BASIC)
YEAR = registered("04-01", "04-01", line("year", 36000), form="yearly")
