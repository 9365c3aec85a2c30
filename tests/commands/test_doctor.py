"""`manage.py doctor`: of a well installation it has nothing to say, and of each thing that breaks exactly that."""

import json
import re
from datetime import date, timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from accounts.models import User
from billing import doctor
from billing.doctor import database, machine
from billing.models import Parked
from portal.db import ready
from portal.models import Mail
from tests import make, processes
from tests.commands.doctoring import complaints, lone, sql


def it_looks_at_more_than_25_things_each_under_its_own_code():
    codes = [check.__name__ for check in doctor.CHECKS]
    assert len(codes) == len(set(codes)) > 25


def answers(monkeypatch, part, answer):
    """Have PostgreSQL say `answer` to the question with these words, as another server would."""
    real = database.ask
    monkeypatch.setattr(database, "ask", lambda sql, *given: answer if part in sql else real(sql, *given))


@pytest.mark.parametrize(
    ("part", "answer", "found"),
    [
        ("server_version_num", (140010, "14.10"), {"postgres_version": "fail"}),
        ("pg_encoding_to_char", ("SQL_ASCII",), {"encoding": "fail"}),
        ("rolsuper, rolname", (True, "postgres"), {"database_role": "warn"}),
        ("rolbypassrls OR rolcanlogin", (True, True), {"web_role": "fail"}),
        ("rolbypassrls OR rolcanlogin", (False, False), {"web_role": "fail"}),
        ("rolbypassrls OR rolcanlogin", None, {"web_role": "fail"}),
        ("pg_backend_pid", (1,), {"pooler": "fail"}),
    ],
)
def it_finds_a_server_that_is_none_of_ours(well, monkeypatch, part, answer, found):
    answers(monkeypatch, part, answer)
    assert complaints() == found


def it_finds_a_server_that_forgets_at_a_power_cut(well, monkeypatch):
    monkeypatch.setitem(database.DURABLE, "fsync", "on")
    assert complaints() == lone("postgres_settings")


def it_finds_a_server_with_few_connections(well, monkeypatch):
    monkeypatch.setattr(database, "FEWEST_CONNECTIONS", 10_000)
    assert complaints() == lone("postgres_settings", "warn")


@pytest.mark.parametrize(
    ("broken", "code"),
    [
        ("DROP POLICY own_customer ON billing_invoice", "policies"),
        ("ALTER TABLE orders_order DISABLE ROW LEVEL SECURITY", "policies"),
        ("GRANT UPDATE ON billing_invoice TO portal_web", "grants"),
        ("GRANT UPDATE (total) ON billing_invoice TO portal_web", "grants"),
        ("REVOKE SELECT ON contracts_contract FROM portal_web", "grants"),
        ("REVOKE INSERT ON billing_invoice FROM portal_desk", "grants"),
        ("GRANT DELETE ON billing_download TO portal_desk", "grants"),
        ("DROP POLICY staff ON billing_invoice", "policies"),
        ("ALTER ROLE portal_login CREATEROLE", "web_login"),
        ("REVOKE portal_desk FROM portal_login", "web_login"),
        ("ALTER ROLE portal_login RENAME TO somebody_else", "web_login"),
        ("ALTER POLICY staff ON billing_invoice TO PUBLIC", "policies"),
        ("ALTER TABLE billing_invoice DISABLE TRIGGER USER", "triggers"),
        (
            "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            "triggers",
        ),
    ],
)
def it_finds_a_guard_that_is_not_as_it_was_made(well, broken, code):
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    sql(broken)
    assert complaints() == lone(code)


def it_finds_a_web_that_logs_in_as_the_owner(well, settings):
    settings.WEB_DATABASE = None
    assert complaints() == lone("web_login", "warn")


def it_finds_a_web_in_another_database_than_the_commands(well, settings, tmp_path):
    settings.DATABASE_URL = settings.WEB_DATABASE_URL = processes.here(tmp_path)["DATABASE_URL"]
    assert complaints() == {}
    settings.WEB_DATABASE_URL = f"{settings.DATABASE_URL} application_name=web"
    assert complaints() == {}
    settings.WEB_DATABASE_URL = f"{settings.DATABASE_URL} dbname=postgres"
    assert complaints() == lone("web_login")
    settings.WEB_DATABASE_URL = f"{settings.DATABASE_URL} port=1"
    assert complaints() == lone("web_login", "warn")


