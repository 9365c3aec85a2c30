"""「訂正する」: the cause proposes the lawful form, the preview shows what will arise or change, and that is what is stored."""

import re
from copy import copy
from datetime import date
from io import BytesIO

import pytest
from django.contrib.auth.models import Group
from PIL import Image
from time_machine import travel

from billing.corrections.causes import CAUSES, Way
from billing.corrections.compared import said
from billing.corrections.reissue import reissue
from billing.credits import give_credit
from billing.documents import pdf
from billing.models import Correction, Invoice, InvoiceLine, State
from contracts.models import Service
from orders.services import start_contract
from portal import rights, seal
from portal.models import Vendor
from tests import make
from tests.replay import remembered

LAWFUL = {
    "addressee": "reissue", "issuer": "reissue", "item": "reissue", "price": "reissue", "tax": "reissue", "differs": "reissue",
    "line": "reissue",
    "discount": "return", "cancelled": "return", "fewer": "return", "outage": "return", "fee": "return",
    "double": "void", "unused": "void", "stranger": "void", "later": "rebill",
}  # fmt: skip


NOW = "2026-05-20T03:00Z"


@remembered
def after_april():
    people = make.cast_rows()
    with travel(NOW):
        make.close_month()
    return people


@pytest.fixture
def cast(db, request):
    return make.together(**after_april()) if "april" in request.fixturenames else make.cast()


@pytest.fixture
def april(cast, time_machine):
    time_machine.move_to(NOW)
    return Invoice.objects.get(customer=cast.a)


@pytest.fixture
def desk(april, cast, web):
    """A browser of staff; `desk(way, cause=…, …)` posts to the page, with every line as it is unless told otherwise."""
    web.force_login(cast.staff)

    def post(way, invoice=april, **given):
        page = web.get(path(invoice), {"way": way})
        data = {name: value for name, value in fields(page.content.decode()) if not name.startswith("digest")}
        return web.post(path(invoice), data | {"way": way, "reason": "間違い"} | given)

    return post


def path(invoice):
    return f"/admin/billing/invoice/{invoice.pk}/correct/"


def fields(page):
    """(name, value) of what the page's last form would send as it is."""
    form = page.rpartition('<form method="post">')[2].partition("</form>")[0]
    for tag in re.findall(r"<input[^>]*>", form):
        kind, name = (re.search(rf'{each}="([^"]*)"', tag) for each in ("type", "name"))
        if name and (kind is None or kind[1] in ("text", "hidden")):
            value = re.search(r'value="([^"]*)"', tag)
            yield name[1], value[1] if value else ""
    for name, options in re.findall(r'<select name="([^"]*)".*?>(.*?)</select>', form, re.DOTALL):
        yield name, re.search(r'<option value="([^"]*)" selected', options)[1]


def confirm(desk, way, **given):
    shown = desk(way, **given)
    digest = dict(fields(shown.content.decode()))["digest"]
    return desk(way, digest=digest, confirm="1", **given)


@pytest.mark.parametrize("cause", LAWFUL)
def it_proposes_the_lawful_form_with_its_reason(april, desk, web, cause):
    assert CAUSES.keys() == {*LAWFUL, "missing"}
    page = web.get(path(april), {"cause": cause}).content.decode()
    assert f"<h2>{Way(LAWFUL[cause]).label}</h2>" in page
    assert str(CAUSES[cause].why) in page
    assert page.count("?cause=") == 3  # whoever knows better takes another one


def it_leads_elsewhere_for_what_no_document_puts_right(april, desk, web):
    make.open_month(make.MAY, today=date(2026, 5, 20))
    page = web.get(path(april), {"cause": "missing"}).content.decode()
    assert "この請求は直しません" in page and str(CAUSES["missing"].why) in page
    draft = Invoice.objects.drafts().get(customer=april.customer)
    assert f"/admin/billing/invoice/{draft.pk}/change/" in page and "contract/?q=C0000001" in page
    assert page.count("?cause=") == 4  # whoever knows better


