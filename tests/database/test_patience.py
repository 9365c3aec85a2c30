"""How long the web waits for a server that says nothing, and that an export waits longer."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError, connection, transaction

from portal.db.base import limit
from portal.db.rls import patient

SILENCE, LONGER = 0.3, 0.9  # seconds


def sleep():
    """A statement during which the server sends nothing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [LONGER])


def export():
    with patient(5):
        sleep()


def fail_in_an_export():
    with pytest.raises(LookupError), patient(5):
        raise LookupError


def then_a_page(before):
    """Whether that was through when the page was given up; in a thread, whose connection is its own."""
    through = False
    try:
        connection.ensure_connection()
        limit(connection.connection, SILENCE)
        with pytest.raises(OperationalError, match="timeout"), transaction.atomic():
            before()
            through = True
            sleep()
    finally:
        connection.close()
    return through


@pytest.mark.parametrize("before", [export, fail_in_an_export])
def it_outlasts_the_silence_while_an_export_runs_and_no_longer(before, db):
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(then_a_page, before).result()
