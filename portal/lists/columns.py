"""The kinds of columns a table of rows can have: each knows its cell (safe HTML) and its CSV value (an ORM expression).

They are django-tables2 columns, so tables declare them the usual way; but cells are written by one function a column,
made once a page, and the CSV by the database: the stock ways (reflection for each cell, cells as CSV) cost many times
the query.
"""

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

from django.db.models import Case, CharField, DateField, F, Func, IntegerField, TextField, Value, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, NullIf
from django.urls import reverse
from django.utils.safestring import mark_safe
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django_tables2 import Column

from portal.models import PriceBasis, TaxClass, TaxKind
from portal.templatetags.figures import percent, period, plain, yen, ym, ymd

Writer = Callable[[Any], str]  # of the cell of a row
Reader = Callable[[Any], Any]

NOTHING = mark_safe('<span class="muted">-</span>')
# What a spreadsheet would run as a formula, at the start of a cell or of a line in it: one of = + - @ or a character that
# is another width, size or place of them, or that Shift_JIS writes so. Blanks, controls and invisible characters before
# it don't count: spreadsheets pass over some of them, and Shift_JIS leaves some out.
UNSEEN = r"\s\u0001-\u0020\u007f-\u00a0\u00ad\u034f\u061c\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufe00-\ufe0f\ufeff\U000e0001-\U000e01ef"
SIGNS = r"-=+@＝＋－＠\u207a-\u207c\u208a-\u208c\u2012\u2013\u2212\u2a75\u2a76\ufb29\ufe62\ufe63\ufe66\ufe6b"
FORMULA = rf"^[\t\r]|(^|[\r\n\u2028\u2029])[{UNSEEN}]*[{SIGNS}]"


class FormulaSafe(Func):
    """SQL text that no spreadsheet takes for a formula: a dangerous cell gets a leading apostrophe (D16)."""

    arity = 1
    output_field = TextField()

    def as_sql(self, compiler: Any, connection: Any, **extra: Any) -> Any:  # type: ignore[override]
        sql, params = compiler.compile(self.source_expressions[0])
        return f"CASE WHEN ({sql}) ~ %s THEN '''' || ({sql}) ELSE ({sql}) END", [*params, FORMULA, *params, *params]


class DateText(Func):
    function = "to_char"
    output_field = CharField()

    def __init__(self, expression: Any, pattern: str) -> None:
        super().__init__(expression, Value(pattern))


def reader(path: str) -> Reader:
    """A function that follows a double-underscore path from a row; None as soon as a link is missing."""
    names = path.split("__")
    if len(names) == 1:
        return lambda row: getattr(row, path)

    def read(row: Any) -> Any:
        for name in names:
            row = getattr(row, name, None)
            if row is None:
                return None
        return row

    return read


def link_to(view: str) -> Callable[[object], str]:
    """A function from a row's key (a number of ours, or an id) to the URL of its page; the URL is resolved once."""
    before, after = reverse(view, args=[0]).rsplit("0", 1)
    return lambda key: f"{before}{key}{after}"


def badge(look: str, words: object) -> str:
    return f'<span class="state {look} quiet">{escape(str(words))}</span>'


def tag(words: object) -> str:
    return f'<span class="tag">{escape(str(words))}</span>'


