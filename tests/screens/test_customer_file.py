"""A customer's file at staff's desk: everything of one company on one page, and nothing of another's."""

import re

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.credentials import note_sign_in
from accounts.models import Customer, User
from billing.models import Invoice
from billing.month import parking
from billing.services import review_invoice
from contracts.models import Contract
from portal import history, mail, months, rights
from portal.models import Action, HistoryEvent, Inquiry, Mail
from tests import make
from tests.filled import filled

LISTED = {
    "contracts": "すべて見る（41件）",
    "invoices": "すべて見る（100件）",
    "users": "すべて見る（42人）",
    "inquiries": "すべて見る（1件）",
    "mails": "すべて見る（3通）",
}


@pytest.fixture(autouse=True)
def in_may(time_machine):
    time_machine.move_to("2026-05-08T03:00Z")


@pytest.fixture
def desk(cast, web):
    web.force_login(cast.staff)
    return web


@pytest.fixture
def crowded(cast, desk):
    """A company with 100 invoices, 41 contracts and 42 users, and a little of everything else; and another one."""
    service = cast.a.contracts.get().service
    many = [
        Contract(customer=cast.a, number=f"M{n:03}", name=f"契約{n:03}", service=service, start_on=make.APRIL)
        for n in range(40)
    ]
    Contract.objects.bulk_create(many)
    User.objects.bulk_create(
        User(customer=cast.a, email=f"u{n}@example.com", name=f"社員{n:02}", last_login=timezone.now())
        for n in range(40)
    )
    make.close_month()
    make.open_month()
    fixed = Invoice.objects.get(customer=cast.a, state="fixed")
    for n in range(1, 99):
        make.import_invoice(fixed, months.add_months(make.APRIL, -n))
    make.make_inquiry(cast.hanako, subject="台数について")
    mail.queue(mail.Kind.PASSWORD_CHANGED, key="x", customer=cast.a, user=cast.hanako)
    note_sign_in(cast.hanako, address="192.0.2.7", browser="Firefox")
    make.make_credit(cast.a, 300)
    parking.park([cast.a.pk], make.MAY, "金額の確認が必要です")
    TOTPDevice.objects.create(user=cast.taro, confirmed=True, name="x")
    User.objects.filter(pk=cast.taro.pk).update(last_login=timezone.now())
    return cast


def address(row):
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def panel(page, name):
    """The text of a panel, in one line."""
    found = re.search(rf'<section class="panel[^"]*" id="{name}">(.*?)</section>', page, re.S)
    return found and " ".join(re.sub(r"<[^>]+>", " ", found[1]).split())


def shown(web, customer):
    return web.get(address(customer)).content.decode()


def it_shows_everything_of_the_company_and_nothing_of_another(crowded, desk):
    page = shown(desk, crowded.a)
    for name, words in {
        "contracts": ["K0000001", "サーバ契約", "契約中", "2 式", "21,500"],
        "invoices": ["B202605-000001", "未確定", "2026/06/05 予定", "確定", "移行"],
        "users": ["hanako@example.com", "送信先", "未ログイン", "リセット", "2段階を解除"],
        "inquiries": ["台数について", "返信待ち"],
        "mails": ["パスワード変更", "送信待ち"],
        "sign-ins": ["hanako", "192.0.2.7 Firefox"],
        "changes": ["お問い合わせ送信"],
        "credits": ["お詫び", "300円", "税抜"],
        "parked": ["2026年5月", "金額の確認が必要です"],
        "draft": ["2026年5月分の見込", "クラウド", "合計（税込）", "2026/06/05"],
        "facts": ["翌月末払い", "銀行振込", "任意"],
    }.items():
        text = panel(page, name)
        assert text and [each for each in words if each not in text] == [], (name, text)
    assert "jiro@example.org" not in page and "C0000002" not in page
    assert "社員39" not in page
    assert "hanako@example.com" not in shown(desk, crowded.b)


def it_leads_to_lists_that_show_the_same_rows(crowded, desk):
    page = desk.get(address(crowded.a))
    told = page.content.decode()
    for name, count in LISTED.items():
        assert count in panel(told, name), name
        found = page.context[name]
        listed = desk.get(found.address).context["cl"]
        assert listed.result_count == found.total, name
        assert {row.customer_id for row in listed.result_list} == {crowded.a.pk}, name
        assert {row.pk for row in found.rows} <= {row.pk for row in listed.queryset}, name
    for name in ("changes", "sign_ins", "credits"):
        rows = desk.get(page.context[name].address).context["cl"].queryset
        assert {row.pk for row in page.context[name].rows} <= {row.pk for row in rows}, name
    only = desk.get(page.context["sign_ins"].address).context["cl"].queryset
    assert {event.action for event in only} == {Action.SIGNED_IN}


