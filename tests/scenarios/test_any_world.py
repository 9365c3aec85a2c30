"""Any world: customers whose lives are drawn, played by the portal and by the model (tests/oracle), agree after every run.

A small world is in `bin/test`; twenty large ones, for a night: `bin/test -m nightly tests/scenarios/test_any_world.py`. Who
differs is told with the log that led there, played alone.
"""

import pytest
from django.core.management import call_command

from tests.scenarios import world

pytestmark = pytest.mark.django_db(transaction=True)


def play(number, customers):
    vendor, shared, logs = world.draw(number, customers)
    found = world.play(vendor, shared, logs)
    return (
        "".join(story(number, vendor, shared, place, logs[place]) for place in list(found)[:5]),
        len(found),
        len(logs),
    )


def story(number, vendor, shared, place, log):
    """One life alone: what happened, and what the portal makes of it otherwise than the model."""
    call_command("flush", verbosity=0, interactive=False)
    alone = world.play(vendor, shared, [log]).get(0) or ["alone it agrees: another customer has to do with it"]
    events = "\n  ".join(map(str, log))
    return f"\nworld {number}, life {place}\n  {events}\n  " + "\n  ".join(alone) + "\n"


def it_bills_a_world_of_untidy_lives_as_the_model_does():
    told, differ, _all = play(1, customers=8)
    assert differ == 0, told


@pytest.mark.nightly
@pytest.mark.parametrize("number", range(2, 22))
def it_bills_large_worlds_as_the_model_does(number):
    told, differ, lives = play(number, customers=300)
    assert differ == 0, f"{differ} of {lives} lives differ{told}"
