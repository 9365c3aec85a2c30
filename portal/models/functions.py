"""Functions of PostgreSQL that constraints and searches are written with."""

from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Func, Value
from django.db.models.functions import Concat

APART = "\x1f"  # before and behind each text of a column that is searched: nobody types it


class DateRange(Func):
    """SQL `daterange(from, to, '[]')`: both ends included, an empty end is open."""

    function = "daterange"
    template = "%(function)s(%(expressions)s, '[]')"


class SearchForm(Func):
    """SQL `search_form(text)`: a text as searching compares it; `reading.fold` gives the same."""

    function = "search_form"
    output_field = models.TextField()


class SearchKey(Func):
    """SQL `search_key(text)`: the search form without dashes; `searching.Word.key` is the same of what is typed."""

    function = "search_key"
    output_field = models.TextField()


class SearchGrams(Func):
    """SQL `search_grams(text)`: each character of a search key, and each pair of neighbours, for an index to find."""

    function = "search_grams"
    output_field = models.TextField()


class HasGrams(Func):
    """SQL `search_grams(text) @> grams`."""

    arg_joiner, template = " @> ", "%(expressions)s"
    output_field = models.BooleanField()


class StandsIn(Func):
    """SQL `strpos(text, word) > 0`: LIKE, but taken to be true of a third of all rows.

    Row security hides a column's statistics from LIKE, which then is taken to be true of a few rows only: the planner
    would read and sort the whole table rather than walk until some are met.
    """

    function = "strpos"
    template = "(%(function)s(%(expressions)s) > 0)"
    output_field = models.BooleanField()


class IsAmong(Func):
    """SQL `key = ANY(array)`: the array is found once, whatever the rows are sorted by and however few of them are read."""

    arg_joiner, template = " = ANY(", "%(expressions)s)"
    output_field = models.BooleanField()


def has_grams(column, grams):
    return HasGrams(SearchGrams(column), Value(grams))


def sought_column(*names):
    """A column kept by the database, in which staff's search looks for a word in any of these columns."""
    parts = [part for name in names for part in (Value(APART), models.F(name))]
    text = Concat(*parts, Value(APART), output_field=models.TextField())
    return models.GeneratedField(expression=SearchKey(text), output_field=models.TextField(), db_persist=True)


def grams_index(text, name):
    return GinIndex(SearchGrams(text), name=name)


def search_text(*names):
    """The search form of these columns together; a line break, which none has, keeps them apart."""
    parts = [part for name in names for part in (Value("\n"), SearchForm(name))][1:]
    return Concat(*parts, output_field=models.TextField()) if len(parts) > 1 else parts[0]


def search_column(*names):
    """A column kept by the database, in which filters search these columns."""
    return models.GeneratedField(expression=search_text(*names), output_field=models.TextField(), db_persist=True)
