"""A save over a colleague's newer one stores nothing and shows what stood there, what they stored and what was typed (D40)."""

import re
from html import unescape

import pytest
from django.contrib.auth.models import Group

from accounts.models import Customer, User
from contracts.models import Contract
from portal.models import FaqEntry
from tests.filled import filled
from tests.screens.desk import ADMINS, make_rows
from tests.screens.people import staff

TOLD = "ほかの人が先に保存しました。下の内容でよければ、もう一度保存してください。"

ADDED = {
    "lines__TOTAL_FORMS": "2", "lines__1__position": "2", "lines__1__item": "追加分", "lines__1__quantity": "1",
    "lines__1__unit_price": "100", "lines__1__price_basis": "exclusive", "lines__1__tax_kind": "standard",
}  # fmt: skip


@pytest.fixture(autouse=True)
def in_may(time_machine):
    time_machine.move_to("2026-05-08T03:00Z")


@pytest.fixture
def desk(cast, web):
    web.force_login(cast.staff)
    return web


class Asked:
    """A request of somebody's, as far as rights are asked."""

    method = "GET"

    def __init__(self, user):
        self.user = user


def address(row):
    return f"/admin/{row._meta.label_lower.replace('.', '/')}/{row.pk}/change/"


def send(web, row, given):
    return web.post(address(row), given, follow=True)


def differences(answer):
    """The table of what differs: a tuple of cells each."""
    table = re.search(r'id="conflict".*?</fieldset>', answer.content.decode(), re.S)[0]
    lines = re.findall(r"<tr>(.*?)</tr>", table, re.S)[1:]
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line, re.S) for line in lines]
    return [tuple(" ".join(unescape(cell).split()) for cell in line) for line in cells]


def again(answer, given):
    """What the browser sends when the page that told of the other is sent as it stands, with what it took over."""
    context = answer.context
    forms = [
        context["adminform"].form,
        *(row for each in context["inline_admin_formsets"] for row in each.formset.forms),
    ]
    found = {key: value for key, value in given.items() if key.endswith("_FORMS")} | {"seen": context["seen"]}
    for form in forms:
        for field in form:
            value = field.value()
            if value not in (None, False, ""):
                found[field.html_name] = "on" if value is True else value
    return found


def it_takes_over_what_only_the_colleague_changed(cast, desk):
    contract = cast.b.contracts.get()
    mine = filled(desk, address(contract), name="私の名前")
    send(desk, contract, filled(desk, address(contract), note="急ぎです"))
    answer = send(desk, contract, mine)
    assert TOLD in answer.content.decode()
    assert cast.staff.name in answer.content.decode()
    assert differences(answer) == [("備考", "（なし）", "急ぎです", "ほかの人の内容")]
    assert Contract.objects.get(pk=contract.pk).name != "私の名前"
    assert TOLD not in send(desk, contract, again(answer, mine)).content.decode()
    stored = Contract.objects.get(pk=contract.pk)
    assert (stored.name, stored.note) == ("私の名前", "急ぎです")


def it_leaves_the_choice_where_both_changed_the_same(cast, desk):
    contract = cast.b.contracts.get()
    before = contract.name
    mine = filled(desk, address(contract), name="私の名前")
    send(desk, contract, filled(desk, address(contract), name="同僚の名前"))
    answer = send(desk, contract, mine)
    assert differences(answer) == [("契約名", before, "同僚の名前", "私の名前")]
    assert 'value="私の名前"' in answer.content.decode()
    assert Contract.objects.get(pk=contract.pk).name == "同僚の名前"
    assert TOLD not in send(desk, contract, again(answer, mine)).content.decode()
    assert Contract.objects.get(pk=contract.pk).name == "私の名前"


