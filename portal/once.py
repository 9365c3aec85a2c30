"""Forms that do their work once: each carries a one-time key, and a second sending gets the answer of the first."""

import hashlib
import re
from functools import wraps
from urllib.parse import urlencode
from uuid import UUID, uuid4, uuid5

from django.db import transaction
from django.http import HttpResponseRedirect

from portal.models import SentForm

FIELD = "form_key"
KEPT_HOURS = 24
LONGEST = 200  # of an answer that is kept; what a list's filter makes longer leads to the whole list


def key_for(request):
    """The key for a form on this page: a new one, or, with a form that was refused, the one it came with."""
    return given_key(request) or uuid4().hex


def given_key(request):
    """The key that came with the form; '' for one that this portal never made."""
    given = request.POST.get(FIELD, "")
    return given if re.fullmatch(r"[0-9a-f]{32}", given) else ""


def key_of_content(request):
    """The key of what the form says: with other content it counts as another form, as after Back at staff's desk."""
    key = given_key(request)
    said = sorted(pair for pair in request.POST.lists() if pair[0] != "csrfmiddlewaretoken")
    for name, file in sorted(request.FILES.items()):
        said.append((name, [hashlib.sha256(b"".join(file.chunks())).hexdigest()]))
        file.seek(0)
    return key and uuid5(UUID(key), urlencode(said, doseq=True)).hex


def once(view, key_of=given_key):
    """A form of this view works once a key (`key_of` gives it): what answers it by a redirect is stored, in the transaction of the work itself.

    Of two at once the second waits for the first one's commit (the unique key makes it), also in another web process.
    A form that was refused isn't sent yet: its key stays good. Without a key every sending counts.
    """

    @wraps(view)
    def answer(request, *args, **kwargs):
        key = key_of(request)
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
                sent.answer = response.url if len(response.url) <= LONGEST else response.url.partition("?")[0]
                sent.save(update_fields=["answer"])
            else:
                sent.delete()
        return response

    return answer
