"""What changes companies and users: create, edit, hand over, delete. Every change is kept, a user's mailed to whom it concerns."""

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import throttle
from accounts.credentials import end_sessions, forget_password, give_typed_password, keep_password, note, tell
from accounts.models import Customer, User
from portal import history, languages, numbers, rights
from portal.hanging import hanging, in_words
from portal.models import Action, HistoryEvent, Mail

ACCOUNT_DATA = (Mail.Kind.ACCOUNT_CREATED, Mail.Kind.ACCOUNT_LINK, Mail.Kind.ACCOUNT_TYPED)
ACCOUNT_DATA_AN_HOUR = 5
# What sends a mail to an address that nobody has proved yet; customers may cause so many of them a day and company.
TO_STRANGERS = (Action.USER_CREATED, Action.ADDRESS_CHANGED, Action.ACCOUNT_DATA_SENT)
TO_STRANGERS_A_DAY = 20
PLAIN_FIELDS = ("name", "kana", "department", "position", "phone", "language", "is_manager")
STORED_FIELDS = (*PLAIN_FIELDS, "email", "is_recipient", "bounced", "version")


@transaction.atomic
def save_customer(customer: Customer, *, by: User | None = None) -> Customer:
    """Store a company, a new one under a number; the history keeps before and after (D40). Raises PermissionDenied."""
    stored = Customer.objects.filter(pk=customer.pk).first()
    rights.need(by, "accounts.change_customer" if stored else "accounts.add_customer")
    if not customer.number:
        customer.number = numbers.next_number(numbers.CUSTOMER)
    customer.save()
    names = [field.name for field in Customer._meta.fields if field.editable and not field.primary_key]
    before = history.facts(stored, *names) if stored else {}
    history.record_change(
        Action.CUSTOMER_CHANGED, customer.number, before, history.facts(customer, *names), by=by, customer=customer
    )
    return customer


@transaction.atomic
def delete_customer(customer: Customer, *, by: User | None = None) -> None:
    """Take away a company that was entered by mistake: no record names it, its number is never given again (D20).

    The history keeps what was entered. Raises ValidationError where something hangs on it, PermissionDenied.
    """
    rights.need(by, "accounts.delete_customer")
    Customer.objects.lock([customer.pk])
    if found := hanging(customer):
        raise ValidationError(_("%s があるため、削除できません。") % in_words(found))
    names = [field.name for field in Customer._meta.fields if field.editable and not field.primary_key]
    before = history.facts(customer, *names)
    history.record(
        Action.CUSTOMER_DELETED,
        customer.number,
        of=customer,
        by=by,
        detail=customer.name,
        changes={label: [said, ""] for label, said in before.items() if said},
    )
    customer.delete()


def numbers_gone(numbers: Collection[str]) -> set[str]:
    """Those of these numbers that deleted companies had: nobody else gets them (D20)."""
    gone = HistoryEvent.objects.filter(action=Action.CUSTOMER_DELETED, subject__in=numbers)
    return set(gone.values_list("subject", flat=True))


@transaction.atomic
def create_user(user: User, *, password: str = "", later: bool = False, by: User, session: Any = None) -> User:
    """Store a new user and mail the account data; the company's first one becomes recipient and manager (A1, D14).

    With `later` they are sent when somebody says so (D38). `password` is a typed initial one, else a generated one goes with
    the mail; `session` is the acting browser's, which doesn't end when the acting person hands the recipient's mark over.
    Raises ValidationError, PermissionDenied.
    """
    rights.need_over(user, by=by, right="accounts.add_user")
    former = None
    if user.customer_id:
        Customer.objects.lock([user.customer_id])
        keep_to_daily_limit(by)
        if not active_users(user.customer_id).exists():
            user.is_recipient = user.is_manager = True
        former = free_recipient(user) if user.is_recipient else None
    user.set_unusable_password()
    user.must_change_password, user.account_pending = True, later
    store(user, by=by, new_address=True)
    note(Action.USER_CREATED, user, by=by, detail=user.email)
    if former:
        tell_new_recipient(user, former, by=by, session=session)
    if password:
        give_typed_password(user, password)
    if not later:
        tell_account_data(user, typed=bool(password), by=by)
    return user


