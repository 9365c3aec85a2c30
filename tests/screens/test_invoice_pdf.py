"""The invoice as PDF, read as its reader does: each sentence that explains an amount is there, and is Japanese."""

from datetime import date
from io import BytesIO
from xml.etree import ElementTree

import pytest
from pypdf import PdfReader

from accounts.models import Customer
from billing.corrections.giving_back import give_back
from billing.documents import einvoice, pdf
from billing.models import Invoice
from contracts.models import ContractLine, Service
from portal.models import RoundingMode, TaxClass, Vendor
from portal.templatetags import figures
from tests import make


@pytest.fixture
def text(cast):
    """Close April and read company A's document without its blanks."""

    def read():
        make.close_month()
        pages = PdfReader(BytesIO(pdf.render(Invoice.objects.get(customer=cast.a)))).pages
        return "".join("".join(page.extract_text() for page in pages).split())

    return read


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("down", "1円未満を切り捨てています。"),
        ("half_up", "1円未満を四捨五入しています。"),
        ("up", "1円未満を切り上げています。"),
    ],
)
def it_says_how_tax_was_rounded(cast, text, mode, words):
    Vendor.objects.update(rounding=mode)
    assert words in text()


def it_has_a_sentence_for_every_way_to_round():
    assert set(pdf.ROUNDED) == set(RoundingMode)


def it_explains_prices_with_and_without_tax_side_by_side(cast, text):
    first = ContractLine.objects.filter(customer=cast.a).first()
    make.make_contract(cast.a, (11000, 1, {"price_basis": "inclusive"}))
    assert first.price_basis == "exclusive"
    assert "税込の明細は、税率ごとに税抜の金額に直して対象額に含めています。" in text()


def it_explains_nothing_where_all_prices_are_of_one_kind(cast, text):
    assert "税込の明細は" not in text()


def it_names_the_class_of_an_export(cast, text):
    """A supply for export (免税, 消費税法7条) stands in a tax class of its own, without tax."""
    make.make_contract(cast.a, (3000, 1, {"tax_kind": "export"}))
    assert "免税¥3,000¥0" in text()


@pytest.mark.parametrize(("given", "left"), [(50000, "¥30,000"), (5000, "¥0")])
def it_says_what_of_a_credit_is_left_and_how_it_goes_on(cast, text, given, left):
    make.make_credit(cast.a, given)
    said = text()
    assert "お詫び" in said and f"調整残高10%対象{left}（税抜）" in said
    assert "調整方法翌月の請求で調整（継続適用）" in said
    assert "2026年4月1日～2026年4月30日" in said


def it_says_nothing_of_credits_where_there_are_none(text):
    assert "調整" not in text()


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("transfer", ["お振込先", "お振込名義の前に"]),
        ("debit", ["お支払方法口座振替", "2026年6月1日（月）にご指定の口座から振り替えます。"]),
        ("card", ["お支払方法クレジットカード", "2026年6月1日（月）にご登録のクレジットカードへ請求します。"]),
    ],
)
def it_says_one_way_to_pay(cast, text, method, words):
    Customer.objects.filter(pk=cast.a.pk).update(payment_method=method)
    said = text()
    assert all(each in said for each in words)
    assert ("お振込" in said) == (method == "transfer")


def it_prints_the_rate_of_what_is_taxed_at_nothing(cast, text):
    """A rate of 0 is a rate (57条の4 ①四); 非課税 has none."""
    TaxClass.objects.filter(kind="reduced", valid_to=None).update(rate=0)
    make.make_contract(cast.a, (3000, 1, {"tax_kind": "reduced"}), (500, 1, {"tax_kind": "exempt"}))
    said = text()
    assert "0%対象（軽減税率※）" in said and "非課税¥500¥0" in said


def it_puts_the_sign_before_the_unit(cast):
    make.close_month()
    april = Invoice.objects.get(customer=cast.a)
    back = give_back(april, {april.lines.first().pk: 1000}, reason="値引き", by=cast.staff, today=make.IN_MAY)
    said = "".join(PdfReader(BytesIO(pdf.render(back))).pages[0].extract_text().split())
    assert "合計（税込）-¥1,100" in said and "返還金額（税込）" in said


def it_prints_an_address_as_one_whole(cast, sign_in):
    """Never the 〒 of the company over the address of the 請求先, nor the other way round."""
    head, elsewhere = {"postal_code": "100-0001", "address": "東京都千代田区1-1"}, "大阪府大阪市2-2"
    Customer.objects.filter(pk=cast.a.pk).update(**head, billing_address=elsewhere, corporate_number="5835678256246")
    Customer.objects.filter(pk=cast.b.pk).update(**head, billing_postal_code="530-0001")
    make.close_month()
    for user, shown, hidden in (
        (cast.hanako, ["大阪府大阪市2-2"], ["100-0001", "千代田区1-1"]),
        (cast.jiro, ["〒100-0001", "東京都千代田区1-1"], ["530-0001"]),
    ):
        invoice = Invoice.objects.get(customer=user.customer)
        said = PdfReader(BytesIO(pdf.render(invoice))).pages[0].extract_text()
        facts = sign_in(user).get("/account/").content.decode().partition("請求先名")[2]
        for words in shown:
            assert words in said and words.removeprefix("〒") in facts
        for words in hidden:
            assert words not in said and words not in facts
    assert b"PostalZone>1000001" not in einvoice.build(Invoice.objects.get(customer=cast.a))


