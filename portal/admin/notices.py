"""Staff's pages of what the vendor tells its customers (お知らせ)."""

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal.admin.vendor import Told
from portal.models import Notice
from portal.shown import cell, flag

ON_SIGN_IN = cell("on_sign_in", flag, gettext_lazy("ログイン画面"))


@admin.register(Notice)
class NoticeAdmin(Told):
    list_display = ["title", "kind", "stage_shown", "starts_at", "ends_at", ON_SIGN_IN, "service"]
    list_filter = ["kind", "on_sign_in"]
    list_select_related = ["service"]
    search_fields = ["title", "body"]
    change_form_template = "admin/portal/notice/change_form.html"
    fieldsets = [
        (None, {"fields": ["kind", "title", "body", "starts_at", "ends_at", "on_sign_in", "service"]}),
        (gettext_lazy("英語（空なら日本語で表示します）"), {"fields": ["title_en", "body_en"]}),
    ]

    @admin.display(description=gettext_lazy("状態"))
    def stage_shown(self, notice):
        return notice.stage

    def get_changeform_initial_data(self, request):
        return {"starts_at": timezone.now().replace(second=0, microsecond=0)} | super().get_changeform_initial_data(
            request
        )

    def find_why_kept(self, row):
        """What customers were told stays."""
        stored = Notice.objects.filter(pk=row.pk, starts_at__lte=timezone.now()).exists()
        return (
            _("掲載を始めたお知らせは削除できません。掲載をやめるときは「掲載終了」を入力してください。")
            if stored
            else ""
        )

    def get_urls(self):
        view = self.admin_site.admin_view(self.preview_view)
        return [path("<path:object_id>/preview/", view, name="portal_notice_preview"), *super().get_urls()]

    def preview_view(self, request, object_id):
        """The notice as customers will see it, on a wide screen and on a phone."""
        notice = self.get_object(request, unquote(object_id))
        if notice is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not self.has_view_or_change_permission(request, notice):
            raise PermissionDenied
        return render(request, "admin/portal/notice/preview.html", {"notices": [notice], "notice": notice})
