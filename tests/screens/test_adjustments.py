"""Staff adjust a draft in the admin: it is saved whole with new totals, or the page says what is wrong."""

from datetime import date
from decimal import Decimal

import pytest
import time_machine
from django.contrib.admin import ModelAdmin
from django.core.exceptions import ValidationError
from procrastinate.contrib.django.models import ProcrastinateJob

from billing.credits import give_credit
from billing.models import Credit, Invoice, InvoiceLine
from billing.services import adjust_invoice
from portal.models import Vendor
from tests import make


@pytest.fixture(autouse=True)
def in_may():
    with time_machine.travel("2026-05-08T03:00Z"):
        yield


@pytest.fixture
def draft(cast):
    make.open_month(make.APRIL)
    return Invoice.objects.get(customer=cast.a, month=make.APRIL)


@pytest.fixture
def save(cast, web, draft):
    """Open the page, change or add lines (dictionaries; with an id an existing line), and save."""
    web.force_login(cast.staff)
    path = f"/admin/billing/invoice/{draft.pk}/change/"

    def saved(*lines, discounts=()):
        page = web.get(path)
        data = {}
        for inline in page.context["inline_admin_formsets"]:
            forms = [inline.formset.management_form, *inline.formset.initial_forms]
            for field in [field for form in forms for field in form]:
                data[field.html_name] = "" if field.value() is None else field.value()
            data[f"{inline.formset.prefix}-TOTAL_FORMS"] = inline.formset.initial_form_count()
        prefix = page.context["inline_admin_formsets"][0].formset.prefix
        known = [data[f"{prefix}-{place}-id"] for place in range(data[f"{prefix}-INITIAL_FORMS"])]
        for line in lines:
            place = known.index(line["id"]) if "id" in line else data[f"{prefix}-TOTAL_FORMS"]
            data |= {f"{prefix}-{place}-{name}": value for name, value in line.items()}
            data[f"{prefix}-TOTAL_FORMS"] += "id" not in line
        prefix = page.context["inline_admin_formsets"][1].formset.prefix
        for item, amount, *percent in discounts:
            place = data[f"{prefix}-TOTAL_FORMS"]
            typed = {"item": item, "amount": amount, "percent": "".join(percent)}
            data |= {f"{prefix}-{place}-{name}": value for name, value in typed.items()}
            data[f"{prefix}-TOTAL_FORMS"] += 1
        return web.post(path, data)

    return saved


def it_turns_a_discount_in_per_cent_into_yen_and_stores_it_with_the_next_save(draft, save):
    """Of 20,000 and 1,500 yen, whatever other discounts and credits there are; that it asks isn't an error."""
    assert save(line(item="おわび", unit_price="-100"), discounts=[("早割", "500")]).status_code == 302
    answer = save(discounts=[("特別値引き", "", "７.５%")])
    form = answer.context["inline_admin_formsets"][1].formset.forms[1]
    page = answer.content.decode()
    told = "明細の合計（調整残高の充当と一括値引きを除く） 21,500円 の7.5％は 1,612円です。"
    assert f'<p class="asks" role="status">{told}よければもう一度保存してください。</p>' in page
    assert not any(word in page for word in ("エラー", "errornote", "errorlist", "aria-invalid"))
    assert "まだ保存していません。" in page
    assert (form["amount"].value(), form["percent"].value()) == ("1,612", "")
    assert not draft.discounts.filter(item="特別値引き").exists()
    assert save(discounts=[("特別値引き", "1,612")]).status_code == 302
    assert draft.discounts.get(item="特別値引き").amount == 1612


@pytest.mark.parametrize(
    ("amount", "percent", "field"),
    [("", "", "amount"), ("", "0", "percent"), ("", "100.5", "percent"), ("", "x", "percent")],
)
def it_takes_no_discount_without_yen_or_a_share(draft, save, amount, percent, field):
    answer = save(discounts=[("値引き", amount, percent)])
    assert list(answer.context["inline_admin_formsets"][1].formset.errors[0]) == [field]
    assert not draft.discounts.exists()


def it_takes_no_discount_of_yen_and_a_share_at_once(draft, save):
    answer = save(discounts=[("値引き", "500", "10")])
    [errors] = answer.context["inline_admin_formsets"][1].formset.errors
    assert errors == {"percent": ["値引き額と割合は、どちらか一方だけを入力してください。"]}
    page = save(discounts=[("値引き", "", "10"), ("早割", "", "0")]).content.decode()
    assert "errornote" in page, "what is wrong beside one that only asks is still an error"
    assert not draft.discounts.exists()


def line(**changes):
    return {
        "item": "調整", "specification": "", "starts_on": "2026-04-01",
        "ends_on": "2026-04-30", "quantity": "1", "unit": "式", "unit_price": "3000", "price_basis": "exclusive",
        "tax_kind": "standard",
    } | changes  # fmt: skip


