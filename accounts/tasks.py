"""Background work on accounts: the day's tidying."""

from datetime import timedelta

from django.utils import timezone
from procrastinate.contrib.django import app

from accounts.models import Throttle
from accounts.sessions import SessionStore


@app.periodic(cron="17 4 * * *")
@app.task(name="accounts.tidy", queue="sweep", queueing_lock="accounts.tidy")
def tidy(timestamp=0):
    """Remove sessions that ended and counts that no longer matter."""
    SessionStore.clear_expired()
    Throttle.objects.filter(tried_at__lt=timezone.now() - timedelta(days=1)).delete()
