"""Staff decide in the desk what becomes of money billed beyond a contract's dates, and credit a billed line by hand."""

import re

import pytest
import time_machine
from django.contrib.auth.models import Group

from accounts.models import Customer, User
from billing.corrections.voiding import void
from billing.models import Credit, Decision, Invoice
from billing.month import checks
from billing.proposals import decide, proposals
from contracts.models import Service
from portal import rights
from portal.models import HistoryEvent, Vendor
from tests import make
from tests.acting import act, choose
from tests.scenarios.words import close_month, day, register, run, save


@pytest.fixture(autouse=True)
def in_may():
    with time_machine.travel("2026-05-12T03:00Z"):
        yield


@pytest.fixture
def customer(db):
    make.make_vendor()
    return make.make_customer("C0000009")


@pytest.fixture
def contract(customer):
    """April is fixed at 10,000 and 2,000; then the dear line ends on 04-15, so 5,000 were billed too much."""
    Service.objects.filter(code="cloud").update(prorate=True)
    found = register(customer, (10000,), (2000,), on="04-01", start="04-01")
    close_month("04", "05-08")
    line = found.lines.first()
    line.charge_to = day("04-15")
    save(found, "05-12", lines=[line])
    run("05-12")
    return found


@pytest.fixture
def staff(contract):
    return User.objects.get(email="staff@example.net")


def page_of(contract):
    return f"/admin/contracts/contract/{contract.pk}/change/"


def address(contract, choice):
    found = proposals([contract.customer_id])[0]
    return f"/admin/contracts/contract/{contract.pk}/decide/{found.contract_line_id}/{found.term_id}/{choice}/"


def text(page):
    return page.content.decode()


def answer(web, path, **given):
    """Open the page, fill in what is given beside what it remembers, and send it."""
    form = web.get(path).context["form"]
    return web.post(
        path,
        {name: form.get_initial_for_field(field, name) or "" for name, field in form.fields.items()} | given,
        follow=True,
    )


def words(html):
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def in_role(name):
    rights.set_up_roles()
    person = make.make_user(None, "one@example.net", is_staff=True)
    person.groups.add(Group.objects.get(name=name))
    return User.objects.get(pk=person.pk)


def it_shows_what_is_to_be_given_back_and_why(contract, staff, web):
    web.force_login(staff)
    shown = text(web.get(page_of(contract)))
    number = Invoice.objects.get(state="fixed").number
    for told in ("契約の変更で返すべき額", "10,000", "5,000", f'href="/admin/billing/invoice/?q={number}"'):
        assert told in shown
    assert '<td class="figure">5,000円<small>税抜</small></td>' in shown
    assert "5,000円（税抜）" in text(web.get(f"/admin/accounts/customer/{contract.customer_id}/change/"))
    assert address(contract, "credit") in shown
    assert address(contract, "refused") in shown


def it_gives_the_credit_to_the_next_bill_at_once(contract, staff, web):
    web.force_login(staff)
    path = address(contract, "credit")
    page = answer(web, path, reason="4月の途中で終了")
    outcome = words(text(page).partition("この内容で行われること")[2].partition("</table>")[0])
    assert "未確定" in outcome and "-2,000円" in outcome and "調整残高 0円 3,000円" in outcome
    assert not Decision.objects.exists() and not Credit.objects.exists()
    assert "5,000円（税抜）" in text(page)
    done = web.post(path, shown(page) | {"reason": "4月の途中で終了", "confirm": "1"}, follow=True)
    assert "契約の変更で返すべき額" not in text(done)
    draft = Invoice.objects.get(state="draft")
    assert [line.amount for line in draft.lines.filter(origin="adjustment")] == [-2000]
    event = HistoryEvent.objects.filter(action="refund_decided").get()
    assert "4月の途中で終了" in str(event.detail)


def it_refuses_to_give_back_only_with_a_reason(contract, staff, web):
    web.force_login(staff)
    path = address(contract, "refused")
    assert answer(web, path, reason=" ").context["form"].has_error("reason", "required")
    assert not Decision.objects.exists()
    answer(web, path, reason="お客様都合")
    assert Decision.objects.get().choice == "refused"
    assert not Credit.objects.exists()


