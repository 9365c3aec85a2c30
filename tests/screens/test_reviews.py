"""社内確認: what a company notes about an invoice, on its page and in its list, and out of sight of the vendor's staff."""

import pytest
import time_machine
from django.contrib import admin
from django.db import DatabaseError, IntegrityError, transaction
from django.urls import reverse

from accounts.models import User
from billing.models import Invoice, Review
from portal.db import rls
from portal.db.schema import ROLE
from portal.models import HistoryEvent, Mail
from tests import make
from tests.sampling import sampled, share

SECRET = "常務の承認待ち"
NUMBER = "B202604-000001"
PAGE = f"/invoices/{NUMBER}/"


@pytest.fixture
def browser(cast, sign_in):
    make.close_month()
    return sign_in(cast.hanako)


def note(browser, state="checked", memo="", number=NUMBER):
    return browser.post(f"/invoices/{number}/review/", {"state": state, "memo": memo})


def text(response):
    return response.content.decode()


def panel(browser):
    page = text(browser.get(PAGE))
    found = page[page.index('id="review"') :]
    return found[: found.index("</section>")]


def exported(browser, query):
    return b"".join(browser.get(f"/invoices/?export=csv&{query}")).decode("utf-8-sig").splitlines()


def it_keeps_who_noted_what_and_the_latest_holds(browser, cast):
    assert "未確認" in panel(browser)
    assert note(browser, "checked", SECRET).url == f"{PAGE}#review"
    browser.force_login(cast.taro)
    note(browser, "arranged", "5月29日に振込予約")
    shown = panel(browser)
    assert shown.index("支払手配済") < shown.index("hanako")  # the badge; and the newest of the history comes first
    assert [words in shown for words in ("taro 支払手配済", "5月29日に振込予約", "hanako 確認済", SECRET)] == [True] * 4
    assert 'value="arranged"' in shown.partition(" checked")[0].rpartition("<input")[2]
    note(browser, "arranged", "5月29日に振込予約")  # says nothing new
    assert Review.objects.count() == 2


def it_takes_a_form_once_and_says_beside_the_field_what_is_wrong(browser):
    given = {"state": "checked", "memo": "一度だけ", "form_key": "a" * 32}
    for _time in range(2):
        browser.post(f"{PAGE}review/", given)
    assert Review.objects.count() == 1
    long = note(browser, "checked", "長" * 201)
    assert "200" in text(long)
    assert "長" * 201 in text(long)
    assert "選択" in text(note(browser, "none"))
    assert Review.objects.count() == 1


def it_is_for_documents_that_hold(browser, cast):
    make.open_month()
    draft = Invoice.objects.get(customer=cast.a, state="draft")
    assert 'id="review"' not in text(browser.get(f"/invoices/{draft.number}/"))
    assert "確定した請求だけに記録できます。" in text(browser.get(note(browser, number=draft.number).url))
    note(browser, "checked", SECRET)
    Invoice.objects.filter(number=NUMBER).update(state="void")
    shown = panel(browser)
    assert SECRET in shown
    assert "<form" not in shown
    assert Review.objects.count() == 1


def it_offers_no_payment_where_none_is_asked_for(cast, sign_in):
    free = make.make_customer("C0000005")
    person = make.make_user(free, "rei@example.net", is_recipient=True, is_manager=True)
    make.make_contract(free, (0,))
    make.close_month()
    number, browser = Invoice.objects.get(customer=free).number, sign_in(person)
    assert 'value="arranged"' not in text(browser.get(f"/invoices/{number}/"))
    assert "選択" in text(note(browser, "arranged", number=number))
    assert note(browser, "checked", number=number).status_code == 302
    assert Invoice(kind="return", state="fixed", total=-100).asks_for_payment is False


def it_shows_filters_and_exports_it_in_the_list(browser, cast):
    make.open_month()
    make.import_invoice(Invoice.objects.get(number=NUMBER))
    note(browser, "arranged")
    browser.post("/invoices/", {"columns": ["number", "review"], "order": "number,review"})
    assert exported(browser, "review=arranged")[1] == f"{NUMBER},支払手配済"
    assert [row.partition(",")[0] for row in exported(browser, "review=arranged")[1:]] == [NUMBER]
    assert exported(browser, "review=open")[1:] == [], "what another system sent was looked at then"
    assert len(exported(browser, "sort=review")) == 4


def it_ends_the_task_on_home(browser, cast):
    with time_machine.travel("2026-05-20 12:00+09:00", tick=False):
        assert "のお支払い" in text(browser.get("/"))
        note(browser, "arranged")
        assert "のお支払い" not in text(browser.get("/"))


def it_belongs_to_one_company(browser, cast):
    browser.force_login(cast.jiro)
    assert note(browser).status_code == 404
    assert not Review.objects.exists()


@sampled(3)
def it_is_never_seen_by_the_vendors_staff(browser, cast, step):
    """No page of theirs, no history that they read, no mail, no right to give; nor does a list answer when asked for it."""
    events, mails = HistoryEvent.objects.count(), Mail.objects.count()
    note(browser, "arranged", SECRET)
    assert (HistoryEvent.objects.count(), Mail.objects.count()) == (events, mails)
    assert Review not in admin.site._registry
    boss = User.objects.get(email="staff@example.net")
    boss.is_superuser = True
    boss.save()
    browser.force_login(boss)
    assert browser.get(PAGE).url == "/admin/"
    seen, asked = 0, browser.get("/admin/").wsgi_request
    desks = {Invoice: admin.site._registry[Invoice], **dict(share(admin.site._registry.items(), step))}
    for model, desk in desks.items():
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        addresses = [reverse(f"{name}_changelist") + query for query in ("", f"?q={SECRET}")]
        for row in desk.get_queryset(asked)[:1]:
            addresses += [reverse(f"{name}_{page}", args=[row.pk]) for page in ("change", "history", "delete")]
        for address in addresses:
            page = text(browser.get(address))
            seen += 1
            for words in (SECRET, "支払手配済", "社内確認"):
                assert words not in page.replace(f'value="{SECRET}"', ""), (address, words)
    assert seen > 60 / step
    for query in ("reviews__isnull=0", "reviews__state=arranged", f"reviews__memo__contains={SECRET}"):
        answer = browser.get(f"/admin/billing/invoice/?{query}")
        assert answer.status_code == 400, query
    for address in ("/admin/billing/review/", f"/admin/billing/review/{Review.objects.get().pk}/change/"):
        assert browser.get(address).status_code == 404


def it_can_only_be_added_to_by_whoever_writes(browser, cast):
    note(browser, "checked", SECRET)
    made = Review.objects.get()
    for act in (lambda: Review.objects.update(memo="x"), Review.objects.all().delete):
        with pytest.raises(IntegrityError), transaction.atomic():
            act()
    make.open_month()
    draft = Invoice.objects.get(customer=cast.a, state="draft")
    with pytest.raises(IntegrityError), transaction.atomic():
        Review.objects.create(customer=cast.a, invoice=draft, user=cast.hanako)
    with pytest.raises(DatabaseError), transaction.atomic(), rls.scope(ROLE, cast.b.pk):
        Review.objects.create(customer=cast.a, invoice_id=made.invoice_id, user=cast.jiro)
    with rls.scope(ROLE, cast.b.pk):
        assert not Review.objects.exists()