def it_leads_from_the_invoice_to_what_can_be_done(april, desk, web, cast):
    assert path(april) in web.get(f"/admin/billing/invoice/{april.pk}/change/").content.decode()
    asked = web.get(path(april)).content.decode()
    assert all(str(cause.label) in asked for cause in CAUSES.values())
    new = reissue(april, reason="x", by=cast.staff, today=date(2026, 5, 20))
    page = web.get(f"/admin/billing/invoice/{april.pk}/change/").content.decode()
    assert path(april) not in page
    led = web.get(path(april), follow=True).content.decode()
    assert f'最新の請求 <a href="/admin/billing/invoice/{new.pk}/change/">{new.number}</a>' in led
    assert f'<a href="/admin/billing/invoice/{new.pk}/change/">{new.number}</a>' in page  # beside who did it, and why
    assert path(new) in web.get(f"/admin/billing/invoice/{new.pk}/change/").content.decode()


def it_stores_exactly_what_it_showed(april, desk):
    line = april.lines.get(position=1)
    shown = desk("reissue", **{f"line-{line.pk}-quantity": "１"})
    page = shown.content.decode()
    assert "修正" in page and "新しい書類" in page and "12,620円" in page and "差替済" in page
    assert not Correction.objects.exists()
    answer = confirm(desk, "reissue", **{f"line-{line.pk}-quantity": "１"})
    new = Invoice.objects.get(kind="correction")
    assert answer.url == f"/admin/billing/invoice/{new.pk}/change/"
    assert (new.total, new.lines.get(position=1).amount) == (12620, 10000)
    done = Correction.objects.get()
    assert (done.reason, done.by.email) == ("間違い", "staff@example.net")


def it_shows_what_each_document_will_say_otherwise(april, desk, cast):
    make.open_month(make.MAY, today=date(2026, 5, 20))
    assert "元の請求と同じ内容です" in desk("reissue").content.decode()
    cast.a.address = "東京都港区新町9-9"
    cast.a.save()
    first, second = april.lines.order_by("position")
    page = desk("reissue", **{f"line-{first.pk}-unit_price": "9000", f"line-{second.pk}-tax_kind": "standard"})
    outcome = page.content.decode().partition("この内容で行われること")[2].partition("</table>")[0]
    told = [cell.strip() for cell in re.sub(r"<[^>]*>", "|", outcome).split("|") if cell.strip()]
    assert told[told.index("宛先") :] == [
        "宛先", "C0000001", "会社C0000001", "C0000001", "会社C0000001", "東京都港区新町9-9",
        "標準税率 10%", "対象額 20,000円、消費税額 2,000円", "対象額 19,500円、消費税額 1,950円",
        "軽減税率 8%", "対象額 1,500円、消費税額 120円", "-",
        "明細", "品目1　2026/04/01～04/30　2式 × 10,000円 ＝ 20,000円（税抜、標準税率 10%）",
        "品目1　2026/04/01～04/30　2式 × 9,000円 ＝ 18,000円（税抜、標準税率 10%）",
        "明細", "品目2　2026/04/01～04/30　3式 × 500円 ＝ 1,500円（税抜、軽減税率 8%）",
        "品目2　2026/04/01～04/30　3式 × 500円 ＝ 1,500円（税抜、標準税率 10%）",
    ]  # fmt: skip


def it_shows_what_becomes_of_the_draft_and_of_a_credit_taken_up(april, desk, cast):
    give_credit(april.lines.get(position=1), 8000, "値引き", by=cast.staff)
    make.open_month(make.MAY, today=date(2026, 5, 20))
    page = desk("void").content.decode()
    draft = Invoice.objects.drafts().get(customer=april.customer)
    outcome = page.partition("この内容で行われること")[2].partition("</table>")[0]
    assert draft.number in outcome and "＝ -8,000円" in outcome


def it_says_how_else_money_is_given_back(cast, web, time_machine):
    time_machine.move_to("2026-05-20T03:00Z")
    Service.objects.update(prorate=True)
    make.close_month()
    april, contract = Invoice.objects.get(customer=cast.a), cast.a.contracts.get()
    web.force_login(cast.staff)
    page = web.get(path(april), {"cause": "discount"}).content.decode()
    assert f"/admin/billing/invoice/{april.pk}/change/#lines" in page and "返すべき額が" not in page
    contract.cancel_on = date(2026, 4, 15)
    start_contract(contract, [], today=date(2026, 5, 20))
    page = web.get(path(april), {"cause": "cancelled"}).content.decode()
    assert "返すべき額が 10,750円" in page and f"/admin/contracts/contract/{contract.pk}/change/#proposals" in page
    Vendor.objects.update(credit_method="返還請求書")
    assert "#lines" not in web.get(path(april), {"cause": "discount"}).content.decode()