def it_asks_nothing_of_triggers_where_nothing_was_kept(well):
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    sql("ALTER TABLE billing_invoice DISABLE TRIGGER USER")
    assert complaints() == lone("triggers")
    sql("COMMENT ON TABLE portal_installation IS NULL")
    assert complaints() == {}


def it_mends_policies_and_grants_with_the_next_migrate_but_keeps_no_lost_trigger_for_the_rule(well):
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    sql("DROP POLICY own_customer ON billing_invoice")
    sql("CREATE POLICY all_of_them ON orders_order USING (true)")
    sql("ALTER TABLE contracts_term DISABLE ROW LEVEL SECURITY")
    sql("REVOKE ALL ON billing_invoice FROM portal_web, portal_desk")
    sql("REVOKE TEMPORARY ON DATABASE " + connection.settings_dict["NAME"] + " FROM portal_desk")
    sql("GRANT TRUNCATE, UPDATE ON django_migrations TO portal_desk")
    sql("ALTER TABLE billing_invoice DISABLE TRIGGER USER")
    assert complaints() == {"policies": "fail", "grants": "fail", "triggers": "fail"}
    call_command("migrate", verbosity=0)
    assert complaints() == lone("triggers")


def it_finds_a_migration_that_is_to_come(well, monkeypatch):
    newer = ready.files_of_migrations() | {("portal", "9999_to_come")}
    monkeypatch.setattr(ready, "files_of_migrations", lambda: newer)
    assert complaints() == lone("migrations")


def it_finds_that_this_is_a_copy(well):
    sql("UPDATE portal_installation SET mark = '{}'")
    assert complaints() == lone("instance")


@pytest.mark.parametrize(
    ("broken", "found"),
    [
        ("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '2 minutes'", {"workers": "fail"}),
        ("DELETE FROM procrastinate_workers", {"workers": "fail"}),
        ("UPDATE portal_installation SET backed_up_at = now() - interval '27 hours'", {"backup": "warn"}),
        ("UPDATE portal_installation SET backed_up_at = NULL", {"backup": "warn"}),
        ("UPDATE portal_vendor SET bank_account = ' '", {"vendor": "fail"}),
        ("DELETE FROM portal_vendor", {"vendor": "fail"}),
        ("UPDATE portal_vendorregistration SET valid_to = current_date - 1", {"registration": "warn"}),
        ("UPDATE portal_vendorregistration SET valid_to = current_date + 2", {"registration": "warn"}),
        (
            "UPDATE portal_taxclass SET valid_to = greatest(valid_from, current_date - 1) WHERE kind = 'reduced'",
            {"tax_classes": "fail"},
        ),
        ("UPDATE accounts_user SET is_superuser = false", {"staff": "fail"}),
        ("UPDATE portal_vendorregistration SET number = 'T8990000000001'", {"demo_data": "fail"}),
    ],
)
def it_finds_what_is_missing(well, broken, found):
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    sql("SET LOCAL session_replication_role = replica")
    sql(broken)
    sql("SET LOCAL session_replication_role = DEFAULT")
    assert complaints() == found


@pytest.mark.parametrize(("minutes", "result"), [(11, "fail"), (4, "warn")])
def it_finds_a_job_that_waits_for_long(well, minutes, result):
    sql(
        "INSERT INTO procrastinate_jobs (queue_name, task_name, status, args) VALUES ('render', 'billing.render', 'todo', '{}')"
    )
    sql("UPDATE procrastinate_events SET at = now() - make_interval(mins => %s)", minutes)
    assert complaints() == lone("queue_age", result)


def it_finds_a_job_that_failed(well):
    sql(
        "INSERT INTO procrastinate_jobs (queue_name, task_name, status, args) VALUES ('render', 'billing.render', 'failed', '{}')"
    )
    assert complaints() == lone("failed_jobs", "warn")


