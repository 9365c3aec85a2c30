"""Mails: queued as rows in the transaction that causes them, written and sent afterwards, each at most once a try."""

import logging
import os
from contextlib import suppress
from datetime import timedelta
from email.header import Header
from email.utils import parseaddr
from smtplib import SMTPException, SMTPRecipientsRefused

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import EmailMessage, SafeMIMEText
from django.core.mail.backends.base import BaseEmailBackend
from django.db import Error, connection, transaction
from django.template.loader import render_to_string
from django.utils import timezone, translation
from procrastinate.contrib.django import app

from portal.models import Mail, Vendor

logger = logging.getLogger(__name__)

# A claim on a mail lasts this long; what a killed process left in 「送信中」 is tried again with the same Message-ID.
CLAIM = timedelta(minutes=10)
LOCKS = 20160502  # any number of our own; the mail's id is the other half of its lock's key
PAUSES = [timedelta(minutes=minutes) for minutes in (1, 2, 5, 15, 60)]
MOST_TRIES = 72
OPEN = [Mail.State.WAITING, Mail.State.SENDING]
TO_DESK = {"inquiry"}
TO_RECIPIENT = {"invoice_fixed"}
# What must not be stored is made while the mail is written; a second try makes it anew.
SECRETS = {
    "reset_confirm": lambda reader: {"path": reader.key_path("reset")},
    "reset_password": lambda reader: new_password(reader, timedelta(hours=24)),
    "account_created": lambda reader: new_password(reader, timedelta(days=14)),
    "account_link": lambda reader: invitation(reader),
}
GIVES_PASSWORD = ("reset_password", "account_created", "account_link")
# Written like any other, so that asking for a reset takes the same work whether or not the address is known (D12).
TO_NOBODY = "reset_unknown"


class NobodyToWriteTo(Exception):
    """The company has no メール送信先 yet (D14), or the vendor isn't set up; the mail waits."""


class Outdated(Exception):
    """What the mail would say is no longer so; it isn't sent."""


def new_password(reader, lasts):
    """Raises Outdated if the person has an own password by now: a late second try must not take it away."""
    made = reader.give_password(lasts=lasts)
    if made is None:
        raise Outdated("the person has chosen a password since")
    return {"password": made}


def invitation(reader):
    if not reader.waits_for_first_password:
        raise Outdated("the person has chosen a password since")
    return {"path": reader.key_path("initial")}


def queue(kind, *, key, customer=None, user=None, **data):
    """Store a mail to be sent after the commit; a key that exists already adds nothing. Returns whether it was added."""
    mail, added = Mail.objects.get_or_create(
        key=key, defaults={"kind": kind, "customer": customer, "user": user, "data": data, "due_at": timezone.now()}
    )
    if added:
        defer(mail)
    return added


def defer(mail):
    """Have it sent after the commit; with a pace (MAIL_PER_MINUTE) notices wait for the sweep of a minute to give them jobs."""
    if not (mail.kind in TO_RECIPIENT and settings.MAIL_PER_MINUTE):
        give_job(mail)


def give_job(mail):
    """Somebody waits for a mail about credentials; 100,000 notices of invoices don't hold it up."""
    priority = 0 if mail.kind in TO_RECIPIENT else 10
    app.configure_task("portal.deliver", queue="mail", priority=priority).defer(mail_id=mail.pk)


