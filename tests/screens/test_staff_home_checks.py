"""担当者ホーム: what it says of each month's newest 点検, and of 返還の提案 that this has found."""

import re
from datetime import date

import pytest
import time_machine
from django.utils import timezone

from billing.credits import take_back
from billing.documents.rendering import render_waiting
from billing.models import MonthCheck, MonthRun
from billing.proposals import decide, proposals
from contracts.models import Contract
from tests import make
from tests.scenarios.words import save
from tests.screens.start import NOW, board, home
from tests.screens.test_check_page import APRIL, JUNE, check, said


@pytest.fixture
def desk(cast, sign_in):
    cast.web = sign_in(cast.staff)
    return cast


def it_says_on_the_board_what_the_newest_check_of_a_month_found(desk):
    with time_machine.travel(NOW):
        make.close_month()
        assert board(home(desk.web))["2026/04"][2] == "点検する"
    with time_machine.travel("2026-05-08T13:00+09:00"):
        told = {}
        for each in check(desk.web).context["findings"]:
            told[str(each.verdict)] = told.get(str(each.verdict), 0) + each.count
        said = " ".join(f"{verdict} {count}" for verdict, count in told.items())
        assert said.startswith("規則違反 2"), "two invoices without PDF"
        shown = board(home(desk.web))
        assert shown["2026/04"][2] == f"{said} 5/8 13:00"
        assert shown["2026/05"][2] == "点検する"
        list(render_waiting())
        check(desk.web)
        assert board(home(desk.web))["2026/04"][2].startswith("違反なし")


@time_machine.travel(NOW)
def it_asks_for_another_check_once_the_month_was_run_again(desk):
    make.close_month()
    list(render_waiting())
    check(desk.web)
    assert board(home(desk.web))["2026/04"][2].startswith("違反なし")
    MonthRun.objects.create(month=make.APRIL, kind="open", whole=False, as_of=make.APRIL, finished_at=timezone.now())
    assert board(home(desk.web))["2026/04"][2].startswith("違反なし"), "a run for one customer"
    MonthRun.objects.create(month=make.APRIL, kind="close", as_of=make.APRIL, finished_at=timezone.now())
    assert board(home(desk.web))["2026/04"][2] == "要再点検 前回 5/8 12:00"
    assert "要再点検" in said(desk.web.get(APRIL))
    assert "要再点検" not in said(check(desk.web))
    assert board(home(desk.web))["2026/04"][2].startswith("違反なし")
    assert ">完了<" in home(desk.web).content.decode()
    wrong = [{"code": "recount", "kind": "broken", "count": 1}]
    MonthCheck.objects.create(month=make.APRIL, at=timezone.now(), is_closed=True, findings=wrong)
    assert board(home(desk.web))["2026/04"][2].startswith("規則違反 1")
    assert ">完了<" not in home(desk.web).content.decode(), "a month with a fault isn't done"


def proposed(page):
    """(where the panel 返還の提案 leads, how many it says), or None."""
    found = re.search(r'(?s)<a\s+class="proposed"\s+href="([^"]*)"[^>]*>([^<]*)</a>', page.content.decode())
    return found and (found[1], int(found[2]))


def it_counts_what_nobody_has_decided_to_give_back(desk):
    with time_machine.travel("2026-06-04T12:00+09:00"):
        for month in (make.APRIL, make.MAY):
            make.close_month(month, today=date(2026, 6, 4))
        for contract in Contract.objects.order_by("pk"):
            save(contract, "06-04", cancel_on=date(2026, 4, 30))
        assert len(proposals()) == 3
        assert proposed(home(desk.web)) is None
        check(desk.web, "/admin/check/2026-05/")
        assert proposed(home(desk.web)) is None, "a closed month isn't asked for them"
        address = "/admin/check/2026-06/#proposals"
        opened = check(desk.web, JUNE)
        assert [each.count for each in opened.context["findings"] if each.code == "proposals"] == [3]
        assert 'id="proposals"' in opened.content.decode()
        assert proposed(home(desk.web)) == (address, 3)
    with time_machine.travel("2026-06-04T13:00+09:00"):
        [decision] = decide(proposals()[:1], "refused", "合意", by=desk.staff)
        assert proposed(home(desk.web)) == (address, 2)
        assert listed_as_proposed(desk.web) == (2, 1)
        take_back(decision, "誤り", by=desk.staff)
        assert len(proposals()) == 3
        assert proposed(home(desk.web)) == (address, 3)
    with time_machine.travel("2026-06-04T14:00+09:00"):
        for each in proposals():
            decide([each], "refused", "合意", by=desk.staff)
        assert proposed(home(desk.web)) is None
        assert "返還の提案" not in home(desk.web).content.decode()
        assert listed_as_proposed(desk.web) == (0, 3)


@time_machine.travel("2026-06-04T12:00+09:00")
def it_says_when_a_contract_was_changed_since_and_offers_another_check(desk):
    """解約日 was a mistake and is taken back: what the check found goes with the next one only."""
    for month in (make.APRIL, make.MAY):
        make.close_month(month, today=date(2026, 6, 4))
    contract = Contract.objects.order_by("pk").first()
    save(contract, "06-04", cancel_on=date(2026, 4, 30))
    opened = check(desk.web, JUNE).content.decode()
    [found] = proposals([contract.customer_id])[:1]
    assert f"円（税抜） 請求番号 {found.invoice} 提案ID {found.key}" in opened
    assert f'href="/admin/search/?q={contract.number}"' in opened
    assert desk.web.get(f"/admin/search/?q={contract.number}").url == f"/admin/contracts/contract/{contract.pk}/change/"
    assert "この点検の後に契約が変わっています" not in home(desk.web).content.decode()
    with time_machine.travel("2026-06-04T13:00+09:00"):
        save(contract, "06-04", cancel_on=None)
        page = home(desk.web).content.decode()
        assert "6/4 12:00 の点検で見つかった" in page and "この点検の後に契約が変わっています" in page
        assert f'action="{JUNE}"' in page and "もう一度点検する" in page
        check(desk.web, JUNE)
        assert proposed(home(desk.web)) is None


def listed_as_proposed(browser):
    """(how many are left, how many were decided since) on the page that the panel 返還の提案 leads to."""
    [each] = [each for each in browser.get(JUNE).context["findings"] if each.code == "proposals"]
    return each.count, each.decided


def it_leads_to_the_check_that_it_counts_what_is_to_give_back_from(desk):
    """A closed month's page has none: the check of a month that is still open counts, though it is older."""
    july = "/admin/check/2026-07/"
    with time_machine.travel("2026-07-03T12:00+09:00"):
        for month in (make.APRIL, make.MAY):
            make.close_month(month, today=date(2026, 7, 3))
        save(Contract.objects.order_by("pk").first(), "07-03", cancel_on=date(2026, 4, 30))
        check(desk.web, july)
    with time_machine.travel("2026-07-03T13:00+09:00"):
        check(desk.web, JUNE)
        address, count = proposed(home(desk.web))
        assert (address, count > 0) == (f"{JUNE}#proposals", True)
        make.close_month(date(2026, 6, 1), today=date(2026, 7, 3))
        check(desk.web, JUNE)
        assert proposed(home(desk.web)) == (f"{july}#proposals", count)


@time_machine.travel(NOW)
def it_is_content_with_a_month_in_which_all_is_well(desk):
    make.close_month()
    make.open_month()
    page = check(desk.web, "/admin/check/2026-05/")
    assert page.status_code == 200
    assert [each.title for each in page.context["findings"] if each.verdict == "規則違反"] == []
