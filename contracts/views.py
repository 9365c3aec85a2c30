"""Contract pages: 契約一覧 and 契約詳細."""

from collections import defaultdict
from types import SimpleNamespace

from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from contracts.filters import ContractFilter
from contracts.models import Contract, ContractLine, State
from contracts.services import term_note
from contracts.tables import LOOKS, ContractLineTable, ContractTable, TermTable, UsageTable
from portal.lists.body import annotated, facts, lines
from portal.lists.screen import Screen, list_screen
from portal.models import PriceBasis, TaxKind, Vendor
from portal.months import month_of, today
from portal.templatetags.figures import month_name, percent, plain


@require_http_methods(["GET", "HEAD", "POST"])
def contract_list(request):
    rows = Contract.objects.for_user(request.user).select_related("service").with_state(today())
    if State.WITHDRAWN not in request.GET.getlist("state"):
        rows = rows.filter(withdrawn_on=None)  # only when asked for (D26)
    screen = Screen(
        name="contracts",
        heading=_("契約一覧"),
        lead=_("月額の契約は毎月自動で更新されます。お手続きは不要です。"),
        table=ContractTable,
        filterset=ContractFilter,
        order=("-start_on", "number"),
        key="number",
        tabs="state",
        tab_groups=((_("有効な契約"), [State.ACTIVE, State.ENDING]),),
        line_table=ContractLineTable,
        lines=ContractLine.objects.for_user(request.user).with_rate(today()).of_contracts,
        empty=_("契約はまだありません。"),
        row_css=lambda row: "past" if row.state in (State.ENDED, State.WITHDRAWN) else "",
        elsewhere=lambda: not_begun(request, rows),
    )
    return list_screen(request, rows, screen)


def not_begun(request, rows):
    """What stands in place of an empty list of contracts in force (D17): those that begin later, if there are any."""
    count = rows.filter(state=State.BEFORE).count()
    if not count or set(request.GET) != {"state"} or request.GET.getlist("state") != [State.ACTIVE, State.ENDING]:
        return None
    sentence = _("いまご利用中の契約はありません。利用開始前の契約が{count}件あります。").format(count=count)
    return sentence, _("利用開始前の契約を見る"), f"{request.path}?state={State.BEFORE}"


@require_safe
def contract_detail(request, number):
    rows = Contract.objects.for_user(request.user).select_related("service")
    rows = annotated(rows.with_state(today()), ContractTable.base_columns.values())
    contract = get_object_or_404(rows, number=number)
    meters = contract.meters.with_rate(today()).select_related("service").prefetch_related("prices__tiers")
    named = [(_("発注番号"), contract.purchase_order), (_("備考"), contract.note)]
    context = {
        "contract": contract,
        "may_cancel": contract.state in (State.BEFORE, State.ACTIVE),
        "look": LOOKS[contract.state],
        "state": State(contract.state).label,
        # The list's number is a link to this page; here it is a text.
        "facts": [(_("契約番号"), contract.number), *facts(ContractTable, contract, ["number", "name", "state"])],
        "notes": [(label, text) for label, text in named if text],
        "lines": lines(ContractLineTable, contract.lines.with_rate(today()), label=_("明細")),
        "meters": [{"meter": meter, "facts": price_facts(meter), "usages": usages(meter)} for meter in meters],
        "terms": lines(
            TermTable,
            term_history(contract, Vendor.objects.for_user(request.user).first()),
            label=_("契約期間の履歴"),
            empty=_("取り消されたため、契約期間はありません。")
            if contract.withdrawn_on
            else _("契約期間はまだありません。契約開始日に作られます。"),
        ),
    }
    return render(request, "contracts/contract_detail.html", context)


def price_facts(meter):
    """(label, text) of what a metered item costs now, and from which month on it will cost something else."""
    month = month_of(today())
    rate = percent(meter.rate) + (" ※" if meter.tax_kind == TaxKind.REDUCED else "")
    found = [(_("サービス"), meter.service), *ladder_facts(meter, meter.price_of(month)), (_("税率"), rate)]
    for price in meter.prices.all():
        if price.since and price.since > month:
            since, of_then = month_name(price.since), ladder_facts(meter, price)
            found += [
                (_("%(month)s分から %(label)s") % {"month": since, "label": each}, text) for each, text in of_then
            ]
    return found


def ladder_facts(meter, price):
    inclusive = meter.price_basis == PriceBasis.INCLUSIVE
    per_unit = _("%(price)s円 / %(unit)s（税込）") if inclusive else _("%(price)s円 / %(unit)s")

    def words(yen):
        return per_unit % {"price": plain(yen), "unit": meter.unit}

    free = [(_("無料枠"), f"{plain(price.free_quantity)} {meter.unit}")] if price.free_quantity else []
    tiers = [
        (_("%(above)s %(unit)s を超える分") % {"above": plain(tier.above), "unit": meter.unit}, words(tier.unit_price))
        for tier in price.tiers.all()
    ]
    return [*free, (_("単価"), words(price.unit_price)), *tiers]


def usages(meter):
    rows = meter.usages.with_charges()
    return lines(UsageTable, rows, label=_("使用量"), empty=_("使用量はまだ届いていません。"))


def term_history(contract, vendor):
    """The terms, newest first, each with the orders that it gave and that stand, and why there is none."""
    orders = defaultdict(list)
    for order in contract.orders.with_invoice().filter(reversed_on=None).order_by("number"):
        orders[order.term_id].append(order)
    for term in contract.terms.standing().select_related("contract").order_by("-sequence"):
        note = term_note(term, [order.kind for order in orders[term.pk]], vendor.first_month if vendor else None)
        for order in orders[term.pk] or [None]:
            yield SimpleNamespace(term=term, order=order, kind=order and order.get_kind_display(), note=note)
