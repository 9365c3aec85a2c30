"""`import_contracts`: contracts come in by their own numbers, and their orders are those that a person's save would have made."""

import random
from datetime import date

import pytest
from django.core.exceptions import PermissionDenied
from django.db import transaction

from contracts.models import Contract, ContractLine, Meter, MeterTier, Service, Term
from orders.imports import CONTRACTS
from orders.models import Order, OrderLine
from orders.services import start_contract
from portal.imports.taking import take_in
from portal.models import HistoryEvent, Mail
from tests import make
from tests.commands.contract_files import HEADING, METERED, counts, faults, new, orders, row, sender, vendor_in_may

ORDERED = [
    "order__contract__number", "order__kind", "order__month", "order__ordered_on", "order__starts_on", "order__ends_on",
    "order__amount", "order__is_difference", "position", "item", "starts_on", "ends_on", "quantity", "unit_price", "amount",
    "net", "price_basis", "tax_kind", "tax_rate",
]  # fmt: skip


@pytest.fixture(autouse=True)
def in_may(db):
    with vendor_in_may():
        yield


@pytest.fixture
def send(tmp_path):
    return sender(tmp_path)


def stored():
    """All that an import may touch."""
    models = (Contract, ContractLine, Meter, MeterTier, Term, Order, OrderLine, HistoryEvent)
    return [list(model.objects.order_by("pk").values()) for model in models]


def it_takes_contracts_in_with_their_lines_wherever_the_rows_stand(send):
    lines = [
        new(
            "Ｋ－1",
            form="月額",
            auto_renew="自動更新",
            quantity="２",
            price_basis="税込",
            tax_kind="軽減税率",
            start_on="R8.4.1",
        ),
        new(
            "K-2",
            customer="B",
            service=Service.objects.get(code="line").name,
            form="yearly",
            auto_renew="更新なし",
            note="二",
        ),
        row(number="K-1", item="追加", unit_price="1250.5円", quantity="1", unit="式", charge_to="2026-05-20"),
        row(number="K-1", line="7", item="三", unit_price="-100", customer="A"),
    ]
    told = send(HEADING, *lines, encoding="cp932")
    assert (counts(told), told["errors"], told["ignored"]) == ((2, 0, 0), [], [])
    first = Contract.objects.get(number="K-1")
    assert [(line.position, line.item, line.amount) for line in first.lines.all()] == [
        (1, "基本", 2000),
        (2, "追加", 1250),
        (7, "三", -100),
    ]
    second = Contract.objects.select_related("service").get(number="K-2")
    assert (second.customer.number, second.service.code, second.form, second.auto_renew, second.note) == (
        "B",
        "line",
        "yearly",
        False,
        "二",
    )
    assert orders("K-1") == ["2026-04 new 3002", "2026-05 renewal 3002"]
    assert orders("K-2") == ["2026-04 new 1000"]
    assert not Mail.objects.exists()
    assert not HistoryEvent.objects.filter(subject="K-1").exists()


def it_changes_nothing_when_the_same_file_comes_again(send):
    metered = "K-3,A,従量,line,2026-04-01,,通信,GB,10,1,,5,,500:9;1000:7"
    for lines in ((HEADING, new(note="備考"), row(number="K-1", item="二", unit_price="5")), (METERED, metered)):
        send(*lines)
        before = stored()
        assert counts(send(*lines)) == (0, 0, 1)
        assert stored() == before
        dry = send(*lines, options=["--dry-run"])
        assert (dry["dry_run"], stored()) == (True, before)


def it_changes_what_is_said_and_keeps_before_and_after(send):
    send(HEADING, new(note="古い", cancel_on="2026-09-30"), new("K-2"))
    told = send("number,line,unit_price,note,cancel_on,name", "K-1,1,1200,(空),(空),", "K-2,,,,,サーバ", "K-1,2,300,,,")
    assert faults(told) == [(4, "品目", "", "IM-011")]
    told = send(
        "number,line,item,unit_price,note,cancel_on,name",
        "K-1,1,,1200,(空),(空),",
        "K-2,,,,,,サーバ",
        "K-1,2,二,300,,,",
    )
    assert (counts(told), told["errors"]) == ((0, 1, 1), [])
    events = HistoryEvent.objects.filter(subject="K-1").order_by("pk")
    assert events[0].data["changes"] == {
        "解約日": ["2026/09/30", ""], "備考": ["古い", ""], "明細1 単価": ["1,000", "1,200"], "明細2 品目": ["", "二"],
        "明細2 数量": ["", "1"], "明細2 単価": ["", "300"], "明細2 税抜・税込": ["", "税抜"], "明細2 税区分": ["", "標準税率"],
    }  # fmt: skip
    assert list(events[1].data["changes"].values()) == [["1,000", "1,500"]] * 2
    assert orders("K-1") == ["2026-04 new 1500", "2026-05 renewal 1500"]


