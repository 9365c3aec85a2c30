"""Background work that belongs to no app: sending mails, and sweeping up what a dead worker left."""

import time

from asgiref.sync import async_to_sync
from django.conf import settings
from django.utils import timezone
from procrastinate.contrib.django import app

from portal import mail
from portal.models import Mail


@app.task(name="portal.deliver", queue="mail")
def deliver(mail_id):
    mail.deliver(mail_id)
    if settings.MAIL_PER_MINUTE:
        time.sleep(60 / settings.MAIL_PER_MINUTE)


@app.periodic(cron="* * * * *")
@app.task(name="portal.sweep", queue="sweep", queueing_lock="portal.sweep")
def sweep(timestamp=0):
    """Every minute: put jobs of dead workers back, and send what is due (procrastinate does neither by itself)."""
    retry_stalled_jobs()
    send_due()


def retry_stalled_jobs():
    for job in async_to_sync(app.job_manager.get_stalled_jobs)(seconds_since_heartbeat=30):
        async_to_sync(app.job_manager.retry_job)(job)


def send_due(limit=500):
    """Send up to `limit` mails that are due, oldest first. Returns how many were tried."""
    open_states = [Mail.State.WAITING, Mail.State.SENDING]
    due = Mail.objects.filter(state__in=open_states, due_at__lte=timezone.now()).order_by("due_at")
    ids = list(due.values_list("pk", flat=True)[:limit])
    for mail_id in ids:
        deliver.func(mail_id)
    return len(ids)
