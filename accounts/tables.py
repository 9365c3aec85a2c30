"""The columns of the user list and of the change history."""

from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django_tables2 import Table

from accounts.models import SignedIn
from portal.lists.columns import ChoiceColumn, FlagColumn, LinkColumn, StateColumn, TextColumn, TimeColumn
from portal.models import Action

LOOKS = {SignedIn.NEVER: "warn", SignedIn.ACTIVE: "ok"}


def detail_url(row):
    return reverse("user_detail", args=[row.pk])


class AddressColumn(TextColumn):
    """The e-mail address, marked when mails to it came back."""

    def cell(self, row):
        address = super().cell(row)
        return format_html('{} <span class="tag">{}</span>', address, _("不達")) if row.bounced else address


class UserTable(Table):
    name = LinkColumn(_("名前"), "name", url=detail_url, shown=True, card="title")
    email = AddressColumn(_("Eメール"), "email", shown=True, card="sub")
    department = TextColumn(_("部署"), "department")
    position = TextColumn(_("役職"), "position")
    phone = TextColumn(_("電話番号"), "phone")
    is_manager = FlagColumn(_("管理者ユーザ"), "is_manager", shown=True)
    is_recipient = FlagColumn(_("メール送信先"), "is_recipient", shown=True)
    state = StateColumn(_("状態"), "state", SignedIn, LOOKS, shown=True, card="state")
    last_login = TimeColumn(_("最終ログイン"), "last_login", shown=True)


class HistoryTable(Table):
    at = TimeColumn(_("日時"), "at", shown=True, card="title")
    actor_name = TextColumn(_("操作者"), "actor_name", shown=True)
    action = ChoiceColumn(_("操作"), "action", Action, shown=True)
    subject = TextColumn(_("対象"), "subject", shown=True)
    detail = TextColumn(_("内容"), "detail", shown=True)
