"""Staff's page 「訂正する」: asks the cause, proposes the lawful form, shows every document that would arise or change, then does it."""

from functools import partial

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _

from billing.corrections import chains
from billing.corrections.causes import Way, causes_of, ways_of
from billing.corrections.forms import AskedForm, rows_of
from billing.corrections.giving_back import give_back
from billing.corrections.making import ADD
from billing.corrections.preview import Changed, do_as_shown, preview
from billing.corrections.reissue import reissue
from billing.corrections.voiding import void
from billing.models import Invoice, Kind
from billing.proposals import Proposal, in_words, proposals, summed
from portal import months, rights
from portal.models import Vendor
from portal.once import once
from portal.templatetags.figures import month_name, yen


@once
def correct_page(request, invoice):
    """One page in three steps: the cause (GET), the form with its lines (GET with `cause`), the preview and the doing (POST)."""
    rights.need(request.user, ADD)
    found = get_object_or_404(Invoice.objects.select_related("customer", "corrects"), pk=invoice)
    ways = ways_of(found)
    if not ways:
        messages.error(request, instead_of(found))
        return redirect("admin:billing_invoice_change", invoice)
    asked = request.POST if request.method == "POST" else request.GET
    causes = causes_of(found, ways)
    cause, way = causes.get(asked.get("cause", "")), asked.get("way", "")
    if len(ways) == 1:
        way = ways[0]
    elif not way and cause:
        way = cause.way
    told = {"cause": asked.get("cause", ""), "why": cause and cause.why, "ways": ways}
    if way is None:
        return shown(request, found, "correct_elsewhere", told | {"drafts": drafts_of(found)})
    if not way:
        return shown(request, found, "correct_cause", {"causes": causes.items()})
    if way not in ways:
        raise Http404
    context = told | {"way": Way(way), "q": asked.get("q", "")} | told_beside(found, Way(way), request.user)
    context["adds"] = found.kind == Kind.IMPORTED and way == Way.REISSUE
    if request.method == "POST" and not {"find", "add"} & request.POST.keys():
        return judged(request, found, context)
    context["form"] = AskedForm(found, way, typed=request.POST.dict())
    context["rows"], context["more"] = rows_of(found, way, context["q"], request.POST or None)
    return shown(request, found, "correct", context)


def judged(request, invoice, context):
    """What the forms ask for, tried and shown, or done where it is still what was shown; else what is wrong with them."""
    way = context["way"]
    form = context["form"] = AskedForm(invoice, way, request.POST)
    rows, context["more"] = rows_of(invoice, way, context["q"], request.POST)
    context["rows"] = rows
    typed = [row for row in rows if row.is_bound]
    if all([form.is_valid(), *(row.is_valid() for row in typed)]):
        act = act_of(invoice, way, form, typed, by=request.user)
        try:
            if "confirm" in request.POST:
                done, outcome = do_as_shown(invoice, act, request.POST.get("digest", ""))
                messages.success(request, told_of(invoice, done, outcome))
                return redirect("admin:billing_invoice_change", done.pk)
            context["outcome"] = preview(invoice, act)[1]
        except Changed as changed:
            messages.error(request, " ".join(changed.messages))
            context["outcome"] = preview(invoice, act)[1]
        except ValidationError as refused:
            form.add_error(None, refused.messages)
            numbers = (getattr(refused, "params", None) or {}).get("numbers", [])
            context["resting"] = Invoice.objects.filter(customer=invoice.customer_id, number__in=numbers)
    context["faulty"] = form.errors or any(row.errors for row in typed)
    return shown(request, invoice, "correct", context)


def told_beside(invoice, way, by):
    """What the page says of other ways to give money back: open proposals of these contracts (D27), and 翌月調整 (D28).

    Where a 返還 carries out decisions, it says which contracts wait for one again once it is void.
    """
    if way == Way.VOID:
        lines = invoice.lines.exclude(decision=None).order_by("contract__number")
        return {"undecided": list(lines.values_list("contract", "contract__number").distinct())}
    if way != Way.RETURN:
        return {}
    here = set(invoice.lines.exclude(contract=None).values_list("contract", flat=True))
    found: dict[tuple[int, str], list[Proposal]] = {}
    for each in proposals([invoice.customer_id]):
        if each.contract_id in here:
            found.setdefault((each.contract_id, each.contract), []).append(each)
    has_lines = invoice.kind != Kind.IMPORTED
    credits = has_lines and rights.may(by, "billing.add_credit") and Vendor.objects.settings().carries_credits
    told = [(pk, number, in_words(summed(each))) for (pk, number), each in found.items()]
    return {"proposals": told, "credits": credits}


def drafts_of(invoice):
    return Invoice.objects.drafts().filter(customer=invoice.customer_id).order_by("month")


def instead_of(invoice):
    """What to do with a document that can't be corrected, with a link to the newest of its chain."""
    newest = chains.newest_of(invoice)
    if newest.pk != invoice.pk:
        link = format_html('<a href="{}">{}</a>', reverse("admin:billing_invoice_change", args=[newest.pk]), newest)
        return format_html(_("この請求は差し替えられています。最新の請求 {} を直してください。"), link)
    return _("この請求は訂正できません。未確定なら契約か調整を、差替済なら最新の請求を直してください。")


def act_of(invoice, way, form, rows, *, by):
    """What the forms ask for, to be done once or tried."""
    said = {"reason": form.cleaned_data["reason"], "by": by, "today": months.today()}
    if way == Way.REISSUE:
        changes = {row.line.pk: given for row in rows if (given := row.given())}
        return partial(reissue, invoice, changes, from_orders=form.cleaned_data.get("from_orders", False), **said)
    if way == Way.RETURN:
        parts = {row.line.pk: row.part for row in rows if row.part is not None}
        said["without_document"] = form.cleaned_data["no_document"]
        return partial(give_back, invoice, None if form.cleaned_data["everything"] else parts, **said)
    return partial(void, invoice, rebill=way == Way.REBILL, chain=form.cleaned_data.get("chain", False), **said)


def told_of(invoice, done, outcome):
    if outcome.rebilled_in:
        given = {"number": invoice.number, "month": month_name(outcome.rebilled_in)}
        return _("%(number)s の明細を、%(month)sの請求で再請求します。") % given
    if done.pk == invoice.pk:
        return _("%(number)s を取り消しました。") % {"number": invoice.number}
    given = {"former": invoice.number, "kind": done.get_kind_display(), "number": done.number, "yen": yen(done.total)}
    return _("%(former)s の%(kind)s %(number)s（%(yen)s円）を作りました。") % given


def shown(request, invoice, template, context):
    given = {"title": _("訂正する"), "invoice": invoice, "opts": Invoice._meta, **context}
    return render(request, f"admin/billing/{template}.html", admin.site.each_context(request) | given)