def it_asks_again_when_something_changed_meanwhile(april, desk, cast):
    line = april.lines.get(position=1)
    digest = dict(fields(desk("reissue").content.decode()))["digest"]
    other = desk("reissue", digest=digest, confirm="1", **{f"line-{line.pk}-item": "別の品目"})
    assert "もう一度確認してください" in other.content.decode()
    assert not Correction.objects.exists()
    shown = desk("void").content.decode()
    make.open_month(make.MAY, today=date(2026, 5, 20))
    make.make_contract(cast.a, (300,), today=date(2026, 5, 20), start_on=make.MAY)
    again = desk("void", digest=dict(fields(shown))["digest"], confirm="1").content.decode()
    assert "もう一度確認してください" in again and not Correction.objects.exists()
    assert desk("void", digest=dict(fields(again))["digest"], confirm="1").status_code == 302


def it_returns_by_amount_quantity_or_days_of_each_line(april, desk):
    first, second = april.lines.order_by("position")
    confirm(desk, "return", **{f"line-{first.pk}-quantity": "1", f"line-{second.pk}-days": "10"})
    assert [each.amount for each in InvoiceLine.objects.filter(origin="return").order_by("position")] == [-10000, -500]
    both = desk("return", **{f"line-{first.pk}-quantity": "1", f"line-{first.pk}-yen": "1"}).content.decode()
    assert "どれか1つ" in both
    assert "1日以上" in desk("return", **{f"line-{first.pk}-days": "31"}).content.decode()
    assert "10,000円 まで" in desk("return", **{f"line-{first.pk}-yen": "10001"}).content.decode()
    confirm(desk, "return", everything="on")
    assert sum(InvoiceLine.objects.filter(origin="return").values_list("amount", flat=True)) == -21500


def it_names_what_rests_on_the_document_and_takes_it_along(april, desk):
    confirm(desk, "return", everything="on")
    back = Invoice.objects.get(kind="return")
    assert back.number in (page := desk("void").content.decode()) and 'name="chain"' in page
    assert 'name="chain"' not in desk("void", invoice=back).content.decode(), "nothing rests on a 返還"
    assert confirm(desk, "void", chain="on").status_code == 302
    assert set(Invoice.objects.filter(month=make.APRIL, customer=april.customer).values_list("state", flat=True)) == {
        "void"
    }


def it_bills_a_void_document_again_once(april, desk, web):
    confirm(desk, "void")
    assert "取消して再請求" in web.get(path(april)).content.decode()
    assert "再請求する年月" in (page := desk("rebill").content.decode()) and "2026年5月" in page
    told = web.get(confirm(desk, "rebill").url).content.decode()
    assert f"{april.number} の明細を、2026年5月の請求で再請求します。" in told and "取り消しました" not in told
    assert path(april) not in web.get(f"/admin/billing/invoice/{april.pk}/change/").content.decode()


def it_tells_beside_the_field_what_cant_be(april, desk):
    line = april.lines.get(position=1)
    assert "理由" in desk("void", reason="").content.decode()
    for field, typed in (
        ("quantity", "abc"),
        ("ends_on", "2026-13-01"),
        ("item", ""),
        ("amount", "1.5"),
        ("tax_kind", "none"),
    ):
        page = desk("reissue", **{f"line-{line.pk}-{field}": typed}).content.decode()
        assert "errorlist" in page and "この内容で行われること" not in page, field
    page = desk("reissue", **{f"line-{line.pk}-starts_on": "2026-05-01"}).content.decode()
    assert "利用終了日は利用開始日以降" in page
    page = desk("reissue", **{f"line-{line.pk}-item": "张"}).content.decode()
    assert "次の文字は書類に印刷できません: 张" in page and "この内容で行われること" not in page
    assert not Correction.objects.exists()


def it_finds_a_line_among_many(april, desk, web, monkeypatch):
    monkeypatch.setattr("billing.corrections.forms.LINES_SHOWN", 1)
    page = web.get(path(april), {"way": "reissue"}).content.decode()
    assert "一部だけを表示" in page and "品目2" not in page
    found = web.get(path(april), {"way": "reissue", "q": "品目2"}).content.decode()
    assert 'value="品目2"' in found and "一部だけを表示" not in found


