"""What changes passwords, sessions and second factors; every change is in the history and mailed to its person."""

import uuid
from datetime import timedelta

from django.contrib.auth import update_session_auth_hash
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _

from accounts import factors, passwords, throttle, tokens
from accounts.models import Session, User
from accounts.sessions import stored
from portal import history, mail, rights
from portal.models import Action, HistoryEvent, Mail

# Seconds from the password to the code of the second step.
SECOND_STEP = 5 * 60
SIGN_INS_LOOKED_AT = 500
RESETS_AN_HOUR = 3  # that staff may send one person


def tell(kind, user, **data):
    """Queue one mail to a user; `to` in the data of an ADDRESS_CHANGED is where it goes. Nothing to whom nobody told yet of the account (D38)."""
    if user.waits_for_account_data:
        return
    mail.queue(kind, key=f"{kind}:{uuid.uuid4()}", customer=user.customer, user=user, **data)


def note(action, user, *, by, detail="", **data):
    history.record(action, user.name, of=user, by=by, customer=user.customer, detail=detail, **data)


@transaction.atomic
def ask_for_reset(email, *, address):
    """Queue mail 1 for the active user with this e-mail; for an unknown one a mail to nobody, the same work (D12).

    Three an hour and six a day for one e-mail from one place, more in all, and not too many from one `address`; what
    is beyond is answered the same, unsent. A place where the person signed in before counts by itself, so that strangers
    elsewhere can't use the tries up.
    """
    user = User.objects.filter(email=email, is_active=True).select_related("customer").first()
    known = HistoryEvent.objects.signed_in_from(user, address)
    tries = [
        (throttle.RESETS_FOR_ONE, throttle.key_of("reset", email, address)),
        *throttle.near(throttle.RESETS_FROM_ONE, "resets", address),
        *([] if known else [(throttle.RESETS_IN_ALL, throttle.key_of("resets in all", email))]),
    ]
    if not throttle.count(*tries):
        return
    kind = Mail.Kind.RESET_CONFIRM if user else mail.TO_NOBODY
    mail.queue(kind, key=f"{kind}:{uuid.uuid4()}", customer=user and user.customer, user=user)


def why_no_reset(user):
    """Why this person gets no mail 1 from staff, in words, or ''."""
    if not user.is_active:
        return _("このユーザは削除されています。")
    if user.waits_for_account_data or user.takes_account_data:
        return _("最初のログインがまだです。「アカウント情報を送る」で新しい初期パスワードを送ってください。")
    since = timezone.now() - timedelta(hours=1)
    sent = HistoryEvent.objects.about(user).filter(action=Action.RESET_SENT, at__gt=since).count()
    return _("続けて何度も送れません。1時間ほど待ってからもう一度お試しください。") if sent >= RESETS_AN_HOUR else ""


@transaction.atomic
def send_reset(user, *, by):
    """Queue mail 1 for whoever told the desk of a forgotten password; nothing ends before the person follows it (A2, D11).

    Raises ValidationError as `why_no_reset` says, PermissionDenied.
    """
    rights.need_over(user, by=by)
    user = User.objects.select_for_update().get(pk=user.pk)
    if reason := why_no_reset(user):
        raise ValidationError(reason)
    tell(Mail.Kind.RESET_CONFIRM, user)
    note(Action.RESET_SENT, user, by=by, detail=user.email)


@transaction.atomic
def reset_password(uid, token, *, address):
    """End the old password and all sessions, and queue mail 2, which brings a generated one (A2, D11).

    Who was made to wait after wrong passwords, at `address` or anywhere else, needn't wait any more. Returns the person; None when the key no longer works, also because another click was faster.
    """
    user = take_key(uid, token)
    if user is None:
        return None
    forget_password(user)
    end_sessions(user)
    end_pauses(user, address)
    tell(Mail.Kind.RESET_PASSWORD, user)
    note(Action.PASSWORD_RESET, user, by=user)
    return user


@transaction.atomic
def set_password_by_key(uid, token, password, *, address):
    """The link mode's end of a reset or an invitation: the person sets the password at the URL (D11). As above."""
    user = take_key(uid, token)
    if user is None:
        return None
    first = user.last_login is None
    keep_password(user, password)
    end_sessions(user)
    end_pauses(user, address)
    tell(Mail.Kind.PASSWORD_CHANGED, user)
    note(Action.PASSWORD_CHANGED if first else Action.PASSWORD_RESET, user, by=user)
    return user


def take_key(uid, token):
    """The person of a key that still works, locked, so that of two clicks at once one finds it used.

    Whoever comes with a key has asked for it and got a mail, and so knows of the account (D38).
    """
    found = tokens.person(uid, token)
    if found is None:
        return None
    User.objects.select_for_update().filter(pk=found.pk).update(account_pending=False)
    return tokens.person(uid, token)


