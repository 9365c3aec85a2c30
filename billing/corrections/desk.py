"""Staff's page 「訂正する」: asks the cause, proposes the lawful form, shows every document that would arise or change, then does it."""

from functools import partial

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from billing.corrections.causes import CAUSES, Way, ways_of
from billing.corrections.giving_back import Part, by_days, by_quantity, give_back
from billing.corrections.making import ADD
from billing.corrections.preview import Changed, do_as_shown, preview
from billing.corrections.reissue import EDITABLE, reissue
from billing.corrections.voiding import void
from billing.models import Invoice
from contracts.services import amount_of
from portal import months, rights
from portal.forms import DayField, LineField, NumberField, WholeField
from portal.models import PriceBasis, TaxKind
from portal.money import MOST_YEN
from portal.once import once
from portal.templatetags.figures import yen

LINES_SHOWN = 40  # of a document with more, one looks for those that are meant


class AskedForm(forms.Form):
    """What belongs to the document as a whole; each way has its own questions beside the reason."""

    reason = LineField(
        label=gettext_lazy("理由"), max_length=200, help_text=gettext_lazy("お客様の画面と変更履歴にも表示されます。")
    )
    from_orders = forms.BooleanField(label=gettext_lazy("明細を注文・使用量・調整から取り直す"), required=False)
    everything = forms.BooleanField(label=gettext_lazy("返還できる残りをすべて返還する"), required=False)
    chain = forms.BooleanField(label=gettext_lazy("先に取り消す必要がある請求も一緒に取り消す"), required=False)
    OWN = {Way.REISSUE: ["from_orders"], Way.RETURN: ["everything"], Way.VOID: ["chain"], Way.REBILL: ["chain"]}

    def __init__(self, way, *args, **options):
        super().__init__(*args, **options)
        for name in {"from_orders", "everything", "chain"} - set(self.OWN[way]):
            del self.fields[name]


class RestatedForm(forms.Form):
    """A line as it should have been; an amount that is left alone follows quantity and price."""

    item = LineField(label=gettext_lazy("品目"), max_length=100)
    specification = LineField(label=gettext_lazy("仕様"), max_length=200, required=False)
    starts_on = DayField(label=gettext_lazy("利用開始日"))
    ends_on = DayField(label=gettext_lazy("利用終了日"))
    quantity = NumberField(label=gettext_lazy("数量"), max_digits=12, decimal_places=3)
    unit = LineField(label=gettext_lazy("単位"), max_length=10, required=False)
    unit_price = NumberField(label=gettext_lazy("単価"), max_digits=14, decimal_places=2)
    amount = WholeField(
        label=gettext_lazy("金額"), min_value=-MOST_YEN, max_value=MOST_YEN, required=False,
        help_text=gettext_lazy("変えなければ、数量か単価を直したときに計算し直します。"),
    )  # fmt: skip
    price_basis = forms.ChoiceField(label=gettext_lazy("税抜・税込"), choices=PriceBasis)
    tax_kind = forms.ChoiceField(label=gettext_lazy("税区分"), choices=TaxKind)

    def __init__(self, line, data, prefix):
        self.line = line
        super().__init__(data, prefix=prefix, initial={name: getattr(line, name) for name in EDITABLE})

    def given(self):
        """What differs from the line as it stands."""
        given = {name: self.cleaned_data[name] for name in self.changed_data}
        if "amount" in given and given["amount"] is None:
            given["amount"] = amount_of(self.cleaned_data["quantity"], self.cleaned_data["unit_price"])
        return given


class ReturnedForm(forms.Form):
    """What is given back of a line: by one of amount, quantity and days; signs are set by themselves."""

    yen = WholeField(label=gettext_lazy("金額（円）"), min_value=1, max_value=MOST_YEN, required=False)
    quantity = NumberField(label=gettext_lazy("数量"), max_digits=12, decimal_places=3, required=False)
    days = WholeField(label=gettext_lazy("日数"), min_value=1, max_value=36600, required=False)

    def __init__(self, line, data, prefix):
        self.line = line
        super().__init__(data, prefix=prefix)

    def clean(self):
        """Also finds the yen, so that what can't be stands beside the line."""
        given = {name: value for name, value in self.cleaned_data.items() if value is not None}
        if len(given) > 1:
            raise ValidationError(_("金額、数量、日数のどれか1つを入力してください。"))
        self.part = None
        for name, value in given.items():
            try:
                self.part = self.part_of(name, value)
            except ValidationError as refused:
                self.add_error(name, refused)

    def part_of(self, name, value):
        match name:
            case "quantity":
                return by_quantity(self.line, value)
            case "days":
                return by_days(self.line, value)
        return Part(value)


