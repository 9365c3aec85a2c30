"""Forms that do their work once: each carries a one-time key, and a second sending gets the answer of the first."""

import re
from functools import wraps
from uuid import uuid4

from django.db import transaction
from django.http import HttpResponseRedirect

from portal.models import SentForm

FIELD = "form_key"
KEPT_HOURS = 24


def key_for(request):
    """The key for a form on this page: a new one, or, with a form that was refused, the one it came with."""
    return given_key(request) or uuid4().hex


def given_key(request):
    """The key that came with the form; '' for one that this portal never made."""
    given = request.POST.get(FIELD, "")
    return given if re.fullmatch(r"[0-9a-f]{32}", given) else ""


def once(view):
    """A form of this view works once a key: what answers it by a redirect is stored, in the transaction of the work itself.

    Of two at once the second waits for the first one's commit (the unique key makes it), also in another web process.
    A form that was refused isn't sent yet: its key stays good. Without a key every sending counts.
    """

    @wraps(view)
    def answer(request, *args, **kwargs):
        key = given_key(request)
        if not key:
            return view(request, *args, **kwargs)
        with transaction.atomic():
            sent, first = SentForm.objects.get_or_create(
                user=request.user, key=key, defaults={"customer_id": request.user.customer_id}
            )
            if not first:
                return HttpResponseRedirect(sent.answer)
            response = view(request, *args, **kwargs)
            if response.status_code == 302:
                sent.answer = response.url
                sent.save(update_fields=["answer"])
            else:
                sent.delete()
        return response

    return answer
