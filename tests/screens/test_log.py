"""The log: one line an event by one clock, an id that leads from a page to everything that it caused, and nobody's own data."""

import io
import json
import logging
import logging.config
import re

import psycopg
import pytest
from django.db import IntegrityError
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models import User
from portal import logs, trace
from portal.models import HistoryEvent, Mail
from tests import make

NAME, ADDRESS = "機密華子", "canary-new@example.com"  # not in the lines that raise, which a traceback shows
NEW_USER = {"name": "機密花子", "email": "canary-new@example.com", "kana": "キミツハナコ", "position": "秘書"}


@pytest.fixture(params=["text", "json"])
def log(request):
    """What the portal writes, in each of its forms, as lines."""
    written = io.StringIO()
    yield from collect(written, as_json=request.param == "json")


@pytest.fixture
def json_log():
    yield from collect(io.StringIO(), as_json=True)


def collect(written, as_json):
    levels = {name: logging.getLogger(name).level for name in ("", "portal", "portal.request", "procrastinate.worker")}
    console = next(each for each in logging.getLogger().handlers if type(each) is logging.StreamHandler)
    given = logs.settings(as_json=as_json, level="INFO")
    handler = logging.StreamHandler(written)
    handler.setFormatter(logs.AsJson() if as_json else logs.AsText())
    for each in console.filters:
        handler.addFilter(each)
    for name in levels:
        logging.getLogger(name).setLevel(given["loggers"].get(name, given["root"])["level"])
    logging.getLogger().addHandler(handler)
    yield lambda: written.getvalue().splitlines()
    logging.getLogger().removeHandler(handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def it_answers_with_an_id_of_its_own(web):
    first, second = (web.get("/login/", headers={"x-request-id": "from-a-visitor"})["X-Request-ID"] for _time in "12")
    assert re.fullmatch("[0-9a-f]{16}", first)
    assert first != second


@pytest.mark.parametrize(
    ("given", "taken"),
    {
        "0af7651916cd43dd": True,
        "edge.4711-a_b": True,
        "short": False,
        "x" * 65: False,
        "a b c d e f": False,
        "a\nERROR 12": False,
    }.items(),
)
def it_takes_the_id_of_the_operators_own_proxy_where_it_is_one(web, settings, given, taken):
    settings.TRUSTED_PROXIES = 1
    answered = web.get("/login/", headers={"x-request-id": given})["X-Request-ID"]
    assert (answered == given) == taken


def it_has_an_id_on_pages_refused_before_anything_else(web):
    assert web.get("/login/", headers={"host": "evil.example"})["X-Request-ID"]


def it_leads_from_the_answer_to_the_log_the_mail_and_the_history(cast, sign_in, json_log):
    answer = sign_in(cast.hanako).post("/account/users/new/", NEW_USER)
    assert answer.status_code == 302
    asked = answer["X-Request-ID"]
    (line,) = map(json.loads, json_log())
    assert (line["request"], line["person"], line["route"], line["status"]) == (
        asked,
        cast.hanako.pk,
        "/account/users/new/",
        302,
    )
    assert set(Mail.objects.values_list("request", flat=True)) == {asked}
    assert set(HistoryEvent.objects.filter(action="user_created").values_list("request", flat=True)) == {asked}


def it_goes_on_in_the_job_that_a_page_left(cast, client):
    client.force_login(cast.staff)
    answer = client.post("/admin/accounts/customer/" + f"{cast.a.pk}/change/", follow=True)
    assert answer["X-Request-ID"]
    with trace.working("from-a-page"):
        from billing.services import defer_catch_up

        defer_catch_up(cast.a)
    job = ProcrastinateJob.objects.get(task_name="billing.catch_up")
    assert job.args["request"] == "from-a-page"


def it_writes_a_mail_under_the_id_of_what_caused_it(cast, web, json_log, monkeypatch):
    asked = web.post("/password/reset/", {"email": "taro@example.com"})["X-Request-ID"]
    monkeypatch.setattr("portal.mail.write", lambda _mail: 1 / 0)
    from portal.tasks import send_due

    send_due()
    (line,) = [each for each in map(json.loads, json_log()) if each["level"] == "ERROR"]
    assert (line["request"], line["logger"]) == (asked, "portal.mail")


def it_shows_the_id_on_the_page_of_a_fault(cast, sign_in, monkeypatch, log):
    monkeypatch.setattr("portal.views.overview", lambda *_given: 1 / 0)
    browser = sign_in(cast.hanako)
    browser.raise_request_exception = False
    answer = browser.get("/")
    assert answer["X-Request-ID"] in answer.content.decode()
    assert answer["X-Request-ID"] in log()[0]


def it_shows_the_id_where_a_page_is_refused(cast, sign_in, json_log):
    answer = sign_in(cast.hanako).get("/invoices/R0000000-99/")
    assert answer.status_code == 404
    assert answer["X-Request-ID"] in answer.content.decode()
    lines = [json.loads(line) for line in json_log()]
    assert {line["logger"] for line in lines} == {"portal.request", "django.request"}
    assert {(line["request"], line["person"]) for line in lines} == {(answer["X-Request-ID"], cast.hanako.pk)}


def it_tells_the_time_of_japan_in_one_form(web, log):
    web.get("/nowhere/")
    assert all(re.search(r'^(?:\{"time": ")?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+09:00\b', line) for line in log())
    assert log()


def it_writes_nobodys_data_whatever_the_day_brings(cast, web, log, monkeypatch):
    """A day of the web: people sign in, fail to, reset, add colleagues, ask, search; pages are refused, and some break."""
    cast.a.name, cast.hanako.name = "機密商事株式会社", "機密華子"
    cast.a.save()
    cast.hanako.save()
    web.raise_request_exception = False
    web.post("/login/", {"username": "canary-guess@example.com", "password": "Canary-Guess-1"})
    web.post("/login/", {"username": cast.hanako.email, "password": make.PASSWORD})
    web.get("/invoices/?q=機密商事")
    web.post("/account/users/new/", NEW_USER)
    web.post("/inquiry/", {"kind": "question", "subject": "機密の件", "body": "機密の本文", "about": ""})
    web.get(f"/nowhere/{cast.hanako.email}/機密/")
    web.get("/login/", headers={"host": "canary.example"})
    web.post("/logout/")
    web.post("/password/reset/", {"email": cast.taro.email})
    path = cast.taro.key_path("reset")
    web.get(path)
    web.get(path + "canary-token-behind/")
    web.post(path, {"new_password1": "Canary-New-2024", "new_password2": "Canary-New-2024"})
    web.force_login(cast.hanako)
    for fault in (
        ValueError(f"{NAME} is no number"),
        KeyError(ADDRESS),
        User(email=cast.taro.email).save,
        IntegrityError(f"Key (email)=({ADDRESS}) already exists."),
    ):
        monkeypatch.setattr("portal.views.overview", lambda *_given, fault=fault: raised(fault))
        assert web.get("/").status_code == 500
    web.force_login(cast.staff)
    web.get("/admin/search/?q=機密華子")
    web.get("/admin/accounts/user/?q=canary-new@example.com")
    told = "\n".join(log())
    assert told.count("Internal Server Error: GET /") == 4
    assert told.count("Traceback") == 5  # the database's fault with what caused it
    secrets = [path.split("/")[-2], "Canary-", "機密", "example.com", "キミツ", "秘書", make.PASSWORD, "canary"]
    assert [each for each in secrets if each in told] == []


def raised(fault):
    if isinstance(fault, Exception):
        raise fault
    fault()


def it_tells_of_a_database_error_the_rule_that_was_met(cast):
    with pytest.raises(IntegrityError) as met:
        User.objects.create(email=cast.taro.email, name=NAME, customer=cast.a)
    told = logs.traced(met.value)
    assert told.splitlines()[-1].startswith("django.db.utils.IntegrityError: 23505 UniqueViolation accounts_user ")
    assert NAME not in told
    assert cast.taro.email not in told


def it_takes_only_the_databases_absence_for_absence():
    lost = psycopg.OperationalError("server closed the connection unexpectedly")
    assert logs.is_away(lost)
    assert not logs.is_away(ValueError())
    assert not logs.is_away(psycopg.errors.LockNotAvailable())


def it_leaves_to_the_worker_to_tell_that_the_database_went():
    """And not to asyncio, which prints each task that nobody waits for any more, with its traceback."""

    def passes(error):
        record = logging.LogRecord("asyncio", logging.ERROR, "", 0, "never retrieved", (), (type(error), error, None))
        return logs.one_line_a_job(record)

    assert not passes(psycopg.OperationalError("server closed the connection unexpectedly"))
    assert passes(ValueError("a fault of ours"))


def it_prints_errors_that_name_each_other_once_each():
    one, other = ValueError("x"), KeyError("y")
    one.__cause__, other.__cause__ = other, one
    assert logs.traced(one).count("Traceback") == 2
    assert not logs.is_away(one)
