"""Batches of customers: one transaction each, some side by side, halved until the one bad customer stands alone."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection, transaction
from django.utils.translation import gettext as _

from portal.numbers import reserving_apart

T = TypeVar("T")

CUSTOMERS_A_BATCH = 2000
LOCK_SECONDS = 10  # how long whoever holds a customer's row is waited for
DEADLOCK_SECONDS = 0.2  # for the other side to take what it waits for, before it is tried again
DEADLOCK, LOCK_TIMEOUT, OUT_OF_RANGE = "40P01", "55P03", "22003"
SERVER_TROUBLE = ("53", "58")  # classes of SQLSTATE: disk or memory is full, the system failed


def split(customers: list[int]) -> list[list[int]]:
    return [customers[start : start + CUSTOMERS_A_BATCH] for start in range(0, len(customers), CUSTOMERS_A_BATCH)]


def attempt(
    batch: list[int], act: Callable[[list[int]], T], give_up: Callable[[list[int], str], Any], tries: int = 3
) -> list[T]:
    """`act` on the batch in one transaction; if it fails, on its halves, down to the one customer for `give_up(batch, reason)`.

    Returns what `act` returned for each part that went through. A deadlock is nobody's fault and is tried again; a full
    disk isn't the customers' either, and ends the run.
    """
    try:
        with transaction.atomic():
            done = act(batch)
            connection.check_constraints()
    except (ValidationError, DatabaseError, ValueError, ArithmeticError, LookupError) as error:
        state = getattr(error.__cause__, "sqlstate", None) or ""
        if isinstance(error, DatabaseError) and (state[:2] in SERVER_TROUBLE or not connection.is_usable()):
            raise
        if state == DEADLOCK and tries > 1:
            time.sleep(DEADLOCK_SECONDS)
            return attempt(batch, act, give_up, tries - 1)
        if len(batch) > 1:
            middle = len(batch) // 2
            return attempt(batch[:middle], act, give_up) + attempt(batch[middle:], act, give_up)
        give_up(batch, reason(error, state))
        return []
    return [done]


def reason(error: Exception, state: str) -> str:
    """Why a customer's month failed, as one line for whoever looks after it; `state` is the database's SQLSTATE."""
    if isinstance(error, ValidationError):
        return " ".join(error.messages)
    if state == OUT_OF_RANGE:
        return _("金額または数量が大きすぎて計算できません。契約明細と使用量を確認してください。")
    if state == LOCK_TIMEOUT:
        return _("ほかの処理がこのお客様のデータを使用中です。終わってからもう一度実行してください。")
    kind = _("データベースのエラーです") if isinstance(error, DatabaseError) else _("プログラムのエラーです")
    return f"{kind}: {' '.join(str(error).splitlines()[:1]) or type(error).__name__}"


def limit_waiting() -> None:
    """For the transaction: give up on a row that somebody holds for too long."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{LOCK_SECONDS * 1000:.0f}"])


def plan_for_a_batch() -> None:
    """For the transaction: what a batch reads lies together and in memory, and is too little for compilers and more processes."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('random_page_cost', '1.1', true), set_config('jit', 'off', true),"
            " set_config('max_parallel_workers_per_gather', '0', true)"
        )


def side_by_side(batches: Sequence[list[int]], jobs: int, act: Callable[[list[int]], Any]) -> Iterator[int]:
    """Do `act` with each batch, `jobs` at a time on a connection each. Yields the size of each that is through."""
    if jobs == 1:
        for batch in batches:
            act(batch)
            yield len(batch)
        return

    waiting: SimpleQueue[list[int]] = SimpleQueue()
    through: SimpleQueue[int] = SimpleQueue()  # sizes; 0 when a thread has ended
    for batch in batches:
        waiting.put(batch)

    def work_off() -> None:
        """Batch after batch on one connection: each new one would plan every statement and every check of keys anew."""
        try:
            with reserving_apart():
                while batch := next_of(waiting):
                    act(batch)
                    through.put(len(batch))
        except BaseException:  # what others are at ends, what waits doesn't begin
            empty(waiting)
            raise
        finally:
            connection.close()
            through.put(0)

    with ThreadPoolExecutor(jobs) as pool:
        threads = [pool.submit(work_off) for _thread in range(jobs)]
        try:
            for _thread in threads:
                yield from iter(through.get, 0)
        finally:  # also if stopped
            empty(waiting)
        for thread in threads:
            thread.result()


def next_of(waiting: SimpleQueue[list[int]]) -> list[int]:
    """The next batch; an empty one if there is none."""
    try:
        return waiting.get_nowait()
    except Empty:
        return []


def empty(waiting: SimpleQueue[list[int]]) -> None:
    while next_of(waiting):
        pass