def it_keeps_what_was_typed_while_another_line_is_looked_for(april, desk, monkeypatch):
    monkeypatch.setattr("billing.corrections.forms.LINES_SHOWN", 1)
    first, second = april.lines.order_by("position")
    page = desk("reissue", reason="", find="1", q="品目2", **{f"line-{first.pk}-quantity": "1"}).content.decode()
    assert 'value="品目2"' in page and "errorlist" not in page
    sent = dict(fields(page))
    assert (sent[f"line-{first.pk}-quantity"], sent[f"line-{second.pk}-quantity"]) == ("1", "3")
    sent[f"line-{second.pk}-unit_price"] = "700"
    confirm(desk, "reissue", **{name: value for name, value in sent.items() if name.startswith("line-")})
    assert list(Invoice.objects.get(kind="correction").lines.values_list("amount", flat=True)) == [10000, 2100]


@pytest.mark.parametrize("role", [rights.VIEWER, rights.RECEPTION, rights.MANAGEMENT, rights.BILLING])
def it_is_open_to_whom_corrections_are_given(april, web, role):
    rights.set_up_roles()
    person = make.make_user(None, "desk@example.net", is_staff=True)
    person.groups.add(Group.objects.get(name=role))
    web.force_login(person)
    may = role == rights.BILLING
    assert web.get(path(april)).status_code == (200 if may else 403)
    assert web.post(path(april), {"way": "void", "reason": "x"}).status_code == (200 if may else 403)
    assert (path(april) in web.get(f"/admin/billing/invoice/{april.pk}/change/").content.decode()) == may
    assert april.state == State.FIXED


def it_offers_a_small_return_without_document(desk, april):
    field = f"line-{april.lines.get(position=1).pk}-yen"
    refused = desk("return", no_document="on", **{field: "20000"}).content.decode()
    assert "返還請求書を省けるのは、税込1万円未満の返還だけです。" in refused
    assert "発行しません（記録だけ）" in desk("return", no_document="on", **{field: "500"}).content.decode()
    assert "発行しません" not in desk("return", **{field: "500"}).content.decode()
    confirm(desk, "return", no_document="on", **{field: "500"})
    made = Invoice.objects.get(kind="return")
    assert (made.without_document, made.total) == (True, -550)


def it_shows_that_only_the_buyers_number_changes(desk, april):
    page = desk("reissue", **{f"line-{april.lines.get(position=1).pk}-purchase_order": "PO-9"}).content.decode()
    assert "元の請求と同じ内容です" not in page and "発注 PO-9" in page


def it_shows_all_that_is_printed_otherwise(april, desk, cast):
    """Also what stands nowhere among parties and lines: the era, the seal, the accounts, the note."""
    picture = BytesIO()
    Image.new("RGB", (200, 200), "red").save(picture, "PNG")
    kept = seal.keep(picture.getvalue())
    cases = [
        (cast.a, {"calendar": "imperial"}, "<td>年の表記</td>", "和暦"),
        (Vendor.objects.get(), {"seal": kept}, "<td>角印</td>", f"あり（画像 {kept.pk[:8]}）"),
        (Vendor.objects.get(), {"bank_account": "みほん銀行 丸の内支店 普通 7654321"}, "<td>振込先</td>", "7654321"),
        (Vendor.objects.get(), {"invoice_note": "新しい備考"}, "<td>備考</td>", "新しい備考"),
        (cast.a, {"corporate_number": "7000012050002"}, "<td>法人番号</td>", "7000012050002"),
    ]
    for row, given, label, told in cases:
        assert label not in desk("reissue").content.decode()
        type(row).objects.filter(pk=row.pk).update(**given)
        page = desk("reissue").content.decode()
        assert label in page and told in page and "元の請求と同じ内容です" not in page, label


def it_compares_whatever_is_printed_of_the_parties(april):
    """Nothing that changes the page goes untold, whatever parties are given to say some day."""
    april.credit_left = [{"kind": "standard", "rate": "0.1000", "basis": "exclusive", "yen": 500}]
    april.issuer |= {
        "registrations": [{"number": april.issuer["registration_number"], "from": "2023-10-01", "to": None}]
    }
    printed, told = pdf.page(april, pdf.facts_of(april)), said(april)
    tried = [(party, name) for party in ("addressee", "issuer") for name in getattr(april, party)]
    for party, name in [*tried, ("addressee", "calendar")]:
        other, kept = copy(april), getattr(april, party)
        value = "imperial" if name == "calendar" else [] if name == "registrations" else "" if kept.get(name) else "他"
        setattr(other, party, kept | {name: "" if name == "seal" else value})
        if pdf.page(other, pdf.facts_of(other)) != printed:
            assert said(other) != told, f"{party} {name}"
