"""Background work that belongs to no app: sending mails, and sweeping up what a dead worker left."""

import logging
from contextlib import suppress
from datetime import timedelta
from itertools import islice

from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Case, When
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.exceptions import ConnectorException, UniqueViolation
from procrastinate.jobs import Status

from portal import installation, mail
from portal.models import Mail

logger = logging.getLogger(__name__)
AT_ONCE = 500  # jobs, or mails, of one go
FOR_STAFF = 7  # the priority of what staff wait for: ahead of 100,000 renderings, after credentials


@app.task(name="portal.deliver", queue="mail")
def deliver(mail_id):
    mail.deliver(mail_id)


@app.periodic(cron="* * * * *")
@app.task(name="portal.sweep", queue="sweep", queueing_lock="portal.sweep", priority=20)
def sweep(timestamp=0):
    """Every minute: put jobs of dead workers back, and give a new job to what is due without one (a try that failed).

    Each mail stays a job of its own: while a slow server takes them one by one, what is urgent goes in between. With a
    pace this is where notices get their jobs, so many a minute, whatever the number of workers.
    """
    retry_stalled_jobs()
    if installation.at_home():
        for each in without_job(due()):
            mail.give_job(each)
    forget_failed("portal.deliver", lambda mail_id: not Mail.objects.filter(pk=mail_id, state__in=mail.OPEN).exists())
    forget_failed("portal.sweep")


def due():
    """Mails whose time has come: those about credentials first, then the oldest."""
    notice = Case(When(kind__in=mail.TO_RECIPIENT, then=1), default=0)
    return Mail.objects.filter(state__in=mail.OPEN, due_at__lte=timezone.now()).order_by(notice, "due_at")


def without_job(mails):
    """Those of the mails that no job will send, as many as may go. Python compares: the planner errs on tables that grow fast."""
    jobs = ProcrastinateJob.objects.filter(task_name="portal.deliver", status__in=["todo", "doing"])
    queued = {arguments["mail_id"] for arguments in jobs.values_list("args", flat=True).iterator()}
    left = (pk for pk in mails.values_list("pk", flat=True).iterator() if pk not in queued)
    return mails.filter(pk__in=list(islice(left, room(queued))))


def room(queued=()):
    """How many mails may go now: what the last minute and the queue leave of the pace, or as many as one go takes."""
    if not settings.MAIL_PER_MINUTE:
        return AT_ONCE
    sent = Mail.objects.filter(sent_at__gt=timezone.now() - timedelta(minutes=1)).count()
    return max(0, settings.MAIL_PER_MINUTE - sent - len(queued))


def retry_stalled_jobs(silent_seconds=30):
    """Jobs of workers that gave no sign of life for so long wait again; one that can't holds up none of the others."""
    for job in async_to_sync(app.job_manager.get_stalled_jobs)(seconds_since_heartbeat=silent_seconds):
        try:
            with transaction.atomic():
                async_to_sync(app.job_manager.retry_job)(job)
        except UniqueViolation:  # a sweep, and the next one waits already
            with suppress(ConnectorException), transaction.atomic():
                async_to_sync(app.job_manager.finish_job)(job, Status.SUCCEEDED, delete_job=True)
        except ConnectorException:  # somebody else was first
            logger.warning("job %s can't be put back", job.id, exc_info=True)


def forget_failed(task_name, done=lambda **arguments: True):
    """Failed jobs of the task go once their work is done, which `done` says of the arguments of each."""
    failed = ProcrastinateJob.objects.filter(task_name=task_name, status="failed").values_list("pk", "args")
    over = [pk for pk, arguments in failed if done(**arguments)]
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs WHERE status = 'failed' AND id = ANY(%s)", [over])


def send_due():
    """Send mails that are due, as many as may go now. Returns how many were tried."""
    ids = list(due().values_list("pk", flat=True)[: room()])
    for mail_id in ids:
        deliver.func(mail_id)
    return len(ids)
