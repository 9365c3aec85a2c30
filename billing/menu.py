"""The menu of staff's desk: pages grouped by what people work on, each for whoever may see it (D37), and what waits beside them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from billing.counting import Figure, fill
from portal import rights
from portal.models import Inquiry, Mail

# (heading, icon, the models whose lists stand below it)
GROUPS = [
    (_("お客様"), "company", ["accounts.customer", "accounts.user"]),
    (_("契約と注文"), "contract", ["contracts.contract", "contracts.meter", "orders.order"]),
    (
        _("請求"),
        "yen",
        ["billing.invoice", "admin_books", "orders.usage", "billing.credit", "billing.decision", "billing.numbergone"],
    ),
    (
        _("月次"),
        "calendar",
        ["billing.parked", "billing.rendering", "billing.monthrun", "billing.upload", "orders.usagefile"],
    ),
    (_("お問い合わせ"), "message", ["portal.inquiry", "portal.mail", "portal.notice", "portal.faqentry"]),
]
# What is set once and rarely changed: folded up, but on its own pages.
SETTINGS = [
    "portal.vendor",
    "portal.vendorregistration",
    "portal.taxclass",
    "portal.calendarday",
    "contracts.service",
    "portal.historyevent",
]
# Of the groups, what is no model's list: the name of its address, what it is called, and whose right it is.
PAGES = {"admin_books": (_("請求の帳簿"), "billing.view_invoice")}
# Which rows of a list wait for somebody, as its own filter says it.
WAITING: dict[str, dict[str, str]] = {
    "portal.inquiry": {"state__exact": Inquiry.State.WAITING},
    "portal.mail": {"state__exact": Mail.State.FAILED},
    "billing.parked": {},
    "billing.rendering": {"parked_at__isempty": "0"},
}
# Pages outside the admin's own addresses, and the list beside which they stand in the menu.
BESIDE = {"admin_import": "billing.upload", "admin_upload": "billing.upload"}


@dataclass
class Entry:
    """A list of the menu: its name and address, whether one is there, and how many of its rows wait."""

    model: str
    name: str
    address: str
    is_current: bool
    waiting: Figure | None = None


def menu_of(request: HttpRequest) -> dict[str, Any]:
    """What the frame shows whoever asks: the groups as (heading, icon, entries), without what a role may not see."""
    groups = [(heading, icon, entries_of(request, models)) for heading, icon, models in GROUPS]
    entries = [entry for _heading, _icon, each in groups for entry in each]
    for entry in entries:
        if (asked := WAITING.get(entry.model)) is not None:
            entry.waiting = Figure(entry.name, waiting(request, entry.model), list_of(entry.model, **asked))
    fill([entry.waiting for entry in entries if entry.waiting])
    settings = entries_of(request, SETTINGS)
    return {
        "groups": [group for group in groups if group[2]],
        "settings": settings,
        "in_settings": any(entry.is_current for entry in settings),
        "at_home": request.path == reverse("admin:index"),
    }


def entries_of(request: HttpRequest, models: Sequence[str]) -> list[Entry]:
    match = request.resolver_match
    beside = BESIDE.get(match.url_name or "", "") if match else ""
    found = []
    for model in models:
        if model in PAGES:
            name, right = PAGES[model]
            if rights.may(request.user, right):
                address = reverse(model)
                found.append(Entry(model, str(name), address, request.path.startswith(address)))
            continue
        desk = desk_of(model)
        if desk.has_view_permission(request):
            address = list_of(model)
            here = request.path.startswith(address) or model == beside
            found.append(Entry(model, str(desk.opts.verbose_name_plural), address, here))
    return found


def desk_of(model: str) -> Any:
    """The staff's pages of a model, by its label."""
    return next(desk for each, desk in admin.site._registry.items() if each._meta.label_lower == model)


def list_of(model: str, **asked: str) -> str:
    """The address of a model's list, with what its filters are asked."""
    address = reverse(f"admin:{model.replace('.', '_')}_changelist")
    return f"{address}?{urlencode(asked)}" if asked else address


def waiting(request: HttpRequest, model: str) -> QuerySet:
    """The rows of the model's list that wait for somebody: those that its address with `WAITING` lists."""
    rows = desk_of(model).get_queryset(request)
    if model == "portal.inquiry":
        return rows.filter(state=Inquiry.State.WAITING)
    if model == "portal.mail":
        return rows.filter(state=Mail.State.FAILED)
    return rows.filter(parked_at__isnull=False) if model == "billing.rendering" else rows
