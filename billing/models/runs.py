"""The record of the month's runs, and the customers whose month waits (保留)."""

from datetime import date

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from portal.scoping import Scoped

NEVER = date(1, 1, 1)


class MonthRuns(models.QuerySet):
    def last_closed(self):
        """The last month whose close has finished; a date long ago if there is none."""
        done = self.filter(kind=MonthRun.Kind.CLOSE, finished_at__isnull=False)
        return done.order_by("-month").values_list("month", flat=True).first() or NEVER

    def of_all(self):
        """Those that ended and looked at every customer: each close, and drafts made for all."""
        return self.filter(Q(kind=MonthRun.Kind.CLOSE) | Q(whole=True), finished_at__isnull=False)


class MonthRun(models.Model):
    """One run of `close_month` or `open_month`, with the settings that it used and what it found and did."""

    class Kind(models.TextChoices):
        CLOSE = "close", _("月末締め")
        OPEN = "open", _("見込作成")

    month = models.DateField(_("対象年月"))
    kind = models.CharField(_("種類"), max_length=5, choices=Kind)
    as_of = models.DateField(_("基準日"))
    started_at = models.DateTimeField(_("開始"), auto_now_add=True)
    finished_at = models.DateTimeField(_("終了"), null=True)
    expected = models.PositiveIntegerField(_("対象"), default=0)
    fixed = models.PositiveIntegerField(_("確定"), default=0)
    skipped = models.PositiveIntegerField(_("対象外"), default=0)
    parked = models.PositiveIntegerField(_("保留"), default=0)
    whole = models.BooleanField(_("全お客様"), default=False)
    settings = models.JSONField(_("使った設定"), default=dict)

    objects = MonthRuns.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("月次処理")
        ordering = ["-started_at"]
        indexes = [models.Index(fields=["month", "kind"], name="runs_of_month")]

    def __str__(self):
        return f"{self.month:%Y-%m} {self.get_kind_display()}"


class MonthChecks(models.QuerySet):
    def ended(self):
        """Those that found out how the month is."""
        return self.filter(fault="")


class MonthCheck(models.Model):
    """One 点検 of a month; `findings` are [{code, kind, count}] of what isn't well. Rows are only ever added.

    `things` are the same as {code: {title, first, more}}, the first ones as [what, text, how many are alike]; null where only
    counts were kept. `fault` says why it couldn't be ended; then nothing was found. `at` is when it began, so that a run that
    ended meanwhile makes it old. `by` is null where a command checked.
    """

    month = models.DateField(_("対象年月"))
    at = models.DateTimeField(_("日時"))
    is_closed = models.BooleanField(_("締め後"))
    findings = models.JSONField(_("結果"), default=list)
    things = models.JSONField(_("見つかったもの"), null=True)
    fault = models.TextField(_("終わらなかった理由"), blank=True, default="", db_default="")
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", verbose_name=_("依頼した人")
    )

    objects = MonthChecks.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("点検")
        ordering = ["-at"]
        default_permissions = ()
        indexes = [
            models.Index("month", models.F("at").desc(), name="checks_of_month"),
            models.Index("at", condition=Q(is_closed=False), name="checks_of_open_months"),
        ]

    def __str__(self):
        return f"{self.month:%Y-%m} {self._meta.verbose_name}"


class MonthTally(models.Model):
    """What staff's board last counted of a closed month, so that it needn't again.

    `opened` are the invoices that a company downloaded `until` then. The others stay empty as long as not all is fixed and has
    its PDF; then they hold as long as there are as many `documents`, and of them as many that count no more (`ended`).
    """

    month = models.DateField(_("対象年月"), primary_key=True)
    until = models.DateTimeField(_("日時"))
    opened = models.PositiveIntegerField()
    documents = models.PositiveIntegerField(null=True)
    ended = models.PositiveIntegerField(null=True)
    invoices = models.PositiveIntegerField(null=True)
    total = models.BigIntegerField(null=True)

    class Meta:
        verbose_name = verbose_name_plural = _("集計")
        default_permissions = ()

    def __str__(self):
        return f"{self.month:%Y-%m}"


class Parked(models.Model):
    """A customer whose month couldn't be closed (保留), and why; the row goes when a later run succeeds."""

    customer = models.ForeignKey("accounts.Customer", models.PROTECT, verbose_name=_("お客様"), related_name="+")
    month = models.DateField(_("対象年月"))
    reason = models.TextField(_("理由"))
    by_person = models.BooleanField(_("判断待ち"), default=False)
    tries = models.PositiveSmallIntegerField(_("試行回数"), default=1)
    parked_at = models.DateTimeField(_("保留日時"), auto_now_add=True)
    tried_at = models.DateTimeField(_("最終試行"), auto_now=True)

    objects = Scoped.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("保留")
        constraints = [models.UniqueConstraint(fields=["customer", "month"], name="parked_once_a_month")]

    def __str__(self):
        return self.reason[:80]
