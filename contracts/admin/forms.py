"""The contract's form and its lines, as staff fill them in: the save is tried out, so that what it refuses stands beside its field."""

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db.models import Max
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contracts.services import price
from orders.changes import NEXT
from orders.desk import Answers, answered, question, try_out
from portal import months, reading
from portal.forms import LineField, MonthField
from portal.months import today
from portal.places import LINE_WIDGETS, PlacedRows, PlaceField
from portal.stale import in_words

# What `start_contract` refuses because it would bill the wrong thing; what else it can't do is stored, and told.
REFUSED = {"billed", "apply", "continued", "charge_past", "undecided", "withdrawn"}
PREVIEW = "_preview"  # the button that stores nothing
CANCEL_AT = "cancel_at"  # the end of a term that was chosen as 解約日


def typed_day(words):
    """A day in a table of lines, without the calendar's buttons; `words` say what an empty one means."""
    return forms.DateInput(attrs={"size": 10, "placeholder": words})


class LineForm(forms.ModelForm):
    """A line whose amount is found here, so that what is wrong with it stands beside it."""

    position = PlaceField()

    class Meta:
        widgets = LINE_WIDGETS | {
            "charge_from": typed_day(gettext_lazy("契約と同じ")),
            "charge_to": typed_day(gettext_lazy("終わりなし")),
            "item": forms.TextInput(attrs={"size": 24, "placeholder": gettext_lazy("品目")}),
            "specification": forms.TextInput(attrs={"size": 24, "placeholder": gettext_lazy("仕様")}),
        }

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.instance.pk is None:
            self.initial["unit"] = _("式")

    def has_changed(self):
        """A unit alone makes no line."""
        return bool(set(self.changed_data) - (set() if self.instance.pk else {"unit"}))

    @property
    def is_ended(self):
        """Whether the stored line charges nothing any more: such lines are folded."""
        ended, touched = self.initial.get("charge_to"), self.is_bound and self.has_changed()
        return bool(self.instance.pk and ended and ended < today() and not touched)

    @property
    def former(self):
        """(label, what is stored) of each field of a stored line that was typed over."""
        if not self.is_bound or self.instance.pk is None:
            return []
        names = [name for name in self.changed_data if name in self.initial]
        return [(self[name].label, in_words(self.fields[name], self.initial[name]) or _("なし")) for name in names]

    def _post_clean(self):
        super()._post_clean()
        if not self.errors:
            try:
                price(self.instance, today=today())
            except ValidationError as error:
                self.add_error(None, error)


class Lines(PlacedRows):
    question = None  # what the page has to ask before it can store, or asked before it was looked at
    drawn = None  # (new and changed rows, removed ones) of a save that would go through, if need be with the tick for closed months

    @property
    def ended(self):
        return sum(form.is_ended for form in self.initial_forms)

    def is_valid(self):
        """Whoever only looks at what would become of it has nothing stored."""
        return super().is_valid() and PREVIEW not in self.data

    def clean(self):
        """Try the save out, so that what it refuses stands beside its field."""
        super().clean()
        contract = self.instance
        if any(self.errors) or contract.customer_id is None or contract.service_id is None or not contract.start_on:
            return
        rows = [form.instance for form in self.forms if form not in self.deleted_forms and form.has_changed()]
        removed = [form.instance for form in self.deleted_forms if form.instance.pk]
        answers = Answers.of(self.data)
        self.begin(rows, answers)
        try:
            contract.clean()
            try_out(contract, rows, removed, answers, today=today())
        except ValidationError as refused:
            self.question = question(refused, contract, rows, removed, answers, today=today())
            if self.question and self.question.past:
                self.drawn = rows, removed
            self.tell(refused)
        else:
            self.drawn = rows, removed
            if PREVIEW in self.data:
                self.question = answered(contract, rows, removed, answers, today=today())

    def begin(self, rows, answers):
        """A line that is added 「次の期間から」 begins with that term, unless its own day says otherwise."""
        if answers.apply == NEXT and self.instance.pk and (following := following_term(self.instance)):
            for line in rows:
                if line.pk is None and line.charge_from is None:
                    line.charge_from = following.starts_on

    def tell(self, refused):
        """Put each refusal beside the line and field that it names, others above the lines."""
        named = refused.error_dict if hasattr(refused, "error_dict") else {NON_FIELD_ERRORS: refused.error_list}
        for field, errors in named.items():
            for error in errors:
                if error.code not in REFUSED:
                    continue
                line = (error.params or {}).get("line")
                form = next((form for form in self.forms if line and form.instance.pk == line), None)
                if form is None or form in self.deleted_forms:
                    raise error
                form.add_error(field if field in form.fields else None, error)


class ContractForm(forms.ModelForm):
    """The head of a contract: it is called as its service where nobody names it, and may end with a term that is offered."""

    name = LineField(
        label=gettext_lazy("契約名"), max_length=100, required=False, help_text=gettext_lazy("空欄ならサービス名")
    )

    reason = LineField(
        label=gettext_lazy("変更の理由"),
        max_length=200,
        required=False,
        help_text=gettext_lazy("変更履歴に残します。お客様には表示しません"),
        widget=forms.TextInput(attrs={"size": 60}),
    )

    class Meta:
        field_classes = {"bill_from": MonthField}
        help_texts = {"bill_from": gettext_lazy("空欄なら最初の月から")}
        widgets = {
            "note": forms.Textarea(attrs={"rows": 2}),
            "bill_from": forms.TextInput(attrs={"size": 10}),  # no calendar of days: it is a month
        }

    def clean(self):
        given = super().clean()
        if "name" in self.fields and not given.get("name") and given.get("service"):
            given["name"] = given["service"].name
        if (chosen := self.data.get(CANCEL_AT)) and "cancel_on" in self.fields:
            try:
                given["cancel_on"] = reading.day(chosen)
            except ValidationError as unread:
                self.add_error("cancel_on", unread)
        return given


def following_term(contract, last=None):
    """The first term of a stored contract that isn't made yet: the one that 「次の期間から」 means; None without another.

    `last` is the first day of the latest term, by whoever has it at hand.
    """
    last = last or contract.terms.standing().aggregate(last=Max("starts_on"))["last"]
    return months.next_term(
        contract.form,
        contract.start_on,
        auto_renew=contract.auto_renew,
        end_on=contract.cancel_on,
        after=max(today(), last) if last else today(),
    )
