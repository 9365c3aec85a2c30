"""CSV of staff's lists: the rows of the search and filters, in people's words, safe to open, noted in the history."""

import csv
import io
import re

import pytest

from billing.models import Invoice
from portal.lists import export
from portal.models import HistoryEvent
from tests import make
from tests.screens.desk import ADMINS
from tests.screens.people import staff


@pytest.fixture
def cast(db):
    return make.billed_cast()


@pytest.fixture
def desk(cast, web):
    web.force_login(cast.staff)
    return web


def read(response, encoding="utf-8-sig"):
    assert response.status_code == 200
    return list(csv.DictReader(io.StringIO(b"".join(response).decode(encoding))))


def it_holds_all_rows_of_search_and_filter_whatever_page_is_shown(cast, desk):
    found = read(desk.get("/admin/billing/invoice/csv/?q=C0000001&state__exact=fixed&rows=25&p=1"))
    stored = Invoice.objects.filter(customer=cast.a, state="fixed")
    assert sorted(each["請求番号"] for each in found) == sorted(stored.values_list("number", flat=True))
    one, kept = found[0], stored.get(number=found[0]["請求番号"])
    assert (one["お客様番号"], one["お客様"]) == ("C0000001", cast.a.name)
    assert (one["請求状態"], one["請求対象年月"]) == ("確定", f"{kept.month:%Y/%m}")
    assert [int(value) for label, value in one.items() if label.startswith("請求金額")] == [kept.total]


def it_notes_who_took_which_rows_away(cast, desk):
    found = read(desk.get("/admin/accounts/customer/csv/?q=C0000002"))
    event = HistoryEvent.objects.get(action="data_exported")
    assert len(found) == event.data["rows"] == 1
    assert (event.actor, event.subject, event.data["filter"]) == (cast.staff, "一覧「お客様」（CSV）", "検索 C0000002")


def it_holds_back_formulas_and_is_shift_jis_on_request(cast, desk):
    cast.a.name = "=1+1髙"
    cast.a.save()
    plain = desk.get("/admin/accounts/customer/csv/?q=C0000001")
    assert b"".join(plain).endswith(b"\r\n")
    assert read(desk.get("/admin/accounts/customer/csv/?q=C0000001"))[0]["会社名"] == "'=1+1髙"
    assert read(desk.get("/admin/accounts/customer/csv/?encoding=cp932&q=C0000001"), "cp932")[0]["会社名"] == "'=1+1髙"


def it_writes_every_list_in_japanese_and_keeps_secrets_and_programs_own_fields(every_row, web):
    web.force_login(staff("all@example.net", "受付", "請求", "管理"))
    for label in ADMINS:
        response = web.get(f"/admin/{label.replace('.', '/')}/csv/")
        heads = next(csv.reader(io.StringIO(b"".join(response).decode("utf-8-sig"))))
        assert len(heads) == len(set(heads)) > 1, (label, heads)
        assert [head for head in heads if re.search(r"[a-z]{3,}", head) or head == "パスワード"] == [], label


def it_says_so_where_it_takes_too_long(cast, desk, monkeypatch):
    def never(*_given, **_named):
        raise export.TooLong

    monkeypatch.setattr("portal.list_csv.counted_csv", never)
    response = desk.get("/admin/billing/invoice/csv/?state__exact=fixed", follow=True)
    assert "60秒以内に作成できませんでした" in response.content.decode()
    assert response.redirect_chain[0][0] == "/admin/billing/invoice/?state__exact=fixed"
    assert not HistoryEvent.objects.filter(action="data_exported").exists()


def it_offers_the_file_only_to_whom_it_gives_it(cast, web):
    for place, (role, may) in enumerate([("閲覧", False), ("受付", True), ("請求", True), ("管理", True)]):
        web.force_login(staff(f"{place}@example.net", role))
        page = web.get("/admin/accounts/customer/")
        assert ("CSV出力" in page.content.decode()) == may
        assert web.get("/admin/accounts/customer/csv/").status_code == (200 if may else 403)


def it_leads_back_to_the_list_from_odd_questions(desk):
    assert desk.get("/admin/billing/invoice/csv/?month=abc").url == "/admin/billing/invoice/"
    assert desk.get("/admin/billing/invoice/csv/?customer__registration_number=T1").status_code in (302, 400)
