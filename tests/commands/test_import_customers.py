"""`import_customers`: a vendor's customers come in whole or not at all, by the vendor's own numbers, however the file is written."""

import json
from io import StringIO

import pytest
import time_machine
from django.core.management import call_command

from accounts.models import Customer, User
from accounts.services import save_customer
from portal.models import HistoryEvent, Mail
from tests import make

HEADING = "お客様番号,会社名,カナ,支払月（締め月の何か月後の末日）,支払方法,取引開始日,住所"
ROWS = [
    "A-001,株式会社髙﨑①,ﾀｶｻｷ,２,口座振替,R1.5.1,東京都千代田区1-1",
    'Z9,"㈱鈴木, 本店",すずき,,transfer,43586,',
]


@pytest.fixture(autouse=True)
def in_may(vendor):
    with time_machine.travel("2026-05-08T03:00Z"):
        yield


@pytest.fixture
def vendor(db):
    return make.make_vendor()


@pytest.fixture
def send(tmp_path):
    """Write a file and take it in; returns what was told as JSON, errors too."""

    def sent(*lines, encoding="utf-8", name="customers.csv", options=(), command="import_customers"):
        path, said = tmp_path / name, StringIO()
        path.write_bytes(("\r\n".join([*lines, ""])).encode(encoding))
        try:
            call_command(command, str(path), "--json", *options, stdout=said)
        except SystemExit as ended:
            assert ended.code == 2
        return json.loads(said.getvalue())

    return sent


def counts(told):
    return told["added"], told["changed"], told["unchanged"]


def faults(told):
    return [(fault["line"], fault["heading"], fault["value"], fault["code"]) for fault in told["errors"]]


@pytest.mark.parametrize(
    ("encoding", "named", "separator"),
    [
        ("utf-8", "UTF-8", ","),
        ("utf-8-sig", "UTF-8 (BOM)", ";"),
        ("cp932", "CP932", ","),
        ("utf-16", "UTF-16", "\t"),
        ("utf-16-be", "UTF-16", "\t"),
    ],
)
def it_reads_whatever_spreadsheets_write(send, encoding, named, separator):
    lines = [HEADING, ROWS[0]] if separator == "," else [line.replace(",", separator) for line in (HEADING, ROWS[0])]
    told = send(*lines, encoding=encoding)
    assert (told["encoding"], counts(told), told["errors"]) == (named, (1, 0, 0), [])
    customer = Customer.objects.get(number="A-001")
    assert (customer.name, customer.kana, customer.payment_months) == ("株式会社髙﨑①", "タカサキ", 2)
    assert (customer.payment_method, f"{customer.since}") == ("debit", "2019-05-01")


def it_keeps_each_companys_own_number_and_gives_no_other_company_it(send):
    send("number,name", "C0000007,七", "C00000009,九", "10044,自社の番号")
    assert save_customer(Customer(name="八")).number == "C0000008"


def it_reads_dates_as_spreadsheets_keep_them_and_quoted_line_breaks_as_one_row(send):
    told = send("番号の前の行", "", HEADING, encoding="cp932")
    assert faults(told)[0][3] == "IM-004"
    told = send("sep=,", HEADING, *ROWS, '"B1","二行', 'の名前",,,,,', "C1,会社,,13,,,")
    assert faults(told) == [(4, "会社名", "二行\r\nの名前", "IM-012"), (5, HEADING.split(",")[3], "13", "IM-021")]
    assert send("sep=,", HEADING, *ROWS)["errors"] == []
    assert f"{Customer.objects.get(number='Z9').since}" == "2019-05-01"


def it_changes_nothing_when_the_same_file_comes_again(send):
    send(HEADING, *ROWS)
    before = list(Customer.objects.order_by("pk").values()), HistoryEvent.objects.count()
    assert counts(send(HEADING, *ROWS)) == (0, 0, 2)
    assert (list(Customer.objects.order_by("pk").values()), HistoryEvent.objects.count()) == before


def it_changes_what_a_cell_says_leaves_what_a_blank_one_does_and_clears_by_a_word(send):
    send(HEADING, *ROWS)
    told = send("お客様番号,会社名,住所,カナ", "A-001,,大阪市,（空）", "Z9,,,")
    assert counts(told) == (0, 1, 1)
    customer = Customer.objects.get(number="A-001")
    assert (customer.name, customer.address, customer.kana) == ("株式会社髙﨑①", "大阪市", "")
    event = HistoryEvent.objects.filter(customer=customer).latest("pk")
    assert event.data["changes"] == {"カナ": ["タカサキ", ""], "住所": ["東京都千代田区1-1", "大阪市"]}


