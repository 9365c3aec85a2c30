"""The one list screen: filter, sort, page, columns, CSV. The URL is its state; the columns are kept per user (D16)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.core.paginator import Page, Paginator
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _

from portal.lists.address import address, kept, query
from portal.lists.body import annotated, body
from portal.lists.choice import chooser, chosen_columns, store_columns
from portal.lists.columns import ListColumn
from portal.lists.export import LIMIT, TooLong, csv_of_lines, csv_response

PER_PAGE = (20, 50, 100)


@dataclass
class Screen:
    """What makes one list different from the others."""

    name: str  # of the stored column choice, and of the CSV file
    heading: str
    lead: str
    table: Any  # a class of django-tables2
    filterset: Any  # a class of django-filter
    order: tuple  # default order
    key: str  # tie-break
    empty: str
    tabs: str = ""  # the filter whose choices become tabs
    tab_groups: tuple = ()  # (label, choices of that filter) that are one tab together
    provisional: tuple = ()  # (column, condition): goes along in the CSV where such a row is in it (D16)
    line_table: Any = None  # of `lines`
    lines: Callable[[Any], Any] | None = None  # from the rows found to their lines, for 明細CSV
    sum_label: str = ""
    sums: object = None  # an aggregate over the filtered rows for the foot
    row_css: Callable[[Any], str] | None = None
    primary: dict | None = None
    # Asked for a download of all rows found beside the CSV, with them: {"button", "label", "note", "url" or ""}, or None.
    bulk: Callable[[QuerySet[Any]], dict[str, str] | None] | None = None
    # Asked when no row meets the condition: (sentence, words of the link, URL) or None.
    elsewhere: Callable[[], tuple[str, str, str] | None] | None = None


def list_screen(request: HttpRequest, rows: QuerySet[Any], screen: Screen) -> HttpResponseBase:
    """The answer to a GET or POST of a list; `rows` are those the user may see."""
    table = screen.table
    if request.method == "POST":
        return store_columns(request, screen, table)
    chosen = chosen_columns(request, screen, table)
    columns = [table.base_columns[name] for name in chosen]
    filterset = screen.filterset(request.GET, queryset=rows, request=request)
    valid = filterset.is_valid()
    found = filterset.qs if valid else rows.none()
    sort, order = sorting(request, screen, table)
    used = [*columns, table.base_columns[sort.lstrip("-")]] if sort else columns
    counted, found = found, annotated(found, used).order_by(*order)
    if valid and request.GET.get("export") in ("csv", "lines"):
        return export(request, screen, found, columns)
    summed = {"total": screen.sums} if screen.sums else {}
    counts = counted.aggregate(count=Count("pk"), **summed)
    page = paginate(found, counts["count"], request)
    context = {
        "screen": screen,
        "heading": screen.heading,
        "columns": [heading_of(request, name, table.base_columns[name], sort) for name in chosen],
        "rows": body(page.object_list, columns, screen.row_css),
        "filter_form": filterset.form,
        "filter_open": not valid or request.GET.get("panel") == "filter",
        "columns_open": request.GET.get("panel") == "columns",
        "filter_hidden": [(name, request.GET[name]) for name in ("sort", "per_page") if name in request.GET],
        "filter_url": address(request, panel="filter"),
        "clear_url": cleared(request, filterset),
        "chips": chips(request, filterset) if valid else [],
        "tabs": tabs(request, screen, filterset),
        "chooser": chooser(table, chosen),
        "list_url": address(request),
        "exports": exports(request, screen),
        "bulk": screen.bulk(counted) if screen.bulk and valid else None,
        "sort_choices": sort_choices(request, chosen, table, sort),
        "sort_hidden": kept(request, "sort"),
        "total_count": counts["count"],
        "page": page,
        "page_links": page_links(request, page),
        "previous_url": address(request, page=page.number - 1) if page.has_previous() else "",
        "next_url": address(request, page=page.number + 1) if page.has_next() else "",
        "per_page_links": [
            {"label": str(size), "url": address(request, per_page=size), "current": size == page.paginator.per_page}
            for size in PER_PAGE
        ],
        "sum_value": counts.get("total"),
        "valid": valid,
        "filtered": bool(filterset.form.changed_data),
        "elsewhere": screen.elsewhere() if screen.elsewhere and valid and not counts["count"] else None,
    }
    return render(request, "lists/list.html", context, status=400 if request.GET.get("export") and not valid else 200)


def export(
    request: HttpRequest, screen: Screen, found: QuerySet[Any], columns: Sequence[ListColumn]
) -> HttpResponseBase:
    """The rows found, or their lines, as CSV; past the time limit a page that says to narrow the filter."""
    encoding = request.GET.get("encoding")
    try:
        if request.GET["export"] == "lines" and screen.lines:
            return csv_of_lines(screen.line_table, screen.lines(found), name=f"{screen.name}-lines", encoding=encoding)
        return csv_response(*told_apart(screen, found, columns), name=screen.name, encoding=encoding)
    except TooLong:
        reason = _("%(seconds)s秒以内に作成できませんでした。期間や状態で絞り込み、何回かに分けて出力してください。")
        return export_refused(
            request,
            request.path,
            screen.heading,
            _("件数が多いため、CSVを出力できませんでした"),
            [reason % {"seconds": LIMIT}],
        )


def export_refused(
    request: HttpRequest, path: str, heading: str, title: str, reasons: Sequence[str]
) -> HttpResponseBase:
    """Status 400 with a page that says why there is no file, and leads back to the list at `path` with its filter open."""
    context = {
        "heading": heading,
        "title": title,
        "reasons": reasons,
        "list_url": path + query(request),
        "filter_url": path + query(request, panel="filter"),
    }
    return render(request, "lists/export_refused.html", context, status=400)


def told_apart(
    screen: Screen, found: QuerySet[Any], columns: Sequence[ListColumn]
) -> tuple[QuerySet[Any], Sequence[ListColumn]]:
    """Rows and columns of the file: where a provisional row is in it, the state goes along (D16)."""
    if not screen.provisional:
        return found, columns
    name, condition = screen.provisional
    state = screen.table.base_columns[name]
    if state in columns:
        return found, columns
    if found.filter(condition).exists():
        return found, [*columns, state]
    return found.exclude(condition), columns  # a run may add one before the file is written


def sorting(request: HttpRequest, screen: Screen, table: Any) -> tuple[str, Sequence[Any]]:
    """(the `sort` in force, the ORM ordering with the key as tie-break); unknown keys count as none."""
    given = request.GET.get("sort", "")
    column = table.base_columns.get(given.lstrip("-"))
    if column is None or not column.sort or given.startswith("--"):
        return default_sort(screen, table), screen.order
    sign = "-" if given.startswith("-") else ""
    return given, (ordered_by(column, sign, screen.filterset.Meta.model), f"{sign}{screen.key}")


def default_sort(screen: Screen, table: Any) -> str:
    """The `sort` that says the same as the list's own order."""
    sign, path = ("-", screen.order[0][1:]) if screen.order[0].startswith("-") else ("", screen.order[0])
    return next((f"{sign}{name}" for name, column in table.base_columns.items() if column.sort == path), "")


