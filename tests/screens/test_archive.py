"""電帳法: the invoice list is searched by day and amount, and what it finds is taken as one ZIP with 索引簿."""

import csv
import hashlib
import io
import os
import tracemalloc
from datetime import date
from zipfile import ZIP_STORED, ZipFile

import pytest

from billing.documents import archive
from billing.documents.rendering import render_waiting
from billing.models import Download, Invoice, InvoicePdf
from portal.models import HistoryEvent, Vendor
from portal.scoping import Scoped
from tests import make
from tests.replay import remembered

URL = "/invoices/archive/"
NAME = "20260430_つばめ通信株式会社_23620_B202604-000001.pdf"


@remembered
def three_months():
    """April is fixed and rendered, May runs; March was moved in from elsewhere, dated like April and without a file."""
    people = make.cast_rows()
    make.close_month()
    make.open_month()
    list(render_waiting())
    make.import_invoice(april(make.together(**people)))
    return people


@pytest.fixture
def cast(db, request):
    return make.together(**three_months()) if "browser" in request.fixturenames else make.cast()


@pytest.fixture
def browser(cast, sign_in):
    return sign_in(cast.hanako)


def april(cast):
    return Invoice.objects.get(customer=cast.a, number="B202604-000001")


def body(response):
    return b"".join(response.streaming_content)


def unpacked(response):
    return ZipFile(io.BytesIO(body(response)))


def index(zipped):
    """The rows of 索引簿 by number."""
    text = zipped.read("索引簿.csv").decode("utf-8-sig")
    return {row["書類番号"]: row for row in csv.DictReader(io.StringIO(text, newline=""))}


def text(response):
    return response.content.decode()


def correct(original, number="B202604-000009"):
    """Put a document in the place of another one, as a 修正 does."""
    Invoice.objects.filter(pk=original.pk).update(state="replaced")
    made = Invoice.objects.get(pk=original.pk)
    made.pk, made.number, made.kind, made.corrects_id, made.state = None, number, "correction", original.pk, "draft"
    made.fixed_on = None
    made.save()
    Invoice.objects.filter(pk=made.pk).update(state="fixed", fixed_on=make.IN_MAY)
    return made


def add_file(invoice, content):
    InvoicePdf.objects.create(
        invoice=invoice,
        customer_id=invoice.customer_id,
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
    )


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("issued_on_min=2026/04/30&issued_on_max=2026/04/30", ["B202604-000001", "X-202603"]),
        ("issued_on_min=2026/05", ["B202605-000001"]),
        ("total_min=23,620&total_max=23,620", ["B202605-000001", "B202604-000001", "X-202603"]),
        ("total_min=23,621", []),
        ("issued_on_max=2026/04&total_min=20000&number=b2", ["B202604-000001"]),
        ("issued_on_max=2026/04&total_min=20000&number=b202605", []),
    ],
)
def it_finds_documents_by_day_and_amount_and_both(query, found, cast, browser):
    page = browser.get(f"/invoices/?{query}&export=csv")
    assert [row.split(",")[0] for row in body(page).decode("utf-8-sig").splitlines()[1:]] == found


def it_packs_the_stored_files_with_an_index(cast, browser):
    stored = april(cast).pdf
    zipped = unpacked(browser.get(f"{URL}?month_min=2026/04"))
    assert zipped.namelist() == ["索引簿.csv", NAME]
    assert zipped.testzip() is None
    assert zipped.read(NAME) == bytes(stored.content)
    assert {each.compress_type for each in zipped.infolist()} == {ZIP_STORED}
    assert not any(each.flag_bits & 8 for each in zipped.infolist()), "sizes stand in the entries' own heads"
    assert zipped.read("索引簿.csv").startswith(b"\xef\xbb\xbf") and b"\r\n" in zipped.read("索引簿.csv")
    row = index(zipped)["B202604-000001"]
    assert list(row.values()) == [
        "1", "2026/04/30", "つばめ通信株式会社", "T8990000000001", "請求書", "B202604-000001",
        "21500", "2120", "23620", "20000", "2000", "1500", "120", "2026/04/01", "2026/04/30", NAME,
        hashlib.sha256(zipped.read(NAME)).hexdigest(), row["発行日時"], "", "確定", "", "", "",
    ]  # fmt: skip
    assert list(row) == archive.HEADS and row["発行日時"].startswith(f"{date.today().year}/")


def it_leaves_out_what_is_not_fixed_and_names_what_has_no_file(browser):
    zipped = unpacked(browser.get(URL))
    listed = index(zipped)
    assert set(listed) == {"B202604-000001", "X-202603"}
    assert (listed["X-202603"]["ファイル名"], listed["X-202603"]["SHA-256"]) == ("", "")
    assert zipped.namelist() == ["索引簿.csv", NAME]


def it_says_which_document_replaces_which(cast, browser):
    correct(april(cast))
    listed = index(unpacked(browser.get(f"{URL}?month_min=2026/04")))
    old, new = listed["B202604-000001"], listed["B202604-000009"]
    assert (old["書類状態"], old["差替先書類番号"], old["ファイル名"]) == ("差替済", "B202604-000009", NAME)
    assert (new["書類区分"], new["訂正元書類番号"], new["差替先書類番号"]) == ("修正", "B202604-000001", "")


