"""How staff's pages write what is only read there, and choose its months: as customers' pages do, not as the database keeps it."""

import functools

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import flatten_fieldsets
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from portal import reading
from portal.forms import MonthField, PercentField
from portal.models import PriceBasis
from portal.months import add_months, month_of, today
from portal.templatetags.figures import percent, plain, yen, ym


def cell(name, write, label):
    """A column, or a field to be read, that writes this field of a row as customers' pages do."""

    @admin.display(description=label, ordering=name)
    def written(row):
        return write(getattr(row, name))

    written.__name__ = name
    return written


def flag(value):
    """Whether something holds, as files and the history write it."""
    return "○" if value else "-"


def charged():
    """The column of what lines charge, as customers' pages write it: a line's own price basis is named where it has tax."""

    @admin.display(description=_("金額"), ordering="amount")
    def amount(line):
        return f"{yen(line.amount)}{_('（税込）') if line.price_basis == PriceBasis.INCLUSIVE else ''}"

    return amount


@functools.cache
def read_cell(field, write):
    """One and the same each time, for Django compares the fields that it is given."""
    return cell(field.name, lambda value: write(value) or "-", field.verbose_name)


NUMBERS = models.DecimalField, models.BigIntegerField  # quantities, prices and yen


def to_be_read(desk, fieldsets):
    """These fields for who may only read: numbers and months as the form writes them, not as the database keeps them."""
    classes = getattr(getattr(desk.form, "Meta", None), "field_classes", {})
    fields = {field.name: field for field in desk.model._meta.fields}

    def as_read(name):
        if isinstance(name, tuple):
            return tuple(map(as_read, name))
        if classes.get(name) is MonthField or name == "month":
            return read_cell(fields[name], ym)
        if classes.get(name) is PercentField or name == "tax_rate":
            return read_cell(fields[name], percent)
        if isinstance(fields.get(name), models.BooleanField):
            return read_cell(fields[name], flag)
        return read_cell(fields[name], plain) if isinstance(fields.get(name), NUMBERS) else name

    return [(title, given | {"fields": [as_read(name) for name in given["fields"]]}) for title, given in fieldsets]


class ToRead(admin.StackedInline):
    """For rows that are edited within another's page: whoever may only read that page reads them as `to_be_read`."""

    def only_read(self, request, obj):
        parent = self.admin_site.get_model_admin(self.parent_model)
        return obj is not None and not parent.has_change_permission(request, obj)

    def get_fieldsets(self, request, obj=None):
        found = super().get_fieldsets(request, obj)
        return to_be_read(self, found) if self.only_read(request, obj) else found

    def get_readonly_fields(self, request, obj=None):
        if self.only_read(request, obj):
            return flatten_fieldsets(self.get_fieldsets(request, obj))
        return super().get_readonly_fields(request, obj)


def has_customer(model):
    """Whether its rows belong to a company."""
    return any(field.name == "customer" for field in model._meta.fields)


class CustomerFilter(admin.SimpleListFilter):
    """A list's filter by one customer (お客様番号), to which the customer's file leads; on the list it is named and taken off."""

    title, parameter_name = _("お客様"), "customer"

    def lookups(self, request, model_admin):
        if not (number := self.value()):
            return []
        customers = model_admin.model._meta.get_field("customer").related_model.objects
        self.customer = customers.filter(number=number).first()
        return [(number, str(self.customer or number))]

    def queryset(self, request, rows):
        return rows.filter(customer=self.customer) if self.customer else rows.none()


class MonthFilter(admin.SimpleListFilter):
    """A list's filter by 対象年月: the running month and the eleven before it; an address may name any other."""

    title, parameter_name = _("対象年月"), "month"

    def lookups(self, request, model_admin):
        running = month_of(today())
        return [(f"{month:%Y-%m}", ym(month)) for month in (add_months(running, -n) for n in range(12))]

    def queryset(self, request, rows):
        try:
            month = reading.month(self.value() or "")
        except ValidationError as unread:
            raise IncorrectLookupParameters from unread
        return self.of_month(rows, month) if month else rows

    def of_month(self, rows, month):
        """The rows of a month; for those that keep it elsewhere, to be said anew."""
        return rows.filter(month=month)
