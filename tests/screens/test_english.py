"""The portal in English: chosen by a button, kept with the person; pages, files and mails have no Japanese but what was entered."""

import html
import io
import re
from types import SimpleNamespace
from zipfile import ZipFile

import pytest
import time_machine
from django.db import connection

from accounts.models import User
from billing.corrections.giving_back import give_back
from billing.corrections.reissue import reissue
from billing.documents.rendering import render_waiting
from billing.models import Invoice
from contracts.models import Contract
from orders.models import Order
from portal import mail as mails
from portal.models import HistoryEvent, Inquiry, Mail
from portal.services import answer_inquiry, newest
from tests import make
from tests.browser.pages import pages
from tests.conftest import WebClient
from tests.replay import remembered
from tests.screens.test_mails import KINDS, stored_mail
from tests.screens.test_second_factor import FACTOR, code_of

JAPANESE = re.compile(r"[\u3001-\u30ff\u4e00-\u9fff\uff01-\uff9f]+")
FORMS = ["/account/users/new/", "/account/change/", "/inquiry/", "/password/change/", "/account/security/factor/"]


def entered():
    """Every text that the database holds, line by line, the longest first: names, items, what people wrote."""
    found = {"日本語"}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, string_agg(quote_ident(column_name) || '::text', ', ') FROM information_schema.columns"
            " WHERE table_schema = 'public' AND data_type IN ('character varying', 'text', 'jsonb')"
            " AND is_generated = 'NEVER' GROUP BY 1"
        )
        cursor.execute(
            " UNION ".join(
                f"SELECT x FROM \"{table}\" CROSS JOIN LATERAL unnest(ARRAY[{columns}]) x WHERE x ~ '[^ -~]'"
                for table, columns in cursor.fetchall()
            )
        )
        for (text,) in cursor.fetchall():
            found |= set(re.split(r'\r?\n|\\n|"', text))
    return sorted((each for each in found if JAPANESE.search(each)), key=len, reverse=True)


def left(text, known):
    """The Japanese words of a page that nobody entered."""
    text = html.unescape(re.sub(r"<script(?! id).*?</script>|<style.*?</style>", " ", text, flags=re.DOTALL))
    for each in known:
        text = text.replace(each, " ")
    return set(JAPANESE.findall(text))


@remembered
def company_rows():
    people = make.billed_rows()
    cast = make.together(**people)
    told = {"reason": "mistake", "by": cast.staff, "today": make.IN_MAY}
    invoice = Invoice.objects.get(customer=cast.a, month=make.APRIL)
    list(render_waiting())
    made = reissue(invoice, **told)
    give_back(made, **told)
    make.make_credit(cast.a, 500)
    meter = make.make_meter(
        Contract.objects.get(customer=cast.a), 12, (500, 9), free_quantity=100, price_basis="inclusive"
    )
    make.make_price(meter, 15, since=make.JUNE)
    asked = make.make_inquiry(cast.hanako, about=invoice.number)
    answer_inquiry(asked, "answer", seen=newest(asked), by=cast.staff)
    make.make_user(cast.a, "saburo@example.com", bounced="550", must_change_password=True)
    User.objects.filter(pk=cast.hanako.pk).update(language="en")
    return people


@pytest.fixture
def company(db):
    """A company with one of everything that a page can tell of; hanako reads English."""
    return make.together(**company_rows())


@pytest.fixture
def english(company, sign_in):
    return sign_in(User.objects.get(pk=company.hanako.pk))


def asked(browser):
    """As the browser tests ask for pages: with what Playwright's answers have."""

    def request(path):
        answer = browser.get(path)
        kind = answer.headers.get("content-type", "")
        text = "" if answer.streaming else answer.content.decode()
        return SimpleNamespace(status=answer.status_code, headers={"content-type": kind}, text=lambda: text, url=path)

    return request


def examples(cast):
    return SimpleNamespace(
        contract=Contract.objects.filter(customer=cast.a).first().number,
        order=Order.objects.filter(customer=cast.a).first().number,
        invoice=Invoice.objects.get(customer=cast.a, kind="correction").number,
        inquiry=Inquiry.objects.get().number,
        user=cast.taro.pk,
    )


@time_machine.travel("2026-05-08 09:00+09:00", tick=False)
def it_leaves_nothing_in_japanese_on_any_page(company, english):
    paths = [path for _name, _what, path, _click in pages(examples(company), asked(english))]
    paths += [f"/invoices/{each.number}/" for each in Invoice.objects.filter(customer=company.a)]
    assert len(paths) > 40
    texts = {path: english.get(path).content.decode() for path in paths}
    known = ["請求書", *entered()]  # what one of the pages is asked for
    assert {path: words for path, text in texts.items() if (words := left(text, known))} == {}


@time_machine.travel("2026-05-08 09:00+09:00", tick=False)
@pytest.mark.parametrize("path", FORMS)
def it_says_in_english_what_is_wrong_with_a_form(path, company, english):
    answer = english.post(path, {"email": "x", "form_key": ""})
    assert left(answer.content.decode(), entered()) == set()


