"""What a customer owes: orders (注文) for the terms of contracts, and charges for used quantities (従量)."""

from django.db import models
from django.db.models import Case, F, FilteredRelation, OuterRef, Q, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from portal.models import PriceBasis, TaxKind
from portal.scoping import Scoped
from portal.searching import Sought
from portal.templatetags.figures import plain


class Kind(models.TextChoices):
    NEW = "new", _("新規")
    RENEWAL = "renewal", _("更新")
    ADDITION = "addition", _("追加")


class State(models.TextChoices):
    RECEIVED = "received", _("受付")
    BILLED = "billed", _("請求済")
    REVERSED = "reversed", _("取消")


# States of an invoice that bills what stands on it for good; more of them is known in the app above.
BILLED = ["fixed", "replaced", "void"]


# A line on a document that charges, by now; what was returned doesn't.
CHARGED = Q(
    invoice_lines__invoice__state__in=["draft", "fixed"], invoice_lines__invoice__kind__in=["invoice", "correction"]
)


def number_of_bill(order):
    """The number of the document of the `head` line, or, where that was replaced or taken back, of the one that charges the
    order instead (D41); `order` names the outer row's order."""
    charging = Order.objects.filter(CHARGED, pk=OuterRef(order), customer=OuterRef("customer"))
    newest = charging.order_by("-invoice_lines__invoice").values("invoice_lines__invoice__number")[:1]
    first = F("head__invoice__number")
    return Case(
        When(head__invoice__state__in=["replaced", "void"], then=Coalesce(Subquery(newest), first)), default=first
    )


class Orders(Sought):
    def holding(self, word):
        return word.begins("number")

    def exactly(self, word):
        return self.filter(number__in=word.numbers)

    def with_invoice(self):
        """Adds `state` (see `State`) and the number of the invoice that bills, or will bill, the order.

        Where that one was replaced or taken back it is the one that stands instead, if any does (D41).
        """
        return self.alias(
            head=FilteredRelation("invoice_lines", condition=Q(invoice_lines__is_order_head=True))
        ).annotate(
            invoice_number=number_of_bill("pk"),
            state=Case(
                When(reversed_on__isnull=False, then=Value(State.REVERSED)),
                When(head__invoice__state__in=BILLED, then=Value(State.BILLED)),
                default=Value(State.RECEIVED),
                output_field=models.CharField(),
            ),
        )

    def with_main_line(self):
        """Adds quantity and unit price of the order's first line."""
        main = OrderLine.objects.filter(order=OuterRef("pk"), customer=OuterRef("customer")).order_by("position")
        return self.annotate(
            quantity=Subquery(main.values("quantity")[:1]), unit_price=Subquery(main.values("unit_price")[:1])
        )


class Order(models.Model):
    """What is ordered for a term: 新規 in a contract's first one, 更新 in every later one, 追加 for one more line (D24).

    `amount` is yen without tax, both dates of the own period are included. Until it is billed an order follows its contract
    (D23); what is owed of a billed term beyond what was ordered is a 追加 too (`is_difference`, D25). `prorate`: whether
    partial periods of it cost their part only (日割).
    """

    customer = models.ForeignKey(
        "accounts.Customer", models.PROTECT, verbose_name=_("お客様"), related_name="orders", db_index=False
    )
    contract = models.ForeignKey(
        "contracts.Contract",
        models.PROTECT,
        verbose_name=_("契約"),
        related_name="orders",
        db_constraint=False,
        db_index=False,
    )
    term = models.ForeignKey(
        "contracts.Term", models.PROTECT, verbose_name=_("契約期間"), related_name="orders", db_constraint=False
    )
    line = models.ForeignKey(
        "contracts.ContractLine",
        models.SET_NULL,
        null=True,
        blank=True,
        verbose_name=_("追加の明細"),
        related_name="additions",
        db_constraint=False,
    )
    number = models.CharField(_("注文番号"), max_length=20, unique=True)
    kind = models.CharField(_("注文区分"), max_length=8, choices=Kind)
    ordered_on = models.DateField(_("注文日"))
    month = models.DateField(_("対象年月"))
    starts_on = models.DateField(_("利用開始日"))
    ends_on = models.DateField(_("利用終了日"))
    amount = models.BigIntegerField(_("注文金額（税抜）"))
    is_difference = models.BooleanField(_("差額"), default=False)
    prorate = models.BooleanField(_("日割"), default=False)
    reversed_on = models.DateField(_("取消日"), null=True, blank=True)

    objects = Orders.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("注文")
        constraints = [
            models.UniqueConstraint(fields=["customer", "id"], name="order_customer_key"),
            models.CheckConstraint(condition=Q(number__regex=r"^O\d{6}-\d{6,}$"), name="order_number_form"),
            models.CheckConstraint(condition=Q(kind__in=Kind.values), name="order_kind_known"),
            models.CheckConstraint(condition=Q(month__day=1), name="order_month_is_first_day"),
            models.CheckConstraint(condition=Q(ends_on__gte=F("starts_on")), name="order_period"),
            models.UniqueConstraint(
                fields=["term"], condition=~Q(kind="addition") & Q(reversed_on=None), name="one_order_a_term"
            ),
            models.CheckConstraint(
                condition=~Q(kind="addition", line=None, reversed_on=None) & (Q(kind="addition") | Q(line=None)),
                name="addition_names_its_line",
            ),
            models.CheckConstraint(
                condition=Q(is_difference=False) | Q(kind="addition"), name="difference_is_an_addition"
            ),
        ]
        indexes = [
            models.Index(F("customer"), F("month").desc(), F("number").desc(), name="orders_of_customer"),
            models.Index(fields=["customer", "contract"], name="orders_of_contract"),
            models.Index(fields=["month", "kind"], name="orders_of_month"),
        ]

    def __str__(self):
        return self.number

    @property
    def is_billed(self):
        """Whether a fixed document shows it; it stays so when that one is replaced or void (D6)."""
        return self.invoice_lines.filter(invoice__state__in=BILLED).exists()


