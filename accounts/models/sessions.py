"""Where users are signed in, and how often something was tried lately."""

from typing import ClassVar

from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models.people import User


class OwnSessions(models.QuerySet):
    def for_user(self, user):
        """The sessions of this person that still work, without what they hold, which the web's role may not read."""
        found = self.filter(user=user, expire_date__gt=timezone.now()) if user.is_authenticated else self.none()
        return found.defer("session_data")


class Session(AbstractBaseSession):
    """A browser in which somebody is signed in (or about to be: no user yet)."""

    session_key = models.CharField(_("キーのSHA-256"), max_length=64, primary_key=True)
    user = models.ForeignKey(User, models.CASCADE, verbose_name=_("ユーザ"), null=True)
    signed_in_at = models.DateTimeField(_("ログイン日時"), null=True)
    address = models.CharField(_("IPアドレス"), max_length=45, blank=True)
    browser = models.CharField(_("ブラウザ"), max_length=60, blank=True)

    objects: ClassVar = OwnSessions.as_manager()  # type: ignore[assignment]

    class Meta:
        verbose_name = verbose_name_plural = _("ログイン中の端末")

    @classmethod
    def get_session_store_class(cls):
        from accounts.sessions import SessionStore

        return SessionStore


class Throttle(models.Model):
    """How often something was tried lately, and until when it may not be tried again; keys are hashes."""

    key = models.CharField(max_length=64, primary_key=True)
    tries = models.PositiveIntegerField()
    tried_at = models.DateTimeField(db_index=True)
    free_at = models.DateTimeField()

    def __str__(self):
        return self.key
