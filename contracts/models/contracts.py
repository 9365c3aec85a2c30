"""Services, contracts with their lines, and the terms (契約期間) through which a contract lives."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Case, F, Func, OuterRef, Q, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from portal import months, numbers
from portal.models import PriceBasis, TaxClass, TaxKind, grams_index, search_column
from portal.scoping import Public, Scoped
from portal.searching import Sought


class Service(models.Model):
    """Something the vendor sells; `position` gives it its place and colour in charts."""

    code = models.SlugField(_("サービスコード"), max_length=30, unique=True)
    name = models.CharField(_("サービス"), max_length=100)
    prorate = models.BooleanField(_("日割"), default=False, help_text=_("最初と最後の月を日割りで請求します"))
    position = models.PositiveSmallIntegerField(_("順番"), default=0)
    published = models.BooleanField(_("公開"), default=True)

    objects = Public.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("サービス")
        ordering = ["position", "id"]

    def __str__(self):
        return self.name


class Form(models.TextChoices):
    MONTHLY = months.MONTHLY, _("月額")
    YEARLY = months.YEARLY, _("年額")
    ONCE = months.ONCE, _("一括")


STAYS_WITHDRAWN = _("取り消した契約は変更できません。")


class State(models.TextChoices):
    BEFORE = "before", _("利用開始前")
    ACTIVE = "active", _("契約中")
    ENDING = "ending", _("解約予定")
    ENDED = "ended", _("契約終了")
    WITHDRAWN = "withdrawn", pgettext_lazy("contract", "取消")


class Renewal(models.TextChoices):
    AUTOMATIC = "automatic", _("自動更新")
    NONE = "none", _("更新なし")


ENDS_WITHIN = timedelta(days=60)  # before its end, both sides are told of a contract that isn't renewed
RENEWS = Q(auto_renew=True) & ~Q(form=Form.ONCE)


class Contracts(Sought):
    def holding(self, word):
        ordered = Q(purchase_order__startswith=word.folded.upper()) & ~Q(purchase_order="")
        return [*word.begins("number"), word.stands_in(self.model, "search", word.folded), ordered]

    def exactly(self, word):
        return self.filter(number__in=word.numbers)

    def with_term(self):
        """Adds the current (latest) term's dates: `term_starts_on`, `term_ends_on`; one behind the 解約日 is none of them."""
        terms = Term.objects.standing().filter(
            contract=OuterRef("pk"),
            customer=OuterRef("customer"),
            starts_on__lte=Coalesce(OuterRef("cancel_on"), Value(date.max)),
        )
        latest = terms.order_by("-sequence")
        return self.annotate(
            term_starts_on=Subquery(latest.values("starts_on")[:1]),
            term_ends_on=Subquery(latest.values("ends_on")[:1]),
        )

    def with_state(self, today):
        """Adds `state` (see `State`) as of `today`, `renewal`, and `next_renewal`: the day after the term, if another follows."""
        follows = RENEWS & (Q(cancel_on=None) | Q(cancel_on__gt=F("term_ends_on")))
        return self.with_term().annotate(
            state=Case(
                When(withdrawn_on__isnull=False, then=Value(State.WITHDRAWN)),
                When(start_on__gt=today, then=Value(State.BEFORE)),
                When(cancel_on__lt=today, then=Value(State.ENDED)),
                When(~RENEWS & (Q(term_ends_on=None) | Q(term_ends_on__lt=today)), then=Value(State.ENDED)),
                When(cancel_on__isnull=False, then=Value(State.ENDING)),
                default=Value(State.ACTIVE),
                output_field=models.CharField(),
            ),
            next_renewal=Case(
                When(follows, then=F("term_ends_on") + timedelta(days=1)), output_field=models.DateField()
            ),
            renewal=Case(
                When(RENEWS, then=Value(Renewal.AUTOMATIC)),
                default=Value(Renewal.NONE),
                output_field=models.CharField(),
            ),
        )

    def in_state(self, state, today):
        """Those in this state, found by the dates that it implies: of the state itself there is no index."""
        implied = {
            State.WITHDRAWN: Q(withdrawn_on__isnull=False),
            State.BEFORE: Q(withdrawn_on=None, start_on__gt=today),
            State.ENDING: Q(cancel_on__gte=today),
            State.ENDED: Q(cancel_on__lt=today) | ~RENEWS,
        }
        return self.with_state(today).filter(implied.get(state, Q(withdrawn_on=None)), state=state)

    def ending_without_renewal(self, today):
        """Those whose last term runs out within `ENDS_WITHIN` and that nobody cancelled; 一括 is meant to end."""
        ending = self.filter(auto_renew=False, cancel_on=None, withdrawn_on=None).exclude(form=Form.ONCE).with_term()
        return ending.filter(term_ends_on__range=(today, today + ENDS_WITHIN))

    def with_main_line(self, today=None):
        """Adds quantity, unit and tax rate of the main line, and the monthly fee of the lines in force (D21).

        The main line is the first one in force; one that goes on after a change stands where the former one stood (D23).
        """
        today = today or months.today()
        lines = ContractLine.objects.filter(contract=OuterRef("pk"), customer=OuterRef("customer"))
        stands = Case(When(charge_to__lt=today, then=1), When(charge_from__gt=today, then=1), default=0)
        place = Coalesce("continues__continues__position", "continues__position", "position")
        main = lines.with_rate(today).order_by(stands, place, "position")
        fee = lines.in_force(today).order_by().values("contract").annotate(fee=Sum("net")).values("fee")
        return self.annotate(
            quantity=Subquery(main.values("quantity")[:1]),
            unit=Subquery(main.values("unit")[:1]),
            tax_rate=Subquery(main.values("rate")[:1]),
            monthly_fee=Case(When(form=Form.MONTHLY, then=Subquery(fee)), output_field=models.BigIntegerField()),
        )