def it_saves_without_a_change(draft, save):
    before = list(InvoiceLine.objects.values())
    assert save().status_code == 302
    assert list(InvoiceLine.objects.values()) == before
    draft.refresh_from_db()
    assert (draft.state, draft.total) == ("draft", 23620)


def it_says_whether_a_discount_is_with_or_without_tax(cast, draft, web):
    web.force_login(cast.staff)
    page = web.get(f"/admin/billing/invoice/{draft.pk}/change/").content.decode()
    assert "税抜の明細からは税抜の額、税込の明細からは税込の額で引きます。" in page


def it_takes_no_negative_adjustment_where_the_vendor_settles_otherwise(cast, draft, save):
    """A 一括値引き belongs to its invoice, so that is taken (D28)."""
    Vendor.objects.update(credit_method="個別に返金")
    page = save(line(unit_price="-3000")).content.decode()
    assert "マイナスの調整は登録できません。この請求だけの値引きは「一括値引き」に入力してください。" in page
    with pytest.raises(ValidationError, match="マイナスの調整は登録できません"):
        adjust_invoice(draft, [InvoiceLine(**line(unit_price=-3000, quantity=1, origin="adjustment"))], by=cast.staff)
    assert not Credit.objects.exists()
    assert save(line(), discounts=[("値引き", 751)]).status_code == 302
    make.close_month()
    with pytest.raises(ValidationError, match="翌月調整は選べません"):
        give_credit(InvoiceLine.objects.filter(invoice=draft, origin="order").first(), 1, "障害", by=cast.staff)


