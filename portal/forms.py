"""The inquiry form, and the fields of staff's forms, which read what is typed as every other place does (D35)."""

from contextlib import suppress
from decimal import Decimal

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal import reading
from portal.models import Inquiry
from portal.services import find_record
from portal.templatetags.figures import plain, ym


class DayField(forms.DateField):
    def to_python(self, value):
        return reading.day(value) if isinstance(value, str) else super().to_python(value)


class NumberField(forms.DecimalField):
    widget = forms.TextInput(attrs={"inputmode": "decimal"})

    def to_python(self, value):
        return reading.number(value) if isinstance(value, str) else super().to_python(value)

    def prepare_value(self, value):
        """As people write it: 2 and 1250.5 for 2.000 and 1250.50."""
        return plain(value).replace(",", "") if isinstance(value, Decimal) else value


class WholeField(forms.IntegerField):
    widget = forms.TextInput(attrs={"inputmode": "numeric"})

    def to_python(self, value):
        return reading.whole(value) if isinstance(value, str) else super().to_python(value)


class LineField(forms.CharField):
    def to_python(self, value):
        found = super().to_python(value)
        return reading.text(found) if found else found


class PassageField(forms.CharField):
    """Words on several lines, as files of rows bring them too."""

    def to_python(self, value):
        found = super().to_python(value)
        return reading.passage(found) if found else found


class CodeField(forms.SlugField):
    """A code of letters, digits and hyphens, in half width and lower case."""

    default_validators = [
        RegexValidator(r"^[a-z0-9_-]*\Z", gettext_lazy("半角の英数字、ハイフン、アンダースコアで入力してください。"))
    ]

    def to_python(self, value):
        return reading.key(super().to_python(value) or "").lower()


class PostalCodeField(LineField):
    def to_python(self, value):
        return reading.postal_code(super().to_python(value))


class PhoneField(LineField):
    def to_python(self, value):
        return reading.phone(super().to_python(value))


class OfficialNumberField(LineField):
    def to_python(self, value):
        return reading.official_number(super().to_python(value))


class CorporateNumberField(LineField):
    def to_python(self, value):
        return reading.corporate_number(super().to_python(value))


class AddressField(forms.EmailField):
    """An e-mail address in its one spelling, whatever was typed (D14)."""

    # Not type=email: browsers would refuse full-width letters before anybody reads them.
    typed_as = {"inputmode": "email", "autocapitalize": "none"}

    def __init__(self, **options):
        widget = forms.TextInput(attrs={**self.typed_as, **options.pop("attrs", {})})
        super().__init__(**{"label": gettext_lazy("Eメール"), "max_length": 254, "widget": widget, **options})

    def to_python(self, value):
        return reading.email(super().to_python(value) or "")


class MonthField(forms.DateField):
    """A month, kept as its first day; the first day itself is a month too."""

    def to_python(self, value):
        if not isinstance(value, str):
            return super().to_python(value)
        try:
            return reading.month(value)
        except ValidationError as refused:
            with suppress(ValidationError):
                if (day := reading.day(value)) and day.day == 1:
                    return day
            raise refused from None

    def prepare_value(self, value):
        return value if isinstance(value, str) else ym(value)


class PercentField(NumberField):
    """A share of one, typed and shown in per cent: 10, 10%."""

    def to_python(self, value):
        if not isinstance(value, str):
            return super().to_python(value)
        found = super().to_python(reading.key(value).removesuffix("%"))
        if found is not None and 0 < found < 1:
            raise ValidationError(_("税率は 10 のように％で入力してください。"))
        return None if found is None else found / 100

    def prepare_value(self, value):
        return value if isinstance(value, str) or value is None else plain(value * 100)


class ClockField(forms.TimeField):
    def to_python(self, value):
        return reading.clock(value) if isinstance(value, str) else super().to_python(value)


class MomentField(forms.SplitDateTimeField):
    """A day and a time of day, in a field each."""

    default_error_messages = {
        "invalid_date": gettext_lazy("日付も入力してください。"),
        "invalid_time": gettext_lazy("時刻も入力してください。"),
    }

    def __init__(self, **options):
        super().__init__(**options)
        self.fields = DayField(required=False), ClockField(required=False)


class OwnRows(forms.BaseInlineFormSet):
    """Rows that belong to what the page shows: they know it and its customer before they are looked at."""

    def _construct_form(self, i, **kwargs):
        form = super()._construct_form(i, **kwargs)
        setattr(form.instance, self.fk.name, self.instance)
        form.instance.customer_id = self.instance.customer_id
        return form


class InquiryForm(forms.ModelForm):
    class Meta:
        model = Inquiry
        fields = ["kind", "subject", "about", "body"]
        field_classes = {"subject": LineField}
        widgets = {
            "kind": forms.Select(attrs={"class": "form-select"}),
            "subject": forms.TextInput(attrs={"class": "form-control"}),
            "about": forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"}),
            "body": forms.Textarea(attrs={"class": "form-control", "rows": 8}),
        }

    def __init__(self, customer, *args, **kwargs):
        self.customer = customer
        super().__init__(*args, label_suffix="", **kwargs)
        self.fields["about"].help_text = _("契約番号、注文番号、請求番号のいずれか。なければ空のままにしてください")
        self.fields["body"].help_text = _("変更・解約のお申し込みでは、希望日もお書きください")

    def clean_about(self):
        """A record of the own company; somebody else's number looks like one that doesn't exist (D15)."""
        number = reading.code(self.cleaned_data["about"])
        if number and find_record(self.customer, number) is None:
            raise ValidationError(_("この番号の契約、注文、請求は見つかりません。番号を確認してください。"))
        return number


class WordsForm(forms.Form):
    """What somebody writes about an inquiry that was sent already."""

    body = PassageField(
        label=gettext_lazy("本文"),
        max_length=4000,
        widget=forms.Textarea(attrs={"class": "form-control", "rows": 6}),
    )

    def __init__(self, *args, **kwargs):
        super().__init__(*args, label_suffix="", **kwargs)


class AnswerForm(WordsForm):
    """The desk's answer, with the last message that its writer saw."""

    seen = WholeField(widget=forms.HiddenInput, min_value=0)
