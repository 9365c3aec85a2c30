"""Order pages: 注文一覧 and 注文詳細."""

from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from orders.filters import OrderFilter
from orders.models import Order, OrderLine, State
from orders.tables import LOOKS, OrderLineTable, OrderTable
from portal.lists.body import annotated, facts, lines
from portal.lists.screen import Screen, list_screen
from portal.templatetags.figures import yen


@require_http_methods(["GET", "HEAD", "POST"])
def order_list(request):
    rows = Order.objects.for_user(request.user).with_invoice().select_related("contract__service")
    screen = Screen(
        name="orders",
        heading=_("注文一覧"),
        lead=_(
            "契約から発行された注文です。月額の契約は毎月1件、最初の月が「新規」、以降は「更新」です。途中で加わった分は「追加」です。"
        ),
        table=OrderTable,
        filterset=OrderFilter,
        order=("-month", "-number"),
        key="number",
        tabs="state",
        line_table=OrderLineTable,
        lines=OrderLine.objects.for_user(request.user).with_invoice().of_orders,
        empty=_("注文はまだありません。契約が始まると自動で作られます。"),
        row_css=lambda row: "past" if row.state == "reversed" else "",
    )
    return list_screen(request, rows, screen)


@require_safe
def order_detail(request, number):
    rows = annotated(Order.objects.for_user(request.user).with_invoice(), OrderTable.base_columns.values())
    order = get_object_or_404(rows.select_related("contract__service"), number=number)
    context = {
        "order": order,
        "look": LOOKS[order.state],
        "state": State(order.state).label,
        "facts": facts(OrderTable, order, ["number", "state"]),
        "lines": lines(
            OrderLineTable,
            order.lines.all(),
            label=_("明細"),
            foot=(_("小計（税抜）"), {"amount": yen(order.amount)}),
        ),
    }
    return render(request, "orders/order_detail.html", context)