class OrderLines(Scoped):
    def of_orders(self, orders):
        """Their lines in the order in which orders are listed."""
        order = ("-order__month", "-order__number", "position")
        return self.filter(order__in=orders.order_by().values("pk")).order_by(*order)

    def with_invoice(self):
        """Adds the number of the invoice that bills, or will bill, the line's order (`invoice_number`)."""
        head = Q(order__invoice_lines__is_order_head=True)
        return self.alias(head=FilteredRelation("order__invoice_lines", condition=head)).annotate(
            invoice_number=number_of_bill("order")
        )


class OrderLine(models.Model):
    """An item of an order, copied from the contract; `amount` in its own price basis, `net` without tax (yen)."""

    customer = models.ForeignKey("accounts.Customer", models.PROTECT, related_name="+", db_index=False)
    order = models.ForeignKey(Order, models.PROTECT, related_name="lines", db_constraint=False, db_index=False)
    contract_line = models.ForeignKey(
        "contracts.ContractLine", models.SET_NULL, null=True, related_name="+", db_constraint=False
    )
    position = models.PositiveSmallIntegerField(_("行"))
    product_code = models.CharField(_("商品コード"), max_length=30, blank=True)
    item = models.CharField(_("品目"), max_length=100)
    specification = models.CharField(_("仕様"), max_length=200, blank=True)
    starts_on = models.DateField(_("利用開始日"))
    ends_on = models.DateField(_("利用終了日"))
    quantity = models.DecimalField(_("数量"), max_digits=12, decimal_places=3)
    unit = models.CharField(_("単位"), max_length=10, blank=True)
    unit_price = models.DecimalField(_("単価"), max_digits=14, decimal_places=2)
    amount = models.BigIntegerField(_("金額"))
    net = models.BigIntegerField(_("税抜金額"))
    price_basis = models.CharField(_("税抜・税込"), max_length=9, choices=PriceBasis)
    tax_kind = models.CharField(_("税区分"), max_length=10, choices=TaxKind)
    tax_rate = models.DecimalField(_("税率"), max_digits=5, decimal_places=4)

    objects = OrderLines.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("注文明細")
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["customer", "id"], name="order_line_customer_key"),
            models.UniqueConstraint(
                fields=["order", "position"], name="order_line_position", deferrable=models.Deferrable.DEFERRED
            ),
            models.CheckConstraint(condition=Q(ends_on__gte=F("starts_on")), name="order_line_period"),
            models.CheckConstraint(condition=Q(tax_rate__gte=0, tax_rate__lt=1), name="order_line_rate"),
            models.CheckConstraint(condition=Q(tax_kind__in=TaxKind.values), name="order_line_tax_kind"),
            models.CheckConstraint(
                condition=Q(price_basis=PriceBasis.INCLUSIVE) | Q(price_basis=PriceBasis.EXCLUSIVE, net=F("amount")),
                name="order_line_basis",
            ),
        ]
        indexes = [models.Index(fields=["customer", "order"], name="lines_of_order")]

    def __str__(self):
        return self.item


class Pending(models.Model):
    """A customer whose unbilled orders have yet to follow a change of contracts, tax classes or settings (D23, D34).

    Triggers add the row with the change; whoever follows it takes the row away first.
    """

    customer = models.OneToOneField("accounts.Customer", models.CASCADE, primary_key=True, related_name="+")
    since = models.DateTimeField()

    def __str__(self):
        return str(self.customer_id)


