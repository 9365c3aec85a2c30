"""A very long annex is laid out in parts and joined; who reads it, by eye or by ear, notices nothing of that."""

import re
import subprocess
from datetime import date
from io import BytesIO

import pikepdf
import pytest

from billing.documents import parts, pdf, verification
from billing.models import Invoice, InvoicePdf
from portal.models import VendorRegistration
from tests import make, processes
from tests.printed import runs, runs_of

LINES = 90
ROWS = 40  # more than a page holds, so that there are three parts
MOST_MEGABYTES = 500  # of a process that renders 5,000 lines; laid out in one piece they take 1,200
HEADING = "以下は登録番号の対象外です（適格請求書発行事業者の登録期間外のお取引）"


@pytest.fixture
def long(cast):
    """An invoice of 130 lines, of which the last 30 stand outside the 登録番号."""
    VendorRegistration.objects.update(valid_from=date(2026, 4, 16))
    customer = make.make_customer("C0000007", address="東京都千代田区")
    words = {"item": "仮想専用サーバ 東京リージョン 冗長構成", "specification": "4vCPU メモリ8GB"}
    before, since = (
        [(1000 + number, 1, words if number % 7 == 0 else {}) for number in range(30)],
        [(500,)] * (LINES - 30),
    )
    make.make_contract(customer, *before)
    make.make_contract(customer, *since, start_on=date(2026, 4, 20), today=date(2026, 4, 20))
    make.close_month()
    return Invoice.objects.get(customer=customer)


def in_parts(invoice, monkeypatch):
    monkeypatch.setattr(parts, "MOST_LINES", ROWS)
    monkeypatch.setattr(parts, "ROWS", ROWS)
    return pdf.render(invoice)


def it_prints_the_same_pages_as_in_one_piece(long, monkeypatch):
    one, made = runs(long), []
    render_part = parts.render_part
    monkeypatch.setattr(
        parts, "render_part", lambda *given, **more: made.append(render_part(*given, **more)) or made[-1]
    )
    content = in_parts(long, monkeypatch)
    assert len(made) == 3 and content == in_parts(long, monkeypatch)
    assert list(verification.compare_pdf(long, content)) == []

    found = sorted(runs_of(content))
    last = found[-1].page
    feet = [run.text for run in found if re.fullmatch(r"\d+ / \d+", run.text)]
    assert feet == [f"{page} / {last}" for page in range(1, last + 1)]
    assert numbers(content) == list(range(1, LINES + 1))
    assert [run.text for run in found].count(HEADING) == 2  # once above the sums, once above the lines

    one.sort()
    assert [run[:2] for run in one] == [run[:2] for run in found]
    assert (
        max(abs(run.top - other.top) + abs(run.left - other.left) for run, other in zip(one, found, strict=True)) < 0.2
    )


def numbers(content):
    """The numbers of the lines, in the order in which they are printed."""
    return [int(run.text) for run in runs_of(content) if run.text.isdecimal() and run.left < 75]


def it_joins_the_tags_of_all_parts(long, monkeypatch):
    """Every text of every page belongs to an element of the one tree, every cell knows its heads (PDF/A-3a, PDF/UA)."""
    content = in_parts(long, monkeypatch)
    with pikepdf.open(BytesIO(content)) as document:
        assert not document.check_pdf_syntax() and document.open_metadata().pdfa_status == "3A"
        assert (document.Root.Lang, document.docinfo.Title) == ("ja", f"請求書 {long.number}")
        assert document.Root.ViewerPreferences.DisplayDocTitle and len(document.Root.OutputIntents) == 1
        with document.open_outline() as outline:
            assert [each.title for each in outline.root[0].children] == ["お振込先", "備考", "請求明細書"]
            begin = document.pages.index(pikepdf.Page(outline.root[0].children[-1].destination[0]))
            assert "請求明細書" in {run.text for run in runs_of(content) if run.page == begin + 1}
        elements = list(below(document.Root.StructTreeRoot))
        heads = [each for each in elements if each.S == "/TH"]
        names = [str(each.ID) for each in heads]
        assert len(set(names)) == len(names) and all(each.A.Scope in ("/Column", "/Row") for each in heads)
        cells = [each for each in elements if each.S == "/TD"]
        assert len(cells) > 8 * LINES and all({*map(str, each.A.Headers)} <= {*names} for each in cells)
        known = {each.objgen for each in elements}
        parents = document.Root.StructTreeRoot.ParentTree.Nums
        assert list(parents[::2]) == list(range(len(document.pages)))
        for number, page in enumerate(document.pages):
            marks, owners = marked(page), list(parents[2 * page.StructParents + 1])
            assert marks == list(range(len(owners))) and page.StructParents == number
            assert all(mark in owner.K and owner.Pg.objgen == page.objgen for mark, owner in enumerate(owners))
            if number >= begin:  # head and foot before it have elements of their own, as WeasyPrint makes them
                assert {owner.objgen for owner in owners} <= known
        fonts = [each for page in document.pages for each in page.Resources.Font.values()]
        assert all("/FontFile2" in each.DescendantFonts[0].FontDescriptor for each in fonts)


def below(element):
    for each in element.K:
        if isinstance(each, pikepdf.Dictionary):
            assert each.P.objgen == element.objgen
            yield each
            yield from below(each)


def marked(page):
    """Numbers of the page's marked contents; whatever draws stands in one of them or in an artifact."""
    numbers, depth = [], 0
    for operands, operator in pikepdf.parse_content_stream(page):
        if operator in (pikepdf.Operator("BDC"), pikepdf.Operator("BMC")):
            depth += 1
            if operands[0] != "/Artifact":
                numbers.append(int(operands[1].MCID))
        elif operator == pikepdf.Operator("EMC"):
            depth -= 1
        elif operator in (pikepdf.Operator("TJ"), pikepdf.Operator("Tj"), pikepdf.Operator("Do")):
            assert depth == 1
    return sorted(numbers)


@pytest.mark.nightly
def it_renders_five_thousand_lines_in_bounded_memory(transactional_db, tmp_path):
    make.make_vendor()
    customer = make.make_customer("C0000007", address="東京都千代田区")
    make.make_contract(customer, *[(1000 + number,) for number in range(5000)])
    make.close_month()
    report = "import atexit; atexit.register(lambda: print(open('/proc/self/status').read()))"
    process = processes.start("render_invoices", patch=report, **processes.here(tmp_path))
    try:
        said, complained = process.communicate(timeout=1800)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == 0, complained
    highest = int(re.search(r"VmHWM:\s+(\d+) kB", said)[1]) / 1024
    assert highest < MOST_MEGABYTES
    assert numbers(bytes(InvoicePdf.objects.get().content)) == list(range(1, 5001))
