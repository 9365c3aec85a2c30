"""Invoice pages: 請求一覧 with its ZIP, 請求詳細 with 社内確認, PDF and XML, and 費用分析."""

from functools import partial
from operator import itemgetter

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Q, Sum
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from billing import costs, difference, services
from billing.documents import archive, einvoice
from billing.filters import InvoiceFilter, SeenInvoiceFilter
from billing.forms import ReviewForm
from billing.models import Correction, Invoice, InvoiceLine, InvoicePdf, InvoiceXml, Kind, Review, ReviewState, State
from billing.tables import (
    LOOKS,
    REVIEW_LOOKS,
    DifferenceTable,
    InvoiceLineTable,
    InvoiceTable,
    SeenInvoiceTable,
    ShareTable,
    TaxTotalTable,
    cost_table,
    month_key,
)
from portal import languages
from portal.lists.address import query
from portal.lists.body import lines
from portal.lists.export import csv_of_lines
from portal.lists.screen import Screen, conditions, export_refused, list_screen
from portal.models import Mail, Vendor
from portal.once import once
from portal.templatetags.figures import month_name, signed, yen, ym, ymd

TOLD = (*Mail.ABOUT_DOCUMENTS, Mail.Kind.INVOICE_REMINDER)  # mails that tell the company of a document


@require_http_methods(["GET", "HEAD", "POST"])
def invoice_list(request):
    screen = Screen(
        name="invoices",
        heading=_("請求一覧"),
        bulk=lambda found: offer_of_archive(request, found),
        lead=_("請求金額は翌月の第5営業日までに確定し、確定後に請求書PDFをダウンロードできます。"),
        table=SeenInvoiceTable if request.user.is_onlooker else InvoiceTable,
        filterset=SeenInvoiceFilter if request.user.is_onlooker else InvoiceFilter,
        order=("-month", "-number"),
        key="number",
        tabs="state",
        provisional=("state", Q(state=State.DRAFT)),
        line_table=InvoiceLineTable,
        lines=InvoiceLine.objects.for_user(request.user).of_invoices,
        empty=_("請求はまだありません。契約が始まると、その月の見込がここに出ます。"),
        sum_label=_("確定分の合計（税込）"),
        sums=Sum("total", filter=Q(state=State.FIXED)),
        row_css=lambda row: {"draft": "provisional", "replaced": "past struck", "void": "past struck"}.get(
            row.state, ""
        ),
    )
    return list_screen(request, Invoice.objects.for_user(request.user), screen)


def offer_of_archive(request, found):
    """What stands at the list of the ZIP before anybody takes it: how many documents, how large, and what of them has no file."""
    held = found.fixed().held()
    if not held["documents"]:
        return None
    much = held["documents"] > archive.MOST_DOCUMENTS
    if much:
        note = _("確定した書類が%(n)s件あります。%(most)s件までまとめられますので、請求日などで絞り込んでください。")
    elif held["pdfs"] < held["documents"]:
        note = _("確定した%(n)s件、約%(size)s。索引簿（CSV）付き。PDFのない%(without)s件は索引簿にだけ載ります。")
    else:
        note = _("確定した%(n)s件、約%(size)s。索引簿（CSV）付き。")
    told = {
        "n": yen(held["documents"]),
        "most": yen(archive.MOST_DOCUMENTS),
        "size": filesizeformat(held["size"] or 0),
        "without": held["documents"] - held["pdfs"],
    }
    address = reverse("invoice_archive") + query(request, drop=("page", "per_page", "sort"))
    return {
        "button": _("PDF一括"),
        "label": _("請求書PDFと索引簿（ZIP）"),
        "note": note % told,
        "url": "" if much else address,
    }


@require_safe
def invoice_archive(request):
    """What is fixed of the list's filter, as ZIP with 索引簿; 400 with a page where the filter is wrong or finds too much."""
    filterset = InvoiceFilter(request.GET, queryset=Invoice.objects.for_user(request.user), request=request)
    refused = partial(export_refused, request, reverse("invoice_list"), _("請求一覧"))
    if not filterset.is_valid():
        wrong = [f"{filterset.form[name].label}: {' '.join(texts)}" for name, texts in filterset.form.errors.items()]
        return refused(_("絞り込みの条件を読み取れません"), wrong)
    try:
        packed = archive.gather(filterset.qs)
    except archive.TooMuch:
        reason = _(
            "一度にまとめられるのは%(most)s件、2GBまでです。請求日などで絞り込み、何回かに分けてダウンロードしてください。"
        )
        return refused(_("書類が多いため、まとめられませんでした"), [reason % {"most": yen(archive.MOST_DOCUMENTS)}])
    taken = request.method == "GET"
    if taken:
        with languages.house():
            told = [f"{label} {words}" for _name, label, words in conditions(filterset)]
            services.note_archive(packed.documents, told, by=request.user)
    body = archive.stream(packed, request.user) if taken else ()
    name = f"invoices-{timezone.localdate():%Y%m%d}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Length": str(packed.size)}
    return StreamingHttpResponse(body, content_type="application/zip", headers=headers)


