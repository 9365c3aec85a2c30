"""Numbers of provisional invoices that went."""

from django.db import models
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext_lazy as _

from billing.models.invoices import Invoice
from portal.scoping import Scoped


class NumbersGone(Scoped):
    def with_return(self):
        """Adds whether an invoice has the number again (`came_back`)."""
        again = Invoice.objects.filter(number=OuterRef("number"), customer=OuterRef("customer"))
        return self.annotate(came_back=Exists(again))


class NumberGone(models.Model):
    """The number of a provisional invoice that went, and why; its customer gets it back until the month is fixed (D20).

    The database adds the row as the invoice is deleted, whoever does it. Rows are only ever added.
    """

    customer = models.ForeignKey(
        "accounts.Customer", models.PROTECT, verbose_name=_("お客様"), related_name="+", db_index=False
    )
    number = models.CharField(_("請求番号"), max_length=20)
    month = models.DateField(_("請求対象年月"))
    cause = models.CharField(_("理由"), max_length=200)
    at = models.DateTimeField(_("日時"), auto_now_add=True)

    objects = NumbersGone.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("請求番号の欠番")
        ordering = ["-at", "-pk"]
        indexes = [models.Index(fields=["month", "customer"], name="numbers_gone_of_month")]

    def __str__(self):
        return self.number
