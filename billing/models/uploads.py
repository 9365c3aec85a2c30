"""Files that staff sent in to be imported; what was in them goes once it is of no use, what became of them stays."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class UploadKind(models.TextChoices):
    CUSTOMERS = "customers", _("お客様")
    USERS = "users", _("ユーザ")
    CONTRACTS = "contracts", _("契約")
    USAGE = "usage", _("使用量")


class UploadState(models.TextChoices):
    CHECKING = "checking", _("確認中")
    CHECKED = "checked", _("確認済み")
    TAKING = "taking", _("取込中")
    TAKEN = "taken", _("取込済み")
    DROPPED = "dropped", _("取りやめ")
    FAILED = "failed", _("処理エラー")


OVER = [UploadState.TAKEN, UploadState.DROPPED]
UNDER_WAY = [UploadState.CHECKING, UploadState.TAKING]


class Uploads(models.QuerySet):
    def light(self):
        """Without the files themselves, which may be large."""
        return self.defer("content", "errors_csv")


class Upload(models.Model):
    """A file of rows: `content` is held until it is taken in or given up, `report` is what its preview, or its end, said.

    `progress` counts the rows that were read so far, `note` says in words what else there is to know.
    """

    kind = models.CharField(_("種類"), max_length=10, choices=UploadKind)
    name = models.CharField(_("ファイル名"), max_length=200)
    sha256 = models.CharField("SHA-256", max_length=64)
    size = models.PositiveIntegerField(_("サイズ（バイト）"))
    content = models.BinaryField(null=True)
    errors_csv = models.BinaryField(null=True)
    state = models.CharField(_("状態"), max_length=8, choices=UploadState, default=UploadState.CHECKING)
    report = models.JSONField(_("結果"), default=dict)
    progress = models.PositiveIntegerField(default=0)
    note = models.CharField(_("備考"), max_length=300, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("送信者"), related_name="+")
    at = models.DateTimeField(_("送信日時"), auto_now_add=True)
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("取込者"), null=True, related_name="+"
    )
    ended_at = models.DateTimeField(_("終了日時"), null=True)

    objects = Uploads.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("ファイルの取込")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=OVER, content=None, errors_csv=None)
                | ~Q(state__in=OVER) & Q(content__isnull=False),
                name="upload_kept_while_needed",
            ),
            models.CheckConstraint(condition=Q(state__in=UploadState.values), name="upload_state_known"),
        ]

    def __str__(self):
        return self.name

    @property
    def is_under_way(self):
        return self.state in UNDER_WAY

    @property
    def may_be_taken(self):
        return self.state == UploadState.CHECKED and not self.report["fault_count"]

    @property
    def may_be_dropped(self):
        return self.state in (UploadState.CHECKED, UploadState.FAILED)
