"""The lines of documents: what each charges or takes off, and where it comes from."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, OuterRef, Q, Subquery, Sum, Value
from django.db.models.functions import Coalesce
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from billing.models.invoices import Invoice
from billing.models.states import State
from orders.models import Kind as OrderKind
from portal import money, months
from portal.models import PriceBasis, TaxKind
from portal.scoping import Scoped


def summed(rows, field):
    """The sum of a field of the outer row's `rows`, 0 for none."""
    one = rows.order_by().annotate(one=Value(1)).values("one")
    sums = one.annotate(sum=Sum(field)).values("sum")
    return Coalesce(Subquery(sums), Value(0), output_field=models.BigIntegerField())


class InvoiceLines(Scoped):
    def with_left(self):
        """Adds, in yen of the line's basis, what standing 返還 leave of it (`returnable`, D41), and what credits of whatever
        stood for it leave of that (`left`)."""
        given = InvoiceLine.objects.filter(replaces=OuterRef("pk"), customer=OuterRef("customer"))
        given = given.filter(origin=InvoiceLine.Origin.RETURN, invoice__state__in=[State.DRAFT, State.FIXED])
        alike = InvoiceLine.objects.filter(Q(pk=OuterRef("first")) | Q(root=OuterRef("first")))
        alike = alike.filter(customer=OuterRef("customer"))
        return self.with_first().annotate(
            returnable=F("amount") + summed(given, "amount"), left=F("returnable") - summed(alike, "credits__amount")
        )

    def with_first(self):
        """Adds the id of the line that charged this first (`first`), its own where that is itself."""
        return self.annotate(first=Coalesce("root_id", "pk", output_field=models.BigIntegerField()))

    def charging(self):
        """What stands on its document as a charge: no 一括値引き, and nothing taken up of a credit."""
        return self.filter(origin__in=InvoiceLine.CHARGING, credit=None)

    def adjustments(self):
        """What staff charged by hand; not what was taken up of a credit."""
        return self.filter(origin=InvoiceLine.Origin.ADJUSTMENT, credit=None)

    def adjusting_past(self):
        """What was charged or taken off by hand, or of a credit, for days before the month of its document."""
        return self.filter(origin=InvoiceLine.Origin.ADJUSTMENT, starts_on__lt=F("invoice__month"))

    def of_invoices(self, invoices):
        """Their lines in the order in which invoices are listed."""
        order = ("-invoice__month", "-invoice__number", "position")
        return self.filter(invoice__in=invoices.order_by().values("pk")).order_by(*order)


