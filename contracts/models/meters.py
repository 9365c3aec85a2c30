"""Metered items (従量) of contracts, and what a month's quantity costs from which month on (D32)."""

from datetime import date

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from contracts.models.contracts import STAYS_WITHDRAWN, Contract, Service, Taxed
from portal.models import PriceBasis, TaxKind
from portal.scoping import Scoped
from portal.searching import Sought
from portal.templatetags.figures import plain


def refuse_below_zero(row, *names):
    """Raise ValidationError, at its field, for a value below 0."""
    below = [name for name in names if getattr(row, name) is not None and getattr(row, name) < 0]
    if below:
        raise ValidationError(dict.fromkeys(below, _("0以上で入力してください。")))


class Meters(Sought, Taxed):  # type: ignore[override]
    def holding(self, word):
        return [*word.begins("contract__number"), Q(item__icontains=word.plain)]


class Meter(models.Model):
    """A metered item (従量) of a contract; what a month's quantity costs is said by its prices (D32)."""

    customer = models.ForeignKey("accounts.Customer", models.PROTECT, related_name="+", db_index=False)
    contract = models.ForeignKey(
        Contract, models.PROTECT, related_name="meters", verbose_name=_("契約"), db_constraint=False, db_index=False
    )
    service = models.ForeignKey(Service, models.PROTECT, verbose_name=_("サービス"), related_name="+")
    item = models.CharField(_("品目"), max_length=100)
    unit = models.CharField(_("単位"), max_length=10)
    price_basis = models.CharField(_("税抜・税込"), max_length=9, choices=PriceBasis, default=PriceBasis.EXCLUSIVE)
    tax_kind = models.CharField(_("税区分"), max_length=10, choices=TaxKind, default=TaxKind.STANDARD)

    PRINTED = ("item", "unit")

    objects = Meters.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("従量料金")
        ordering = ["contract", "id"]
        constraints = [
            models.UniqueConstraint(fields=["customer", "id"], name="meter_customer_key"),
            models.UniqueConstraint(
                fields=["contract", "service"],
                name="one_meter_a_service",
                violation_error_message=_("この契約にはこのサービスの従量料金が登録されています"),
            ),
            models.CheckConstraint(condition=Q(price_basis__in=PriceBasis.values), name="meter_basis"),
            models.CheckConstraint(condition=Q(tax_kind__in=TaxKind.values), name="meter_tax_kind"),
        ]

    def __str__(self):
        return f"{self.contract.number} {self.item}"

    def clean(self):
        """The database says the second too, but not beside the field."""
        self.check_contract()
        if self._state.adding and Meter.objects.filter(contract=self.contract_id, service=self.service_id).exists():
            raise ValidationError({"service": _("この契約には、このサービスの従量料金がすでに登録されています。")})

    def check_contract(self):
        """Raises ValidationError where the contract was taken back, whatever this row was read with (D26)."""
        if Contract.objects.filter(pk=self.contract_id).exclude(withdrawn_on=None).exists():
            raise ValidationError(STAYS_WITHDRAWN)

    def price_of(self, month):
        """The `MeterPrice` that holds in the month: the newest that has begun by then."""
        begun = [price for price in self.prices.all() if price.since is None or price.since <= month]
        return max(begun, key=lambda price: price.since or date.min)


class MeterPrice(models.Model):
    """What a month's quantity costs in the months from `since` (None: from always) until the next price begins (D32).

    The first `free_quantity` (無料枠) costs nothing and the rest `unit_price`, until a tier's own price begins.
    """

    customer = models.ForeignKey("accounts.Customer", models.PROTECT, related_name="+", db_index=False)
    meter = models.ForeignKey(Meter, models.CASCADE, related_name="prices", db_constraint=False, db_index=False)
    since = models.DateField(_("適用開始年月"), null=True, blank=True)
    free_quantity = models.DecimalField(_("無料枠"), max_digits=12, decimal_places=3, default=0)
    unit_price = models.DecimalField(_("単価"), max_digits=14, decimal_places=2)

    objects = Scoped.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("単価と無料枠")
        ordering = [F("since").asc(nulls_first=True)]
        constraints = [
            models.UniqueConstraint(fields=["customer", "id"], name="meter_price_customer_key"),
            models.UniqueConstraint(fields=["meter", "since"], name="one_meter_price_a_month", nulls_distinct=False),
            models.CheckConstraint(condition=Q(since=None) | Q(since__day=1), name="meter_price_since_first_day"),
            models.CheckConstraint(
                condition=Q(free_quantity__gte=0, unit_price__gte=0), name="meter_price_not_negative"
            ),
        ]
        indexes = [models.Index(fields=["customer", "meter"], name="prices_of_meter")]

    def __str__(self):
        return f"{self.since:%Y/%m}" if self.since else str(_("当初から"))

    def clean(self):
        """The database says so too, but not beside the field."""
        refuse_below_zero(self, "free_quantity", "unit_price")

    @property
    def ladder(self):
        """The prices as (quantity above which it holds, unit price), from 0 on."""
        return [(0, self.unit_price), *((tier.above, tier.unit_price) for tier in self.tiers.all())]


class MeterTier(models.Model):
    """From a used quantity above `above` on, this unit price holds (段階料金)."""

    customer = models.ForeignKey("accounts.Customer", models.PROTECT, related_name="+", db_index=False)
    price = models.ForeignKey(MeterPrice, models.CASCADE, related_name="tiers", db_constraint=False, db_index=False)
    above = models.DecimalField(_("この数量を超えた分"), max_digits=12, decimal_places=3)
    unit_price = models.DecimalField(_("単価"), max_digits=14, decimal_places=2)

    objects = Scoped.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("段階料金")
        ordering = ["above"]
        constraints = [
            models.UniqueConstraint(fields=["price", "above"], name="one_price_a_tier"),
            models.CheckConstraint(condition=Q(above__gt=0, unit_price__gte=0), name="tier_not_negative"),
        ]
        indexes = [models.Index(fields=["customer", "price"], name="tiers_of_price")]

    def __str__(self):
        return f"{plain(self.above)} {plain(self.unit_price)}"