@require_safe
def invoice_detail(request, number):
    invoice = shown_invoice(request, number)
    if request.GET.get("export") == "csv":
        encoding = request.GET.get("encoding")
        return csv_of_lines(InvoiceLineTable, invoice.lines.all(), name=invoice.number, encoding=encoding)
    return detail(request, invoice)


@require_POST
@once
def invoice_review(request, number):
    """Note 社内確認, and show the document again with what is wrong about the form, if it is."""
    invoice = shown_invoice(request, number)
    form = ReviewForm(invoice, request.POST)
    if form.is_valid():
        try:
            services.review_invoice(invoice, **form.cleaned_data, by=request.user)
            messages.success(request, _("社内確認を記録しました。"))
        except ValidationError as refused:  # it was replaced or taken back meanwhile
            messages.error(request, refused.messages[0])
        return redirect(reverse("invoice_detail", args=[number]) + "#review")
    return detail(request, invoice, form)


def shown_invoice(request, number):
    rows = Invoice.objects.for_user(request.user).with_files().with_download()
    return get_object_or_404(rows.select_related("corrects", "customer"), number=number)


def detail(request, invoice, form=None):
    """請求詳細; `form` is a 社内確認 that was refused."""
    explained = difference.explained(Invoice.objects.for_user(request.user), invoice)
    own = not request.user.is_onlooker
    reviews = list(invoice.reviews.select_related("user")) if own else []
    review = reviews[0] if reviews else Review(state=ReviewState.OPEN)
    none = _("内訳はありません。PDFをご覧ください。") if invoice.kind == Kind.IMPORTED else ""
    context = {
        "invoice": invoice,
        "page_address": reverse("invoice_detail", args=[invoice.number]),
        "look": LOOKS[invoice.state],
        "difference": explained,
        "changes": explained and explained.changes is not None and change_lines(explained),
        "reviews": reviews,
        "review": review,
        "review_look": REVIEW_LOOKS[ReviewState(review.state)],
        "form": own and reviewed(invoice) and (form or ReviewForm(invoice, initial={"state": review.state})),
        "facts": header(invoice),
        "lines": lines(
            InvoiceLineTable, invoice.lines.select_related("contract", "order"), label=_("明細"), empty=none
        ),
        "classes": lines(
            TaxTotalTable, invoice.tax_totals.all(), label=_("税率区分ごとの合計"), empty=none and _("内訳なし")
        ),
        "reduced": invoice.lines.filter(tax_kind="reduced").exists(),
        "balances": invoice.balances(),
        "past": invoice.lines.adjusting_past().exists(),
        "credit_method": (invoice.issuer or {}).get("credit_method")
        or Vendor.objects.for_user(request.user).get().credit_method,
        "no_xml": einvoice.reason_against(invoice),
        "returns": invoice.gives_back,
        "related": related(invoice, request.user),
        "notices": notices(invoice, request.user),
        "happened": happened(invoice, request.user),
    }
    return render(request, "billing/invoice_detail.html", context)


def happened(invoice, user):
    """(when, mail or download) of the document's notices and its last ten downloads, the newest first."""
    mails = Mail.objects.for_user(user).filter(key__in=[f"{kind}:{invoice.number}" for kind in TOLD])
    downloads = invoice.downloads.select_related("user").order_by("-at")[:10]
    found = [(each.sent_at or each.created_at, each) for each in mails] + [(each.at, each) for each in downloads]
    return sorted(found, key=itemgetter(0), reverse=True)


def reviewed(invoice):
    """Whether 社内確認 is asked of it: an imported document was looked at elsewhere, unless its day is still to come."""
    waits = invoice.kind != Kind.IMPORTED or (invoice.due_on and invoice.due_on >= timezone.localdate())
    return invoice.state == State.FIXED and waits


def change_lines(found):
    """The causes of a difference; its amount is their sum."""
    foot = (_("差額（税込）"), {"amount": signed(found.amount)})
    return lines(DifferenceTable, found.changes, label=_("前月との差"), empty=_("前月と同じ内容です。"), foot=foot)


