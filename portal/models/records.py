"""What people and programs leave behind: mails, history, columns, forms; and the FAQ."""

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import models
from django.db.models import Exists, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from portal import trace
from portal.models.functions import search_column, search_text
from portal.models.vendor import Vendor
from portal.reading import fold
from portal.scoping import Public, Scoped
from portal.searching import MOST_CUSTOMERS, Sought

NOTHING = "（なし）"


def people_called(word):
    """Keys of users in whose own texts the word stands; not all, where they are many."""
    people = get_user_model()
    return people.objects.filter(word.stands_in(people)).values("pk")[:MOST_CUSTOMERS]


class Mails(Sought):
    def holding(self, word):
        """To addresses that begin so, about the document of this number, to users of this name."""
        found = [Q(user__in=people_called(word))]
        if word.folded.isascii():
            found.append(Q(sent_to__startswith=word.folded) & ~Q(sent_to=""))
        if keys := [f"{kind}:{number}" for kind in Mail.ABOUT_DOCUMENTS for number in word.numbers]:
            found.append(Q(key__in=keys))
        return found


def mail_kinds():
    """Asked when they are needed, so that a new kind, which changes no column, needs no migration."""
    return Mail.Kind.choices


class Mail(models.Model):
    """A mail to be sent once: kind and data are stored, its words (and any secret) are made at sending."""

    class Kind(models.TextChoices):
        """Each has its words in `templates/mail/<kind>.txt`, but the one to nobody."""

        INVOICE_FIXED = "invoice_fixed", _("請求金額確定")
        INVOICE_CORRECTED = "invoice_corrected", _("請求書の差替え")
        INVOICE_RETURNED = "invoice_returned", _("返還請求書の発行")
        INVOICE_VOID = "invoice_void", _("請求の取消")
        INVOICE_REMINDER = "invoice_reminder", _("支払期日")
        ACCOUNT_CREATED = "account_created", _("アカウント情報（パスワード）")
        ACCOUNT_LINK = "account_link", _("アカウント情報（URL）")
        ACCOUNT_TYPED = "account_typed", _("アカウント情報（パスワードは入力者に確認）")
        RESET_CONFIRM = "reset_confirm", _("パスワードリセット確認")
        RESET_PASSWORD = "reset_password", _("パスワード更新")
        RESET_UNKNOWN = "reset_unknown", _("宛先なし")
        PASSWORD_CHANGED = "password_changed", pgettext_lazy("event", "パスワード変更")
        PASSWORD_SET = "password_set", _("パスワード変更（ほかのユーザによる）")
        ADDRESS_CHANGED = "address_changed", _("Eメール変更")
        RECIPIENT_CHANGED = "recipient_changed", _("メール送信先変更")
        SECOND_FACTOR_ON = "second_factor_on", _("2段階認証の設定")
        SECOND_FACTOR_OFF = "second_factor_off", _("2段階認証の解除")
        INQUIRY = "inquiry", _("お問い合わせ")
        INQUIRY_COPY = "inquiry_copy", _("お問い合わせの控え")
        INQUIRY_MORE = "inquiry_more", _("お問い合わせの追記")
        INQUIRY_ANSWER = "inquiry_answer", _("お問い合わせへの返信")

    class State(models.TextChoices):
        WAITING = "waiting", _("送信待ち")
        SENDING = "sending", _("送信中")
        SENT = "sent", _("送信済")
        FAILED = "failed", _("送信不可")

    key = models.CharField(_("キー"), max_length=100, unique=True)
    kind = models.CharField(_("種類"), max_length=30, choices=mail_kinds)
    customer = models.ForeignKey("accounts.Customer", models.PROTECT, verbose_name=_("お客様"), null=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("ユーザ"), null=True)
    data = models.JSONField(_("内容"), default=dict)
    state = models.CharField(_("状態"), max_length=8, choices=State, default=State.WAITING)
    sent_to = models.CharField(_("送信先"), max_length=254, blank=True)
    tries = models.PositiveSmallIntegerField(_("試行回数"), default=0)
    due_at = models.DateTimeField(_("次回送信"))
    sent_at = models.DateTimeField(_("送信日時"), null=True)
    error = models.CharField(_("エラー"), max_length=500, blank=True)
    created_at = models.DateTimeField(_("作成日時"), auto_now_add=True)
    # What it was caused by, as the log names it.
    request = models.CharField(_("受付番号"), max_length=64, blank=True, default=trace.current, db_default="")

    ABOUT_DOCUMENTS = (Kind.INVOICE_FIXED, Kind.INVOICE_CORRECTED, Kind.INVOICE_RETURNED, Kind.INVOICE_VOID)

    objects = Mails.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("メール")
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state__in=["waiting", "sending"]), name="mail_open"),
            models.Index(fields=["sent_at"], condition=Q(sent_at__isnull=False), name="mail_sent"),
            models.Index(fields=["kind", "id"], name="mail_of_kind"),
            models.Index(fields=["created_at"], condition=Q(state="failed"), name="mail_failed"),
            models.Index(
                fields=["sent_to"], opclasses=["varchar_pattern_ops"], condition=~Q(sent_to=""), name="mail_sent_to"
            ),
        ]

    def __str__(self):
        return " ".join(part for part in (self.get_kind_display(), self.about_number, self.sent_to) if part)

    @property
    def about_number(self):
        """That of the document or inquiry that it is about, or ''."""
        return self.data.get("number", "")


