"""Sign-in by e-mail address and password."""

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.hashers import make_password
from django.utils import timezone

from accounts.models import User


class ByEmail(ModelBackend):
    def authenticate(self, request, username=None, password=None, **kwargs):
        """The active user with this address and password; an initial password that expired no longer counts (D11)."""
        if not username or password is None:
            return None
        user = User.objects.filter(email=username.strip().lower(), is_active=True).select_related("customer").first()
        if user is None:
            make_password(password)  # an unknown address takes as long as a wrong password
            return None
        if not user.check_password(password):
            return None
        if user.password_expires_at and user.password_expires_at < timezone.now():
            return None
        return user

    def get_user(self, user_id):
        return User.objects.filter(pk=user_id, is_active=True).select_related("customer").first()
