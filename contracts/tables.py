"""The columns of the contract list."""

from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django_tables2 import Table

from contracts.models import Form, Renewal, State
from portal.lists.columns import (
    ChoiceColumn,
    DateColumn,
    LinkColumn,
    NumberColumn,
    RateColumn,
    StateColumn,
    TextColumn,
    TimeColumn,
    YenColumn,
)

LOOKS = {State.BEFORE: "off", State.ACTIVE: "ok", State.ENDING: "warn", State.ENDED: "off"}


def detail_url(row):
    return reverse("contract_detail", args=[row.number])


class ContractTable(Table):
    number = LinkColumn(_("契約番号"), "number", url=detail_url, shown=True, card="sub")
    name = TextColumn(_("契約名"), "name", shown=True, card="title")
    service = TextColumn(_("サービス"), "service__name", shown=True, card="sub")
    plan = TextColumn(_("プラン"), "plan")
    quantity = NumberColumn(_("数量"), "quantity", shown=True, needs="with_main_line")
    unit = TextColumn(_("単位"), "unit", needs="with_main_line")
    form = ChoiceColumn(_("契約形態"), "form", Form, shown=True)
    state = StateColumn(_("契約状態"), "state", State, LOOKS, shown=True, card="state")
    start_on = DateColumn(_("契約開始日"), "start_on", shown=True)
    term_starts_on = DateColumn(_("当期開始日"), "term_starts_on")
    term_ends_on = DateColumn(_("契約満了日"), "term_ends_on", shown=True)
    renewal = ChoiceColumn(_("更新区分"), "renewal", Renewal, shown=True)
    next_renewal = DateColumn(_("次回更新日"), "next_renewal")
    cancel_on = DateColumn(_("解約日"), "cancel_on")
    monthly_fee = YenColumn(_("月額料金（税抜）"), "monthly_fee", shown=True, needs="with_main_line", card="main")
    tax_rate = RateColumn(_("税率"), "tax_rate", needs="with_main_line")
    updated_at = TimeColumn(_("最終更新日"), "updated_at")
