"""The columns of the order list."""

from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django_tables2 import Table

from orders.models import Kind, State
from portal.lists.columns import (
    ChoiceColumn,
    DateColumn,
    LinkColumn,
    MonthColumn,
    NumberColumn,
    StateColumn,
    TextColumn,
    YenColumn,
)

LOOKS = {State.RECEIVED: "warn", State.BILLED: "ok", State.REVERSED: "off"}


def detail_url(row):
    return reverse("order_detail", args=[row.number])


def contract_url(row):
    return reverse("contract_detail", args=[row.contract.number])


def invoice_url(row):
    return reverse("invoice_detail", args=[row.invoice_number])


class OrderTable(Table):
    number = LinkColumn(_("注文番号"), "number", url=detail_url, shown=True, card="sub")
    kind = ChoiceColumn(_("注文区分"), "kind", Kind, shown=True, card="sub")
    ordered_on = DateColumn(_("注文日"), "ordered_on", shown=True)
    month = MonthColumn(_("対象年月"), "month", shown=True)
    contract = LinkColumn(_("契約番号"), "contract__number", url=contract_url, shown=True)
    service = TextColumn(_("サービス"), "contract__service__name", shown=True, card="title")
    starts_on = DateColumn(_("利用開始日"), "term__starts_on", shown=True)
    ends_on = DateColumn(_("利用終了日"), "term__ends_on", shown=True)
    quantity = NumberColumn(_("数量"), "quantity", needs="with_main_line")
    unit_price = NumberColumn(_("単価"), "unit_price", needs="with_main_line")
    amount = YenColumn(_("注文金額（税抜）"), "amount", shown=True, card="main")
    state = StateColumn(_("注文状態"), "state", State, LOOKS, shown=True, card="state")
    invoice = LinkColumn(_("請求番号"), "invoice_number", url=invoice_url)
