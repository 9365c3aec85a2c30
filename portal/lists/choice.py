"""Which columns a list shows, and in which order: kept per user and list on the server (D16)."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _

from portal.lists.address import address
from portal.models import ColumnChoice


def fixed_column(table: Any) -> str:
    return next(iter(table.base_columns))


def defaults(table: Any) -> list[str]:
    return [name for name, column in table.base_columns.items() if column.shown]


def chosen_columns(request: HttpRequest, screen: Any, table: Any) -> list[str]:
    """Names of the visible columns in the user's order; the first column is always there, first."""
    own = ColumnChoice.objects.for_user(request.user).filter(user=request.user, list_name=screen.name)
    stored = list(own.values_list("columns", flat=True))
    names = [name for name in stored[0] if name in table.base_columns] if stored else defaults(table)
    first = fixed_column(table)
    return [first, *(name for name in names if name != first)]


def chooser(table: Any, chosen: Sequence[str]) -> list[dict[str, Any]]:
    """All columns for 列の設定: the visible ones in their order, then the others."""
    hidden = [name for name in table.base_columns if name not in chosen]
    up, down = _("%(label)sを上へ"), _("%(label)sを下へ")
    return [
        {
            "name": name,
            "label": table.base_columns[name].label,
            "visible": name in chosen,
            "fixed": place == 0,
            "up": up % {"label": table.base_columns[name].label} if 1 < place < len(chosen) else "",
            "down": down % {"label": table.base_columns[name].label} if 0 < place < len(chosen) - 1 else "",
        }
        for place, name in enumerate([*chosen, *hidden])
    ]


def store_columns(request: Any, screen: Any, table: Any) -> HttpResponse:
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
