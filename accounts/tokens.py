"""The signed, unstored keys in URLs that credential mails carry: who, for what, until when."""

from django.contrib.auth import get_user_model
from django.core.signing import BadSignature, TimestampSigner
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode

# Seconds that a key works, by purpose (D11): a reset is asked for and done, an invitation waits for its reader.
LASTS = {"reset": 60 * 60, "initial": 14 * 24 * 60 * 60}


def signer(user, purpose):
    """Signs for this person as they are now: a sign-in, another password or another address ends every older key."""
    state = (purpose, user.pk, user.password, user.last_login, user.email)
    return TimestampSigner(salt="|".join(map(str, state)), sep="~")


def path(user, purpose):
    """The address of the page at which the person ends a reset or, invited, sets the first password."""
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    return reverse("password_reset_confirm", args=[uid, signer(user, purpose).sign(purpose)])


def person(uid, token):
    """The active user whose valid key this is, or None."""
    try:
        pk = int(urlsafe_base64_decode(uid).decode())
    except (ValueError, UnicodeDecodeError):
        return None
    people = get_user_model().objects.filter(pk=pk, is_active=True).select_related("customer")
    user = people.first() if 0 < pk < 2**63 else None
    purpose = token.partition("~")[0]
    if user is None or purpose not in LASTS:
        return None
    try:
        signer(user, purpose).unsign(token, max_age=LASTS[purpose])
    except BadSignature:
        return None
    return user