def actions():
    """As `mail_kinds`."""
    return Action.choices


class Action(models.TextChoices):
    SIGNED_IN = "signed_in", pgettext_lazy("event", "ログイン")
    PASSWORD_CHANGED = "password_changed", pgettext_lazy("event", "パスワード変更")
    PASSWORD_RESET = "password_reset", _("パスワードリセット")
    PASSWORD_SET = "password_set", _("パスワード設定（ほかのユーザによる）")
    RESET_SENT = "reset_sent", _("パスワードリセットの案内")
    USER_CREATED = "user_created", _("ユーザ作成")
    USER_CHANGED = "user_changed", _("ユーザ変更")
    ADDRESS_CHANGED = "address_changed", _("Eメール変更")
    RECIPIENT_CHANGED = "recipient_changed", _("メール送信先変更")
    USER_DELETED = "user_deleted", _("ユーザ削除")
    ACCOUNT_DATA_SENT = "account_data_sent", _("アカウント情報送信")
    SESSIONS_ENDED = "sessions_ended", pgettext_lazy("event", "他の端末をログアウト")
    SECOND_FACTOR_ON = "second_factor_on", _("2段階認証の設定")
    SECOND_FACTOR_OFF = "second_factor_off", _("2段階認証の解除")
    INVOICE_DOWNLOADED = "invoice_downloaded", _("請求書ダウンロード")
    ARCHIVE_DOWNLOADED = "archive_downloaded", _("請求書一括ダウンロード")
    INQUIRY_SENT = "inquiry_sent", _("お問い合わせ送信")
    CONTRACT_CREATED = "contract_created", _("契約登録")
    CONTRACT_CHANGED = "contract_changed", _("契約変更")
    PRICES_CHANGED = "prices_changed", _("従量料金変更")
    INVOICE_CORRECTED = "invoice_corrected", _("請求の訂正")
    INVOICE_ADJUSTED = "invoice_adjusted", _("請求調整")
    REFUND_DECIDED = "refund_decided", _("返金の決定")
    CREDIT_GIVEN = "credit_given", _("調整残高の登録")
    CREDIT_TAKEN_BACK = "credit_taken_back", _("調整残高の取消")
    CUSTOMER_CHANGED = "customer_changed", _("お客様情報変更")
    CUSTOMER_DELETED = "customer_deleted", _("お客様の削除")
    SETTING_CHANGED = "setting_changed", _("設定変更")
    INQUIRY_HANDLED = "inquiry_handled", _("お問い合わせの対応")
    FILE_IMPORTED = "file_imported", _("ファイルの取込")
    DATA_EXPORTED = "data_exported", _("データの書き出し")
    SEE_AS_BEGUN = "see_as_begun", _("担当者の画面閲覧（開始）")
    SEE_AS_PAGE = "see_as_page", _("担当者の画面閲覧")
    SEE_AS_ENDED = "see_as_ended", _("担当者の画面閲覧（終了）")

    @classmethod
    def looks(cls):
        """Begin and end of staff's looking at a customer's pages, as customers may read them."""
        return (cls.SEE_AS_BEGUN, cls.SEE_AS_ENDED)

    @classmethod
    def of_staff(cls):
        """What no company's history has: what happens at the desk itself, and which pages of a company staff saw."""
        return (
            cls.CUSTOMER_DELETED,
            cls.SETTING_CHANGED,
            cls.INQUIRY_HANDLED,
            cls.FILE_IMPORTED,
            cls.DATA_EXPORTED,
            cls.SEE_AS_PAGE,
        )


class History(Sought):
    def for_user(self, user):
        """What the person's company did; sign-ins only one's own, for they are nobody else's business.

        That staff looked at the company's pages is told where the vendor has set so; which pages is staff's own record.
        """
        found = super().for_user(user).exclude(~Q(actor=getattr(user, "pk", None)), action=Action.SIGNED_IN)
        told = Q(Exists(Vendor.objects.filter(tells_looking=True)))
        return found.exclude(action=Action.SEE_AS_PAGE).exclude(~told, action__in=Action.looks())

    def holding(self, word):
        """About what is called so from its beginning on, by people of this name."""
        called = [word.folded.upper(), word.folded, *word.numbers]
        subjects = [Q(subject__startswith=each) for each in dict.fromkeys(called)]
        return [*subjects, Q(actor__in=people_called(word))]

    def about(self, row):
        """What became of a row, the newest first: events that name it, and of what belongs to a company those under its number."""
        own = Q(row=row_name(row))
        customer = row.pk if row._meta.label == "accounts.Customer" else getattr(row, "customer_id", None)
        if customer and getattr(row, "number", ""):
            own |= Q(customer=customer, subject=row.number)
        return self.filter(own).order_by("-pk")

    def last_sign_ins(self, user):
        return self.filter(actor=user, action=Action.SIGNED_IN).order_by("-at")

    def signed_in_from(self, user, address):
        """Whether the person ever signed in from this address; asks for nobody (None) too, so that time tells nothing."""
        return self.last_sign_ins(user.pk if user else 0).filter(data__address=address)[:1].exists()