def it_tells_every_bad_row_at_once(send):
    send(HEADING, new("K-1"))
    send(HEADING, new("K-2", form="once"))
    Contract.objects.filter(number="K-2").update(withdrawn_on=date(2026, 5, 1))
    Service.objects.create(code="a", name="同名"), Service.objects.create(code="b", name="同名")
    told = send(
        HEADING + ",meter,free_quantity,tiers,meter_service",
        new("N-1", customer="X"),
        new("N-2", service="なし"),
        new("N-3", service="同名"),
        new("N-4", start_on="2026-13-01"),
        row(number="N-4", item="二", unit_price="1"),
        new("N-5", cancel_on="2026-03-31"),
        row(number="N-6", item="品目だけ", unit_price="1"),
        new("N-7", name="ひとつ"),
        row(number="N-7", name="べつ", item="二", unit_price="x"),
        new("N-8", line="1"),
        row(number="N-8", line="1", item="二", unit_price="1"),
        new("N-9", quantity="0", charge_from="2026-05-02", charge_to="2026-05-01"),
        new("N-10", item="", unit_price=""),
        new("N-11", unit_price="99999999999", quantity="99999999"),
        new("K-1", customer="B"),
        row(number="K-1", form="年額"),
        row(number="K-2", note="変更"),
        new("N_12"),
        new("N-13") + ",,5,500:9,",
        new("N-14", charge_to="2026-05-31", quantity="3") + ",1,,500-9,",
        new("N-15", unit="GB") + ",1,,,なし",
        new("N-16", tax_kind="消費税"),
    )
    assert faults(told) == [
        (2, "お客様番号", "X", "IM-015"),
        (3, "サービス", "なし", "IM-015"),
        (4, "サービス", "同名", "IM-015"),
        (5, "契約開始日", "2026-13-01", "IM-012"),
        (7, "解約日", "2026-03-31", "IM-021"),
        (8, "お客様番号", "", "IM-011"),
        (8, "契約名", "", "IM-011"),
        (8, "サービス", "", "IM-011"),
        (8, "契約開始日", "", "IM-011"),
        (10, "単価", "x", "IM-012"),
        (12, "行", "1", "IM-014"),
        (13, "数量", "0", "IM-021"),
        (14, "品目", "", "IM-011"),
        (15, "単価", "99999999999", "IM-021"),
        (16, "お客様番号", "B", "IM-016"),
        (18, "契約番号", "K-2", "IM-021"),
        (19, "契約番号", "N_12", "IM-012"),
        (20, "無料枠", "5", "IM-021"),
        (20, "段階料金", "500:9", "IM-021"),
        (21, "段階料金", "500-9", "IM-012"),
        (22, "従量サービス", "なし", "IM-015"),
        (23, "税区分", "消費税", "IM-012"),
    ]


