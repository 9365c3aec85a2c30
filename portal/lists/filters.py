"""The kinds of conditions a list can be filtered by, forgiving about how dates, months and amounts are typed."""

import re
import unicodedata
from datetime import date

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_filters import CharFilter, Filter, FilterSet, ModelMultipleChoiceFilter, MultipleChoiceFilter
from django_filters.fields import RangeField
from django_filters.widgets import RangeWidget


def narrow(text):
    """Half-width, without surrounding blanks, as people mean what they type on a Japanese keyboard."""
    return unicodedata.normalize("NFKC", str(text)).strip()


class DateField(forms.Field):
    """2024/04/01, 20240401, 2024-4-1 or 2024年4月1日."""

    example = "2024/04/01"
    pattern = re.compile(r"(\d{4})[/.\-年]?(\d{1,2})[/.\-月]?(\d{1,2})日?")

    def clean(self, value):
        text = narrow(value or "")
        if not text:
            return None
        found = self.pattern.fullmatch(text)
        try:
            return date(*self.parts(found.groups()))
        except (AttributeError, ValueError):
            raise ValidationError(
                _("「%(text)s」は読み取れません。%(example)s のように入力してください。")
                % {"text": text[:30], "example": self.example}
            ) from None

    def parts(self, groups):
        return map(int, groups)


class MonthField(DateField):
    """2024/04, 202404, 2024-4 or 2024年4月; the value is the month's first day."""

    example = "2024/04"
    pattern = re.compile(r"(\d{4})[/.\-年]?(\d{1,2})月?")

    def parts(self, groups):
        return (*map(int, groups), 1)


class YenField(forms.IntegerField):
    def __init__(self, **options):
        super().__init__(min_value=-(10**15), max_value=10**15, **options)

    def to_python(self, value):
        return super().to_python(narrow(value or "").replace(",", "").removeprefix("¥").removesuffix("円"))


class Between(RangeField):
    """Two ends, each may be empty; the first may not lie behind the second."""

    part = forms.IntegerField

    def __init__(self, *args, **options):
        widget = options.pop("widget", None) or RangeWidget(attrs={"class": "form-control", "autocomplete": "off"})
        widget.widgets[0].attrs["aria-label"], widget.widgets[1].attrs["aria-label"] = _("から"), _("まで")
        fields = (self.part(required=False), self.part(required=False))
        super().__init__(fields, *args, widget=widget, **options)

    def clean(self, value):
        found = super().clean(value)
        if found and found.start is not None and found.stop is not None and found.start > found.stop:
            raise ValidationError(_("範囲の始まりが終わりより後になっています。"))
        return found


class BetweenDates(Between):
    part = DateField


class BetweenMonths(Between):
    part = MonthField


class BetweenYen(Between):
    part = YenField


class RangeFilter(Filter):
    """Both ends included."""

    def filter(self, rows, value):
        if value and value.start is not None:
            rows = rows.filter(**{f"{self.field_name}__gte": value.start})
        if value and value.stop is not None:
            rows = rows.filter(**{f"{self.field_name}__lte": value.stop})
        return rows


class DateRangeFilter(RangeFilter):
    field_class = BetweenDates


class MonthRangeFilter(RangeFilter):
    field_class = BetweenMonths


class YenRangeFilter(RangeFilter):
    field_class = BetweenYen


class ContainsFilter(CharFilter):
    def __init__(self, **options):
        widget = forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"})
        super().__init__(lookup_expr="icontains", max_length=100, widget=widget, **options)


class AnyOfFilter(MultipleChoiceFilter):
    """One or several of the choices; all of them is the same as none."""

    always_filter = False

    def __init__(self, choices, **options):
        super().__init__(choices=choices, distinct=False, widget=forms.CheckboxSelectMultiple, **options)


class AnyRowFilter(ModelMultipleChoiceFilter):
    """One or several rows of another table, by the key in `to_field_name`."""

    def __init__(self, **options):
        super().__init__(distinct=False, widget=forms.CheckboxSelectMultiple, **options)


class ListFilter(FilterSet):
    """The filter form of a list; every message in it stands next to its field."""

    def __init__(self, data, *, queryset, request):
        super().__init__(data, queryset=queryset, request=request)
        for name, field in self.form.fields.items():
            field.label = self.filters[name].label
            field.error_messages["invalid_choice"] = gettext_lazy("選べない値です。")
            field.error_messages["invalid_list"] = gettext_lazy("選べない値です。")
            field.error_messages["invalid_pk_value"] = gettext_lazy("選べない値です。")
