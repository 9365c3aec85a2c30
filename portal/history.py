"""The change history: who did what, and what stood there before; rows are only ever added."""

from datetime import date, datetime
from decimal import Decimal
from functools import cache

from django.utils.timezone import localtime

from portal import languages
from portal.models import NOTHING, HistoryEvent, row_name
from portal.templatetags.figures import plain, ymd


def record(action, subject, *, of=None, by=None, customer=None, detail="", **data):
    """Add one event; `by` is the user who acted, None for the portal itself. Runs in the caller's transaction.

    `of` is the row that it is about, where `subject` doesn't name it for good. `detail` is what the company's users read
    beside it, `data` what else an auditor may want; neither holds a secret.
    """
    made = event(action, subject, of=of, by=by, customer=customer, detail=detail, **data)
    made.save(force_insert=True)
    return made


def event(action, subject, *, of=None, by=None, customer=None, detail="", **data):
    """The same, not stored yet."""
    return HistoryEvent(
        customer=customer,
        actor=by,
        actor_name=by.name if by else "",
        action=action,
        subject=str(subject)[:100],
        detail=str(detail)[:200],
        row=row_name(of) if of else "",
        data=data,
    )


def record_change(action, subject, before, after, *, of=None, by=None, customer=None, reason=""):
    """Add one event for what differs between the facts before and after (D40), as `facts` gives them; none if nothing does.

    `reason` is the staff's own: their pages show it, the company's don't.
    """
    made = change(action, subject, before, after, of=of, by=by, customer=customer, reason=reason)
    if made:
        made.save(force_insert=True)
    return made


def change(action, subject, before, after, *, of=None, by=None, customer=None, reason=""):
    """The same, not stored yet.

    All of it is kept in `data`, as {label: [before, after]}; what people read beside the event is cut where it gets long.
    """
    changes = differing(before, after)
    if not changes:
        return None
    told = []
    for label, (old, new) in changes.items():
        told.append(f"{label} {old or NOTHING} → {new or NOTHING}" if before else f"{label} {new}")
    more = {"reason": reason} if reason else {}
    return event(action, subject, of=of, by=by, customer=customer, detail="、".join(told), changes=changes, **more)


def differing(before, after):
    """{label: [before, after]} of what differs between the facts; an empty text where there was, or is, nothing."""
    found = {each: [before.get(each, ""), after.get(each, "")] for each in dict.fromkeys([*before, *after])}
    return {label: texts for label, texts in found.items() if texts[0] != texts[1]}


def facts(row, *names):
    """What these fields of a row say, as {label: text}, in words as the vendor's screens have them."""
    found = {}
    for name in names:
        label, choices = words_of(row._meta, name)
        value = getattr(row, name)
        found[label] = choices[value] if value in choices else worded(value)
    return found


@cache
def words_of(options, name):
    """(the field's label, its choices in words), kept: files bring thousands of rows."""
    field = options.get_field(name)
    with languages.house():
        return str(field.verbose_name), {value: str(label) for value, label in field.flatchoices}


def worded(value):
    if value is None or value is False:
        return ""
    if value is True:
        return "○"
    if isinstance(value, datetime):
        return f"{localtime(value):%Y/%m/%d %H:%M}"
    if isinstance(value, date):
        return ymd(value)
    return plain(value) if isinstance(value, Decimal | int) else str(value)
