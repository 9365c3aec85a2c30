"""Staff's file of a customer: what its page shows of all that belongs to one company, each part to whom may see it (D37)."""

from collections.abc import Callable, Iterator
from typing import Any

from django.contrib import admin
from django.db.models import Case, Count, DateField, Exists, F, OuterRef, Q, Subquery, Sum, Value, When, Window
from django.db.models.fields.json import KT
from django.db.models.functions import Cast
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import Customer, User
from billing.gathered import Part, gather
from billing.models import Credit, Invoice, InvoiceLine, Parked
from billing.proposals import proposals
from contracts.models import Contract
from contracts.models import State as ContractState
from portal import rights
from portal.models import Action, HistoryEvent, Inquiry, Mail

IN_FORCE = [ContractState.ACTIVE, ContractState.ENDING]
SHOWN = 6  # of what grows with the months; 「すべて見る」 leads to the rest


def file_of(customer: Customer, request: HttpRequest) -> dict[str, Any]:
    """What the page of a customer shows beside its facts: {name of a part: `Found`}, and what follows from them.

    All parts are read by one statement; proposals (D27) by their own, where a billed line reaches beyond its contract's dates.
    """
    seen = [parts for model, parts in KINDS if may_see(request, model)]
    found: dict[str, Any] = gather([part for parts in seen for part in parts(customer, request)])
    shortened = found.pop("shortened", None)
    if shortened and shortened.rows and rights.may(request.user, "billing.view_decision"):
        found["proposals"] = proposals([customer.pk])
    if "invoices" in found:
        found["draft"] = next(iter(found.pop("drafts").rows), None)
        found["latest"] = next((each for each in found["invoices"].rows if each.is_fixed and each.counts), None)
    for each in found["contracts"].rows if "contracts" in found else []:
        each.state_label = ContractState(each.state).label
    if "users" in found:
        found["recipient"] = next((each for each in found["users"].rows if each.is_recipient), None)
    return found | {"facts": facts_of(customer), "lists": lists_of(customer, request)}


def may_see(request, model):
    return rights.may(request.user, f"{model._meta.app_label}.view_{model._meta.model_name}")


def rows_of(request, model, customer):
    """The customer's rows of the model's own list, unordered."""
    return admin.site.get_model_admin(model).get_queryset(request).filter(customer=customer).order_by()


def all_of(model, customer, **conditions):
    """The address of the model's list with the rows of this customer only."""
    home = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return f"{home}?{urlencode({'customer': customer.number, **conditions})}"


def lists_of(customer, request):
    """(label, address) of the lists of this customer that the page has no part for."""
    kinds = [("orders", "order", _("注文")), ("orders", "usage", _("使用量")), ("billing", "decision", _("返金の決定"))]
    for app, name, label in kinds:
        if rights.may(request.user, f"{app}.view_{name}"):
            yield label, f"{reverse(f'admin:{app}_{name}_changelist')}?{urlencode({'customer': customer.number})}"


def contracts(customer, request):
    """Those that hold first; what was taken back is listed only when asked for (D26)."""
    place = Case(
        When(state__in=IN_FORCE, then=Value(0)), When(state=ContractState.BEFORE, then=Value(1)), default=Value(2)
    )
    rows = rows_of(request, Contract, customer).filter(withdrawn_on=None).with_main_line()
    rows = rows.annotate(
        service_name=F("service__name"),
        renews_on=Cast("next_renewal", DateField()),
        holding=Window(Count("pk", filter=Q(state__in=IN_FORCE))),
        ending=Window(Count("pk", filter=Q(state=ContractState.ENDING))),
        coming=Window(Count("pk", filter=Q(state=ContractState.BEFORE))),
    )
    fields = [
        "id", "number", "name", "plan", "form", "state", "start_on", "cancel_on", "term_ends_on", "renews_on", "quantity",
        "unit", "monthly_fee", "service_name", "holding", "ending", "coming",
    ]  # fmt: skip
    yield Part("contracts", rows.order_by(place, "number"), fields, 10, all_of(Contract, customer))


def bills(customer, request):
    """The newest invoices; the running month's by services; whether any line is billed beyond its contract's dates."""
    invoices = rows_of(request, Invoice, customer)
    fields = ["id", "number", "month", "kind", "state", "fixed_on", "fix_due_on", "due_on", "net", "tax", "total"]
    yield Part(
        "invoices",
        invoices.with_pdf().with_download().order_by("-month", "-number"),
        [*fields, "pdf_size", "downloaded_at"],
        SHOWN,
        all_of(Invoice, customer),
    )
    drafts = invoices.drafts().order_by("-month")
    yield Part("drafts", drafts, fields, 1)
    lines = InvoiceLine.objects.filter(customer=customer)
    services = lines.filter(invoice=Subquery(drafts.values("pk")[:1])).values(
        "price_basis", name=F("service__name"), place_of_service=F("service__position")
    )
    yield Part(
        "services",
        services.annotate(charged=Sum("amount")).order_by("place_of_service", "name"),
        ["name", "price_basis", "charged"],
        12,
    )
    line = "order_line__contract_line"
    beyond = Q(ends_on__gt=F(f"{line}__contract__cancel_on")) | Q(ends_on__gt=F(f"{line}__charge_to"))
    yield Part("shortened", lines.filter(beyond, invoice__state="fixed").order_by(), ["id"], 1)


