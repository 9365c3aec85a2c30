"""The vendor's own: settings, registration numbers, tax classes, calendar, and the numbers that were given."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from portal import money
from portal.models.functions import DateRange
from portal.scoping import Everybody
from portal.templatetags.figures import percent


class RoundingMode(models.TextChoices):
    DOWN = money.DOWN, _("切り捨て")
    HALF_UP = money.HALF_UP, _("四捨五入")
    UP = money.UP, _("切り上げ")


class Vendors(Everybody):
    def settings(self):
        """The vendor's row. Raises ValidationError while nobody has registered it."""
        found = self.first()
        if found is None:
            raise ValidationError(_("ベンダー設定がありません。先に管理画面で登録してください。"))
        return found


class Seal(models.Model):
    """A picture of the vendor's seal (角印), once used never changed: documents name it by its hash."""

    sha256 = models.CharField("SHA-256", max_length=64, primary_key=True)
    content = models.BinaryField()

    class Meta:
        verbose_name = verbose_name_plural = _("角印")
        default_permissions = ()

    def __str__(self) -> str:
        return self.sha256[:12]


CARRIED = "翌月の請求で調整（継続適用）"  # the 調整方法 with which credits are offered (D28)


class Vendor(models.Model):
    """The one vendor of this installation (row 1)."""

    name = models.CharField(_("会社名"), max_length=100)
    postal_code = models.CharField(_("郵便番号"), max_length=8)
    address = models.CharField(_("住所"), max_length=200)
    phone = models.CharField(_("電話"), max_length=20)
    desk_name = models.CharField(_("窓口名"), max_length=50)
    desk_phone = models.CharField(_("窓口電話"), max_length=20)
    desk_email = models.EmailField(_("窓口メール"))
    desk_hours = models.CharField(_("受付時間"), max_length=100, blank=True)
    bank_account = models.TextField(
        _("振込先"), max_length=1000, help_text=_("口座が複数あるときは、口座と口座の間に空の行を入れます")
    )
    seal = models.ForeignKey(Seal, models.PROTECT, verbose_name=_("角印"), null=True, blank=True, editable=False)
    invoice_note = models.TextField(_("請求書の備考"), max_length=400, blank=True)
    rounding = models.CharField(_("消費税の端数処理"), max_length=8, choices=RoundingMode, default=RoundingMode.DOWN)
    first_month = models.DateField(_("運用開始年月"), help_text=_("この月から請求します（1日の日付）"))
    credit_method = models.CharField(
        _("調整方法"),
        max_length=100,
        default=CARRIED,
        help_text=_("調整残高を差し引いた請求書に印刷します"),
    )
    refund_note = models.CharField(
        _("返金の案内"),
        max_length=200,
        blank=True,
        default="",
        db_default="",
        help_text=_("返還のお知らせのメールと画面に表示します。空なら「返金方法は担当よりご案内いたします。」"),
    )
    attach_pdf = models.BooleanField(
        _("PDFの添付"), default=False, help_text=_("請求のお知らせのメールに書類のPDFを添付します（3MBまで）")
    )
    mail_free = models.BooleanField(
        _("0円の請求のお知らせ"), default=True, help_text=_("合計が0円の請求書についても、確定をメールで知らせます")
    )
    remind = models.BooleanField(
        _("支払期日のお知らせ"),
        default=False,
        help_text=_("銀行振込のお客様に、支払期日の3日前のメールを1回送ります"),
    )
    tells_looking = models.BooleanField(
        _("担当者による閲覧の表示"),
        default=False,
        help_text=_("担当者がお客様の画面を見たことを、そのお客様の「変更履歴」に表示します"),
    )

    PRINTED = ("name", "address", "phone", "bank_account", "invoice_note", "credit_method")

    objects = Vendors.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("ベンダー設定")
        constraints = [
            models.CheckConstraint(condition=Q(pk=1), name="one_vendor"),
            models.CheckConstraint(condition=Q(first_month__day=1), name="vendor_first_month_is_first_day"),
            models.CheckConstraint(condition=Q(rounding__in=RoundingMode.values), name="vendor_rounding_known"),
        ]

    def __str__(self):
        return self.name

    @property
    def refund_words(self):
        """How a company gets back what a 返還 says."""
        return self.refund_note or _("返金方法は担当よりご案内いたします。")

    @property
    def carries_credits(self):
        """Whether what is to be given back may go off the next bills (D28)."""
        return self.credit_method == CARRIED


class Dated(models.QuerySet):
    """Rows that hold from `valid_from` to `valid_to`, both days included; without an end they go on."""

    def valid_on(self, day):
        return self.filter(valid_from__lte=day).exclude(valid_to__lt=day)


