"""What users can be filtered by."""

from django.utils.translation import gettext_lazy as _

from accounts.models import SignedIn, User
from portal.filters import AnyOfFilter, ContainsFilter, ListFilter


class UserFilter(ListFilter):
    name = ContainsFilter(label=_("名前"))
    email = ContainsFilter(label=_("Eメール"))
    is_recipient = AnyOfFilter([("1", _("○")), ("0", _("なし"))], label=_("メール送信先"))
    state = AnyOfFilter(SignedIn.choices, label=_("状態"))

    class Meta:
        model = User
        fields = []
