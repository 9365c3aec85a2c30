"""`/admin/import/<kind>/`: a file is shown before it is taken in, and taken in as it was shown, once, by whoever may."""

import csv
from datetime import timedelta
from io import BytesIO, StringIO

import pytest
import time_machine
from django.contrib.auth.models import Group
from django.db import transaction
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models import Customer, User
from accounts.services import delete_user, save_customer
from billing.models import Upload
from billing.tasks import forget_uploads, sweep, take_upload
from orders.models import Usage
from portal import rights
from portal.models import HistoryEvent, Mail
from tests import make, processes

CUSTOMERS = "お客様番号,会社名,カナ\r\nA-001,髙﨑商事,ﾀｶｻｷ\r\nA-002,鈴木,スズキ\r\n"


@pytest.fixture(autouse=True)
def in_may():
    with time_machine.travel("2026-05-08T03:00Z"):
        yield


@pytest.fixture
def desk(cast, web):
    web.force_login(cast.staff)
    return web


def send(web, content, kind="customers", name="customers.csv", key="", encoding="utf-8"):
    """Send a file and have the worker look at it; returns it as it is stored."""
    file = BytesIO(content.encode(encoding))
    file.name = name
    answer = web.post(f"/admin/import/{kind}/", {"file": file, "form_key": key})
    assert answer.status_code == 302, answer.content.decode()
    upload = Upload.objects.get(pk=answer.url.rstrip("/").rpartition("/")[2])
    return work(upload)


def work(upload):
    take_upload.func(upload=upload.pk)
    upload.refresh_from_db()
    return upload


def press(web, upload, button):
    return web.post(f"/admin/import/{upload.kind}/{upload.pk}/", {button: "x"}, follow=True).content.decode()


def page_of(web, upload, query=""):
    return web.get(f"/admin/import/{upload.kind}/{upload.pk}/{query}").content.decode()


def staff(*roles):
    rights.set_up_roles()
    person = make.make_user(None, "clerk@example.net", is_staff=True)
    person.groups.set(Group.objects.filter(name__in=roles))
    return User.objects.get(pk=person.pk)


def it_shows_what_a_file_would_do_before_it_does_it(desk):
    upload = send(desk, CUSTOMERS.replace("カナ", "カナ,担当").replace("ﾀｶｻｷ", "ﾀｶｻｷ,佐藤"), encoding="cp932")
    page = page_of(desk, upload)
    for words in (
        "確認済み",
        "CP932、カンマ",
        "読まなかった列",
        "担当",
        "ﾀｶｻｷ",
        "佐藤",
        "この内容で取り込む",
        upload.sha256,
    ):
        assert words in page
    assert [upload.report[name] for name in ("added", "changed", "unchanged")] == [2, 0, 0]
    assert not Customer.objects.filter(number="A-001").exists()


def it_takes_in_what_was_confirmed_and_keeps_none_of_its_cells(desk, cast):
    upload = send(desk, CUSTOMERS)
    assert "取り込んでいます" in press(desk, upload, "confirm")
    assert not Customer.objects.filter(number="A-001").exists()
    work(upload)
    customer = Customer.objects.get(number="A-001")
    assert (customer.name, customer.kana) == ("髙﨑商事", "タカサキ")
    assert HistoryEvent.objects.get(subject="A-001").actor == cast.staff
    page = page_of(desk, upload)
    assert "取込済み" in page and "この内容で取り込む" not in page
    assert (upload.state, upload.content, upload.errors_csv, upload.confirmed_by) == ("taken", None, None, cast.staff)
    assert "髙﨑" not in str(upload.report)
    assert not Mail.objects.exists()
    listed = desk.get("/admin/billing/upload/").content.decode()
    assert "customers.csv" in listed and "追加 2、変更 0、変更なし 0" in listed


def it_tells_every_error_and_takes_nothing_of_the_file(desk):
    rows = "".join(f"B-{n},名前,x{n}\r\n" for n in range(2, 152))
    upload = send(desk, "お客様番号,会社名,支払月（締め月の何か月後の末日）\r\n" + rows + "A-1,\0,2\r\n")
    first, second = page_of(desk, upload), page_of(desk, upload, "?p=2")
    assert "151件の誤りがあります" in first
    assert "この内容で取り込む" not in first
    assert "x2<" in first and "x2<" not in second
    assert "x151<" in second and "IM-012" in second
    errors = desk.get(f"/admin/import/customers/{upload.pk}/errors.csv").content.decode()
    assert len(list(csv.reader(StringIO(errors)))) == 152
    assert "もう取り込めません" in press(desk, upload, "confirm")
    work(upload)
    assert not Customer.objects.filter(number="B-2").exists()
    press(desk, upload, "drop")
    upload.refresh_from_db()
    assert (upload.state, upload.content, upload.errors_csv) == ("dropped", None, None)
    assert "x2<" not in page_of(desk, upload)


