"""Batches of customers: one transaction each, some side by side, halved until the one bad customer stands alone."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection, transaction
from django.utils.translation import gettext as _

from portal.numbers import reserving_apart

T = TypeVar("T")

CUSTOMERS_A_BATCH = 2000
LOCK_SECONDS = 10  # how long whoever holds a customer's row is waited for
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

    def apart(batch: list[int]) -> int:
        try:
            with reserving_apart():
                act(batch)
        finally:
            connection.close()
        return len(batch)

    with ThreadPoolExecutor(jobs) as pool:
        try:
            for future in as_completed([pool.submit(apart, batch) for batch in batches]):
                yield future.result()
        except BaseException:  # stopped: what runs ends, what waits doesn't begin
            pool.shutdown(cancel_futures=True)
            raise
