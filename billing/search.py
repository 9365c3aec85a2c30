"""The one search box of staff's pages: what is typed finds customers first, then users, documents and mails of theirs."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from django.contrib import admin
from django.contrib.postgres.expressions import ArraySubquery
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import IntegerField, Value
from django.db.models.functions import JSONObject
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.models import Customer, User
from billing.models import Invoice
from billing.models.states import State as InvoiceState
from contracts.models import Contract
from orders.models import Kind as OrderKind
from orders.models import Order
from portal import searching
from portal.db.sets import united
from portal.listing import TOO_MANY, within_limit
from portal.models import Inquiry, Mail
from portal.models.functions import IsAmong
from portal.templatetags.figures import yen, ymd

SHOWN = 5
MOST = 100  # counted; what is beyond is 「100件以上」, as the documents of more customers would be, whichever they are


class Line(NamedTuple):
    """A hit as the page shows it."""

    number: str
    title: str
    about: str
    note: str = ""


class Kind(NamedTuple):
    """What is searched: how its rows are put, what is read of each, and how that is written."""

    model: Any
    order: tuple[str, ...]
    fields: dict[str, str]
    write: Callable[[dict], Line]

    @property
    def label(self):
        return self.model._meta.verbose_name

    @property
    def name(self):
        return f"{self.model._meta.app_label}_{self.model._meta.model_name}"


def day(moment):
    """The day here of a moment as JSON has it: 2026/04/01."""
    return ymd(localtime(datetime.fromisoformat(moment)))


def month(day):
    """A day as JSON has it, as its month: 2026/04."""
    return day[:7].replace("-", "/")


OF_CUSTOMER = {"customer": "customer__name"}
KINDS = [
    Kind(
        Customer,
        ("number",),
        {name: name for name in ("number", "name", "kana", "address")},
        lambda row: Line(row["number"], row["name"], row["kana"], row["address"]),
    ),
    Kind(
        User,
        ("name", "pk"),
        {name: name for name in ("name", "email", "department", "is_active", "is_staff")} | OF_CUSTOMER,
        lambda row: Line(
            "",
            row["name"],
            joined(row["email"], row["customer"] or (row["is_staff"] and _("担当者")), row["department"]),
            "" if row["is_active"] else _("無効"),
        ),
    ),
    Kind(
        Contract,
        ("number",),
        {"number": "number", "name": "name", "service": "service__name", **OF_CUSTOMER},
        lambda row: Line(row["number"], row["name"], row["customer"], row["service"]),
    ),
    Kind(
        Order,
        ("-month", "-number"),
        {"number": "number", "kind": "kind", "month": "month", "contract": "contract__name", **OF_CUSTOMER},
        lambda row: Line(
            row["number"], row["contract"], row["customer"], joined(month(row["month"]), OrderKind(row["kind"]).label)
        ),
    ),
    Kind(
        Invoice,
        ("-month", "-number"),
        {name: name for name in ("number", "subject", "month", "total", "state")} | OF_CUSTOMER,
        lambda row: Line(
            row["number"],
            row["subject"],
            row["customer"],
            joined(month(row["month"]), _("%s円") % yen(row["total"]), InvoiceState(row["state"]).label),
        ),
    ),
    Kind(
        Inquiry,
        ("-created_at", "-pk"),
        {name: name for name in ("number", "subject", "created_at", "state")} | OF_CUSTOMER,
        lambda row: Line(
            row["number"],
            row["subject"],
            row["customer"],
            joined(day(row["created_at"]), Inquiry.State(row["state"]).label),
        ),
    ),
    Kind(
        Mail,
        ("-pk",),
        {name: name for name in ("kind", "sent_to", "state", "created_at")} | {"number": "data__number"} | OF_CUSTOMER,
        lambda row: Line(
            row["number"] or "",
            str(Mail.Kind(row["kind"]).label),
            joined(row["sent_to"], row["customer"]),
            joined(day(row["created_at"]), Mail.State(row["state"]).label),
        ),
    ),
]


def joined(*parts):
    return "　".join(str(part) for part in parts if part)


class Hit(NamedTuple):
    line: Line
    address: str


class Group(NamedTuple):
    """The hits of a kind: the first few, how many there are (up to `MOST`), and the list that shows all."""

    label: str
    hits: list[Hit]
    total: int
    address: str

    @property
    def is_cut(self):
        return self.total > MOST

    @property
    def has_more(self):
        return self.total > len(self.hits)


@require_safe
def search_page(request: HttpRequest) -> HttpResponse:
    """Grouped hits; the page itself where one row is meant exactly."""
    kinds = [kind for kind in KINDS if desk_of(kind).has_view_permission(request)]
    if not kinds:
        raise PermissionDenied
    typed = request.GET.get("q", "").strip()
    given: dict = {"title": _("検索"), "sought": typed, "groups": []}
    try:
        words = searching.words(typed)
        if words:
            if meant := within_limit(lambda: meant_by(request, kinds, typed)):
                return redirect(meant)
            words = searching.weighed(words, dict.fromkeys([Customer, User, *(kind.model for kind in kinds)]))
            found = within_limit(lambda: look_for(request, kinds, words, typed))
            given["groups"], given["told"] = found or ([], TOO_MANY)
            given["title"] = _("「%s」の検索結果") % typed
    except ValidationError as refused:
        given["error"] = " ".join(refused.messages)
    given["labels"] = _("、").join(str(kind.label) for kind in kinds)
    return render(request, "admin/search.html", admin.site.each_context(request) | given)


def desk_of(kind):
    return admin.site.get_model_admin(kind.model)


def rows_of(request, kind):
    """The rows that the kind's own list has."""
    return desk_of(kind).get_queryset(request).order_by()


