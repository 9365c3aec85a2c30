"""What customers ask the desk, and all that is written about it."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from portal.models.functions import grams_index, sought_column
from portal.scoping import Scoped
from portal.searching import Sought


class Inquiries(Sought):
    def waiting(self):
        """Those that wait for the desk's answer, the oldest question first."""
        return self.filter(state=Inquiry.State.WAITING).order_by("asked_at")

    def exactly(self, word):
        return self.filter(number__in=word.numbers)

    def holding(self, word):
        return [*word.begins("number"), word.stands_in(self.model)]


class Inquiry(models.Model):
    """A question or application of a customer; its own words never change, what follows are its messages."""

    class Kind(models.TextChoices):
        QUESTION = "question", _("ご質問")
        CHANGE = "change", _("変更申込")
        CANCEL = "cancel", _("解約申込")
        BILLING = "billing", _("請求について")
        OTHER = "other", _("その他")

    class State(models.TextChoices):
        WAITING = "waiting", _("返信待ち")
        ANSWERED = "answered", _("お客様の返事待ち")
        HELD = "held", _("保留")
        DONE = "done", _("完了")

    class Via(models.TextChoices):
        PORTAL = "portal", _("ポータル")
        PHONE = "phone", _("電話")
        MAIL = "mail", _("メール")
        OTHER = "other", _("その他")

    number = models.CharField(_("受付番号"), max_length=20, unique=True)
    customer = models.ForeignKey("accounts.Customer", models.PROTECT, verbose_name=_("お客様"))
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("送信者"), null=True, blank=True)
    via = models.CharField(_("受付方法"), max_length=10, choices=Via, default=Via.PORTAL, db_default=Via.PORTAL)
    entered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("入力した担当者"), null=True, related_name="+"
    )
    kind = models.CharField(_("種別"), max_length=10, choices=Kind, default=Kind.QUESTION)
    subject = models.CharField(_("件名"), max_length=100)
    body = models.TextField(_("本文"), max_length=4000)
    about = models.CharField(_("対象"), max_length=20, blank=True)
    created_at = models.DateTimeField(_("受付日時"), auto_now_add=True)
    state = models.CharField(_("状態"), max_length=8, choices=State, default=State.WAITING, db_default=State.WAITING)
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("担当"), null=True, blank=True, related_name="+"
    )
    asked_at = models.DateTimeField(_("お客様が最後に書いた日時"), default=timezone.now, db_default=Now())
    # Of a 変更申込: {field of the customer: [what stood there when it was sent, what is wished]}.
    wished = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()), editable=False)
    taken_at = models.DateTimeField(_("取込日時"), null=True, editable=False)
    handled_at = models.DateTimeField(_("完了日時"), null=True, blank=True)
    sought = sought_column("subject")

    objects = Inquiries.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("お問い合わせ")
        ordering = ["-created_at"]
        indexes = [
            models.Index(F("customer"), F("created_at").desc(), name="inquiries_of_customer"),
            models.Index(fields=["asked_at"], condition=Q(state="waiting"), name="inquiries_waiting"),
            models.Index(F("created_at").desc(), F("id").desc(), name="inquiries_by_day"),
            grams_index("sought", "inquiries_sought"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["customer", "id"], name="inquiry_customer_key"),
            models.CheckConstraint(
                condition=Q(kind__in=["question", "change", "cancel", "billing", "other"]), name="inquiry_kind_known"
            ),
            models.CheckConstraint(condition=Q(number__regex=r"^[A-Z0-9-]{1,20}$"), name="inquiry_number_form"),
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "answered", "held"], handled_at=None)
                | Q(state="done", handled_at__isnull=False),
                name="inquiry_done_has_its_time",
            ),
            models.CheckConstraint(condition=Q(wished={}) | Q(kind="change"), name="inquiry_wishes_are_changes"),
            models.CheckConstraint(condition=Q(taken_at=None) | ~Q(wished={}), name="inquiry_takes_what_is_wished"),
            models.CheckConstraint(
                condition=Q(via="portal", entered_by=None, user__isnull=False)
                | Q(via__in=["phone", "mail", "other"], entered_by__isnull=False),
                name="inquiry_came_by_somebody",
            ),
        ]

    def __str__(self):
        return f"{self.number} {self.subject}"

    @property
    def subject_told(self):
        """The subject; that of a 変更申込 is the vendor's, and is told in the reader's language."""
        return gettext(self.subject) if self.wished else self.subject

    @property
    def sender_name(self):
        """Who asked; the company, where staff wrote down what nobody with an account said."""
        return self.user.name if self.user else self.customer.name


class Message(models.Model):
    """What somebody wrote about an inquiry after it was sent; only ever added to."""

    class Kind(models.TextChoices):
        CUSTOMER = "customer", _("お客様")
        ANSWER = "answer", _("返信")
        MEMO = "memo", _("社内メモ")

    customer = models.ForeignKey("accounts.Customer", models.PROTECT, db_index=False)
    inquiry = models.ForeignKey(Inquiry, models.PROTECT, related_name="messages")
    kind = models.CharField(max_length=8, choices=Kind)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    author_name = models.CharField(max_length=100)
    body = models.TextField(max_length=4000)
    at = models.DateTimeField(auto_now_add=True)

    objects = Scoped.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("やりとり")
        default_permissions = ()
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=["customer", "answer", "memo"]), name="message_kind_known")
        ]

    def __str__(self):
        return f"{self.get_kind_display()} {self.author_name}"