def it_names_the_customer_over_the_list_and_finds_nobody_by_a_wrong_number(crowded, desk):
    page = desk.get("/admin/billing/invoice/", {"customer": "C0000001"}).content.decode()
    assert "C0000001 会社C0000001" in page
    assert desk.get("/admin/billing/invoice/", {"customer": "C000000"}).context["cl"].result_count == 0


def it_asks_at_most_ten_statements_for_any_customer(crowded, desk):
    rights.set_up_roles()
    viewer = make.make_user(None, "viewer@example.net", is_staff=True)
    viewer.groups.set(rights.Group.objects.filter(name="閲覧"))
    for person in (crowded.staff, viewer):
        desk.force_login(person)
        for customer in (crowded.a, crowded.b):
            with CaptureQueriesContext(connection) as asked:
                assert desk.get(address(customer)).status_code == 200
            beside = ("set_config", "current_setting", "SAVEPOINT")
            read = [each["sql"] for each in asked if not any(word in each["sql"] for word in beside)]
            assert len(read) <= 10, read


def it_shows_each_panel_only_to_whom_may_see_its_rows(crowded, desk):
    person = make.make_user(None, "few@example.net", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename__in=["view_customer", "view_contract"]))
    desk.force_login(User.objects.get(pk=person.pk))
    page = shown(desk, crowded.a)
    seen = [
        name for name in [*LISTED, "sign-ins", "changes", "credits", "parked", "draft", "facts"] if panel(page, name)
    ]
    assert seen == ["contracts", "facts"]
    for words in ("B2026", "hanako", "台数について", "?form=1", "契約を追加", "ユーザを追加", "リセット"):
        assert words not in page, words


def it_shows_nothing_that_the_company_notes_for_itself(crowded, desk):
    fixed = Invoice.objects.get(customer=crowded.a, state="fixed", kind="invoice")
    review_invoice(fixed, "checked", "社内だけのメモ", by=crowded.hanako)
    mail.queue(
        mail.Kind.INVOICE_REMINDER, key=f"invoice_reminder:{fixed.number}", customer=crowded.a, user=crowded.hanako
    )
    page = shown(desk, crowded.a)
    assert "社内だけのメモ" not in page and "確認済" not in page
    assert str(Mail.Kind.INVOICE_REMINDER.label) not in panel(page, "mails")


def it_proposes_what_is_to_be_given_back_with_the_way_to_decide(cast, desk):
    contract = cast.b.contracts.get()
    contract.service.prorate = True
    contract.service.save()
    make.close_month()
    assert panel(shown(desk, cast.b), "proposals") is None
    answer = desk.post(address(contract), filled(desk, address(contract), cancel_on="2026-04-15"), follow=True)
    assert answer.status_code == 200
    Contract.objects.get(pk=contract.pk, cancel_on="2026-04-15")
    told = panel(shown(desk, cast.b), "proposals")
    assert contract.number in told and "品目1" in told


def it_opens_the_form_by_its_button_and_comes_back_to_the_file(cast, desk):
    page = shown(desk, cast.a)
    assert "adminform" not in desk.get(address(cast.a)).context
    assert 'href="?form=1"' in page
    answer = desk.post(address(cast.a), filled(desk, address(cast.a), billing_person="経理 花子"))
    assert answer.url == address(cast.a)
    assert Customer.objects.get(pk=cast.a.pk).billing_person == "経理 花子"
    told = shown(desk, cast.a)
    assert "経理 花子" in panel(told, "facts") and "請求先担当者 （なし） → 経理 花子" in panel(told, "changes")
    refused = desk.post(address(cast.a), filled(desk, address(cast.a), payment_months="99"))
    assert "12か月まで" in refused.content.decode() and 'value="99"' in refused.content.decode()


def it_adds_contracts_users_and_inquiries_of_this_customer(cast, desk):
    page = shown(desk, cast.b)
    for path in ("/admin/contracts/contract/add/", "/admin/accounts/user/add/", "/admin/portal/inquiry/add/"):
        assert f'href="{path}?customer={cast.b.pk}"' in page
        form = desk.get(path, {"customer": cast.b.pk}).content.decode()
        assert re.search(rf'<option value="{cast.b.pk}" selected>C0000002', form), path


