"""The files that staff sent in to be imported, as a history."""

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from billing.models import Upload
from portal.desk import ReadOnly
from portal.shown import cell
from portal.templatetags.figures import yen


@admin.register(Upload)
class UploadAdmin(ReadOnly):
    list_display = ["at", "kind", "name", "state", "counts", "by"]
    list_filter = ["kind", "state"]
    list_select_related = ["by"]
    search_fields = ["name", "sha256"]
    fields = [
        "kind", "name", "state", "counts", "note", "by", "at", "confirmed_by", "ended_at",
        cell("size", yen, _("サイズ（バイト）")), "sha256", "page",
    ]  # fmt: skip
    readonly_fields = fields

    def get_queryset(self, request):
        return super().get_queryset(request).light()

    @admin.display(description=_("結果"))
    def counts(self, upload):
        told = upload.report
        if not told:
            return "-"
        if told["fault_count"]:
            return _("誤り %s件") % f"{told['fault_count']:,}"
        numbers = {name: f"{told[name]:,}" for name in ("added", "changed", "unchanged")}
        return _("追加 %(added)s、変更 %(changed)s、変更なし %(unchanged)s") % numbers

    @admin.display(description=_("取込の画面"))
    def page(self, upload):
        return format_html('<a href="{}">{}</a>', reverse("admin_upload", args=[upload.kind, upload.pk]), _("開く"))
