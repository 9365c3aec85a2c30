"""What 「訂正する」 asks: of the document, and of each of its lines that is to be put right or given back."""

import re

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from billing.corrections.causes import Way
from billing.corrections.giving_back import Part, by_days, by_quantity
from billing.corrections.imported import lines_of, restatable
from billing.corrections.reissue import EDITABLE
from billing.models import InvoiceLine, Kind, State
from contracts.services import amount_of
from portal import fonts
from portal.forms import DayField, LineField, NumberField, WholeField
from portal.models import PriceBasis, TaxKind
from portal.money import MOST_YEN

LINES_SHOWN = 40  # of a document with more, one looks for those that are meant


class AskedForm(forms.Form):
    """What belongs to the document as a whole; each way has its own questions beside the reason."""

    reason = LineField(
        label=gettext_lazy("理由"), max_length=200, help_text=gettext_lazy("お客様の画面と変更履歴にも表示されます。")
    )
    from_orders = forms.BooleanField(label=gettext_lazy("明細を注文・使用量・調整から取り直す"), required=False)
    everything = forms.BooleanField(label=gettext_lazy("返還できる残りをすべて返還する"), required=False)
    no_document = forms.BooleanField(
        label=gettext_lazy("返還請求書を作らない"), required=False,
        help_text=gettext_lazy("税込1万円未満の返還だけ。返還の記録は残り、お知らせのメールは送りません。"),
    )  # fmt: skip
    chain = forms.BooleanField(label=gettext_lazy("先に取り消す必要がある請求も一緒に取り消す"), required=False)
    OWN = {
        Way.REISSUE: ["from_orders"],
        Way.RETURN: ["everything", "no_document"],
        Way.VOID: ["chain"],
        Way.REBILL: ["chain"],
    }

    def __init__(self, invoice, way, data=None, typed=None):
        """With `typed` it keeps what was typed without judging it."""
        super().__init__(data, initial=typed)
        asked = set(self.OWN[way])
        if invoice.kind == Kind.IMPORTED:
            asked.discard("from_orders")
        if invoice.gives_back or invoice.state == State.VOID:  # on which nothing can rest
            asked.discard("chain")
        for name in {"from_orders", "everything", "no_document", "chain"} - asked:
            del self.fields[name]


class RestatedForm(forms.Form):
    """A line as it should have been; an amount that is left alone follows quantity and price."""

    item = LineField(label=gettext_lazy("品目"), max_length=100)
    specification = LineField(label=gettext_lazy("仕様"), max_length=200, required=False)
    purchase_order = LineField(label=gettext_lazy("発注番号"), max_length=50, required=False)
    starts_on = DayField(label=gettext_lazy("利用開始日"))
    ends_on = DayField(label=gettext_lazy("利用終了日"))
    quantity = NumberField(label=gettext_lazy("数量"), max_digits=12, decimal_places=3)
    unit = LineField(label=gettext_lazy("単位"), max_length=10, required=False)
    unit_price = NumberField(label=gettext_lazy("単価"), max_digits=14, decimal_places=2)
    amount = WholeField(
        label=gettext_lazy("金額"), min_value=-MOST_YEN, max_value=MOST_YEN, required=False,
        help_text=gettext_lazy(
            "「税抜・税込」で選んだ方の金額です。変えなければ、数量か単価を直したときに計算し直します。"
        ),
    )  # fmt: skip
    price_basis = forms.ChoiceField(label=gettext_lazy("税抜・税込"), choices=PriceBasis)
    tax_kind = forms.ChoiceField(label=gettext_lazy("税区分"), choices=TaxKind)

    def __init__(self, line, data, prefix):
        self.line = line
        super().__init__(data, prefix=prefix, initial={name: getattr(line, name) for name in EDITABLE})

    def clean(self):
        """A 修正 is fixed at once, so it takes no character that it can't print; what stands already may stay."""
        for name in set(InvoiceLine.PRINTED) & set(self.changed_data):
            if lacking := fonts.missing(self.cleaned_data.get(name, "")):
                self.add_error(name, _("次の文字は書類に印刷できません: %(lacking)s") % {"lacking": lacking})
        if (
            not self.line.item
            and not self.errors
            and not (self.cleaned_data["amount"] or self.cleaned_data["unit_price"])
        ):
            self.add_error("amount", _("金額か単価を入力してください。"))

    def given(self):
        """What differs from the line as it stands."""
        given = {name: self.cleaned_data[name] for name in self.changed_data}
        if "amount" in given and given["amount"] is None:
            given["amount"] = amount_of(self.cleaned_data["quantity"], self.cleaned_data["unit_price"])
        return given


class ReturnedForm(forms.Form):
    """What is given back of a line: by one of amount, quantity and days; signs are set by themselves."""

    yen = WholeField(min_value=1, max_value=MOST_YEN, required=False)
    quantity = NumberField(label=gettext_lazy("数量"), max_digits=12, decimal_places=3, required=False)
    days = WholeField(label=gettext_lazy("日数"), min_value=1, max_value=36600, required=False)

    def __init__(self, line, data, prefix):
        self.line = line
        super().__init__(data, prefix=prefix)
        self.fields["yen"].label = _("金額（%s、円）") % line.get_price_basis_display()

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


def rows_of(invoice, way, looked_for, data):
    """(a form for each line that is shown, whether there are more): what was typed into already, whatever is looked for, and what is found."""
    if way not in ROWS:
        return [], False
    named = {int(match[1]) for name in data or () if (match := re.match(r"line-(\d{1,18})-", name))}
    if invoice.kind == Kind.IMPORTED:
        found = imported_lines(invoice, way, named, more="add" in (data or ()))
        tried = [row_of(way, line, data if line.pk in named else None) for line in found]
        return [row if row.is_bound and row.has_changed() else row_of(way, row.line, None) for row in tried], False
    lines = invoice.lines.charging().with_left().select_related("contract").order_by("position")
    if way == Way.RETURN:
        lines = lines.filter(returnable__gt=0)
    typed = [row for line in lines.filter(pk__in=named) if (row := row_of(way, line, data)).has_changed()]
    found = lines.exclude(pk__in=[row.line.pk for row in typed])
    if looked_for:
        of_contract = Q(contract__number__icontains=looked_for)
        found = found.filter(of_contract | Q(item__icontains=looked_for) | Q(specification__icontains=looked_for))
    found = list(found[: LINES_SHOWN + 1])
    rows = [*typed, *(row_of(way, line, None) for line in found[:LINES_SHOWN])]
    return sorted(rows, key=lambda row: row.line.position), len(found) > LINES_SHOWN


def imported_lines(invoice, way, named, *, more):
    """What stands for lines there, those added by hand as well, with one `more`."""
    if way == Way.RETURN:
        return [line for line in lines_of(invoice) if line.returnable]
    known = restatable(invoice, named)
    return restatable(invoice, named | {known[-1].position + 1}) if more else known


def row_of(way, line, data):
    return ROWS[way](line, data, prefix=f"line-{line.pk}")