def users(customer, request):
    """The recipient, then those with whom something is wrong: mails don't reach them, or they never signed in."""
    trouble = Case(When(~Q(bounced="") | Q(last_login=None), then=Value(0)), default=Value(1))
    factor = TOTPDevice.objects.filter(user=OuterRef("pk"), confirmed=True)
    fields = [
        "id", "name", "email", "department", "position", "is_recipient", "is_manager", "last_login", "bounced",
        "account_pending", "password_expires_at", "password", "must_change_password", "has_factor",
    ]  # fmt: skip
    rows = rows_of(request, User, customer).filter(is_active=True).annotate(has_factor=Exists(factor))
    rows = rows.order_by("-is_recipient", trouble, "name", "pk")
    yield Part("users", rows, fields, 10, all_of(User, customer, is_active__exact=1))


def inquiries(customer, request):
    rows = rows_of(request, Inquiry, customer).order_by("-created_at")
    rows = rows.annotate(waiting=Window(Count("pk", filter=Q(state=Inquiry.State.WAITING))))
    fields = ["id", "number", "kind", "subject", "created_at", "state", "waiting"]
    yield Part("inquiries", rows, fields, SHOWN, all_of(Inquiry, customer))


def mails(customer, request):
    rows = rows_of(request, Mail, customer).annotate(person=F("user__name"), about=KT("data__number"))
    fields = ["id", "kind", "about", "state", "sent_to", "created_at", "sent_at", "error", "person"]
    yield Part("mails", rows.order_by("-pk"), fields, SHOWN, all_of(Mail, customer))


def events(customer, request):
    """Sign-ins, and apart from them what was changed."""
    rows = rows_of(request, HistoryEvent, customer).order_by("-at", "-pk")
    fields = ["id", "at", "actor_name", "action", "subject", "detail"]
    signed_in = Q(action=Action.SIGNED_IN)
    yield Part("sign_ins", rows.filter(signed_in), fields, SHOWN, all_of(HistoryEvent, customer, sign_ins="only"))
    yield Part("changes", rows.exclude(signed_in), fields, 8, all_of(HistoryEvent, customer, sign_ins="without"))


def credits(customer, request):
    """Those of which something is left (調整残高), in the order in which they are taken up (D28)."""
    rows = rows_of(request, Credit, customer).filter(takes_back=None, left__gt=0).order_by("given_on", "pk")
    fields = ["id", "item", "tax_rate", "price_basis", "given_on", "reason", "left"]
    yield Part("credits", rows, fields, SHOWN, all_of(Credit, customer))


def parked(customer, request):
    fields = ["id", "month", "reason", "by_person", "tries", "tried_at"]
    yield Part("parked", rows_of(request, Parked, customer).order_by("month"), fields, SHOWN, all_of(Parked, customer))


KINDS: list[tuple[Any, Callable[[Customer, HttpRequest], Iterator[Part]]]] = [
    (Contract, contracts),
    (Invoice, bills),
    (User, users),
    (Inquiry, inquiries),
    (Mail, mails),
    (HistoryEvent, events),
    (Credit, credits),
    (Parked, parked),
]


def facts_of(customer):
    """基本情報 as (heading, [(label, text)]); what is empty is left out."""
    shift = _("銀行休業日は%s") % customer.get_due_shift_display()
    groups = [
        (
            "",
            [
                (_("代表者"), customer.representative),
                (_("法人番号"), customer.corporate_number),
                (_("登録番号"), customer.registration_number),
                (
                    _("住所"),
                    f"〒{customer.postal_code} {customer.address}" if customer.postal_code else customer.address,
                ),
                (_("電話"), customer.phone),
                (_("FAX"), customer.fax),
                (_("契約担当"), " ".join(filter(None, [customer.contact_department, customer.contact_name]))),
            ],
        ),
        (
            _("請求"),
            [
                (_("請求先"), customer.addressee_name),
                (_("部署・担当"), " ".join(filter(None, [customer.billing_department, customer.billing_person]))),
                (
                    _("送付先"),
                    f"〒{customer.billing_place}" if customer.billing_postal_code else customer.billing_address,
                ),
                (_("締日・支払"), f"{customer.closing_day}　{customer.payment_terms}（{shift}）"),
                (_("支払方法"), customer.get_payment_method_display()),
                (_("書類の日付"), customer.get_calendar_display()),
            ],
        ),
        (_("ログイン"), [(_("2段階認証"), _("必須") if customer.needs_second_factor else _("任意"))]),
    ]
    return [(heading, [(label, text) for label, text in pairs if text]) for heading, pairs in groups]
