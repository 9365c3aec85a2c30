"""The kinds of conditions a list can be filtered by; what is typed is read by `portal/reading.py` (D35)."""

from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.forms import BoundField
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_filters import CharFilter, Filter, FilterSet, ModelMultipleChoiceFilter, MultipleChoiceFilter
from django_filters.widgets import RangeWidget

from portal import reading
from portal.months import TOKYO
from portal.templatetags.figures import ym, ymd

INPUT = {"class": "form-control", "autocomplete": "off"}
START, STOP = "min", "max"
FIRST_MINUTE, LAST_MINUTE = time(0, 0), time(23, 59)


class End:
    """One of the two inputs of a range, as its template draws it: with its own error."""

    def __init__(self, bound: Any, suffix: str, label: object, typed: str) -> None:
        self.name = f"{bound.html_name}_{suffix}"
        self.id = f"{bound.auto_id}_{suffix}"
        self.label, self.typed = label, typed or ""
        self.example = _("例 %(example)s") % {"example": bound.field.example}
        refused = bound.form.errors.as_data().get(bound.name, [])
        self.error = " ".join(text for each in refused if each.code in (suffix, None) for text in each.messages)


class BoundRange(BoundField):
    @cached_property  # the template asks twice
    def ends(self) -> list[Any]:
        first, last = self.value() or ("", "")
        return [End(self, START, _("から"), first), End(self, STOP, _("まで"), last)]


class Between(forms.Field):
    """Two ends, both included, each may be empty; the first may not lie behind the second."""

    widget = RangeWidget
    bound_field_class = BoundRange
    example = ""

    def clean(self, value: Any) -> slice | None:
        """The ends as a slice, None if both are empty. The error of a single end has that end as its code."""
        read, refused = {}, []
        for end, typed in zip((START, STOP), value, strict=True):
            try:
                read[end] = self.read(typed or "", end)
            except ValidationError as error:
                refused.append(ValidationError(error.message, code=end))
        if refused:
            raise ValidationError(refused)
        first, last = read[START], read[STOP]
        if first is not None and last is not None and first > last:
            raise ValidationError(_("範囲の始まりが終わりより後になっています。"))
        return None if first is None and last is None else slice(first, last)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return any(data)

    def read(self, typed: str, end: str) -> Any:
        raise NotImplementedError

    def written(self, value: Any) -> str:
        """One end as a condition in force shows it."""
        raise NotImplementedError


class BetweenDates(Between):
    """A month in a day's place is all of it: from its first day, to its last."""

    example = "2026/04/01"

    def read(self, typed: str, end: str) -> Any:
        found = reading.span(typed)
        return found and (found.first if end == START else found.last)

    def written(self, value: Any) -> str:
        return ymd(value)


class BetweenMoments(BetweenDates):
    """A minute, as the list shows it, or a day or a month in Japan; all of it, from its first minute to its last."""

    def read(self, typed: str, end: str) -> Any:
        if found := reading.minute(typed):
            return found
        edge = super().read(typed, end)
        return edge and datetime.combine(edge, FIRST_MINUTE if end == START else LAST_MINUTE, TOKYO)

    def written(self, value: Any) -> str:
        return ymd(value) if value.time() in (FIRST_MINUTE, LAST_MINUTE) else f"{ymd(value)} {value:%H:%M}"


class BetweenMonths(Between):
    example = "2026/04"

    def read(self, typed: str, end: str) -> Any:
        return reading.month(typed)

    def written(self, value: Any) -> str:
        return ym(value)


class BetweenYen(Between):
    example = "10,000"

    def read(self, typed: str, end: str) -> Any:
        return reading.yen(typed)

    def written(self, value: Any) -> str:
        return f"{value:,}"


class RangeFilter(Filter):
    """Both ends included."""

    def filter(self, rows: QuerySet[Any], value: Any) -> QuerySet[Any]:
        if value and value.start is not None:
            rows = rows.filter(**{f"{self.field_name}__gte": value.start})
        if value and value.stop is not None:
            rows = rows.filter(**{f"{self.field_name}__lte": value.stop})
        return rows

    def describe(self, value: Any) -> str:
        return _("～").join("" if end is None else self.field.written(end) for end in (value.start, value.stop))


class DateRangeFilter(RangeFilter):
    field_class = BetweenDates


class MomentRangeFilter(RangeFilter):
    """Moments by minutes or dates in Japan; the last minute counts with all its seconds."""

    field_class = BetweenMoments

    def filter(self, rows: QuerySet[Any], value: Any) -> QuerySet[Any]:
        if value and value.start:
            rows = rows.filter(**{f"{self.field_name}__gte": value.start})
        if value and value.stop:
            rows = rows.filter(**{f"{self.field_name}__lt": value.stop + timedelta(minutes=1)})
        return rows


class MonthRangeFilter(RangeFilter):
    field_class = BetweenMonths


class YenRangeFilter(RangeFilter):
    field_class = BetweenYen


class TextFilter(CharFilter):
    """Part of a text, in a column that holds the text as `search_form` folds it: width, kana, case and blanks are one.

    A long mark at its end doesn't count: who types サーバー means サーバ as well (JIS Z 8301 leaves the mark to the writer).
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=100, widget=forms.TextInput(attrs=INPUT), **options)

    def filter(self, rows: QuerySet[Any], value: Any) -> QuerySet[Any]:
        sought = self.fold(value)
        return rows.filter(**{f"{self.field_name}__contains": sought}) if sought else rows

    def fold(self, value: str) -> str:
        folded = reading.fold(value)
        return folded.rstrip("ー") or folded

    def describe(self, value: Any) -> str:
        return value


class NumberFilter(TextFilter):
    """Part of a number such as 請求番号, whose letters are capitals already (D20)."""

    def fold(self, value: str) -> str:
        return reading.fold(value).replace("ー", "-").upper()


class AnyOfFilter(MultipleChoiceFilter):
    """One or several of the choices; all of them is the same as none."""

    always_filter = False

    def __init__(self, choices: Any, **options: Any) -> None:
        super().__init__(choices=choices, distinct=False, widget=forms.CheckboxSelectMultiple, **options)

    def describe(self, value: Any) -> str:
        labels = dict(self.extra["choices"])
        return _("・").join(str(labels[each]) for each in value)


class AnyRowFilter(ModelMultipleChoiceFilter):
    """One or several rows of another table; `to_field_name` is the key that stands for a row in the URL."""

    def __init__(self, **options: Any) -> None:
        super().__init__(distinct=False, widget=forms.CheckboxSelectMultiple, **options)

    def get_filter_predicate(self, row: Any) -> dict[str, Any]:
        """The row itself; the library would compare its key with `field_name`, which is a foreign key here."""
        return {self.field_name: row}

    def describe(self, value: Any) -> str:
        return _("・").join(str(each) for each in value)


class ListFilter(FilterSet):
    """The filter form of a list; every message in it stands next to its field."""

    def __init__(self, data: Any, *, queryset: QuerySet[Any], request: HttpRequest) -> None:
        super().__init__(data, queryset=queryset, request=request)
        for name, field in self.form.fields.items():
            field.label = self.filters[name].label
            field.error_messages["invalid_choice"] = gettext_lazy("選べない値です。")
            field.error_messages["invalid_list"] = gettext_lazy("選べない値です。")
            field.error_messages["invalid_pk_value"] = gettext_lazy("選べない値です。")
