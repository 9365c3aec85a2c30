"""Sign-in, password, details, PDF, costs, inquiry: what a customer notices."""

import io
from collections import Counter
from datetime import timedelta

import pytest
from django.core import mail as outbox
from pypdf import PdfReader

from billing.documents.rendering import render_waiting
from billing.models import Download, Invoice
from portal.models import Inquiry, Mail
from portal.tasks import send_due
from tests import make
from tests.replay import remembered


@remembered
def in_may():
    people = make.cast_rows()
    make.close_month()
    list(render_waiting(Invoice.objects.filter(customer=people["a"])))
    make.open_month()
    return people


@pytest.fixture
def cast(db, request):
    return make.together(**in_may()) if "browser" in request.fixturenames else make.cast()


@pytest.fixture
def browser(cast, sign_in):
    return sign_in(cast.hanako)


def text(response):
    return response.content.decode()


def it_signs_in_with_address_and_password(cast, web):
    response = web.post("/login/", {"username": "Hanako@Example.com ", "password": make.PASSWORD})
    assert (response.status_code, response.url) == (302, "/")
    assert "C0000001" in text(web.get("/"))


def it_goes_on_to_a_local_page_only(cast, web):
    given = {"username": "hanako@example.com", "password": make.PASSWORD}
    assert web.post("/login/", given | {"next": "/invoices/"}).url == "/invoices/"
    assert web.post("/login/", given | {"next": "https://evil.example/"}).url == "/"


@pytest.mark.parametrize(
    ("name", "password"), [("hanako@example.com", "wrong"), ("nobody@example.com", make.PASSWORD), ("", "")]
)
def it_tells_nobody_which_half_was_wrong(name, password, cast, web):
    response = web.post("/login/", {"username": name, "password": password})
    assert response.status_code == 200
    assert "_auth_user_id" not in web.session


def it_makes_a_newcomer_change_the_password_first(cast, web):
    cast.taro.must_change_password = True
    cast.taro.save()
    web.post("/login/", {"username": "taro@example.com", "password": make.PASSWORD})
    assert web.get("/invoices/?export=csv").url == "/password/change/"
    new = {"old_password": make.PASSWORD, "new_password1": "Tsuki-42", "new_password2": "Tsuki-42"}
    assert web.post("/password/change/", new).url == "/"
    assert web.get("/").status_code == 200


@pytest.mark.parametrize(
    ("password", "words"),
    [("Ab1#xyz", "8文字以上16文字以内"), ("A" * 14 + "b1#", "8文字以上16文字以内"), ("abcdefg1#", "英大文字"), ("ABCDEFG1#", "英小文字"),
     ("Abcdefgh#", "数字"), ("Abcdefgh1", "記号"), ("Ａbcdefg1#", "半角")],
)  # fmt: skip
def it_explains_what_a_password_lacks(password, words, cast, sign_in):
    response = sign_in(cast.hanako).post(
        "/password/change/", {"old_password": make.PASSWORD, "new_password1": password, "new_password2": password}
    )
    assert words in text(response)


def it_signs_out_by_post(browser):
    assert browser.get("/logout/").status_code == 405
    assert browser.post("/logout/").url == "/login/?left=out"
    assert browser.get("/").url.startswith("/login/")


def it_offers_the_pdf_once_fixed_and_counts_downloads(browser, cast):
    page = text(browser.get("/invoices/B202604-000001/"))
    assert 'href="/invoices/B202604-000001/pdf/"' in page
    response = browser.get("/invoices/B202604-000001/pdf/")
    assert response["Content-Type"] == "application/pdf"
    assert response["Content-Disposition"] == 'attachment; filename="B202604-000001.pdf"'
    assert Download.objects.get().user == cast.hanako
    assert "hanako さんがPDFをダウンロードしました" in text(browser.get("/invoices/B202604-000001/"))


def it_tells_notices_and_downloads_in_one_row_the_newest_first(browser, cast):
    browser.get("/invoices/B202604-000001/pdf/")
    Mail.objects.filter(key="invoice_fixed:B202604-000001").update(
        sent_at=Download.objects.get().at + timedelta(hours=1)
    )
    page = text(browser.get("/invoices/B202604-000001/"))
    assert page.index("のお知らせ: ") < page.index("さんがPDFをダウンロードしました")


def it_has_no_button_and_no_file_before_the_amount_is_fixed(browser):
    page = text(browser.get("/invoices/B202605-000001/"))
    assert "/pdf/" not in page
    assert "5営業日以内に確定" in page
    assert "2026/06/05" in page
    assert browser.get("/invoices/B202605-000001/pdf/").status_code == 404


def it_says_that_the_pdf_is_being_made(cast, sign_in):
    make.close_month()
    browser = sign_in(cast.hanako)
    assert "PDF作成中" in text(browser.get("/invoices/B202604-000001/"))
    assert browser.get("/invoices/B202604-000001/pdf/").status_code == 404


