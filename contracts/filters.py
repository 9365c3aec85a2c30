"""What contracts can be filtered by."""

from django.utils.translation import gettext_lazy as _

from contracts.models import Contract, Form, Renewal, Service, State
from portal.lists.filters import AnyOfFilter, AnyRowFilter, DateRangeFilter, ListFilter, NumberFilter, TextFilter


def services(request):
    return Service.objects.for_user(request.user)


class ContractFilter(ListFilter):
    number = NumberFilter(label=_("契約番号"))
    name = TextFilter(label=_("契約名"), field_name="search")
    service = AnyRowFilter(label=_("サービス"), queryset=services, to_field_name="code")
    form = AnyOfFilter(Form.choices, label=_("契約形態"))
    state = AnyOfFilter(State.choices, label=_("契約状態"))
    start_on = DateRangeFilter(label=_("契約開始日"))
    term_ends_on = DateRangeFilter(label=_("契約満了日"))
    renewal = AnyOfFilter(Renewal.choices, label=_("更新区分"))
    cancel_on = DateRangeFilter(label=_("解約日"))

    class Meta:
        model = Contract
        fields = []
