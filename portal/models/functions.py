"""Functions of PostgreSQL that constraints and searches are written with."""

from django.db import models
from django.db.models import Func, Value
from django.db.models.functions import Concat


class DateRange(Func):
    """SQL `daterange(from, to, '[]')`: both ends included, an empty end is open."""

    function = "daterange"
    template = "%(function)s(%(expressions)s, '[]')"


class SearchForm(Func):
    """SQL `search_form(text)`: a text as searching compares it; `reading.fold` gives the same."""

    function = "search_form"
    output_field = models.TextField()


def search_text(*names):
    """The search form of these columns together; a line break, which none has, keeps them apart."""
    parts = [part for name in names for part in (Value("\n"), SearchForm(name))][1:]
    return Concat(*parts, output_field=models.TextField()) if len(parts) > 1 else parts[0]


def search_column(*names):
    """A column kept by the database, in which filters search these columns."""
    return models.GeneratedField(expression=search_text(*names), output_field=models.TextField(), db_persist=True)
