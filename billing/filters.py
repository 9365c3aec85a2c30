"""What invoices can be filtered by."""

from django.utils.translation import gettext_lazy as _

from billing.models import Invoice, ReviewState, State
from portal.lists.filters import (
    AnyOfFilter,
    DateRangeFilter,
    ListFilter,
    MonthRangeFilter,
    NumberFilter,
    YenRangeFilter,
)


class ReviewFilter(AnyOfFilter):
    def filter(self, rows, value):
        return super().filter(rows.with_review(), value)


class DueFilter(DateRangeFilter):
    def filter(self, rows, value):
        return super().filter(rows.with_due(), value)


class InvoiceFilter(ListFilter):
    number = NumberFilter(label=_("請求番号"))
    month = MonthRangeFilter(label=_("請求対象年月"))
    state = AnyOfFilter(State.choices, label=_("請求状態"))
    issued_on = DateRangeFilter(label=_("請求日"))
    fixed_on = DateRangeFilter(label=_("確定日"))
    due_on = DueFilter(field_name="payable_on", label=_("支払期日"))
    total = YenRangeFilter(label=_("請求金額（税込）"))
    review = ReviewFilter(ReviewState.choices, field_name="review_state", label=_("社内確認"))

    class Meta:
        model = Invoice
        fields = []


class SeenInvoiceFilter(InvoiceFilter):
    """As staff who look on see it: 社内確認 is the company's own business."""

    review = None