def related(invoice, user):
    """(label, document, its look) of those that this one names, and of those that name it, both ways."""
    rows = Invoice.objects.for_user(user).order_by("month", "number")
    rebilled = InvoiceLine.objects.for_user(user).filter(origin=InvoiceLine.Origin.REBILL)
    former = rebilled.filter(invoice=invoice).values("replaces__invoice")
    following = rebilled.filter(replaces__invoice=invoice).values("invoice")
    original = _("元の請求") if invoice.gives_back else _("訂正元")
    found = [(original, each) for each in rows.filter(pk=invoice.corrects_id)]
    found += [(each.get_kind_display(), each) for each in rows.filter(corrects=invoice)]
    found += [(_("再請求の元"), each) for each in rows.filter(pk__in=former)]
    found += [(_("再請求"), each) for each in rows.filter(pk__in=following)]
    return [(label, each, LOOKS[each.state]) for label, each in found]


def notices(invoice, user):
    """(text, reason, when) of what made this document and of what became of it."""
    words = {
        Correction.What.REISSUE: _("この請求書は修正請求書に差し替えました。お手元の請求書も差し替えてください。"),
        Correction.What.VOID: _("この請求は取り消しました。"),
    }
    made = {
        Correction.What.REISSUE: _("%(number)s を差し替えた修正請求書です。"),
        Correction.What.RETURN: _("%(number)s の返還請求書です。"),
    }
    if invoice.asks_for_payment:
        made[Correction.What.REISSUE] = _(
            "%(number)s を差し替えた修正請求書です。訂正前の請求書ですでにお支払いのときは、重ねてのお支払いは不要です。"
        )
    done = Correction.objects.for_user(user).select_related("invoice")
    found = [(made[each.what] % {"number": each.invoice.number}, each) for each in done.filter(made=invoice)]
    found += [(words[each.what], each) for each in done.filter(invoice=invoice, what__in=words)]
    return [(text, each.reason, each.at) for text, each in found]


def header(invoice):
    """(label, text) of the document's head; until it is fixed, addressed to whom the customer names today."""
    to = invoice.addressee or {
        "name": invoice.customer.addressee_name,
        "department": invoice.customer.billing_department,
        "person": invoice.customer.billing_person,
    }
    day = (_("確定日"), ymd(invoice.fixed_on)) if invoice.is_fixed else (_("確定予定日"), ymd(invoice.fix_due_on))
    return [
        (_("請求番号"), invoice.number),
        (_("請求対象年月"), ym(invoice.month)),
        (_("件名"), invoice.subject),
        (_("返還日") if invoice.gives_back else _("請求日"), ymd(invoice.issued_on)),
        day,
        *([] if invoice.gives_back or invoice.is_free else [(_("支払方法"), invoice.get_payment_method_display())]),
        (_("宛先"), addressed(to)),
    ]


def addressed(to):
    """A person is 様, a company or department 御中; never both."""
    names = [to.get(part) for part in ("name", "department", "person") if to.get(part)]
    return (_("%(names)s 様") if to.get("person") else _("%(names)s 御中")) % {"names": " ".join(names)}


@require_safe
def invoice_pdf(request, number):
    return handed_out(request, number, InvoicePdf, "pdf")


@require_safe
def invoice_xml(request, number):
    return handed_out(request, number, InvoiceXml, "xml")


def handed_out(request, number, kept, kind):
    """The stored bytes; 404 until the amount is fixed and the file is there (D5, D10)."""
    invoice = get_object_or_404(Invoice.objects.for_user(request.user).fixed(), number=number)
    stored = get_object_or_404(kept.objects.for_user(request.user), invoice=invoice)
    if request.method == "GET":
        services.note_download(invoice, by=request.user)
    return HttpResponse(
        bytes(stored.content),
        content_type=f"application/{kind}",
        headers={"Content-Disposition": f'attachment; filename="{number}.{kind}"', "ETag": f'"{stored.sha256}"'},
    )


@require_safe
def costs_page(request):
    with_running = request.GET.get("running") == "1"
    found = costs.analysis(Invoice.objects.for_user(request.user), with_running)
    if not found["empty"]:
        found["lines"] = cost_lines(found)
        for pie in found["pies"]:
            pie["lines"] = share_lines(pie)
    return render(request, "billing/costs.html", found)


def cost_lines(analysis):
    """The table below the bars: services, tax and, as its foot, the amounts billed."""
    table = cost_table(analysis["months"], analysis["running"])
    totals = {month_key(month): yen(total) for month, total in zip(analysis["months"], analysis["totals"], strict=True)}
    return lines(table, analysis["rows"], label=_("月ごとの費用"), foot=(_("請求金額（税込）"), totals))


def share_lines(pie):
    """The table below a pie, negative parts included; its shares are of what is drawn."""
    foot = {"amount": yen(pie["total"]), "share": "100.0%" if pie["drawn"] else "-"}
    return lines(
        ShareTable,
        pie["parts"],
        label=_("{month}分の構成比").format(month=month_name(pie["month"])),
        empty=_("この月の金額はありません。"),
        foot=(_("合計（税抜）"), foot),
    )
