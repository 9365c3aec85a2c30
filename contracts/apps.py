"""How this app is called on staff's pages."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class Contracts(AppConfig):
    name = "contracts"
    verbose_name = _("サービスと契約")
