"""What waits for somebody of the staff, for their start page: what stops the month, and what is to be done today."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from django.db.models import IntegerField, QuerySet, Value
from django.db.models.functions import JSONObject
from django.http import HttpRequest
from django.urls import reverse
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from billing.counting import Figure
from billing.menu import WAITING, desk_of, list_of, waiting
from billing.models import State
from contracts.models import ENDS_WITHIN
from portal.db.sets import united
from portal.models import Inquiry, Mail

SHOWN = 3  # of each kind; the rest is behind its list


class Line(NamedTuple):
    """A row in words: when, what with its address, whose, what else, and whether its kind's action may be tried on it."""

    when: str
    title: str
    address: str
    about: str
    note: str = ""
    next_step: str = ""
    next_address: str = ""
    may_retry: bool = False
    waits_for: str = ""


@dataclass(frozen=True)
class Kind:
    """A list of which some rows wait: its rows' fields, how they are written, and the list's action that puts them right."""

    model: str
    title: Any
    hint: Any
    fields: dict[str, str]
    order: tuple[str, ...]
    write: Callable[[dict[str, Any], int], Line]
    action: str = ""
    button: Any = ""
    right: str = ""


@dataclass
class Panel:
    """A kind with its count and its first rows, for whoever may see them."""

    kind: Kind
    figure: Figure
    may_act: bool
    lines: list[tuple[int, Line]] = field(default_factory=list)

    @property
    def action_address(self) -> str:
        return list_of(self.kind.model)


def page_of(model: str, pk: int | None) -> str:
    return reverse(f"admin:{model}_change", args=[pk]) if pk else ""


def day(text: str | None) -> str:
    found = parse_date(text[:10]) if text else None
    return f"{found.month}/{found.day}" if found else ""


def moment(text: str | None) -> str:
    found = parse_datetime(text) if text else None
    return f"{localtime(found):%-m/%-d %H:%M}" if found else ""


# What a reason of 保留 says → (what to do next, the page on which that is done); the first that fits.
NEXT_STEPS = [
    ("マイナス", gettext_lazy("調整行を入れるか、返還を決めてください"), "invoice"),
    ("税区分", gettext_lazy("税区分を登録してください"), "portal_taxclass_changelist"),
    ("登録番号", gettext_lazy("登録番号を直してください"), "portal_vendorregistration_changelist"),
    ("発行者", gettext_lazy("ベンダー設定の名称を入力してください"), "portal_vendor_changelist"),
    ("宛名", gettext_lazy("お客様の名称を入力してください"), "customer"),
    ("品目", gettext_lazy("契約の品目を入力してください"), "contracts"),
    ("の保留が解決していません", gettext_lazy("先に前の月の保留を解決してください"), ""),
    ("使用量", gettext_lazy("使用量と従量料金を確認してください"), "usage"),
]


def next_step(reason: str, row: dict[str, Any]) -> tuple[str, str]:
    """(what to do about a parked customer, where)."""
    found = ((words, place) for needle, words, place in NEXT_STEPS if needle in reason)
    words, place = next(found, (_("お客様の契約を確認してください"), "contracts"))
    addresses = {
        "": "",
        "customer": page_of("accounts_customer", row["customer_id"]),
        "contracts": list_of("contracts.contract", q=row["number"]),
        "usage": list_of("orders.usage", q=row["number"]),
        "invoice": list_of("billing.invoice", q=row["number"], month=row["month"][:7], state__exact=State.DRAFT),
    }
    return str(words), addresses[place] if place in addresses else reverse(f"admin:{place}")


def parked_line(row: dict[str, Any], pk: int) -> Line:
    words, address = next_step(row["reason"], row)
    return Line(
        moment(row["at"]),
        row["name"],
        page_of("accounts_customer", row["customer_id"]),
        f"{row['number']}　{row['month'][:7].replace('-', '/')}",
        row["reason"],
        words,
        address,
        not row["by_person"],
        _("判断待ち") if row["by_person"] else "",
    )


def rendering_line(row: dict[str, Any], pk: int) -> Line:
    return Line(
        moment(row["at"]),
        row["invoice"],
        page_of("billing_invoice", row["invoice_id"]),
        f"{row['number']} {row['name']}",
        row["error"][:200],
        _("宛先や品目の文字を確認して、もう一度作成してください"),
        page_of("accounts_customer", row["customer_id"]),
        True,
    )


def inquiry_line(row: dict[str, Any], pk: int) -> Line:
    assignee = _("担当 %s") % row["assignee"] if row["assignee"] else _("担当なし")
    told = [f"{row['name']}（{row['number']}）", str(Inquiry.Kind(row["kind"]).label), row["about"], assignee]
    return Line(moment(row["at"]), row["subject"], page_of("portal_inquiry", pk), "　".join(filter(None, told)))


