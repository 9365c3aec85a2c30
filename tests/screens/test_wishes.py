"""変更申込 (A9): the customer writes over what should change, the desk sees it beside what is, and takes it over by one button."""

import pytest
from django.core import mail as outbox
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.models import Customer
from accounts.wishes import take_over
from portal.models import HistoryEvent, Inquiry
from tests import make
from tests.screens.people import staff
from tests.screens.threads import address, sent

PATH = "/account/change/"


def facts_on(browser):
    """What the form offers, as a browser would send it back."""
    form = browser.get(PATH).context["form"]
    return {field.html_name: field.value() or "" for field in form}


@pytest.fixture
def desk(cast, web):
    """The desk's browser, beside the customer's."""
    browser = type(web)()
    browser.force_login(cast.staff)
    return browser


@pytest.fixture
def company(cast):
    Customer.objects.filter(pk=cast.a.pk).update(
        postal_code="530-0001", address="大阪市北区梅田1-1", phone="06-0000-1234", billing_person="経理 花子"
    )
    return cast.a


@pytest.fixture
def wish(company, cast, sign_in):
    """A new address and telephone, and nobody named for bills any more."""
    browser = sign_in(cast.hanako)
    given = {
        "address": "大阪市北区中之島２－２",
        "phone": "０６－９９９９－０００１",
        "billing_person": "",
        "note": "12月1日から",
    }
    assert browser.post(PATH, facts_on(browser) | given).status_code == 302
    return Inquiry.objects.get()


def take(desk, inquiry, **given):
    """Press the button as it stands on the desk's page."""
    asked = desk.get(address(inquiry)).context["wishes"]
    now = {f"now-{each.name}": each.now for each in asked}
    return desk.post(address(inquiry, "take"), now | given, follow=True).content.decode()


def it_sends_only_what_differs_and_changes_nothing_yet(cast, wish, sign_in):
    assert wish.kind == "change"
    assert wish.wished == {
        "address": ["大阪市北区梅田1-1", "大阪市北区中之島２－２"],
        "phone": ["06-0000-1234", "06-9999-0001"],
        "billing_person": ["経理 花子", ""],
    }
    cast.a.refresh_from_db()
    assert cast.a.phone == "06-0000-1234"
    page = sign_in(cast.taro).get(f"/inquiry/{wish.number}/").content.decode()
    for words in ("06-0000-1234 → 06-9999-0001", "経理 花子 → （なし）", "12月1日から"):
        assert words in page
    desk_mail = next(each for each in sent() if each.to == [make.make_vendor().desk_email])
    assert "06-0000-1234 → 06-9999-0001" in desk_mail.body


def it_asks_for_a_change_and_for_what_a_field_takes(company, cast, sign_in):
    browser = sign_in(cast.hanako)
    given = facts_on(browser)
    assert "変更する項目がありません" in browser.post(PATH, given | {"note": "よろしく"}).content.decode()
    page = browser.post(PATH, given | {"postal_code": "123", "name": "", "billing_postal_code": "530-0001"})
    assert set(page.context["form"].errors) == {"postal_code", "name", "billing_address"}
    assert not Inquiry.objects.exists()


def it_takes_over_by_one_button_and_prepares_the_answer(cast, desk, wish):
    page = desk.get(address(wish)).content.decode()
    assert "<td>06-0000-1234" in " ".join(page.split()).replace("<td> ", "<td>")
    assert "<strong>06-9999-0001</strong>" in page
    page = take(desk, wish)
    assert "お客様の情報を変更しました。" in page
    assert "・電話: 06-9999-0001" in page.partition("</textarea>")[0]
    cast.a.refresh_from_db()
    assert (cast.a.address, cast.a.phone, cast.a.billing_person) == ("大阪市北区中之島２－２", "06-9999-0001", "")
    assert sent() and "変更しました" not in outbox.outbox[-1].body  # nothing is sent by itself
    event = HistoryEvent.objects.filter(action="customer_changed").get()
    assert event.actor == cast.staff
    assert ("電話", "06-0000-1234", "06-9999-0001") in event.changes
    assert HistoryEvent.objects.about(wish).filter(actor=cast.staff).exists()
    assert "取り込みました。" in page
    assert "取込済み" in take(desk, wish)
    assert HistoryEvent.objects.filter(action="customer_changed").count() == 1


def it_tells_of_a_field_that_changed_since_the_company_asked(cast, desk, wish):
    Customer.objects.filter(pk=cast.a.pk).update(phone="06-1111-1111")
    page = take(desk, wish)
    assert "申し込みの後に変わった項目があります（電話）" in page
    cast.a.refresh_from_db()
    assert (cast.a.phone, cast.a.address) == ("06-1111-1111", "大阪市北区梅田1-1")
    assert "お客様の情報を変更しました。" in take(desk, wish, over="on")
    cast.a.refresh_from_db()
    assert cast.a.phone == "06-9999-0001"


def it_takes_nothing_over_what_was_not_on_the_screen(cast, desk, wish):
    seen = {f"now-{each.name}": each.now for each in desk.get(address(wish)).context["wishes"]}
    Customer.objects.filter(pk=cast.a.pk).update(address="大阪市北区堂島3-3")
    page = desk.post(address(wish, "take"), seen | {"over": "on"}, follow=True).content.decode()
    assert "ほかの人がお客様の情報を変えました。" in page
    cast.a.refresh_from_db()
    assert cast.a.address == "大阪市北区堂島3-3"


def it_refuses_by_an_answer_and_keeps_the_wish(cast, desk, wish, sign_in):
    desk.post(address(wish, "answer"), {"body": "登記のとおりですので変更できません。", "seen": 0, "done": "1"})
    cast.a.refresh_from_db()
    assert cast.a.phone == "06-0000-1234"
    page = sign_in(cast.hanako).get(f"/inquiry/{wish.number}/").content.decode()
    assert "登記のとおりですので変更できません。" in page


def it_takes_over_for_those_who_may_change_companies(cast, web, wish):
    for person, answered in ((None, 302), (cast.hanako, 302), (staff("v@example.net", "閲覧"), 403)):
        if person:
            web.force_login(person)
        assert web.post(address(wish, "take"), {}).status_code == answered
    web.force_login(staff("b@example.net", "請求"))
    assert web.post(address(wish, "take"), {}).status_code == 403
    assert "申し込みの内容に変更する" not in web.get(address(wish)).content.decode()
    web.force_login(staff("r@example.net", "受付"))
    assert "お客様の情報を変更しました。" in take(web, wish)


def it_refuses_in_the_service_what_the_rules_of_companies_refuse(cast, wish):
    now = {"address": "大阪市北区梅田1-1", "phone": "06-0000-1234", "billing_person": "経理 花子"}
    Customer.objects.filter(pk=cast.a.pk).update(billing_postal_code="530-0001")
    with pytest.raises(ValidationError, match="請求先郵便番号の住所"):
        take_over(wish, seen=now, by=cast.staff)


def it_keeps_what_was_wished_for_good(cast, wish):
    for changed in ({"wished": {"phone": ["1", "2"]}}, {"kind": "other"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Inquiry.objects.filter(pk=wish.pk).update(**changed)