@transaction.atomic
def change_user(user: User, *, password: str = "", by: User, session: Any = None) -> User:
    """Store a user whose fields were changed; `password` is a new one, set by `by`. Raises ValidationError.

    Another address, password or recipient is told to whom it concerns, is in the history, and ends that person's
    sessions but the acting one (D13). Raises PermissionDenied too.
    """
    rights.need_over(User.objects.select_related("customer").get(pk=user.pk), by=by)
    if user.customer_id:
        Customer.objects.lock([user.customer_id])
    was = User.objects.select_for_update().get(pk=user.pk)
    if was.version != user.version or not was.is_active:
        raise ValidationError(
            _("ほかの人が先にこのユーザを変更しました。内容を確認して、もう一度保存してください。"), code="stale"
        )
    if was.is_recipient and not user.is_recipient:
        raise ValidationError(
            {"is_recipient": _("メール送信先は1名必要です。切り替えるには、新しい送信先のユーザでONにしてください。")}
        )
    if was.is_manager and not user.is_manager:
        keep_a_manager(user)
    former = free_recipient(user) if user.is_recipient and not was.is_recipient else None
    if user.email != was.email:
        keep_to_daily_limit(by)
    user.bounced = was.bounced if user.email == was.email else ""
    user.version += 1
    store(user, by=by, new_address=user.email != was.email)
    changed = [name for name in PLAIN_FIELDS if getattr(was, name) != getattr(user, name)]
    if changed:
        changes = history.differing(history.facts(was, *changed), history.facts(user, *changed))
        with languages.house():
            told = _("・").join(changes)
        note(Action.USER_CHANGED, user, by=by, detail=told, changes=changes)
    if former:
        tell_new_recipient(user, former, by=by, session=session)
    if user.email != was.email:
        tell_new_address(user, was.email, by=by, typed=bool(password), session=session)
    if password:
        set_password(user, password, by=by, session=session)
    return user


def store(user: User, *, by: User, new_address: bool) -> None:
    """Save; an address that another company's user has looks like any other that can't be used (D12). Raises ValidationError."""
    tries = throttle.key_of("taken addresses", f"company {by.customer_id}" if by.customer_id else by.pk)
    if new_address and throttle.waiting(tries):
        raise ValidationError(
            {"email": _("使用できないEメールが続きました。しばらく待ってからもう一度お試しください。")}
        )
    try:
        with transaction.atomic():
            user.save(update_fields=STORED_FIELDS if user.pk else None)
    except IntegrityError as error:
        cause: Any = error.__cause__
        if "email" not in cause.diag.constraint_name:
            raise
        throttle.count((throttle.TAKEN_ADDRESSES, tries))
        raise ValidationError({"email": _("このEメールは使用できません。別のEメールを入力してください。")}) from None


def keep_to_daily_limit(by: User | None) -> None:
    """Raises ValidationError once a company's users had so many mails sent to new addresses; staff have no such limit.

    The caller has locked the company, so that no two are let through where one is left.
    """
    if by is None or not by.customer_id:
        return
    yesterday = timezone.now() - timedelta(days=1)
    sent = HistoryEvent.objects.filter(customer_id=by.customer_id, action__in=TO_STRANGERS, at__gt=yesterday)
    if sent.filter(actor__customer_id=by.customer_id).count() >= TO_STRANGERS_A_DAY:
        raise ValidationError(
            _("1日に送れるアカウント情報のメールは%(count)d通までです。お急ぎのときは窓口へご連絡ください。")
            % {"count": TO_STRANGERS_A_DAY}
        )


def active_users(customer_id: int | None) -> QuerySet[User]:
    return User.objects.filter(customer_id=customer_id, is_active=True)


def free_recipient(user: User) -> User | None:
    """Take the mark 「メール送信先」 off whoever has it, so that `user` can have it. Returns the former one or None."""
    former = active_users(user.customer_id).filter(is_recipient=True).exclude(pk=user.pk).first()
    if former:
        former.is_recipient = False
        former.version += 1
        former.save(update_fields=["is_recipient", "version"])
    return former


