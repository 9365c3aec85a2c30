"""What orders can be filtered by."""

from django.utils.translation import gettext_lazy as _

from contracts.filters import services
from orders.models import Kind, Order, State
from portal.lists.filters import (
    AnyOfFilter,
    AnyRowFilter,
    DateRangeFilter,
    ListFilter,
    MonthRangeFilter,
    NumberFilter,
    YenRangeFilter,
)


class OrderFilter(ListFilter):
    number = NumberFilter(label=_("注文番号"))
    kind = AnyOfFilter(Kind.choices, label=_("注文区分"))
    ordered_on = DateRangeFilter(label=_("注文日"))
    month = MonthRangeFilter(label=_("対象年月"))
    contract = NumberFilter(label=_("契約番号"), field_name="contract__number")
    service = AnyRowFilter(label=_("サービス"), field_name="contract__service", queryset=services, to_field_name="code")
    amount = YenRangeFilter(label=_("注文金額（税抜）"))
    state = AnyOfFilter(State.choices, label=_("注文状態"))

    class Meta:
        model = Order
        fields = []