@pytest.mark.parametrize("path", ["/contracts/", "/orders/", "/invoices/", "/account/users/", "/account/history/"])
def it_heads_csv_files_in_english(path, english):
    answer = english.get(path, {"export": "csv"})
    head = b"".join(answer.streaming_content).decode("utf-8-sig").splitlines()[0]
    assert head
    assert not JAPANESE.search(head)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in mails.TO_DESK])
def it_mails_in_english(kind, cast):
    User.objects.filter(customer=cast.a).update(language="en", must_change_password=True)
    stored = stored_mail(kind, cast, User.objects.get(pk=cast.taro.pk))
    with time_machine.travel("2026-05-29 09:00+09:00", tick=False):
        message = mails.write(stored)
    assert left(f"{message.subject}\n{message.body}", entered()) == set()


def language(answer):
    return re.search(r'<html lang="(\w+)"', answer.content.decode())[1]


def it_is_chosen_before_one_signs_in_and_kept_in_the_browser(web, cast):
    assert "English</button>" in web.get("/login/").content.decode()
    answer = web.post("/language/", {"language": "en", "next": "/password/reset/"})
    assert (answer.status_code, answer.url) == (302, "/password/reset/")
    for path in ("/login/", "/password/reset/", "/password/reset/MQ/no-such-token/", "/no/such/page/"):
        page = web.get(path, follow=True)
        assert (language(page), left(page.content.decode(), entered())) == ("en", set())
    web.post("/language/", {"language": "ja"})
    assert language(web.get("/login/")) == "ja"


def sign_in_by_password(browser, user):
    return browser.post("/login/", {"username": user.email, "password": make.PASSWORD})


def it_stays_as_chosen_when_one_signs_in(web, cast):
    web.post("/language/", {"language": "en"})
    sign_in_by_password(web, cast.hanako)
    assert language(web.get("/")) == "en"
    assert User.objects.get(pk=cast.hanako.pk).language == "en"


def it_does_not_pass_to_the_next_person_at_the_same_browser(web, cast):
    sign_in_by_password(web, cast.hanako)
    web.post("/language/", {"language": "en"})
    web.post("/logout/")
    assert language(web.get("/login/")) == "en"
    sign_in_by_password(web, cast.taro)
    assert language(web.get("/")) == "ja"
    assert User.objects.get(pk=cast.taro.pk).language == "ja"


def it_is_the_persons_at_any_browser_before_and_after_sign_in(web, cast):
    User.objects.filter(pk=cast.hanako.pk).update(language="en")
    assert language(web.get("/login/")) == "ja"
    sign_in_by_password(web, cast.hanako)
    web.post("/logout/")
    assert language(web.get("/login/")) == "en"


def it_is_that_of_the_mail_behind_its_urls(web, cast):
    User.objects.filter(pk=cast.hanako.pk).update(language="en")
    assert language(web.get(cast.hanako.key_path("reset"))) == "en"
    assert language(web.get("/login/")) == "en"
    told = stored_mail("password_set", cast, User.objects.get(pk=cast.hanako.pk))
    with time_machine.travel("2026-05-29 09:00+09:00", tick=False):
        url = re.search(r"/login/\S*", mails.write(told).body)[0]
        told.user.language = "ja"
        assert "/login/\n" in mails.write(told).body
    assert url == "/login/?language=en"
    other = WebClient()
    assert language(other.get(url)) == "en"
    assert language(other.get("/password/reset/")) == "en"
    other.post("/language/", {"language": "ja", "next": url})
    assert language(other.get(url)) == "ja"


def it_is_the_persons_at_the_second_step(web, cast):
    User.objects.filter(pk=cast.hanako.pk).update(language="en")
    sign_in_by_password(web, cast.hanako)
    web.get(FACTOR)
    page = web.post(FACTOR, {"code": code_of(web.session["factor_key"]), "own_password": make.PASSWORD})
    assert "Recovery codes" in page.content.decode()
    other = WebClient()
    assert sign_in_by_password(other, cast.hanako).url == "/login/code/"
    assert language(other.get("/login/code/")) == "en"


def buttons(answer):
    return answer.content.decode().count('name="language" value=')


def it_has_no_button_on_pages_that_come_once(web, cast):
    key = cast.hanako.key_path("reset")
    assert (buttons(web.get(key)), buttons(web.post(key))) == (1, 0)
    sign_in_by_password(web, cast.taro)
    assert buttons(web.get(FACTOR)) == 1
    codes = web.post(FACTOR, {"code": code_of(web.session["factor_key"]), "own_password": make.PASSWORD})
    assert ("リカバリーコード" in codes.content.decode(), buttons(codes)) == (True, 0)


def it_leads_back_to_the_invoice_from_a_refused_review(company, english):
    number = Invoice.objects.get(customer=company.a, kind="correction").number
    refused = english.post(f"/invoices/{number}/review/", {"state": "x"}).content.decode()
    assert f'name="next" value="/invoices/{number}/"' in refused


