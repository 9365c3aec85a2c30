"""What a company is told and shown of documents that were corrected, returned or void."""

from datetime import date
from io import BytesIO

import pytest
from pypdf import PdfReader

from billing.corrections.giving_back import give_back
from billing.corrections.reissue import reissue
from billing.corrections.voiding import void
from billing.documents.rendering import render_waiting
from billing.models import Invoice
from orders.models import Order
from portal import mail
from portal.models import HistoryEvent, Mail, Vendor
from tests import make

LATER = date(2026, 5, 20)


@pytest.fixture
def april(cast):
    """Company A's April, closed."""
    make.close_month()
    return Invoice.objects.get(customer=cast.a, month=make.APRIL)


def by_staff(cast):
    return {"reason": "間違い", "by": cast.staff, "today": LATER}


def line(invoice, position=1):
    return invoice.lines.get(position=position)


def it_tells_the_company_of_each_once(cast, april, mailoutbox):
    list(render_waiting())
    first = reissue(april, **by_staff(cast))
    second = reissue(first, **by_staff(cast))  # before the first was rendered
    returned = give_back(second, {line(second).pk: 1}, **by_staff(cast))
    list(render_waiting())
    printed = PdfReader(BytesIO(bytes(returned.pdf.content))).pages[0].extract_text()
    assert printed.count("返還請求番号") == 2, "in the foot too"
    void(returned, **by_staff(cast))
    mails = Mail.objects.filter(customer=cast.a, key__contains="B2026")
    for each in mails.filter(state="waiting"):
        mail.deliver(each.pk)
    told = {each.subject: each.body for each in mailoutbox}
    assert set(told) == {
        f"請求書差替えのお知らせ（2026年4月分・{second.number}）", f"返還請求書取消のお知らせ（2026年4月分・{returned.number}）",
    }  # fmt: skip
    corrected = next(body for subject, body in told.items() if "差替え" in subject)
    assert first.number in corrected and second.number in corrected
    assert "重ねてのお支払いは不要です" in corrected, "who has paid already isn't asked to pay twice"
    gone = next(body for subject, body in told.items() if "取消" in subject)
    assert f"返還請求番号: {returned.number}\n返還する金額（税込）: 1円" in gone and "-1円" not in gone
    keys = set(Mail.objects.filter(customer=cast.a, key__contains="B2026").values_list("key", flat=True))
    assert keys == {
        f"invoice_fixed:{april.number}", f"invoice_corrected:{second.number}", f"invoice_returned:{returned.number}",
        f"invoice_void:{returned.number}",
    }  # fmt: skip
    assert all(
        Invoice.objects.with_pdf()
        .filter(customer=cast.a, state__in=["fixed", "replaced", "void"])
        .values_list("pdf_size", flat=True)
    )
    assert HistoryEvent.objects.filter(action="invoice_corrected", customer=cast.a, actor=cast.staff).count() == 4


def it_says_how_the_money_of_a_return_comes_back(cast, april, sign_in, mailoutbox):
    back = give_back(april, {line(april).pk: 1000}, **by_staff(cast))
    list(render_waiting())
    web, page = sign_in(cast.hanako), f"/invoices/{back.number}/"
    assert "返金方法は担当よりご案内いたします。" in web.get(page).content.decode()
    Vendor.objects.update(refund_note="翌月末日までに、お届けの口座へお振り込みいたします。")
    mail.deliver(Mail.objects.get(kind="invoice_returned").pk)
    assert "お届けの口座へお振り込み" in mailoutbox[0].body and "お届けの口座へ" in web.get(page).content.decode()
    assert "お届けの口座へ" not in web.get(f"/invoices/{april.number}/").content.decode()
    void(back, **by_staff(cast))
    assert "お届けの口座へ" not in web.get(page).content.decode(), "nothing comes back of it any more"


def it_names_beside_an_order_the_document_that_bills_it_now(cast, april, sign_in):
    order = Order.objects.get(customer=cast.a, month=make.APRIL)

    def named():
        number = Order.objects.with_invoice().get(pk=order.pk).invoice_number
        assert number in sign_in(cast.hanako).get(f"/orders/{order.number}/").content.decode()
        return number

    assert named() == april.number
    new = reissue(april, **by_staff(cast))
    give_back(new, {line(new).pk: 1}, **by_staff(cast))
    assert named() == new.number
    void(new, chain=True, **by_staff(cast))
    assert named() == april.number
    void(new, rebill=True, **by_staff(cast))
    assert named() == Invoice.objects.get(customer=cast.a, month=make.MAY).number


def it_shows_the_company_old_and_new_each_with_its_state_and_reason(cast, april, sign_in):
    new = reissue(april, **by_staff(cast))
    back = give_back(new, {line(new).pk: 1000}, **by_staff(cast))
    web = sign_in(cast.hanako)
    old_page, new_page, back_page = (
        web.get(f"/invoices/{each.number}/").content.decode() for each in (april, new, back)
    )
    assert "差替済" in old_page and f"/invoices/{new.number}/" in old_page and "間違い" in old_page
    assert f"/invoices/{april.number}/" in new_page and f"/invoices/{back.number}/" in new_page
    assert "返還金額（税込）" in back_page and "1,100<small>" in back_page and f"/invoices/{new.number}/" in back_page
    assert "支払期日" not in back_page
    assert sign_in(cast.jiro).get(f"/invoices/{new.number}/").status_code == 404


def it_shows_where_a_void_invoice_is_billed_again(cast, april, sign_in):
    void(april, rebill=True, **by_staff(cast))
    may = Invoice.objects.get(customer=cast.a, month=make.MAY)
    pages = [sign_in(cast.hanako).get(f"/invoices/{each.number}/").content.decode() for each in (april, may)]
    assert "この請求は取り消しました。" in pages[0]
    assert f"/invoices/{may.number}/" in pages[0] and f"/invoices/{april.number}/" in pages[1]