def ordered_by(column: ListColumn, sign: str, model: Any) -> Any:
    """Empty ones last in both directions."""
    try:
        field = model._meta.get_field(column.sort)
        may_be_empty = field.null or field.blank
    except FieldDoesNotExist:
        may_be_empty = True
    order, nulls = column.order(may_be_empty=may_be_empty), {"nulls_last": True} if may_be_empty else {}
    return order.desc(**nulls) if sign else order.asc(**nulls)


def paginate(rows: QuerySet[Any], count: int, request: HttpRequest) -> Page:
    try:
        per_page = int(request.GET.get("per_page", 50))
    except ValueError:
        per_page = 50
    paginator = Paginator(rows, per_page if per_page in PER_PAGE else 50)
    paginator.count = count  # counted together with the sum
    return paginator.get_page(request.GET.get("page"))


def heading_of(request: HttpRequest, name: str, column: ListColumn, sort: str) -> dict[str, Any]:
    direction = {name: "ascending", f"-{name}": "descending"}.get(sort, "")
    url = address(request, sort=f"-{name}" if direction == "ascending" else name) if column.sort else ""
    return {
        "name": name,
        "label": column.label,
        "css": column.css,
        "card": column.card,
        "sort_url": url,
        "aria_sort": direction,
        "arrow": {"ascending": " ▲", "descending": " ▼"}.get(direction, ""),
    }


