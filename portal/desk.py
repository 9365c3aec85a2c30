"""What all of staff's pages in the admin share: how fields are read, what a list may be asked, how rows are shown."""

import logging
import unicodedata
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.contrib.admin.widgets import AdminTextInputWidget, AutocompleteSelect
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db import IntegrityError, connection, models, transaction
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.translation import gettext_lazy as _

from portal import fonts, list_csv, listing, rights, searching, stale
from portal.acting import IN_USE, why
from portal.forms import (
    AddressField,
    CodeField,
    DayField,
    LineField,
    MomentField,
    NumberField,
    PassageField,
    WholeField,
)
from portal.hanging import hanging, in_words
from portal.models import HistoryEvent
from portal.once import key_of_content, once
from portal.shown import CustomerFilter, has_customer, to_be_read

logger = logging.getLogger(__name__)

# What Django's own list filters ask of a field; anything else in an address would probe what the page doesn't show.
FILTERED = ("", "__exact", "__gte", "__lt", "__isnull", "__isempty")


class Completed(AutocompleteSelect):
    """A choice that is completed while one types; shown again, it leaves out what can't be a row's key."""

    def optgroups(self, name, value, attr=None):
        return super().optgroups(name, [each for each in value if is_key(self.field.remote_field.model, each)], attr)


def is_key(model, given):
    """Whether a row may have this key; what can't be one the database wouldn't take."""
    try:
        return abs(int(model._meta.pk.to_python(given))) <= models.BigIntegerField.MAX_BIGINT
    except (ValidationError, TypeError):
        return False


# Dates, numbers and lines of text are read as on customers' pages; every form of staff's has these (inlines name them too).
READ: dict[type[models.Field], dict[str, Any]] = {
    models.DateField: {"form_class": DayField},
    models.IntegerField: {"form_class": WholeField, "widget": WholeField.widget},
    models.BigIntegerField: {"form_class": WholeField, "widget": WholeField.widget},
    models.DecimalField: {"form_class": NumberField, "widget": NumberField.widget},
    models.CharField: {"form_class": LineField},
    models.TextField: {"form_class": PassageField},
    models.SlugField: {"form_class": CodeField},
    models.EmailField: {"form_class": AddressField, "widget": AdminTextInputWidget},
    models.DateTimeField: {"form_class": MomentField},
}


