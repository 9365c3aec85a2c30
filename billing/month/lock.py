"""The one lock under which months are run: drafting, closing, what follows a change of staff's, and migrations."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import OperationalError, connections
from django.utils.translation import gettext as _

LOCK = 20160501  # any number of our own; one for all months, so that two months can't be closed at once either
WAIT_SECONDS = 3  # for a small run, as the one that follows what staff change, to end
TOO_LONG = "55P03"  # lock_not_available
CheckLock = Callable[[], None]  # raises Lost


class Busy(Exception):
    """Another run is active."""


class Lost(Busy):
    """The lock of month runs is gone in the middle of a run, so another one may have begun."""


@contextmanager
def alone() -> Iterator[CheckLock]:
    """Hold the lock of month runs on a connection of its own, so that a rolled-back batch doesn't lose it.

    Yields a function that raises Lost once that connection is gone. Raises Busy if somebody else holds the lock.
    """
    lock = connections.create_connection("default")
    try:
        with lock.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", [f"{WAIT_SECONDS}s"])
            try:
                cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
            except OperationalError as error:
                if getattr(error.__cause__, "sqlstate", None) != TOO_LONG:
                    raise
                raise Busy(_("別の月次処理が実行中です。終わってからもう一度実行してください。")) from None
        yield lambda: check_held(lock.connection)
    finally:
        lock.close()


def check_held(lock: Any) -> None:
    """`lock` is psycopg's connection itself: batches side by side may ask from any thread."""
    try:
        lock.execute("SELECT 1")
    except psycopg.Error:
        raise Lost(_("月次処理のロックを失ったため停止しました。もう一度実行してください。")) from None
