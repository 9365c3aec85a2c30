"""What the vendor tells its customers (お知らせ)."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from portal.months import today

MOST_NOTICES = 5  # on one page


class Notices(models.QuerySet):
    def for_user(self, user):
        """Those for everybody, and of a service for whose company has a contract of it; before signing in, those meant for there."""
        if not user.is_authenticated:
            return self.filter(on_sign_in=True)
        if user.customer_id is None:
            return self.none()
        used = user.customer.contracts.with_state(today()).filter(state__in=["active", "ending"])
        return self.filter(Q(service=None) | Q(service__in=used.values("service")))

    def showing(self, at=None):
        """Those that stand at this moment, the most pressing kind first, then the newest."""
        at = at or timezone.now()
        pressing = [models.When(kind=kind, then=models.Value(place)) for place, kind in enumerate(Notice.PRESSING)]
        found = self.filter(starts_at__lte=at).exclude(ends_at__lte=at)
        return found.order_by(models.Case(*pressing, default=models.Value(len(pressing))), "-starts_at", "-pk")


class Notice(models.Model):
    """Plain text with its links, shown between two moments; the end isn't included, without one it stays."""

    class Kind(models.TextChoices):
        NEWS = "news", pgettext_lazy("kind", "お知らせ")
        MAINTENANCE = "maintenance", _("メンテナンス")
        TROUBLE = "trouble", _("障害")
        IMPORTANT = "important", _("重要")

    kind = models.CharField(_("種別"), max_length=12, choices=Kind, default=Kind.NEWS)
    title = models.CharField(_("件名"), max_length=100)
    body = models.TextField(_("本文"), max_length=2000, help_text=_("改行とURLはそのまま表示されます"))
    title_en = models.CharField(_("件名（英語）"), max_length=100, blank=True)
    body_en = models.TextField(_("本文（英語）"), max_length=2000, blank=True)
    starts_at = models.DateTimeField(_("掲載開始"), default=timezone.now)
    ends_at = models.DateTimeField(_("掲載終了"), null=True, blank=True, help_text=_("空なら掲載を続けます"))
    on_sign_in = models.BooleanField(
        _("ログイン画面にも表示する"), default=False, help_text=_("ログイン前の誰にでも見えます")
    )
    service = models.ForeignKey(
        "contracts.Service",
        models.PROTECT,
        verbose_name=_("対象サービス"),
        null=True,
        blank=True,
        related_name="+",
        help_text=_("選ぶと、このサービスをご契約中のお客様にだけ表示します"),
    )

    PRESSING = (Kind.TROUBLE, Kind.IMPORTANT)

    objects = Notices.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("お知らせ")
        ordering = ["-starts_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["news", "maintenance", "trouble", "important"]), name="notice_kind_known"
            ),
            models.CheckConstraint(condition=Q(ends_at=None) | Q(ends_at__gt=F("starts_at")), name="notice_ends_later"),
            models.CheckConstraint(
                condition=Q(on_sign_in=False) | Q(service=None), name="notice_before_signing_in_is_for_everybody"
            ),
        ]

    def __str__(self):
        return self.title

    def clean(self):
        """The database says so too, but not beside the field."""
        if self.ends_at and self.starts_at and self.ends_at <= self.starts_at:
            raise ValidationError({"ends_at": _("掲載開始より後の日時を入力してください。")})
        if self.on_sign_in and self.service_id:
            raise ValidationError({"service": _("ログイン画面のお知らせは、サービスを限れません。")})

    @property
    def pressing(self):
        return self.kind in self.PRESSING

    @property
    def stage(self):
        """Whether it is yet to come, stands now, or is over, in words."""
        now = timezone.now()
        if self.starts_at > now:
            return _("掲載前")
        return _("掲載終了") if self.ends_at and self.ends_at <= now else _("掲載中")

    def in_language(self, language):
        """(title, body) in `language`; Japanese where no translation is stored."""
        if language == "en" and self.title_en and self.body_en:
            return self.title_en, self.body_en
        return self.title, self.body