def tabs(request: HttpRequest, screen: Screen, filterset: Any) -> list[dict[str, Any]]:
    if not screen.tabs:
        return []
    chosen = set(request.GET.getlist(screen.tabs))
    choices = [(label, [value]) for value, label in filterset.filters[screen.tabs].extra["choices"]]
    return [
        {"label": label, "url": address(request, **{screen.tabs: values or None}), "current": chosen == set(values)}
        for label, values in [(_("すべて"), []), *screen.tab_groups, *choices]
    ]


def chips(request: HttpRequest, filterset: Any) -> list[dict[str, Any]]:
    """The conditions in force, each with the URL of the list without it."""
    return [
        {"label": label, "value": shown, "url": address(request, drop=("page", name, f"{name}_min", f"{name}_max"))}
        for name, label, shown in conditions(filterset)
    ]


def conditions(filterset: Any) -> list[tuple[str, str, str]]:
    """(name, label, what is asked for, in words) of each condition in force; the filter must be valid."""
    found = []
    for name in filterset.form.changed_data:
        if value := filterset.form.cleaned_data[name]:
            found.append((name, str(filterset.form[name].label), filterset.filters[name].describe(value)))
    return found


def cleared(request: HttpRequest, filterset: Any) -> str:
    names = [each for name in filterset.filters for each in (name, f"{name}_min", f"{name}_max")]
    return address(request, drop=("page", *names))


def exports(request: HttpRequest, screen: Screen) -> list[dict[str, Any]]:
    """(label, note, URL) of each file that the list gives."""
    excel, old = _("Excelなどの表計算ソフト用"), _("古い会計ソフト用。表せない文字は近い文字か〓になります")
    found = [
        (_("CSV（UTF-8）"), excel, address(request, export="csv")),
        (_("CSV（Shift_JIS）"), old, address(request, export="csv", encoding="cp932")),
    ]
    if screen.lines:
        found += [
            (_("明細CSV（UTF-8）"), _("1行に1明細。%(note)s") % {"note": excel}, address(request, export="lines")),
            (
                _("明細CSV（Shift_JIS）"),
                _("1行に1明細。%(note)s") % {"note": old},
                address(request, export="lines", encoding="cp932"),
            ),
        ]
    return [{"label": label, "note": note, "url": url} for label, note, url in found]


def sort_choices(request: HttpRequest, chosen: Sequence[str], table: Any, sort: str) -> list[dict[str, Any]]:
    """Each visible column in both directions, for a select that works as a GET form."""
    directions = {
        "date": (_("古い順"), _("新しい順")),
        "num": (_("小さい順"), _("大きい順")),
    }
    return [
        {
            "value": f"{sign}{name}",
            "label": f"{column.label} {words}",
            "current": sort == f"{sign}{name}",
        }
        for name, column in ((name, table.base_columns[name]) for name in chosen)
        if column.sort
        for sign, words in zip(("", "-"), directions.get(column.css, (_("昇順"), _("降順"))), strict=True)
    ]


def page_links(request: HttpRequest, page: Page) -> list[dict[str, Any]]:
    return [
        {
            "label": str(number),
            "gap": number == Paginator.ELLIPSIS,
            "current": number == page.number,
            "url": address(request, page=number) if number != Paginator.ELLIPSIS else "",
        }
        for number in page.paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1)
    ]