def it_enters_the_first_user_on_the_file_itself(cast, desk):
    company = make.make_customer("C0000009")
    form = re.search(
        r'<form class="first-user" method="post" action="([^"]+)">(.*?)</form>', shown(desk, company), re.S
    )
    given = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', form[2])) | {"name": "山田", "email": "yamada"}
    assert "email" in desk.post(form[1], given).context["adminform"].form.errors
    assert desk.post(form[1], given | {"email": "yamada@example.co.jp"}).url == address(company)
    assert company.users.get().is_recipient
    assert "first-user" not in shown(desk, company)


def it_says_of_a_new_user_whether_the_account_data_go(cast, desk):
    company = make.make_customer("C0000009")
    given = {"customer": company.pk, "language": "ja", "initial_password": ""}
    for name, later, told in [
        ("ichiro", {}, "アカウント情報を送ります: ichiro@example.co.jp"),
        ("jiro2", {"later": "on"}, "アカウント情報はまだ送っていません。"),
    ]:
        person = {"name": name, "email": f"{name}@example.co.jp"}
        answer = desk.post("/admin/accounts/user/add/", given | person | later, follow=True)
        assert [str(message) for message in answer.context["messages"]][1:] == [told]


def it_shows_the_end_of_a_contract_that_has_not_begun(cast, desk):
    contract = cast.a.contracts.get()
    Contract.objects.filter(pk=contract.pk).update(start_on="2026-06-01", cancel_on="2026-12-31")
    assert "2026/06/01～ 2026/12/31 解約" in panel(shown(desk, cast.a), "contracts")


def it_asks_before_it_sends_account_data_from_the_page(cast, desk):
    User.objects.filter(pk=cast.hanako.pk).update(must_change_password=True)
    address_of_form, sent = form_of(shown(desk, cast.a), "/admin/accounts/user/")
    assert sent["action"] == "send_account_data"
    asked = desk.post(address_of_form, sent).content.decode()
    events = HistoryEvent.objects.filter(action=Action.ACCOUNT_DATA_SENT)
    assert "に実行します" in asked and "hanako" in asked and not events.exists()
    desk.post(address_of_form, form_of(asked, "")[1] | {"confirmed": "1"})
    assert [event.subject for event in events] == ["hanako"]


def form_of(page, action):
    """(address, {name: value}) of the first form that posts to such an address; without one, of the page's own."""
    start = f'<form method="post" action="({action}[^"]*)">' if action else '<form method="post"()>'
    found = re.search(f"{start}(.*?)</form>", page, re.S)
    return found[1].replace("&amp;", "&"), dict(re.findall(r'name="([^"]+)" value="([^"]*)"', found[2]))


@pytest.mark.parametrize("kind", ["contracts", "orders", "invoices", "users", "inquiries", "mails"])
def it_leads_from_each_record_to_the_customers_file(kind, crowded, desk):
    rows = {
        "contracts": Contract, "orders": Contract.objects.first().orders.model, "invoices": Invoice, "users": User,
        "inquiries": Inquiry, "mails": Mail,
    }  # fmt: skip
    row = rows[kind].objects.filter(customer=crowded.a).first()
    for page in (address(row), address(row).replace("/change/", "/history/")):
        crumbs = re.search(r'<div class="breadcrumbs">.*?</div>', desk.get(page).content.decode(), re.S)[0]
        assert f'href="{address(crowded.a)}"' in crumbs, page


def it_leads_nobody_to_a_file_that_they_may_not_open(crowded, desk):
    person = make.make_user(None, "few@example.net", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename="view_invoice"))
    desk.force_login(User.objects.get(pk=person.pk))
    page = desk.get(address(Invoice.objects.filter(customer=crowded.a).first()))
    assert page.status_code == 200
    assert address(crowded.a) not in re.search(r'<div class="breadcrumbs">.*?</div>', page.content.decode(), re.S)[0]
    assert desk.get(address(crowded.a)).status_code == 403


def it_keeps_the_history_it_shows(cast, desk):
    history.record(Action.CUSTOMER_CHANGED, cast.a.number, by=cast.staff, customer=cast.a, detail="電話 1 → 2")
    assert "電話 1 → 2" in panel(shown(desk, cast.a), "changes")


def it_names_a_mail_by_the_document_it_tells_of(cast, desk):
    mail.queue(mail.Kind.INVOICE_FIXED, key="x", customer=cast.a, number="B202604-000001")
    assert "請求金額確定 B202604-000001" in panel(shown(desk, cast.a), "mails")


def it_says_of_a_company_that_its_first_contract_is_to_begin(cast, desk):
    new = make.make_customer("C0000009")
    assert "契約なし" in shown(desk, new)
    make.make_contract(new, (1000,), start_on=make.JUNE, today=make.IN_MAY)
    page = shown(desk, new)
    assert "契約なし" not in page and "ほかに利用開始前1件" in page