def check_days(row, others):
    """Raise ValidationError, at its field, for an end before the start, and for days that one of `others` holds."""
    if row.valid_from is None:
        return
    if row.valid_to and row.valid_to < row.valid_from:
        raise ValidationError({"valid_to": _("終了日は開始日以降の日付を入力してください。")})
    overlapping = others.exclude(pk=row.pk).exclude(valid_to__lt=row.valid_from)
    if row.valid_to:
        overlapping = overlapping.filter(valid_from__lte=row.valid_to)
    if other := overlapping.order_by("valid_from").first():
        told = {
            "other": other,
            "days": f"{other.valid_from:%Y/%m/%d}～" + (f"{other.valid_to:%Y/%m/%d}" if other.valid_to else ""),
        }
        field = "valid_to" if row.valid_from < other.valid_from else "valid_from"
        raise ValidationError(
            {field: _("「%(other)s」（%(days)s）と期間が重なっています。先にどちらかの期間を直してください。") % told}
        )


# The same in SQL.
VALID_SQL = "{row}.valid_from <= {day} AND ({row}.valid_to IS NULL OR {row}.valid_to >= {day})"


class VendorRegistration(models.Model):
    """The vendor's number as qualified invoice issuer (適格請求書発行事業者), with the dates it holds."""

    number = models.CharField(_("登録番号"), max_length=14, validators=[RegexValidator(r"^T\d{13}$")])
    valid_from = models.DateField(_("開始日"))
    valid_to = models.DateField(_("終了日"), null=True, blank=True)

    objects = Dated.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("登録番号")
        constraints = [
            ExclusionConstraint(
                name="one_registration_a_day",
                expressions=[(DateRange("valid_from", "valid_to"), RangeOperators.OVERLAPS)],
            ),
        ]

    def __str__(self):
        return self.number

    def clean(self):
        check_days(self, VendorRegistration.objects.all())


class TaxKind(models.TextChoices):
    STANDARD = "standard", _("標準税率")
    REDUCED = "reduced", _("軽減税率")
    EXEMPT = "exempt", _("非課税")
    EXPORT = "export", _("免税")
    OUTSIDE = "outside", _("不課税")


class PriceBasis(models.TextChoices):
    EXCLUSIVE = "exclusive", _("税抜")
    INCLUSIVE = "inclusive", _("税込")


class TaxClass(models.Model):
    """The rate of a kind of tax between two dates, both included; the date of supply decides (D7)."""

    kind = models.CharField(_("区分"), max_length=10, choices=TaxKind)
    rate = models.DecimalField(
        _("税率"), max_digits=5, decimal_places=4, validators=[MinValueValidator(0), MaxValueValidator(1)]
    )
    valid_from = models.DateField(_("開始日"))
    valid_to = models.DateField(_("終了日"), null=True, blank=True)

    objects = Dated.as_manager()

    UNTAXED = (TaxKind.EXEMPT, TaxKind.EXPORT, TaxKind.OUTSIDE)

    class Meta:
        verbose_name = verbose_name_plural = _("税区分")
        ordering = ["kind", "valid_from"]
        constraints = [
            models.CheckConstraint(condition=Q(rate__gte=0, rate__lt=1), name="tax_rate_is_a_share"),
            models.CheckConstraint(condition=Q(kind__in=TaxKind.values), name="tax_kind_known"),
            # One constraint a kind: a single one over (kind, dates) would need the contrib module btree_gist.
            *[
                ExclusionConstraint(
                    name=f"one_{kind}_rate_a_day",
                    expressions=[(DateRange("valid_from", "valid_to"), RangeOperators.OVERLAPS)],
                    condition=Q(kind=kind),
                )
                for kind in TaxKind.values
            ],
        ]

    def __str__(self):
        return f"{self.get_kind_display()} {percent(self.rate)}"

    def clean(self):
        if self.kind in self.UNTAXED and self.rate:
            raise ValidationError({"rate": _("非課税・免税・不課税の税率は0です。")})
        check_days(self, TaxClass.objects.filter(kind=self.kind))

    def validate_constraints(self, exclude=None):
        """Each constraint is one kind's, so without a kind there is nothing to ask; Django would fail in asking."""
        if "kind" not in (exclude or ()):
            super().validate_constraints(exclude)


class CalendarDays(models.QuerySet):
    def exceptions(self):
        """The vendor's own days, as the arguments `off` and `on` of portal.months."""
        days = dict(self.values_list("day", "working"))
        return {
            "off": {day for day, works in days.items() if not works},
            "on": {day for day, works in days.items() if works},
        }


class CalendarDay(models.Model):
    """A day on which the vendor works, or doesn't, against the general calendar."""

    day = models.DateField(_("日付"), unique=True)
    working = models.BooleanField(_("営業する"), default=False)
    note = models.CharField(_("メモ"), max_length=100, blank=True)

    objects = CalendarDays.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("営業日の例外")
        ordering = ["day"]

    def __str__(self):
        return f"{self.day:%Y/%m/%d}"


class Counter(models.Model):
    """The last number given in a series; numbers are never reused."""

    series = models.CharField(max_length=20, primary_key=True)
    value = models.PositiveBigIntegerField(default=0)

    def __str__(self):
        return self.series