def tell_new_recipient(user: User, former: User, *, by: User, session: Any) -> None:
    names = {"former": former.name, "new": user.name}
    with languages.house():
        told = _("%(former)s → %(new)s") % names
    note(Action.RECIPIENT_CHANGED, user, by=by, detail=told)
    for person in (former, user):
        tell(Mail.Kind.RECIPIENT_CHANGED, person, **names, by=by.name if by else "")
        end_sessions(person, but=session)


def keep_a_manager(user: User) -> None:
    """Raises ValidationError if the company has no other 管理者ユーザ (D14)."""
    if not active_users(user.customer_id).filter(is_manager=True).exclude(pk=user.pk).exists():
        raise ValidationError(
            {"is_manager": _("管理者ユーザは1名以上必要です。先に別のユーザを管理者ユーザにしてください。")}
        )


def tell_new_address(user: User, former: str, *, by: User, typed: bool, session: Any) -> None:
    """Tell both addresses; somebody who never signed in gets new account data, for the old may have gone astray."""
    note(Action.ADDRESS_CHANGED, user, by=by, detail=f"{former} → {user.email}")
    for to in (former, user.email):
        tell(Mail.Kind.ADDRESS_CHANGED, user, to=to, former=former, new=user.email, by=by.name)
    end_sessions(user, but=session)
    if user.last_login is None and not user.account_pending:
        forget_password(user)
        tell_account_data(user, typed=typed, by=by)


def set_password(user: User, password: str, *, by: User, session: Any) -> None:
    """A password set by somebody else works until the first sign-in, and its owner is told who to ask (D13). Raises ValidationError."""
    if by == user:
        if user.check_password(password):
            raise ValidationError({"password": _("いまのパスワードと同じです。別のパスワードにしてください。")})
        keep_password(user, password)
        tell(Mail.Kind.PASSWORD_CHANGED, user)
        note(Action.PASSWORD_CHANGED, user, by=by)
    else:
        give_typed_password(user, password)
        tell(Mail.Kind.PASSWORD_SET, user, by=by.name)
        note(Action.PASSWORD_SET, user, by=by)
    end_sessions(user, but=session)


def tell_account_data(user: User, *, typed: bool, by: User | None) -> None:
    """Queue the account data: with a typed password the person is sent to whoever typed it (A1, D13)."""
    if typed:
        kind = Mail.Kind.ACCOUNT_TYPED
    elif settings.CREDENTIAL_MAILS == "link":
        kind = Mail.Kind.ACCOUNT_LINK
    else:
        kind = Mail.Kind.ACCOUNT_CREATED
    tell(kind, user, by=by.name if by else "")


def choose_language(user: User, language: str) -> None:
    """What this person reads from now on, pages and mails. It is no more than a view of one's own: no history, no new version."""
    User.objects.filter(pk=user.pk).update(language=language)


def why_no_account_data(user: User) -> str:
    """Why this user gets no other first password, or ''."""
    if user.takes_account_data:
        return ""
    return _(
        "このユーザには、すでに自分のパスワードがあります。忘れたときは、ログイン画面の「パスワードを忘れた場合」をご案内ください。"
    )


@transaction.atomic
def send_account_data(user: User, *, by: User | None) -> None:
    """Send the account data again, with a new password; only to whoever hasn't chosen one yet.

    Raises ValidationError, PermissionDenied.
    """
    rights.need_over(user, by=by)
    if user.customer_id:
        Customer.objects.lock([user.customer_id])
    keep_to_daily_limit(by)
    user = User.objects.select_for_update().get(pk=user.pk)
    if not user.is_active:
        raise ValidationError(_("このユーザは削除されています。"))
    if reason := why_no_account_data(user):
        raise ValidationError(reason)
    sent = Mail.objects.filter(user=user, kind__in=ACCOUNT_DATA, created_at__gt=timezone.now() - timedelta(hours=1))
    if sent.count() >= ACCOUNT_DATA_AN_HOUR:
        raise ValidationError(_("続けて何度も送れません。1時間ほど待ってからもう一度お試しください。"))
    if user.account_pending:
        user.account_pending = False
        user.save(update_fields=["account_pending"])
    forget_password(user)
    end_sessions(user)
    note(Action.ACCOUNT_DATA_SENT, user, by=by, detail=user.email)
    tell_account_data(user, typed=False, by=by)


