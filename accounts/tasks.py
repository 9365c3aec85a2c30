"""Background work on accounts: the day's tidying."""

from datetime import timedelta

from django.utils import timezone
from procrastinate.contrib.django import app

from accounts.models import Throttle
from accounts.sessions import SessionStore
from portal.models import SentForm
from portal.once import KEPT_HOURS


@app.periodic(cron="17 19 * * *")  # in UTC: at 4:17 in Japan, when few are about
@app.task(name="accounts.tidy", queue="sweep", queueing_lock="accounts.tidy")
def tidy(timestamp=0):
    """Remove sessions that ended, and counts and keys of sent forms that no longer matter."""
    SessionStore.clear_expired()
    Throttle.objects.filter(tried_at__lt=timezone.now() - timedelta(days=1)).delete()
    SentForm.objects.filter(sent_at__lt=timezone.now() - timedelta(hours=KEPT_HOURS)).delete()
