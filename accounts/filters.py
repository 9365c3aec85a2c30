"""What users and the change history can be filtered by."""

from django.utils.translation import gettext_lazy as _

from accounts.models import SignedIn, User
from portal.lists.filters import AnyOfFilter, ContainsFilter, DateRangeFilter, ListFilter
from portal.models import Action, HistoryEvent


class UserFilter(ListFilter):
    name = ContainsFilter(label=_("名前"))
    email = ContainsFilter(label=_("Eメール"))
    is_recipient = AnyOfFilter([("1", _("○")), ("0", _("なし"))], label=_("メール送信先"))
    state = AnyOfFilter(SignedIn.choices, label=_("状態"))

    class Meta:
        model = User
        fields = []


class HistoryFilter(ListFilter):
    at = DateRangeFilter(field_name="at__date", label=_("日付"))
    actor_name = ContainsFilter(label=_("操作者"))
    subject = ContainsFilter(label=_("対象"))
    action = AnyOfFilter(Action.choices, label=_("操作"))

    class Meta:
        model = HistoryEvent
        fields = []
