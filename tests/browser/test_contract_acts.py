"""What staff do most on the contract's form, counted in Chromium without any script: each field filled and each click is one action."""

import pytest
from playwright.sync_api import expect

from contracts.models import Contract, Meter, Service
from portal import months
from tests import make
from tests.browser.hands import Hands

pytestmark = pytest.mark.django_db(transaction=True)

# Fewer than half of what the same took on the form as Django makes it.
MOST = {"three lines": 12, "metered": 14, "quantity from the next term": 5}


@pytest.fixture
def cast(db):
    return make.cast()


@pytest.fixture
def hands(chromium, live_server, cast):
    """Signed in, at company B's page."""
    context = chromium.new_context(locale="ja-JP", java_script_enabled=False)
    found = Hands(context.new_page(), live_server.url)
    found.sign_in(cast.staff.email, make.PASSWORD)
    found.go(f"/admin/accounts/customer/{cast.b.pk}/change/")
    yield found
    context.close()


def it_takes_less_than_half_of_the_actions(cast, hands):
    cloud = Service.objects.get(code="cloud").name
    with hands.doing("three lines"):
        hands.press("契約を追加")
        hands.choose("サービス", cloud)
        for row, (item, quantity, price) in enumerate(
            [("本体", "2", "10,000"), ("保守", "2", "3000"), ("回線", "1", "500")]
        ):
            hands.fill("品目", item, f"#lines-{row}")
            hands.fill("数量", quantity, f"#lines-{row}")
            hands.fill("単価", price, f"#lines-{row}")
        hands.press("保存")
    made = Contract.objects.latest("pk")
    assert (made.customer, made.start_on) == (cast.b, months.month_of(months.today()))
    assert [*made.lines.order_by("position").values_list("position", "amount")] == [(1, 20000), (2, 6000), (3, 500)]

    with hands.doing("metered"):
        hands.press("契約を追加")
        hands.choose("サービス", cloud)
        hands.press("保存して従量料金を追加")
        hands.fill("品目", "データ転送量")
        hands.fill("単位", "GB")
        hands.fill("単価", "12.5", "#prices-0")
        hands.press("保存")
    meter = Meter.objects.get()
    assert (meter.contract.customer, str(meter.prices.get().unit_price)) == (cast.b, "12.50")

    hands.go(f"/admin/accounts/customer/{cast.b.pk}/change/")
    with hands.doing("quantity from the next term"):
        hands.press(made.number)
        hands.fill("数量", "5", "#lines-0")
        hands.tick("次の期間から変更")
        hands.press("保存")
    following = months.add_months(months.month_of(months.today()), 1)
    assert [*made.lines.filter(charge_from=following).values_list("item", "quantity")] == [("本体", 5)]
    assert {task: count for task, count in hands.done.items() if count > MOST[task]} == {}


def it_shows_the_next_bills_before_anything_is_stored(cast, hands):
    hands.press(cast.b.contracts.get().number)
    hands.fill("単価", "9000", "#lines-0")
    hands.tick("次の期間から変更")
    hands.press("確認を更新")
    shown = hands.page.locator(".preview-bills tbody tr")
    expect(shown).to_have_count(3)
    expect(shown.first).to_contain_text("8,554")  # of 7,777 with tax, in the first month that isn't closed
    assert cast.b.contracts.get().lines.get().unit_price == 7777