def meant_by(request, kinds, typed):
    """The page of the one row that is meant by exactly this, or None: a pasted address, a number, a mail address, a whole name."""
    if page := searching.page_of(typed):
        found = [(kind, rows) for kind in kinds if (rows := shown_at(request, kind, *page)) is not None]
    else:
        word = searching.read("".join(typed.split()))
        found = [(kind, rows_of(request, kind).exactly(word)) for kind in kinds if kind.model is not Mail]
    hits = [(kind, pk) for kind, pk in pairs(found, 2)]
    if len(hits) != 1:
        return None
    [(kind, pk)] = hits
    return reverse(f"admin:{kind.name}_change", args=[pk])


def shown_at(request, kind, page, part):
    """The rows of the kind that this page of the portal or of the admin shows; None if it shows none of them."""
    rows = rows_of(request, kind)
    number = searching.read(part).numbers
    if page.startswith(f"{kind.name}_") or (page.startswith("user_") and kind.model is User):
        return rows.filter(pk=part) if part.isascii() and part.isdecimal() and len(part) < 19 else None
    if page.startswith(("contract_", "order_", "invoice_", "inquiry_")) and kind.name.endswith(page.split("_")[0]):
        return rows.filter(number__in=number)
    return None


def pairs(found, most):
    """[(kind, key)] of rows of several kinds, at most so many of each, in one statement."""
    parts = [
        rows.annotate(place=Value(place, IntegerField())).values_list("place", "pk")[:most]
        for place, (_kind, rows) in enumerate(found)
    ]
    if not parts:
        return []
    return [(found[place][0], pk) for place, pk in united(parts)]


def look_for(request, kinds, words, typed):
    """([Group], what to tell): hits of all kinds, by one statement behind the one that finds the customers."""
    named, told = searching.customers_of(Invoice, words, by=request.user, most=MOST)
    users = () if request.user.has_perm("accounts.view_user") else None
    parts = []
    for place, kind in enumerate(kinds):
        rows: Any = rows_of(request, kind)
        if kind.model is Contract:
            # As its list; whoever wants one that was taken back types its whole number (D26).
            rows = rows.filter(withdrawn_on=None)
        found = rows.found_by(words, users if kind.model is Customer else named).order_by(*kind.order)
        # What they name is read of these alone.
        picked = rows.filter(IsAmong("pk", ArraySubquery(found.values("pk")[: MOST + 1])))
        picked = picked.annotate(place=Value(place, IntegerField()), read=JSONObject(**kind.fields))
        parts.append(picked.order_by(*kind.order).values_list("place", "pk", "read")[: MOST + 1])
    hits: dict = {}
    for place, pk, row in united(parts):
        hits.setdefault(place, []).append((pk, row))
    return [group(kinds[place], each, typed) for place, each in sorted(hits.items())], told


def group(kind, hits, typed):
    shown = [Hit(kind.write(row), reverse(f"admin:{kind.name}_change", args=[pk])) for pk, row in hits[:SHOWN]]
    address = f"{reverse(f'admin:{kind.name}_changelist')}?{urlencode({'q': typed})}"
    return Group(str(kind.label), shown, len(hits), address)
