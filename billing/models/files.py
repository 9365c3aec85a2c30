"""The files of fixed documents, and the attempts at making them."""

from django.db import models
from django.db.models import F, Func, Q
from django.utils.translation import gettext_lazy as _

from portal.scoping import Scoped


def kept_whole(kind):
    """The constraints by which a stored file is what was hashed and measured as it was made."""
    hashed = Func(F("content"), template="encode(sha256(%(expressions)s), 'hex')", output_field=models.CharField())
    measured = Func(F("content"), function="octet_length", output_field=models.IntegerField())
    return [
        models.CheckConstraint(condition=Q(sha256=hashed), name=f"{kind}_is_what_was_hashed"),
        models.CheckConstraint(condition=Q(size=measured), name=f"{kind}_is_whole"),
    ]


class InvoicePdf(models.Model):
    """The bytes of a fixed document; stored once, never changed."""

    invoice = models.OneToOneField(
        "billing.Invoice", models.PROTECT, primary_key=True, related_name="pdf", db_constraint=False
    )
    customer = models.ForeignKey("accounts.Customer", models.PROTECT, related_name="+", db_index=False)
    content = models.BinaryField()
    sha256 = models.CharField("SHA-256", max_length=64)
    size = models.PositiveIntegerField(_("サイズ"))
    rendered_at = models.DateTimeField(_("作成日時"), auto_now_add=True)

    objects = Scoped.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("請求書PDF")
        constraints = kept_whole("pdf")
        indexes = [models.Index(fields=["customer", "invoice"], include=["size"], name="pdf_of_invoice")]

    def __str__(self):
        return f"{self.sha256[:12]}"


class InvoiceXml(models.Model):
    """The same document as JP PINT, for programs; stored together with the PDF, never changed."""

    invoice = models.OneToOneField(
        "billing.Invoice", models.PROTECT, primary_key=True, related_name="xml", db_constraint=False
    )
    customer = models.ForeignKey("accounts.Customer", models.PROTECT, related_name="+", db_index=False)
    content = models.BinaryField()
    sha256 = models.CharField("SHA-256", max_length=64)
    size = models.PositiveIntegerField(_("サイズ"))
    rules = models.CharField(_("規格"), max_length=30)
    made_at = models.DateTimeField(_("作成日時"), auto_now_add=True)

    objects = Scoped.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("デジタルインボイス")
        default_permissions = ()
        constraints = kept_whole("xml")
        indexes = [models.Index(fields=["customer", "invoice"], include=["size"], name="xml_of_invoice")]

    def __str__(self):
        return f"{self.sha256[:12]}"


class Rendering(models.Model):
    """Attempts at an invoice's PDF, counted as they begin; gone once it is stored, parked after three until somebody looks."""

    invoice = models.OneToOneField(
        "billing.Invoice",
        models.CASCADE,
        primary_key=True,
        related_name="rendering",
        db_constraint=False,
        verbose_name=_("請求"),
    )
    customer = models.ForeignKey("accounts.Customer", models.PROTECT, related_name="+", verbose_name=_("お客様"))
    tries = models.PositiveSmallIntegerField(_("試行回数"), default=0)
    error = models.TextField(_("エラー"))
    parked_at = models.DateTimeField(_("保留日時"), null=True)

    objects = Scoped.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("PDF作成の失敗")

    def __str__(self):
        return self.error[:80] or str(_("作成中"))
