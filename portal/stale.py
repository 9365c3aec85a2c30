"""A save over somebody else's newer one (D40): what stood there when the form was opened, what stands there now, and one's own."""

from dataclasses import dataclass

from django import forms
from django.core import signing
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.history import worded
from portal.models import HistoryEvent

FIELD = "seen"


@dataclass(frozen=True)
class Difference:
    """One field that somebody else stored otherwise meanwhile; `mine` is '' where the other's value was taken over."""

    place: str
    label: str
    before: str
    theirs: str
    mine: str


@dataclass(frozen=True)
class Conflict:
    """What others stored since the form was opened."""

    saved: list[HistoryEvent]
    differences: list[Difference]

    @property
    def by(self):
        """Who saved, and when, in words."""
        told = {
            _("%(name)s（%(at)s）")
            % {"name": each.actor_name or _("システム"), "at": f"{timezone.localtime(each.at):%Y/%m/%d %H:%M}"}
            for each in self.saved
        }
        return "、".join(sorted(told)) or _("ほかの人")


def mark(row, form, formsets):
    """What a reader of these forms sees of the row, to be sent along with them; a page may have read its `newest_event` before."""
    newest = getattr(row, "newest_event", None)
    if newest is None:
        newest = HistoryEvent.objects.about(row).values_list("pk", flat=True).first() or 0
    given = {"rows": stored(form, formsets), "event": newest}
    return signing.dumps(given, salt=salt(row), compress=True)


def meet(given, row, form, formsets, data):
    """(the conflict, the data with what only others changed taken over), or (None, data) where nobody stored anything.

    `given` is the mark that came with the form, `form` and `formsets` are those of the row as it is stored now, unbound;
    `data` is what was sent. A mark that this portal never made counts as one of an empty page.
    """
    try:
        seen = signing.loads(given, salt=salt(row))
    except signing.BadSignature:
        seen = {"rows": {}, "event": 0}
    before, now = seen["rows"], stored(form, formsets)
    if before == now:
        return None, data
    data = data.copy()
    sent = places_in(data, form, formsets)
    found = []
    for place, formed in forms_of(form, formsets):
        if place not in before:
            found += added(place, formed, bool(before))
        else:
            for name, was in before[place].items():
                if now[place].get(name, was) != was:
                    found.append(differing(place, formed, name, was, sent.get(place), data))
    for formset in formsets:
        found += removed(formset, before, now, sent, data)
    about = HistoryEvent.objects.about(row).filter(pk__gt=seen["event"])
    return Conflict(list(about[:20]), found), data


def salt(row):
    return f"{FIELD} {row._meta.label} {row.pk}"


def forms_of(form, formsets):
    """(place, form) of the row itself and of each row below it that can be changed; a place is '' or 'prefix:key'."""
    yield "", form
    for formset in formsets:
        for below in formset.initial_forms:
            if below.visible_fields():
                yield f"{formset.prefix}:{below.instance.pk}", below


def stored(form, formsets):
    """{place: {field: as a browser sends it}} of all that can be changed."""
    return {
        place: {bound.name: as_sent(bound) for bound in formed.visible_fields() if bound.name != "DELETE"}
        for place, formed in forms_of(form, formsets)
    }


def as_sent(bound):
    """A field's stored value as an untouched form sends it: a text, a list of texts, or whether it is ticked."""
    widget, value = plain_widget(bound.field), bound.value()
    if isinstance(widget, forms.CheckboxInput):
        return bool(value)
    if isinstance(widget, forms.MultiWidget):
        parts = zip(widget.widgets, widget.decompress(value) or [], strict=True)
        return [part.format_value(each) or "" for part, each in parts]
    made = widget.format_value(value)
    if isinstance(made, list) and not getattr(widget, "allow_multiple_selected", False):
        made = made[0] if made else ""
    return made or ""


def plain_widget(field):
    """The widget itself, where the admin puts one around it."""
    return getattr(field.widget, "widget", field.widget)


def places_in(data, form, formsets):
    """{place: prefix of its fields} of the rows that were sent."""
    found = {"": form.prefix}
    for formset in formsets:
        key = formset.model._meta.pk.name
        for number in range(formset.initial_form_count() + len(data)):
            if (pk := data.get(f"{formset.prefix}-{number}-{key}")) is None:
                break
            found[f"{formset.prefix}:{pk}"] = f"{formset.prefix}-{number}"
    return found


def differing(place, formed, name, was, prefix, data):
    """A field that others changed; where the sender left it alone, the other's value goes into the data."""
    bound, key = formed[name], f"{prefix}-{name}" if prefix else name
    theirs = as_sent(bound)
    mine = plain_widget(bound.field).value_from_datadict(data, {}, key)
    told = [in_words(bound.field, each) for each in (was, theirs, mine)]
    if not changed(bound.field, was, mine):
        put(data, key, theirs)
        told[2] = ""
    elif not changed(bound.field, theirs, mine):
        told[2] = ""
    return Difference(row_label(place, formed), bound.label, *told)


def changed(field, initial, data):
    """Whether a field was sent otherwise than this."""
    try:
        return field.has_changed(initial if isinstance(initial, list) else field.to_python(initial), data)
    except ValidationError:
        return True


def put(data, key, value):
    """Write a value into sent data as a browser would have sent it."""
    if isinstance(value, bool):
        data.pop(key, None)
        if value:
            data[key] = "on"
    elif isinstance(value, list):
        data.setlist(key, value)
        for number, each in enumerate(value):
            data[f"{key}_{number}"] = each
    else:
        data[key] = value


def added(place, formed, opened):
    """A row that others added below this one; of a page that never was, nothing can be told."""
    if place and opened:
        told = "、".join(filter(None, (in_words(bound.field, as_sent(bound)) for bound in formed.visible_fields())))
        yield Difference(row_label(place, formed), _("追加された行"), "", told, "")


def removed(formset, before, now, sent, data):
    """Rows that others removed: they stay so, and what was sent of them isn't stored."""
    for place in before:
        if place.partition(":")[0] == formset.prefix and place not in now:
            told = "、".join(str(each) for each in before[place].values() if each and isinstance(each, str))
            yield Difference(str(formset.model._meta.verbose_name), _("削除された行"), told, "", "")
            if place in sent:
                data[f"{sent[place]}-DELETE"] = "on"


def row_label(place, formed):
    return f"{formed.instance._meta.verbose_name} {formed.instance}" if place else ""


def in_words(field, value):
    """A value that was sent, as people read it."""
    if isinstance(value, list | tuple):
        return "、".join(filter(None, (in_words(field, each) for each in value)))
    if isinstance(field, forms.ModelChoiceField) and field.queryset is not None:
        row = field.queryset.filter(pk=value).first() if str(value or "").isdecimal() else None
        return str(row or "")
    choices = {str(key): str(label) for key, label in getattr(field, "choices", ())}
    return choices.get(str(value), "" if value is None else worded(value))
