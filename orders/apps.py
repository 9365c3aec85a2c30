"""How this app is called on staff's pages."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class Orders(AppConfig):
    name = "orders"
    verbose_name = _("注文と使用量")
