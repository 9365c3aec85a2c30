"""Customers (お客様) and their users: who may sign in, and for which company."""

import re
import unicodedata

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import connection, models, transaction
from django.db.models import Case, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Coalesce, Lower, NullIf
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts import passwords, tokens
from portal import numbers, reading
from portal.db.ids import Ids
from portal.models import SearchKey, grams_index, search_column, sought_column
from portal.searching import Sought, anywhere

# What a name in a mail's greeting could lead its reader to: an address with its scheme, or one that mail programs link.
LINK = re.compile(
    r"://|www\.|[a-z0-9-]\.[a-z]{2,}/|"
    r"[a-z0-9-]\.(app|biz|cc|cn|co|com|dev|info|io|jp|kr|link|me|net|online|org|ru|shop|site|to|top|tw|xyz)(?![a-z])"
)


def plain_words(typed):
    """Refuses what no name needs and a mail to a stranger must not carry: control characters, line breaks, URLs."""
    reading.text(typed)
    if LINK.search(unicodedata.normalize("NFKC", typed).lower()):
        raise ValidationError(_("URLは入力できません。"))


class DueShift(models.TextChoices):
    NEXT = "next", _("翌営業日")
    PREVIOUS = "previous", _("前営業日")
    NONE = "none", _("変更なし")


class Calendar(models.TextChoices):
    WESTERN = "western", _("西暦")
    IMPERIAL = "imperial", _("和暦")


class PaymentMethod(models.TextChoices):
    TRANSFER = "transfer", _("銀行振込")
    DEBIT = "debit", _("口座振替")
    CARD = "card", _("クレジットカード")


class OwnCompany(Sought):
    def for_user(self, user):
        customer_id = getattr(user, "customer_id", None)
        return self.filter(pk=customer_id) if customer_id else self.none()

    def lock(self, ids):
        """Until the transaction ends, whoever else changes contracts, bills or users of these companies waits, always in this order.

        So guards see what is (D14). No key lock: other transactions may store rows that point at them meanwhile.
        """
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT FROM accounts_customer WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE",
                [Ids(ids)],
            )

    def named(self, words):
        """Those whose own texts hold all of these words (see `searching.words`)."""
        return self.filter(*(word.stands_in(self.model) for word in words))

    def holding(self, word):
        return [word.stands_in(self.model)]

    def found_by(self, words, users=()):
        """Those in which each of the words stands, or in one of their users; None for `users` leaves those out."""
        if all(word.is_common(self.model) or word.is_common(User) for word in words):
            stands = Q(*(word.stands_in(self.model) for word in words))
            of_one = User.objects.filter(*(anywhere(User.objects, word) for word in words), customer=OuterRef("pk"))
            # One of a row that is met; of EXISTS the planner might make a list of all people first.
            met = self.alias(of_one=Subquery(of_one.values("pk")[:1]))
            return met.filter(stands if users is None else stands | Q(of_one__isnull=False))
        named = self.model.objects.named(words).values("pk")
        of_users = User.objects.found_by(words).values("customer")
        return self.filter(pk__in=named if users is None else named.union(of_users))

    def exactly(self, word):
        """Those that somebody means who types this and no more: a number, a phone, a whole name."""
        whole = Q(name_key=word.key) | Q(kana_key=word.key) | Q(phone_key=word.key)
        whole |= Q(registration_number=word.key.upper()) | Q(corporate_number=word.key)
        known = self.alias(name_key=SearchKey("name"), kana_key=SearchKey("kana"), phone_key=SearchKey("phone"))
        return known.filter(Q(number__in=word.numbers) | word.is_whole() & whole)

    def lock_by_number(self, numbers):
        """The companies with these numbers, locked in the same way."""
        return list(self.select_for_update(no_key=True).filter(number__in=numbers).order_by("pk"))


