"""What customers leave with the desk, and what the desk answers."""

from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from portal import history, languages, mail, numbers, rights
from portal.models import Action, Inquiry, Mail, Message
from portal.months import month_of, today

INQUIRIES_AN_HOUR = 10
# Where a number on an inquiry may come from: the company's own contracts, orders, invoices.
RECORDS = ("contracts", "orders", "invoices")


def find_record(customer: Any, number: str) -> Any:
    """The customer's contract, order or invoice with this number, or None."""
    found = (getattr(customer, records).filter(number=number).first() for records in RECORDS)
    return next((record for record in found if record), None)


def suggested_subject(kind: str, record: Any) -> str:
    """What an inquiry of this kind about this record (or None) is called unless the sender names it; '' for a plain question."""
    if record is None:
        return _("お客様情報の変更の申し込み") if kind == Inquiry.Kind.CHANGE else ""
    if kind == Inquiry.Kind.CANCEL:
        subject = _("解約の申し込み: %(record)s")
    elif kind == Inquiry.Kind.CHANGE:
        subject = _("変更の申し込み: %(record)s")
    else:
        subject = _("%(name)sについて: %(record)s")
    made = subject % {"name": record._meta.verbose_name, "record": record}
    return made[: Inquiry._meta.get_field("subject").max_length]


@transaction.atomic
def send_inquiry(inquiry: Inquiry, *, by: Any) -> Inquiry:
    """Store an inquiry with the sender's company, under a number; the desk gets it by mail, the sender a copy (A11).

    Raises ValidationError when one person sends more than ten within an hour. The number comes first: it makes others
    wait who send at the same moment, so that each counts what the one before stored.
    """
    inquiry.number = numbers.next_number(numbers.inquiry_series(month_of(today())))
    stop_a_flood(by)
    inquiry.customer_id, inquiry.user = by.customer_id, by
    inquiry.save()
    for kind in (Mail.Kind.INQUIRY, Mail.Kind.INQUIRY_COPY):
        mail.queue(kind, key=f"{kind}:{inquiry.pk}", customer=by.customer, user=by, **content_of(inquiry))
    history.record(Action.INQUIRY_SENT, str(inquiry), by=by, customer=by.customer)
    return inquiry


def stop_a_flood(by: Any) -> None:
    """Raises ValidationError for who wrote ten inquiries and answers within the last hour."""
    since = timezone.now() - timedelta(hours=1)
    lately = Inquiry.objects.filter(user=by, via=Inquiry.Via.PORTAL, created_at__gt=since).count()
    lately += Message.objects.filter(customer_id=by.customer_id, author=by, at__gt=since).count()
    if lately >= INQUIRIES_AN_HOUR:
        raise ValidationError(
            _("短い時間に多くのお問い合わせをいただいています。しばらく待ってから送信するか、窓口へお電話ください。")
        )


def content_of(inquiry: Inquiry) -> dict[str, Any]:
    """What mails say of an inquiry."""
    with languages.house():
        label = str(inquiry.get_kind_display())
    return {
        "number": inquiry.number,
        "label": label,
        "subject": " ".join(inquiry.subject.split()),
        "body": inquiry.body,
        "about": inquiry.about,
        "sender": inquiry.user.email if inquiry.user else "",
    }


@transaction.atomic
def enter_inquiry(inquiry: Inquiry, *, answer: str = "", done: bool = False, copy: bool = False, by: Any) -> Inquiry:
    """Store what a customer said by telephone or mail, as the desk wrote it down, and what was answered at once.

    With `copy` the person gets both by mail. Raises PermissionDenied, and ValidationError for a person of another company.
    """
    rights.need(by, "portal.add_inquiry")
    if answer or done:
        rights.need(by, "portal.change_inquiry")
    if inquiry.user and inquiry.user.customer_id != inquiry.customer_id:
        raise ValidationError({"user": _("このお客様のユーザを選んでください。")})
    if copy and not inquiry.user:
        raise ValidationError({"user": _("控えを送るには、ユーザを選んでください。")})
    inquiry.number = numbers.next_number(numbers.inquiry_series(month_of(today())))
    inquiry.entered_by = inquiry.assignee = by
    inquiry.save()
    if copy:
        kind = Mail.Kind.INQUIRY_COPY
        given = content_of(inquiry) | {"answer": answer}
        mail.queue(kind, key=f"{kind}:{inquiry.pk}", customer=inquiry.customer, user=inquiry.user, **given)
    history.record(Action.INQUIRY_SENT, str(inquiry), by=by, customer=inquiry.customer)
    if answer:
        add(inquiry, Message.Kind.ANSWER, answer, by)
    if answer or done:
        move(inquiry, Inquiry.State.DONE if done else Inquiry.State.ANSWERED, by, by=by)
    return inquiry


def lock_inquiry(inquiry: Inquiry) -> Inquiry:
    """As it is now; whoever else writes on it waits until the transaction ends."""
    return Inquiry.objects.select_for_update(no_key=True, of=("self",)).get(pk=inquiry.pk)


