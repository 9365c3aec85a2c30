"""What belongs to no single app: the vendor's settings, tax classes, calendar, numbers, mails, history, FAQ, inquiries."""

from django.conf import settings
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Concat
from django.utils.translation import gettext_lazy as _

from portal import money
from portal.reading import fold
from portal.scoping import Everybody, Public, Scoped


class DateRange(Func):
    """SQL `daterange(from, to, '[]')`: both ends included, an empty end is open."""

    function = "daterange"
    template = "%(function)s(%(expressions)s, '[]')"


class SearchForm(Func):
    """SQL `search_form(text)`: a text as searching compares it; `reading.fold` gives the same."""

    function = "search_form"
    output_field = models.TextField()


def search_text(*names):
    """The search form of these columns together; a line break, which none has, keeps them apart."""
    parts = [part for name in names for part in (Value("\n"), SearchForm(name))][1:]
    return Concat(*parts, output_field=models.TextField()) if len(parts) > 1 else parts[0]


def search_column(*names):
    """A column kept by the database, in which filters search these columns."""
    return models.GeneratedField(expression=search_text(*names), output_field=models.TextField(), db_persist=True)


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
    bank_account = models.TextField(_("振込先"), max_length=400)
    invoice_note = models.TextField(_("請求書の備考"), max_length=400, blank=True)
    notice = models.TextField(_("ログイン画面のお知らせ"), max_length=400, blank=True)
    rounding = models.CharField(_("消費税の端数処理"), max_length=8, choices=RoundingMode, default=RoundingMode.DOWN)
    first_month = models.DateField(_("運用開始年月"), help_text=_("この月から請求します（1日の日付）"))

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


class Dated(models.QuerySet):
    """Rows that hold from `valid_from` to `valid_to`, both days included; without an end they go on."""

    def valid_on(self, day):
        return self.filter(valid_from__lte=day).exclude(valid_to__lt=day)


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


class TaxKind(models.TextChoices):
    STANDARD = "standard", _("標準税率")
    REDUCED = "reduced", _("軽減税率")
    EXEMPT = "exempt", _("非課税")
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
        return f"{self.get_kind_display()} {self.rate * 100:.0f}%"


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


class Mail(models.Model):
    """A mail to be sent once: kind and data are stored, its words (and any secret) are made at sending."""

    class Kind(models.TextChoices):
        """Each has its words in `templates/mail/<kind>.txt`, but the one to nobody."""

        INVOICE_FIXED = "invoice_fixed", _("請求金額確定")
        ACCOUNT_CREATED = "account_created", _("アカウント情報（パスワード）")
        ACCOUNT_LINK = "account_link", _("アカウント情報（URL）")
        ACCOUNT_TYPED = "account_typed", _("アカウント情報（パスワードは入力者に確認）")
        RESET_CONFIRM = "reset_confirm", _("パスワードリセット確認")
        RESET_PASSWORD = "reset_password", _("パスワード更新")
        RESET_UNKNOWN = "reset_unknown", _("宛先なし")
        PASSWORD_CHANGED = "password_changed", _("パスワード変更")
        PASSWORD_SET = "password_set", _("パスワード変更（ほかのユーザによる）")
        ADDRESS_CHANGED = "address_changed", _("Eメール変更")
        RECIPIENT_CHANGED = "recipient_changed", _("メール送信先変更")
        SECOND_FACTOR_ON = "second_factor_on", _("2段階認証の設定")
        SECOND_FACTOR_OFF = "second_factor_off", _("2段階認証の解除")
        INQUIRY = "inquiry", _("お問い合わせ")
        INQUIRY_COPY = "inquiry_copy", _("お問い合わせの控え")

    class State(models.TextChoices):
        WAITING = "waiting", _("送信待ち")
        SENDING = "sending", _("送信中")
        SENT = "sent", _("送信済")
        FAILED = "failed", _("送信不可")

    key = models.CharField(_("キー"), max_length=100, unique=True)
    kind = models.CharField(_("種類"), max_length=30, choices=Kind)
    customer = models.ForeignKey("accounts.Customer", models.PROTECT, verbose_name=_("お客様"), null=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("利用者"), null=True)
    data = models.JSONField(_("内容"), default=dict)
    state = models.CharField(_("状態"), max_length=8, choices=State, default=State.WAITING)
    sent_to = models.CharField(_("送信先"), max_length=254, blank=True)
    tries = models.PositiveSmallIntegerField(_("試行回数"), default=0)
    due_at = models.DateTimeField(_("次回送信"))
    sent_at = models.DateTimeField(_("送信日時"), null=True)
    error = models.CharField(_("エラー"), max_length=500, blank=True)
    created_at = models.DateTimeField(_("作成日時"), auto_now_add=True)

    objects = Scoped.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("メール")
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state__in=["waiting", "sending"]), name="mail_open"),
            models.Index(fields=["sent_at"], condition=Q(sent_at__isnull=False), name="mail_sent"),
        ]

    def __str__(self):
        return self.key


