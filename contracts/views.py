"""Contract pages: 契約一覧 and 契約詳細."""

from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from contracts.filters import ContractFilter
from contracts.models import Contract, State
from contracts.tables import LOOKS, ContractTable
from portal.lists.columns import facts
from portal.lists.screen import Screen, list_screen
from portal.months import today


@require_http_methods(["GET", "HEAD", "POST"])
def contract_list(request):
    rows = Contract.objects.for_user(request.user).select_related("service").with_state(today())
    screen = Screen(
        name="contracts",
        heading=_("契約一覧"),
        lead=_("月額の契約は毎月自動で更新されます。お手続きは要りません。"),
        table=ContractTable,
        filterset=ContractFilter,
        order=("-start_on", "number"),
        key="number",
        tabs="state",
        empty=_("契約はまだありません。"),
        row_css=lambda row: "past" if row.state == "ended" else "",
    )
    return list_screen(request, rows, screen)


@require_safe
def contract_detail(request, number):
    rows = Contract.objects.for_user(request.user).select_related("service")
    contract = get_object_or_404(rows.with_state(today()).with_main_line(), number=number)
    invoices = dict(contract.orders.with_invoice().values_list("pk", "invoice_number"))
    terms = [
        {
            "term": term,
            "order": getattr(term, "order", None),
            "invoice": invoices.get(getattr(term, "order", None) and term.order.pk),
        }
        for term in contract.terms.standing().order_by("-sequence").select_related("order")
    ]
    meters = contract.meters.with_rate(today()).select_related("service").prefetch_related("tiers")
    context = {
        "contract": contract,
        "look": LOOKS[contract.state],
        "state": State(contract.state).label,
        "facts": facts(ContractTable, contract, ["name", "state"]),
        "lines": contract.lines.with_rate(today()),
        "terms": terms,
        "meters": [{"meter": meter, "usages": meter.usages.with_charges()} for meter in meters],
    }
    return render(request, "contracts/contract_detail.html", context)
