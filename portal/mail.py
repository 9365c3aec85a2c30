"""Mails: queued as rows in the transaction that causes them, written and sent afterwards, each at most once a try."""

import logging
import os
from contextlib import suppress
from datetime import timedelta
from email.header import Header
from email.message import Message as MimeMessage
from email.utils import formataddr, parseaddr
from smtplib import SMTPException, SMTPRecipientsRefused

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.db import Error, connection, transaction
from django.template import Context, Engine
from django.template.loader import render_to_string
from django.utils import timezone, translation
from procrastinate.contrib.django import app

from portal import installation, languages, months, reading, rights, trace
from portal.models import Mail, Vendor
from portal.secret import own_folder

logger = logging.getLogger(__name__)

Kind = Mail.Kind

# A claim on a mail lasts this long; what a killed process left in 「送信中」 is tried again with the same Message-ID.
CLAIM = timedelta(minutes=10)
# The first half of the advisory lock's key while a mail is sent, any number of our own; the mail's id is the other half.
LOCK_SPACE = 20160502
# How long a mail waits after its first, second, … failed try; the last pause is repeated.
PAUSES = [timedelta(minutes=minutes) for minutes in (1, 2, 5, 15, 60)]
# About three days of hourly tries.
MOST_TRIES = 72
OPEN = [Mail.State.WAITING, Mail.State.SENDING]

TO_DESK = {Kind.INQUIRY, Kind.INQUIRY_MORE}
# Notices: to the company rather than a person, and so many on one day that they go behind all others, at a pace if one is set.
TO_RECIPIENT = {*Mail.ABOUT_DOCUMENTS, Kind.INVOICE_REMINDER}
# What brings a document, which the vendor may have attached up to this size; many mail servers refuse 10 MB in all.
BRINGS_DOCUMENT = {*Mail.ABOUT_DOCUMENTS} - {Kind.INVOICE_VOID}
MOST_ATTACHED = 3 * 1024 * 1024
# Written like any other, so that asking for a reset takes the same work whether or not the address is known (D12).
TO_NOBODY = Kind.RESET_UNKNOWN
# What gives a person a password or a link to set one.
GIVES_PASSWORD = (Kind.RESET_PASSWORD, Kind.ACCOUNT_CREATED, Kind.ACCOUNT_LINK)
# How long a password that a mail brought opens the account (D11); URLs have times of their own, in `accounts/tokens.py`.
RESET_PASSWORD_LASTS, INITIAL_PASSWORD_LASTS = timedelta(hours=24), timedelta(days=14)


class NobodyToWriteTo(Exception):
    """The company has no メール送信先 yet (D14), or one who has no account data yet (D38), or the vendor isn't set up; the mail waits."""


class Outdated(Exception):
    """What the mail would say is no longer so; it isn't sent."""


def queue(kind, *, key, customer=None, user=None, **data):
    """Store a mail to be sent after the commit; a key that exists already adds nothing. Returns whether it was added."""
    mail, added = Mail.objects.get_or_create(
        key=key, defaults={"kind": kind, "customer": customer, "user": user, "data": data, "due_at": timezone.now()}
    )
    if added:
        defer(mail)
    return added


@transaction.atomic
def queue_all(kind, rows):
    """The same for many mails of one kind at once, each row (key, customer's id, data). Returns how many were added."""
    now = timezone.now()
    Mail.objects.bulk_create(
        (Mail(key=key, kind=kind, customer_id=customer, data=data, due_at=now) for key, customer, data in rows),
        ignore_conflicts=True,
    )
    added = Mail.objects.filter(key__in=[key for key, _customer, _data in rows], due_at=now)
    jobs = [{"mail_id": pk} for pk in added.order_by("pk").values_list("pk", flat=True)]
    if jobs and not waits_for_pace(kind):
        task_of(kind).batch_defer(*jobs)
    return len(jobs)


def defer(mail):
    """Have it sent after the commit."""
    if not waits_for_pace(mail.kind):
        give_job(mail)


