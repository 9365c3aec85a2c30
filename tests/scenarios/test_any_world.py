"""Any world: customers whose lives are drawn, played by the portal and by the model (tests/oracle), agree after every run.

A small world is in `bin/test`; twenty large ones, for a night: `bin/test -m nightly tests/scenarios/test_any_world.py`
(`CUSTOMERS=60` makes them smaller). Who differs is told by world and place, with the log that leads there, played alone and made
as short as it can be; `LIFE=3:17 bin/test -m nightly tests/scenarios/test_any_world.py -k alone` plays one again.
"""

import os

import pytest

from tests.scenarios import world

pytestmark = pytest.mark.django_db(transaction=True)
CUSTOMERS = int(os.environ.get("CUSTOMERS", 300))


def it_bills_a_world_of_untidy_lives_as_the_model_does():
    found = world.play(*world.draw(1, customers=2))
    assert not found, "".join(world.story(1, place) for place in found)


@pytest.mark.nightly
@pytest.mark.parametrize("number", range(2, 22))
def it_bills_large_worlds_as_the_model_does(number):
    found = world.play(*world.draw(number, CUSTOMERS), look=True)
    told = "".join(world.story(number, place, look=True) for place in list(found)[:3])
    assert not found, f"{len(found)} of {CUSTOMERS} lives differ: {found}{told}"


@pytest.mark.nightly
@pytest.mark.parametrize("life", os.environ.get("LIFE", "").split())
def it_bills_the_life_alone_as_the_model_does(life):
    number, place = map(int, life.split(":"))
    vendor, shared = world.frame_of(number)
    assert not world.alone(vendor, shared, world.log_of(number, place), look=True), world.story(
        number, place, look=True
    )