def row_name(row):
    """The row of a table as an event names it for good, whatever people call it later: contracts.meter:12."""
    return f"{row._meta.label_lower}:{row.pk}"


class HistoryEvent(models.Model):
    """Who did what to whom, when. Rows are only ever added; a trigger refuses everything else.

    But that a company which was entered by mistake is gone: then the database empties `customer`, and nothing else.
    """

    at = models.DateTimeField(_("日時"), auto_now_add=True)
    customer = models.ForeignKey("accounts.Customer", models.DO_NOTHING, verbose_name=_("お客様"), null=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("操作者"), null=True, related_name="+"
    )
    actor_name = models.CharField(_("操作者名"), max_length=100)
    action = models.CharField(_("操作"), max_length=40, choices=actions)
    subject = models.CharField(_("対象"), max_length=100)
    detail = models.CharField(_("内容"), max_length=200, blank=True)
    data = models.JSONField(_("記録"), default=dict)
    row = models.CharField(max_length=60, blank=True, editable=False)
    request = models.CharField(_("受付番号"), max_length=64, blank=True, default=trace.current, db_default="")
    actor_search = search_column("actor_name")
    subject_search = search_column("subject")

    objects = History.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("変更履歴")
        permissions = [("export_lists", _("一覧をCSVに書き出すことができる"))]
        indexes = [
            models.Index(fields=["customer", "-at"], name="history_of_customer"),
            models.Index(fields=["actor", "-at"], condition=Q(action="signed_in"), name="sign_ins_of_user"),
            models.Index(fields=["row"], condition=~Q(row=""), name="history_of_row"),
            models.Index(fields=["subject"], condition=Q(action="customer_deleted"), name="history_of_numbers_gone"),
            models.Index(fields=["action", "id"], name="history_of_action"),
            models.Index(fields=["subject"], opclasses=["varchar_pattern_ops"], name="history_of_subject"),
        ]

    def __str__(self):
        return f"{self.get_action_display()} {self.subject}"

    @property
    def in_words(self):
        """Whether it is told in the portal's words: which fields were changed, which documents were taken; else in names."""
        return "changes" in self.data or self.action == Action.ARCHIVE_DOWNLOADED

    @property
    def changes(self):
        """What was changed, as (label, before, after), each in words; empty where it is told in `detail` only.

        In the order of `detail`, for the database keeps an object's keys in its own; what was cut off there comes last.
        """
        told = {label: self.detail.find(f"{label} ") for label in self.data.get("changes", {})}
        labels = sorted(told, key=lambda label: told[label] % (len(self.detail) + 1))
        return [(label, *(text or NOTHING for text in self.data["changes"][label])) for label in labels]


class ColumnChoice(models.Model):
    """The columns that one user wants in one list, in their order."""

    customer = models.ForeignKey("accounts.Customer", models.CASCADE)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    list_name = models.CharField(max_length=20)
    columns = models.JSONField(default=list)

    objects = Scoped.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "list_name"], name="one_choice_a_list")]

    def __str__(self):
        return self.list_name


class FaqRows(Public):
    def matching(self, words):
        """Entries in which every word stands, in the question or the answer, in either language."""
        found = self.annotate(said=search_text("question", "answer", "question_en", "answer_en"))
        for word in words:
            found = found.filter(said__contains=fold(word))
        return found


class FaqEntry(models.Model):
    """A question that customers ask often, with its answer."""

    question = models.CharField(_("質問"), max_length=200)
    answer = models.TextField(_("回答"))
    question_en = models.CharField(_("質問（英語）"), max_length=200, blank=True)
    answer_en = models.TextField(_("回答（英語）"), blank=True)
    position = models.PositiveSmallIntegerField(_("順番"), default=0, db_index=True)
    published = models.BooleanField(_("公開"), default=True)

    objects = FaqRows.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("よくある質問")
        ordering = ["position", "id"]

    def __str__(self):
        return self.question

    def in_language(self, language):
        """(question, answer) in `language`; Japanese where no translation is stored."""
        if language == "en" and self.question_en and self.answer_en:
            return self.question_en, self.answer_en
        return self.question, self.answer


class SentForm(models.Model):
    """A form that was sent, known by its one-time key, and the address that answered it."""

    customer = models.ForeignKey("accounts.Customer", models.CASCADE, null=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    key = models.CharField(max_length=32)
    answer = models.CharField(max_length=200, blank=True)
    sent_at = models.DateTimeField(auto_now_add=True, db_index=True)

    objects = Scoped.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="form_sent_once")]

    def __str__(self):
        return self.key
