"""費用分析 and the six bars of ホーム: which months and services they show, and that table and chart say the same."""

import pytest

from contracts.models import Form
from tests import make

COSTS = "/invoices/analysis/"


def bill(cast, *contracts):
    """Close April to June; `contracts` are (service, price, first month), each billed once."""
    for service, price, month in contracts:
        make.make_contract(cast.b, (price,), service=service, start_on=month, today=month, form=Form.ONCE)
    for month in (make.APRIL, make.MAY, make.JUNE):
        make.close_month(month, today=month.replace(month=month.month + 1, day=8))


@pytest.fixture
def alone(db):
    """A company whose only contracts are those of the test."""
    cast = make.cast()
    cast.b = make.make_customer("C0000003")
    cast.reader = make.make_user(cast.b, "reader@example.org", is_recipient=True, is_manager=True)
    return cast


def page(alone, sign_in, query=""):
    return sign_in(alone.reader).get(COSTS + query)


def it_draws_the_pies_of_the_two_latest_fixed_months_even_when_they_are_no_neighbours(alone, sign_in):
    bill(alone, ("cloud", 10000, make.APRIL), ("mail", 3000, make.JUNE))
    pies = page(alone, sign_in).context["pies"]
    assert [f"{each['month']:%Y-%m}" for each in pies] == ["2026-06", "2026-04"]
    assert [[part["name"] for part in each["parts"]] for each in pies] == [["メールセキュリティ"], ["クラウドサーバ"]]
    assert pies[0]["parts"][0]["colour"] != pies[1]["parts"][0]["colour"]


def it_draws_one_pie_while_only_one_month_is_fixed(alone, sign_in):
    bill(alone, ("cloud", 10000, make.JUNE))
    assert len(page(alone, sign_in).context["pies"]) == 1


def it_leaves_negative_amounts_out_of_the_pie_and_names_them(alone, sign_in):
    bill(alone, ("cloud", 10000, make.JUNE), ("mail", 5000, make.JUNE), ("domain", -1500, make.JUNE))
    answer = page(alone, sign_in)
    drawn = answer.context["pie_data"][0]
    assert drawn["values"] == [10000, 5000]
    assert drawn["shares"] == ["66.7", "33.3"]
    assert answer.context["pies"][0]["total"] == 13500
    assert "ドメイン・証明書（-1,500円）は円グラフに含めていません" in answer.content.decode()


def it_names_the_seventh_service_while_it_is_the_last(alone, sign_in):
    codes = ["cloud", "backup", "line", "monitor", "mail", "domain", "water"]
    bill(alone, *((code, 1000, make.JUNE) for code in codes))
    names = [row["name"] for row in page(alone, sign_in).context["rows"]]
    assert len(names) == 7
    assert names[-1] == "防災備蓄品"


def it_puts_the_seventh_and_eighth_service_together(alone, sign_in):
    codes = ["cloud", "backup", "line", "monitor", "mail", "domain", "water", "setup"]
    bill(alone, *((code, 1000, make.JUNE) for code in codes))
    rows = page(alone, sign_in).context["rows"]
    assert [row["name"] for row in rows][-1] == "その他"
    assert rows[-1]["values"][-1] == 2000


def it_tells_other_services_from_the_tax_by_colour(alone, sign_in):
    codes = ["cloud", "backup", "line", "monitor", "mail", "domain", "water", "setup"]
    bill(alone, *((code, 1000, make.JUNE) for code in codes))
    colours = [each["colour"] for each in page(alone, sign_in).context["chart"]["series"]]
    assert len(set(colours)) == len(colours)


def it_hides_the_chart_until_a_script_draws_it(alone, sign_in):
    bill(alone, ("cloud", 10000, make.JUNE))
    text = page(alone, sign_in).content.decode()
    assert text.count("<canvas") == text.count("data-chart hidden") == 2


def it_shows_six_bars_on_home_with_the_amounts_billed(alone, sign_in):
    bill(alone, ("cloud", 10000, make.APRIL), ("mail", 3000, make.JUNE))
    bars = sign_in(alone.reader).get("/").context["bars"]
    assert [each["total"] for each in bars] == [0, 0, 0, 11000, 0, 3300]
    assert [each["label"] for each in bars] == ["1月", "2月", "3月", "4月", "5月", "6月"]
