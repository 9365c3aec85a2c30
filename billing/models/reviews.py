"""What a company's people did with a document: took it, and noted how far they are with it."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from billing.models.states import ReviewState
from portal.scoping import Scoped


class Download(models.Model):
    """Somebody of the company took the PDF."""

    customer = models.ForeignKey("accounts.Customer", models.PROTECT, related_name="+", db_index=False)
    invoice = models.ForeignKey(
        "billing.Invoice", models.PROTECT, related_name="downloads", db_constraint=False, db_index=False
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False)
    at = models.DateTimeField(_("日時"), auto_now_add=True)

    objects = Scoped.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("ダウンロード")
        indexes = [
            models.Index(F("customer"), F("invoice"), F("at").desc(), name="downloads_of_invoice"),
            models.Index(fields=["at"], name="downloads_by_time"),
        ]

    def __str__(self):
        return f"{self.at:%Y/%m/%d %H:%M}"


class Review(models.Model):
    """社内確認: what somebody of the company noted about the document. The vendor's staff never see it.

    Rows are only ever added: the newest holds, and all of them are its history.
    """

    customer = models.ForeignKey("accounts.Customer", models.PROTECT, related_name="+", db_index=False)
    invoice = models.ForeignKey(
        "billing.Invoice", models.PROTECT, related_name="reviews", db_constraint=False, db_index=False
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False)
    state = models.CharField(_("社内確認"), max_length=8, choices=ReviewState, default=ReviewState.CHECKED)
    memo = models.CharField(_("メモ"), max_length=200, blank=True)
    at = models.DateTimeField(_("日時"), auto_now_add=True)

    objects = Scoped.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("社内確認")
        default_permissions = ()  # nobody can be given a right to them at the desk
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=ReviewState.values), name="review_state_known"),
        ]
        indexes = [models.Index(F("customer"), F("invoice"), F("id").desc(), name="reviews_of_invoice")]

    def __str__(self):
        return f"{self.at:%Y/%m/%d %H:%M}"  # without what it says: the desk lists what refers to a row
