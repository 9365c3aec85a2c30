"""The inquiry form, and the fields of staff's forms, which read what is typed as every other place does (D35)."""

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from portal import reading
from portal.models import Inquiry
from portal.services import find_record


class DayField(forms.DateField):
    def to_python(self, value):
        return reading.day(value) if isinstance(value, str) else super().to_python(value)


class NumberField(forms.DecimalField):
    widget = forms.TextInput(attrs={"inputmode": "decimal"})

    def to_python(self, value):
        return reading.number(value) if isinstance(value, str) else super().to_python(value)


class WholeField(forms.IntegerField):
    widget = forms.TextInput(attrs={"inputmode": "numeric"})

    def to_python(self, value):
        found = reading.number(value) if isinstance(value, str) else super().to_python(value)
        if found is not None and found != int(found):
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        return None if found is None else int(found)


class LineField(forms.CharField):
    def to_python(self, value):
        found = super().to_python(value)
        return reading.text(found) if found else found


class InquiryForm(forms.ModelForm):
    class Meta:
        model = Inquiry
        fields = ["kind", "subject", "about", "body"]
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
