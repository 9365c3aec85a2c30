"""お客様の画面を見る: staff see what a customer sees, change nothing, leave no trace there, and are on record themselves."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import Group
from django.db import InternalError, connection, transaction
from django.utils import timezone
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice
from psycopg.errors import ReadOnlySqlTransaction

from accounts import middleware
from accounts.models import Customer, Session, User
from billing.documents.rendering import render_waiting
from billing.models import Invoice, Review
from billing.services import review_invoice
from contracts.models import Contract
from orders.models import Order
from portal.db import rls
from portal.models import Action, HistoryEvent, Vendor
from tests import make
from tests.screens.test_who_sees_what import ROUTES

START, END = "/admin/see-as/C0000001/", "/admin/see-as/end/"
WHY = "請求書の見方のお問い合わせ"
MINE = "/account/security/", "/password/change/", "/account/security/factor/"


@pytest.fixture
def looking(cast, sign_in):
    """A browser in which staff look at company A's pages."""
    browser = sign_in(cast.staff)
    begin(browser)
    return browser


def begin(browser, address=START, **given):
    return browser.post(address, {"reason": WHY, "password": make.PASSWORD, **given})


def log(*actions):
    rows = HistoryEvent.objects.filter(action__in=actions or [each for each in Action if each.startswith("see_as")])
    return list(rows.order_by("pk"))


def text_of(response):
    return response.getvalue().decode(errors="replace")


def it_shows_the_customers_pages_under_a_bar_that_says_who_looks_and_until_when(cast, looking):
    page = text_of(looking.get("/contracts/"))
    assert "K0000001" in page
    assert "K0000002" not in page
    ends = timezone.localtime(log(Action.SEE_AS_BEGUN)[0].at + timedelta(minutes=30))
    assert "C0000001 会社C0000001 の画面を見ています" in page
    assert f"{cast.staff.name}・{ends:%H:%M}まで" in page
    assert f'action="{END}"' in page
    assert 'action="/admin/search/"' in page


def it_asks_for_a_reason_and_for_the_person(cast, sign_in):
    browser = sign_in(cast.staff)
    for given in (
        {"reason": ""},
        {"reason": " "},
        {"password": ""},
        {"password": "wrong"},
        {"password": "", "code": "123456"},
    ):
        answer = begin(browser, **given)
        assert answer.status_code == 200, given
        assert "errorlist" in text_of(answer)
    assert browser.get("/contracts/").url == "/admin/"
    assert log() == []


def it_slows_down_who_guesses_the_password(cast, sign_in):
    browser = sign_in(cast.staff)
    for _try in range(6):
        begin(browser, password="wrong")
    assert begin(browser).status_code == 200, "the right one has to wait as well"
    assert log() == []


def it_takes_a_code_of_the_second_factor_instead_once(cast, sign_in):
    device = TOTPDevice.objects.create(user=cast.staff, name="app", key="00" * 20, confirmed=True)
    browser = sign_in(cast.staff)
    code = f"{totp(device.bin_key):06}"
    assert begin(browser, password="", code=code).url == "/"
    browser.post(END)
    assert "確認コードが正しくないか、使用済みです" in text_of(begin(browser, password="", code=code))


@pytest.mark.parametrize(("role", "may"), [("閲覧", False), ("受付", True), ("請求", True), ("管理", True)])
def it_is_a_right_of_all_who_work_with_customers(role, may, cast, sign_in):
    cast.staff.is_superuser = False
    cast.staff.save()
    cast.staff.groups.set([Group.objects.get(name=role)])
    browser = sign_in(cast.staff)
    file = f"/admin/accounts/customer/{cast.a.pk}/change/"
    assert (START in text_of(browser.get(file))) == may
    assert browser.get(START).status_code == (200 if may else 403)
    assert begin(browser).status_code == (302 if may else 403)
    assert browser.get("/contracts/").status_code == (200 if may else 302)


def it_ends_when_the_right_is_taken_away(cast, looking):
    User.objects.filter(pk=cast.staff.pk).update(is_superuser=False)
    assert looking.get("/contracts/").url == "/admin/"
    assert log(Action.SEE_AS_ENDED)


