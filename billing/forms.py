"""The form of 社内確認."""

from django import forms

from billing.models import Review, ReviewState
from portal.forms import LineField


class ReviewForm(forms.ModelForm):
    class Meta:
        model = Review
        fields = ["state", "memo"]
        field_classes = {"memo": LineField}
        widgets = {
            "state": forms.RadioSelect,
            "memo": forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"}),
        }

    def __init__(self, invoice, *args, **kwargs):
        super().__init__(*args, label_suffix="", **kwargs)
        pays = invoice.asks_for_payment
        self.fields["state"].choices = [
            (each.value, each.label) for each in ReviewState if pays or each != ReviewState.ARRANGED
        ]
