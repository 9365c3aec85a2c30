"""The 登録番号 stands over what it may cover only, and over nothing that lacks what a 適格請求書 must say (消費税法57条の4, D41)."""

from datetime import date
from decimal import Decimal
from io import BytesIO

import pytest
from django.core.exceptions import ValidationError
from pypdf import PdfReader

from accounts.models import Customer
from billing import settled
from billing.corrections.reissue import reissue
from billing.documents import einvoice, pdf
from billing.models import Invoice, InvoiceLine, InvoiceXml, Parked
from billing.month import checks
from billing.services import adjust_invoice
from portal.models import Vendor, VendorRegistration
from tests import make
from tests.screens.test_einvoice import NAMES, OUTDATED, gaps, judged, official, schema

NUMBER = "T8990000000001"
APART = "以下は登録番号の対象外です"


def read(invoice):
    """The words of its PDF without blanks."""
    pages = PdfReader(BytesIO(pdf.render(invoice))).pages
    return "".join("".join(page.extract_text() for page in pages).split())


def april(customer):
    return Invoice.objects.get(customer=customer, month=make.APRIL, state="fixed")


def charge(cast, item, price, starts_on, ends_on, **fields):
    """One more line on company B's provisional invoice of April."""
    make.open_month(make.APRIL)
    draft = Invoice.objects.get(customer=cast.b)
    line = InvoiceLine(
        position=draft.lines.count() + 1, item=item, unit_price=Decimal(price), starts_on=starts_on, ends_on=ends_on,
        tax_rate=Decimal("0.1"), **fields,
    )  # fmt: skip
    adjust_invoice(draft, [line], by=cast.staff)


def it_lists_apart_what_was_supplied_before_the_system_began(cast):
    VendorRegistration.objects.update(valid_from=date(2020, 1, 1))
    charge(cast, "九月の分", 1005, date(2023, 9, 1), date(2023, 9, 30))
    make.close_month()
    text = read(april(cast.b))
    assert f"登録番号{NUMBER}" in text
    assert text.index("品目1") < text.index(APART) < text.index("九月の分")
    # 8,782 × 10 % = 878, of which the claimed 7,777 are 777: the rest stands apart, and the document adds up.
    assert "10%対象¥7,777¥777" in text and "10%対象登録番号の対象外¥1,005¥101" in text
    assert "消費税¥878" in text
    assert APART not in read(april(cast.a))


@pytest.mark.parametrize(
    ("valid_from", "valid_to", "claimed", "apart"),
    [
        (date(2026, 4, 16), None, ["後半"], ["前半", "品目1"]),
        (date(2023, 10, 1), date(2026, 4, 15), ["前半"], ["後半", "品目1"]),
    ],
)
def it_looks_at_each_day_where_the_registration_begins_or_ends_within_the_month(
    cast, valid_from, valid_to, claimed, apart
):
    charge(cast, "前半", 1000, date(2026, 4, 1), date(2026, 4, 15))
    charge(cast, "後半", 2000, date(2026, 4, 16), date(2026, 4, 30))
    VendorRegistration.objects.update(valid_from=valid_from, valid_to=valid_to)
    make.close_month()
    text = read(april(cast.b))
    assert f"登録番号{NUMBER}" in text
    before, after = text.split(APART)
    assert all(item in before and item not in after for item in claimed)
    assert all(item in after and item not in before for item in apart)
    other = april(cast.a)
    assert other.issuer["registration_number"] == "" and NUMBER not in read(other) and APART not in read(other)
    assert "registration" in {each.code for each in checks.check(make.APRIL, today=make.IN_MAY) if each.rows}
    row = VendorRegistration.objects.get()
    assert settled.is_used(row), "a document stands on it, though it doesn't hold on the month's last day"
    with pytest.raises(ValidationError):
        settled.remove(row)


def it_warns_of_a_number_that_follows_another_within_the_month(cast):
    """Each day has one, and yet a whole month's line stands under neither."""
    VendorRegistration.objects.update(valid_to=date(2026, 4, 20))
    VendorRegistration.objects.create(number="T7000012050002", valid_from=date(2026, 4, 21))
    make.open_month(make.APRIL)
    told = {
        month: [each.rows for each in checks.check(month, today=make.IN_MAY) if each.code == "registration"]
        for month in (make.APRIL, make.MAY)
    }
    [[(day, text)]] = told[make.APRIL]
    assert day == "2026/04/21" and text.startswith("この日に登録番号が変わります")
    assert told[make.MAY] == [[]]
    make.close_month()
    assert april(cast.a).issuer["registration_number"] == ""


