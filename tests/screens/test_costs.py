"""費用分析 and the six bars of ホーム: which months and services they show, and that table and chart say the same."""

import re

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


def tables(answer):
    """Of each table its rows, head and foot included, as the texts of their cells."""
    written = re.findall(r"<table.*?</table>", answer.content.decode(), re.DOTALL)
    rows = [re.findall(r"<tr.*?</tr>", table, re.DOTALL) for table in written]
    return [
        [[text(cell) for cell in re.findall(r"<t[hd]\b.*?</t[hd]>", row, re.DOTALL)] for row in each] for each in rows
    ]


def text(html):
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def it_draws_the_pies_of_the_two_latest_fixed_months_even_when_they_are_no_neighbours(alone, sign_in):
    bill(alone, ("cloud", 10000, make.APRIL), ("mail", 3000, make.JUNE))
    pies = page(alone, sign_in).context["pies"]
    assert [f"{each['month']:%Y-%m}" for each in pies] == ["2026-06", "2026-04"]
    assert [[part.name for part in each["parts"]] for each in pies] == [["メールセキュリティ"], ["クラウドサーバ"]]
    assert pies[0]["parts"][0].colour != pies[1]["parts"][0].colour


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


def it_writes_below_the_charts_what_they_draw(alone, sign_in):
    bill(alone, ("cloud", 10000, make.APRIL), ("mail", 3000, make.JUNE), ("domain", -500, make.JUNE))
    months, june, april = tables(page(alone, sign_in))
    assert months == [
        ["サービス（税抜）", "2026/01", "2026/02", "2026/03", "2026/04", "2026/05", "2026/06"],
        ["クラウドサーバ", "0", "0", "0", "10,000", "0", "0"],
        ["メールセキュリティ", "0", "0", "0", "0", "0", "3,000"],
        ["ドメイン・証明書", "0", "0", "0", "0", "0", "-500"],
        ["消費税", "0", "0", "0", "1,000", "0", "250"],
        ["請求金額（税込）", "0", "0", "0", "11,000", "0", "2,750"],
    ]
    assert june == [
        ["サービス", "金額", "割合"],
        ["メールセキュリティ", "3,000", "100.0%"],
        ["ドメイン・証明書", "-500", "-"],
        ["合計（税抜）", "2,500", "100.0%"],
    ]
    assert april[1:] == [["クラウドサーバ", "10,000", "100.0%"], ["合計（税抜）", "10,000", "100.0%"]]


def it_marks_the_running_month_in_the_table(alone, sign_in):
    make.make_contract(alone.b, (1000,), today=make.APRIL)
    make.close_month()
    make.open_month()
    head, *body = tables(page(alone, sign_in, "?running=1"))[0]
    assert head[-2:] == ["2026/04", "2026/05 見込"]
    assert [row[-1] for row in body] == ["1,000", "100", "1,100"]
    assert tables(page(alone, sign_in))[0][0][-1] == "2026/04"


def it_names_each_row_of_a_cost_table_for_screen_readers(alone, sign_in):
    bill(alone, ("cloud", 10000, make.JUNE))
    for body in re.findall(r"<tbody.*?</tfoot>", page(alone, sign_in).content.decode(), re.DOTALL):
        for row in re.findall(r"<tr.*?</tr>", body, re.DOTALL):
            heads = re.findall(r"<th\b[^>]*>", row)
            assert [('role="rowheader"' in head, 'scope="row"' in head) for head in heads] == [(True, True)]
            assert row.index("<th") < row.index("<td")


def it_names_the_seventh_service_while_it_is_the_last(alone, sign_in):
    codes = ["cloud", "backup", "line", "monitor", "mail", "domain", "water"]
    bill(alone, *((code, 1000, make.JUNE) for code in codes))
    names = [row[0] for row in tables(page(alone, sign_in))[0]]
    assert len(names) == len(["サービス（税抜）", *codes, "消費税", "請求金額（税込）"])
    assert names[7] == "防災備蓄品"


def it_puts_the_seventh_and_eighth_service_together(alone, sign_in):
    codes = ["cloud", "backup", "line", "monitor", "mail", "domain", "water", "setup"]
    bill(alone, *((code, 1000, make.JUNE) for code in codes))
    others = tables(page(alone, sign_in))[0][7]
    assert (others[0], others[-1]) == ("その他", "2,000")


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
