"""The columns of the user list and of the change history."""

from django.utils.html import escape
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_tables2 import Table

from accounts.models import SignedIn
from portal import languages
from portal.lists.columns import ChoiceColumn, FlagColumn, LinkColumn, StateColumn, TextColumn, TimeColumn, tag
from portal.models import Action

LOOKS = {SignedIn.NEVER: "warn", SignedIn.ACTIVE: "ok"}


class AddressColumn(TextColumn):
    """The e-mail address, marked when mails to it came back."""

    def writer(self):
        write, mark = super().writer(), tag(_("不達"))
        return lambda row: f"{write(row)} {mark}" if row.bounced else write(row)


class NameColumn(LinkColumn):
    """The name that leads to the page of a person; unlike a number it may break."""

    css = "text"


class UserTable(Table):
    name = NameColumn(
        gettext_lazy("名前"),
        "name",
        to="user_detail",
        key="pk",
        sort="reading",
        needs="with_reading",
        shown=True,
        card="title",
    )
    email = AddressColumn(gettext_lazy("Eメール"), "email", shown=True, card="sub")
    department = TextColumn(gettext_lazy("部署"), "department")
    position = TextColumn(gettext_lazy("役職"), "position")
    phone = TextColumn(gettext_lazy("電話番号"), "phone")
    is_manager = FlagColumn(gettext_lazy("管理者ユーザ"), "is_manager", shown=True)
    is_recipient = FlagColumn(gettext_lazy("メール送信先"), "is_recipient", shown=True, card="sub")
    state = StateColumn(gettext_lazy("状態"), "state", SignedIn, LOOKS, shown=True, card="state")
    last_login = TimeColumn(gettext_lazy("最終ログイン"), "last_login", shown=True, card="sub")


class WordsColumn(TextColumn):
    """What the history tells in the vendor's words, in the reader's language; files have it as it is stored."""

    def writer(self):
        write, value = super().writer(), self.value
        return lambda row: escape(languages.of_reader(value(row))) if row.in_words and value(row) else write(row)


class HistoryTable(Table):
    at = TimeColumn(gettext_lazy("日時"), "at", shown=True, card="title")
    actor_name = TextColumn(gettext_lazy("操作者"), "actor_name", shown=True, card="sub")
    action = ChoiceColumn(gettext_lazy("操作"), "action", Action, shown=True, card="sub")
    subject = WordsColumn(gettext_lazy("対象"), "subject", shown=True, card="sub")
    detail = WordsColumn(gettext_lazy("内容"), "detail", shown=True, card="sub")
