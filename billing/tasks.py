"""Background work on invoices: rendering, its sweep, and bringing bills in step with what staff change.

A job's `request` names what caused it; the worker goes on under that id (portal/trace.py).
"""

from datetime import date

from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from accounts.models import User
from billing import reminders, tally
from billing.documents import rendering
from billing.models import Invoice
from billing.month import catching_up, checked, lock
from billing.uploads import services as uploads
from portal import months
from portal.tasks import forget_failed, retry_stalled_jobs


@app.task(name=rendering.TASK, queue=rendering.QUEUE, priority=5)  # before the notices of invoices, after credentials
def render(invoices, request=""):
    rendering.render(invoices)


@app.periodic(cron="* * * * *")
@app.task(name="billing.sweep", queue="sweep", queueing_lock="billing.sweep", priority=20)
def sweep(timestamp=0):
    """Every minute: put jobs of dead workers back, and render of the newest documents, or take in, what they left."""
    retry_stalled_jobs()
    rendering.render_left_over(after=Invoice.objects.newest_after())
    forget_failed_renderings()
    uploads.defer_left_over()
    forget_failed("billing.sweep")


@app.periodic(cron="43 * * * *")
@app.task(name="billing.sweep_all", queue="sweep", queueing_lock="billing.sweep_all", priority=20)
def sweep_all(timestamp=0):
    """Every hour: render what was left of any document; to look for it all of them are read."""
    rendering.render_left_over()
    forget_failed("billing.sweep_all")


@app.periodic(cron="13 * * * *")
@app.task(name="billing.count_closed", queue="sweep", queueing_lock="billing.count_closed", priority=20)
def count_closed(timestamp=0):
    """Every hour: count the closed months of staff's board anew."""
    tally.count_closed(months.today())
    forget_failed("billing.count_closed")


@app.periodic(cron="0 0 * * *")  # in UTC: at 9 in Japan, when offices open
@app.task(name="billing.remind", queue="sweep", queueing_lock="billing.remind")
def remind(timestamp=0):
    """Every day: remind of payments that are due, if the vendor wants it."""
    reminders.queue_due(months.today())


def forget_failed_renderings():
    """A job that died is no news any more once each of its invoices has its PDF, or waits for somebody to look."""
    forget_failed(
        rendering.TASK, lambda invoices, **_ignored: not Invoice.objects.renderable().filter(pk__in=invoices).exists()
    )


@app.task(name=catching_up.TASK, queue=catching_up.QUEUE, retry=RetryStrategy(wait=30, retry_exceptions=[lock.Busy]))
def catch_up(numbers, decided=False, request=""):
    catching_up.work(numbers, decided)


@app.task(name=checked.TASK, queue=checked.QUEUE)
def check_month(month, by=None, request=""):
    """点検 of a month for whoever of the staff asked; one that couldn't be ended is kept with the reason, which their page tells."""
    checked.work(date.fromisoformat(month), today=months.today(), by=User.objects.filter(pk=by).first())
    forget_failed(checked.TASK, lambda **earlier: earlier["month"] == month)


@app.task(name=uploads.TASK, queue=uploads.QUEUE, retry=RetryStrategy(wait=5, retry_exceptions=[lock.Busy]))
def take_upload(upload, request=""):
    """Try out, or take in, a file that staff sent, while no other run is active."""
    with lock.alone() as check_lock:
        uploads.work(upload, check_lock)
    forget_failed(uploads.TASK)


@app.periodic(cron="27 19 * * *")  # in UTC: at 4:27 in Japan, when few are about
@app.task(name="billing.forget_uploads", queue="sweep", queueing_lock="billing.forget_uploads")
def forget_uploads(timestamp=0):
    """Every day: clear files that nobody has taken in for long."""
    uploads.forget_old()
