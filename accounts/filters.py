"""What users and the change history can be filtered by."""

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import SignedIn, User
from portal.lists.filters import AnyOfFilter, ListFilter, MomentRangeFilter, TextFilter
from portal.models import Action, HistoryEvent


class UserFilter(ListFilter):
    name = TextFilter(label=_("名前"), field_name="search")
    email = TextFilter(label=_("Eメール"))
    is_recipient = AnyOfFilter([("1", _("○")), ("0", pgettext_lazy("flag", "なし"))], label=_("メール送信先"))
    state = AnyOfFilter(SignedIn.choices, label=_("状態"))

    class Meta:
        model = User
        fields = []


TOLD = [choice for choice in Action.choices if choice[0] not in Action.of_staff()]


class HistoryFilter(ListFilter):
    at = MomentRangeFilter(label=_("日付"))
    actor_name = TextFilter(label=_("操作者"), field_name="actor_search")
    subject = TextFilter(label=_("対象"), field_name="subject_search")
    action = AnyOfFilter(TOLD, label=_("操作"))

    class Meta:
        model = HistoryEvent
        fields = []
