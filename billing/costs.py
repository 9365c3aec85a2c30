"""費用分析 (D18): what six months cost, by service without tax plus one part 消費税, so that each bar is the amount billed."""

from collections import defaultdict
from datetime import date

from django.db.models import BigIntegerField, Q, Sum
from django.db.models.functions import Cast
from django.utils.translation import gettext as _

from billing.models import InvoiceLine, State, TaxTotal
from portal import money, months

MONTHS = 6
OWN_COLOURS = 6  # the services from the 7th on share 「その他」


def analysis(invoices, with_running=False):
    """Everything the page shows, in yen; `invoices` are those the user may see."""
    regular = invoices.regular()
    fixed = regular.standing()
    latest = fixed.order_by("-month").values_list("month", flat=True).first()
    if latest is None:
        return {"months": [], "empty": True, "with_running": with_running}
    span = list(months.months_between(months.add_months(latest, 1 - MONTHS), latest))
    shown = fixed.filter(month__in=span)
    running = invoices.drafts().filter(month__gt=latest).order_by("month").values_list("month", flat=True).first()
    columns = list(span)
    if with_running and running:
        columns.append(running)
        shown = regular.filter(Q(state=State.FIXED, month__in=span) | Q(state=State.DRAFT, month=running))
    nets, taxes = by_service(shown)
    services = grouped(nets, columns)
    table = [{**service, "values": [service["by_month"].get(month, 0) for month in columns]} for service in services]
    tax = [taxes.get(month, 0) for month in columns]
    totals = [sum(row["values"][place] for row in table) + tax[place] for place in range(len(columns))]
    pies = [pie(services, month) for month in (latest, months.add_months(latest, -1))]
    return {
        "empty": False,
        "months": [{"month": month, "provisional": month == running and with_running} for month in columns],
        "rows": table,
        "tax": tax,
        "totals": totals,
        "pies": pies,
        "with_running": with_running,
        "has_running": running is not None,
        "latest": latest,
        "chart": {
            "labels": [f"{month:%Y/%m}" for month in columns],
            "provisional": [month == running and with_running for month in columns],
            "series": [{"label": row["name"], "colour": row["colour"], "values": row["values"]} for row in table]
            + [{"label": _("消費税"), "colour": "off", "values": tax}],
        },
        "pie_data": [
            {"labels": [part["name"] for part in each["parts"]], "colours": [part["colour"] for part in each["parts"]],
             "values": [part["amount"] for part in each["parts"]], "shares": [str(part["share"]) for part in each["parts"]]}
            for each in pies
        ],
    }  # fmt: skip


def by_service(invoices):
    """({service name: {month: net yen}} in the services' order, {month: tax yen}), adding up to the invoices' totals.

    Tax-exclusive lines count as they are; the tax-inclusive ones of a tax class share what its stored base leaves.
    """
    lines = (
        InvoiceLine.objects.filter(invoice__in=invoices)
        .order_by("service__position", "service__name")
        .values_list("invoice_id", "invoice__month", "tax_kind", "tax_rate", "service__name", "price_basis")
        .annotate(sum=Cast(Sum("amount"), BigIntegerField()))
    )
    classes = {
        (invoice, kind, rate): [month, base, tax]
        for invoice, month, kind, rate, base, tax in TaxTotal.objects.filter(invoice__in=invoices).values_list(
            "invoice_id", "invoice__month", "kind", "rate", "base", "tax"
        )
    }
    nets: defaultdict[str, dict[date, int]] = defaultdict(lambda: defaultdict(int))
    inclusive: defaultdict[tuple, dict[str, int]] = defaultdict(dict)
    left = {key: base for key, (_month, base, _tax) in classes.items()}
    for invoice, month, kind, rate, name, basis, amount in lines:
        name = name or _("その他")
        if basis == "exclusive":
            nets[name][month] += amount
            left[invoice, kind, rate] -= amount
        else:
            nets[name][month] += 0
            inclusive[invoice, kind, rate][name] = amount
    for key, weights in inclusive.items():
        month = classes[key][0]
        for name, part in zip(weights, apportion(left[key], list(weights.values())), strict=True):
            nets[name][month] += part
    taxes: defaultdict[date, int] = defaultdict(int)
    for month, _base, tax in classes.values():
        taxes[month] += tax
    return nets, taxes


def apportion(amount, weights):
    """Yen of `amount` by weights that may be negative (discounts); the parts add up to it exactly."""
    if min(weights) >= 0 and any(weights):
        return money.split(amount, weights)
    largest = max(range(len(weights)), key=lambda place: abs(weights[place]))
    return [
        weight if place != largest else amount - sum(weights) + weights[largest] for place, weight in enumerate(weights)
    ]


def grouped(nets, columns):
    """Services in their order, each with its colour; from the 7th on they are one 「その他」."""
    services = []
    for place, (name, by_month) in enumerate(nets.items()):
        if place < OWN_COLOURS:
            services.append({"name": name, "colour": f"s{place + 1}", "by_month": dict(by_month)})
        else:
            if place == OWN_COLOURS:
                services.append({"name": _("その他"), "colour": "s7", "by_month": {}})
            rest = services[-1]["by_month"]
            for month, amount in by_month.items():
                rest[month] = rest.get(month, 0) + amount
    return services


def pie(services, month):
    """The shares of one month, tax-exclusive; percentages add up to 100.0."""
    parts = [service for service in services if service["by_month"].get(month)]
    amounts = [service["by_month"][month] for service in parts]
    return {
        "month": month,
        "total": sum(amounts),
        "parts": [
            {"name": part["name"], "colour": part["colour"], "amount": amount, "share": share}
            for part, amount, share in zip(parts, amounts, money.shares(amounts), strict=True)
        ],
    }