class Customer(models.Model):
    """A company that buys; the tenant of everything else."""

    number = models.CharField(_("お客様番号"), max_length=20, unique=True, validators=[numbers.own_form])
    name = models.CharField(_("会社名"), max_length=100)
    kana = models.CharField(_("カナ"), max_length=100, blank=True)
    representative = models.CharField(_("代表者"), max_length=100, blank=True)
    corporate_number = models.CharField(
        _("法人番号"),
        max_length=13,
        blank=True,
        validators=[RegexValidator(r"^\d{13}$", _("13桁の数字で入力してください"))],
    )
    registration_number = models.CharField(
        _("登録番号"),
        max_length=14,
        blank=True,
        validators=[RegexValidator(r"^T\d{13}$", _("Tと13桁の数字で入力してください"))],
    )
    postal_code = models.CharField(_("郵便番号"), max_length=8, blank=True)
    address = models.CharField(_("住所"), max_length=200, blank=True)
    phone = models.CharField(_("電話"), max_length=20, blank=True)
    fax = models.CharField(_("FAX"), max_length=20, blank=True)
    contact_department = models.CharField(_("契約担当部署"), max_length=100, blank=True)
    contact_name = models.CharField(_("契約担当者"), max_length=100, blank=True)
    billing_name = models.CharField(_("請求先名"), max_length=100, blank=True, help_text=_("空なら会社名"))
    billing_department = models.CharField(_("請求先部署"), max_length=100, blank=True)
    billing_person = models.CharField(_("請求先担当者"), max_length=100, blank=True)
    billing_postal_code = models.CharField(_("請求先郵便番号"), max_length=8, blank=True)
    billing_address = models.CharField(_("請求先住所"), max_length=200, blank=True)
    payment_months = models.PositiveSmallIntegerField(_("支払月（締め月の何か月後の末日）"), default=1)
    due_shift = models.CharField(_("支払期日が銀行休業日のとき"), max_length=8, choices=DueShift, default=DueShift.NEXT)
    payment_method = models.CharField(
        _("支払方法"), max_length=10, choices=PaymentMethod, default=PaymentMethod.TRANSFER
    )
    calendar = models.CharField(
        _("書類の日付"),
        max_length=8,
        choices=Calendar,
        default=Calendar.WESTERN,
        db_default=Calendar.WESTERN,
        help_text=_("これから確定する請求書の年を西暦または和暦で書きます"),
    )
    since = models.DateField(_("取引開始日"), null=True, blank=True)
    needs_second_factor = models.BooleanField(
        _("2段階認証を必須にする"), default=False, help_text=_("この会社の全ユーザが次のログインで設定します")
    )
    updated_at = models.DateTimeField(_("最終更新日"), auto_now=True)
    sought = sought_column(
        "number", "name", "kana", "representative", "corporate_number", "registration_number", "postal_code", "phone", "fax",
        "contact_department", "contact_name", "billing_name", "billing_department", "billing_person", "billing_postal_code",
    )  # fmt: skip

    PRINTED = ("name", "address", "billing_name", "billing_department", "billing_person", "billing_address")

    objects = OwnCompany.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("お客様")
        permissions = [("see_as", _("お客様の画面を見ることができる"))]
        constraints = [
            models.CheckConstraint(condition=Q(number__regex=numbers.OWN_FORM), name="customer_number_form"),
            models.CheckConstraint(condition=Q(calendar__in=Calendar.values), name="customer_calendar_known"),
            models.CheckConstraint(condition=Q(due_shift__in=DueShift.values), name="customer_due_shift_known"),
            models.CheckConstraint(condition=Q(payment_months__lte=12), name="customer_payment_within_a_year"),
        ]
        indexes = [grams_index("sought", "customers_sought")]

    def __str__(self):
        return f"{self.number} {self.name}"

    def clean(self):
        """The database says so too, but not beside the field."""
        if self.payment_months is not None and self.payment_months > 12:
            raise ValidationError({"payment_months": _("0か月から12か月までで入力してください。")})

    @property
    def addressee_name(self):
        return self.billing_name or self.name

    @property
    def billing_place(self):
        """Postal code and address for invoices: all of the 請求先's own or all of the company's."""
        own = (self.billing_postal_code, self.billing_address)
        return " ".join(own if self.billing_address else (self.postal_code, self.address)).strip()

    @property
    def closing_day(self):
        return _("月末")

    @property
    def payment_terms(self):
        """支払条件 in words, e.g. 翌月末払い."""
        words = {0: _("当月末払い"), 1: _("翌月末払い"), 2: _("翌々月末払い")}
        return words.get(self.payment_months) or _("%(months)dか月後末払い") % {"months": self.payment_months}