def deliver(mail_id):
    """Send one mail that is due, unless somebody is at it right now.

    PostgreSQL knows who is: the lock ends with its holder, whatever clocks say that jump or differ between machines.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCKS, mail_id % 2**31])
        if not cursor.fetchone()[0]:
            return
    try:
        claim_and_send(mail_id)
    finally:
        with suppress(Error), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCKS, mail_id % 2**31])


def claim_and_send(mail_id):
    """Claim one mail that is due, send it, and write down how that went. Commits around the talk with SMTP."""
    now = timezone.now()
    with transaction.atomic():
        mail = (
            Mail.objects.select_for_update(skip_locked=True).filter(pk=mail_id, state__in=OPEN, due_at__lte=now).first()
        )
        if mail is None:
            return
        keep(mail, state=Mail.State.SENDING, tries=mail.tries + 1, due_at=now + CLAIM)
    if mail.kind == TO_NOBODY:
        mail.delete()
        return
    try:
        message = write(mail)
        message.send()
    except NobodyToWriteTo as missing:
        keep(mail, state=Mail.State.WAITING, tries=mail.tries - 1, due_at=now + PAUSES[-1], error=str(missing))
    except Outdated as reason:
        keep(mail, state=Mail.State.FAILED, error=str(reason))
    except SMTPRecipientsRefused as refused:
        permanent = all(code >= 500 for code, _ in refused.recipients.values())
        if permanent:
            note_bounce(message.to[0], str(refused.recipients))
        retry_or_fail(mail, refused, permanent or mail.tries >= MOST_TRIES)
    except (OSError, SMTPException) as trouble:
        retry_or_fail(mail, trouble, mail.tries >= MOST_TRIES)
    except Exception as fault:  # a mail that can't be written stops no other
        logger.exception("mail %s", mail.key)
        retry_or_fail(mail, fault, True)
    else:
        keep(mail, state=Mail.State.SENT, sent_at=timezone.now(), sent_to=message.to[0], error="")
        note_bounce(message.to[0], "")


def retry_or_fail(mail, trouble, final):
    pause = PAUSES[min(mail.tries, len(PAUSES)) - 1]
    state = Mail.State.FAILED if final else Mail.State.WAITING
    keep(mail, state=state, due_at=timezone.now() + pause, error=f"{type(trouble).__name__}: {trouble}"[:500])


def note_bounce(address, why):
    """Remember at the user that the address takes no mail, or ('') that it does again."""
    get_user_model().objects.filter(email=address).exclude(bounced=why[:200]).update(bounced=why[:200])


def send_again(mail):
    """Let a mail go out once more, whatever became of it; its words and secrets are made anew."""
    keep(mail, state=Mail.State.WAITING, due_at=timezone.now(), tries=0, error="")
    defer(mail)


def withhold(before):
    """Don't send the notices made before that moment: after a restore nobody knows which of them went out. Returns how many."""
    notices = Mail.objects.filter(kind__in=TO_RECIPIENT, state__in=OPEN, created_at__lt=before)
    return notices.update(state=Mail.State.FAILED, error="復元前に作成されたため送信しませんでした")


def keep(mail, **changes):
    for name, value in changes.items():
        setattr(mail, name, value)
    mail.save(update_fields=list(changes))


def write(mail):
    """The message of a stored mail, in its reader's language. Raises NobodyToWriteTo, Outdated."""
    reader = mail.user
    if mail.kind in TO_RECIPIENT:
        reader = mail.customer.users.filter(is_recipient=True).first()
        if reader is None:
            raise NobodyToWriteTo(str(mail.customer))
    vendor = Vendor.objects.first()
    if vendor is None:
        raise NobodyToWriteTo("the vendor's settings are missing")
    address = vendor.desk_email if mail.kind in TO_DESK else mail.data.get("to") or reader.email
    if not address:
        raise Outdated("the user was deleted")
    secret = SECRETS[mail.kind](reader) if mail.kind in SECRETS else {}
    context = {
        "link_mode": settings.CREDENTIAL_MAILS == "link",
        "mail": mail,
        "reader": reader,
        "customer": mail.customer,
        "vendor": vendor,
        "url": settings.PORTAL_URL,
    }
    with translation.override("ja" if mail.kind in TO_DESK else reader.language):
        text = render_to_string(f"mail/{mail.kind}.txt", context | mail.data | secret)
    subject, body = text.split("\n", 1)
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].partition("@")[2]
    return Message(
        subject.strip(),
        body.lstrip("\n"),
        to=[address],
        reply_to=[mail.data["sender"]] if mail.kind in TO_DESK else None,
        headers={"Message-ID": f"<{mail.pk:08}.{mail.kind}@{domain}>", "Auto-Submitted": "auto-generated"},
    )


class Message(EmailMessage):
    """A mail whose subject begins on the header's own line; some readers show the fold as a leading blank."""

    def message(self):
        made = super().message()  # refuses line ends in headers
        del made["Subject"]
        super(SafeMIMEText, made).__setitem__("Subject", Header(str(self.subject), "utf-8", header_name="Subject"))  # type: ignore[misc]
        return made


class FileBackend(BaseEmailBackend):
    """Without a mail server each mail is a file `mail/*.eml`, renamed into place when it is whole."""

    def send_messages(self, messages):
        settings.EMAIL_FILES.mkdir(parents=True, exist_ok=True)
        for message in messages:
            name = message.extra_headers["Message-ID"].strip("<>").partition("@")[0]
            path = settings.EMAIL_FILES / f"{name}.eml"
            part = path.with_suffix(f".{os.getpid()}")
            with part.open("wb") as file:
                file.write(message.message().as_bytes(linesep="\r\n"))
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        return len(messages)