def it_is_nothing_for_customers(cast, sign_in):
    browser = sign_in(cast.hanako)
    assert begin(browser).url.startswith("/admin/login/")
    browser.cookies[settings.SEE_AS_COOKIE_NAME] = "1"
    assert "見ています" not in text_of(browser.get("/contracts/"))


def it_opens_nothing_by_the_cookie_alone(cast, sign_in):
    browser = sign_in(cast.staff)
    browser.cookies[settings.SEE_AS_COOKIE_NAME] = "1"
    assert browser.get("/contracts/").url == "/admin/"


def it_ends_by_itself_after_half_an_hour(cast, sign_in):
    browser = sign_in(cast.staff)
    with time_machine.travel("2026-05-08T12:00+09:00", tick=False) as clock:
        begin(browser)
        clock.shift(timedelta(minutes=29))
        assert browser.get("/contracts/").status_code == 200
        clock.shift(timedelta(minutes=1))
        assert browser.get("/contracts/").url == "/admin/"
        assert browser.get("/admin/").status_code == 200
    assert [each.action for each in log()] == [Action.SEE_AS_BEGUN, Action.SEE_AS_PAGE, Action.SEE_AS_ENDED]


def it_ends_by_its_button_and_leads_back_to_the_customer(cast, looking):
    assert looking.post(END).url == f"/admin/accounts/customer/{cast.a.pk}/change/"
    assert looking.get("/contracts/").url == "/admin/"
    assert looking.post(END).url == "/admin/"
    assert len(log(Action.SEE_AS_ENDED)) == 1


def it_ends_with_the_session(cast, looking):
    looking.post("/logout/")
    assert log()[-1].action == Action.SEE_AS_ENDED
    assert log()[-1].actor == cast.staff


def it_is_never_nested(cast, looking):
    assert "先に「閲覧を終える」を押してください" in text_of(begin(looking, "/admin/see-as/C0000002/"))
    assert begin(looking).url == "/", "the same customer's pages are open already"
    assert "K0000001" in text_of(looking.get("/contracts/"))
    assert len(log(Action.SEE_AS_BEGUN)) == 1


def it_knows_no_number_that_isnt_a_customers(cast, sign_in):
    assert begin(sign_in(cast.staff), "/admin/see-as/C9999999/").status_code == 404
    assert begin(sign_in(cast.staff), f"/admin/see-as/{cast.staff.pk}/").status_code == 404


def it_keeps_start_pages_and_end_in_staffs_log(cast, looking):
    looking.get("/invoices/?number=B1")
    looking.get("/invoices/B9/")
    looking.post("/inquiry/", {"body": "x"})
    looking.post(END)
    assert [(each.action, each.detail) for each in log()[1:]] == [
        (Action.SEE_AS_PAGE, "GET /invoices/"),
        (Action.SEE_AS_PAGE, "GET /invoices/B9/"),
        (Action.SEE_AS_PAGE, "POST /inquiry/"),
        (Action.SEE_AS_ENDED, ""),
    ]
    assert {(each.actor, each.customer) for each in log()} == {(cast.staff, cast.a)}
    begun = log(Action.SEE_AS_BEGUN)[0]
    assert WHY in text_of(looking.get(f"/admin/portal/historyevent/{begun.pk}/change/"))


def it_keeps_staffs_own_person_on_staffs_pages(cast, looking):
    page = text_of(looking.get(f"/admin/accounts/customer/{cast.a.pk}/change/"))
    assert "の画面を見ています" in page
    assert cast.staff.name in page
    field = {each.name: getattr(cast.a, each.name) or "" for each in Customer._meta.fields if each.editable}
    answer = looking.post(f"/admin/accounts/customer/{cast.a.pk}/change/", {**field, "name": "みどり"})
    assert answer.status_code == 302
    assert HistoryEvent.objects.get(action=Action.CUSTOMER_CHANGED).actor == cast.staff