class ListColumn(Column):
    """A column of a table.

    `path` is the row's attribute and ORM path; `sort` the ORM field to order by ('' for none); `shown` whether it is
    visible by default; `needs` names the queryset method that annotates what it shows; `card` its place on a phone's
    card (title, state, main, sub, planned, link, action): what is shown by default and has none stays off the card,
    what the user added stands below the rest.
    """

    css = "text"
    names_row = False  # whether its cells are the heads of their rows

    def __init__(
        self, label: object, path: str, *, sort: str | None = None, shown: bool = False, needs: str = "", card: str = ""
    ) -> None:
        super().__init__(verbose_name=label, accessor=path)
        self.label, self.path, self.shown, self.needs = label, path, shown, needs
        self.card = card or ("" if shown else "more")
        self.sort = path if sort is None else sort
        self.value = reader(path)

    def writer(self) -> Writer:
        """The function that writes the cell of a row; made once a page, so that words and URLs are looked up once."""
        value = self.value
        return lambda row: escape(str(found)) if (found := value(row)) not in (None, "") else NOTHING

    def heading(self) -> str:
        """The column's own head, as safe HTML."""
        return escape(str(self.label))

    def csv(self) -> Combinable | None:
        """The value in the database; None where a column has nothing of its own to export."""
        return FormulaSafe(F(self.path))

    def order(self, *, may_be_empty: bool) -> Any:
        """What to sort by; a field that is never empty as it is, so that its index serves."""
        return F(self.sort)


class TextColumn(ListColumn):
    def order(self, *, may_be_empty: bool) -> Any:
        """An empty text is as empty as none."""
        return NullIf(F(self.sort), Value("")) if may_be_empty else F(self.sort)


class LinkColumn(TextColumn):
    """The text of a row that leads to the page of `key` (by default the text itself) at the view `to`."""

    css = "code"

    def __init__(self, label: object, path: str, *, to: str, key: str | None = None, **options: Any) -> None:
        super().__init__(label, path, **options)
        self.to, self.key = to, reader(key or path)

    def writer(self) -> Writer:
        value, key, url = self.value, self.key, link_to(self.to)

        def write(row: Any) -> str:
            text = value(row)
            return f'<a href="{url(key(row))}">{escape(text)}</a>' if text else NOTHING

        return write


class ChoiceColumn(ListColumn):
    """A coded value with its words, which the CSV has too; sorted in the order in which the choices are declared and offered."""

    def __init__(self, label: object, path: str, choices: Any, **options: Any) -> None:
        super().__init__(label, path, **options)
        self.choices = choices

    def writer(self) -> Writer:
        value, words = self.value, {key: escape(str(label)) for key, label in self.choices.choices}
        return lambda row: words.get(value(row), NOTHING)

    def csv(self) -> Combinable | None:
        whens = [When(**{self.path: value}, then=Value(str(label))) for value, label in self.choices.choices]
        return Case(*whens, default=Value(""), output_field=CharField())

    def order(self, *, may_be_empty: bool) -> Any:
        places = [When(**{self.sort: value}, then=Value(place)) for place, value in enumerate(self.choices.values)]
        return Case(*places, output_field=IntegerField())


class StateColumn(ChoiceColumn):
    """A state as word, shape and colour; `looks` maps each value to one of ok, warn, bad, off."""

    css = "state"

    def __init__(self, label: object, path: str, choices: Any, looks: Mapping[Any, str], **options: Any) -> None:
        super().__init__(label, path, choices, **options)
        self.looks = looks

    def writer(self) -> Writer:
        value, badges = self.value, {key: badge(self.looks[key], label) for key, label in self.choices.choices}
        return lambda row: badges[value(row)]


class DateColumn(ListColumn):
    css = "date"

    def writer(self) -> Writer:
        value = self.value
        return lambda row: ymd(value(row)) or NOTHING

    def csv(self) -> Combinable | None:
        return DateText(Cast(F(self.path), DateField()), "YYYY/MM/DD")


class TimeColumn(ListColumn):
    """A moment, shown in the time of Japan."""

    css = "date"

    def writer(self) -> Writer:
        value = self.value
        return lambda row: f"{localtime(moment):%Y/%m/%d %H:%M}" if (moment := value(row)) else NOTHING

    def csv(self) -> Combinable | None:
        return DateText(Func(F(self.path), template="%(expressions)s AT TIME ZONE 'Asia/Tokyo'"), "YYYY/MM/DD HH24:MI")


class MonthColumn(ListColumn):
    css = "date"

    def writer(self) -> Writer:
        value = self.value
        return lambda row: ym(value(row)) or NOTHING

    def csv(self) -> Combinable | None:
        return DateText(F(self.path), "YYYY/MM")