def it_looks_at_the_lines_too(cast, desk):
    contract = cast.b.contracts.get()
    mine = filled(desk, address(contract), name="私の名前")
    send(desk, contract, filled(desk, address(contract), lines__0__specification="同僚の仕様", **ADDED))
    answer = send(desk, contract, mine)
    found = differences(answer)
    assert [each[1:] for each in found[:1]] == [("（なし）", "同僚の仕様", "ほかの人の内容")]
    assert "仕様" in found[0][0]
    assert "追加された行" in found[1][0]
    assert "追加分" in found[1][2]
    send(desk, contract, again(answer, mine))
    assert [(each.item, each.specification) for each in contract.lines.order_by("position")][1] == ("追加分", "")
    assert contract.lines.order_by("position").first().specification == "同僚の仕様"


def it_leaves_a_line_away_that_the_colleague_took_away(cast, desk):
    contract = cast.b.contracts.get()
    item = contract.lines.get().item
    send(desk, contract, filled(desk, address(contract), **ADDED))
    mine = filled(desk, address(contract), name="私の名前", lines__1__quantity="5")
    send(desk, contract, filled(desk, address(contract), lines__1__DELETE="on"))
    assert [each.item for each in contract.lines.all()] == [item]
    answer = send(desk, contract, mine)
    assert "削除された行" in differences(answer)[0][0]
    assert TOLD not in send(desk, contract, again(answer, mine)).content.decode()
    assert [each.item for each in contract.lines.all()] == [item]
    assert Contract.objects.get(pk=contract.pk).name == "私の名前"


def it_takes_over_ticks_and_roles(cast, desk):
    person = staff("uketsuke@example.com", "受付")
    mine = filled(desk, address(person), department="受付係")
    send(desk, person, filled(desk, address(person), roles=["受付", "請求"]))
    answer = send(desk, person, mine)
    assert differences(answer) == [("役割", "受付", "受付、請求", "ほかの人の内容")]
    send(desk, person, again(answer, mine))
    assert User.objects.get(pk=person.pk).department == "受付係"
    assert set(Group.objects.filter(user=person).values_list("name", flat=True)) == {"受付", "請求"}


def it_leaves_nothing_to_choose_where_both_typed_the_same(cast, desk):
    mine = filled(desk, address(cast.a), billing_person="経理 花子")
    send(desk, cast.a, filled(desk, address(cast.a), billing_person="経理 花子"))
    answer = send(desk, cast.a, mine)
    assert differences(answer) == [("請求先担当者", "（なし）", "経理 花子", "ほかの人の内容")]
    assert Customer.objects.get(pk=cast.a.pk).billing_person == "経理 花子"


def it_says_nothing_while_nobody_else_stores(cast, desk):
    entry = FaqEntry.objects.create(question="質問", answer="回答")
    mine = filled(desk, address(entry), answer="新しい回答")
    assert TOLD not in send(desk, entry, mine).content.decode()
    assert FaqEntry.objects.get(pk=entry.pk).answer == "新しい回答"


def it_guards_every_form_of_the_desk(cast, desk):
    """A mark that says nothing of the row is as old as can be."""
    guarded = set()
    for label, row in make_rows(cast).items():
        if not ADMINS[label].has_change_permission(Asked(cast.staff), row):
            continue
        answer = send(desk, row, filled(desk, address(row)) | {"seen": "of another time"})
        assert TOLD in answer.content.decode(), label
        guarded.add(label)
    assert {"contracts.contract", "accounts.customer", "accounts.user", "billing.invoice", "portal.vendor"} <= guarded
    assert not [label for label, each in ADMINS.items() if each.list_editable]


def it_takes_no_mark_of_another_row(cast, desk):
    first, other = (FaqEntry.objects.create(question=each, answer="回答") for each in ("一", "二"))
    mine = filled(desk, address(first), answer="新しい回答") | {"seen": filled(desk, address(other))["seen"]}
    assert TOLD in send(desk, first, mine).content.decode()
    assert FaqEntry.objects.get(pk=first.pk).answer == "回答"