def it_takes_in_lines_that_go_on_from_others_and_contracts_that_were_taken_back(send):
    names = "number,customer,name,service,start_on,line,item,unit_price,charge_from,charge_to,continues,withdrawn_on"
    told = send(
        names,
        "K-1,A,名,cloud,2026-04-01,1,一,100,,2026-04-30,,",
        "K-1,,,,,2,一,120,2026-05-01,,1,",
        "K-2,A,名,cloud,2026-04-01,1,一,100,,,,2026-04-20",
        "K-3,A,名,cloud,2026-04-01,(空),,,,,,",
    )
    assert (counts(told), told["errors"]) == ((3, 0, 0), [])
    assert Contract.objects.get(number="K-1").lines.get(position=2).continues.position == 1
    assert orders() == ["2026-04 new 100", "2026-05 renewal 120"]
    told = send(
        names,
        "K-1,,,,,1,,,,,2,",
        "K-1,,,,,2,,,,,1,2026-05-01",
        "K-2,,,,,,,,,,,2026-04-20",
        "K-4,A,名,cloud,2026-04-01,1,一,100,,2026-05-31,2,",
        "K-4,,,,,2,一,120,2026-05-01,,1,2026-06-01",
        "K-5,A,名,cloud,2026-04-01,1,一,100,,2026-05-31,,",
        "K-5,,,,,2,一,120,2026-05-01,,1,",
        "K-6,A,名,cloud,2026-04-01,1,一,100,,,3,",
        "K-7,A,名,cloud,2026-04-01,(空),一,,,,,",
    )
    assert faults(told) == [
        (2, "変更前の行", "2", "IM-021"),
        (3, "取消日", "2026-05-01", "IM-021"),
        (6, "取消日", "2026-06-01", "IM-021"),
        (6, "変更前の行", "1", "IM-015"),
        (7, "課金終了日", "2026-05-31", "IM-021"),
        (9, "変更前の行", "3", "IM-015"),
        (10, "行", "(空)", "IM-021"),
    ]


def it_refuses_what_a_person_may_not_change_either(send):
    send(HEADING, new("K-1"), row(number="K-1", item="二", unit_price="5"), new("K-2"))
    make.close_month()
    told = send(
        "number,line,unit_price,quantity,charge_from,form,start_on,service",
        "K-1,1,1100,,,,,",
        "K-1,2,,,2026-05-01,,,",
        "K-2,,,,,yearly,2026-04-02,line",
    )
    assert faults(told) == [
        (2, "単価", "1100", "IM-021"),
        (3, "課金開始日", "2026-05-01", "IM-021"),
        (4, "契約形態", "yearly", "IM-021"),
        (4, "契約開始日", "2026-04-02", "IM-021"),
        (4, "サービス", "line", "IM-021"),
    ]
    assert counts(
        send("number,line,item,unit_price,charge_from,charge_to", "K-1,2,,,,2026-05-31", "K-1,3,三,7,2026-05-01,")
    ) == (0, 1, 0)


def it_charges_closed_months_only_when_told_to(send):
    make.make_contract(make.Customer.objects.get(number="B"))
    make.close_month()
    lines = (
        HEADING,
        new("K-1"),
        new("K-2", bill_from="2026-05"),
        new("K-3", start_on="2026-05-01"),
        new("K-4", quantity="3"),
    )
    told = send(*lines)
    assert faults(told) == [(2, "契約番号", "K-1", "IM-021"), (5, "契約番号", "K-4", "IM-021")]
    assert "注文1件、3,000円" in told["errors"][1]["text"]
    assert not Order.objects.filter(contract__number="K-3").exists()
    assert counts(send(*lines, options=["--charge-past"])) == (4, 0, 0)
    assert orders("K-1") == ["2026-04 new 1000", "2026-05 renewal 1000"]
    assert orders("K-2") == ["2026-05 renewal 1000"]


def it_gives_no_order_for_what_was_billed_before_the_portal_began(send):
    """D22: a yearly term under way is shown, and first billed when it comes again."""
    told = send(
        HEADING,
        new("K-1", form="年額", start_on="2025-08-01"),
        new("K-2", start_on="2016-05-10"),
        new("K-3", form="一括", start_on="2020-01-01"),
        new("K-4", start_on="2018-01-01", cancel_on="2019-03-31"),
    )
    assert told["errors"] == []
    assert orders() == ["2026-04 renewal 1000", "2026-05 renewal 1000"]
    terms = Term.objects.order_by("contract__number", "starts_on").values_list("contract__number", "starts_on")
    assert [(number, f"{day:%Y-%m}") for number, day in terms] == [
        ("K-1", "2025-08"),
        ("K-2", "2026-04"),
        ("K-2", "2026-05"),
    ]


def it_keeps_numbers_and_gives_no_other_contract_them(send):
    send(HEADING, new("K0000007"), options=["--dry-run"])
    send(HEADING, new("K0000004"))
    assert make.make_contract(make.Customer.objects.get(number="B")).number == "K0000005"


