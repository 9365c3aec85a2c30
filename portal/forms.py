"""The inquiry form."""

from django import forms

from portal.models import Inquiry


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

    def __init__(self, *args, **kwargs):
        super().__init__(*args, label_suffix="", **kwargs)
