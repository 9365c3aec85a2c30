"""The columns of the contract list, and of what a contract's page shows: its lines, terms and used quantities."""

from django.utils.translation import gettext_lazy as _
from django_tables2 import Table

from contracts.models import Form, Renewal, State
from portal.lists.columns import (
    AmountColumn,
    ChoiceColumn,
    DateColumn,
    LinkColumn,
    MonthColumn,
    NumberColumn,
    RateColumn,
    StackColumn,
    StateColumn,
    TaxRateColumn,
    TextColumn,
    TimeColumn,
    YenColumn,
)
from portal.models import PriceBasis, TaxKind

LOOKS = {State.BEFORE: "off", State.ACTIVE: "ok", State.ENDING: "warn", State.ENDED: "off", State.WITHDRAWN: "off"}


class ContractTable(Table):
    """State, term and renewal need nothing: the views ask for them always (`with_state`), since the filter does."""

    number = LinkColumn(_("契約番号"), "number", to="contract_detail", shown=True, card="link")
    name = TextColumn(_("契約名"), "name", shown=True, card="title")
    service = TextColumn(_("サービス"), "service__name", shown=True, card="sub")
    plan = TextColumn(_("プラン"), "plan")
    quantity = NumberColumn(_("数量"), "quantity", shown=True, needs="with_main_line")
    unit = TextColumn(_("単位"), "unit", needs="with_main_line")
    form = ChoiceColumn(_("契約形態"), "form", Form, shown=True)
    state = StateColumn(_("契約状態"), "state", State, LOOKS, shown=True, card="state")
    start_on = DateColumn(_("契約開始日"), "start_on", shown=True)
    term_starts_on = DateColumn(_("当期開始日"), "term_starts_on")
    term_ends_on = DateColumn(_("契約満了日"), "term_ends_on", shown=True, card="sub")
    renewal = ChoiceColumn(_("更新区分"), "renewal", Renewal, shown=True)
    next_renewal = DateColumn(_("次回更新日"), "next_renewal")
    cancel_on = DateColumn(_("解約日"), "cancel_on")
    monthly_fee = YenColumn(_("月額料金（税抜）"), "monthly_fee", shown=True, needs="with_main_line", card="main")
    tax_rate = RateColumn(_("税率"), "tax_rate", needs="with_main_line")
    updated_at = TimeColumn(_("最終更新日"), "updated_at")


class ChargeDayColumn(DateColumn):
    """On the page only: other programs rely on the columns of 明細CSV, and these aren't among them."""

    def csv(self):
        return None


class ContractLineTable(Table):
    position = NumberColumn(_("行"), "position")
    contract = TextColumn(_("契約番号"), "contract__number")
    product_code = TextColumn(_("商品コード"), "product_code", shown=True)
    item = TextColumn(_("品目"), "item")
    specification = TextColumn(_("仕様"), "specification")
    items = StackColumn(_("品目"), item, specification)
    quantity = NumberColumn(_("数量"), "quantity", shown=True)
    unit = TextColumn(_("単位"), "unit", shown=True)
    unit_price = NumberColumn(_("単価"), "unit_price", shown=True)
    amount = AmountColumn(_("金額"), "amount", shown=True)
    price_basis = ChoiceColumn(_("税込/税抜"), "price_basis", PriceBasis)
    tax_kind = ChoiceColumn(_("税区分"), "tax_kind", TaxKind)
    tax_rate = TaxRateColumn(_("税率"), "rate", shown=True)
    charge_from = ChargeDayColumn(_("課金開始日"), "charge_from", shown=True)
    charge_to = ChargeDayColumn(_("課金終了日"), "charge_to", shown=True)


class TermTable(Table):
    sequence = NumberColumn(_("期"), "term__sequence", shown=True)
    starts_on = DateColumn(_("開始日"), "term__starts_on", shown=True)
    ends_on = DateColumn(_("終了日"), "term__ends_on", shown=True)
    kind = TextColumn(_("注文区分"), "kind", shown=True)
    order = LinkColumn(_("注文番号"), "order__number", to="order_detail", shown=True)
    amount = YenColumn(_("注文金額（税抜）"), "order__amount", shown=True)
    invoice = LinkColumn(_("請求番号"), "order__invoice_number", to="invoice_detail", shown=True)
    note = TextColumn(_("備考"), "note", shown=True)


class UsageTable(Table):
    month = MonthColumn(_("対象年月"), "month", shown=True)
    quantity = NumberColumn(_("使用量"), "quantity", shown=True)
    unit = TextColumn(_("単位"), "meter__unit", shown=True)
    amount = AmountColumn(_("金額"), "amount", basis="meter__price_basis", shown=True)
    invoice = LinkColumn(_("請求番号"), "invoice_number", to="invoice_detail", shown=True)
