"""Staff read orders and used quantities here; contracts, runs and imports write them."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from orders.models import Order, OrderLine, Usage, UsageCharge, UsageFile
from portal.desk import ReadOnly, Shown
from portal.lists.columns import TextColumn
from portal.shown import MonthFilter, cell, charged
from portal.templatetags.figures import percent, plain, yen, ym


class LineInline(Shown):
    model = OrderLine
    fields = readonly_fields = [
        "item",
        "specification",
        "starts_on",
        "ends_on",
        cell("quantity", plain, _("数量")),
        cell("unit_price", plain, _("単価")),
        charged(),
        cell("tax_rate", percent, _("税率")),
    ]


@admin.register(Order)
class OrderAdmin(ReadOnly):
    large = True
    stays = _(
        "注文は番号とともに残るため、削除できません。契約を直すか解約日を入力すると、まだ請求していない注文も変わります。"
    )
    list_display = [
        "number",
        "customer",
        "contract",
        "kind",
        cell("month", ym, _("対象年月")),
        cell("amount", yen, _("注文金額（税抜）")),
        "reversed_on",
    ]
    list_filter = ["kind", MonthFilter]
    list_select_related = ["customer", "contract"]
    search_fields = ["number", "customer__number", "contract__number"]
    inlines = [LineInline]


class ChargeInline(Shown):
    model = UsageCharge
    fields = readonly_fields = [
        "item",
        "specification",
        cell("quantity", plain, _("数量")),
        "unit",
        cell("unit_price", plain, _("単価")),
        charged(),
        cell("tax_rate", percent, _("税率")),
        "dropped_on",
    ]


@admin.register(Usage)
class UsageAdmin(ReadOnly):
    large = True
    stays = _("使用量は削除できません。請求の確定前は、正しいファイルを取り込むと置き換わります。")
    csv_more = (TextColumn(_("契約番号"), "meter__contract__number"), TextColumn(_("品目"), "meter__item"))
    imports = "usage"
    list_display = [
        cell("month", ym, _("対象年月")),
        "customer",
        "meter",
        cell("quantity", plain, _("数量")),
        "file",
        "line_number",
    ]
    list_filter = [MonthFilter]
    list_select_related = ["customer", "meter__contract", "file"]
    search_fields = ["customer__number", "meter__contract__number"]
    inlines = [ChargeInline]


@admin.register(UsageFile)
class UsageFileAdmin(ReadOnly):
    list_display = ["at", "name", "rows", "sha256"]
    search_fields = ["name", "sha256"]