class Desk(admin.ModelAdmin):
    """The base of every page for staff: a list answers to its own filters, and to no other question about its rows."""

    formfield_overrides = READ
    list_per_page = 50
    show_facets = admin.ShowFacets.NEVER  # each count would read the rows once more
    large = False  # whether the table grows with every month, so that only an index can sort it
    stays = ""  # of rows that never go: why, and what to do instead
    instead = ""  # of rows that can't go while others name them: what to do instead
    csv_without: tuple[str, ...] = ()  # fields that no CSV of the list has
    csv_more: tuple = ()  # columns that it has beside the fields, of what the list's rows are annotated with
    imports = ""  # the kind of files that bring such rows; whoever may add rows may import them

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        """A form that is sent twice as it is (a double click, Reload) works once; the second gets the first one's answer."""
        return once(self.save_view, key_of_content)(request, object_id, form_url, extra_context)

    def get_urls(self):
        view = self.admin_site.admin_view(partial(list_csv.csv_page, self))
        return [path("csv/", view, name=f"{self.opts.app_label}_{self.opts.model_name}_csv"), *super().get_urls()]

    def changelist_view(self, request, extra_context=None):
        """An action on chosen rows likewise; its page that asks first has the key of the list."""
        offered = self.imports if admin.ModelAdmin.has_add_permission(self, request) else ""
        given = {"imports": offered, "exports": rights.may(request.user, rights.EXPORT_LISTS), **(extra_context or {})}
        return once(super().changelist_view, key_of_content)(request, given)

    def save_view(self, request, object_id, form_url, extra_context):
        """A save that met another one in the database is tried again: its form sees now what was stored meanwhile."""
        if request.method != "POST":
            return super().changeform_view(request, object_id, form_url, extra_context)
        for _try in range(2):
            try:
                with transaction.atomic():
                    self.meet_others(request, object_id)
                    return super().changeform_view(request, object_id, form_url, extra_context)
            except IntegrityError as met:
                logger.warning("a save met what the database holds: %s", str(met).partition("\n")[0])
        told = _(
            "ほかの人が同じところを同時に保存したため、保存できませんでした。内容を確かめて、もう一度保存してください。"
        )
        self.message_user(request, told, messages.ERROR)
        return redirect(request.get_full_path())

    def meet_others(self, request, object_id):
        """Whoever saves is told what others stored since the form was opened, and nothing is stored until it is sent again (D40)."""
        given, row = request.POST.get(stale.FIELD), object_id and self.get_object(request, unquote(object_id))
        if given is None or not row or not self.has_change_permission(request, row):
            return
        self.hold(row)
        row = self.get_object(request, unquote(object_id))
        form = self.get_form(request, row, change=True)(instance=row)
        formsets = [
            formset(instance=row, prefix=formset.get_default_prefix(), queryset=inline.get_queryset(request))
            for formset, inline in self.get_formsets_with_inlines(request, row)
        ]
        request.conflict, request.POST = stale.meet(given, row, form, formsets, request.POST)
        request.seen = stale.mark(row, form, formsets)

    def hold(self, row):
        """Nobody else stores this row until the transaction ends."""
        type(row)._base_manager.select_for_update(of=("self",)).get(pk=row.pk)

    def get_form(self, request, obj=None, change=False, **kwargs):
        made = super().get_form(request, obj, change=change, **kwargs)
        return refused(made) if getattr(request, "conflict", None) else made

    def get_fieldsets(self, request, obj=None):
        found = super().get_fieldsets(request, obj)
        return found if obj is None or self.has_change_permission(request, obj) else to_be_read(self, found)

    def render_change_form(self, request, context, add=False, change=False, form_url="", obj=None):
        context["kept"] = self.why_kept(obj) if change and self.may_delete(request) else ""
        if request.method == "POST":
            context |= {"seen": getattr(request, "seen", None), "conflict": getattr(request, "conflict", None)}
        elif change and self.has_change_permission(request, obj):
            formsets = [each.formset for each in context["inline_admin_formsets"]]
            context["seen"] = stale.mark(obj, context["adminform"].form, formsets)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def construct_change_message(self, request, form, formsets, add=False):
        """Whoever saved a text that documents print is told at once which of its characters no font has."""
        rows = [form.instance, *(row.instance for formset in formsets for row in formset.forms)]
        if lacking := fonts.missing("".join(map(printed, rows))):
            told = _(
                "次の文字は書類に印刷できません: %(lacking)s"
                " ほかの文字に直すか、この文字のあるフォントの追加をシステムの担当者に依頼してください。"
            )
            self.message_user(request, told % {"lacking": lacking}, messages.WARNING)
        return super().construct_change_message(request, form, formsets, add)

    def response_add(self, request, obj, post_url_continue=None):
        """What the database looks at last is looked at before anybody is told that all is stored."""
        connection.check_constraints()
        return super().response_add(request, obj, post_url_continue)

    def response_change(self, request, obj):
        connection.check_constraints()
        return super().response_change(request, obj)

    def response_delete(self, request, obj_display, obj_id):
        connection.check_constraints()
        return super().response_delete(request, obj_display, obj_id)

    def history_view(self, request, object_id, extra_context=None):
        """履歴: what the portal's own history keeps of a row, with before and after (D40); Django's log has neither."""
        row = self.get_object(request, unquote(object_id))
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not self.has_view_or_change_permission(request, row):
            raise PermissionDenied
        events = Paginator(HistoryEvent.objects.about(row), 50).get_page(request.GET.get("p"))
        given = {"title": _("変更履歴"), "subtitle": str(row), "opts": self.opts, "object": row, "events": events}
        page = {**self.admin_site.each_context(request), **given, **(extra_context or {})}
        return TemplateResponse(request, "admin/object_history.html", page)

    def why_kept(self, row):
        """In words, why this row can't be deleted, and what to do instead; empty if it can. A page finds it once."""
        if not hasattr(row, "kept_because"):
            row.kept_because = self.find_why_kept(row)
        return row.kept_because

    def find_why_kept(self, row):
        if self.stays:
            return str(self.stays)
        told = _("%(rows)s で使われているため、削除できません。%(instead)s")
        found = hanging(row)
        return told % {"rows": in_words(found), "instead": self.instead} if found else ""

    def may_delete(self, request):
        """Whether the person may delete rows of this kind, where nothing speaks against it."""
        return super().has_delete_permission(request)

    def has_delete_permission(self, request, obj=None):
        return not self.stays and self.may_delete(request) and not (obj and self.why_kept(obj))

    def delete_view(self, request, object_id, extra_context=None):
        """What can't go is said on its own page, also where somebody used it meanwhile."""
        row = self.get_object(request, unquote(object_id))
        if row is None or not self.has_delete_permission(request):
            return super().delete_view(request, object_id, extra_context)
        told = self.why_kept(row)
        try:
            if not told:
                with transaction.atomic():
                    return super().delete_view(request, object_id, extra_context)
        except (ValidationError, IntegrityError) as refused:
            told = why(refused, IN_USE)
        self.message_user(request, told, messages.ERROR)
        return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", row.pk)

    def get_search_results(self, request, queryset, search_term):
        """As the search box on top of every page; rows that it doesn't know are found in either width of what was typed."""
        if not hasattr(queryset, "found_by"):
            return super().get_search_results(request, queryset, unicodedata.normalize("NFKC", search_term))
        rows, told = searching.of_list(queryset, search_term, by=request.user)
        if told and not request.path.endswith("/autocomplete/"):  # whose answer is no page that could show it
            self.message_user(request, told, messages.WARNING)
        return rows, False

    def lookup_allowed(self, lookup, value, request):
        """Only what a filter of this list asks. Django lets any column of the row itself be asked, passwords too."""
        return lookup in set(self.filter_lookups())

    def get_queryset(self, request):
        """What a list names of others' rows, the row's own page names too."""
        rows = super().get_queryset(request)
        return rows.select_related(*self.list_select_related) if self.list_select_related else rows

    def get_action_choices(self, request, default_choices=None):
        return super().get_action_choices(request, default_choices or [("", _("操作を選ぶ"))])

    def get_changelist(self, request, **kwargs):
        return listing.Listing

    def get_sortable_by(self, request):
        shown = self.get_list_display(request)
        return listing.kept_in_order(self, shown) if self.large else shown

    def get_ordering(self, request):
        """Always one, also where choices of a field are completed page by page; the newest first, as in lists."""
        return super().get_ordering(request) or self.model._meta.ordering or ["-pk"]

    def response_action(self, request, queryset):
        """Ids that no row can have are left out; Django would ask the database about them."""
        request.POST = request.POST.copy()
        chosen = [each for each in request.POST.getlist(ACTION_CHECKBOX_NAME) if is_key(self.model, each)]
        request.POST.setlist(ACTION_CHECKBOX_NAME, chosen)
        return super().response_action(request, queryset)

    def formfield_for_foreignkey(self, db_field, request, **kwargs):
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", Completed(db_field, self.admin_site, using=kwargs.get("using")))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_dbfield(self, db_field, request, **kwargs):
        """Another row is chosen, without the buttons that would lead away from what is typed."""
        found = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.is_relation:
            for what in ("add", "change", "delete", "view"):
                setattr(found.widget, f"can_{what}_related", False)
        return found

    def get_formset_kwargs(self, request, obj, inline, prefix):
        """Rows that were sent have fields; Django would make two thousand where only their number was sent."""
        found = super().get_formset_kwargs(request, obj, inline, prefix)
        rows = request.POST.get(f"{prefix}-TOTAL_FORMS", "")
        if not isinstance(inline, Shown) and rows.isdecimal() and int(rows) > len(request.POST):
            found["data"].pop(f"{prefix}-TOTAL_FORMS")
        return found

    def get_list_filter(self, request):
        """What belongs to a customer is listed by customer too."""
        return [*self.list_filter, CustomerFilter] if has_customer(self.model) else self.list_filter

    def filter_lookups(self):
        for each in self.get_list_filter(None):
            if isinstance(each, str):
                field = each
            elif isinstance(each, type):
                yield each.parameter_name
                continue
            else:
                field = each[0]
            related = self.model._meta.get_field(field) if "__" not in field else None
            if related is not None and related.is_relation:
                yield f"{field}__{related.target_field.name}__exact"
                yield f"{field}__isnull"
            else:
                yield from (f"{field}{ending}" for ending in FILTERED)