def it_tells_the_customer_only_where_the_vendor_says_so(cast, looking, web):
    looking.get("/contracts/")
    looking.post(END)
    web.force_login(cast.hanako)
    assert "画面閲覧（" not in text_of(web.get("/account/history/?export=csv"))
    Vendor.objects.update(tells_looking=True)
    told = text_of(web.get("/account/history/?export=csv"))
    assert "担当者の画面閲覧（開始）" in told
    assert "担当者の画面閲覧（終了）" in told
    assert "閲覧のみ、" in told
    assert WHY not in told
    assert "/contracts/" not in told


def it_shows_nothing_that_the_company_keeps_to_itself(cast, sign_in, web):
    make.close_month()
    invoice = Invoice.objects.get(customer=cast.a)
    review_invoice(invoice, "arranged", "部長の承認待ち", by=cast.hanako)
    web.force_login(cast.hanako)
    web.post("/contracts/", {"columns": ["number"]})
    web.post("/invoices/", {"columns": ["number", "review"]})
    assert "部長の承認待ち" in text_of(web.get(f"/invoices/{invoice.number}/"))
    browser = sign_in(cast.staff)
    begin(browser)
    for address in (
        f"/invoices/{invoice.number}/",
        "/invoices/",
        "/invoices/?export=csv",
        "/?",
        "/invoices/?panel=filter",
    ):
        page = text_of(browser.get(address))
        assert "社内確認" not in page, address
        assert "支払手配済<" not in page, address
        assert "部長の承認待ち" not in page, address
    assert len(text_of(browser.get("/invoices/?review=open&export=csv")).splitlines()) == 2, "no filter asks for it"
    assert "契約名" in text_of(browser.get("/contracts/?export=csv")), "the person's own columns are the person's"
    with rls.looking_on(cast.a.pk):
        assert not Review.objects.exists(), "and the database shows none"
    with rls.scope(rls.ROLE, cast.a.pk):
        assert Review.objects.exists(), "as it does to the company itself"
    for address in MINE:
        answer = browser.get(address)
        assert answer.status_code == 403
        assert "ユーザ1人ずつのもの" in text_of(answer)


def it_shows_what_was_downloaded_by_the_company_but_counts_nothing_for_itself(cast, sign_in):
    make.close_month()
    list(render_waiting(Invoice.objects.filter(customer=cast.a)))
    browser = sign_in(cast.staff)
    begin(browser)
    number = Invoice.objects.get(customer=cast.a).number
    assert text_of(browser.get(f"/invoices/{number}/pdf/")).startswith("%PDF")
    assert text_of(browser.get("/invoices/archive/")).startswith("PK")
    assert "B202604" in text_of(browser.get("/invoices/?export=csv"))
    assert not HistoryEvent.objects.filter(action__in=[Action.INVOICE_DOWNLOADED, Action.ARCHIVE_DOWNLOADED]).exists()
    assert not Invoice.objects.get(number=number).downloads.exists()


def it_is_stopped_by_nothing_that_the_company_must_do_first(cast, sign_in):
    Customer.objects.filter(pk=cast.a.pk).update(needs_second_factor=True)
    User.objects.filter(customer=cast.a).update(must_change_password=True)
    browser = sign_in(cast.staff)
    begin(browser)
    assert browser.get("/").status_code == 200


def it_shows_a_customer_that_has_no_user(cast, sign_in):
    make.make_customer("C0000009")
    browser = sign_in(cast.staff)
    begin(browser, "/admin/see-as/C0000009/")
    for address in ("/", "/account/", "/account/users/", "/inquiry/"):
        assert "会社C0000009" in text_of(browser.get(address)), address


@pytest.fixture
def addresses(cast):
    """Every customer's URL with keys of company A in it, by name."""
    make.close_month()
    list(render_waiting(Invoice.objects.filter(customer=cast.a)))
    cast.taro.last_login = None
    cast.taro.save()
    numbers = {
        "contract": Contract.objects.get(customer=cast.a).number,
        "order": Order.objects.get(customer=cast.a).number,
        "invoice": Invoice.objects.get(customer=cast.a).number,
        "inquiry": make.make_inquiry(cast.hanako).number,
    }
    made = {}
    for name, route in ROUTES.items():
        address = "/" + route.replace("<str:number>", numbers.get(name.split("_")[0], ""))
        if not address.startswith(middleware.WITHOUT_ONLOOKERS):
            made[name] = address.replace("<int:pk>", str(cast.taro.pk))
    return made