class Contract(models.Model):
    """What a customer agreed to pay for; its number stays for life (D1), its terms move on."""

    customer = models.ForeignKey(
        "accounts.Customer", models.PROTECT, verbose_name=_("お客様"), related_name="contracts", db_index=False
    )
    number = models.CharField(_("契約番号"), max_length=20, unique=True, validators=[numbers.own_form])
    name = models.CharField(_("契約名"), max_length=100)
    service = models.ForeignKey(Service, models.PROTECT, verbose_name=_("サービス"))
    plan = models.CharField(_("プラン"), max_length=100, blank=True)
    form = models.CharField(_("契約形態"), max_length=8, choices=Form, default=Form.MONTHLY)
    start_on = models.DateField(_("契約開始日"))
    cancel_on = models.DateField(_("解約日"), null=True, blank=True, help_text=_("この日まで使えます"))
    auto_renew = models.BooleanField(_("自動更新"), default=True)
    bill_from = models.DateField(
        _("請求開始年月"), null=True, blank=True, help_text=_("この月から請求します（1日の日付、空欄は最初の月から）")
    )
    purchase_order = models.CharField(
        _("発注番号"),
        max_length=50,
        blank=True,
        db_default="",
        default="",
        help_text=_("お客様の発注番号。これから確定する請求書の明細に印刷します"),
    )
    withdrawn_on = models.DateField(_("取消日"), null=True, editable=False)
    note = models.TextField(_("備考"), max_length=2000, blank=True)
    updated_at = models.DateTimeField(_("最終更新日"), auto_now=True)
    search = search_column("name")
    PRINTED = ("purchase_order",)
    changes: Sequence[Any] = ()  # what the last save did to its orders (orders.services)

    objects = Contracts.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("契約")
        constraints = [
            models.UniqueConstraint(fields=["customer", "id"], name="contract_customer_key"),
            models.CheckConstraint(condition=Q(number__regex=numbers.OWN_FORM), name="contract_number_form"),
            models.CheckConstraint(condition=Q(form__in=Form.values), name="contract_form_known"),
            models.CheckConstraint(
                condition=Q(cancel_on=None) | Q(cancel_on__gte=F("start_on")),
                name="contract_ends_after_start",
                violation_error_message=_("解約日は契約開始日以降の日付を入力してください"),
            ),
            models.CheckConstraint(
                condition=Q(bill_from=None) | Q(bill_from__day=1),
                name="contract_bill_from_is_first_day",
                violation_error_message=_("請求開始年月は月の1日を入力してください"),
            ),
        ]
        indexes = [
            models.Index(fields=["customer", "number"], name="contracts_of_customer"),
            grams_index("search", "contracts_sought"),
            models.Index(
                fields=["purchase_order"], opclasses=["varchar_pattern_ops"], condition=~Q(purchase_order=""),
                name="contracts_ordered",
            ),
            # Those that may end without anybody's doing: staff's start page counts them.
            models.Index(
                fields=["id"], condition=Q(auto_renew=False, cancel_on=None, withdrawn_on=None) & ~Q(form=Form.ONCE),
                name="contracts_that_run_out",
            ),
            # By which staff's list finds the few contracts of a form or a state among all.
            models.Index(fields=["form", "id"], name="contracts_of_form"),
            models.Index(fields=["start_on"], condition=Q(withdrawn_on=None), name="contracts_by_start"),
            models.Index(fields=["cancel_on"], condition=Q(cancel_on__isnull=False), name="contracts_by_end"),
            models.Index(fields=["id"], condition=~RENEWS, name="contracts_without_renewal"),
            models.Index(fields=["id"], condition=Q(withdrawn_on__isnull=False), name="contracts_withdrawn"),
        ]  # fmt: skip

    def __str__(self):
        return f"{self.number} {self.name}"

    def clean(self):
        """The database says so too; but once the start is settled no form has both dates, and none would show its message."""
        if self.cancel_on and self.start_on and self.cancel_on < self.start_on:
            raise ValidationError({"cancel_on": _("解約日は契約開始日以降の日付を入力してください。")})
        if self.bill_from and self.bill_from.day != 1:
            raise ValidationError({"bill_from": _("請求開始年月は月の1日を入力してください。")})

    @property
    def renews(self):
        """Whether terms go on by themselves; 一括 never does (D2)."""
        return self.auto_renew and self.form != Form.ONCE


