"""お知らせ: who sees which, from when to when, as plain text; and what staff may do with one."""

import pytest
import time_machine
from django.db import IntegrityError, transaction

from contracts.models import Contract, Service
from portal.models import HistoryEvent, Notice
from tests import make
from tests.filled import filled
from tests.screens.people import staff

HOME, SIGN_IN = "/", "/login/"


def tell(title, **fields):
    given = {"title": title, "body": "本文です。", "starts_at": "2026-05-08T00:00+09:00"}
    return Notice.objects.create(**given | fields)


def shown(browser, path, at="2026-05-08T12:00+09:00", by=None):
    with time_machine.travel(at, tick=False):
        if by:
            browser.force_login(by)
        return browser.get(path).content.decode()


def it_shows_to_each_what_is_meant_for_them(cast, web):
    tell("全員へ")
    tell("ログイン前にも", on_sign_in=True)
    tell("クラウドだけ", service=Service.objects.get(code="cloud"))
    tell("回線だけ", service=Service.objects.get(code="line"))
    page = shown(web, SIGN_IN)
    assert [title in page for title in ("全員へ", "ログイン前にも", "クラウドだけ")] == [False, True, False]
    page = shown(web, HOME, by=cast.hanako)
    titles = ("全員へ", "ログイン前にも", "クラウドだけ", "回線だけ")
    assert [title in page for title in titles] == [True, True, True, False]
    Contract.objects.filter(customer=cast.a).update(cancel_on="2026-05-07")
    assert "クラウドだけ" not in shown(web, HOME, by=cast.hanako)
    assert "クラウドだけ" in shown(web, HOME, by=cast.jiro)


@pytest.mark.parametrize(
    ("at", "there"),
    [
        ("2026-05-09T23:59:59+09:00", False),
        ("2026-05-10T00:00+09:00", True),
        ("2026-05-10T05:59+09:00", True),
        ("2026-05-10T06:00+09:00", False),
    ],
)
def it_shows_one_from_its_beginning_until_its_end(cast, web, at, there):
    tell("夜間作業", starts_at="2026-05-10T00:00+09:00", ends_at="2026-05-10T06:00+09:00", on_sign_in=True)
    assert ("夜間作業" in shown(web, SIGN_IN, at)) == there
    assert ("夜間作業" in shown(web, HOME, at, by=cast.hanako)) == there


def it_shows_text_and_links_and_no_html_of_peoples(cast, web):
    body = "<script>alert(1)</script>\n二行目 https://example.com/a?b=1&c=2 javascript:alert(1)"
    tell("<b>件名</b>", body=body, on_sign_in=True)
    for page in (shown(web, SIGN_IN), shown(web, HOME, by=cast.hanako)):
        assert "<script>alert" not in page
        assert "&lt;b&gt;件名&lt;/b&gt;" in page
        assert '<br>二行目 <a href="https://example.com/a?b=1&amp;c=2" rel="nofollow">' in page
        assert 'href="javascript' not in page


def it_puts_what_presses_first_and_at_most_five(cast, web):
    tell("障害のこと", kind="trouble", starts_at="2026-05-01T00:00+09:00")
    for number in range(6):
        tell(f"{number}番", starts_at=f"2026-05-0{number + 1}T00:00+09:00")
    page = shown(web, HOME, by=cast.hanako)
    assert page.index("障害のこと") < page.index("5番") < page.index("2番")
    assert "1番" not in page


def it_says_it_in_english_where_both_texts_are_there():
    notice = Notice(title="件名", body="本文", title_en="Title")
    assert notice.in_language("en") == ("件名", "本文")
    notice.body_en = "Body"
    assert notice.in_language("en") == ("Title", "Body")
    assert notice.in_language("ja") == ("件名", "本文")


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"ends_at_0": "2026/05/08", "ends_at_1": "0:00"}, "ends_at"),
        ({"on_sign_in": "on", "service": "1"}, "service"),
        ({"kind": "x"}, "kind"),
        ({"title": ""}, "title"),
    ],
)
def it_tells_beside_the_field_what_is_wrong(cast, web, typed, field):
    web.force_login(cast.staff)
    path = "/admin/portal/notice/add/"
    given = {"title": "件名", "body": "本文", "kind": "news", "starts_at_0": "2026/05/08", "starts_at_1": "9:00"}
    typed = {name: Service.objects.first().pk if name == "service" else value for name, value in typed.items()}
    assert list(web.post(path, given | typed).context["adminform"].form.errors) == [field]
    assert web.post(path, given).status_code == 302
    assert Notice.objects.get().starts_at.isoformat() == "2026-05-08T00:00:00+00:00"


def it_refuses_in_the_database_an_end_before_the_start_and_a_service_before_signing_in(cast):
    for wrong in ({"ends_at": "2026-05-07T00:00Z"}, {"on_sign_in": True, "service": Service.objects.first()}):
        with pytest.raises(IntegrityError), transaction.atomic():
            tell("x", **wrong)


def it_shows_staff_how_it_will_look_and_keeps_what_was_said(cast, web):
    web.force_login(staff("r@example.net", "受付"))
    notice = tell("予告", starts_at="2099-01-01T00:00+09:00", body="https://example.com")
    here = f"/admin/portal/notice/{notice.pk}"
    page = web.get(f"{here}/preview/").content.decode()
    assert page.count('<a href="https://example.com"') == 2
    assert "掲載前" in page
    given = filled(web, f"{here}/change/", title="改めた予告", starts_at_0="2099/01/01", starts_at_1="1:30")
    assert web.post(f"{here}/change/", given).status_code == 302
    assert HistoryEvent.objects.about(notice).first().changes == [
        ("件名", "予告", "改めた予告"),
        ("掲載開始", "2099/01/01 00:00", "2099/01/01 01:30"),
    ]


def it_deletes_only_what_nobody_has_seen(cast, web):
    web.force_login(cast.staff)
    coming, told = tell("これから", starts_at="2099-01-01T00:00+09:00"), tell("掲載中", starts_at="2026-05-01T00:00Z")
    for notice in (coming, told):
        page = web.post(f"/admin/portal/notice/{notice.pk}/delete/", {"post": "yes"}, follow=True).content.decode()
    assert "掲載を始めたお知らせは削除できません" in page
    assert list(Notice.objects.all()) == [told]


def it_shows_a_preview_to_nobody_else(cast, web):
    notice = tell("予告", starts_at="2099-01-01T00:00+09:00")
    for person, answered in ((None, 302), (cast.hanako, 302), (staff("n@example.net", "閲覧"), 200)):
        if person:
            web.force_login(person)
        assert web.get(f"/admin/portal/notice/{notice.pk}/preview/").status_code == answered


def it_asks_once_for_all_notices(cast, web, django_assert_max_num_queries):
    tell("a", service=Service.objects.get(code="cloud"))
    make.make_contract(cast.a, (1,))
    web.force_login(cast.hanako)
    with django_assert_max_num_queries(60) as asked:
        web.get(HOME)
    assert sum('FROM "portal_notice"' in each["sql"] for each in asked.captured_queries) == 1