def it_stops_and_shows_anew_what_came_out_otherwise_than_it_was_shown(desk):
    upload = send(desk, CUSTOMERS)
    press(desk, upload, "confirm")
    make.make_customer("A-002")
    work(upload)
    assert not Customer.objects.filter(number="A-001").exists()
    page = page_of(desk, upload)
    assert "確認した後にデータが変わったため" in page
    assert [upload.report[name] for name in ("added", "changed")] == [1, 1]
    press(desk, upload, "confirm")
    work(upload)
    assert Customer.objects.get(number="A-002").name == "鈴木"


def it_stops_too_where_as_many_rows_would_do_something_else(desk, cast):
    make.make_meter(cast.a.contracts.get(), 10)
    make.use(cast.a.contracts.get(), "5")
    files = {
        "customers": "number,name\r\nC0000001,新しい名前\r\n",
        "users": "customer,email,position\r\nC0000001,hanako@example.com,部長\r\n",
        "contracts": "number,note\r\nK0000001,新しい備考\r\n",
        "usage": "contract,service,period,quantity\r\nK0000001,line,2026-04,7\r\n",
    }
    uploads = [send(desk, content, kind) for kind, content in files.items()]
    for upload in uploads:
        press(desk, upload, "confirm")
    Customer.objects.filter(pk=cast.a.pk).update(name="ほかの人の名前")
    User.objects.filter(pk=cast.hanako.pk).update(position="課長")
    cast.a.contracts.update(note="ほかの人の備考")
    make.use(cast.a.contracts.get(), "6")
    for upload in uploads:
        assert (work(upload).state, upload.report["changed"]) == ("checked", 1), upload.kind
        assert "確認した後にデータが変わったため" in upload.note
        press(desk, upload, "confirm")
        assert work(upload).state == "taken", upload.kind


def it_works_once_however_often_it_is_sent_confirmed_and_worked_at(desk):
    key = "a" * 32
    first, again = send(desk, CUSTOMERS, key=key), send(desk, CUSTOMERS, key=key)
    assert first == again
    assert send(desk, CUSTOMERS.replace("鈴木", "佐藤"), key=key) != first
    press(desk, first, "confirm")
    assert "もう取り込めません" in press(desk, first, "confirm")
    events = HistoryEvent.objects.count()
    for _time in range(2):
        work(first)
    assert HistoryEvent.objects.count() == events + 3  # two customers, and the file
    assert "もう取りやめられません" in press(desk, first, "drop")


def it_goes_on_after_a_worker_that_died(desk):
    upload = send(desk, CUSTOMERS)
    press(desk, upload, "confirm")
    with pytest.raises(KeyboardInterrupt), transaction.atomic():
        work(upload)
        raise KeyboardInterrupt
    upload.refresh_from_db()
    assert (upload.state, Customer.objects.filter(number="A-001").exists()) == ("taking", False)
    work(upload)
    assert (upload.state, Customer.objects.filter(number="A-001").exists()) == ("taken", True)


def it_says_that_something_broke_and_can_be_tried_again(desk, monkeypatch):
    upload = send(desk, CUSTOMERS)
    press(desk, upload, "confirm")
    Upload.objects.filter(pk=upload.pk).update(content=b"something else")
    work(upload)
    assert "処理の途中でエラーが起きました" in page_of(desk, upload)
    assert not Customer.objects.filter(number="A-001").exists()
    Upload.objects.filter(pk=upload.pk).update(content=CUSTOMERS.encode())
    press(desk, upload, "again")
    assert work(upload).state == "checked"
    assert "この内容で取り込む" in page_of(desk, upload)


def it_takes_nothing_in_for_somebody_whose_right_was_taken_meanwhile(web, cast):
    clerk = staff("受付")
    web.force_login(clerk)
    upload = send(web, CUSTOMERS)
    press(web, upload, "confirm")
    clerk.groups.clear()
    assert work(upload).state == "failed"
    assert "権限がありません" in upload.note
    assert not Customer.objects.filter(number="A-001").exists()


def it_clears_files_that_nobody_took_in_for_a_month(desk):
    upload = send(desk, CUSTOMERS)
    forget_uploads.func()
    upload.refresh_from_db()
    assert upload.content is not None
    Upload.objects.update(at=timezone.now() - timedelta(days=31))
    forget_uploads.func()
    upload.refresh_from_db()
    assert (upload.state, upload.content, "髙﨑" in str(upload.report)) == ("dropped", None, False)
    assert "30日を過ぎたため" in page_of(desk, upload)


MAY = {"customers": {"受付"}, "users": {"受付"}, "contracts": {"請求"}, "usage": {"請求"}}