class Taxed(Scoped):
    def with_rate(self, day):
        """Adds the tax rate of each row's kind on that day (`rate`)."""
        rate = TaxClass.objects.valid_on(day).filter(kind=OuterRef("tax_kind"))
        return self.annotate(rate=Subquery(rate.values("rate")[:1]))


# A line `l` owes something for a term `t`.
CHARGED_SQL = """(l.charge_from IS NULL OR l.charge_from <= t.ends_on)
    AND (l.charge_to IS NULL OR l.charge_to >= t.starts_on)"""


class ContractLines(Taxed):
    def in_force(self, day):
        return self.exclude(charge_from__gt=day).exclude(charge_to__lt=day)

    def of_contracts(self, contracts):
        """Their lines in the order in which contracts are listed."""
        order = ("-contract__start_on", "contract__number", "position")
        return self.filter(contract__in=contracts.order_by().values("pk")).order_by(*order)


class ContractLine(models.Model):
    """One item of a contract. `amount` is quantity × unit price in its own basis, `net` the same without tax (yen).

    A line that is billed ends where it changes, and a copy goes on with the change: it `continues` the former one (D23).
    """

    customer = models.ForeignKey("accounts.Customer", models.PROTECT, related_name="+", db_index=False)
    contract = models.ForeignKey(Contract, models.CASCADE, related_name="lines", db_constraint=False, db_index=False)
    position = models.PositiveSmallIntegerField(_("行"), default=1)
    product_code = models.CharField(_("商品コード"), max_length=30, blank=True)
    item = models.CharField(_("品目"), max_length=100)
    specification = models.CharField(_("仕様"), max_length=200, blank=True)
    quantity = models.DecimalField(_("数量"), max_digits=12, decimal_places=3, default=1)
    unit = models.CharField(_("単位"), max_length=10, blank=True)
    unit_price = models.DecimalField(_("単価"), max_digits=14, decimal_places=2)
    amount = models.BigIntegerField(_("金額"), editable=False)
    net = models.BigIntegerField(_("税抜金額"), editable=False)
    price_basis = models.CharField(_("税抜・税込"), max_length=9, choices=PriceBasis, default=PriceBasis.EXCLUSIVE)
    tax_kind = models.CharField(_("税区分"), max_length=10, choices=TaxKind, default=TaxKind.STANDARD)
    charge_from = models.DateField(_("課金開始日"), null=True, blank=True)
    charge_to = models.DateField(_("課金終了日"), null=True, blank=True)
    continues = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        editable=False,
        verbose_name=_("変更前の明細"),
        related_name="continuations",
        db_constraint=False,
    )

    PRINTED = ("item", "specification", "unit")

    objects = ContractLines.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("契約明細")
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["customer", "id"], name="contract_line_customer_key"),
            models.UniqueConstraint(
                fields=["contract", "position"], name="contract_line_position", deferrable=models.Deferrable.DEFERRED
            ),
            models.CheckConstraint(
                condition=Q(
                    amount=Func(F("quantity") * F("unit_price"), function="trunc", output_field=models.DecimalField())
                ),
                name="contract_line_amount",
            ),
            models.CheckConstraint(
                condition=Q(price_basis=PriceBasis.INCLUSIVE) | Q(price_basis=PriceBasis.EXCLUSIVE, net=F("amount")),
                name="contract_line_basis",
            ),
            models.CheckConstraint(condition=Q(tax_kind__in=TaxKind.values), name="contract_line_tax_kind"),
            models.CheckConstraint(
                condition=Q(charge_from=None) | Q(charge_to=None) | Q(charge_to__gte=F("charge_from")),
                name="contract_line_period",
                violation_error_message=_("課金終了日は課金開始日以降の日付を入力してください"),
            ),
        ]
        indexes = [models.Index(fields=["customer", "contract"], name="lines_of_contract")]

    def __str__(self):
        return self.item

    def clean(self):
        """The database says so of the days too, but not beside the field."""
        if self.quantity is not None and self.quantity <= 0:
            raise ValidationError({"quantity": _("0より大きい数量を入力してください。")})
        if self.charge_from and self.charge_to and self.charge_to < self.charge_from:
            raise ValidationError({"charge_to": _("課金終了日は課金開始日以降の日付を入力してください。")})


