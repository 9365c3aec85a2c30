"""Background work that belongs to no app: sending mails, and sweeping up what a dead worker left."""

from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import connection
from django.db.models import Case, When
from django.utils import timezone
from procrastinate.contrib.django import app

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
    """Every minute: put jobs of dead workers back, and send what is due (procrastinate does neither by itself)."""
    retry_stalled_jobs()
    send_due()


def retry_stalled_jobs():
    for job in async_to_sync(app.job_manager.get_stalled_jobs)(seconds_since_heartbeat=30):
        async_to_sync(app.job_manager.retry_job)(job)


def send_due(limit=None):
    """Send mails that are due, those about credentials first, then the oldest. Returns how many were tried.

    At most `limit`, or what MAIL_PER_MINUTE allows: one process at a time does this, once a minute.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            return 0
        try:
            due = Mail.objects.filter(
                state__in=[Mail.State.WAITING, Mail.State.SENDING], due_at__lte=timezone.now()
            ).order_by(Case(When(kind__in=mail.TO_RECIPIENT, then=1), default=0), "due_at")
            ids = list(due.values_list("pk", flat=True)[: limit or settings.MAIL_PER_MINUTE or A_MINUTE])
            for mail_id in ids:
                deliver.func(mail_id)
            return len(ids)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