def waits_for_pace(kind):
    """With a pace (MAIL_PER_MINUTE) notices wait for the sweep of a minute to give them jobs."""
    return kind in TO_RECIPIENT and settings.MAIL_PER_MINUTE


def give_job(mail):
    task_of(mail.kind).defer(mail_id=mail.pk)


def task_of(kind):
    """Somebody waits for a mail about credentials; 100,000 notices of invoices don't hold it up."""
    return app.configure_task("portal.deliver", queue="mail", priority=0 if kind in TO_RECIPIENT else 10)


def deliver(mail_id):
    """Send one mail that is due, unless somebody is at it right now, or this database is somebody's copy.

    PostgreSQL knows who is: the lock ends with its holder, whatever clocks say that jump or differ between machines.
    """
    if not installation.at_home():
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK_SPACE, mail_id % 2**31])
        if not cursor.fetchone()[0]:
            return
    try:
        claim_and_send(mail_id)
    finally:
        with suppress(Error), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCK_SPACE, mail_id % 2**31])


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
    with trace.working(mail.request):
        send(mail, now)


def send(mail, now):
    """Write the claimed mail, send it, and keep how that went."""
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
        logger.exception("mail %s", mail.pk)
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


def send_again(mail, *, by=None):
    """Let a mail go out once more, whatever became of it; its words and secrets are made anew. Raises PermissionDenied."""
    rights.need(by, "portal.change_mail")
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
    vendor = Vendor.objects.first()
    if vendor is None:
        raise NobodyToWriteTo("the vendor's settings are missing")
    reader = reader_of(mail)
    address = address_of(mail, reader, vendor)
    to_desk = mail.kind in TO_DESK
    context = {
        **mail.data,
        "reader": reader,
        "customer": mail.customer,
        "vendor": vendor,
        "url": settings.PORTAL_URL,
        "in_language": languages.as_query,  # asked while it is written
        **facts_of(mail, reader),
    }
    attached = attachment(mail, vendor, context)
    context["attached"] = bool(attached)
    with translation.override("ja" if to_desk else reader.language):
        text = render_to_string(f"mail/{mail.kind}.txt", context)
    subject, body = text.split("\n", 1)
    sender_name, sender = parseaddr(settings.DEFAULT_FROM_EMAIL)
    return Message(
        " ".join(subject.split()),
        body.lstrip("\n"),
        from_email=formataddr((sender_name or f"{vendor.name} {vendor.desk_name}", sender)),
        to=[address],
        reply_to=answers_go_to(mail, vendor),
        headers={
            "Message-ID": f"<{mail.pk:08}.{mail.kind}@{sender.partition('@')[2]}>",
            "Auto-Submitted": "auto-generated",
        },
        attachments=attached,
    )


def subject_of(mail):
    """The subject as it would be written now, in its reader's language: the template's first line alone, so no secret is made."""
    customer = mail.customer
    reader = mail.user or (customer and customer.users.filter(is_recipient=True).first())
    number = mail.data.get("number")
    invoice = customer.invoices.filter(number=number).first() if customer and number else None
    language = reader.language if reader and mail.kind not in TO_DESK else "ja"
    engine = Engine.get_default()
    line = str(engine.get_template(f"mail/{mail.kind}.txt").source).partition("\n")[0]
    with translation.override(language):
        told = engine.from_string(line + "{% endautoescape %}")
        return " ".join(told.render(Context(mail.data | {"customer": customer, "invoice": invoice})).split())


def attachment(mail, vendor, context):
    """[(name, bytes, type)] of the stored document where the vendor has it attached; read anew for each try, kept nowhere."""
    if not vendor.attach_pdf or mail.kind not in BRINGS_DOCUMENT:
        return []
    invoice = context["invoice"]
    if invoice.pdf_size is None or invoice.pdf_size > MOST_ATTACHED:
        return []
    return [(f"{invoice.number}.pdf", bytes(invoice.pdf.content), "application/pdf")]


def reader_of(mail):
    """Whom the mail greets: its user, or whoever is the company's メール送信先 now. Raises NobodyToWriteTo."""
    if mail.kind not in TO_RECIPIENT:
        return mail.user
    recipient = mail.customer.users.filter(is_recipient=True).first()
    if recipient is None or recipient.waits_for_account_data:
        raise NobodyToWriteTo(str(mail.customer))
    return recipient