OURS = [
    model
    for app in ("portal", "accounts", "contracts", "orders", "billing", "otp_totp", "otp_static", "procrastinate")
    for model in apps.get_app_config(app).get_models()
    if model not in (HistoryEvent, Session)  # staff's own record, and staff's own session; both are looked at apart
]


def stored():
    """{table: a hash of all its rows}; of the history what isn't staff's record of looking, of sessions whose they are."""
    with connection.cursor() as cursor:
        found = {}
        for model in OURS:
            table = model._meta.db_table
            cursor.execute(f'SELECT md5(string_agg(t::text, chr(10) ORDER BY t::text)) FROM "{table}" t')
            found[table] = cursor.fetchone()
    found["history"] = list(HistoryEvent.objects.exclude(action__startswith="see_as").values_list("pk", flat=True))
    found["sessions"] = list(Session.objects.values_list("user", flat=True))
    return found


FORM = {
    "name": "別人", "email": "new@example.com", "body": "こんにちは", "subject": "件名", "kind": "question",
    "columns": ["number"], "state": "checked", "memo": "メモ", "password": "", "own_password": make.PASSWORD,
}  # fmt: skip


def it_answers_every_page_refuses_every_write_and_changes_nothing(addresses, looking):
    assert len(addresses) > 25
    before = stored()
    for name, address in addresses.items():
        shown = looking.get(address)
        assert shown.status_code in (200, 403, 404, 405), name
        assert (shown.status_code == 403) == address.startswith(middleware.OF_ONE_PERSON), name
        if shown.headers["Content-Type"].startswith("text/html"):
            assert "の画面を見ています" in text_of(shown), name
        else:
            assert text_of(shown), name
        assert looking.head(address).status_code == shown.status_code, name
        for method in ("post", "put", "patch", "delete"):
            refused = getattr(looking, method)(address, FORM if method == "post" else b"x=1")
            assert refused.status_code == 403, (name, method)
            assert "見るだけの画面です" in text_of(refused), (name, method)
    assert stored() == before


def it_offers_no_button_that_stores_or_mails(addresses, looking):
    for name, address in addresses.items():
        page = text_of(looking.get(address))
        for form in re.findall(r'<form[^>]*method="post".*?</form>', page, re.S):
            if END not in form:
                buttons = re.findall(r"<button[^>]*>", form)
                assert buttons and all(" disabled" in button for button in buttons), (name, form)


def it_is_refused_by_postgresql_itself(addresses, looking, monkeypatch):
    """Without the first lock, which refuses by the method: the views run, and their writes don't go through."""
    monkeypatch.setattr(middleware, "READING", ("GET", "HEAD", "POST"))
    before = stored()
    person = User.objects.get(email="taro@example.com")
    writes = {
        "contract_list": {"columns": ["number"]},
        "inquiry": {"kind": "question", "subject": "件名", "body": "本文"},
        "invoice_review": {"state": "checked", "memo": ""},
        "user_create": {"name": "新人", "email": "new@example.com"},
        "user_edit": {"name": "別人", "email": person.email, "version": person.version},
        "user_send": {"form_key": "0" * 32},
    }
    for name, given in writes.items():
        refused = looking.post(addresses[name], given)
        assert refused.status_code == 403, name
        assert "何も変わっていません" in text_of(refused), name
        assert stored() == before, name
    with pytest.raises(InternalError) as told, transaction.atomic(), rls.looking_on(person.customer_id):
        Review.objects.all().delete()
        HistoryEvent(customer_id=person.customer_id, actor_name="", action="x", subject="y").save()
    assert isinstance(told.value.__cause__, ReadOnlySqlTransaction)


def it_lets_others_write_again_afterwards(cast, looking, web):
    looking.get("/contracts/")
    looking.post(END)
    web.force_login(cast.hanako)
    assert web.post("/contracts/", {"columns": ["number"]}).status_code == 302
