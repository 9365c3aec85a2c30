"""One row of every model of staff's desk, for tests that walk them all."""

import pytest
import time_machine

from tests.screens import desk


@pytest.fixture
def desk_world(db):
    """The cast by name, and a row of every model by its label."""
    return desk.people_and_rows()


@pytest.fixture
def every_row(desk_world):
    """One row of every model, in May: every save follows the contracts up to its day."""
    with time_machine.travel(desk.NOW):
        yield {label: desk_world[label] for label in desk.ADMINS}
