"""Background work on invoices: rendering, its sweep, and bringing bills in step with what staff change."""

from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from billing.documents import rendering
from billing.month import close, lock
from portal import months
from portal.tasks import retry_stalled_jobs


@app.task(name=rendering.TASK, queue=rendering.QUEUE, priority=5)  # before the notices of invoices, after credentials
def render(invoices):
    rendering.render(invoices)


@app.periodic(cron="* * * * *")
@app.task(name="billing.sweep", queue="sweep", queueing_lock="billing.sweep", priority=20)
def sweep(timestamp=0):
    """Every minute: put jobs of dead workers back, and render what they left."""
    retry_stalled_jobs()
    rendering.render_left_over()


@app.task(name="billing.catch_up", queue="render", retry=RetryStrategy(wait=30, retry_exceptions=[lock.Busy]))
def catch_up(numbers, decided=False):
    """Bring these customers' provisional invoices up to date and try again what is parked; None: only what is parked."""
    with lock.alone() as check_lock:
        tried = close.retry_parked(months.today(), numbers, decided, check_lock)
        if numbers or tried:
            close.draft_unclosed_months(months.today(), numbers or tried, check_lock=check_lock)