def address_of(mail, reader, vendor):
    """Where the mail goes; only news of a changed address may go elsewhere than to the reader's present one. Raises Outdated."""
    if mail.kind in TO_DESK:
        return vendor.desk_email
    address = mail.data["to"] if mail.kind == Kind.ADDRESS_CHANGED else reader.email
    if not address:
        raise Outdated("the user was deleted")
    return address


def answers_go_to(mail, vendor):
    """Who reads what is written back: the sender of an inquiry, the desk that answers one; else whoever has the sender's mailbox."""
    if mail.kind in TO_DESK:
        return [mail.data["sender"]]
    return [vendor.desk_email] if mail.kind == Kind.INQUIRY_ANSWER else None


def facts_of(mail, reader):
    """What the words need and the row doesn't hold. Secrets are made here and stored nowhere; a second try makes new ones."""
    match mail.kind:
        case Kind.INVOICE_FIXED | Kind.INVOICE_CORRECTED | Kind.INVOICE_RETURNED:
            return {"invoice": fixed_invoice(mail)}
        case Kind.INVOICE_REMINDER:
            return {"invoice": unpaid_invoice(mail)}
        case Kind.INVOICE_VOID:
            rebilled_in = reading.month(mail.data["rebilled_in"])
            return {"invoice": mail.customer.invoices.get(number=mail.data["number"]), "rebilled_in": rebilled_in}
        case Kind.RESET_CONFIRM:
            return {"path": reader.key_path("reset")}
        case Kind.RESET_PASSWORD:
            return {"password": new_password(reader, RESET_PASSWORD_LASTS)}
        case Kind.ACCOUNT_CREATED:
            return {"password": new_password(reader, INITIAL_PASSWORD_LASTS)}
        case Kind.ACCOUNT_LINK:
            return {"path": invitation_path(reader)}
    return {}


def fixed_invoice(mail):
    """Raises Outdated where the document was replaced or voided before anybody could be told of it."""
    invoice = mail.customer.invoices.with_pdf().filter(number=mail.data["number"], state="fixed").first()
    if invoice is None:
        raise Outdated("the invoice no longer stands")
    return invoice


def unpaid_invoice(mail):
    """Raises Outdated where the day is past, or the company has noted meanwhile that the payment is arranged (社内確認)."""
    invoice = fixed_invoice(mail)
    noted = invoice.reviews.first()
    if invoice.due_on < months.today() or (noted and noted.state == "arranged"):
        raise Outdated("nobody need be reminded any more")
    return invoice


def new_password(reader, lasts):
    """Raises Outdated if the person has an own password by now: a late second try must not take it away."""
    made = reader.give_password(lasts=lasts)
    if made is None:
        raise Outdated("the person has chosen a password since")
    return made


def invitation_path(reader):
    """Raises Outdated if the person has an own password by now."""
    if not reader.waits_for_first_password:
        raise Outdated("the person has chosen a password since")
    return reader.key_path("initial")


class Message(EmailMessage):
    """A mail whose subject begins on the header's own line; some readers show the fold as a leading blank."""

    def message(self):
        made = super().message()  # refuses line ends in headers
        del made["Subject"]
        MimeMessage.__setitem__(made, "Subject", Header(str(self.subject), "utf-8", header_name="Subject"))
        return made


class FileBackend(BaseEmailBackend):
    """Without a mail server each mail is a file `mail/*.eml`, renamed into place when it is whole."""

    def send_messages(self, messages):
        own_folder(settings.EMAIL_FILES)
        for message in messages:
            name = message.extra_headers["Message-ID"].strip("<>").partition("@")[0]
            path = settings.EMAIL_FILES / f"{name}.eml"
            part = path.with_suffix(f".{os.getpid()}")
            part.touch(mode=0o600)
            with part.open("wb") as file:
                file.write(message.message().as_bytes(linesep="\r\n"))
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        return len(messages)
