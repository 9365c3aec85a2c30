"""The inquiry form."""

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from portal import reading
from portal.models import Inquiry
from portal.services import find_record


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
        number = reading.key(self.cleaned_data["about"]).upper()
        if number and find_record(self.customer, number) is None:
            raise ValidationError(_("この番号の契約、注文、請求は見つかりません。番号を確認してください。"))
        return number
