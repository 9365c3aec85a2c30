"""What the pages show while they are measured: the demo's companies, and one whose every text is as long as it may be."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from django.utils import timezone

from accounts.models import Customer, User
from accounts.wishes import ask_for_changes
from billing.credits import give_credit
from billing.demo import data
from billing.models import Decision, Discount, Invoice, InvoiceLine, NumberGone, Rendering
from billing.month import parking
from billing.services import adjust_invoice
from billing.uploads import services as uploads
from contracts.models import Contract, Form, Meter, Service, Term
from orders import usage
from orders.models import Order
from portal import faq, months
from portal.models import CalendarDay, FaqEntry, Inquiry, Notice, TaxKind
from portal.services import answer_inquiry, newest, note_inquiry, send_inquiry, write_on
from tests import make
from tests.replay import remembered

LATIN = "prod_ap_northeast_1_vpc0a1b2c3d4e5f6a7b8c9d0_reserved_capacity"
KANJI = "北関東広域データセンター向け冗長構成仮想サーバ基盤運用監視および障害一次対応代行サービス"
COMPANY = ("独立行政法人北関東広域情報通信基盤整備推進機構調達契約管理部第二契約課" * 3)[:100]
PERSON = "Wolfeschlegelsteinhausenbergerdorff-Featherstonehaugh-Cholmondeley-Marjoribanks-Saint-John-Beauchamp-"[:100]
DEMO, LONG, FUTURE = "hanako@example.com", "long@example.com", "future@example.com"
STAFF = "staff@example.net"


@dataclass
class Person:
    """Somebody who looks, and an example of each thing that a URL names; `None` for what the company doesn't have."""

    email: str
    customer: str
    contract: str | None = None
    order: str | None = None
    invoice: str | None = None
    user: int | None = None
    inquiry: str | None = None


def make_world():
    """{email: Person}; the months are closed by the real close, PDFs aren't rendered (no page needs the bytes)."""
    return {email: person(user) for email, user in world_rows().items()}


@remembered(by=months.today)
def world_rows():
    today = months.today()
    running = months.month_of(today)
    data.set_up_vendor(months.add_months(running, -data.MONTHS))
    data.make_customers(running, today)
    make_long(months.add_months(running, -2), today)
    make_future(today)
    data.load(today, say=lambda _line: None)
    make_desk(running, today)
    people = {email: User.objects.get(email=email) for email in (DEMO, LONG, FUTURE)}
    send_inquiry(Inquiry(subject=KANJI, body=LATIN), by=people[FUTURE])
    return people


def person(user):
    contract = Contract.objects.filter(customer=user.customer).order_by("number").first()
    order = Order.objects.filter(customer=user.customer).order_by("-number").first()
    invoice = Invoice.objects.filter(customer=user.customer, state="fixed").order_by("-month").first()
    inquiry = Inquiry.objects.filter(user=user).first()
    numbers = [each and each.number for each in (contract, order, invoice)]
    return Person(user.email, user.customer.name, *numbers, user=user.pk, inquiry=inquiry.number)


def make_long(start, today):
    """A company, person, service and contract with texts of 100 characters, and amounts of twelve digits."""
    Service.objects.create(code="longest", name=LATIN, position=90)
    customer = data.make_customer("C0000098", COMPANY, "ドクリツギョウセイホウジン", COMPANY[:80], since=start)
    data.make_user(customer, LONG, PERSON, "ウルフ", LATIN, KANJI, is_recipient=True, is_manager=True)
    data.make_user(customer, f"{LATIN[:40]}@{LATIN[:20].replace('_', '-')}.example.com", KANJI, "", KANJI, LATIN)
    lines = [
        (KANJI[:40], LATIN, 10000, "ライセンス", Decimal("12345678.50")),
        (LATIN, KANJI * 2, 3, "ライセンス", Decimal("1234.5")),
        (KANJI[:40], "", 2, "式", Decimal(980), TaxKind.REDUCED),
    ]
    send_inquiry(Inquiry(subject=LATIN, body=LATIN), by=User.objects.get(email=LONG))
    data.make_contract(customer, LATIN, "longest", LATIN, start, lines, today)
    data.make_contract(customer, KANJI * 2, "longest", KANJI, start, lines[1:], today)
    data.make_contract(customer, "クラウドサーバ", "cloud", "標準プラン", start, lines[2:], today, form=Form.YEARLY)