@transaction.atomic
def write_on(inquiry: Inquiry, body: str, *, by: Any) -> Message:
    """A customer's further words: the inquiry waits for the desk again, which gets them by mail.

    Raises ValidationError as `send_inquiry` does.
    """
    inquiry = lock_inquiry(inquiry)
    stop_a_flood(by)
    message = add(inquiry, Message.Kind.CUSTOMER, body, by)
    with languages.house():
        was = str(inquiry.get_state_display())
    inquiry.state, inquiry.asked_at, inquiry.handled_at = Inquiry.State.WAITING, timezone.now(), None
    inquiry.save(update_fields=["state", "asked_at", "handled_at"])
    history.record(Action.INQUIRY_SENT, str(inquiry), of=inquiry, by=by, customer=by.customer, was=was)
    mail.queue(
        Mail.Kind.INQUIRY_MORE,
        key=f"{Mail.Kind.INQUIRY_MORE}:{message.pk}",
        customer=by.customer,
        user=by,
        **content_of(inquiry) | {"body": body, "sender": by.email},
    )
    return message


def add(inquiry: Inquiry, kind: str, body: str, by: Any) -> Message:
    return Message.objects.create(
        customer_id=inquiry.customer_id, inquiry=inquiry, kind=kind, author=by, author_name=by.name, body=body
    )


def newest(inquiry: Inquiry) -> int:
    """The key of the last message of the thread, memos included; 0 for none."""
    return inquiry.messages.order_by("-pk").values_list("pk", flat=True).first() or 0


def readers(inquiry: Inquiry) -> list[Any]:
    """Whom the desk's answer goes to: who asked and who wrote on, else the company's メール送信先."""
    users = get_user_model().objects.filter(customer=inquiry.customer_id, is_active=True).exclude(email=None)
    wrote = inquiry.messages.filter(kind=Message.Kind.CUSTOMER).values("author")
    return list(users.filter(Q(pk=inquiry.user_id) | Q(pk__in=wrote)).order_by("pk")) or list(
        users.filter(is_recipient=True)
    )


@transaction.atomic
def answer_inquiry(inquiry: Inquiry, body: str, *, seen: int, done: bool = False, by: Any) -> Message:
    """The desk's answer, by mail to whoever asked and on the customer's page; it waits for the customer now, or is done.

    `seen` is the last message that the writer saw: raises ValidationError where somebody wrote since, and where the
    company has nobody to write to. Raises PermissionDenied.
    """
    rights.need(by, "portal.change_inquiry")
    inquiry = lock_inquiry(inquiry)
    if newest(inquiry) != seen:
        latest = inquiry.messages.order_by("-pk").first()
        raise ValidationError(
            _(
                "この画面を開いた後に、%(name)sさんが書き込みました。まだ送信していません。内容を確かめてから送信してください。"
            )
            % {"name": latest.author_name if latest else ""}
        )
    people = readers(inquiry)
    if not people:
        raise ValidationError(_("メールを送れるユーザがいません。電話などで連絡し、社内メモに残してください。"))
    message = add(inquiry, Message.Kind.ANSWER, body, by)
    told = content_of(inquiry) | {"body": body, "author": by.name, "message": message.pk}
    for person in people:
        key = f"{Mail.Kind.INQUIRY_ANSWER}:{message.pk}:{person.pk}"
        mail.queue(Mail.Kind.INQUIRY_ANSWER, key=key, customer=inquiry.customer, user=person, **told)
    move(inquiry, Inquiry.State.DONE if done else Inquiry.State.ANSWERED, inquiry.assignee or by, by=by)
    return message


@transaction.atomic
def note_inquiry(inquiry: Inquiry, body: str, *, by: Any) -> Message:
    """A memo among the staff (社内メモ); no customer ever sees one. Raises PermissionDenied."""
    rights.need(by, "portal.change_inquiry")
    return add(lock_inquiry(inquiry), Message.Kind.MEMO, body, by)


@transaction.atomic
def handle_inquiry(inquiry: Inquiry, *, state: str, assignee: Any, by: Any) -> Inquiry:
    """Set how far an inquiry is and who cares for it. Raises PermissionDenied."""
    rights.need(by, "portal.change_inquiry")
    return move(lock_inquiry(inquiry), state, assignee, by=by)


def move(inquiry: Inquiry, state: str, assignee: Any, *, by: Any) -> Inquiry:
    """Store both; the history keeps what they were."""
    before = history.facts(inquiry, "state", "assignee")
    if state != inquiry.state:
        inquiry.handled_at = timezone.now() if state == Inquiry.State.DONE else None
    inquiry.state, inquiry.assignee = state, assignee
    inquiry.save(update_fields=["state", "assignee", "handled_at"])
    after = history.facts(inquiry, "state", "assignee")
    history.record_change(Action.INQUIRY_HANDLED, inquiry.number, before, after, of=inquiry, by=by)
    return inquiry
