"""The month's runs, and what waits for somebody: parked customers, PDFs that failed."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from billing.documents.rendering import render_again
from billing.models import MonthRun, Parked, Rendering
from billing.month.kept import in_words
from billing.services import defer_catch_up
from portal.acting import acts
from portal.desk import ReadOnly, empty_or_not
from portal.shown import MonthFilter, cell
from portal.templatetags.figures import ym


@admin.register(MonthRun)
class MonthRunAdmin(ReadOnly):
    fields = readonly_fields = [
        cell("month", ym, _("対象年月")),
        "kind",
        "as_of",
        "whole",
        "started_at",
        "finished_at",
        "expected",
        "fixed",
        "skipped",
        "parked",
        cell("settings", in_words, _("使った設定")),
    ]
    list_display = [
        cell("month", ym, _("対象年月")),
        "kind",
        "as_of",
        "started_at",
        "finished_at",
        "expected",
        "fixed",
        "skipped",
        "parked",
    ]
    list_filter = ["kind"]


@admin.register(Parked)
class ParkedAdmin(ReadOnly):
    list_display = ["customer", cell("month", ym, _("対象年月")), "reason", "tries", "parked_at", "tried_at"]
    list_filter = [MonthFilter]
    list_select_related = ["customer"]
    search_fields = ["customer__number", "customer__name", "reason"]
    actions = ["try_again"]

    @acts(
        description=_("もう一度締める"),
        permissions=["act"],
        done=_("%(count)d件をもう一度処理します。結果はこの一覧に表れます。"),
    )
    def try_again(self, request, row):
        defer_catch_up(row.customer, decided=True, by=request.user)


class InvoiceMonth(MonthFilter):
    def of_month(self, rows, month):
        return rows.filter(invoice__month=month)


@admin.register(Rendering)
class RenderingAdmin(ReadOnly):
    list_display = ["invoice", "customer", "tries", "__str__", "parked_at"]
    list_filter = [InvoiceMonth, ("parked_at", empty_or_not(_("状態"), _("再試行中"), _("保留中")))]
    list_select_related = ["invoice", "customer"]
    search_fields = ["invoice__number", "customer__number", "error"]
    actions = ["try_again"]

    @acts(
        description=_("もう一度作成する"),
        permissions=["act"],
        done=_("%(count)d件のPDFをもう一度作成します。"),
        kept=lambda desk, request, row: "" if row.parked_at else _("自動で再試行しています。"),
        yen=lambda row: row.invoice.total,
    )
    def try_again(self, request, row):
        render_again(Rendering.objects.filter(pk=row.pk), by=request.user)