def make_future(today):
    """A company whose only contract hasn't begun."""
    customer = Customer.objects.create(number="C0000099", name="株式会社はじまり")
    data.make_user(customer, FUTURE, "未来 始", "ミライ", "", "", is_recipient=True, is_manager=True)
    begins = months.add_months(months.month_of(today + timedelta(days=40)), 1)
    data.make_contract(customer, "これからの契約", "cloud", "", begins, [("サーバ", "", 1, "台", 1000)], today)


def make_desk(running, today):
    """What only staff see: a credit, a draft that they adjusted, what failed of a close, a metered contract, a day."""
    staff, owner = User.objects.get(email=STAFF), Customer.objects.get(number="C0000098")
    fixed, draft = (Invoice.objects.filter(customer=owner, state=state).latest("month") for state in ("fixed", "draft"))
    billed = fixed.lines.filter(origin="order").first()
    give_credit(billed, 1000, KANJI * 2, by=staff)
    term = Term.objects.filter(contract=billed.contract).first()
    Decision.objects.create(
        customer=owner, contract_line=billed.contract.lines.first(), term=term, invoice_line=billed, choice="refused",
        amount=1000, reason=f"{LATIN} {KANJI}", by=staff,
    )  # fmt: skip
    line = InvoiceLine(
        position=90,
        item=KANJI,
        specification=LATIN,
        starts_on=running,
        ends_on=running,
        quantity=1,
        unit="式",
        unit_price=1000,
    )
    adjust_invoice(draft, [line], discounts=[Discount(item=KANJI, amount=1000)], by=staff)
    parking.park([Customer.objects.get(number="C0000099").pk], running, f"{KANJI} {LATIN}")
    failed = {"tries": 3, "error": f"OSError: {LATIN} {KANJI}", "parked_at": timezone.now()}
    Rendering.objects.create(invoice=fixed, customer=owner, **failed)
    NumberGone.objects.create(customer=owner, number=f"B{running:%Y%m}-999999", month=running, cause=f"{LATIN} {KANJI}")
    contract = Contract.objects.filter(customer=owner).order_by("number").first()
    meter = make.make_meter(contract, 10, (500, 8), service="longest")
    Meter.objects.filter(pk=meter.pk).update(item=KANJI)
    content = f"contract,service,period,quantity\n{contract.number},longest,{months.format_month(running)},1234567.5\n"
    usage.take_in(f"{LATIN}.csv", content.encode(), today=today)
    CalendarDay.objects.create(day=today, note=KANJI)
    make_talk(staff)
    faq.add_first_questions(FaqEntry)  # migrations did, but the world before emptied all tables
    bad = f"お客様番号,会社名,{KANJI}\n" + f"{LATIN},{KANJI},{LATIN}\n" * 150
    for name, content in ((f"{LATIN}.csv", bad), (f"{KANJI}{LATIN}.csv", f"number,name,{LATIN}\nA-1,{KANJI},x\n")):
        uploads.work(uploads.keep("customers", name, content.encode(), by=staff).pk, lambda: None)
    FaqEntry.objects.create(position=9999, question=KANJI, answer=f"{KANJI}\n{LATIN}")


def make_talk(staff):
    """Threads with everything that one can hold, a 変更申込, and notices of each kind."""
    person, long = (User.objects.get(email=email) for email in (DEMO, LONG))
    asked = send_inquiry(Inquiry(subject=KANJI, body=f"{LATIN * 2}\n{KANJI * 4}"), by=person)
    wished = ask_for_changes(
        {"address": [long.customer.address, KANJI * 2], "fax": [long.customer.fax, ""]}, LATIN, by=long
    )
    for inquiry, writer in ((asked, person), (wished, long)):
        note_inquiry(inquiry, f"{KANJI} {LATIN}", by=staff)
        answer_inquiry(
            inquiry, f"{LATIN * 2}\nhttps://example.com/{LATIN}\n{KANJI * 3}", seen=newest(inquiry), by=staff
        )
        write_on(inquiry, f"{KANJI * 2}\n{LATIN}", by=writer)
    for kind in Notice.Kind.values:
        everywhere = {"on_sign_in": kind != Notice.Kind.TROUBLE}
        body = f"{KANJI * 2}\nhttps://example.com/{LATIN * 2}"
        Notice.objects.create(kind=kind, title=KANJI if kind == "news" else LATIN, body=body, **everywhere)
