"""The one list screen: filter, sort, page, columns, CSV. The URL is its state; the columns are kept per user (D16)."""

from dataclasses import dataclass

from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _

from portal.lists.body import body
from portal.lists.export import csv_response
from portal.models import ColumnChoice

PER_PAGE = (20, 50, 100)
NOT_FILTERS = ("sort", "page", "per_page", "export", "encoding", "panel")


@dataclass
class Screen:
    """What makes one list different from the others."""

    name: str  # of the stored column choice, and of the CSV file
    heading: str
    lead: str
    table: type
    filterset: type
    order: tuple  # default order
    key: str  # tie-break
    empty: str
    tabs: str = ""  # the filter whose choices become tabs
    sum_label: str = ""
    sums: object = None  # an aggregate over the filtered rows for the foot
    row_css: object = None
    primary: dict | None = None


def list_screen(request, rows, screen):
    """The answer to a GET or POST of a list; `rows` are those the user may see."""
    table = screen.table([])
    if request.method == "POST":
        return store_columns(request, screen, table)
    chosen = chosen_columns(request, screen, table)
    columns = [table.base_columns[name] for name in chosen]
    filterset = screen.filterset(request.GET, queryset=rows, request=request)
    valid = filterset.is_valid()
    found = filterset.qs if valid else rows.none()
    sort, ordering = sorting(request, screen, table)
    needs = {column.needs for column in columns} | {table.base_columns[sort.lstrip("-")].needs if sort else ""}
    found = annotated(found, needs).order_by(*ordering)
    if request.GET.get("export") == "csv" and valid:
        return csv_response(
            found,
            [column for column in columns if column.csv() is not None],
            name=screen.name,
            encoding=request.GET.get("encoding"),
        )
    summed = {"total": screen.sums} if screen.sums else {}
    counts = found.order_by().aggregate(count=Count("pk"), **summed)
    page = paginate(found, counts["count"], request)
    context = {
        "screen": screen,
        "heading": screen.heading,
        "columns": [heading_of(request, name, table.base_columns[name], sort) for name in chosen],
        "rows": body(page, columns, screen.row_css),
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
        "exports": exports(request),
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
    }
    return render(request, "lists/list.html", context, status=400 if request.GET.get("export") and not valid else 200)


def address(request, drop=("page",), **changes):
    """This list's URL with some parameters changed; every change begins at the first page."""
    query = request.GET.copy()
    for name in {*drop, "export", "encoding", "panel"} | changes.keys():
        query.pop(name, None)
    for name, value in changes.items():
        if value is not None:
            query.setlist(name, value if isinstance(value, list) else [value])
    text = query.urlencode()
    return f"{request.path}?{text}" if text else request.path


def annotated(rows, needs):
    for need in sorted(needs - {""}):
        rows = getattr(rows, need)()
    return rows


def sorting(request, screen, table):
    """(the valid `sort` parameter or '', the ORM ordering with the key as tie-break); unknown keys count as none."""
    given = request.GET.get("sort", "")
    column = table.base_columns.get(given.lstrip("-"))
    if column is None or not column.sort or given.startswith("--"):
        return "", screen.order
    sign = "-" if given.startswith("-") else ""
    return given, (f"{sign}{column.sort}", f"{sign}{screen.key}")


def paginate(rows, count, request):
    try:
        per_page = int(request.GET.get("per_page", 50))
    except ValueError:
        per_page = 50
    paginator = Paginator(rows, per_page if per_page in PER_PAGE else 50)
    paginator.count = count  # counted together with the sum
    return paginator.get_page(request.GET.get("page"))


def heading_of(request, name, column, sort):
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


def tabs(request, screen, filterset):
    if not screen.tabs:
        return []
    chosen = request.GET.getlist(screen.tabs)
    choices = [("", _("すべて")), *filterset.filters[screen.tabs].extra["choices"]]
    return [
        {
            "label": label,
            "url": address(request, **{screen.tabs: value or None}),
            "current": chosen == ([value] if value else []),
        }
        for value, label in choices
    ]


def chips(request, filterset):
    """The conditions in force, each with the URL of the list without it."""
    found = []
    for name in filterset.form.changed_data:
        value, field = filterset.form.cleaned_data[name], filterset.form[name]
        if not value:
            continue
        names = [name, f"{name}_min", f"{name}_max"]
        shown = filterset.filters[name].describe(value)
        found.append({"label": field.label, "value": shown, "url": address(request, drop=("page", *names))})
    return found


def cleared(request, filterset):
    names = [each for name in filterset.filters for each in (name, f"{name}_min", f"{name}_max")]
    return address(request, drop=("page", *names))


def exports(request):
    return [
        {
            "label": _("CSV（UTF-8）"),
            "note": _("Excelやほとんどの表計算ソフト用"),
            "url": address(request, export="csv"),
        },
        {
            "label": _("CSV（Shift_JIS）"),
            "note": _("古い会計ソフト用。表せない文字は〓になります"),
            "url": address(request, export="csv", encoding="cp932"),
        },
    ]


def page_links(request, page):
    return [
        {
            "label": str(number),
            "gap": number == Paginator.ELLIPSIS,
            "current": number == page.number,
            "url": address(request, page=number) if number != Paginator.ELLIPSIS else "",
        }
        for number in page.paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1)
    ]


def fixed_column(table):
    return next(iter(table.base_columns))


def defaults(table):
    return [name for name, column in table.base_columns.items() if column.shown]


def chosen_columns(request, screen, table):
    """Names of the visible columns in the user's order; the first column is always there, first."""
    stored = ColumnChoice.objects.for_user(request.user).filter(user=request.user, list_name=screen.name).first()
    names = [name for name in stored.columns if name in table.base_columns] if stored else defaults(table)
    first = fixed_column(table)
    return [first, *(name for name in names if name != first)]


def chooser(table, chosen):
    """All columns for 列の設定: the visible ones in their order, then the others."""
    hidden = [name for name in table.base_columns if name not in chosen]
    return [
        {
            "name": name,
            "label": table.base_columns[name].label,
            "visible": name in chosen,
            "fixed": place == 0,
            "first": place <= 1,
            "last": place >= len(chosen) - 1,
        }
        for place, name in enumerate([*chosen, *hidden])
    ]


def store_columns(request, screen, table):
    """Keep the user's columns (`columns`, repeated, in order), move one (`up`, `down`), or forget them (`reset`)."""
    own = ColumnChoice.objects.for_user(request.user).filter(user=request.user, list_name=screen.name)
    if "reset" in request.POST:
        own.delete()
        return HttpResponseRedirect(address(request, drop=()))
    names = list(dict.fromkeys(name for name in request.POST.getlist("columns") if name in table.base_columns))
    for button, step in (("up", -1), ("down", 1)):
        moved = request.POST.get(button)
        if moved in names:
            place = names.index(moved)
            names.insert(max(0, place + step), names.pop(place))
    moving = "up" in request.POST or "down" in request.POST
    own.update_or_create(
        user=request.user,
        list_name=screen.name,
        defaults={"columns": names, "customer_id": request.user.customer_id},
    )
    return HttpResponseRedirect(address(request, drop=(), panel="columns") if moving else address(request, drop=()))
