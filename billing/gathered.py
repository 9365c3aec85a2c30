"""Rows of many kinds in one statement, for pages that show a little of everything that belongs to somebody."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db.models import Count, IntegerField, Value, Window
from django.db.models.functions import JSONObject

from portal.db.sets import united


@dataclass(frozen=True)
class Part:
    """What is read of one kind: ordered rows, at most so many, and the fields (or annotations) of each."""

    name: str
    rows: Any
    fields: Sequence[str]
    most: int
    address: str = ""  # of the list that shows all of them


@dataclass
class Found:
    """The rows that a part found, as unsaved instances of its model, and how many there are in all."""

    address: str = ""
    rows: list[Any] = field(default_factory=list)
    total: int = 0

    @property
    def has_more(self) -> bool:
        return self.total > len(self.rows)


def gather(parts: Sequence[Part]) -> dict[str, Found]:
    """{name of a part: what it found}, all by one statement; a part that found nothing is there all the same."""
    found = {part.name: Found(part.address) for part in parts}
    asked = [
        part.rows.annotate(
            place=Value(place, IntegerField()),
            read=JSONObject(**{name: name for name in part.fields}),
            among=Window(Count("*")),
        ).values_list("place", "read", "among")[: part.most]
        for place, part in enumerate(parts)
    ]
    if not asked:
        return found
    for place, read, among in united(asked):
        part = parts[place]
        found[part.name].rows.append(instance(part, read))
        found[part.name].total = among
    return found


def instance(part: Part, read: dict[str, Any]) -> Any:
    """The row as its model knows it, so that pages may ask it as any other; what isn't a field of its own stands on it likewise."""
    made = part.rows.model()
    for name in part.fields:
        setattr(made, name, kind_of(part.rows, name).to_python(read[name]))
    return made


def kind_of(rows: Any, name: str) -> Any:
    """The field that tells how a value of this name is read back from JSON."""
    try:
        return rows.model._meta.get_field(name)
    except FieldDoesNotExist:
        return rows.query.annotations[name].output_field
