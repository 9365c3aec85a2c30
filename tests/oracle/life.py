"""The fold: one event after the other is done whole or refused whole, and then everything unbilled follows."""

from copy import deepcopy

from tests.oracle import bills, contracts, credits, documents, usage
from tests.oracle import calendar as cal
from tests.oracle import events as ev
from tests.oracle.orders import follow
from tests.oracle.records import Refusal, Refused
from tests.oracle.state import Life


def play(vendor, events):
    """The `Life` of one customer after these events. Pure: the same events give the same life."""
    taxes = [[kind, rate, since, None] for kind, rate, since in vendor.taxes]
    life = Life(vendor, vendor.rounding, set(vendor.prorated), taxes)
    for place, event in enumerate(events):
        life = step(life, event, place)
    return life


def step(life, event, place=0):
    """The life after one more event; a refused one leaves it as it was and is remembered in `refusals`."""
    after = deepcopy(life)
    try:
        DO[type(event)](after, event)
        follow(after, event.day)
        bills.build(after)
    except Refused as refused:
        after = deepcopy(life)
        after.refusals.append(Refusal(place, refused.why, refused.count, refused.yen, refused.names))
    return after


def enter_tax(life, event):
    """Rule 12: the class of that day ends the day before, on or after the last day of the last closed month."""
    [former] = [row for row in life.taxes if row[0] == event.kind and life.holds(row, event.since)]
    ends = event.since - cal.DAY
    if life.last_closed and ends < cal.last_day(life.last_closed):
        raise Refused("a closed month used the former class")
    if ends < former[2] or former[1] == event.rate:
        raise Refused("a class begins on that day, or has that rate")
    life.taxes.append([event.kind, event.rate, event.since, former[3]])
    former[3] = ends


def change_rounding(life, event):
    life.rounding = event.rounding


def change_proration(life, event):
    (life.prorated.add if event.on else life.prorated.discard)(event.service)


DO = {
    ev.Registered: contracts.register,
    ev.Saved: contracts.save,
    ev.Withdrawn: contracts.withdraw,
    ev.MeterPriced: usage.price,
    ev.Used: usage.use,
    ev.TaxEntered: enter_tax,
    ev.RoundingChanged: change_rounding,
    ev.ProrationChanged: change_proration,
    ev.Decided: credits.decide,
    ev.TakenBack: credits.take_back,
    ev.Credited: credits.credit_by_hand,
    ev.Adjusted: credits.adjust,
    ev.Discounted: credits.discount,
    ev.Ran: bills.run,
    ev.Closed: bills.close,
    ev.Corrected: documents.correct,
    ev.Returned: documents.give_back,
    ev.Voided: documents.void,
}
