"""費用分析 (D18): what six months cost, by service without tax plus one part 消費税, so that each bar is the amount billed."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db.models import BigIntegerField, Q, Sum
from django.db.models.functions import Cast
from django.utils.dateformat import format as in_words
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from billing.models import InvoiceLine, Kind, State, TaxTotal
from portal import money, months
from portal.templatetags.figures import yen

MONTHS = 6
SHORT = {"ja": ((100_000_000, "億"), (10_000, "万")), "en": ((1_000_000, "M"), (1_000, "k"))}
OWN_COLOURS = 6  # the services from the 7th on share 「その他」
BAR_STEP, BAR_WIDTH, BAR_TOP, BAR_BASE = 70, 40, 100, 122  # of the bars on ホーム, in units of their SVG


@dataclass
class Cost:
    """A row of the six months: yen of a service in each, or of 消費税."""

    name: str
    colour: str
    amounts: list[int]


@dataclass
class Part:
    """What a service costs in one month, in yen; its share in percent, None if it is negative and so not drawn."""

    name: str
    colour: str
    amount: int
    share: Decimal | None = None


def analysis(invoices, with_running=False):
    """Everything the page shows, in yen; `invoices` are those the user may see.

    Bars are the six calendar months up to the latest fixed one, pies the two latest that were fixed; a return counts
    in the month of the document that it corrects (D41).
    """
    fixed = invoices.regular().standing().order_by("-month").values_list("month", flat=True)
    closed = list(fixed.distinct()[:2])
    if not closed:
        return {"empty": True, "with_running": with_running}
    latest = closed[0]
    columns = list(months.months_between(months.add_months(latest, 1 - MONTHS), latest))
    shown = Q(state=State.FIXED, month__in={*columns, *closed})
    drafts = invoices.regular().drafts().filter(month__gt=latest).order_by("month")
    running = drafts.values_list("month", flat=True).first()
    if with_running and running:
        columns.append(running)
        shown |= Q(state=State.DRAFT, month=running)
    nets, taxes = by_service(invoices.filter(shown))
    services = grouped(nets)
    rows = [
        Cost(each["name"], each["colour"], [each["by_month"].get(month, 0) for month in columns]) for each in services
    ]
    tax = Cost(_("消費税"), "off", [taxes.get(month, 0) for month in columns])
    rows = [*(row for row in rows if any(row.amounts)), tax]
    pies = [pie(services, month) for month in closed]
    provisional = [month == running for month in columns]
    return {
        "empty": False,
        "months": columns,
        "running": running,
        "rows": rows,
        "totals": [sum(row.amounts[place] for row in rows) for place in range(len(columns))],
        "pies": pies,
        "with_running": with_running,
        "chart": {
            "labels": [f"{month:%Y/%m}" for month in columns],
            "provisional": provisional,
            "series": [{"label": row.name, "colour": row.colour, "values": row.amounts} for row in rows],
        },
        "pie_data": [
            {
                "total": _("{yen}円").format(yen=yen(each["total"])),
                "labels": [part.name for part in each["drawn"]],
                "colours": [part.colour for part in each["drawn"]],
                "values": [part.amount for part in each["drawn"]],
                "shares": [str(part.share) for part in each["drawn"]],
            }
            for each in pies
        ],
    }


def bars(analysis):
    """The six months as bars of an SVG, in its units (a month is BAR_STEP wide); amounts as billed, tax included."""
    if analysis["empty"]:
        return []
    totals = analysis["totals"][:MONTHS]
    top = max(*totals, 1)
    heights = [max(0, total) * BAR_TOP // top for total in totals]
    return [
        {
            "label": in_words(month, _("n月")),
            "total": total,
            "written": shortened(total),
            "middle": place * BAR_STEP + BAR_STEP // 2,
            "left": place * BAR_STEP + (BAR_STEP - BAR_WIDTH) // 2,
            "width": BAR_WIDTH,
            "height": height,
            "top": BAR_BASE - height,
            "above": BAR_BASE - height - 6,
            "last": place == len(totals) - 1,
        }
        for place, (month, total, height) in enumerate(zip(analysis["months"], totals, heights, strict=False))
    ]


def shortened(amount):
    """Yen that fit over a bar: whole up to seven digits, then 万 or 億 (cut off, for the exact amount stands elsewhere); k or M."""
    for unit, word in SHORT[get_language()]:
        if abs(amount) >= unit * 1000:
            return f"{int(amount / unit):,}{word}"
    return f"{amount:,}"


def by_service(invoices):
    """({service name: {month: net yen}} in the services' order, {month: tax yen}), adding up to the invoices' totals.

    Of imported documents only totals are known. Tax-exclusive lines count as they are; the tax-inclusive ones of a tax class share what its stored base leaves.
    """
    lines = (
        InvoiceLine.objects.filter(invoice__in=invoices)
        .order_by("service__position", "service__name")
        .values_list("invoice_id", "invoice__month", "tax_kind", "tax_rate", "service__name", "price_basis")
        .annotate(sum=Cast(Sum("amount"), BigIntegerField()))
    )
    classes = {
        (invoice, kind, rate): [month, base, tax]
        for invoice, month, kind, rate, base, tax in TaxTotal.objects.filter(
            invoice__in=invoices.exclude(kind=Kind.IMPORTED)
        ).values_list("invoice_id", "invoice__month", "kind", "rate", "base", "tax")
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
        for name, part in zip(weights, money.apportioned(left[key], list(weights.values())), strict=True):
            nets[name][month] += part
    taxes: defaultdict[date, int] = defaultdict(int)
    for month, _base, tax in classes.values():
        taxes[month] += tax
    imported = invoices.filter(kind=Kind.IMPORTED).order_by().values_list("month")
    for month, net, tax in imported.annotate(Sum("net"), Sum("tax")):
        nets[_("内訳なし")][month] += int(net)
        taxes[month] += int(tax)
    return nets, taxes


def grouped(nets):
    """Services in their order, each with its colour; from the 7th on they are one 「その他」, unless the 7th is the last."""
    names = list(nets)
    own = names if len(names) <= OWN_COLOURS + 1 else names[:OWN_COLOURS]
    services = [
        {"name": name, "colour": f"s{place}", "by_month": nets[name]} for place, name in enumerate(own, start=1)
    ]
    rest: defaultdict[date, int] = defaultdict(int)
    for name in names[len(own) :]:
        for month, amount in nets[name].items():
            rest[month] += amount
    if rest:
        services.append({"name": _("その他"), "colour": f"s{OWN_COLOURS + 1}", "by_month": rest})
    return services


def pie(services, month):
    """One month, tax-exclusive: the parts to draw, with shares that add up to 100.0, and the negative ones as words."""
    parts = [Part(each["name"], each["colour"], amount) for each in services if (amount := each["by_month"].get(month))]
    drawn = [part for part in parts if part.amount > 0]
    for part, share in zip(drawn, money.shares([part.amount for part in drawn]), strict=True):
        part.share = share
    return {
        "month": month,
        "total": sum(part.amount for part in parts),
        "parts": parts,
        "drawn": drawn,
        "left_out": _("、").join(
            _("{name}（{yen}円）").format(name=part.name, yen=yen(part.amount)) for part in parts if part.amount < 0
        ),
    }
