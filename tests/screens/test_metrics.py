"""What programs ask: whether requests may be sent here (/readyz), and figures read from the database (/metrics)."""

from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing import gauges
from billing.models import Invoice, Parked
from portal.db import ready, rls
from portal.db.schema import DESK
from portal.models import Installation, Mail
from tests import make, processes

TOKEN = "for-prometheus"


@pytest.fixture
def measured(web, settings):
    """{name: value} as /metrics says them."""
    settings.METRICS_TOKEN = TOKEN

    def ask():
        answer = web.get("/metrics", headers={"authorization": f"Bearer {TOKEN}", "host": "10.0.0.7:8000"})
        assert (answer.status_code, answer["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        lines = [line.rpartition(" ") for line in answer.content.decode().splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _blank, value in lines}

    return ask


def it_is_ready_when_database_tables_and_files_are(web):
    answer = web.get("/readyz", headers={"host": "10.0.0.7"})
    assert (answer.status_code, answer.json()) == (200, {"ok": True, "failed": []})


def it_is_not_ready_while_a_migration_is_to_come(web, monkeypatch):
    newer = ready.files_of_migrations() | {("portal", "9999_to_come")}
    monkeypatch.setattr(ready, "files_of_migrations", lambda: newer)
    answer = web.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"ok": False, "failed": ["migrations"]})


def it_is_not_ready_without_its_static_files(web, monkeypatch):
    storage = ManifestStaticFilesStorage(location="/nowhere", base_url="/static/")
    monkeypatch.setattr(ready, "staticfiles_storage", storage)
    answer = web.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"ok": False, "failed": ["static"]})


def it_is_not_ready_while_the_database_is_away(web, monkeypatch):
    monkeypatch.setattr("portal.views.ready.migrated", lambda: raised(OperationalError("gone")))
    web.raise_request_exception = False
    answer = web.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"ok": False, "failed": ["database"]})


def raised(fault):
    raise fault


@pytest.mark.parametrize("given", [None, "", "Bearer ", "Bearer wrong", TOKEN, f"bearer {TOKEN}", "Bearer トークン"])
def it_has_no_figures_for_whoever_lacks_the_token(web, settings, given):
    settings.METRICS_TOKEN = TOKEN
    assert web.get("/metrics", headers={"authorization": given} if given is not None else {}).status_code == 404


@pytest.mark.parametrize("given", ["Bearer ", "Bearer", ""])
def it_has_no_figures_at_all_without_a_token(web, settings, given):
    settings.METRICS_TOKEN = ""
    assert web.get("/metrics", headers={"authorization": given}).status_code == 404


def it_says_of_an_empty_portal_what_there_is_to_say(db, measured):
    found = measured()
    assert found.pop("portal_days_to_deadline") != found.get("portal_days_to_deadline")
    assert str(found.pop("portal_last_daily_run_seconds")) == "inf"
    assert str(found.pop("portal_last_backup_seconds")) == "inf"
    assert found == {
        **{f'portal_queue_oldest_seconds{{lane="{lane}"}}': 0 for lane in ("mail", "render", "sweep")},
        "portal_mails_overdue": 0,
        "portal_pdfs_missing": 0,
        "portal_parked": 0,
    }


def it_reads_each_figure_from_the_database(measured):
    processes.empty_queue()
    with time_machine.travel("2026-05-08T01:00Z", tick=False):
        cast = make.billed_cast()
    Mail.objects.create(key="late", kind="invoice_fixed", due_at=timezone.now() - timedelta(hours=1))
    Mail.objects.create(key="in time", kind="invoice_fixed", due_at=timezone.now() - timedelta(minutes=5))
    Mail.objects.create(key="gone", kind="invoice_fixed", due_at=timezone.now() - timedelta(days=9), state="sent")
    Parked.objects.create(customer=cast.a, month=make.MAY, reason="x")
    Installation.objects.create(pk=1, mark={}, backed_up_at=timezone.now() - timedelta(hours=30))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_events SET at = now() - interval '90 seconds'")
        cursor.execute(
            "UPDATE procrastinate_jobs SET scheduled_at = now() + interval '1 hour' WHERE queue_name = 'mail'"
        )
    found = measured()
    assert 90 <= found['portal_queue_oldest_seconds{lane="render"}'] < 120
    assert found['portal_queue_oldest_seconds{lane="mail"}'] == 0
    assert found["portal_mails_overdue"] == 1
    assert found["portal_pdfs_missing"] == Invoice.objects.fixed().count() == 2
    assert found["portal_parked"] == 1
    assert 30 * 3600 <= found["portal_last_backup_seconds"] < 30 * 3600 + 60
    since_may = (timezone.now() - datetime(2026, 5, 8, 1, tzinfo=UTC)).total_seconds()
    assert since_may - 60 < found["portal_last_daily_run_seconds"] < since_may + 1  # told in whole seconds


@pytest.mark.parametrize(("today", "days"), [(date(2026, 5, 31), 5), (date(2026, 6, 5), 0), (date(2026, 6, 9), -4)])
def it_counts_the_days_to_the_deadline_of_the_month_to_be_closed(cast, measured, monkeypatch, today, days):
    """April is closed; May's 確定予定日 is the fifth business day after its end, 2026-06-05."""
    make.close_month()
    monkeypatch.setattr("portal.months.today", lambda: today)
    assert measured()["portal_days_to_deadline"] == days


def it_asks_each_figure_in_a_statement_that_an_index_serves(db):
    """With sequential scans discouraged none is left: there is an index for each, however large the table."""
    with rls.scope(DESK), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        with CaptureQueriesContext(
            connection,
        ) as asked:
            gauges.exposition()
        large = ("portal_mail", "procrastinate_jobs", "procrastinate_events", "billing_invoice", "billing_invoicepdf")
        for query in asked.captured_queries:
            cursor.execute(f"EXPLAIN {query['sql']}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
            assert [table for table in large if f"Seq Scan on {table} " in plan] == [], plan