class InvoiceLine(models.Model):
    """A line of a document; `amount` is yen in the line's own price basis, negative for discounts and returns."""

    class Origin(models.TextChoices):
        ORDER = "order", _("注文")
        CORRECTION = "correction", _("修正")
        REBILL = "rebill", _("再請求")
        USAGE = "usage", _("従量")
        ADJUSTMENT = "adjustment", _("調整")
        DISCOUNT = "discount", _("値引き")
        RETURN = "return", _("返還")

    # Of which something can be given back: what was charged, not what was taken off.
    CHARGING = (Origin.ORDER, Origin.CORRECTION, Origin.REBILL, Origin.USAGE, Origin.ADJUSTMENT)

    customer = models.ForeignKey("accounts.Customer", models.PROTECT, related_name="+", db_index=False)
    invoice = models.ForeignKey(
        Invoice, models.CASCADE, related_name="lines", db_constraint=False, db_index=False, verbose_name=_("請求")
    )
    position = models.PositiveIntegerField(_("行"))
    origin = models.CharField(_("由来"), max_length=10, choices=Origin, default=Origin.ADJUSTMENT)
    contract = models.ForeignKey(
        "contracts.Contract",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    service = models.ForeignKey(
        "contracts.Service", models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    order = models.ForeignKey(
        "orders.Order",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="invoice_lines",
        db_constraint=False,
        db_index=False,
    )
    order_line = models.ForeignKey(
        "orders.OrderLine",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="invoice_lines",
        db_constraint=False,
        db_index=False,
    )
    usage_charge = models.ForeignKey(
        "orders.UsageCharge",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="invoice_lines",
        db_constraint=False,
        db_index=False,
    )
    # The line of a fixed document for which this one stands, or of which it gives something back.
    replaces = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="replaced_by", db_constraint=False, db_index=False
    )
    # The line that charged this first, however often it was corrected and rebilled since; null for itself.
    root = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    credit = models.ForeignKey(
        "billing.Credit",
        models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="taken_up_by",
        db_constraint=False,
        db_index=False,
    )
    # What somebody decided about the contract's dates and this line of a 返還 carries out (D27); null for any other.
    decision = models.ForeignKey(
        "billing.Decision",
        models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="given_back_by",
        db_constraint=False,
        db_index=False,
    )
    discount = models.ForeignKey(
        "billing.Discount",
        models.CASCADE,
        null=True,
        blank=True,
        editable=False,
        related_name="lines",
        db_constraint=False,
        db_index=False,
    )
    is_order_head = models.BooleanField(default=False, editable=False)
    product_code = models.CharField(_("商品コード"), max_length=30, blank=True)
    item = models.CharField(_("品目"), max_length=100)
    specification = models.CharField(_("仕様"), max_length=200, blank=True)
    # The buyer's, as the contract had it at the fix.
    purchase_order = models.CharField(_("発注番号"), max_length=50, blank=True, db_default="", default="")
    starts_on = models.DateField(_("利用開始日"))
    ends_on = models.DateField(_("利用終了日"))
    quantity = models.DecimalField(_("数量"), max_digits=12, decimal_places=3, default=1)
    unit = models.CharField(_("単位"), max_length=10, blank=True)
    unit_price = models.DecimalField(_("単価"), max_digits=14, decimal_places=2)
    amount = models.BigIntegerField(_("金額"))
    price_basis = models.CharField(_("税抜・税込"), max_length=9, choices=PriceBasis, default=PriceBasis.EXCLUSIVE)
    tax_kind = models.CharField(_("税区分"), max_length=10, choices=TaxKind, default=TaxKind.STANDARD)
    tax_rate = models.DecimalField(_("税率"), max_digits=5, decimal_places=4)

    PRINTED = ("item", "specification", "unit", "purchase_order")

    objects = InvoiceLines.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("請求明細")
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["customer", "id"], name="invoice_line_customer_key"),
            models.UniqueConstraint(
                fields=["invoice", "position"], name="invoice_line_position", deferrable=models.Deferrable.DEFERRED
            ),
            models.UniqueConstraint(fields=["order_line"], condition=Q(origin="order"), name="order_line_billed_once"),
            models.UniqueConstraint(fields=["order"], condition=Q(is_order_head=True), name="order_has_one_head"),
            models.UniqueConstraint(
                fields=["usage_charge"], condition=Q(origin="usage"), name="usage_charge_billed_once"
            ),
            models.CheckConstraint(
                condition=Q(origin__in=["order", "correction", "rebill", "usage", "adjustment", "discount", "return"]),
                name="invoice_line_origin",
            ),
            models.CheckConstraint(
                condition=~Q(origin="order") | Q(order__isnull=False, order_line__isnull=False, contract__isnull=False),
                name="invoice_line_names_order",
            ),
            models.CheckConstraint(
                condition=~Q(origin="usage") | Q(usage_charge__isnull=False, contract__isnull=False),
                name="invoice_line_names_usage",
            ),
            models.UniqueConstraint(fields=["replaces"], condition=Q(origin="correction"), name="line_corrected_once"),
            models.UniqueConstraint(fields=["replaces"], condition=Q(origin="rebill"), name="line_rebilled_once"),
            models.CheckConstraint(
                condition=Q(origin__in=["correction", "rebill", "return"], replaces__isnull=False, root__isnull=False)
                # What is given back of an imported document has no line there: a trigger asks for one of these.
                | (~Q(origin__in=["correction", "rebill"]) & Q(replaces=None, root=None)),
                name="line_names_what_it_replaces",
            ),
            models.CheckConstraint(condition=Q(is_order_head=False) | Q(origin="order"), name="head_is_original"),
            models.CheckConstraint(
                condition=Q(credit=None) | Q(origin="adjustment", amount__lt=0), name="credit_is_taken_off"
            ),
            models.CheckConstraint(
                condition=Q(discount=None) | Q(origin="discount", amount__lt=0), name="discount_is_taken_off"
            ),
            models.CheckConstraint(condition=Q(decision=None) | Q(origin="return"), name="decision_is_of_a_return"),
            models.CheckConstraint(condition=Q(ends_on__gte=F("starts_on")), name="invoice_line_period"),
            models.CheckConstraint(condition=Q(tax_rate__gte=0, tax_rate__lt=1), name="invoice_line_rate"),
            models.CheckConstraint(condition=Q(tax_kind__in=TaxKind.values), name="invoice_line_tax_kind"),
            models.CheckConstraint(condition=Q(price_basis__in=PriceBasis.values), name="invoice_line_basis"),
        ]
        indexes = [
            models.Index(fields=["customer", "invoice"], name="lines_of_invoice"),
            models.Index(fields=["customer", "order"], name="invoice_lines_of_order"),
            models.Index(fields=["replaces"], condition=Q(replaces__isnull=False), name="lines_replacing"),
            models.Index(fields=["root"], condition=Q(root__isnull=False), name="lines_of_root"),
            models.Index(fields=["credit"], condition=Q(credit__isnull=False), name="lines_of_credit"),
            models.Index(fields=["decision"], condition=Q(decision__isnull=False), name="lines_of_decision"),
            models.Index(fields=["discount"], condition=Q(discount__isnull=False), name="lines_of_discount"),
        ]

    def __str__(self):
        return self.item

    def clean(self):
        """The database says so too, but not beside the field."""
        if self.starts_on and self.ends_on and self.ends_on < self.starts_on:
            raise ValidationError({"ends_on": _("利用終了日は利用開始日以降の日付を入力してください")})

    @property
    def references(self):
        """注文区分, contract, order and the buyer's own number as the document names them below the item."""
        order = self.order and f"注文 {self.order.number}"
        kind = self.order and self.order.get_kind_display()
        contract = self.contract and f"契約 {self.contract.number}"
        buyers = self.purchase_order and f"発注\u00a0{self.purchase_order}"
        return "　".join(str(each) for each in (kind, contract, order, buyers) if each)

    @property
    def explanation(self):
        """In words, what makes the amount another one than quantity × unit price, or comes beside a term's order (D24, D25)."""
        if self.order is None:
            return ""
        words = []
        if self.order.is_difference:
            words.append(gettext("請求済みの分との差額"))
        elif self.order.kind == OrderKind.ADDITION:
            words.append(gettext("契約期間の途中の追加"))
        if self.order.prorate and self.contract:
            words.append(self.share_of_period(self.contract.form))
        return capfirst(gettext("、").join(filter(None, words)))

    def share_of_period(self, form):
        """日割 or 月割 with days or months and those of the whole; empty where they don't make the amount what it is."""
        first, last = self.starts_on, self.ends_on
        yearly = form == months.YEARLY
        touched = months.months_between(months.month_of(first), months.month_of(last))
        part = len(list(touched)) if yearly else months.days(first, last)
        whole = 12 if yearly else months.days_in_month(first)
        price = money.line_amount(self.quantity, self.unit_price)
        if not part < whole or self.amount != money.prorated(price, part, whole):
            return ""
        told = {"part": part, "whole": whole}
        return (gettext("月割 %(part)d/%(whole)dか月") if yearly else gettext("日割 %(part)d/%(whole)d日")) % told


# The same as `charging()` in the SQL of the month's runs, where a line is called `l`.
_ORIGINS = ", ".join(f"'{origin.value}'" for origin in InvoiceLine.CHARGING)
CHARGING_SQL = f"l.origin IN ({_ORIGINS}) AND l.credit_id IS NULL"