@pytest.mark.parametrize("role", rights.ROLES)
def it_lets_import_whoever_may_do_the_same_by_hand_and_export_whoever_sees(role, cast, web):
    web.force_login(staff(role))
    lists = {
        "customers": "accounts/customer",
        "users": "accounts/user",
        "contracts": "contracts/contract",
        "usage": "orders/usage",
    }
    for kind, may in MAY.items():
        assert (f"/admin/import/{kind}/" in web.get(f"/admin/{lists[kind]}/").content.decode()) == (role in may)
        expected = 200 if role in may else 403
        assert web.get(f"/admin/import/{kind}/").status_code == expected, kind
        answer = web.post(f"/admin/import/{kind}/", {"file": BytesIO(b"x")})
        assert answer.status_code == (302 if role in may else 403)
        for address in ("1/", "1/errors.csv"):
            assert web.get(f"/admin/import/{kind}/{address}").status_code == (404 if role in may else 403)
        for address in ("template.csv", "export.csv"):
            assert web.get(f"/admin/import/{kind}/{address}").status_code == 200
    assert web.get("/admin/import/nothing/").status_code == 404


def it_keeps_customers_and_strangers_out(cast, web):
    for person in (None, cast.hanako):
        if person:
            web.force_login(person)
        for address in ("", "template.csv", "export.csv", "1/", "1/errors.csv"):
            answer = web.get(f"/admin/import/customers/{address}")
            assert (answer.status_code, "login" in answer.url) == (302, True)


def it_refuses_a_form_without_a_file_and_one_that_is_too_large(desk):
    assert "ファイルを選んでください" in desk.post("/admin/import/customers/", {"file": ""}).content.decode()
    assert "何も書かれていません" in desk.post("/admin/import/customers/", {"file": BytesIO(b"")}).content.decode()
    large = BytesIO(b"x" * (20 * 1024**2 + 1))
    answer = desk.post("/admin/import/customers/", {"file": large})
    assert (answer.status_code, "20MB まで" in answer.content.decode()) == (200, True)
    answer = desk.post("/admin/import/customers/", {"file": BytesIO(b"x" * 21 * 1024**2)})
    assert (answer.status_code, "20MB まで" in answer.content.decode()) == (413, True)
    assert not Upload.objects.exists()


def it_takes_its_own_template_in(desk):
    template = desk.get("/admin/import/customers/template.csv").content.decode()
    upload = send(desk, template)
    assert (upload.report["errors"], upload.report["added"]) == ([], 1)
    press(desk, upload, "confirm")
    work(upload)
    assert Customer.objects.get(number="10044").registration_number == "T8990000000001"
    assert send(desk, desk.get("/admin/import/users/template.csv").content.decode(), "users").report["errors"] == []


def it_gives_an_example_of_a_contract_whose_customer_and_service_are_there(desk):
    make.make_customer("10044")
    upload = send(desk, desk.get("/admin/import/contracts/template.csv").content.decode(), "contracts")
    assert (upload.report["errors"], upload.report["added"]) == ([], 1)


def it_exports_what_imports_again_without_a_change(desk, cast):
    cast.a.name, cast.a.address, cast.a.payment_months = '=HYPERLINK("x"),「 」', "東京都\u3000千代田区", 2
    save_customer(cast.a)
    delete_user(make.make_user(cast.a, "gone@example.com"), by=cast.staff)
    before = list(Customer.objects.order_by("pk").values()), list(User.objects.order_by("pk").values())
    make.make_meter(cast.a.contracts.get(), 10)
    make.use(cast.a.contracts.get(), "1234.5")
    for kind, count in (("customers", 2), ("users", 3), ("contracts", 2), ("usage", 1)):
        exported = b"".join(desk.get(f"/admin/import/{kind}/export.csv").streaming_content).decode()
        upload = send(desk, exported, kind)
        assert ("'=HYPERLINK" in exported) == (kind == "customers")
        assert upload.report["errors"] == []
        assert [upload.report[name] for name in ("added", "changed", "unchanged")] == [0, 0, count]
        noted = HistoryEvent.objects.get(action="data_exported", data__kind=kind)
        assert (noted.actor, noted.data["rows"]) == (cast.staff, exported.count("\r\n") - 1)
    assert (list(Customer.objects.order_by("pk").values()), list(User.objects.order_by("pk").values())) == before


def it_brings_drafts_up_to_date_with_used_quantities(desk, cast):
    make.make_meter(cast.a.contracts.get(), 10)
    upload = send(
        desk, "契約番号;サービスコード;対象年月;数量\r\nK0000001;line;2026-04;5\r\n", "usage", encoding="utf-16"
    )
    processes.empty_queue()
    press(desk, upload, "confirm")
    work(upload)
    assert upload.state == "taken"
    assert Usage.objects.get().quantity == 5
    assert ProcrastinateJob.objects.get(task_name="billing.catch_up").args["numbers"] == ["C0000001"]


def it_gives_a_file_that_lost_its_job_a_new_one(desk):
    upload = send(desk, CUSTOMERS)
    press(desk, upload, "confirm")
    processes.empty_queue()
    sweep.func()
    sweep.func()
    assert [job.args for job in ProcrastinateJob.objects.filter(task_name="billing.take_upload")] == [
        {"upload": upload.pk}
    ]
