"""What the vendor's books are searched by."""

from django.utils.translation import gettext_lazy as _

from billing.models import Invoice, Kind
from portal import searching
from portal.lists.filters import AnyOfFilter, DateRangeFilter, ListFilter, MonthRangeFilter, TextFilter, YenRangeFilter


class PartyFilter(TextFilter):
    """A customer by number, name or kana, as the search box finds it; or the number of the document."""

    def filter(self, rows, value):
        if not value:
            return rows
        found, self.parent.told = searching.of_list(rows, value, by=self.parent.request.user)
        return found


class BooksFilter(ListFilter):
    """The three things that 電子帳簿保存法 wants documents found by, each alone and together, and two that help."""

    issued_on = DateRangeFilter(label=_("取引年月日（請求日）"))
    total = YenRangeFilter(label=_("取引金額（税込）"))
    party = PartyFilter(label=_("取引先（名称・カナ・お客様番号・請求番号）"))
    month = MonthRangeFilter(label=_("請求対象年月"))
    kind = AnyOfFilter(Kind.choices, label=_("種類"))
    told = ""  # what the search for the counterparty has to say

    class Meta:
        model = Invoice
        fields = []
