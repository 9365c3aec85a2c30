"""How a list of staff's reads its rows: a page of them and one more, counted up to a bound, in an order that an index gives."""

from typing import Any

from django.contrib.admin.views.main import ORDER_VAR, PAGE_VAR, SEARCH_VAR, ChangeList
from django.db import OperationalError
from django.utils.translation import gettext_lazy as _
from psycopg.errors import QueryCanceled

from portal.db.rls import patient

SIZES = (25, 50, 100)
SIZE_VAR = "rows"
MOST = 1000  # counted, and chosen for an action; what is beyond is 「1,000件以上」
DEEPEST = 200  # pages; to reach a later one the database would read all before it
PATIENCE = 1.5  # seconds that a list's statement may take; a screen's limit would end in an error
TOO_MANY = _("時間内に探し終えませんでした。語や条件を足して絞り込んでください。")


class Listing(ChangeList):
    """The page of a list. It never counts a whole table, nor sorts a large one by what no index has in order."""

    told: Any = ""  # why there are no rows to see, in words

    def __init__(self, *given, **named):
        super().__init__(*given, **named)
        if not self.is_popup:
            self.title = str(self.opts.verbose_name_plural)

    def get_filters_params(self, params=None):
        found = super().get_filters_params(params)
        found.pop(SIZE_VAR, None)
        return found

    def get_ordering(self, request, queryset):
        """Columns by which this list isn't sorted are passed over, whatever an address asks."""
        if asked := self.params.get(ORDER_VAR):
            kept = [part for part in asked.split(".") if self.is_sorted_by(part.removeprefix("-"))]
            self.params[ORDER_VAR] = ".".join(kept)
        return super().get_ordering(request, queryset)

    def is_sorted_by(self, place):
        shown = self.list_display[int(place)] if place.isdecimal() and int(place) < len(self.list_display) else None
        return shown is not None and (self.sortable_by is None or shown in self.sortable_by)

    def get_results(self, request):
        asked = self.params.get(SIZE_VAR, "")
        self.list_per_page = int(asked) if asked in map(str, SIZES) else self.model_admin.list_per_page
        self.page_num = min(max(self.page_num, 1), DEEPEST)
        start = (self.page_num - 1) * self.list_per_page
        found = self.within_limit(lambda: list(self.queryset[start : start + self.list_per_page + 1]), [])
        self.has_next = len(found) > self.list_per_page
        self.result_list = found[: self.list_per_page]
        self.first, self.last = start + 1, start + len(self.result_list)
        counted = self.last
        if self.has_next or (start and not found):
            few: Any = self.queryset.order_by().values("pk")[: MOST + 1]
            counted = MOST + 1 if self.told else self.within_limit(few.count, MOST + 1)
        self.is_cut = counted > MOST
        self.result_count = min(counted, MOST)
        self.may_go_on = self.has_next and self.page_num < DEEPEST
        self.full_result_count, self.show_full_result_count = None, False
        self.show_admin_actions = bool(self.result_list)
        # What Django's own page links would need; this list has links of its own.
        self.can_show_all = self.multi_page = self.show_all = False

    def within_limit(self, read, otherwise):
        found = within_limit(read)
        if found is None:
            self.told = TOO_MANY
        return otherwise if found is None else found

    @property
    def without_search(self):
        return self.get_query_string(remove=[SEARCH_VAR])

    @property
    def kept_by_search(self):
        """[(name, values)] of an address, but the search's own and the page."""
        return [(name, values) for name, values in self.filter_params.items() if name != SEARCH_VAR]

    @property
    def conditions(self):
        """The search and each chosen filter, in words."""
        found = [_("検索 %s") % self.query] if self.query else []
        for spec in self.filter_specs:
            chosen = [each["display"] for each in list(spec.choices(self))[1:] if each["selected"]]
            found += [f"{spec.title} {display}" for display in chosen]
        return found

    @property
    def csv_address(self):
        return f"csv/{self.get_query_string()}"

    @property
    def sizes(self):
        """[(rows, address, whether the page has as many)]."""
        return [(size, self.get_query_string({SIZE_VAR: size}), size == self.list_per_page) for size in SIZES]

    def page_address(self, number):
        return self.get_query_string({PAGE_VAR: number} if number > 1 else {})

    @property
    def previous_address(self):
        return self.page_address(self.page_num - 1) if self.page_num > 1 else ""

    @property
    def first_address(self):
        return self.page_address(1) if self.page_num > 2 else ""

    @property
    def next_address(self):
        return self.page_address(self.page_num + 1) if self.may_go_on else ""


def within_limit(read):
    """What is read, or None where it takes longer than people wait for a list."""
    try:
        with patient(PATIENCE):
            return read()
    except OperationalError as error:
        if not isinstance(error.__cause__, QueryCanceled):
            raise
        return None


def kept_in_order(desk, shown):
    """The columns by whose field an index gives all rows in order."""
    names = in_order(desk.model)
    return [column for column in shown if sorted_by(desk, column) in names]


def sorted_by(desk, column):
    """The field by which this column of a list is sorted; '' for none."""
    return getattr(column, "admin_order_field", "") if callable(column) or hasattr(desk, column) else column


def in_order(model):
    """Names of the fields by which an index gives all rows in order, but those whose values so many rows share that they'd be sorted anyway."""
    meta = model._meta
    found = {field.name for field in meta.local_concrete_fields if field.unique or field.db_index}
    for index in [*meta.indexes, *meta.constraints]:
        fields = getattr(index, "fields", ()) or [each_name(each) for each in getattr(index, "expressions", ())]
        # One with another order than the texts' own (`varchar_pattern_ops`) serves beginnings only.
        if fields and getattr(index, "condition", None) is None and not getattr(index, "opclasses", ()):
            found.add(fields[0].removeprefix("-"))
    return {name for name in found if name and not is_shared(meta.get_field(name))}


def is_shared(field):
    """A kind, a state; another table's rows that have an order of their own, by which Django would sort."""
    return bool(field.choices or (field.is_relation and field.related_model._meta.ordering))


def each_name(expression):
    return getattr(expression, "name", "")
