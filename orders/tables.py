"""The columns of the order list and of an order's lines."""

from django.utils.translation import gettext_lazy as _
from django_tables2 import Table

from orders.models import Kind, State
from portal.lists.columns import (
    AmountColumn,
    ChoiceColumn,
    DateColumn,
    LinkColumn,
    MonthColumn,
    NumberColumn,
    PeriodColumn,
    StackColumn,
    StateColumn,
    TaxRateColumn,
    TextColumn,
    YenColumn,
)
from portal.models import PriceBasis, TaxKind

LOOKS = {State.RECEIVED: "warn", State.BILLED: "ok", State.REVERSED: "off"}


class OrderTable(Table):
    number = LinkColumn(_("注文番号"), "number", to="order_detail", shown=True, card="link")
    kind = ChoiceColumn(_("注文区分"), "kind", Kind, shown=True, card="sub")
    ordered_on = DateColumn(_("注文日"), "ordered_on", shown=True)
    month = MonthColumn(_("対象年月"), "month", shown=True, card="sub")
    contract = LinkColumn(_("契約番号"), "contract__number", to="contract_detail", shown=True)
    service = TextColumn(_("サービス"), "contract__service__name", shown=True, card="title")
    starts_on = DateColumn(_("利用開始日"), "starts_on", shown=True)
    ends_on = DateColumn(_("利用終了日"), "ends_on", shown=True)
    quantity = NumberColumn(_("数量"), "quantity", needs="with_main_line")
    unit_price = NumberColumn(_("単価"), "unit_price", needs="with_main_line")
    amount = YenColumn(_("注文金額（税抜）"), "amount", shown=True, card="main")
    state = StateColumn(_("注文状態"), "state", State, LOOKS, shown=True, card="state")
    invoice = LinkColumn(_("請求番号"), "invoice_number", to="invoice_detail")


class OrderLineTable(Table):
    invoice = TextColumn(_("請求番号"), "invoice_number")
    position = NumberColumn(_("行"), "position")
    contract = TextColumn(_("契約番号"), "order__contract__number")
    order = TextColumn(_("注文番号"), "order__number")
    kind = ChoiceColumn(_("注文区分"), "order__kind", Kind)
    product_code = TextColumn(_("商品コード"), "product_code", shown=True)
    item = TextColumn(_("品目"), "item")
    specification = TextColumn(_("仕様"), "specification")
    items = StackColumn(_("品目"), item, specification)
    starts_on = DateColumn(_("利用開始日"), "starts_on")
    ends_on = DateColumn(_("利用終了日"), "ends_on")
    period = PeriodColumn(_("利用期間"), starts_on, ends_on)
    quantity = NumberColumn(_("数量"), "quantity", shown=True)
    unit = TextColumn(_("単位"), "unit", shown=True)
    unit_price = NumberColumn(_("単価"), "unit_price", shown=True)
    amount = AmountColumn(_("金額"), "amount", shown=True)
    price_basis = ChoiceColumn(_("税込/税抜"), "price_basis", PriceBasis)
    tax_kind = ChoiceColumn(_("税区分"), "tax_kind", TaxKind)
    tax_rate = TaxRateColumn(_("税率"), "tax_rate", shown=True)
