"""Who corrected a fixed document, returned of it, voided or rebilled it, when and why (D6, D41)."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from portal.scoping import Scoped


class Correction(models.Model):
    """What was done to a fixed document. Rows are only ever added.

    `made` is the 修正 or 返還 that arose; `month` the one whose invoice bills the lines of a void document again.
    """

    class What(models.TextChoices):
        REISSUE = "reissue", _("修正")
        RETURN = "return", _("返還")
        VOID = "void", pgettext_lazy("invoice", "取消")
        REBILL = "rebill", _("再請求")

    customer = models.ForeignKey(
        "accounts.Customer", models.PROTECT, verbose_name=_("お客様"), related_name="+", db_index=False
    )
    invoice = models.ForeignKey(
        "billing.Invoice", models.PROTECT, verbose_name=_("請求"), related_name="mended_by", db_constraint=False
    )
    what = models.CharField(_("訂正の種類"), max_length=7, choices=What)
    made = models.OneToOneField(
        "billing.Invoice",
        models.PROTECT,
        null=True,
        verbose_name=_("訂正後"),
        related_name="made_by",
        db_constraint=False,
    )
    month = models.DateField(_("再請求する年月"), null=True)
    reason = models.CharField(_("理由"), max_length=200)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", verbose_name=_("登録者")
    )
    at = models.DateTimeField(_("登録日時"), auto_now_add=True)

    objects = Scoped.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("請求の訂正")
        ordering = ["at", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["customer", "id"], name="correction_customer_key"),
            models.UniqueConstraint(
                fields=["invoice", "what"], condition=~Q(what="return"), name="document_is_mended_once"
            ),
            models.CheckConstraint(
                condition=Q(what__in=["reissue", "return"], made__isnull=False, month=None)
                | Q(what="void", made=None, month=None)
                | Q(what="rebill", made=None, month__isnull=False),
                name="correction_says_what_arose",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="correction_has_a_reason"),
        ]
        indexes = [
            models.Index(fields=["customer", "month"], condition=Q(what="rebill"), name="rebilled_in_month"),
        ]

    def __str__(self):
        return str(self.get_what_display())
