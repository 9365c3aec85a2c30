"""The invoice as PDF/A-3a: a qualified invoice (適格請求書, 消費税法 57条の4) made from frozen rows only.

WeasyPrint is imported where it is used: it takes half a second, and most processes never render.
"""

import atexit
import os
from functools import cache, partial
from typing import Any

from django.conf import settings
from django.template.loader import get_template
from django.utils import translation

from accounts.models import Calendar
from billing.documents import annex, parts, registered
from billing.models import Kind
from portal import fonts, seal
from portal.models import PriceBasis, RoundingMode, TaxClass, TaxKind
from portal.templatetags.figures import imperial_years, plain, yen

# The layout of what is fixed from now on, a folder of `templates/billing/invoice_pdf/`. What documents were fixed with stays as
# it is, and so does what it is given here: the same rows give the same bytes. A change of the page begins a new folder.
LAYOUT = "v2"
VARIANT = "pdf/a-3a"
TITLES = {Kind.INVOICE: "請求書", Kind.CORRECTION: "修正請求書", Kind.RETURN: "返還請求書"}
ROUNDED = {
    RoundingMode.DOWN: "切り捨てています",
    RoundingMode.HALF_UP: "四捨五入しています",
    RoundingMode.UP: "切り上げています",
}
# Of a line's figures at 8.5pt, in millimetres: a digit, what separates digits, and the paddings of the cell.
DIGIT, SEPARATOR, PADDING = 1.67, 1.05, 2.6
LEAST = {"no": 8.0, "quantity": 11.0, "price": 17.0, "amount": 23.0, "sum": 30.0}


@cache
def style(version):
    """Fonts and stylesheet of one template version, parsed once a process: a parse for each PDF would grow for ever."""
    from weasyprint import CSS
    from weasyprint.text.fonts import FontConfiguration

    machines = os.environ.get("FONTCONFIG_FILE")
    os.environ["FONTCONFIG_FILE"] = str(settings.FONTS / "fonts.conf")
    try:
        configuration = FontConfiguration()
    finally:
        os.environ.pop("FONTCONFIG_FILE")
        if machines is not None:
            os.environ["FONTCONFIG_FILE"] = machines
    return configuration, CSS(string=style_text(version), font_config=configuration)


def style_text(version):
    """The stylesheet with the faces that it asks for; the vendor's own come last wherever it names the shipped ones."""
    faces = "".join(
        f"@font-face {{ font-family: {face.family}; font-weight: {face.weight}; src: url('{face.path.as_uri()}') }}\n"
        for face in fonts.kept().faces
    )
    sheet: Any = get_template(f"billing/invoice_pdf/{version}/invoice.css")
    shipped = ", ".join(family for family, _file in fonts.SHIPPED)
    return faces + sheet.template.source.replace(shipped, ", ".join(fonts.kept().families))


atexit.register(style.cache_clear)  # fonts that outlive the library they belong to complain at the process's end


def widths(lines, sums):
    """Millimetres of the columns of figures, each as wide as its longest one needs; the items get what is left."""
    figures = {
        "no": [str(len(lines))],
        "quantity": [plain(line.quantity) for line in lines],
        "price": [plain(line.unit_price) for line in lines],
        "amount": [yen(line.amount) for line in lines],
        "sum": [yen(each.amount) for each in sums],
    }
    return {name: f"{max([LEAST[name], *map(width, texts)]):.1f}" for name, texts in figures.items()}


def width(figure):
    digits = sum(map(str.isdigit, figure))
    return PADDING + digits * DIGIT + (len(figure) - digits) * SEPARATOR


def render(invoice):
    """Bytes of the PDF of a fixed invoice. The same rows give the same bytes. Raises whatever the layout raises."""
    from weasyprint import HTML
    from weasyprint.urls import URLFetcher

    configuration, sheet = style(invoice.template)
    context = facts_of(invoice)

    def lay_out(name, **more):
        # Nothing in a document may make the renderer fetch: no file, no address (SSRF). The seal is in the document itself.
        fetcher = URLFetcher(allowed_protocols=["data"] if context["seal"] else [])
        document = HTML(string=page(invoice, context | more, name), url_fetcher=fetcher)
        return document.render(font_config=configuration, stylesheets=[sheet], pdf_variant=VARIANT)

    if invoice.template == "v1":  # its bytes stay as they were
        return lay_out("invoice").write_pdf(pdf_variant=VARIANT)
    if len(context["rows"]) > parts.MOST_LINES:
        return parts.render(lay_out, write, context["rows"])
    return write(lay_out("invoice"))


def page(invoice, context, name="invoice"):
    """HTML of a template of the document's layout."""
    with translation.override("ja"), imperial_years(invoice.addressee.get("calendar") == Calendar.IMPERIAL):
        return get_template(f"billing/invoice_pdf/{invoice.template}/{name}.html").render(context)


def facts_of(invoice):
    """All that is printed of the document, as its templates name it."""
    lines = list(invoice.lines.select_related("contract", "order").order_by("position"))
    apart = registered.apart(invoice, lines)
    ordered = sorted(lines, key=lambda line: line.pk in apart)
    sums = annex.sums(lines, apart)
    billed = [line for line in lines if line.credit_id is None]  # a credit's period is that of what it gives back
    bases = {line.price_basis for line in lines}
    return {
        "invoice": invoice,
        "title": TITLES[invoice.kind],
        "returns": invoice.kind == Kind.RETURN,
        "to": invoice.addressee,
        "issuer": invoice.issuer,
        "seal": seal.picture(invoice.issuer.get("seal", "")),
        "lines": ordered,
        "rows": ordered,
        "before": 0,
        "first_apart": next((line for line in ordered if line.pk in apart), None),
        "sums": sums,
        "widths": widths(lines, sums),
        "apart": apart,
        "classes": registered.classes(invoice, lines, apart),
        "starts_on": min((line.starts_on for line in billed), default=invoice.month),
        "ends_on": max((line.ends_on for line in billed), default=invoice.issued_on),
        "balances": invoice.balances(),
        "past": invoice.lines.adjusting_past().exists(),
        "reduced": any(line.tax_kind == TaxKind.REDUCED for line in lines),
        "taxed": [kind.value for kind in TaxKind if kind not in TaxClass.UNTAXED],
        "rounded": ROUNDED[invoice.rounding],
        "mixed": len(bases) > 1,
        "basis": PriceBasis(bases.pop()).label if len(bases) == 1 else "",
    }


def write(document, part=0):
    """Bytes of what is laid out, with its tags; `part` where several documents become one."""
    return document.write_pdf(pdf_variant=VARIANT, finisher=partial(name_heads, part=part))


def name_heads(document, made, part):
    """Each header cell says whether it heads its column or its row (PDF/UA); WeasyPrint leaves that to the cells it heads.

    They know it by its name, which no other part may have given.
    """

    def parent(element):
        return made.objects[int(element["P"].split()[0])]

    for each in made.objects:
        if isinstance(each, dict) and each.get("S") == "/TH":
            heads_column = parent(parent(each))["S"] == "/THead"
            each["A"]["Scope"] = "/Column" if heads_column else "/Row"
            if part:
                each["ID"].string = f"{part}-{each['ID'].string}"
