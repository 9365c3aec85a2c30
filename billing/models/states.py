"""Kinds and states of documents, and the words for which of them are meant, in the ORM and in SQL."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class Kind(models.TextChoices):
    INVOICE = "invoice", _("請求書")
    CORRECTION = "correction", _("修正")
    RETURN = "return", _("返還")
    IMPORTED = "imported", _("移行")


class State(models.TextChoices):
    DRAFT = "draft", _("未確定")
    FIXED = "fixed", _("確定")
    REPLACED = "replaced", _("差替済")
    VOID = "void", pgettext_lazy("invoice", "取消")


class ReviewState(models.TextChoices):
    """社内確認, as far as the company has come with a document."""

    OPEN = "open", _("未確認")
    CHECKED = "checked", _("確認済")
    ARRANGED = "arranged", _("支払手配済")


# The documents that ask for a customer's month; a return names one of them and stands beside it.
OF_MONTH = [Kind.INVOICE, Kind.CORRECTION]
# The one of them that holds now.
LIVE = Q(state__in=[State.DRAFT, State.FIXED], kind__in=OF_MONTH)
# The same in the SQL of the month's runs, where a document is always called `i`.
OF_MONTH_SQL = f"i.kind IN ('{Kind.INVOICE}', '{Kind.CORRECTION}')"
LIVE_SQL = f"{OF_MONTH_SQL} AND i.state IN ('{State.DRAFT}', '{State.FIXED}')"
DRAFT_SQL = f"{OF_MONTH_SQL} AND i.state = '{State.DRAFT}'"
FIXED_SQL = f"{OF_MONTH_SQL} AND i.state <> '{State.DRAFT}'"
