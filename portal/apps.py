"""What is set once when the portal starts."""

from django.apps import AppConfig
from django.contrib.admin import apps as admin
from django.forms import Field
from django.utils.translation import gettext_lazy as _


class Portal(AppConfig):
    name = "portal"
    verbose_name = _("窓口と設定")

    def ready(self):
        # Next to its field a person needs to hear what to do; Django's own words name a フィールド.
        Field.default_error_messages["required"] = _("入力してください。")


class Desk(admin.AdminConfig):
    """Django's admin, with the site of `portal/site.py`."""

    default = False  # of this app
    default_site = "portal.site.Site"