class Action(models.TextChoices):
    SIGNED_IN = "signed_in", _("ログイン")
    PASSWORD_CHANGED = "password_changed", _("パスワード変更")
    PASSWORD_RESET = "password_reset", _("パスワードリセット")
    PASSWORD_SET = "password_set", _("パスワード設定（ほかのユーザによる）")
    USER_CREATED = "user_created", _("ユーザ作成")
    USER_CHANGED = "user_changed", _("ユーザ変更")
    ADDRESS_CHANGED = "address_changed", _("Eメール変更")
    RECIPIENT_CHANGED = "recipient_changed", _("メール送信先変更")
    USER_DELETED = "user_deleted", _("ユーザ削除")
    ACCOUNT_DATA_SENT = "account_data_sent", _("アカウント情報送信")
    SESSIONS_ENDED = "sessions_ended", _("他の端末をログアウト")
    SECOND_FACTOR_ON = "second_factor_on", _("2段階認証の設定")
    SECOND_FACTOR_OFF = "second_factor_off", _("2段階認証の解除")
    INVOICE_DOWNLOADED = "invoice_downloaded", _("請求書ダウンロード")
    INQUIRY_SENT = "inquiry_sent", _("お問い合わせ送信")
    CONTRACT_CREATED = "contract_created", _("契約登録")
    CONTRACT_CHANGED = "contract_changed", _("契約変更")
    PRICES_CHANGED = "prices_changed", _("従量料金変更")
    INVOICE_ADJUSTED = "invoice_adjusted", _("請求調整")


class History(Scoped):
    def for_user(self, user):
        """What the person's company did; sign-ins only one's own, for they are nobody else's business."""
        return super().for_user(user).exclude(~Q(actor=getattr(user, "pk", None)), action=Action.SIGNED_IN)

    def last_sign_ins(self, user):
        return self.filter(actor=user, action=Action.SIGNED_IN).order_by("-at")

    def signed_in_from(self, user, address):
        """Whether the person ever signed in from this address; asks for nobody (None) too, so that time tells nothing."""
        return self.last_sign_ins(user.pk if user else 0).filter(data__address=address)[:1].exists()


class HistoryEvent(models.Model):
    """Who did what to whom, when. Rows are only ever added; a trigger refuses everything else."""

    at = models.DateTimeField(_("日時"), auto_now_add=True)
    customer = models.ForeignKey("accounts.Customer", models.PROTECT, verbose_name=_("お客様"), null=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("操作者"), null=True, related_name="+"
    )
    actor_name = models.CharField(_("操作者名"), max_length=100)
    action = models.CharField(_("操作"), max_length=40, choices=Action)
    subject = models.CharField(_("対象"), max_length=100)
    detail = models.CharField(_("内容"), max_length=200, blank=True)
    data = models.JSONField(_("記録"), default=dict)
    actor_search = search_column("actor_name")
    subject_search = search_column("subject")

    objects = History.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("変更履歴")
        indexes = [
            models.Index(fields=["customer", "-at"], name="history_of_customer"),
            models.Index(fields=["actor", "-at"], condition=Q(action="signed_in"), name="sign_ins_of_user"),
        ]

    def __str__(self):
        return f"{self.action} {self.subject}"


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


class Inquiry(models.Model):
    """A question or application that a customer sent to the desk."""

    class Kind(models.TextChoices):
        QUESTION = "question", _("ご質問")
        CHANGE = "change", _("変更申込")
        CANCEL = "cancel", _("解約申込")
        BILLING = "billing", _("請求について")
        OTHER = "other", _("その他")

    number = models.CharField(_("受付番号"), max_length=20, unique=True)
    customer = models.ForeignKey("accounts.Customer", models.PROTECT, verbose_name=_("お客様"))
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("送信者"))
    kind = models.CharField(_("種別"), max_length=10, choices=Kind, default=Kind.QUESTION)
    subject = models.CharField(_("件名"), max_length=100)
    body = models.TextField(_("本文"), max_length=4000)
    about = models.CharField(_("対象"), max_length=20, blank=True)
    created_at = models.DateTimeField(_("送信日時"), auto_now_add=True)
    handled_at = models.DateTimeField(_("対応日時"), null=True, blank=True)

    objects = Scoped.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("お問い合わせ")
        ordering = ["-created_at"]
        indexes = [models.Index(F("customer"), F("created_at").desc(), name="inquiries_of_customer")]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["question", "change", "cancel", "billing", "other"]), name="inquiry_kind_known"
            ),
            models.CheckConstraint(condition=Q(number__regex=r"^[A-Z0-9-]{1,20}$"), name="inquiry_number_form"),
        ]

    def __str__(self):
        return f"{self.number} {self.subject}"


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