def why_not_delete(user: User, *, by: User) -> str:
    """Why this user can't be deleted and what to do first, or '' (D14)."""
    if user == by:
        return _("自分自身は削除できません。別のユーザに削除を依頼してください。")
    others = active_users(user.customer_id).exclude(pk=user.pk)
    if user.is_superuser and not others.filter(is_superuser=True).exists():
        return _("最後のスーパーユーザーは削除できません。先に別の担当者をスーパーユーザーにしてください。")
    if not others.exists():
        return _("最後のユーザは削除できません。先に別のユーザを作成してください。")
    if user.is_recipient:
        return _("メール送信先のユーザは削除できません。先に別のユーザで「メール送信先」をONにしてください。")
    if user.is_manager and not others.filter(is_manager=True).exists():
        return _("最後の管理者ユーザは削除できません。先に別のユーザを管理者ユーザにしてください。")
    return ""


@transaction.atomic
def delete_user(user: User, *, by: User) -> None:
    """Take the person out: no sign-in, no address, no flag, no role; the history keeps the name (D14).

    Raises ValidationError, PermissionDenied.
    """
    rights.need_over(user, by=by, right="accounts.delete_user")
    if user.customer_id:
        Customer.objects.lock([user.customer_id])
    else:
        lock_superusers()
    user = User.objects.select_for_update().get(pk=user.pk)
    if not user.is_active:
        raise ValidationError(_("このユーザはすでに削除されています。"))
    if reason := why_not_delete(user, by=by):
        raise ValidationError(reason)
    address, user.email = user.email, None
    user.is_active = user.is_manager = user.is_recipient = False
    user.version += 1
    user.save(update_fields=["email", "is_active", "is_manager", "is_recipient", "version"])
    if not user.customer_id:
        user.groups.clear()
        user.is_superuser = False
        user.save(update_fields=["is_superuser"])
    forget_password(user)
    end_sessions(user)
    note(Action.USER_DELETED, user, by=by, detail=address)


def lock_superusers() -> None:
    """Until the transaction ends nobody else makes or unmakes a superuser, so that one is always left."""
    list(User.objects.select_for_update().filter(is_superuser=True).order_by("pk").values_list("pk"))


@transaction.atomic
def set_roles(user: User, roles: Any, *, superuser: bool, by: User | None) -> None:
    """Give a member of the staff exactly these roles (names of D37) and the superuser's flag, or take it.

    Nobody changes the own ones, only who manages staff changes others', and only superusers make superusers.
    Raises ValidationError, PermissionDenied.
    """
    lock_superusers()
    user = User.objects.select_for_update(of=["self"]).get(pk=user.pk)
    had, roles = set(user.groups.values_list("name", flat=True)), set(roles)
    if roles == had and superuser == user.is_superuser:
        return
    rights.need_over(user, by=by)
    if user.customer_id:
        raise ValidationError(_("お客様のユーザに役割は指定できません。"))
    if user == by:
        raise ValidationError(_("自分の役割は変更できません。別の担当者に依頼してください。"))
    if superuser != user.is_superuser and by is not None and not by.is_superuser:
        rights.refuse()
    if user.is_superuser and not superuser and not active_users(None).exclude(pk=user.pk).filter(is_superuser=True):
        raise ValidationError(_("スーパーユーザーは1名以上必要です。"))
    user.groups.set(Group.objects.filter(name__in=roles))
    user.is_superuser = superuser
    user.save(update_fields=["is_superuser"])
    words = [*sorted(roles, key=list(rights.ROLES).index), *([_("スーパーユーザー")] if superuser else [])]
    note(Action.USER_CHANGED, user, by=by, detail=_("役割: %(roles)s") % {"roles": _("・").join(words) or _("なし")})