def it_tells_every_bad_row_and_takes_nothing(send, tmp_path):
    told = send(
        HEADING + ",担当",
        *ROWS,
        ",番号なし,,,,,",
        "A-002,,,,,,",
        "A-001,二度目,,,,,",
        "A_3,番号の字,,,,,",
        "A-004,名前,,x,手渡し,2026-02-30,",
        "A-005,名前,,,,,,佐藤,余り",
        "A-006,(空),,,,,",
        encoding="cp932",
    )
    labels = HEADING.split(",")
    assert faults(told) == [
        (4, labels[0], "", "IM-011"),
        (5, labels[1], "", "IM-011"),
        (6, labels[0], "A-001", "IM-014"),
        (7, labels[0], "A_3", "IM-012"),
        (8, labels[3], "x", "IM-012"),
        (8, labels[4], "手渡し", "IM-012"),
        (8, labels[5], "2026-02-30", "IM-012"),
        (9, "", "余り", "IM-006"),
        (10, labels[1], "(空)", "IM-013"),
    ]
    assert not Customer.objects.exists()
    assert not HistoryEvent.objects.filter(action="customer_changed").exists()
    assert told["ignored"] == ["担当"]
    left = (tmp_path / "customers.csv.errors.csv").read_bytes().decode("cp932").splitlines()
    assert len(left) == 8
    assert left[0].endswith(",担当,エラー")
    assert left[5].startswith('A-004,名前,,x,手渡し,2026-02-30,,,"IM-012 「x」は')


def it_warns_of_characters_that_no_document_can_print(send):
    told = send("number,name,representative", "A1,华信有限公司,张伟", "A2,髙﨑,张伟")
    assert told["warnings"] == ["2行目 会社名: 書類に印刷できない文字があります（华）。"]
    assert counts(told) == (2, 0, 0)


def it_takes_the_mended_file_of_errors_in(send, tmp_path):
    send(HEADING, "A-001,名前,,x,,,")
    errors = tmp_path / "customers.csv.errors.csv"
    mended = errors.read_bytes().decode().replace(",x,", ",3,")
    told = send(*mended.splitlines())
    assert (counts(told), told["ignored"]) == ((1, 0, 0), [])
    assert not errors.exists()


def it_reports_in_a_dry_run_what_the_real_one_will_and_takes_no_number(send):
    dry = send(HEADING, *ROWS, options=["--dry-run"])
    assert not Customer.objects.exists()
    real = send(HEADING, *ROWS)
    assert {**dry, "dry_run": False} == real


@pytest.mark.parametrize(
    ("content", "line", "code"),
    [
        (b"", 1, "IM-003"),
        (b"\xef\xbb\xbf\r\n\r\n", 1, "IM-003"),
        (b"number,name\n", 1, "IM-003"),
        ("number,name\nA,\u3042".encode("euc_jp") + b"\xff\n", 2, "IM-001"),
        (b'number,name\nA,"x"y\n', 2, "IM-002"),
        (b'number,name\nA,"x\n', 2, "IM-002"),
        (b"number,number,name\nA,B,C\n", 1, "IM-005"),
        (b"PK\x03\x04\x00\x00", 1, "IM-"),
    ],
)
def it_says_what_is_wrong_with_a_file_that_is_none(tmp_path, content, line, code):
    path, said = tmp_path / "x.csv", StringIO()
    path.write_bytes(content)
    with pytest.raises(SystemExit) as ended:
        call_command("import_customers", str(path), "--json", stdout=said)
    fault = json.loads(said.getvalue())["errors"][0]
    assert (ended.value.code, fault["line"]) == (2, line)
    assert fault["code"].startswith(code)


USERS = "お客様番号,Eメール,名前,フリガナ,部署,役職,電話番号,メール送信先,管理者ユーザ"


@pytest.fixture
def companies(send):
    send("number,name", "A,一社", "B,二社")


def people():
    return [
        (user.customer.number, user.email, user.is_recipient, user.is_manager)
        for user in User.objects.filter(customer__isnull=False).order_by("email")
    ]


def send_users(send, *rows, **more):
    return send(USERS, *rows, name="users.csv", command="import_users", **more)


def it_registers_users_without_a_mail_and_gives_each_company_a_recipient(send, companies):
    told = send_users(
        send,
        "A,Taro@Example.com,太郎,たろう,,,０３ー１,,",
        "A,jiro@example.com,次郎,,,,,,○",
        "B,hana@example.com,花,,,,,1,0",
    )
    assert faults(told) == [(4, "管理者ユーザ", "0", "IM-021")]
    told = send_users(
        send,
        "A,Taro@Example.com,太郎,たろう,,,０３ー１,,",
        "A,jiro@example.com,次郎,,,,,,○",
        "B,hana@example.com,花,,,,,1,",
    )
    assert counts(told) == (3, 0, 0)
    assert people() == [
        ("B", "hana@example.com", True, True),
        ("A", "jiro@example.com", False, True),
        ("A", "taro@example.com", True, False),
    ]
    taro = User.objects.get(email="taro@example.com")
    assert (taro.kana, taro.phone, taro.has_usable_password()) == ("タロウ", "03-1", False)
    assert not Mail.objects.exists()