class SignedIn(models.TextChoices):
    NEVER = "never", _("未ログイン")
    ACTIVE = "active", _("有効")


class UserRows(Sought):
    def waiting_for_account_data(self):
        """Whoever the account data are yet to be sent to (D38)."""
        return self.filter(account_pending=True, is_active=True, last_login=None)

    def holding(self, word):
        return [word.stands_in(self.model)]

    def exactly(self, word):
        """Those that somebody means who types this and no more: an address, a phone, a whole name."""
        whole = Q(email=word.folded) | Q(name_key=word.key) | Q(kana_key=word.key) | Q(phone_key=word.key)
        known = self.alias(name_key=SearchKey("name"), kana_key=SearchKey("kana"), phone_key=SearchKey("phone"))
        return known.filter(word.is_whole() & whole)

    def with_reading(self):
        """`reading`: what a name is sorted by, the フリガナ, or the name itself where nobody gave one."""
        return self.annotate(reading=Coalesce(NullIf("kana", Value("")), "name"))

    def with_state(self):
        """Adds `state`: whether the person has signed in yet."""
        return self.annotate(
            state=Case(
                When(last_login=None, then=Value(SignedIn.NEVER)),
                default=Value(SignedIn.ACTIVE),
                output_field=models.CharField(),
            )
        )


class Users(BaseUserManager.from_queryset(UserRows)):  # type: ignore[misc]
    def get_by_natural_key(self, username):
        """Raises DoesNotExist, also for what is no address."""
        try:
            return self.get(email=reading.email(username))
        except ValidationError:
            raise self.model.DoesNotExist from None

    def create_superuser(self, email, password, **fields):
        """Staff with every right; `manage.py createsuperuser` makes an installation's first one. Raises ValidationError."""
        user = self.model(email=reading.email(email), is_staff=True, is_superuser=True, **fields)
        user.set_password(password)
        user.save()
        return user