def it_promises_no_file_that_nobody_makes(cast, sign_in):
    """Imported invoices have none here; one taken back before its file was made gets it all the same."""
    make.close_month()
    imported = make.import_invoice(Invoice.objects.get(customer=cast.a))
    browser = sign_in(cast.hanako)
    exported = b"".join(browser.get("/invoices/?export=csv")).decode().splitlines()
    assert [line.rsplit(",", 1)[1] for line in exported] == ["PDF", "PDF作成中", ""]
    Invoice.objects.filter(number="B202604-000001").update(state="void")
    for path in ("/", "/invoices/", f"/invoices/{imported.number}/", "/invoices/B202604-000001/"):
        page = text(browser.get(path))
        assert imported.number in page or "B202604-000001" in page
        assert page.count("PDF作成中") == (path in ("/invoices/", "/invoices/B202604-000001/")), path
        assert "5営業日以内に確定" not in page or path == "/", path


def it_prints_what_the_law_asks_for_on_the_pdf(browser):
    invoice = Invoice.objects.get(number="B202604-000001")
    stored = PdfReader(io.BytesIO(bytes(invoice.pdf.content)))
    words = "".join(page.extract_text() for page in stored.pages).replace(" ", "").replace("\n", "")
    for needed in (
        "つばめ通信株式会社", "T8990000000001", "2026年4月1日～2026年4月30日", "品目2※", "軽減税率", "10%対象", "¥20,000", "8%対象",
        "¥1,500", "¥2,000", "¥120", "会社C0000001", "御中", "B202604-000001", "¥23,620", "2026年6月1日", "みほん銀行", "1/1",
    ):  # fmt: skip
        assert needed in words, needed


def it_is_a_tagged_archive_pdf_with_its_fonts_inside(browser):
    import pikepdf

    with pikepdf.open(io.BytesIO(bytes(Invoice.objects.get(number="B202604-000001").pdf.content))) as stored:
        assert stored.open_metadata().pdfa_status == "3A"
        assert stored.Root.MarkInfo.Marked
        assert str(stored.Root.Lang) == "ja"
        assert stored.docinfo.Title == "請求書 B202604-000001" and stored.Root.ViewerPreferences.DisplayDocTitle
        assert not stored.check_pdf_syntax() and not stored.is_encrypted and "/Names" not in stored.Root
        elements = [each for each in stored.objects if isinstance(each, pikepdf.Dictionary) and "/S" in each]
        heads = [each for each in elements if each.S == "/TH"]
        scopes = Counter(str(each.A.Scope) for each in heads)
        assert scopes == {"/Column": 8 + 3, "/Row": 3}
        cells = [each for each in elements if each.S == "/TD"]
        known = {str(each.ID) for each in heads}
        assert cells and all({*map(str, each.A.Headers)} <= known for each in cells)
        fonts = [each for page in stored.pages for each in page.Resources.Font.values()]
        assert fonts
        assert all("/FontFile2" in each.DescendantFonts[0].FontDescriptor for each in fonts)


def it_renders_the_same_bytes_again(browser):
    from billing.documents.pdf import render

    invoice = Invoice.objects.get(number="B202604-000001")
    assert render(invoice) == bytes(invoice.pdf.content)


def it_mails_the_recipient_once_when_the_amount_is_fixed(browser):
    send_due()
    send_due()
    to_hanako = [message for message in outbox.outbox if message.to == ["hanako@example.com"]]
    assert len(to_hanako) == 1
    assert "/invoices/B202604-000001/\n" in to_hanako[0].body
    assert Mail.objects.get(key="invoice_fixed:B202604-000001").state == "sent"


def it_keeps_the_mail_until_there_is_somebody_to_write_to(cast):
    lonely = make.make_customer("C0000007")
    make.make_contract(lonely, (100,))
    make.close_month()
    list(render_waiting())
    send_due()
    waiting = Mail.objects.get(customer=lonely)
    assert (waiting.state, waiting.tries) == ("waiting", 0)


def it_shows_contracts_with_lines_terms_and_links(browser):
    page = text(browser.get("/contracts/K0000001/"))
    for needed in ("品目1", "O202605-000001", "B202604-000001", "新規", "更新", "kind=cancel&amp;about=K0000001"):
        assert needed in page, needed


