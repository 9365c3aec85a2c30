"""What changes credentials: the two steps of a password reset."""

import uuid

from django.contrib.auth.tokens import default_token_generator
from django.db import transaction
from django.utils.http import urlsafe_base64_decode

from accounts.models import User
from portal import history, mail


@transaction.atomic
def ask_for_reset(email):
    """Queue mail 1 for the active user with this address; for an unknown one a mail to nobody, the same work (D12)."""
    user = User.objects.filter(email=email.strip().lower(), is_active=True).first()
    kind = "reset_confirm" if user else mail.TO_NOBODY
    mail.queue(kind, key=f"{kind}:{uuid.uuid4()}", customer=user and user.customer, user=user)


def person_of_reset(uid, token):
    """The active user whose valid, unused token this is, or None."""
    try:
        pk = int(urlsafe_base64_decode(uid).decode())
    except (ValueError, UnicodeDecodeError):
        return None
    user = User.objects.filter(pk=pk, is_active=True).select_related("customer").first() if pk < 2**63 else None
    return user if user and default_token_generator.check_token(user, token) else None


@transaction.atomic
def reset_password(user):
    """End the old password and all sessions, and queue mail 2, which brings a generated one (A2, D11)."""
    user.set_unusable_password()
    user.must_change_password = True
    user.save(update_fields=["password", "must_change_password"])
    mail.queue("reset_password", key=f"reset_password:{uuid.uuid4()}", customer=user.customer, user=user)
    if user.customer_id:
        history.record("password_reset", user.name, by=user, customer=user.customer)