def end_pauses(user, address):
    """Wherever the person signs in next: at `address`, where they did before, or anywhere else."""
    places = HistoryEvent.objects.last_sign_ins(user).values_list("data__address", flat=True)[:SIGN_INS_LOOKED_AT]
    for place in {"", address, *filter(None, places)}:
        throttle.forget(throttle.sign_in_key(user.email, place))


def forget_password(user):
    """Nothing opens the account until a mail brings a new password or a link."""
    user.set_unusable_password()
    user.must_change_password, user.password_expires_at = True, None
    user.save(update_fields=["password", "must_change_password", "password_expires_at"])


def keep_password(user, password):
    user.set_password(password)
    user.must_change_password, user.password_expires_at = False, None
    user.save(update_fields=["password", "must_change_password", "password_expires_at"])


@transaction.atomic
def change_own_password(request, password):
    """Store one's own new password; the other sessions end, and from now on one may go everywhere (A1)."""
    user = request.user
    keep_password(user, password)
    update_session_auth_hash(request, user)
    end_sessions(user, but=request.session.session_key)
    tell(Mail.Kind.PASSWORD_CHANGED, user)
    note(Action.PASSWORD_CHANGED, user, by=user)


def has_initial_password(user):
    """Whether the password to be changed came with the account, not from a reset or a colleague later (仮パスワード)."""
    later = (Mail.Kind.RESET_PASSWORD, Mail.Kind.PASSWORD_SET)
    told = Mail.objects.filter(user=user, kind__in=(*mail.GIVES_PASSWORD, Mail.Kind.ACCOUNT_TYPED, *later))
    return told.order_by("pk").values_list("kind", flat=True).last() not in later


def check_own_password(user, password, *, field):
    """Ask the acting person for the own password. Raises ValidationError on the field; wrong ones are throttled."""
    key = throttle.key_of("own password", user.pk)
    if not password:
        raise ValidationError({field: _("あなたのパスワードを入力してください。")})
    if not (throttle.count((throttle.ACCOUNT, key)) and user.check_password(password)):
        raise ValidationError(
            {field: _("パスワードが正しくありません。続けて間違えたときは、しばらく待ってからお試しください。")}
        )
    throttle.forget(key)


def end_sessions(user, but=None):
    """Sign the user out everywhere, or everywhere but in the session with the key `but`. Returns how many ended."""
    return Session.objects.filter(user=user).exclude(session_key=stored(but)).delete()[0]


@transaction.atomic
def end_other_sessions(request):
    own = Session.objects.for_user(request.user).exclude(session_key=stored(request.session.session_key))
    if ended := own.delete()[0]:
        note(Action.SESSIONS_ENDED, request.user, by=request.user)
    return ended


def second_step_of(user):
    """What a session keeps between password and code: who, when, and which password it was."""
    return {"user": user.pk, "at": timezone.now().timestamp(), "hash": user.get_session_auth_hash()}


def person_of_second_step(begun):
    """The active user who gave the password lately, if it is still the password, or None."""
    if timezone.now().timestamp() - begun.get("at", 0) > SECOND_STEP:
        return None
    user = User.objects.filter(pk=begun["user"], is_active=True).select_related("customer").first()
    return user if user and constant_time_compare(user.get_session_auth_hash(), begun["hash"]) else None


def note_sign_in(user, *, address, browser):
    history.record(
        Action.SIGNED_IN,
        user.name,
        by=user,
        customer=user.customer,
        detail=f"{address} {browser}".strip(),
        address=address,
    )


@transaction.atomic
def add_second_factor(request, key, code):
    """Store the app's key if the code proves it; the other sessions end. Returns the recovery codes, or None."""
    user = User.objects.select_for_update().get(pk=request.user.pk)
    if user.has_second_factor or not factors.add(user, key, code):
        return None
    del request.session["factor_key"]
    end_sessions(user, but=request.session.session_key)
    note(Action.SECOND_FACTOR_ON, user, by=user)
    tell(Mail.Kind.SECOND_FACTOR_ON, user)
    return factors.make_recovery_codes(user)


@transaction.atomic
def remove_second_factor(user, *, by):
    """Raises ValidationError where there is none, PermissionDenied for somebody who may not.

    Where it is demanded the person has to set it up again at once.
    """
    if by != user:
        rights.need_over(user, by=by)
    if not user.has_second_factor:
        raise ValidationError(_("2段階認証は設定されていません。"))
    factors.remove(user)
    note(Action.SECOND_FACTOR_OFF, user, by=by)
    tell(Mail.Kind.SECOND_FACTOR_OFF, user)


def give_typed_password(user, password):
    """Stored as an initial one; mails that wait with another password or a link are taken back."""
    Mail.objects.filter(user=user, state=Mail.State.WAITING, kind__in=mail.GIVES_PASSWORD).update(
        state=Mail.State.FAILED, error="a password was set since"
    )
    user.set_password(passwords.without_blanks(password))
    user.must_change_password, user.password_expires_at = True, timezone.now() + mail.INITIAL_PASSWORD_LASTS
    user.save(update_fields=["password", "must_change_password", "password_expires_at"])
