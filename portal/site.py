"""Staff's desk as a whole: its name, its menu, and where it begins (`billing/start.py`). Its pages are registered in each app's admin."""

from django.contrib import admin
from django.shortcuts import redirect
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext_lazy as _

from billing.menu import menu_of
from billing.start import start_page
from portal.months import today


class Site(admin.AdminSite):
    """Django's site without its list of apps, which says nothing about the work."""

    site_header = site_title = _("契約マイポータル 担当者")
    index_title = _("担当者ホーム")
    enable_nav_sidebar = False  # it lists apps, too

    def each_context(self, request):
        """The menu is made when a template asks for it, so pages without a frame don't count anything."""
        given = {"menu": SimpleLazyObject(lambda: menu_of(request)), "today": today()}
        return super().each_context(request) | given

    def index(self, request, extra_context=None):
        """The work list and the month board."""
        return super().index(request, start_page(request, today=today()) | (extra_context or {}))

    def get_app_list(self, request, app_label=None):
        return []

    def app_index(self, request, app_label, extra_context=None):
        """An app is no place: whoever knows its address is led to the start."""
        return redirect("admin:index")
