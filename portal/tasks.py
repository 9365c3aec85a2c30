"""Background work that belongs to no app: sending mails, and sweeping up what a dead worker left."""

from asgiref.sync import async_to_sync
from django.conf import settings
from django.db.models import BigIntegerField
from django.db.models.fields.json import KT
from django.db.models.functions import Cast
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from portal import mail
from portal.models import Mail

A_MINUTE = 500  # mails that a sweep takes without a pace, for most were sent by tasks of their own
LOCK = 20160502  # any number of our own


@app.task(name="portal.deliver", queue="mail")
def deliver(mail_id):
    mail.deliver(mail_id)


@app.periodic(cron="* * * * *")
@app.task(name="portal.sweep", queue="sweep", queueing_lock="portal.sweep", priority=20)
def sweep(timestamp=0):
    """Every minute: put jobs of dead workers back, and give a new job to what is due without one (a try that failed).

    Each mail stays a job of its own: while a slow server takes them one by one, what is urgent goes in between.
    """
    retry_stalled_jobs()
    for each in without_job(Mail.objects.filter(state__in=mail.OPEN, due_at__lte=timezone.now()))[:500]:
        mail.defer(each)


def without_job(mails):
    jobs = ProcrastinateJob.objects.filter(task_name="portal.deliver", status__in=["todo", "doing"])
    return mails.exclude(pk__in=jobs.values(mail_id=Cast(KT("args__mail_id"), BigIntegerField()))).order_by("due_at")


def retry_stalled_jobs():
    for job in async_to_sync(app.job_manager.get_stalled_jobs)(seconds_since_heartbeat=30):
        async_to_sync(app.job_manager.retry_job)(job)


def send_due(limit=500):
    """Send up to `limit` mails that are due, oldest first. Returns how many were tried."""
    due = Mail.objects.filter(state__in=mail.OPEN, due_at__lte=timezone.now()).order_by("due_at")
    ids = list(due.values_list("pk", flat=True)[:limit])
    for mail_id in ids:
        deliver.func(mail_id)
    return len(ids)
