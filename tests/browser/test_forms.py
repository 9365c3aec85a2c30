"""Forms in real Chromium: nothing typed is lost to an ended session, nothing goes twice, and what becomes due is marked."""

import re

import pytest
from playwright.sync_api import expect

from accounts import throttle
from accounts.models import Session
from portal.models import Inquiry
from tests import make

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def cast(db):
    yield make.cast()
    with throttle.apart() as cursor:
        cursor.execute("DELETE FROM accounts_throttle")


@pytest.fixture
def visit(chromium, live_server, cast):
    """hanako's tab, at a page of the portal."""

    def open_page(path, **options):
        page = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="ja-JP", **options).new_page()
        page.goto(live_server.url + path)
        sign_in(page)
        expect(page).to_have_url(live_server.url + path)
        return page

    return open_page


def sign_in(page, address="hanako@example.com"):
    page.get_by_label("ユーザ名").fill(address)
    page.get_by_label("パスワード", exact=True).fill(make.PASSWORD)
    page.get_by_role("button", name="ログイン").click()


def send(page):
    page.get_by_role("button", name="送信").click()


def write(page, words="長い文章を書きました。\n二行目です。"):
    page.get_by_label("件名").fill("書きかけの件名")
    page.get_by_label("本文").fill(words)


def it_has_the_text_again_after_a_session_that_ended_while_it_was_written(visit):
    page = visit("/inquiry/?kind=cancel&about=K0000001")
    write(page)
    Session.objects.all().delete()
    send(page)
    expect(page).to_have_url(re.compile("/login/"))
    sign_in(page)
    expect(page.get_by_label("本文")).to_have_value("長い文章を書きました。\n二行目です。")
    expect(page.get_by_label("件名")).to_have_value("書きかけの件名")
    expect(page.get_by_label("種別")).to_have_value("cancel")
    expect(page.get_by_label("対象")).to_have_value("K0000001")
    expect(page.get_by_text("入力の途中だった内容を元に戻しました。")).to_be_visible()
    send(page)
    expect(page.get_by_text("受付番号は")).to_be_visible()
    assert Inquiry.objects.get().body.replace("\r\n", "\n") == "長い文章を書きました。\n二行目です。"
    assert page.evaluate("sessionStorage.length") == 0


def it_can_throw_away_what_it_brought_back(visit):
    page = visit("/inquiry/")
    write(page)
    page.reload()
    page.get_by_role("button", name="消去する").click()
    expect(page.get_by_label("本文")).to_have_value("")
    page.reload()
    expect(page.get_by_label("本文")).to_have_value("")


def it_forgets_the_text_when_the_person_signs_out(visit, live_server):
    page = visit("/inquiry/")
    write(page)
    page.locator(".user").hover()
    page.get_by_role("button", name="ログアウト").click()
    expect(page).to_have_url(re.compile("/login/"))
    assert page.evaluate("sessionStorage.length") == 0


def it_shows_nobody_elses_text(visit, live_server):
    page = visit("/inquiry/")
    write(page)
    Session.objects.all().delete()
    send(page)
    sign_in(page, "taro@example.com")
    expect(page.get_by_label("本文")).to_have_value("")
    assert page.evaluate("sessionStorage.length") == 0


def it_keeps_no_password_and_only_what_was_changed(visit, cast):
    page = visit(f"/account/users/{cast.taro.pk}/edit/")
    page.get_by_label("部署").fill("総務部")
    page.get_by_label("パスワード", exact=True).fill("Tsuki-42")
    kept = page.evaluate("Object.values(sessionStorage).join()")
    assert "総務部" in kept
    assert "Tsuki-42" not in kept
    assert "taro@example.com" not in kept
    page.reload()
    expect(page.get_by_label("部署")).to_have_value("総務部")


def it_keeps_the_text_of_a_form_that_was_refused_first(visit):
    page = visit("/inquiry/")
    write(page)
    page.get_by_label("対象").fill("K0000002")
    send(page)
    expect(page.get_by_role("alert")).to_contain_text("見つかりません")
    page.get_by_label("対象").fill("")
    Session.objects.all().delete()
    send(page)
    sign_in(page)
    expect(page.get_by_label("件名")).to_have_value("書きかけの件名")
    expect(page.get_by_label("対象")).to_have_value("")


@pytest.mark.parametrize("script", [True, False], ids=["with JavaScript", "without JavaScript"])
def it_sends_one_inquiry_on_a_double_click(visit, script):
    page = visit("/inquiry/", java_script_enabled=script)
    write(page)
    page.get_by_role("button", name="送信").dblclick()
    expect(page.get_by_text("受付番号は")).to_be_visible()
    assert Inquiry.objects.count() == 1


def it_rests_the_button_while_it_sends_but_not_for_ever(visit):
    page = visit("/inquiry/")
    page.clock.install()
    page.reload()
    write(page)
    page.evaluate("document.querySelector('main form').addEventListener('submit', (event) => event.preventDefault())")
    button = page.get_by_role("button", name="送信")  # as if the answer didn't come
    button.click()
    page.clock.run_for(100)
    expect(button).to_be_disabled()
    page.clock.run_for(10_000)
    expect(button).to_be_enabled()


def it_marks_ones_own_password_as_soon_as_it_is_due(visit, cast):
    page = visit(f"/account/users/{cast.taro.pk}/edit/")
    own = page.get_by_label("あなたのパスワード")
    mark = page.locator("label[for=id_own_password] .required")
    expect(mark).to_be_hidden()
    for label, changed, before in (
        ("Eメール", "new@example.com", "taro@example.com"),
        ("パスワード", "Tsuki-42", ""),
    ):
        field = page.get_by_label(label, exact=label == "パスワード")
        field.fill(changed)
        expect(mark).to_be_visible()
        assert own.evaluate("field => field.required")
        field.fill(before)
        expect(mark).to_be_hidden()
        assert not own.evaluate("field => field.required")


def it_still_marks_it_when_the_form_comes_back_refused(visit, cast):
    page = visit(f"/account/users/{cast.taro.pk}/edit/")
    page.get_by_label("Eメール").fill("new@example.com")
    page.get_by_label("電話番号").fill("電話なし")
    page.get_by_label("あなたのパスワード").fill(make.PASSWORD)
    page.get_by_role("button", name="保存").click()
    expect(page.get_by_role("alert")).to_contain_text("電話番号")
    expect(page.locator("label[for=id_own_password] .required")).to_be_visible()