def it_says_beside_the_reason_who_reads_it(contract, staff, web):
    web.force_login(staff)
    for choice, told in (
        ("credit", "お客様の請求書の明細に表示されます。"),
        ("return", "お客様の画面と変更履歴にも表示されます。"),
        ("refused", "お客様の変更履歴にも表示されます。"),
    ):
        assert told in text(web.get(address(contract, choice)))
    line = Invoice.objects.get(state="fixed").lines.first()
    page = text(web.get(f"/admin/billing/invoice/{line.invoice_id}/credit/{line.pk}/"))
    assert "お客様の請求書の明細に表示されます。" in page


def it_tells_who_comes_second(contract, staff, web):
    web.force_login(staff)
    path = address(contract, "credit")
    web.get(path)
    decide(proposals([contract.customer_id])[:1], "refused", "先に決定", by=staff)
    told = text(web.post(path, {"shown": 5000, "reason": "後から"}, follow=True))
    assert "もう残っていません" in told
    assert Decision.objects.count() == 1


def it_decides_about_no_other_amount_than_was_shown(contract, staff, web):
    web.force_login(staff)
    told = text(web.post(address(contract, "credit"), {"shown": 4999, "reason": "x"}, follow=True))
    assert "内容が変わっています" in told
    assert not Decision.objects.exists()


def it_offers_no_credit_where_the_vendor_settles_otherwise(contract, staff, web):
    Vendor.objects.update(credit_method="個別に返金")
    web.force_login(staff)
    shown = text(web.get(page_of(contract)))
    assert "翌月調整は選べません" in shown
    assert address(contract, "credit") not in shown
    assert address(contract, "refused") in shown
    assert web.get(address(contract, "credit")).status_code == 404
    invoice = Invoice.objects.get(state="fixed")
    assert f"/{invoice.pk}/credit/" not in text(web.get(f"/admin/billing/invoice/{invoice.pk}/change/"))


@pytest.mark.parametrize(("role", "status"), [("閲覧", 403), ("受付", 403), ("請求", 200), ("管理", 403)])
def it_lets_only_billing_decide(role, status, contract, web):
    web.force_login(in_role(role))
    line = Invoice.objects.get(state="fixed").lines.first()
    for path in (address(contract, "credit"), f"/admin/billing/invoice/{line.invoice_id}/credit/{line.pk}/"):
        assert web.get(path).status_code == status
        assert web.post(path, {"reason": "x"}).status_code == status
    shown = text(web.get(page_of(contract)))
    assert "契約の変更で返すべき額" in shown
    assert (address(contract, "credit") in shown) == (status == 200)


def it_credits_a_billed_line_by_hand_up_to_what_is_left(contract, staff, web):
    web.force_login(staff)
    line = Invoice.objects.get(state="fixed").lines.get(amount=2000)
    path = f"/admin/billing/invoice/{line.invoice_id}/credit/{line.pk}/"
    assert path in text(web.get(f"/admin/billing/invoice/{line.invoice_id}/change/"))
    page = text(web.get(path))
    assert "2,000円（税抜）" in page and "金額（税抜）" in page and 'value="2000"' not in page
    assert "残り 2,000円" in text(answer(web, path, amount="2001", reason="お詫び"))
    assert not Credit.objects.exists()
    page = answer(web, path, amount="1500", reason="お詫び")
    outcome = page.context["outcome"]
    assert ("-1,500円" in text(page), Credit.objects.count()) == (True, 0), "shown before it is given"
    given = {"amount": "1500", "reason": "お詫び", "confirm": "1"}
    again = web.post(path, given | {"digest": "another"})
    assert "もう一度確認してください" in text(again) and not Credit.objects.exists()
    web.post(path, given | {"digest": outcome.digest})
    assert Credit.objects.get().amount == 1500
    assert [each.amount for each in Invoice.objects.get(state="draft").lines.filter(origin="adjustment")] == [-1500]
    assert "残り 500円" in text(answer(web, path, amount="501", reason="お詫び"))


