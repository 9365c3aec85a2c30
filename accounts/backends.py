"""Sign-in by e-mail address and password, with growing pauses after wrong ones."""

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.utils import timezone

from accounts import throttle
from accounts.models import User
from portal import reading
from portal.models import HistoryEvent


class ByEmail(ModelBackend):
    def authenticate(self, request, username=None, password=None, **kwargs):
        """The active user with this address and password; an initial password that expired no longer counts (D11).

        None for whatever reason, also during a pause: who asks learns nothing about who exists.
        """
        if not username or password is None:
            return None
        email, address = spelled(username), throttle.address_of(request) if request else ""
        user = User.objects.filter(email=email, is_active=True).select_related("customer").first()
        tries = sign_in_tries(user, email, address)
        if not throttle.count(*tries):
            return None
        if user is None:
            make_password(password)  # an unknown address takes as long as a wrong password
            return None
        if not user.check_password(password):
            return None
        if user.password_expires_at and user.password_expires_at < timezone.now():
            return None
        for limit, key in tries:
            if limit is throttle.ACCOUNT:
                throttle.forget(key)
            else:
                throttle.give_back(limit, key)
        return user

    def get_user(self, user_id):
        return User.objects.filter(pk=user_id, is_active=True).select_related("customer").first()


def spelled(username):
    """The address that was meant; what is none stays as it is, is nobody's, and counts like any other."""
    try:
        return reading.email(username)
    except ValidationError:
        return username


def sign_in_tries(user, email, address):
    """What a try counts against: the account and the address.

    A place from which the person signed in before counts by itself, so that neither strangers elsewhere nor neighbours
    behind the same address can shut the person out.
    """
    if HistoryEvent.objects.signed_in_from(user, address):
        return [(throttle.ACCOUNT, throttle.sign_in_key(email, address))]
    return [
        (throttle.ACCOUNT, throttle.sign_in_key(email)),
        *throttle.near(throttle.ADDRESS, "address", address),
    ]