class Terms(Scoped):
    def standing(self):
        return self.filter(dropped_on=None)


class Term(models.Model):
    """One 契約期間 (D1, D2), both dates included; `sequence` counts from 1 at the contract's start.

    A term that a late 解約日 took back keeps its row, for its order was seen, but counts no more (`dropped_on`). One that was
    billed stays, though it begins after the 解約日: it covers no day then, and holds its place if the 解約日 is taken back.
    """

    customer = models.ForeignKey("accounts.Customer", models.PROTECT, related_name="+", db_index=False)
    contract = models.ForeignKey(
        Contract, models.PROTECT, related_name="terms", verbose_name=_("契約"), db_constraint=False, db_index=False
    )
    sequence = models.PositiveIntegerField(_("期"))
    starts_on = models.DateField(_("開始日"))
    ends_on = models.DateField(_("終了日"))
    dropped_on = models.DateField(_("取りやめ日"), null=True)

    objects = Terms.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("契約期間")
        ordering = ["contract", "sequence"]
        constraints = [
            models.UniqueConstraint(fields=["customer", "id"], name="term_customer_key"),
            models.UniqueConstraint(
                fields=["contract", "starts_on"], condition=Q(dropped_on=None), name="one_term_a_first_day"
            ),
            models.UniqueConstraint(
                fields=["contract", "sequence"], condition=Q(dropped_on=None), name="one_term_a_sequence"
            ),
            models.CheckConstraint(condition=Q(ends_on__gte=F("starts_on")), name="term_ends_after_start"),
        ]
        indexes = [models.Index(fields=["customer", "contract"], name="terms_of_contract")]

    def __str__(self):
        return f"{self.starts_on:%Y/%m/%d}～{self.ends_on:%Y/%m/%d}"