class UsageFile(models.Model):
    """A file of used quantities that was taken in; its hash tells it when it comes again."""

    sha256 = models.CharField("SHA-256", max_length=64, unique=True)
    name = models.CharField(_("ファイル名"), max_length=200)
    rows = models.PositiveIntegerField(_("行数"))
    at = models.DateTimeField(_("取込日時"), auto_now_add=True)

    class Meta:
        verbose_name = verbose_name_plural = _("使用量ファイル")
        ordering = ["-at"]

    def __str__(self):
        return self.name


class Usages(Scoped):
    def with_charges(self):
        """Adds what the quantity costs (`amount`, yen) and the number of the invoice that shows it."""
        charges = UsageCharge.objects.standing().filter(usage=OuterRef("pk"), customer=OuterRef("customer"))
        number = "invoice_lines__invoice__number"
        first = charges.filter(invoice_lines__origin="usage").values(number)[:1]
        newest = charges.filter(CHARGED).order_by("-invoice_lines__invoice").values(number)[:1]
        return self.annotate(
            amount=Subquery(charges.order_by().values("usage").annotate(sum=Sum("amount")).values("sum")),
            invoice_number=Coalesce(Subquery(newest), Subquery(first)),
        )

    def billed(self):
        """Those that a fixed document shows."""
        return self.filter(charges__dropped_on=None, charges__invoice_lines__invoice__state__in=BILLED).distinct()

    def unbilled(self):
        """Those that can still be corrected."""
        return self.exclude(pk__in=self.billed())


class Usage(models.Model):
    """What was used of a metered item (従量) in one month, and where the figure came from."""

    customer = models.ForeignKey(
        "accounts.Customer", models.PROTECT, verbose_name=_("お客様"), related_name="+", db_index=False
    )
    meter = models.ForeignKey(
        "contracts.Meter",
        models.PROTECT,
        verbose_name=_("従量料金"),
        related_name="usages",
        db_constraint=False,
        db_index=False,
    )
    month = models.DateField(_("対象年月"))
    quantity = models.DecimalField(_("数量"), max_digits=12, decimal_places=3)
    file = models.ForeignKey(UsageFile, models.PROTECT, verbose_name=_("使用量ファイル"), related_name="usages")
    line_number = models.PositiveIntegerField(_("行番号"))

    objects = Usages.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("使用量")
        ordering = ["-month", "meter"]
        constraints = [
            models.UniqueConstraint(fields=["customer", "id"], name="usage_customer_key"),
            models.UniqueConstraint(fields=["meter", "month"], name="one_usage_a_month"),
            models.CheckConstraint(condition=Q(month__day=1), name="usage_month_is_first_day"),
            models.CheckConstraint(condition=Q(quantity__gte=0), name="usage_not_negative"),
        ]

    def __str__(self):
        return f"{self.month:%Y-%m} {plain(self.quantity)}"


class UsageCharges(Scoped):
    def standing(self):
        """Those that count: no correction has taken their place."""
        return self.filter(dropped_on=None)


class UsageCharge(models.Model):
    """A stretch of a month's used quantity that has one price: a line of the invoice to come.

    When the quantity or the prices are corrected before the close, the old charges are kept, but count no more
    (`dropped_on`).
    """

    customer = models.ForeignKey("accounts.Customer", models.PROTECT, related_name="+", db_index=False)
    usage = models.ForeignKey(Usage, models.CASCADE, related_name="charges", db_constraint=False, db_index=False)
    position = models.PositiveSmallIntegerField(_("行"))
    item = models.CharField(_("品目"), max_length=100)
    specification = models.CharField(_("仕様"), max_length=200, blank=True)
    starts_on = models.DateField(_("利用開始日"))
    ends_on = models.DateField(_("利用終了日"))
    quantity = models.DecimalField(_("数量"), max_digits=12, decimal_places=3)
    unit = models.CharField(_("単位"), max_length=10)
    unit_price = models.DecimalField(_("単価"), max_digits=14, decimal_places=2)
    amount = models.BigIntegerField(_("金額"))
    price_basis = models.CharField(_("税抜・税込"), max_length=9, choices=PriceBasis)
    tax_kind = models.CharField(_("税区分"), max_length=10, choices=TaxKind)
    tax_rate = models.DecimalField(_("税率"), max_digits=5, decimal_places=4)
    dropped_on = models.DateField(_("取りやめ日"), null=True)

    objects = UsageCharges.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("従量明細")
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["customer", "id"], name="usage_charge_customer_key"),
            models.UniqueConstraint(
                fields=["usage", "position"], condition=Q(dropped_on=None), name="usage_charge_position"
            ),
            models.CheckConstraint(condition=Q(ends_on__gte=F("starts_on")), name="usage_charge_period"),
            models.CheckConstraint(condition=Q(tax_rate__gte=0, tax_rate__lt=1), name="usage_charge_rate"),
        ]

    def __str__(self):
        return self.item