def it_names_the_person_who_imports_and_asks_for_the_rights(send):
    staff = make.User.objects.get(email="staff@example.net")
    stranger = make.make_user(
        make.Customer.objects.get(number="A"), "a@example.com", is_recipient=True, is_manager=True
    )
    given = {"content": "\n".join([HEADING, new("K-1")]).encode(), "today": make.IN_MAY}
    with pytest.raises(PermissionDenied):
        take_in(CONTRACTS, "x.csv", by=stranger, **given)
    assert take_in(CONTRACTS, "x.csv", by=staff, **given).owners == ["A"]
    event = HistoryEvent.objects.get(action="contract_created")
    assert (event.actor, event.subject, event.data["changes"]["明細1 単価"]) == (staff, "K-1", ["", "1,000"])


def it_orders_what_the_form_would_have_ordered(send):
    """Contracts drawn at random, imported in one file and then saved one by one."""
    draw = random.Random(7)
    drawn = []
    for number in range(40):
        start = date(2026, draw.randint(2, 5), draw.choice([1, 7, 28]))
        contract = {
            "number": f"R-{number}", "customer": draw.choice("AB"), "name": "名", "service": draw.choice(["cloud", "line"]),
            "form": draw.choice(["monthly", "yearly", "once"]), "start_on": f"{start}", "auto_renew": draw.choice("01"),
            "cancel_on": draw.choice(["", "", "2026-06-28"]), "bill_from": draw.choice(["", "", "2026-05"]),
        }  # fmt: skip
        lines = [
            {
                "item": f"品{place}", "unit_price": draw.choice(["1000", "333.3", "-50"]), "quantity": draw.choice(["1", "2.5"]),
                "price_basis": draw.choice(["exclusive", "inclusive"]), "tax_kind": draw.choice(["standard", "reduced"]),
                "charge_from": draw.choice(["", "", "2026-05-03"]), "charge_to": draw.choice(["", "", "2026-05-20"]),
            }
            for place in range(draw.randint(1, 3))
        ]  # fmt: skip
        drawn.append((contract, lines))
    Service.objects.filter(code="cloud").update(prorate=True)
    with transaction.atomic():
        for contract, lines in drawn:
            start_contract(*as_typed(contract, lines), today=date(2026, 5, 8), charge_past=True)
        saved = list(OrderLine.objects.order_by(*ORDERED).values_list(*ORDERED))
        transaction.set_rollback(True)
    rows = [row(**contract, **line) for contract, lines in drawn for line in lines]
    heads = {rows.index(row(**contract, **lines[0])) for contract, lines in drawn}
    told = send(
        HEADING, *[rows[place] for place in sorted(range(len(rows)), key=lambda place: (place not in heads, place))]
    )
    assert (counts(told), told["errors"]) == ((40, 0, 0), [])
    assert list(OrderLine.objects.order_by(*ORDERED).values_list(*ORDERED)) == saved
    assert len(saved) > 30


def as_typed(contract, lines):
    def made(model, values, **more):
        fields = {name: model._meta.get_field(name).to_python(value) for name, value in values.items() if value}
        return model(**fields, **more)

    plain = {name: value for name, value in contract.items() if name not in ("customer", "service", "bill_from")}
    begins = date.fromisoformat(contract["bill_from"] + "-01") if contract["bill_from"] else None
    found = made(
        Contract,
        plain,
        customer=make.Customer.objects.get(number=contract["customer"]),
        service=Service.objects.get(code=contract["service"]),
        bill_from=begins,
    )
    return found, [made(ContractLine, line, position=place) for place, line in enumerate(lines, start=1)]


def it_gives_a_contract_with_a_bad_row_back_whole(send, tmp_path):
    """Without 行 a row's place among its contract's rows says which line it is: alone, the second would be the first."""
    heading = "契約番号,お客様番号,契約名,サービス,契約開始日,品目,数量,単価"
    told = send(
        heading, "K1,A,甲,cloud,2026/4/1,あ,1,100", "K2,B,乙,cloud,2026/4/1,い,1,200", "K1,A,甲,cloud,,う,二,300"
    )
    assert [fault["line"] for fault in told["errors"]] == [4]
    errors = (tmp_path / "contracts.csv.errors.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in errors] == ["契約番号", "K1", "K1"]
    assert errors[1].endswith(",100,")
    assert "IM-012 「二」は" in errors[2]
    assert send(*(row.replace("う,二", "う,2") for row in errors))["added"] == 1
    lines = ContractLine.objects.order_by("position").values_list("item", flat=True)
    assert list(lines) == ["あ", "う"]