def refused(form):
    """The form, asking for another look at what it sends."""

    def clean(self):
        given = form.clean(self)
        self.add_error(None, _("ほかの人が先に保存しました。下の内容でよければ、もう一度保存してください。"))
        return given

    return type(form)(form.__name__, (form,), {"clean": clean})


def printed(row):
    """What documents print of the row: the fields that its model names as `PRINTED`."""
    return "".join(getattr(row, name) or "" for name in getattr(row, "PRINTED", ()))


class Locked(Desk):
    """Of what a run changes too: whoever saves has the customer locked before anything is read, so a close beside it ends first."""

    def get_object(self, request, object_id, from_field=None):
        found = super().get_object(request, object_id, from_field)
        if found is None or request.method != "POST":
            return found
        type(found.customer).objects.lock([found.customer_id])
        return super().get_object(request, object_id, from_field)


def empty_or_not(title, empty, filled):
    """A list's filter by whether a field is empty, in words for either."""

    class InWords(admin.EmptyFieldListFilter):
        def __init__(self, *given, **named):
            super().__init__(*given, **named)
            self.title = title

        def choices(self, changelist):
            for choice, words in zip(super().choices(changelist), (_("すべて"), empty, filled), strict=True):
                yield {**choice, "display": words}

    return InWords


class ReadOnly(Desk):
    """Rows that staff read and the programs write; an action on them asks for the right to change them."""

    stays = _("記録として残るため、削除できません。")

    def has_act_permission(self, request):
        return super().has_change_permission(request)

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False


class Shown(admin.TabularInline):
    """Rows of another table, to be read: nothing in them is sent back, so they can't be out of date either."""

    extra = 0
    can_delete = False
    formfield_overrides = READ

    def has_add_permission(self, request, obj=None):
        return False

    def has_change_permission(self, request, obj=None):
        return False


def typed(formsets, model):
    """(new and changed rows, removed ones) of this model, as they were typed; a service stores them."""
    changed, removed = [], []
    for formset in formsets:
        rows = formset.save(commit=False)
        if formset.model is model:
            changed += rows
            removed += formset.deleted_objects
    return changed, removed
