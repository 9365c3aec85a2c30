"""An inquiry's thread as pages show it: the question, what was written since, and, for the desk, memos, states and mails."""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from portal import languages
from portal.models import Action, HistoryEvent, Inquiry, Mail, Message
from portal.services import find_record

MOST_STATES, MOST_OTHERS = 100, 6  # of one inquiry; of one customer's other inquiries beside it
MOVED = "moved"  # the kind of an entry that tells of a state; the others are those of messages


@dataclass(frozen=True)
class Entry:
    """One piece of a thread; `kind` is a message's kind, or MOVED."""

    kind: str
    name: str
    at: datetime
    body: str
    mails: list[Mail] = field(default_factory=list)


def question(inquiry: Inquiry) -> Entry:
    return Entry(Message.Kind.CUSTOMER, inquiry.sender_name, inquiry.created_at, inquiry.body)


def of_customer(inquiry: Inquiry) -> list[Entry]:
    """What both sides wrote."""
    written = inquiry.messages.exclude(kind=Message.Kind.MEMO)
    first = question(inquiry)
    if inquiry.wished:  # a 変更申込, in the vendor's words
        first = replace(first, body=languages.lines_of_reader(first.body))
    return [first, *(Entry(each.kind, each.author_name, each.at, each.body) for each in written)]


def of_desk(inquiry: Inquiry) -> dict[str, Any]:
    """All of it in the order of time, and the last message's key, for the answer to say what its writer saw."""
    messages = list(inquiry.messages.all())
    mails = sent_for(inquiry) if messages else {}
    found = [question(inquiry)]
    found += [Entry(each.kind, each.author_name, each.at, each.body, mails.get(each.pk, [])) for each in messages]
    events = HistoryEvent.objects.about(inquiry).filter(action=Action.INQUIRY_HANDLED)[:MOST_STATES]
    for event in events:
        told = "、".join(f"{label} {before} → {after}" for label, before, after in event.changes)
        found.append(Entry(MOVED, event.actor_name or _("システム"), event.at, told))
    return {
        "thread": sorted(found, key=lambda each: each.at),
        "newest": messages[-1].pk if messages else 0,
    }


def sent_for(inquiry: Inquiry) -> dict[int, list[Mail]]:
    """The mails of each answer, by the message's key."""
    found = defaultdict(list)
    mails = Mail.objects.filter(customer=inquiry.customer_id, kind=Mail.Kind.INQUIRY_ANSWER)
    for mail in mails.filter(data__number=inquiry.number).select_related("user").order_by("pk"):
        found[mail.data["message"]].append(mail)
    return found


def others(inquiry: Inquiry) -> list[Inquiry]:
    """The customer's newest other inquiries."""
    rows = Inquiry.objects.filter(customer=inquiry.customer_id).exclude(pk=inquiry.pk)
    return list(rows.order_by("-created_at")[:MOST_OTHERS])


def url_of_record(inquiry: Inquiry, *, desk: bool = False) -> str:
    """The page of the record an inquiry is about, the customer's or the desk's; '' for none, or one that is gone."""
    record = find_record(inquiry.customer, inquiry.about) if inquiry.about else None
    if record is None:
        return ""
    if desk:
        return reverse(f"admin:{record._meta.app_label}_{record._meta.model_name}_change", args=[record.pk])
    return reverse(f"{record._meta.model_name}_detail", args=[record.number])
