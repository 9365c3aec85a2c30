"""The fields and rows of staff's forms for contracts that read more than one value: the tiers of a price (段階料金)."""

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contracts.models import MeterPrice
from contracts.services import BILLED_PRICE, NO_FIRST_PRICE, billed_months, price_key
from portal.forms import MonthField, NumberField, OwnRows
from portal.templatetags.figures import plain

# A tier's two numbers, as the columns hold them.
PARTS = NumberField(max_digits=12, decimal_places=3), NumberField(max_digits=14, decimal_places=2)


class TiersField(forms.CharField):
    """Tiers as (quantity above which it holds, unit price), one on a line or divided by semicolons: 500:9."""

    widget = forms.Textarea(attrs={"rows": 3, "cols": 24})

    def to_python(self, value):
        if not isinstance(value, str):
            return value or []
        found = [self.tier(each) for each in value.replace("；", ";").replace(";", "\n").splitlines() if each.strip()]
        above = [quantity for quantity, _price in found]
        if twice := [quantity for place, quantity in enumerate(above) if quantity in above[:place]]:
            raise ValidationError(_("%s を超える分の単価が2つあります。") % plain(twice[0]))
        return sorted(found)

    def tier(self, typed):
        quantity, colon, price = typed.replace("：", ":").partition(":")
        if not colon:
            raise ValidationError(
                _("段階料金は「500:9」のように、数量と単価を「:」で区切ってください: %s") % typed.strip()
            )
        above, unit_price = (each.clean(typed) for each, typed in zip(PARTS, (quantity, price), strict=True))
        if above <= 0:
            raise ValidationError(_("0より大きい数量を入力してください: %s") % typed.strip())
        if unit_price < 0:
            raise ValidationError(_("単価は0以上で入力してください: %s") % typed.strip())
        return above, unit_price

    def prepare_value(self, value):
        if isinstance(value, str):
            return value
        return "\n".join(f"{plain(above)}:{plain(unit_price)}" for above, unit_price in value or [])

    def has_changed(self, initial, data):
        try:
            return sorted(initial or []) != self.to_python(data or "")
        except ValidationError:
            return True


class PriceForm(forms.ModelForm):
    """One price of a meter, with its tiers."""

    steps = TiersField(
        label=gettext_lazy("段階料金"),
        required=False,
        help_text=gettext_lazy("1行に1つ、「数量:単価」（例 500:9 は、500を超える分の単価が9円）"),
    )

    class Meta:
        model = MeterPrice
        fields = ["since", "free_quantity", "unit_price"]
        field_classes = {"since": MonthField}
        widgets = {"since": forms.TextInput(attrs={"size": 10})}  # no calendar of days: it is a month
        help_texts = {"since": gettext_lazy("この月の使用量から適用します。空欄は当初から")}

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["steps"] = self.instance.ladder[1:]


class PriceRows(OwnRows):
    """The prices of a meter: one from always, and later ones that begin after what is billed."""

    begun = None  # the month that stood beside the first price of a new meter, which holds from always

    def clean(self):
        """Instead of what Django says of two prices of one month above the form, or leaves to the database."""
        if any(self.errors):
            return
        rows = [form for form in self.forms if form not in self.deleted_forms and form.cleaned_data]
        taken = set()
        for form in rows:
            since = form.cleaned_data["since"]
            if since in taken:
                told = _("この月から適用する料金がすでにあります。") if since else str(NO_FIRST_PRICE)
                form.add_error("since", told)
            taken.add(since)
        if rows and self.instance.pk is None and None not in taken:
            first = min(rows, key=lambda form: form.cleaned_data["since"])
            self.begun, first.instance.since = first.cleaned_data["since"], None
        elif None not in taken:
            raise ValidationError(NO_FIRST_PRICE)
        if not any(self.errors) and self.instance.pk:
            self.keep_billed(rows)

    def keep_billed(self, rows):
        """Tell at the price that would hold for a billed month from now on, that it can't (D32)."""
        for month in billed_months(self.instance):
            begun = [form for form in rows if (since := form.cleaned_data["since"]) is None or since <= month]
            holds = max(begun, key=lambda form: form.cleaned_data["since"] or month.min)
            if typed_key(holds) != price_key(self.instance.price_of(month)):
                field = "since" if holds.instance.pk is None or "since" in holds.changed_data else None
                changed = [name for name in ("unit_price", "free_quantity", "steps") if name in holds.changed_data]
                holds.add_error(field or (changed or ["since"])[0], BILLED_PRICE % {"month": f"{month:%Y-%m}"})
                return


def typed_key(form):
    """The price as it was typed, as `price_key` compares it."""
    typed = form.cleaned_data
    return form.instance.pk, typed["free_quantity"], [(0, typed["unit_price"]), *typed["steps"]]
