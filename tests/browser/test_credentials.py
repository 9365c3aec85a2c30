"""Credentials as people meet them in real Chromium: first sign-in, reset by two mails, hand-over, a refused deletion."""

import email
import re
from email import policy

import pytest
from playwright.sync_api import expect

from accounts import throttle
from accounts.models import User
from portal.tasks import send_due
from tests import make

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def cast(db, tmp_path, settings):
    settings.EMAIL_BACKEND, settings.EMAIL_FILES = "portal.mail.FileBackend", tmp_path / "mail"
    yield make.cast()
    with throttle.apart() as cursor:
        cursor.execute("DELETE FROM accounts_throttle")


@pytest.fixture
def open_page(chromium, live_server, cast, settings):
    settings.PORTAL_URL = live_server.url

    def at(path="/login/", **options):
        page = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="ja-JP", **options).new_page()
        page.goto(live_server.url + path)
        return page

    return at


def sign_in(page, address, password=make.PASSWORD):
    page.get_by_label("ユーザ名").fill(address)
    page.get_by_label("パスワード", exact=True).fill(password)
    page.get_by_role("button", name="ログイン").click()


def last_mail(settings, subject):
    """The text of the newest mail file with this subject."""
    while send_due():
        pass
    found = []
    for path in settings.EMAIL_FILES.glob("*.eml"):
        message = email.message_from_bytes(path.read_bytes(), policy=policy.default)
        if message["Subject"] == subject:
            found.append((path.name, message.get_content()))
    return max(found)[1]


def change_password(page, old, new):
    page.get_by_label("現在のパスワード").fill(old)
    page.get_by_label("新しいパスワード", exact=False).first.fill(new)
    page.get_by_label("新しいパスワード（確認）").fill(new)
    page.get_by_role("button", name="保存").click()


def it_leads_a_newcomer_from_the_mail_to_the_own_password(cast, open_page, settings):
    page = open_page()
    sign_in(page, "hanako@example.com")
    page.get_by_role("link", name="ユーザ", exact=True).click()
    page.get_by_role("link", name="ユーザを作成+").click()
    page.get_by_label("名前").fill("新人 一郎")
    page.get_by_label("Eメール").fill("ｉｃｈｉｒｏ＠example.com")
    page.get_by_role("button", name="保存").click()
    expect(page.locator("main")).to_contain_text("アカウント情報のメールを送りました")
    expect(page.locator(".title")).to_contain_text("未ログイン")

    mail = last_mail(settings, "アカウント情報のお知らせ")
    mailed = re.search(r"^パスワード: (\S+)", mail, re.M).group(1)
    newcomer = open_page(re.search(r"^http\S+?(/login/)\s*$", mail, re.M).group(1))
    sign_in(newcomer, "ichiro@example.com", mailed)
    expect(newcomer.locator("h1")).to_have_text("パスワード変更")
    newcomer.goto(newcomer.url.replace("/password/change/", "/invoices/"))
    expect(newcomer.locator("h1")).to_have_text("パスワード変更")

    field = newcomer.get_by_label("新しいパスワード", exact=False).first
    field.fill("tsuki")
    expect(newcomer.locator(".checks .holds")).to_have_text(["半角の英字・数字・記号だけ", "英小文字"])
    change_password(newcomer, mailed, "Tsuki-42")
    expect(newcomer.locator("main")).to_contain_text("パスワードを変更しました")


def it_brings_a_new_password_by_two_mails(cast, open_page, settings):
    page = open_page()
    page.get_by_role("link", name="パスワードを忘れた場合").click()
    page.get_by_label("Eメール").fill("ｔａｒｏ＠example.com")
    page.get_by_role("button", name="送信").click()
    expect(page.locator("main")).to_contain_text("確認のメールをお送りしました")

    mail = last_mail(settings, "パスワードリセット確認のお知らせ")
    page.goto(re.search(r"^(http\S+/password/reset/\S+)\s*$", mail, re.M).group(1))
    expect(page.locator("main")).to_contain_text("ta****@example.com")
    page.get_by_role("button", name="パスワードをリセットする").click()
    expect(page.locator("main")).to_contain_text("新しいパスワードをお送りしました")

    mailed = re.search(r"^パスワード: (\S+)", last_mail(settings, "パスワード更新のお知らせ"), re.M).group(1)
    page.get_by_role("link", name="ログイン画面へ").click()
    sign_in(page, "taro@example.com", mailed)
    expect(page.locator("h1")).to_have_text("パスワード変更")


@pytest.mark.parametrize("script", [True, False], ids=["with JavaScript", "without JavaScript"])
def it_hands_the_mails_over_and_refuses_to_delete_the_recipient(cast, open_page, script):
    page = open_page(java_script_enabled=script)
    sign_in(page, "hanako@example.com")
    page.get_by_role("link", name="ユーザ", exact=True).click()
    page.get_by_role("link", name="taro", exact=True).click()
    page.get_by_role("link", name="編集").click()
    page.get_by_label("メール送信先").check()
    page.get_by_role("button", name="保存").click()
    expect(page.locator("main")).to_contain_text("保存しました")
    assert User.objects.get(is_recipient=True, customer=cast.a).name == "taro"

    page.get_by_role("link", name="削除").click()
    expect(page.get_by_role("alert")).to_contain_text(
        "メール送信先のユーザは削除できません。先に別のユーザで「メール送信先」をONにしてください。"
    )


def it_shows_the_sign_in_page_after_sign_out_and_the_back_button(cast, open_page):
    page = open_page()
    sign_in(page, "hanako@example.com")
    page.get_by_role("link", name="契約情報").click()
    expect(page.locator("h1")).to_have_text("契約一覧")
    page.locator(".user").hover()
    page.get_by_role("button", name="ログアウト").click()
    expect(page).to_have_url(re.compile(r"/login/\?left=out$"))
    page.go_back()
    expect(page).to_have_url(re.compile("/login/[?]next=/contracts/"))
    expect(page.get_by_role("button", name="ログイン")).to_be_visible()
