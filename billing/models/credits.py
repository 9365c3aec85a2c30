"""What people give back: decisions about what was billed too much, credits (調整残高), and 一括値引き (D27, D28)."""

from django.conf import settings
from django.db import models
from django.db.models import F, OuterRef, Q, Subquery
from django.utils.translation import gettext_lazy as _

from billing.models.lines import InvoiceLine, summed
from billing.models.states import State
from portal.models import PriceBasis, TaxKind
from portal.scoping import Scoped

# An entry gives a positive amount; a counter-entry takes a part of it, or all, back. Nothing else changes it.
ENTRY_OR_COUNTER = Q(amount__gt=0, takes_back=None) | Q(amount__lt=0, takes_back__isnull=False)


class Credits(Scoped):
    def entries(self):
        """Credits themselves, without their counter-entries."""
        return self.filter(takes_back=None)

    def with_left(self):
        """Adds, in yen, what documents that hold have taken up (`taken_up`), what is `left` beside that and beside
        counter-entries (調整残高), and what no fixed one has taken up (`open`)."""
        back = Credit.objects.filter(takes_back=OuterRef("pk"), customer=OuterRef("customer"))

        def taken(*states):
            lines = InvoiceLine.objects.filter(credit=OuterRef("pk"), customer=OuterRef("customer"))
            return -summed(lines.filter(invoice__state__in=states), "amount")

        return self.annotate(
            taken_up=taken(State.DRAFT, State.FIXED),
            standing=F("amount") + summed(back, "amount"),
            left=F("standing") - F("taken_up"),
            open=F("standing") - taken(State.FIXED),
        )


class Decisions(Scoped):
    def with_standing(self):
        """Adds what counter-entries leave of it (`standing`), and what of its credit no fixed document has taken up (`open`, or null)."""
        back = Decision.objects.filter(takes_back=OuterRef("pk"), customer=OuterRef("customer"))
        credit = Credit.objects.entries().filter(decision=OuterRef("pk"), customer=OuterRef("customer"))
        return self.annotate(
            standing=F("amount") + summed(back, "amount"), open=Subquery(credit.with_left().values("open")[:1])
        )


class Decision(models.Model):
    """What somebody decided about a billed line that by its dates now owes less of its term (D27). Rows are only ever added.

    `amount` is yen in the billed line's price basis, negative for a counter-entry.
    """

    class Choice(models.TextChoices):
        CREDIT = "credit", _("翌月調整")
        RETURN = "return", _("返還")
        REFUSED = "refused", _("返金しない")

    customer = models.ForeignKey(
        "accounts.Customer", models.PROTECT, verbose_name=_("お客様"), related_name="+", db_index=False
    )
    contract_line = models.ForeignKey(
        "contracts.ContractLine", models.PROTECT, related_name="decisions", db_constraint=False
    )
    term = models.ForeignKey("contracts.Term", models.PROTECT, related_name="+", db_constraint=False)
    invoice_line = models.ForeignKey("billing.InvoiceLine", models.PROTECT, related_name="+", db_constraint=False)
    choice = models.CharField(_("決定"), max_length=7, choices=Choice)
    amount = models.BigIntegerField(_("金額"))
    takes_back = models.ForeignKey(
        "self", models.PROTECT, null=True, related_name="taken_back_by", db_constraint=False, verbose_name=_("取消元")
    )
    reason = models.CharField(_("理由"), max_length=200)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", verbose_name=_("登録者")
    )
    at = models.DateTimeField(_("登録日時"), auto_now_add=True)

    objects = Decisions.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("返金の決定")
        ordering = ["at", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["customer", "id"], name="decision_customer_key"),
            models.CheckConstraint(
                condition=Q(choice__in=["credit", "return", "refused"]), name="decision_choice_known"
            ),
            models.CheckConstraint(condition=ENTRY_OR_COUNTER, name="decision_gives_or_takes_back"),
            models.CheckConstraint(condition=~Q(reason=""), name="decision_has_a_reason"),
        ]

    def __str__(self):
        return str(self.get_choice_display())