def it_gives_the_same_bytes_to_everybody_and_says_how_many(cast, browser, sign_in):
    first = browser.get(URL)
    sent = body(first)
    assert int(first["Content-Length"]) == len(sent)
    assert first["Content-Type"] == "application/zip" and ".zip" in first["Content-Disposition"]
    head = browser.head(URL)
    assert head["Content-Length"] == first["Content-Length"]
    assert body(sign_in(cast.taro).get(URL)) == sent


def it_names_files_so_that_every_system_takes_them(cast, browser):
    returned = Invoice(issued_on=date(2026, 6, 15), total=-3349, number="B202604-000002")
    returned.issuer = {"name": 'A/B:C*"<D>|株式会社?' + "長" * 80}
    assert archive.file_name(returned) == f"20260615_A_B_C___D__株式会社_{'長' * 44}_-3349_B202604-000002.pdf"


def it_writes_no_name_that_a_spreadsheet_would_run(cast, sign_in):
    Vendor.objects.update(name="=HYPERLINK(1)株式会社")
    make.close_month()
    listed = index(unpacked(sign_in(cast.hanako).get(URL)))
    assert listed["B202604-000001"]["取引先名"] == "'=HYPERLINK(1)株式会社"


def it_notes_the_download_once_in_the_history_and_with_each_document(cast, browser):
    browser.head(URL)
    assert not Download.objects.exists(), "looking isn't taking"
    browser.get(f"{URL}?state=fixed&issued_on_min=2026/04/01&total_min=0")
    event = HistoryEvent.objects.get(action="archive_downloaded")
    assert (event.actor, event.subject, event.customer) == (cast.hanako, "2件", cast.a)
    assert event.detail == "請求状態 確定・請求日 2026/04/01～・請求金額（税込） 0～"
    assert event.data == {"count": 2, "filter": event.detail}
    assert [each.invoice for each in Download.objects.all()] == [april(cast)], "the imported one has no file"
    page = text(browser.get("/account/history/"))
    assert "請求書一括ダウンロード" in page and "2件" in page


def it_says_beforehand_how_much_there_is(cast, browser):
    page = text(browser.get("/invoices/?state=fixed&sort=total&per_page=20"))
    size = archive.gather(Invoice.objects.filter(customer=cast.a)).files[0].size
    assert f"確定した2件、約{size / 1024:.1f}" in page
    assert "PDFのない1件は索引簿にだけ載ります。" in page
    assert 'href="/invoices/archive/?state=fixed"' in page
    assert "PDF一括" not in text(browser.get("/invoices/?state=draft"))


def it_packs_an_index_without_rows_where_nothing_is_found(browser):
    zipped = unpacked(browser.get(f"{URL}?state=draft"))
    assert zipped.namelist() == ["索引簿.csv"] and not index(zipped)


def it_refuses_a_filter_that_means_nothing_and_leads_back_to_it(browser):
    page = browser.get(f"{URL}?issued_on_min=2026/13&state=fixed")
    assert page.status_code == 400
    assert "請求日: " in text(page)
    assert 'href="/invoices/?issued_on_min=2026%2F13&amp;state=fixed&amp;panel=filter"' in text(page)


def it_refuses_more_than_a_thousand_documents_and_says_what_to_do(browser, monkeypatch):
    monkeypatch.setattr(archive, "MOST_DOCUMENTS", 1)
    page = browser.get(URL)
    assert page.status_code == 400 and "一度にまとめられるのは1件、2GBまでです。" in text(page)
    assert not HistoryEvent.objects.filter(action="archive_downloaded").exists()
    offered = text(browser.get("/invoices/"))
    assert "確定した書類が2件あります。1件まで" in offered and URL not in offered
    assert browser.get(f"{URL}?month_min=2026/04").status_code == 200
    monkeypatch.setattr(archive, "MOST_BYTES", 1000)
    assert browser.get(f"{URL}?month_min=2026/04").status_code == 400


def it_packs_ones_own_documents_only_while_it_is_read_too(cast, browser, sign_in, monkeypatch):
    """The body is read after the request: with the first lock taken away the second one still holds there."""
    assert set(index(unpacked(sign_in(cast.jiro).get(URL)))) == {"B202604-000002"}
    foreign = archive.File(InvoicePdf, "x.pdf", make.APRIL, 1, april(cast).pk)
    monkeypatch.setattr(Scoped, "for_user", lambda rows, user: rows.all())
    with pytest.raises(InvoicePdf.DoesNotExist):
        archive.stored(foreign, cast.jiro)
    assert archive.stored(foreign, cast.hanako)


def it_breaks_off_where_a_file_cannot_be_read(browser, monkeypatch):
    """A ZIP that is shorter than announced is a failed download; one without the file would look whole."""
    response = browser.get(URL)

    def gone(file, user):
        raise OSError("gone")

    monkeypatch.setattr(archive, "stored", gone)
    sent = 0
    with pytest.raises(OSError, match="gone"):
        for piece in response.streaming_content:
            sent += len(piece)
    assert 0 < sent < int(response["Content-Length"])


def it_holds_one_file_at_a_time(cast, browser):
    for place in range(12):
        add_file(make.import_invoice(april(cast), month=date(2025, 12 - place, 1)), os.urandom(1_000_000))
    response = browser.get(URL)
    tracemalloc.start()
    sent = sum(len(piece) for piece in response.streaming_content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sent == int(response["Content-Length"]) > 12_000_000
    assert peak < 6_000_000, "a few copies of one file, not all of them"
