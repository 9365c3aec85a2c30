"""Catching up: a job brings bills in step with what staff or their files changed, and tries again what is parked."""

from typing import Any

from procrastinate.contrib.django import app

from billing.month import close, lock
from billing.month.close import Numbers
from orders.models import Pending
from portal import months, trace
from portal.tasks import FOR_STAFF, forget_failed

TASK, QUEUE = "billing.catch_up", "render"


def defer(numbers: Numbers, *, decided: bool = False) -> None:
    """Have a worker catch up (see `work`), in the caller's transaction; it starts when that commits."""
    given: Any = numbers
    app.configure_task(TASK, queue=QUEUE, priority=FOR_STAFF).defer(numbers=given, decided=decided, **trace.for_job())


def work(numbers: Numbers, decided: bool = False) -> None:
    """Bring the drafts of the customers with these numbers up to date and try again what is parked; None: only what is parked.

    Whoever's orders have yet to follow a change of tax classes or settings (D34) is brought up to date with them, in
    batches as in every run. `decided`: a person said that also what waits for a decision (D9) be tried. Raises lock.Busy.
    """
    today = months.today()
    with lock.alone() as check_lock:
        tried = close.retry_parked(today, numbers, decided, check_lock)
        pending = Pending.objects.values_list("customer__number", flat=True)
        if concerned := sorted({*(numbers or tried), *pending}):
            close.draft_unclosed_months(today, concerned, check_lock=check_lock)
    forget_failed(TASK, lambda **earlier: covers(numbers, decided, earlier))


def covers(numbers: Numbers, decided: bool, earlier: dict[str, Any]) -> bool:
    """Whether catching up with these customers did what an `earlier` job was for; its arguments are those of `work`."""
    same = numbers is None if earlier["numbers"] is None else set(earlier["numbers"]) <= set(numbers or ())
    return same and decided >= earlier.get("decided", False)