def it_explains_an_amount_that_isnt_quantity_times_price(cast, sign_in):
    """日割, 月割 and 追加 in words at their line, on paper, on the page and in the XML; what an adjustment is for below."""
    Service.objects.filter(code="cloud").update(prorate=True)
    Customer.objects.filter(pk=cast.a.pk).update(corporate_number="5835678256246")
    make.make_contract(cast.a, (10000,), start_on=date(2026, 4, 16))
    make.make_contract(cast.a, (36000,), (24000, 1, {"charge_from": date(2026, 5, 20)}), form="yearly")
    make.make_contract(cast.a, (36000, 1, {"charge_to": date(2026, 9, 15)}), form="yearly")
    make.close_month()
    make.make_credit(cast.a, 500, given_on=date(2026, 5, 20))
    make.close_month(make.MAY, today=date(2026, 6, 8))
    web = sign_in(cast.hanako)
    for month, told in {
        make.APRIL: {"日割 15/30日": "5,000", "月割 6/12か月": "18,000"},
        make.MAY: {"契約期間の途中の追加、月割 11/12か月": "22,000", "過去月の調整を含みます。": ""},
    }.items():
        invoice = Invoice.objects.get(customer=cast.a, month=month)
        said = "".join("".join(page.extract_text().split()) for page in PdfReader(BytesIO(pdf.render(invoice))).pages)
        page = web.get(f"/invoices/{invoice.number}/").content.decode()
        xml = einvoice.build(invoice).decode()
        for words, amount in told.items():
            assert "".join(words.split()) in said and words in page, words
            assert amount in said and (not amount or words in xml)
        assert said.count("日割") == (month == make.APRIL) and said.count("月割") == 1
        assert ("過去月の調整" in page) == ("過去月の調整" in said) == (month == make.MAY)


def it_prints_the_buyers_own_number_below_the_item(cast, text):
    cast.a.contracts.update(purchase_order="PO-2026-0042")
    assert "発注PO-2026-0042" in text()


def it_writes_the_years_of_a_customer_that_wants_eras(cast, text):
    Customer.objects.filter(pk=cast.a.pk).update(calendar="imperial")
    words = text()
    assert "件名令和8年4月分ご利用料金" in words and "請求日令和8年4月30日" in words and "令和8年6月1日（月）" in words
    assert "R8/04/01～04/30" in words and "2026年" not in words
    other = PdfReader(BytesIO(pdf.render(Invoice.objects.get(customer=cast.b)))).pages[0].extract_text()
    assert "令和" not in other and "2026年4月30日" in other


def it_prints_every_account_of_the_vendor(cast, text):
    second = "よつば銀行（0001）駅前支店（002）\n当座 7654321\nツバメツウシン（カ"
    Vendor.objects.update(bank_account=f"{Vendor.objects.get().bank_account}\r\n\r\n{second}")
    words = text()
    assert (
        "みほん銀行（0000）本店営業部（001）普通0012345" in words
        and "よつば銀行（0001）駅前支店（002）当座7654321" in words
    )
    tree = ElementTree.fromstring(einvoice.build(Invoice.objects.get(customer=cast.a)))
    accounts = tree.iter(f"{{{einvoice.CAC}}}PayeeFinancialAccount")
    assert [each.findtext(f"{{{einvoice.CBC}}}ID") for each in accounts] == ["0000:001:1:0012345", "0001:002:2:7654321"]


@pytest.mark.parametrize(
    ("day", "written", "short"),
    [
        (date(1989, 1, 7), "1989年1月7日", "1989/01/07"),
        (date(1989, 1, 8), "平成元年1月8日", "H1/01/08"),
        (date(2016, 5, 1), "平成28年5月1日", "H28/05/01"),
        (date(2019, 4, 30), "平成31年4月30日", "H31/04/30"),
        (date(2019, 5, 1), "令和元年5月1日", "R1/05/01"),
        (date(2026, 11, 30), "令和8年11月30日", "R8/11/30"),
        (date(2027, 1, 4), "令和9年1月4日", "R9/01/04"),
    ],
)
def it_knows_where_an_era_begins_and_ends(day, written, short):
    with figures.imperial_years():
        assert (figures.day_name(day), figures.ymd(day)) == (written, short)
    assert figures.ymd(day) == f"{day:%Y/%m/%d}"