def it_keeps_apart_the_standard_and_the_reduced_rate_of_8_percent(cast):
    """Until 2019-09-30 8 % was the standard rate, from the next day on it is the reduced one."""
    charge(cast, "旧税率の分", 1000, date(2019, 9, 30), date(2019, 9, 30))
    charge(cast, "新税率の分", 2000, date(2019, 10, 1), date(2019, 10, 1), tax_kind="reduced")
    make.close_month()
    totals = [(row.kind, row.rate, row.base) for row in april(cast.b).tax_totals.filter(rate=Decimal("0.08"))]
    assert sorted(totals) == [("reduced", Decimal("0.08"), 2000), ("standard", Decimal("0.08"), 1000)]


def it_makes_no_claim_for_an_unregistered_vendor(cast):
    VendorRegistration.objects.all().delete()
    make.close_month()
    text = read(april(cast.b))
    assert not any(words in text for words in ("登録番号", "適格", APART))


@official
def it_makes_no_claim_in_the_xml_for_what_stands_apart(cast):
    Customer.objects.update(corporate_number="7990000000002")
    charge(cast, "九月の分", 1005, date(2023, 9, 1), date(2023, 9, 30))
    charge(cast, "九月の税込", 1999, date(2023, 9, 1), date(2023, 9, 30), price_basis="inclusive")
    make.close_month()
    invoice = april(cast.b)
    tree = schema_tree(invoice)
    lines = {
        line.xpath("string(cac:Item/cbc:Name)", namespaces=NAMES): (
            line.xpath("string(cac:Item/cac:ClassifiedTaxCategory/cbc:ID)", namespaces=NAMES),
            int(line.xpath("string(cbc:LineExtensionAmount)", namespaces=NAMES)),
        )
        for line in tree.xpath("//cac:InvoiceLine", namespaces=NAMES)
    }
    assert lines["品目1"] == ("S", 7777)
    assert lines["九月の分（登録番号の対象外）"][0] == lines["九月の税込（登録番号の対象外）"][0] == "O"
    assert tree.xpath("string(//cac:TaxTotal/cbc:TaxAmount)", namespaces=NAMES) == "777"
    assert sum(amount for _category, amount in lines.values()) == invoice.total - 777
    assert tree.xpath("string(//cbc:PayableAmount)", namespaces=NAMES) == str(invoice.total)
    assert "適格請求書の対象ではありません" in tree.xpath("string(//cbc:Note)", namespaces=NAMES)


def schema_tree(invoice):
    """Its XML, after the judges had their say."""
    from lxml import etree

    content = einvoice.build(invoice)
    tree = etree.fromstring(content)
    assert schema().validate(tree), schema().error_log
    failed, fired = judged(content)
    assert (failed, gaps(tree)) == (OUTDATED, set()) and fired > 20
    return tree


@pytest.mark.parametrize(
    ("spoil", "missing"),
    [
        (lambda cast: Customer.objects.filter(pk=cast.b.pk).update(billing_name="　"), "宛名"),
        (
            lambda cast: InvoiceLine.objects.filter(customer=cast.b, origin="adjustment").update(item=" "),
            "取引の内容（品目）",
        ),
        (lambda cast: Vendor.objects.update(name="　"), "発行者の名称"),
        (lambda cast: VendorRegistration.objects.update(number="T12"), "正しい登録番号"),
    ],
)
def it_fixes_no_document_that_lacks_what_the_law_asks_for(cast, spoil, missing):
    charge(cast, "設置作業", 1000, make.APRIL, make.APRIL)
    spoil(cast)
    named = {each.code: each for each in checks.check(make.APRIL, today=make.IN_MAY)}["incomplete"]
    assert (cast.b.number, missing) in [(item.customer, item.text) for item in named.items]
    make.close_month()
    assert not Invoice.objects.filter(customer=cast.b, state="fixed").exists()
    assert Parked.objects.get(customer=cast.b).reason == f"適格請求書に必要な記載がありません: {missing}"


def it_fixes_it_once_it_is_whole(cast):
    Customer.objects.filter(pk=cast.b.pk).update(billing_name="　")
    make.close_month()
    assert [each.customer for each in Parked.objects.all()] == [cast.b]
    Customer.objects.filter(pk=cast.b.pk).update(billing_name="経理センター")
    make.close_month(retry_failed=True)
    assert april(cast.b).addressee["name"] == "経理センター" and not Parked.objects.exists()


def it_asks_nothing_of_the_document_of_an_unregistered_vendor(cast):
    VendorRegistration.objects.all().delete()
    Customer.objects.filter(pk=cast.b.pk).update(billing_name="　")
    make.close_month()
    assert april(cast.b).addressee["name"] == "　" and not Parked.objects.exists()


def it_makes_no_correction_that_lacks_something(cast):
    make.close_month()
    Customer.objects.filter(pk=cast.b.pk).update(name=" ")
    with pytest.raises(ValidationError, match="適格請求書に必要な記載がありません: 宛名"):
        reissue(april(cast.b), reason="誤り", by=cast.staff, today=date(2026, 5, 20))
    assert not InvoiceXml.objects.exists() and april(cast.b).kind == "invoice"