def it_says_in_english_that_input_was_not_even_read(web):
    web.post("/language/", {"language": "en"})
    large = web.post("/inquiry/", {"body": "x" * 1_100_000})
    odd = web.get("/faq/?q=%00")
    assert (large.status_code, odd.status_code) == (413, 400)
    for answer in (large, odd):
        assert (language(answer), left(answer.content.decode(), entered()), buttons(answer)) == ("en", set(), 0)


@time_machine.travel("2026-05-08 09:00+09:00", tick=False)
def it_leaves_the_index_of_documents_in_japanese(company, english):
    packed = ZipFile(io.BytesIO(english.get("/invoices/archive/").getvalue()))
    index = packed.read("索引簿.csv").decode("utf-8-sig")
    assert "請求書" in index
    assert not re.search(r",(Invoice|Correction|Return|Final|Replaced|Void),", index)


def it_is_kept_with_the_person_who_is_signed_in(cast, sign_in):
    browser = sign_in(cast.hanako)
    browser.post("/language/", {"language": "en", "next": "/contracts/"})
    browser.cookies.pop("language")
    assert language(browser.get("/contracts/")) == "en"
    assert User.objects.get(pk=cast.taro.pk).language == "ja"


@pytest.mark.parametrize("given", [{}, {"language": "fr"}, {"language": "en-US"}, {"language": "ja\n"}])
def it_takes_no_other_language(given, cast, sign_in):
    browser = sign_in(cast.hanako)
    assert browser.post("/language/", given).status_code == 302
    assert language(browser.get("/")) == "ja"


def it_leads_to_no_other_place(web):
    assert web.post("/language/", {"language": "en", "next": "https://evil.example/"}).url == "/"


def it_can_be_chosen_before_the_first_password_is_changed_and_nothing_else(cast, sign_in):
    User.objects.filter(pk=cast.hanako.pk).update(must_change_password=True)
    browser = sign_in(User.objects.get(pk=cast.hanako.pk))
    browser.post("/language/", {"language": "en"})
    assert language(browser.get("/password/change/")) == "en"
    assert browser.get("/language/").url == "/password/change/"


def it_stays_japanese_for_staff(cast, client):
    User.objects.filter(pk=cast.staff.pk).update(language="en")
    client.force_login(User.objects.get(pk=cast.staff.pk))
    client.cookies["language"] = "en"
    for path in ("/admin/", "/admin/contracts/contract/", "/password/change/"):
        page = client.get(path)
        assert language(page) == "ja"
        assert "English" not in page.content.decode()


def it_is_what_a_colleague_chooses_for_a_new_user(cast, sign_in):
    browser = sign_in(cast.hanako)
    new = {"name": "John", "email": "john@example.com"}
    browser.post("/account/users/new/", new | {"language": "en"})
    browser.post("/account/users/new/", new | {"email": "jun@example.com"})
    found = User.objects.filter(email__in=["john@example.com", "jun@example.com"]).order_by("email")
    assert list(found.values_list("language", flat=True)) == ["en", "ja"]


def it_stores_in_japanese_what_the_desk_reads(cast, sign_in):
    User.objects.filter(pk=cast.hanako.pk).update(language="en")
    browser = sign_in(User.objects.get(pk=cast.hanako.pk))
    person = User.objects.get(pk=cast.taro.pk)
    given = {"name": person.name, "email": person.email, "department": "Sales", "version": person.version}
    browser.post(f"/account/users/{person.pk}/edit/", given | {"language": "en"})
    browser.post("/account/change/", {"name": "New Company Ltd."})
    changed = HistoryEvent.objects.get(action="user_changed")
    assert set(changed.data["changes"]) == {"部署", "言語"}
    assert "部署・言語" in changed.detail
    inquiry = Inquiry.objects.get()
    assert inquiry.subject == "お客様情報の変更の申し込み"
    assert "会社名" in inquiry.body
    assert Mail.objects.get(kind="inquiry").data["label"] == "変更申込"


def it_reads_back_in_english_what_is_stored_in_japanese(cast, sign_in):
    User.objects.filter(pk=cast.hanako.pk).update(language="en")
    browser = sign_in(User.objects.get(pk=cast.hanako.pk))
    person = User.objects.get(pk=cast.taro.pk)
    given = {"name": person.name, "email": person.email, "department": "Sales", "version": person.version}
    browser.post(f"/account/users/{person.pk}/edit/", given | {"language": "en"})
    browser.get("/invoices/archive/?state=void")
    browser.post("/account/change/", {"name": "New Company Ltd."})
    history = browser.get("/account/history/").content.decode()
    asked = browser.get(f"/inquiry/{Inquiry.objects.get().number}/").content.decode()
    for told in ("Department, Language", "Items: 0"):
        assert told in history
    for told in ("Change of company details", "We request the following changes.", "Company name"):
        assert told in asked