def it_shows_what_a_metered_item_costs_and_what_was_used(browser, cast):
    meter = make.make_meter(cast.a.contracts.get(), 12, (500, 9), free_quantity=200)
    assert "使用量はまだ届いていません" in text(browser.get("/contracts/K0000001/"))
    make.use(meter.contract, "260.5", month="2026-05")
    make.open_month()
    page = text(browser.get("/contracts/K0000001/"))
    for needed in (
        "データ転送量",
        "200 GB",
        "12円 / GB",
        "500 GB を超える分",
        ">260.5<",
        ">726<",
        "/invoices/B202605-000001/",
    ):
        assert needed in page, needed
    page = text(browser.get("/invoices/B202605-000001/"))
    for needed in ("従量", "無料枠", "200GBを超える分", "60.5"):
        assert needed in page, needed


def it_says_wherever_it_names_a_metered_price_that_tax_is_in_it(browser, cast):
    meter = make.make_meter(cast.a.contracts.get(), 12, (500, 9), price_basis="inclusive")
    make.use(meter.contract, "60", month="2026-05")
    page = text(browser.get("/contracts/K0000001/"))
    for needed in (
        "12円 / GB（税込）",
        "9円 / GB（税込）",
        'data-label="金額">720<small>税込</small>',
    ):
        assert needed in page, needed


def it_shows_orders_with_their_state(browser):
    assert "請求済" in text(browser.get("/orders/O202604-000001/"))
    assert "受付" in text(browser.get("/orders/O202605-000001/"))


@pytest.mark.parametrize(
    "path", ["/invoices/B209901-000001/", "/orders/x/", "/contracts/K9999999/", "/account/users/0/", "/nowhere/"]
)
def it_answers_unknown_numbers_with_the_404_page(path, browser):
    response = browser.get(path)
    assert response.status_code == 404
    assert "ページが見つかりません" in text(response)


def it_draws_bars_that_add_up_to_the_invoices(browser):
    chart = browser.get("/invoices/analysis/?running=1").context["chart"]
    totals = [sum(each["values"][place] for each in chart["series"]) for place in range(len(chart["labels"]))]
    assert chart["labels"] == ["2025/11", "2025/12", "2026/01", "2026/02", "2026/03", "2026/04", "2026/05"]
    assert totals == [0, 0, 0, 0, 0, 23620, 23620]
    assert chart["provisional"][-1]


def it_stores_an_inquiry_and_mails_desk_and_sender(browser, cast):
    outbox.outbox.clear()
    given = {"kind": "change", "subject": "住所変更", "about": "K0000001", "body": "移転しました"}
    answer = browser.post("/inquiry/", given)
    stored = Inquiry.objects.get()
    assert answer.url == f"/inquiry/{stored.number}/?sent=1"
    assert (stored.customer, stored.user, stored.about) == (cast.a, cast.hanako, "K0000001")
    send_due()
    desk, copy = outbox.outbox[:2]  # ahead of the notices of invoices
    assert (desk.to, copy.to) == (["desk@example.net"], ["hanako@example.com"])
    assert "C0000001" in desk.body
    assert "移転しました" in copy.body


def it_keeps_what_was_typed_when_an_inquiry_lacks_something(browser):
    response = browser.post("/inquiry/", {"kind": "question", "subject": "", "body": "本文です"})
    assert "本文です" in text(response)
    assert not Inquiry.objects.exists()


def it_names_both_ways_back_to_a_forgotten_password(browser):
    page = text(browser.get("/faq/"))
    assert "「パスワードを忘れた場合」から" in page
    assert "同じ会社のほかのユーザが" in page


def it_answers_the_six_questions(browser):
    assert text(browser.get("/faq/")).count("<summary>") == 6


@pytest.mark.parametrize("words", ["パスワード 忘れ", "ﾊﾟｽﾜｰﾄﾞ　忘れ", "ぱすわーど", "ＰＡＳＳＷＯＲＤ", "forgot​"])
def it_finds_questions_whatever_width_kana_and_case_are_typed(words, browser):
    page = browser.get("/faq/", {"q": words}).content.decode()
    assert "パスワードを忘れました" in page
    assert "過去の請求書" not in page


@pytest.mark.parametrize("path", ["/", "/account/", "/invoices/analysis/", "/account/users/", "/faq/", "/inquiry/"])
def it_sends_strict_headers_and_no_inline_code(path, browser):
    response = browser.get(path)
    assert "default-src 'none'" in response["Content-Security-Policy"]
    assert response["Cache-Control"] == "no-store"
    assert " style=" not in text(response)
    assert "onclick" not in text(response)


def it_lets_staff_read_fixed_invoices_but_not_change_them(cast, web):
    make.close_month()
    web.force_login(cast.staff)
    invoice = Invoice.objects.first()
    page = web.get(f"/admin/billing/invoice/{invoice.pk}/change/")
    assert page.status_code == 200
    assert 'name="_save"' not in text(page)
    for path in (
        "billing/parked",
        "billing/monthrun",
        "orders/order",
        "contracts/contract",
        "accounts/customer",
        "accounts/user",
        "portal/vendor",
    ):
        assert web.get(f"/admin/{path}/").status_code == 200, path