class User(AbstractBaseUser, PermissionsMixin):
    """A person who signs in with an e-mail address: of one customer, or (without a customer) staff of the vendor."""

    email = models.EmailField(_("Eメール"), null=True, unique=True)
    name = models.CharField(_("名前"), max_length=100, validators=[plain_words])
    kana = models.CharField(_("フリガナ"), max_length=100, blank=True, validators=[plain_words])
    department = models.CharField(_("部署"), max_length=100, blank=True, validators=[plain_words])
    position = models.CharField(_("役職"), max_length=100, blank=True, validators=[plain_words])
    phone = models.CharField(_("電話番号"), max_length=20, blank=True)
    customer = models.ForeignKey(
        Customer, models.PROTECT, verbose_name=_("お客様"), null=True, blank=True, related_name="users", db_index=False
    )
    is_active = models.BooleanField(_("有効"), default=True)
    is_staff = models.BooleanField(_("担当者"), default=False)
    is_manager = models.BooleanField(_("管理者ユーザ"), default=False)
    is_recipient = models.BooleanField(_("メール送信先"), default=False)
    must_change_password = models.BooleanField(_("パスワード変更が必要"), default=False)
    password_expires_at = models.DateTimeField(_("初期パスワードの期限"), null=True, blank=True)
    account_pending = models.BooleanField(_("アカウント情報が未送付"), default=False, editable=False)
    bounced = models.CharField(_("メール不達"), max_length=200, blank=True, editable=False)
    version = models.PositiveIntegerField(default=0, editable=False)
    language = models.CharField(_("言語"), max_length=5, choices=[("ja", "日本語"), ("en", "English")], default="ja")
    created_at = models.DateTimeField(_("登録日時"), auto_now_add=True)
    search = search_column("name", "kana")
    sought = sought_column("name", "kana", "email", "department", "phone")

    is_onlooker = False  # a member of the staff in the company's place (accounts/seeing.py), who leaves no trace there

    objects = Users()
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = ["name"]

    class Meta:
        verbose_name = verbose_name_plural = _("ユーザ")
        permissions = [("manage_staff", _("担当者を管理できる"))]
        constraints = [
            models.UniqueConstraint(fields=["customer", "id"], name="user_customer_key"),
            models.UniqueConstraint(fields=["customer"], condition=Q(is_recipient=True), name="one_mail_recipient"),
            models.CheckConstraint(condition=Q(email=Lower("email")), name="user_email_lower_case"),
            models.CheckConstraint(
                condition=Q(customer__isnull=True, is_staff=True)
                | Q(customer__isnull=False, is_staff=False, is_superuser=False),
                name="staff_have_no_customer",
            ),
            # Deleting deactivates: the address is free again and the flags are gone (D14).
            models.CheckConstraint(
                condition=Q(is_active=True, email__isnull=False)
                | Q(is_active=False, email__isnull=True, is_recipient=False, is_manager=False),
                name="deleted_user_has_nothing",
            ),
            models.CheckConstraint(
                condition=Q(is_recipient=False, is_manager=False) | Q(customer__isnull=False),
                name="flags_need_a_customer",
            ),
        ]
        indexes = [
            models.Index(fields=["customer", "name"], name="users_of_customer"),
            models.Index(fields=["name", "id"], name="users_by_name"),
            grams_index("sought", "users_sought"),
            models.Index(fields=["customer"], condition=~Q(bounced=""), name="users_bounced"),
        ]

    def __str__(self):
        return self.name

    def validate_constraints(self, exclude=None):
        """Without those about the company: a form may name a new recipient, and the service frees the former one."""
        super().validate_constraints({*(exclude or ()), "customer"})

    def clean(self):
        """An address has one spelling (D14)."""
        if self.email:
            self.email = reading.email(self.email)

    def check_password(self, raw_password):
        """Blanks around a password that was mailed or told don't count: it has none, and is pasted with them."""
        given = passwords.without_blanks(raw_password) if self.must_change_password else raw_password
        return super().check_password(given)

    @property
    def masked_email(self):
        """The address as a page may show it to whoever holds a reset URL: ha****@example.com."""
        name, _at, domain = (self.email or "").partition("@")
        return f"{name[:2]}****@{domain}"

    def key_path(self, purpose):
        """The address of the page where the holder of this mail sets or resets the password (D11)."""
        return tokens.path(self, purpose)

    @property
    def waits_for_first_password(self):
        """Whether the person still has what a mail or a colleague gave, or nothing yet, so that it may be given anew."""
        return self.must_change_password or not self.has_usable_password()

    @property
    def takes_account_data(self):
        """Whether a first password may (still) be sent; whoever has an own one can only be sent what begins a reset."""
        return self.waits_for_first_password and not self.last_login

    @property
    def waits_for_account_data(self):
        """Registered with 「あとで送る」, or by a file, and neither told nor signed in since (D38): no notice goes there yet."""
        return self.account_pending and self.last_login is None

    @cached_property
    def has_second_factor(self):
        return TOTPDevice.objects.filter(user=self, confirmed=True).exists()

    @property
    def needs_second_factor(self):
        return self.customer.needs_second_factor if self.customer else settings.STAFF_SECOND_FACTOR

    def give_password(self, *, lasts):
        """Set a generated password that works for the time `lasts` and must be changed; returns it (D11).

        Called while the mail that carries it is written, so that it is stored nowhere. None if the person has chosen one.
        """
        with transaction.atomic():
            user = User.objects.select_for_update(no_key=True).get(pk=self.pk)
            if not user.waits_for_first_password:
                return None
            made = passwords.generate()
            user.set_password(made)
            user.must_change_password, user.password_expires_at = True, timezone.now() + lasts
            user.save(update_fields=["password", "must_change_password", "password_expires_at"])
            return made