class Credit(models.Model):
    """Yen that a customer's next invoices take up, in one kind of tax, rate and price basis (D28). Rows are only ever added."""

    class Source(models.TextChoices):
        DECISION = "decision", _("契約の変更")
        HAND = "hand", _("翌月調整")
        ADJUSTMENT = "adjustment", _("調整")

    customer = models.ForeignKey(
        "accounts.Customer", models.PROTECT, verbose_name=_("お客様"), related_name="credits", db_index=False
    )
    source = models.CharField(_("由来"), max_length=10, choices=Source)
    tax_kind = models.CharField(_("税区分"), max_length=10, choices=TaxKind)
    tax_rate = models.DecimalField(_("税率"), max_digits=5, decimal_places=4)
    price_basis = models.CharField(_("税抜・税込"), max_length=9, choices=PriceBasis)
    amount = models.BigIntegerField(_("金額"))
    takes_back = models.ForeignKey(
        "self", models.PROTECT, null=True, related_name="taken_back_by", db_constraint=False, verbose_name=_("取消元")
    )
    decision = models.ForeignKey(Decision, models.PROTECT, null=True, related_name="credits", db_constraint=False)
    invoice = models.ForeignKey(
        "billing.Invoice", models.PROTECT, null=True, related_name="+", db_constraint=False, verbose_name=_("元の請求")
    )
    invoice_line = models.ForeignKey(
        "billing.InvoiceLine", models.PROTECT, null=True, related_name="credits", db_constraint=False
    )
    item = models.CharField(_("品目"), max_length=100)
    starts_on = models.DateField(_("利用開始日"))
    ends_on = models.DateField(_("利用終了日"))
    reason = models.CharField(_("理由"), max_length=200)
    given_on = models.DateField(_("登録日"))
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", verbose_name=_("登録者")
    )

    PRINTED = ("item", "reason")

    objects = Credits.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("調整残高")
        ordering = ["given_on", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["customer", "id"], name="credit_customer_key"),
            models.CheckConstraint(
                condition=Q(source__in=["decision", "hand", "adjustment"]), name="credit_source_known"
            ),
            models.CheckConstraint(condition=ENTRY_OR_COUNTER, name="credit_gives_or_takes_back"),
            models.CheckConstraint(
                condition=Q(source="decision", decision__isnull=False, invoice_line__isnull=False)
                | Q(source="hand", decision=None, invoice_line__isnull=False)
                | Q(source="adjustment", decision=None, invoice=None, invoice_line=None),
                name="credit_names_its_ground",
            ),
            models.CheckConstraint(
                condition=Q(invoice=None, invoice_line=None) | Q(invoice__isnull=False, invoice_line__isnull=False),
                name="credit_names_invoice_and_line",
            ),
            models.CheckConstraint(condition=Q(tax_rate__gte=0, tax_rate__lt=1), name="credit_rate"),
            models.CheckConstraint(condition=Q(tax_kind__in=TaxKind.values), name="credit_tax_kind"),
            models.CheckConstraint(condition=Q(price_basis__in=PriceBasis.values), name="credit_basis"),
            models.CheckConstraint(condition=Q(ends_on__gte=models.F("starts_on")), name="credit_period"),
        ]

    def __str__(self):
        return self.item


class Discount(models.Model):
    """一括値引き: yen off one provisional invoice as a whole; each rebuild splits it over what the invoice then has.

    `amount` is what was asked for; the lines say what could be taken. It changes and goes with its invoice until the fix.
    """

    customer = models.ForeignKey("accounts.Customer", models.PROTECT, related_name="+", db_index=False)
    invoice = models.ForeignKey(
        "billing.Invoice", models.CASCADE, related_name="discounts", db_constraint=False, verbose_name=_("請求")
    )
    item = models.CharField(_("品目"), max_length=100, default="お値引き")
    amount = models.BigIntegerField(_("値引き額"))
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", verbose_name=_("登録者")
    )

    PRINTED = ("item",)

    objects = Scoped.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("一括値引き")
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["customer", "id"], name="discount_customer_key"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="discount_takes_off"),
        ]

    def __str__(self):
        return self.item