def it_adds_an_adjustment_and_a_discount_with_new_totals(cast, draft, save):
    assert save(line(), discounts=[("値引き", 751)]).status_code == 302
    added = InvoiceLine.objects.filter(origin__in=["adjustment", "discount"])
    assert list(added.values_list("customer", "amount", "tax_rate")) == [
        (cast.a.pk, 3000, Decimal("0.1")),
        (cast.a.pk, -705, Decimal("0.1")),  # 751 × 23,000 / 24,500
        (cast.a.pk, -46, Decimal("0.08")),
    ]
    draft.refresh_from_db()
    assert (draft.net, draft.tax) == (21500 + 3000 - 751, (1500 - 46) * 8 // 100 + (23000 - 705) // 10)
    assert ProcrastinateJob.objects.filter(task_name="billing.catch_up").count() == 1


def it_keeps_a_negative_adjustment_as_a_credit_and_says_so(cast, draft, save, web):
    answer = save(line(unit_price="-5000", quantity="1.5"))
    assert answer.status_code == 302
    assert "調整（7,500円）は調整残高として登録しました。" in web.get(answer.url).content.decode()
    credit = Credit.objects.get()
    assert (credit.customer, credit.amount, credit.source, credit.by) == (cast.a, 7500, "adjustment", cast.staff)
    assert list(draft.lines.filter(credit=credit).values_list("amount", flat=True)) == [-7500]
    draft.refresh_from_db()
    assert draft.net == 21500 - 7500
    assert save().status_code == 302  # what was taken up is no adjustment that anybody edits
    assert Credit.objects.count() == 1


def it_leads_from_the_adjustments_to_the_credits_that_negative_ones_became(cast, draft, save, web):
    """3 × -100 and 1 × -500.5: one 式 on the document, and less than a yen cut off as of any line; both are said."""
    answer = save(
        line(item="返し", unit_price="-100", quantity="3"), line(item="おわび", unit_price="-500.5"), line(item="追加")
    )
    page = web.get(answer.url).content.decode()
    assert "返し（300円）は調整残高として登録しました。" in page
    assert "おわび（500円）は調整残高として登録しました（1×-500.5、1円未満切り捨て）。" in page
    page = web.get(f"/admin/billing/invoice/{draft.pk}/change/").content.decode()
    panel = page.partition('id="credits-taken"')[2].partition("</ul>")[0]
    for credit in Credit.objects.all():
        assert f'href="/admin/billing/credit/{credit.pk}/change/"' in panel
        assert f"{credit.item}</a>" in panel and f"-{credit.amount}" in panel
    assert "追加" not in panel
    assert "お客様の請求書には数量1式の明細として載ります" in page
    credit = web.get(f"/admin/billing/credit/{Credit.objects.first().pk}/change/").content.decode()
    assert '<div class="readonly">10%</div>' in credit and "0.1<" not in credit
    assert '<td class="field-tax">10% 税抜</td>' in web.get("/admin/billing/credit/").content.decode()
    assert f'href="/admin/billing/credit/?q={cast.a.number}"' in page


def it_takes_no_adjustment_of_0_yen(draft, save):
    for changes, field in (
        ({"unit_price": "0"}, "unit_price"),
        ({"quantity": "0.4", "unit_price": "1"}, "unit_price"),
        ({"quantity": "-0.4", "unit_price": "1"}, "unit_price"),
        ({"quantity": "0"}, "quantity"),
    ):
        answer = save(line(**changes))
        assert answer.status_code == 200, changes
        assert list(answer.context["inline_admin_formsets"][0].formset.errors[-1]) == [field]
    assert "金額が0円になります。数量と単価を見直してください。" in answer.content.decode()
    assert not InvoiceLine.objects.filter(origin="adjustment").exists()


def it_says_at_once_what_lapses_of_a_discount(draft, save, web):
    """21,500 are to be paid (D28: it belongs to this invoice alone)."""
    page = web.get(save(discounts=[("早割", "20,000"), ("値引き", "2,000")]).url).content.decode()
    assert "値引き（2,000円）のうち500円は、請求の金額を超えるため引かれません。" in page
    assert "早割（" not in page
    assert "引かれません" in web.get(save(line(unit_price="100")).url).content.decode()
    assert "引かれません" not in web.get(save(line(unit_price="400")).url).content.decode()


@pytest.mark.parametrize("amount", ["0", "-500", "1000000000001", "x"])
def it_takes_a_discount_only_as_yen_to_take_off(draft, save, amount):
    answer = save(discounts=[("値引き", amount)])
    assert answer.status_code == 200
    assert list(answer.context["inline_admin_formsets"][1].formset.errors[0]) == ["amount"]
    assert not InvoiceLine.objects.filter(origin="discount").exists()


def it_changes_and_deletes_an_adjustment(draft, save):
    save(line(), line(item="二つ目"))
    first, second = InvoiceLine.objects.filter(origin="adjustment")
    assert save({"id": first.pk, "unit_price": "5000"}, {"id": second.pk, "DELETE": "on"}).status_code == 302
    assert InvoiceLine.objects.get(origin="adjustment").amount == 5000
    draft.refresh_from_db()
    assert draft.net == 26500


@pytest.mark.parametrize(
    ("bad", "field", "words"),
    [
        (line(starts_on="1926-04-01", ends_on="1926-04-30"), "tax_kind", "1926/04/30 の税率が税区分に登録されていません"),
        (line(quantity="999999999", unit_price="999999999999"), "unit_price", "金額が大きすぎます"),
        (line(starts_on="2026-04-30", ends_on="2026-04-29"), "ends_on", "利用終了日は利用開始日以降の日付"),
        (line(quantity=""), "quantity", "入力してください"),
        (line(unit_price="1e5000"), "unit_price", ""),
    ],
)  # fmt: skip
def it_says_next_to_the_field_what_is_wrong_and_saves_nothing(draft, save, bad, field, words):
    answer = save(line(), bad)
    assert answer.status_code == 200
    errors = answer.context["inline_admin_formsets"][0].formset.errors
    assert errors[0] == {}
    assert list(errors[1]) == [field]
    assert words in errors[1][field][0]
    assert "Constraint" not in answer.content.decode()
    assert not InvoiceLine.objects.filter(origin="adjustment").exists()


@pytest.mark.parametrize("sign", ["", "-"])
def it_takes_a_trillion_yen_but_not_one_more(draft, save, sign):
    answer = save(line(quantity="1000", unit_price=f"{sign}1000000001"))
    assert "金額が大きすぎます" in answer.content.decode()
    assert not InvoiceLine.objects.filter(origin="adjustment").exists()
    assert save(line(quantity="1000", unit_price=f"{sign}1000000000")).status_code == 302


def it_changes_nothing_of_what_was_fixed_since_the_page_was_opened(cast, draft, save, monkeypatch):
    original, opened = ModelAdmin.get_object, []

    def get_object(self, request, *given):
        found = original(self, request, *given)
        if request.method == "POST" and not opened:
            opened.append(found)
            make.close_month()
        return found

    monkeypatch.setattr(ModelAdmin, "get_object", get_object)
    assert save(line()).status_code == 403
    assert not InvoiceLine.objects.filter(origin="adjustment").exists()


def it_shows_a_fixed_invoice_and_takes_nothing(cast, draft, web):
    make.close_month(today=date(2026, 5, 8))
    web.force_login(cast.staff)
    path = f"/admin/billing/invoice/{draft.pk}/change/"
    assert web.get(path).status_code == 200
    assert web.post(path, {}).status_code == 403


def it_offers_the_invoices_month_and_takes_the_next_places(cast, web, draft, save):
    web.force_login(cast.staff)
    page = web.get(f"/admin/billing/invoice/{draft.pk}/change/")
    fresh = page.context["inline_admin_formsets"][0].formset.empty_form
    offered = {name: fresh[name].value() for name in ("starts_on", "ends_on")}
    assert offered == {"starts_on": date(2026, 4, 1), "ends_on": date(2026, 4, 30)}
    places = set(draft.lines.values_list("position", flat=True))
    assert save(line(), line(item="二つ目")).status_code == 302
    first, second = InvoiceLine.objects.filter(origin="adjustment").order_by("position")
    assert max(places) < first.position < second.position