def it_returns_what_is_decided_by_a_document_and_takes_it_back_with_that(contract, staff, web):
    web.force_login(staff)
    told = text(confirm(web, address(contract, "return"), reason="解約"))
    back = Invoice.objects.get(kind="return")
    link = f'<a href="/admin/billing/invoice/{back.pk}/change/">{back.number}</a>（-5,500円）'
    assert f"品目1（5,000円）を返還に決定しました。返還請求書{link}を作りました。" in told
    assert (back.lines.get().decision, back.net, back.corrects.state) == (Decision.objects.get(), -5000, "fixed")
    assert proposals([contract.customer_id]) == []
    assert "返還請求書の取消で取り消します" in text(web.get("/admin/billing/decision/"))
    page = text(choose(web, "/admin/billing/decision/", "take_back", Decision.objects.get()))
    assert "実行しないもの 1件" in page and "返還請求書の取消で取り消します" in page
    void(back, reason="誤り", by=staff, today=back.fixed_on)
    assert [each.amount for each in proposals([contract.customer_id])] == [5000]
    assert sum(Decision.objects.values_list("amount", flat=True)) == 0


def confirm(web, path, **given):
    """Look at what would be done, and do it."""
    return web.post(path, shown(answer(web, path, **given)) | given | {"confirm": "1"}, follow=True)


def shown(page):
    return {"digest": page.context["outcome"].digest, "shown": page.context["form"]["shown"].value()}


@pytest.fixture
def cancelled(contract):
    """The whole contract ends on 04-15, so that of both lines half was billed too much."""
    save(contract, "05-12", cancel_on=day("04-15"))
    return contract


def it_shows_the_return_before_it_is_made_and_asks_again_when_it_would_be_another(cancelled, staff, web):
    web.force_login(staff)
    path = address(cancelled, "return")
    page = answer(web, path, reason="解約")
    outcome = text(page).partition("この内容で行われること")[2].partition("</table>")[0]
    assert (
        "返還 新しい書類" in " ".join(outcome.split())
        and "新しい書類" in outcome
        and "-5,500円" in outcome
        and "＝ -5,000円" in outcome
    )
    assert not Decision.objects.exists() and not Invoice.objects.filter(kind="return").exists()
    Customer.objects.update(address="東京都港区新町9-9")
    again = web.post(path, shown(page) | {"reason": "解約", "confirm": "1"})
    assert "もう一度確認してください" in text(again) and "新町9-9" in text(again)
    assert not Decision.objects.exists()
    assert web.post(path, shown(again) | {"reason": "解約", "confirm": "1"}).status_code == 302
    assert Invoice.objects.get(kind="return").addressee["address"] == "東京都港区新町9-9"


def it_returns_all_of_a_contract_in_one_document(cancelled, staff, web):
    web.force_login(staff)
    path = f"/admin/contracts/contract/{cancelled.pk}/decide/return/"
    assert path in text(web.get(page_of(cancelled)))
    told = text(confirm(web, path, reason="解約"))
    back = Invoice.objects.get(kind="return")
    assert "品目1、品目2（6,000円）を返還に決定しました。" in told and back.number in told
    assert sorted(line.amount for line in back.lines.all()) == [-5000, -1000]
    assert proposals([cancelled.customer_id]) == [] and Decision.objects.count() == 2
    assert [
        each.kind for each in checks.check(day("04-01"), today=day("05-12")) if each.code == "proposals" and each.rows
    ] == []
    page = text(web.get(f"/admin/billing/invoice/{back.pk}/correct/"))
    assert f'/admin/contracts/contract/{cancelled.pk}/change/#proposals">契約の画面</a>でもう一度決定を待ちます' in page
    void(back, reason="誤り", by=staff, today=back.fixed_on)
    assert sorted(each.amount for each in proposals([cancelled.customer_id])) == [1000, 5000]
    assert sorted(Decision.objects.values_list("amount", flat=True)) == [-5000, -1000, 1000, 5000]
    answer(web, path.replace("return", "refused"), reason="規約による")
    assert proposals([cancelled.customer_id]) == []


def it_takes_a_refusal_back_and_says_what_cannot_be(contract, staff, web):
    decide(proposals([contract.customer_id])[:1], "refused", "お客様都合", by=staff)
    web.force_login(staff)
    listed = "/admin/billing/decision/"
    decision = Decision.objects.get()
    assert "合計<strong>5,000円</strong>" in text(choose(web, listed, "take_back", decision))
    assert "理由を入力してください" in text(act(web, listed, "take_back", decision, reason=" "))
    assert "5,000円 を取り消しました" in text(act(web, listed, "take_back", decision, reason="誤り", follow=True))
    assert [each.amount for each in proposals([contract.customer_id])] == [5000]
    shown = text(web.get(listed))
    assert "取消済み" in shown
    assert "実行できる行がありません" in text(choose(web, listed, "take_back", decision))
