"""Whether it is still the person who signed in: staff say so again before they take data of many customers away, twice an hour at most.

What was confirmed stands in the session; `accounts/desk.py` has the page that asks.
"""

from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

LASTS = timedelta(minutes=30)
KEY = "confirmed_at"


def confirm(request: HttpRequest) -> None:
    """Note in the session that password or code were asked for just now, and were right."""
    request.session[KEY] = timezone.now().timestamp()


def is_fresh(request: HttpRequest) -> bool:
    """Whether password or code were given within the last 30 minutes, at the sign-in or since."""
    at = max(request.session.get(KEY, 0), request.session.get("began", {}).get("at", 0))
    return timezone.now().timestamp() - at < LASTS.total_seconds()


def asked_again(request: HttpRequest) -> HttpResponse | None:
    """The way to the page that asks who it is, where that is due; from there it leads back here."""
    if is_fresh(request):
        return None
    return redirect(f"{reverse('admin_confirm')}?{urlencode({'next': request.get_full_path()})}")
