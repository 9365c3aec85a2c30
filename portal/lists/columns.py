"""The kinds of columns a list can have: each knows its cell (safe HTML) and its CSV value (an ORM expression).

They are django-tables2 columns, so tables declare them the usual way; but cells are made by one function a column and
the CSV by the database, because the stock ways (reflection for each cell, cells as CSV) cost many times the query.
"""

from django.db.models import Case, CharField, DateField, F, Func, TextField, Value, When
from django.db.models.functions import Cast
from django.utils.html import escape, format_html
from django.utils.safestring import mark_safe
from django.utils.timezone import localtime
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django_tables2 import Column

from portal.templatetags.figures import percent, plain, yen, ym, ymd

NOTHING = mark_safe('<span class="muted">-</span>')
# What a spreadsheet would run as a formula, at the start of a cell or of a line in it, blanks before it or not.
FORMULA = r"^[\t\r]|(^|[\r\n])[\s\u00a0\u3000]*[-=+@＝＋－＠]"


class FormulaSafe(Func):
    """SQL text that no spreadsheet takes for a formula: a dangerous cell gets a leading apostrophe (D16)."""

    arity = 1
    output_field = TextField()

    def as_sql(self, compiler, connection, **extra):
        sql, params = compiler.compile(self.source_expressions[0])
        return f"CASE WHEN ({sql}) ~ %s THEN '''' || ({sql}) ELSE ({sql}) END", [*params, FORMULA, *params, *params]


class DateText(Func):
    function = "to_char"
    output_field = CharField()

    def __init__(self, expression, pattern):
        super().__init__(expression, Value(pattern))


def reader(path):
    """A function that follows a double-underscore path from a row; None as soon as a link is missing."""
    names = path.split("__")
    if len(names) == 1:
        return lambda row: getattr(row, path)

    def read(row):
        for name in names:
            row = getattr(row, name)
            if row is None:
                return None
        return row

    return read


class ListColumn(Column):
    """A column of a list.

    `path` is the row's attribute and ORM path; `sort` the ORM fields to order by ('' for none); `shown` whether it is
    visible by default; `needs` names the queryset method that annotates what it shows; `card` its role on a phone.
    """

    css = "text"

    def __init__(self, label, path, *, sort=None, shown=False, needs="", card=""):
        super().__init__(verbose_name=label, accessor=path)
        self.label, self.path, self.shown, self.needs, self.card = label, path, shown, needs, card
        self.sort = path if sort is None else sort
        self.value = reader(path)

    def cell(self, row):
        value = self.value(row)
        return escape(value) if value not in (None, "") else NOTHING

    def csv(self):
        return FormulaSafe(F(self.path))


class TextColumn(ListColumn):
    pass


class LinkColumn(ListColumn):
    """The text of a row that leads to a page; `url` makes the address from the row, or None for no link."""

    css = "code"

    def __init__(self, label, path, *, url, **options):
        super().__init__(label, path, **options)
        self.url = url

    def cell(self, row):
        value, url = self.value(row), self.url(row)
        if not value:
            return NOTHING
        return format_html('<a href="{}">{}</a>', url, value) if url else escape(value)


class ChoiceColumn(ListColumn):
    """A coded value with its words; the CSV has the same words."""

    def __init__(self, label, path, choices, **options):
        super().__init__(label, path, **options)
        self.choices = choices
        self.in_language = {}

    def cell(self, row):
        return escape(self.words().get(self.value(row), ""))

    def words(self):
        """{value: label} in the language of the moment."""
        language = get_language()
        if language not in self.in_language:
            self.in_language[language] = {value: str(label) for value, label in self.choices.choices}
        return self.in_language[language]

    def csv(self):
        whens = [When(**{self.path: value}, then=Value(str(label))) for value, label in self.choices.choices]
        return Case(*whens, default=Value(""), output_field=CharField())


class StateColumn(ChoiceColumn):
    """A state as word, shape and colour; `looks` maps each value to one of ok, warn, bad, off."""

    css = "state"

    def __init__(self, label, path, choices, looks, **options):
        super().__init__(label, path, choices, **options)
        self.looks = looks

    def cell(self, row):
        value = self.value(row)
        return badge(self.looks[value], self.words()[value], quiet=True)


def badge(look, words, quiet=False):
    return format_html('<span class="state {}{}">{}</span>', look, " quiet" if quiet else "", words)


class DateColumn(ListColumn):
    css = "date"

    def cell(self, row):
        day = self.value(row)
        return ymd(day) if day else NOTHING

    def csv(self):
        return DateText(Cast(F(self.path), DateField()), "YYYY/MM/DD")


class TimeColumn(ListColumn):
    """A moment, shown in the time of Japan."""

    css = "date"

    def cell(self, row):
        moment = self.value(row)
        return f"{localtime(moment):%Y/%m/%d %H:%M}" if moment else NOTHING

    def csv(self):
        return DateText(Func(F(self.path), template="%(expressions)s AT TIME ZONE 'Asia/Tokyo'"), "YYYY/MM/DD HH24:MI")


class MonthColumn(ListColumn):
    css = "date"

    def cell(self, row):
        return ym(self.value(row))

    def csv(self):
        return DateText(F(self.path), "YYYY/MM")


class YenColumn(ListColumn):
    css = "num"

    def cell(self, row):
        value = self.value(row)
        return yen(value) if value is not None else NOTHING

    def csv(self):
        return F(self.path)


class NumberColumn(YenColumn):
    def cell(self, row):
        value = self.value(row)
        return plain(value) if value is not None else NOTHING

    def csv(self):
        return Func(F(self.path), function="trim_scale")


class RateColumn(NumberColumn):
    def cell(self, row):
        value = self.value(row)
        return percent(value) if value is not None else NOTHING

    def csv(self):
        return Func(
            F(self.path), template="trim_scale(%(expressions)s * 100)::text || '%%%%'", output_field=CharField()
        )


class FlagColumn(ListColumn):
    """○ for yes, nothing for no."""

    css = "flag"

    def cell(self, row):
        if not self.value(row):
            return mark_safe(f'<span class="visually-hidden">{_("なし")}</span>')
        return mark_safe(f'<span aria-hidden="true">○</span><span class="visually-hidden">{_("あり")}</span>')

    def csv(self):
        return Case(When(**{self.path: True}, then=Value("○")), default=Value(""), output_field=CharField())


def facts(table, row, leave_out=()):
    """(label, cell) of all columns but some, for a detail page that says what its list says."""
    return [(column.label, column.cell(row)) for name, column in table.base_columns.items() if name not in leave_out]
