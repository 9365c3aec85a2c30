"""A list of staff's as CSV: all rows of its search and filters, with the fields of their model, noted in the history."""

from types import SimpleNamespace
from typing import Any

from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.db import models
from django.http import HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from portal import fresh, history, rights
from portal.forms import MonthField
from portal.lists import columns
from portal.lists.export import LIMIT, TooLong, counted_csv
from portal.models import Action

PLAIN = (models.CharField, models.TextField)


def csv_page(desk, request):
    """The file, for whoever may see the rows and may take lists away. Raises PermissionDenied."""
    rights.need(request.user, f"{desk.opts.app_label}.view_{desk.opts.model_name}")
    rights.need(request.user, rights.EXPORT_LISTS)
    if asked := fresh.asked_again(request):
        return asked
    request.GET = request.GET.copy()
    encoding = request.GET.pop("encoding", [""])[-1]
    try:
        listing = desk.get_changelist_instance(request)
    except IncorrectLookupParameters:
        return HttpResponseRedirect(list_of(desk))
    made: list[columns.ListColumn] = [*columns_of(desk), *desk.csv_more]
    try:
        response, rows = counted_csv(listing.queryset, made, name=desk.opts.model_name, encoding=encoding)
    except TooLong:
        told = _("%d秒以内に作成できませんでした。条件で絞り込み、何回かに分けてください。") % LIMIT
        desk.message_user(request, told, messages.ERROR)
        return HttpResponseRedirect(list_of(desk) + listing.get_query_string())
    if request.method == "GET":
        told = _("・").join(listing.conditions) or _("すべて")
        detail = _("%(n)s行 %(filter)s") % {"n": f"{rows:,}", "filter": told}
        subject = _("一覧「%s」（CSV）") % desk.opts.verbose_name
        history.record(Action.DATA_EXPORTED, subject, by=request.user, detail=detail, rows=rows, filter=told)
    return response


def list_of(desk):
    return reverse(f"admin:{desk.opts.app_label}_{desk.opts.model_name}_changelist")


def columns_of(desk):
    """A column for each field of the model that has a name in people's words; a customer's number and name are two."""
    for field in desk.model._meta.concrete_fields:
        if not is_left_out(desk, field):
            yield from columns_for(desk, field)


def is_left_out(desk, field):
    """Keys and what only programs read: files, facts as JSON, what is generated, and what nobody named."""
    unnamed = str(field.verbose_name) == field.name.replace("_", " ")
    of_programs = isinstance(field, models.JSONField | models.BinaryField) or field.generated or field.primary_key
    return unnamed or of_programs or field.name in desk.csv_without


def columns_for(desk, field):
    label, name = field.verbose_name, field.name
    months = getattr(getattr(desk.form, "Meta", None), "field_classes", {})
    if field.is_relation:
        yield from columns_of_other(field, label)
    elif field.choices:
        yield columns.ChoiceColumn(label, name, SimpleNamespace(choices=field.flatchoices))
    elif isinstance(field, models.BooleanField):
        yield columns.FlagColumn(label, name)
    elif isinstance(field, models.DateTimeField):
        yield columns.TimeColumn(label, name)
    elif name == "month" or months.get(name) is MonthField:
        yield columns.MonthColumn(label, name)
    elif isinstance(field, models.DateField):
        yield columns.DateColumn(label, name)
    elif isinstance(field, models.DecimalField):
        yield (columns.RateColumn if name.endswith("rate") else columns.NumberColumn)(label, name)
    elif isinstance(field, PLAIN):
        yield columns.TextColumn(label, name)
    else:
        yield columns.YenColumn(label, name)


def columns_of_other(field, label):
    """What names the other row: its number, its name, or both; nothing where it has neither."""
    names: dict[str, Any] = {each.name: each for each in field.related_model._meta.concrete_fields}
    if "number" in names:
        called = names["number"].verbose_name if field.name == "customer" else label
        yield columns.TextColumn(called, f"{field.name}__number")
    if "name" in names and (field.name == "customer" or "number" not in names):
        yield columns.TextColumn(label, f"{field.name}__name")