def mail_line(row: dict[str, Any], pk: int) -> Line:
    title = f"{Mail.Kind(row['kind']).label}　{row['sent_to']}".strip()
    about = "　".join(filter(None, [f"{row['name']}（{row['number']}）" if row["number"] else "", row["error"][:120]]))
    return Line(moment(row["at"]), title, page_of("portal_mail", pk), about, may_retry=True)


def bounced_line(row: dict[str, Any], pk: int) -> Line:
    about = "　".join(
        filter(None, [f"{row['company']}（{row['number']}）" if row["number"] else "", row["bounced"][:120]])
    )
    return Line("", f"{row['name']}　{row['email'] or ''}".strip(), page_of("accounts_user", pk), about)


def ending_line(row: dict[str, Any], pk: int) -> Line:
    return Line(
        day(row["ends_on"]),
        f"{row['contract']} {row['title']}",
        page_of("contracts_contract", pk),
        f"{row['name']}（{row['number']}）",
    )


CUSTOMER = {"customer_id": "customer_id", "number": "customer__number", "name": "customer__name"}
STOPPED = [
    Kind(
        "billing.parked", gettext_lazy("保留のお客様"), gettext_lazy("直すと、その月だけもう一度締めます。判断待ちは担当者が決めるまで動きません"),
        {**CUSTOMER, "month": "month", "reason": "reason", "by_person": "by_person", "at": "tried_at"},
        ("month", "pk"), parked_line, "try_again", gettext_lazy("もう一度締める"), "billing.change_parked",
    ),
    Kind(
        "billing.rendering", gettext_lazy("作成できないPDF"), "",
        {**CUSTOMER, "invoice": "invoice__number", "invoice_id": "invoice_id", "error": "error", "at": "parked_at"},
        ("parked_at", "pk"), rendering_line, "try_again", gettext_lazy("もう一度作成"), "billing.change_rendering",
    ),
]  # fmt: skip
TO_DO = [
    Kind(
        "portal.inquiry", gettext_lazy("返信を待っているお問い合わせ"), gettext_lazy("返信の目安は1営業日"),
        {**CUSTOMER, "subject": "subject", "kind": "kind", "about": "about", "at": "asked_at", "assignee": "assignee__name"},
        ("asked_at", "pk"), inquiry_line,
    ),
    Kind(
        "portal.mail", gettext_lazy("届かなかったメール"), "",
        {**CUSTOMER, "kind": "kind", "sent_to": "sent_to", "error": "error", "at": "created_at"},
        ("-created_at", "-pk"), mail_line, "send_again", gettext_lazy("もう一度送る"), "portal.change_mail",
    ),
    Kind(
        "accounts.user", gettext_lazy("メールが届かないユーザ"), gettext_lazy("Eメールを直してください"),
        {"number": "customer__number", "company": "customer__name", "name": "name", "email": "email", "bounced": "bounced"},
        ("-pk",), bounced_line,
    ),
    Kind(
        "contracts.contract", gettext_lazy("更新なしで終わる契約"), gettext_lazy("60日以内"),
        {**CUSTOMER, "contract": "number", "title": "name", "ends_on": "term_ends_on"},
        ("term_ends_on", "pk"), ending_line,
    ),
]  # fmt: skip


def rows_that_wait(request: HttpRequest, kind: Kind, today: date) -> tuple[QuerySet, dict[str, str]]:
    """The rows of a kind, and what its list is asked to show exactly them."""
    rows = desk_of(kind.model).get_queryset(request)
    if kind.model == "accounts.user":
        return rows.exclude(bounced=""), {"bounced__isempty": "0"}
    if kind.model == "contracts.contract":
        return rows.ending_without_renewal(today), {"ends": str(ENDS_WITHIN.days)}
    return waiting(request, kind.model), WAITING[kind.model]


def panels(request: HttpRequest, kinds: list[Kind], today: date) -> list[Panel]:
    """Those that `request` may see (D37), their figures still to be counted."""
    found = []
    for kind in kinds:
        if desk_of(kind.model).has_view_permission(request):
            rows, asked = rows_that_wait(request, kind, today)
            may_act = bool(kind.action) and request.user.has_perm(kind.right)
            found.append(Panel(kind, Figure(str(kind.title), rows, list_of(kind.model, **asked)), may_act))
    return found


def show_first(found: list[Panel]) -> None:
    """Add the first rows of each panel that has any, in one statement."""
    parts = []
    for place, panel in enumerate(found):
        if panel.figure.count:
            rows = panel.figure.rows.annotate(place=Value(place, IntegerField()), read=JSONObject(**panel.kind.fields))
            parts.append(rows.order_by(*panel.kind.order).values_list("place", "pk", "read")[:SHOWN])
    if parts:
        for place, pk, row in united(parts):
            found[place].lines.append((pk, found[place].kind.write(row, pk)))
