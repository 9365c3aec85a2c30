"""Rows in an order of their own within another's form: the lines of a contract, the adjustments of an invoice."""

from django import forms
from django.utils.translation import gettext_lazy as _

from portal.forms import OwnRows, WholeField

# The fields of a line as wide as what stands in them.
LINE_WIDGETS = {
    name: forms.TextInput(attrs={"size": size})
    for name, size in {
        "position": 2, "product_code": 12, "item": 24, "specification": 24, "quantity": 7, "unit": 4, "unit_price": 10,
    }.items()
}  # fmt: skip


class PlaceField(WholeField):
    """A row's place among its fellows; the formset gives the next one to a row without."""

    def __init__(self, **options):
        widget = forms.TextInput(attrs={"size": 4, "inputmode": "numeric", "placeholder": _("自動")})
        super().__init__(label=_("行"), min_value=1, max_value=9999, required=False, widget=widget, **options)


class PlacedRows(OwnRows):
    """Rows in an order of their own: each has a place, and two at one place are told beside the field."""

    def clean(self):
        """Instead of what Django says of such rows above the form, in words of the code."""
        if any(self.errors):
            return
        others = self.model._default_manager.filter(**{self.fk.name: self.instance.pk})
        others = others.exclude(pk__in=[form.instance.pk for form in self.initial_forms])
        taken = set(others.values_list("position", flat=True))
        rows = [form for form in self.forms if form not in self.deleted_forms and form.cleaned_data]
        for form in rows:
            if form.instance.position in taken:
                form.add_error("position", _("この行番号はほかの明細で使われています。"))
            elif form.instance.position:
                taken.add(form.instance.position)
        for form in rows:
            if not form.instance.position:
                form.instance.position = max(taken, default=0) + 1
                taken.add(form.instance.position)
