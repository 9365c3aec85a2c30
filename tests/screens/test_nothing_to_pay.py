"""A document of 0 yen says that nothing is to be paid, wherever it is shown, and asks for no money (D29)."""

import hashlib
from io import BytesIO

import pytest
from django.conf import settings
from pypdf import PdfReader

from billing.documents import pdf
from billing.documents.rendering import render_waiting
from billing.models import Invoice
from billing.month import checks
from portal.models import Mail, Vendor
from tests import make

WORDS = "お支払いの必要はありません。"
# What documents were fixed with stays as it was; a layout that was handed out joins with its sums here.
HANDED_OUT = {
    "v1/invoice.css": "c7deadd05b6cb611e1c3b832072eb2c7e235c811ea4f89a5264222adb4edb03f",
    "v1/invoice.html": "5abc9407b8bc3096a3902e43aafef5128ea49376b8979ad8c4f0d34d1bd5aca5",
}


@pytest.fixture
def free(cast):
    """Company B's April at 0 yen, fixed and rendered."""
    for line in cast.b.contracts.get().lines.all():
        line.unit_price = line.amount = line.net = 0
        line.save()
    make.close_month()
    list(render_waiting())
    return Invoice.objects.get(customer=cast.b)


def printed(invoice):
    pages = PdfReader(BytesIO(pdf.render(invoice))).pages
    return "".join("".join(page.extract_text() for page in pages).split())


def it_prints_neither_due_date_nor_bank_account(free, cast):
    said = printed(free)
    assert WORDS in said and "合計（税込）¥0" in said
    for words in ("お支払期限", "お振込", "ご請求申し上げます"):
        assert words not in said, words
    assert "備考" in said
    other = printed(Invoice.objects.get(customer=cast.a))
    assert "お支払期限" in other and "お振込先" in other and WORDS not in other


def it_is_rendered_by_the_layout_of_the_fix_not_by_that_of_the_draft(cast):
    make.open_month(make.APRIL)
    Invoice.objects.update(template="v1")
    make.close_month()
    assert set(Invoice.objects.values_list("template", flat=True)) == {pdf.LAYOUT} == {"v2"}


def it_still_prints_a_document_of_the_first_layout_as_it_did(free):
    free.template = "v1"
    said = printed(free)
    assert "お支払期限" in said and "お振込先" in said and WORDS not in said


@pytest.mark.parametrize("file", HANDED_OUT)
def it_never_changes_a_layout_that_was_handed_out(file):
    content = (settings.BASE_DIR / "templates" / "billing" / "invoice_pdf" / file).read_bytes()
    assert hashlib.sha256(content).hexdigest() == HANDED_OUT[file]


def it_says_so_on_its_page_and_in_no_list(free, cast, sign_in):
    web = sign_in(cast.jiro)
    page = web.get(f"/invoices/{free.number}/").content.decode()
    assert WORDS in page
    for words in ("支払期日", "支払方法"):
        assert words not in page, words
    assert "2026/06/01" not in web.get("/invoices/").content.decode()
    sheet = b"".join(web.get("/invoices/?export=csv")).decode("utf-8-sig")
    assert free.number in sheet and "2026/06/01" not in sheet
    assert free.number not in web.get("/invoices/?due_on_min=2026/05/01").content.decode()
    theirs = sign_in(cast.hanako).get("/invoices/?due_on_min=2026/05/01").content.decode()
    assert "2026/06/01" in theirs


@pytest.mark.parametrize("told", [True, False])
def it_is_announced_unless_the_vendor_wants_otherwise(cast, told):
    Vendor.objects.update(mail_free=told)
    for line in cast.b.contracts.get().lines.all():
        line.unit_price = line.amount = line.net = 0
        line.save()
    make.close_month()
    list(render_waiting())
    assert Mail.objects.filter(kind="invoice_fixed", customer=cast.a).count() == 1
    assert Mail.objects.filter(kind="invoice_fixed", customer=cast.b).count() == told
    found = {each.code for each in checks.check(make.APRIL, today=make.IN_MAY) if each.rows}
    assert not found & {"mail_missing", "recount"}