class YenColumn(ListColumn):
    css = "num"

    def writer(self) -> Writer:
        value = self.value
        return lambda row: yen(value(row)) or NOTHING

    def csv(self) -> Combinable | None:
        return F(self.path)


class AmountColumn(YenColumn):
    """Yen of a line in its own price basis (at `basis`), marked where tax is in it."""

    def __init__(self, label: object, path: str, *, basis: str = "price_basis", **options: Any) -> None:
        super().__init__(label, path, **options)
        self.basis = reader(basis)

    def writer(self) -> Writer:
        write, basis, mark = super().writer(), self.basis, f"<small>{escape(_('税込'))}</small>"
        return lambda row: write(row) + mark if basis(row) == PriceBasis.INCLUSIVE else write(row)


class NumberColumn(ListColumn):
    """A quantity. A number by which something is called (請求番号) is a text."""

    css = "num"

    def writer(self) -> Writer:
        value = self.value
        return lambda row: plain(value(row)) or NOTHING

    def csv(self) -> Combinable | None:
        return Func(F(self.path), function="trim_scale")


class RateColumn(ListColumn):
    css = "num"

    def writer(self) -> Writer:
        value = self.value
        return lambda row: percent(value(row)) or NOTHING

    def csv(self) -> Combinable | None:
        return Func(
            F(self.path), template="trim_scale(%(expressions)s * 100)::text || '%%%%'", output_field=CharField()
        )


class TaxRateColumn(RateColumn):
    """The rate of a line with the mark of the reduced one; of a supply without tax its kind, at `kind`."""

    def __init__(self, label: object, path: str, *, kind: str = "tax_kind", **options: Any) -> None:
        super().__init__(label, path, **options)
        self.kind = reader(kind)

    def writer(self) -> Writer:
        value, kind = self.value, self.kind
        untaxed = {each: escape(str(each.label)) for each in TaxClass.UNTAXED}

        def write(row: Any) -> str:
            of = kind(row)
            if of in untaxed:
                return untaxed[of]
            rate = self.words(percent(value(row)))
            return f"{rate} ※" if of == TaxKind.REDUCED else rate

        return write

    def words(self, rate: str) -> str:
        return rate


class FlagColumn(ListColumn):
    """○ for yes, nothing for no."""

    css = "flag"

    def writer(self) -> Writer:
        value = self.value
        no = f'<span class="visually-hidden">{escape(_("なし"))}</span>'
        yes = f'<span aria-hidden="true">○</span><span class="visually-hidden">{escape(_("あり"))}</span>'
        return lambda row: yes if value(row) else no

    def csv(self) -> Combinable | None:
        return Case(When(**{self.path: True}, then=Value("○")), default=Value(""), output_field=CharField())


class StackColumn(ListColumn):
    """Columns of the same table in one cell, the others small below the first; in the CSV each stands for itself."""

    def __init__(self, label: object, top: ListColumn, *below: ListColumn) -> None:
        super().__init__(label, top.path, sort="", shown=True)
        self.css, self.top, self.below = top.css, top, below

    def writer(self) -> Writer:
        top, below = self.top.writer(), [column.writer() for column in self.below]

        def write(row: Any) -> str:
            small = [f"<small>{cell}</small>" for cell in (each(row) for each in below) if cell is not NOTHING]
            return f"<span>{top(row)}{''.join(small)}</span>"

        return write

    def csv(self) -> Combinable | None:
        return None


class PeriodColumn(ListColumn):
    """First and last day in one cell, both inclusive; in the CSV each has a column of its own."""

    css = "date"

    def __init__(self, label: object, first: ListColumn, last: ListColumn) -> None:
        super().__init__(label, first.path, sort="", shown=True)
        self.first, self.last = first, last

    def writer(self) -> Writer:
        first, last = self.first.value, self.last.value
        return lambda row: period(first(row), last(row))

    def csv(self) -> Combinable | None:
        return None
