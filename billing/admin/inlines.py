"""What of a draft staff change on its page: adjustments and 一括値引き, each a narrow form with one empty row."""

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from billing.models import Discount, InvoiceLine
from billing.services import discountable, price_adjustment
from portal import money, reading
from portal.desk import READ
from portal.forms import NumberField, OwnRows
from portal.money import MOST_YEN
from portal.months import last_day
from portal.places import LINE_WIDGETS, PlacedRows
from portal.templatetags.figures import plain, yen


class AdjustmentForm(forms.ModelForm):
    class Meta:
        widgets = LINE_WIDGETS

    def _post_clean(self):
        """Also finds the line's amount and tax rate, so that what is wrong with them stands beside the field."""
        super()._post_clean()
        if not self.errors:
            try:
                price_adjustment(self.instance)
            except ValidationError as error:
                self.add_error(None, error)


class AdjustmentFormSet(PlacedRows):
    def get_form_kwargs(self, index):
        """A new line is of the invoice's month, until somebody says otherwise."""
        given = super().get_form_kwargs(index)
        if index is None or index >= self.initial_form_count():
            given["initial"] = {"starts_on": self.instance.month, "ends_on": last_day(self.instance.month)}
        return given


class AdjustmentLines(admin.StackedInline):
    """Adjustments that staff add to a draft; each takes the next place among its lines, and a negative one becomes a credit."""

    leads_to_credits = True

    template = "admin/billing/invoice/rows.html"
    model = InvoiceLine
    form = AdjustmentForm
    formset = AdjustmentFormSet
    formfield_overrides = READ
    extra = 1
    verbose_name = _("調整行")
    verbose_name_plural = _("調整行")
    explanation = _(
        "マイナスの金額は調整残高として登録し、この請求から順に差し引きます。お客様の請求書には数量1式の明細として載ります。金額の1円未満は切り捨てます。"
    )
    fields = [
        "item", "specification", "starts_on", "ends_on", "quantity", "unit", "unit_price", "price_basis", "tax_kind",
    ]  # fmt: skip

    def get_queryset(self, request):
        return super().get_queryset(request).adjustments()


class ShareField(NumberField):
    """Per cent of what an invoice comes to: 10, 10%."""

    def to_python(self, value):
        return super().to_python(reading.key(value).removesuffix("%") if isinstance(value, str) else value)


class DiscountForm(forms.ModelForm):
    """Yen to take off, written without a sign; of a share the yen are shown first, and stored by the next save.

    What it `asks` keeps the page from being saved like an error, but is shown as a note.
    """

    asks = ""

    percent = ShareField(
        label=_("または割合（％）"), required=False, max_digits=5, decimal_places=2, help_text=_("円に直して表示します")
    )

    class Meta:
        fields = ["item", "amount"]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["amount"].required = False

    def clean_amount(self):
        amount = self.cleaned_data["amount"]
        if amount is not None and not 0 < amount <= MOST_YEN:
            raise ValidationError(_("値引き額は1円以上、1兆円以下で入力してください。"))
        return amount

    def clean_percent(self):
        percent = self.cleaned_data["percent"]
        if percent is not None and not 0 < percent <= 100:
            raise ValidationError(_("割合は0より大きく100以下で入力してください。"))
        return percent

    def clean(self):
        given = super().clean()
        if self.errors:
            return given
        if (percent := given["percent"]) is not None:
            if given["amount"] is not None and "amount" in self.changed_data:
                self.add_error("percent", _("値引き額と割合は、どちらか一方だけを入力してください。"))
                return given
            self.turn_into_yen(percent)
        elif given["amount"] is None:
            self.add_error("amount", _("値引き額か割合を入力してください。"))
        return given

    def turn_into_yen(self, percent):
        whole = discountable(self.instance.invoice)
        off = money.share_of(whole, percent)
        if off == 0:
            self.add_error("percent", _("値引きできる金額がありません。"))
            return
        self.data = self.data.copy()
        self.data[self.add_prefix("amount")], self.data[self.add_prefix("percent")] = yen(off), ""
        told = _(
            "明細の合計（調整残高の充当と一括値引きを除く） %(whole)s円 の%(percent)s％は %(yen)s円です。よければもう一度保存してください。"
        )
        self.asks = told % {"whole": yen(whole), "percent": plain(percent), "yen": yen(off)}
        self.add_error(None, self.asks)


class Discounts(admin.StackedInline):
    """一括値引き: off the invoice as a whole, split over its tax classes by itself."""

    template = "admin/billing/invoice/rows.html"
    model = Discount
    form = DiscountForm
    formset = OwnRows
    formfield_overrides = READ
    extra = 1
    verbose_name_plural = _("一括値引き")
    explanation = _(
        "この請求だけから引きます。税率ごとの金額に比例して分け、税抜の明細からは税抜の額、税込の明細からは税込の額で引きます。"
    )
    fields = ["item", "amount", "percent"]