def it_keeps_in_which_language_each_person_reads(send, companies):
    heads = {"name": "users.csv", "command": "import_users"}
    rows = "A,taro@example.com,Taro,English", "A,jiro@example.com,次郎,", "A,hana@example.com,花,french"
    assert faults(send("お客様番号,Eメール,名前,言語", *rows, **heads)) == [(4, "言語", "french", "IM-012")]
    assert counts(send("お客様番号,Eメール,名前,言語", *rows[:2], **heads)) == (2, 0, 0)
    assert [user.language for user in User.objects.filter(customer__number="A").order_by("email")] == ["ja", "en"]


def it_moves_a_companys_mark_to_whom_the_file_names(send, companies):
    rows = "A,taro@example.com,太郎,,,,,,", "A,jiro@example.com,次郎,,,,,,"
    send_users(send, *rows)
    assert counts(send_users(send, *rows)) == (0, 0, 2)
    assert counts(send_users(send, "A,jiro@example.com,次郎,,,部長,,○,")) == (0, 1, 0)
    assert [row[1:3] for row in people()] == [("jiro@example.com", True), ("taro@example.com", False)]
    actions = HistoryEvent.objects.filter(customer__number="A").order_by("pk").values_list("action", "detail")
    assert list(actions)[-2:] == [("user_changed", "役職 （なし） → 部長"), ("recipient_changed", "太郎 → 次郎")]
    assert not Mail.objects.exists()


def it_refuses_people_who_contradict_each_other_or_what_is(send, companies):
    send_users(send, "A,taro@example.com,太郎,,,,,,", "B,hana@example.com,花,,,,,,")
    told = send_users(
        send, "A,a@example.com,あ,,,,,1,", "A,b@example.com,い,,,,,1,", "B,hana@example.com,花,,,,,0,", "B,taro@example.com,太,,,,,,",
        "X,x@example.com,無,,,,,,", "A,staff@example.net,担,,,,,,", "A,nobody,誰,,,,,,", "A,www@example.com,www.example.com,,,,,,", "A,c@example.com,,,,,,,",
    )  # fmt: skip
    assert faults(told) == [
        (5, "Eメール", "taro@example.com", "IM-016"),
        (6, "お客様番号", "X", "IM-015"),
        (7, "Eメール", "staff@example.net", "IM-016"),
        (8, "Eメール", "nobody", "IM-012"),
        (9, "名前", "www.example.com", "IM-012"),
        (10, "名前", "", "IM-011"),
    ]
    told = send_users(send, "A,a@example.com,あ,,,,,1,", "A,b@example.com,い,,,,,1,", "B,hana@example.com,花,,,,,0,")
    assert faults(told) == [(3, "メール送信先", "1", "IM-016"), (4, "メール送信先", "0", "IM-021")]
    assert len(people()) == 2


def say(command, path, *options):
    """What a person reads, of faults too."""
    said = StringIO()
    try:
        call_command(command, str(path), *options, stdout=said, stderr=said)
    except SystemExit as ended:
        assert ended.code == 2
    return said.getvalue()


def it_finds_a_heading_under_a_title_and_tells_a_row_of_totals(send):
    told = send("お客様一覧", "令和8年11月26日", "", "お客様番号;会社名", "A1;甲")
    assert [(fault["line"], fault["code"]) for fault in told["errors"]] == [(1, "IM-004")]
    assert "見出しは4行目" in told["errors"][0]["text"]
    told = send(",お客様番号,会社名", ",A1,甲", "合 計,,1", "計,A2,合計")
    assert faults(told) == [(3, "", "合 計", "IM-012")]


def it_takes_a_heading_without_what_its_label_explains(send):
    assert send("お客様番号,会社名,支払月", "A1,甲,2")["ignored"] == []
    assert Customer.objects.get().payment_months == 2


@pytest.mark.parametrize("content", [b"PK\x03\x04\x14\x00\x06\x00", b"\xd0\xcf\x11\xe0\xa1\xb1", b"%PDF-1.7 "])
def it_says_of_a_workbook_how_to_save_it(db, tmp_path, content):
    path = tmp_path / "customers.xlsx"
    path.write_bytes(content + b"\x00\x01\xff")
    assert "IM-001 Excel" in say("import_customers", path)


def it_tells_once_what_is_wrong_in_many_rows(db, tmp_path):
    path = tmp_path / "customers.csv"
    rows = [f"A{n},甲,{'振込' if n not in (3, 7) else ''}" for n in range(1, 101)]
    path.write_text("\n".join(["お客様番号,会社名,支払方法", *rows, "あ,甲,"]))
    told = say("import_customers", path)
    assert "  2～3、5～7、9～101行目 IM-012 支払方法「振込」" in told
    assert "  102行目 IM-012 お客様番号「あ」" in told


def it_says_when_the_heading_is_another_kinds(db, tmp_path):
    path = tmp_path / "users.csv"
    path.write_text("お客様番号,名前,Eメール,部署,電話番号\nA1,甲,a@example.com,,\n")
    assert "「ユーザ」のファイルの見出しのようです" in say("import_customers", path)
    path.write_text("お客様番号,会社名,カナ\nA1,甲,コウ\n")
    assert "見出しのようです" not in say("import_customers", path)
    assert "「お客様」のファイルの見出しのようです" in say("import_contracts", path)