ROWS = {Way.REISSUE: RestatedForm, Way.RETURN: ReturnedForm}


@once
def correct_page(request, invoice):
    """One page in three steps: the cause (GET), the form with its lines (GET with `cause`), the preview and the doing (POST)."""
    rights.need(request.user, ADD)
    found = get_object_or_404(Invoice.objects.select_related("customer", "corrects"), pk=invoice)
    ways = ways_of(found)
    if not ways:
        messages.error(
            request, _("この請求は訂正できません。未確定なら契約か調整を、差替済なら最新の請求を直してください。")
        )
        return redirect("admin:billing_invoice_change", invoice)
    asked = request.POST if request.method == "POST" else request.GET
    cause, way = CAUSES.get(asked.get("cause", "")), asked.get("way", "")
    if len(ways) == 1:
        way = ways[0]
    elif not way and cause:
        way = cause.way
    if not way:
        return shown(request, found, "correct_cause", {"causes": CAUSES.items()})
    if way not in ways:
        raise Http404
    way = Way(way)
    forms_of = partial(made_forms, found, way, asked.get("q", ""))
    context = {
        "cause": asked.get("cause", ""),
        "why": cause and cause.why,
        "way": way,
        "ways": ways,
        "q": asked.get("q", ""),
    }
    if request.method != "POST":
        form, rows, more = forms_of(None)
        return shown(request, found, "correct", context | {"form": form, "rows": rows, "more": more})
    form, rows, more = forms_of(request.POST)
    context |= {"form": form, "rows": rows, "more": more}
    if all([form.is_valid(), *(row.is_valid() for row in rows)]):
        act = act_of(found, way, form, rows, by=request.user)
        try:
            if "confirm" in request.POST:
                done, _outcome = do_as_shown(found, act, request.POST.get("digest", ""))
                messages.success(request, told(found, done))
                return redirect("admin:billing_invoice_change", done.pk)
            context["outcome"] = preview(found, act)[1]
        except Changed as changed:
            messages.error(request, " ".join(changed.messages))
            context["outcome"] = preview(found, act)[1]
        except ValidationError as refused:
            form.add_error(None, refused.messages)
    return shown(request, found, "correct", context)


def made_forms(invoice, way, looked_for, data):
    """(the document's form, one for each line that is shown, whether there are more lines)."""
    form = AskedForm(way, data)
    if way not in ROWS:
        return form, [], False
    lines = invoice.lines.charging().with_left().select_related("contract").order_by("position")
    if looked_for:
        named = Q(item__icontains=looked_for) | Q(contract__number__icontains=looked_for)
        lines = lines.filter(named | Q(specification__icontains=looked_for))
    if way == Way.RETURN:
        lines = lines.filter(returnable__gt=0)
    found = list(lines[: LINES_SHOWN + 1])
    rows = [ROWS[way](line, data, prefix=f"line-{line.pk}") for line in found[:LINES_SHOWN]]
    return form, rows, len(found) > LINES_SHOWN


def act_of(invoice, way, form, rows, *, by):
    """What the forms ask for, to be done once or tried."""
    said = {"reason": form.cleaned_data["reason"], "by": by, "today": months.today()}
    if way == Way.REISSUE:
        changes = {row.line.pk: given for row in rows if (given := row.given())}
        return partial(reissue, invoice, changes, from_orders=form.cleaned_data["from_orders"], **said)
    if way == Way.RETURN:
        parts = {row.line.pk: row.part for row in rows if row.part is not None}
        return partial(give_back, invoice, None if form.cleaned_data["everything"] else parts, **said)
    return partial(void, invoice, rebill=way == Way.REBILL, chain=form.cleaned_data["chain"], **said)


def told(invoice, done):
    if done.pk == invoice.pk:
        return _("%(number)s を取り消しました。") % {"number": invoice.number}
    given = {"former": invoice.number, "kind": done.get_kind_display(), "number": done.number, "yen": yen(done.total)}
    return _("%(former)s の%(kind)s %(number)s（%(yen)s円）を作りました。") % given


def shown(request, invoice, template, context):
    given = {"title": _("訂正する"), "invoice": invoice, **context}
    return render(request, f"admin/billing/{template}.html", admin.site.each_context(request) | given)
