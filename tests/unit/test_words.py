"""Words that stand in two places, because the lower app knows nothing of the upper: both must mean the same."""

from billing.models import State
from orders.models import BILLED


def it_calls_an_order_billed_in_every_state_but_the_draft():
    assert set(BILLED) == set(State) - {State.DRAFT}
