"""What staff do most on the contract's form, counted in Chromium without any script: each field filled and each click is one action."""

import pytest
from playwright.sync_api import expect

from contracts.models import Contract, Meter, Service
from portal import months
from tests import make

pytestmark = pytest.mark.django_db(transaction=True)

# Fewer than half of what the same took on the form as Django makes it.
MOST = {"three lines": 12, "metered": 14, "quantity from the next term": 5}


class Hands:
    """A member of the staff at a page; counts what they do."""

    def __init__(self, page):
        self.page, self.count = page, 0

    def click(self, role, name):
        self.page.get_by_role(role, name=name, exact=True).first.click()
        self.count += 1

    def fill(self, field, text):
        self.page.locator(f"#id_{field}").fill(text)
        self.count += 1

    def choose(self, field, label):
        self.page.locator(f"#id_{field}").select_option(label=label)
        self.count += 1

    def counted(self):
        done, self.count = self.count, 0
        expect(self.page.locator(".errornote, .errorlist")).to_have_count(0)
        return done


@pytest.fixture
def cast(db):
    return make.cast()


@pytest.fixture
def hands(chromium, live_server, cast):
    """Signed in, at company B's page."""
    page = chromium.new_context(locale="ja-JP", java_script_enabled=False).new_page()
    page.goto(f"{live_server.url}/login/")
    page.get_by_label("ユーザ名").fill(cast.staff.email)
    page.get_by_label("パスワード", exact=True).fill(make.PASSWORD)
    page.get_by_role("button", name="ログイン").click()
    page.goto(f"{live_server.url}/admin/accounts/customer/{cast.b.pk}/change/")
    return Hands(page)


def it_takes_less_than_half_of_the_actions(cast, hands):
    customer_page = hands.page.url
    cloud = Service.objects.get(code="cloud").name

    hands.click("link", "契約を追加")
    hands.choose("service", cloud)
    for row, (item, quantity, price) in enumerate(
        [("本体", "2", "10,000"), ("保守", "2", "3000"), ("回線", "1", "500")]
    ):
        hands.fill(f"lines-{row}-item", item)
        hands.fill(f"lines-{row}-quantity", quantity)
        hands.fill(f"lines-{row}-unit_price", price)
    hands.click("button", "保存")
    assert hands.counted() <= MOST["three lines"]
    made = Contract.objects.latest("pk")
    assert (made.customer, made.start_on) == (cast.b, months.month_of(months.today()))
    assert [*made.lines.order_by("position").values_list("position", "amount")] == [(1, 20000), (2, 6000), (3, 500)]

    hands.page.goto(customer_page)
    hands.click("link", "契約を追加")
    hands.choose("service", cloud)
    hands.click("button", "保存して従量料金を追加")
    hands.fill("item", "データ転送量")
    hands.fill("unit", "GB")
    hands.fill("prices-0-unit_price", "12.5")
    hands.click("button", "保存")
    assert hands.counted() <= MOST["metered"]
    meter = Meter.objects.get()
    assert (meter.contract.customer, str(meter.prices.get().unit_price)) == (cast.b, "12.50")

    hands.page.goto(customer_page)
    hands.click("link", made.number)
    hands.fill("lines-0-quantity", "5")
    hands.page.get_by_label("次の期間から変更").check()
    hands.count += 1
    hands.click("button", "保存")
    assert hands.counted() <= MOST["quantity from the next term"]
    following = months.add_months(months.month_of(months.today()), 1)
    assert [*made.lines.filter(charge_from=following).values_list("item", "quantity")] == [("本体", 5)]


def it_shows_the_next_bills_before_anything_is_stored(cast, hands):
    hands.click("link", cast.b.contracts.get().number)
    hands.fill("lines-0-unit_price", "9000")
    hands.page.get_by_label("次の期間から変更").check()
    hands.click("button", "確認を更新")
    shown = hands.page.locator(".preview-bills tbody tr")
    expect(shown).to_have_count(3)
    expect(shown.first).to_contain_text("8,554")  # of 7,777 with tax, in the first month that isn't closed
    assert cast.b.contracts.get().lines.get().unit_price == 7777