def it_finds_mails_that_are_late_and_mails_that_failed(well):
    late = Mail.objects.create(key="late", kind="inquiry", due_at=timezone.now() - timedelta(hours=1))
    assert complaints() == lone("mails_overdue")
    Mail.objects.filter(pk=late.pk).update(state="failed")
    assert complaints() == lone("mails_failed", "warn")


def it_finds_documents_without_pdf(well):
    make.close_month()
    processes.empty_queue()
    assert complaints() == lone("pdfs_missing", "warn")


def it_finds_who_is_parked(well):
    Parked.objects.create(customer=well.a, month=make.APRIL, reason="x")
    assert complaints() == lone("parked", "warn")


@pytest.mark.parametrize("never", [True, False])
def it_finds_that_the_daily_run_does_not_come(well, never, monkeypatch):
    monkeypatch.setattr("billing.gauges.since_daily_run", lambda: float("inf") if never else 27 * 3600.0)
    assert complaints() == lone("daily_run")


def it_finds_that_nobody_knows_next_years_holidays(well, monkeypatch):
    monkeypatch.setattr("holidays.country_holidays", lambda *_given, **_options: {})
    assert complaints() == lone("next_holidays", "warn")


@pytest.mark.parametrize(("days", "result"), [(-1, "fail"), (1, "warn")])
def it_finds_a_month_that_waits_for_its_close(well, monkeypatch, days, result):
    monkeypatch.setattr("billing.gauges.days_to_deadline", lambda: days)
    monkeypatch.setattr("billing.gauges.next_to_close", lambda: date(2026, 4, 1))
    assert complaints() == lone("deadline", result)


def it_goes_on_when_a_check_cannot_be_made(well):
    def broken():
        sql("SELECT pg_sleep(3)")

    first, second = doctor.examine([broken, machine.debug])
    assert (first.code, first.result, second.result) == ("broken", "fail", "ok")
    assert "statement timeout" in first.text


def it_says_what_it_found_and_ends_with_1_when_something_fails(well, capsys, settings):
    settings.DEBUG = True
    with pytest.raises(SystemExit, match="1"):
        call_command("doctor")
    said = capsys.readouterr().out
    assert "×　 debug: DEBUG が有効で" in said
    assert f"点検 {len(doctor.CHECKS)} 件: 異常 1、注意 0" in said


def it_says_the_same_as_json_and_changes_nothing(well, capsys, settings):
    User.objects.update(last_login=None)
    call_command("doctor", "--json")
    found = json.loads(capsys.readouterr().out)
    assert [check["code"] for check in found["checks"]] == [check.__name__ for check in doctor.CHECKS]
    assert {frozenset(check) for check in found["checks"]} == {frozenset(("code", "result", "text", "todo"))}
    assert {check["result"] for check in found["checks"]} == {"ok"}


def it_ends_with_3_where_it_cannot_look(tmp_path):
    given = {**processes.GIVEN, "DATABASE_URL": "postgresql://127.0.0.1:1/portal", "PORTAL_DATA_DIR": str(tmp_path)}
    code, said, complained = processes.run("doctor", "--json", **given)
    assert (code, said, complained.count("\n")) == (3, "", 1)


def it_is_told_of_with_the_number_of_its_checks():
    root = Path(__file__).parents[2]
    said = {
        "README.md": r"(\d+) checks of the installation",
        "CHANGELOG.md": r"doctor`: (\d+) checks",
        "docs/operations.md": r"looks at (\d+) things",
        "docs/manual.md": r"点検 (\d+) 件: 異常",
    }
    told = {page: re.findall(pattern, (root / page).read_text()) for page, pattern in said.items()}
    assert told == {page: [str(len(doctor.CHECKS))] for page in said}


def it_has_an_entry_in_the_manual_for_each_code():
    manual = (Path(__file__).parents[2] / "docs" / "manual.md").read_text()
    table = manual.partition("<!-- doctor -->")[2].partition("<!-- /doctor -->")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.M) == [check.__name__ for check in doctor.CHECKS]
