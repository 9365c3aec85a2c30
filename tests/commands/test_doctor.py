"""`manage.py doctor`: of a well installation it has nothing to say, and of each thing that breaks exactly that."""

import json
import re
import shutil
import socket
import ssl
import subprocess
import time
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from accounts.models import User
from billing import doctor
from billing.doctor import database, machine
from billing.models import MonthRun, Parked
from portal import fonts, installation, months
from portal.db import catalogue, ready
from portal.models import Installation, Mail, VendorRegistration
from tests import make, processes

APART = {"test_pdf", "site"}  # they have tests of their own
QUICK = [check for check in doctor.CHECKS if check.__name__ not in APART]
ADDRESS = {"PORTAL_URL": "https://portal.example.com", "HTTPS": True, "TRUSTED_PROXIES": 1}


def sql(statement, *given):
    with connection.cursor() as cursor:
        cursor.execute(statement, given)


@pytest.fixture
def well(cast, settings, tmp_path, monkeypatch):
    """An installation in production with which all is well; the tests' server itself is as fast as it is careless."""
    processes.empty_queue()
    settings.SECRET_KEY = "k3y-" * 4 + "0123456789abcdefghijklmnopqrstuvwxyz"
    settings.DATA = tmp_path
    tmp_path.chmod(0o700)
    settings.DATABASE_URL = "dbname=portal"
    if not settings.EMBEDDED:  # whose web has its role already
        settings.WEB_DATABASE = {"USER": "portal_login"}
        call_command("migrate", verbosity=0)
    for name, value in ADDRESS.items():
        setattr(settings, name, value)
    monkeypatch.setattr(machine, "first_answer", lambda _page: (200, ""))
    settings.DEFAULT_FROM_EMAIL = "noreply@example.com"
    settings.DEBUG = False
    VendorRegistration.objects.update(number="T1234567890123")
    monkeypatch.setitem(database.DURABLE, "fsync", "off")
    monkeypatch.setitem(database.DURABLE, "full_page_writes", "off")
    monkeypatch.setitem(database.DURABLE, "synchronous_commit", "off")
    real = database.ask
    monkeypatch.setattr(
        database, "ask", lambda sql, *given: (False, "owner") if "rolsuper, rolname" in sql else real(sql, *given)
    )
    sql("INSERT INTO procrastinate_workers DEFAULT VALUES")
    now = timezone.now()
    MonthRun.objects.create(
        month=months.month_of(months.today()), kind="open", as_of=months.today(), whole=True, finished_at=now
    )
    last = months.add_months(months.month_of(months.today()), -1)
    MonthRun.objects.create(month=last, kind="close", as_of=months.today(), whole=True, finished_at=now)
    installation.at_home()
    Installation.objects.update(backed_up_at=now)
    catalogue.keep(connection)
    assert complaints() == {}
    return cast


def complaints():
    return {found.code: found.result for found in doctor.examine(QUICK) if found.result != "ok"}


def lone(code, result="fail"):
    return {code: result}


def it_looks_at_more_than_25_things_each_under_its_own_code():
    codes = [check.__name__ for check in doctor.CHECKS]
    assert len(codes) == len(set(codes)) > 25


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("SECRET_KEY", "short", {"secret_key": "fail"}),
        ("SECRET_KEY", "a" * 60, {"secret_key": "fail"}),
        ("DEBUG", True, {"debug": "fail"}),
        ("TRUSTED_PROXIES", 0, {"proxies": "fail"}),
        ("DEFAULT_FROM_EMAIL", "noreply@localhost", {"mail_from": "fail"}),
        ("EMAIL_BACKEND", "portal.mail.FileBackend", {"mail_server": "warn"}),
    ],
)
def it_finds_an_odd_setting(well, settings, name, value, found):
    setattr(settings, name, value)
    assert complaints() == found


def it_finds_an_address_without_tls(well, settings):
    settings.PORTAL_URL, settings.HTTPS = "http://portal.example.com", False
    sql("UPDATE portal_installation SET mark = jsonb_set(mark, '{address}', '\"http://portal.example.com\"')")
    assert complaints() == lone("address")


@pytest.fixture
def front(settings):
    """A server at PORTAL_URL; `front.answers` is the status and the Location of what it says to everything."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            status, location = server.answers
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.end_headers()

        def log_message(self, *_given):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        settings.PORTAL_URL = f"http://127.0.0.1:{server.server_port}"
        yield server
        server.shutdown()


def it_opens_the_sign_in_page_and_tells_what_a_browser_would_meet(front, settings):
    page = f"{settings.PORTAL_URL}/login/"
    said = {}
    for answers in [(200, ""), (301, page), (302, "/login/"), (302, "https://elsewhere.example.com/"), (404, "")]:
        front.answers = answers
        said[answers] = machine.site()
    assert [result for result, _text, _todo in said.values()] == ["ok", "warn", "warn", "warn", "warn"]
    for answers in [(301, page), (302, "/login/")]:
        assert "リダイレクトを繰り返します" in said[answers][1]
        assert "X-Forwarded-Proto" in said[answers][2]
    assert said[302, "https://elsewhere.example.com/"][1] == f"{page} が 302 を返します"
    settings.PORTAL_URL = settings.PORTAL_URL.replace("http:", "https:")
    assert machine.site()[:2] == (
        "warn",
        f"{settings.PORTAL_URL}/login/ を、このマシンからは開けません（SSLError）",
    )


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl isn't installed here")
def it_tells_of_a_certificate_that_browsers_do_not_trust(front, settings, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    names = ["-subj", "/CN=127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run([*made, *names], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    front.socket = context.wrap_socket(front.socket, server_side=True)
    settings.PORTAL_URL = settings.PORTAL_URL.replace("http:", "https:")
    result, text, _todo = machine.site()
    assert (result, "/login/ の証明書を信頼できません（" in text) == ("warn", True)


def it_only_warns_where_nobody_answers_at_the_address(settings):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings.PORTAL_URL = f"http://127.0.0.1:{taken.getsockname()[1]}"
    result, text, _todo = machine.site()
    assert (result, "開けません（ConnectionRefusedError）" in text) == ("warn", True)


@pytest.mark.parametrize(("apart", "result"), [(300, "fail"), (20, "warn")])
def it_finds_a_clock_that_is_wrong(well, monkeypatch, apart, result):
    real = time.time
    monkeypatch.setattr(machine.time, "time", lambda: real() + apart)
    assert complaints() == lone("clock", result)


@pytest.mark.parametrize(("free", "result"), [(100, "fail"), (2 * 1024**3, "warn")])
def it_finds_a_disk_that_is_nearly_full(well, monkeypatch, free, result):
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _path: SimpleNamespace(free=free))
    assert complaints() == lone("disk", result)


def it_finds_a_data_folder_that_others_can_read(well, tmp_path):
    tmp_path.chmod(0o755)
    assert complaints() == lone("data_folder")


def it_finds_a_data_folder_that_cannot_be_written(settings):
    settings.DATA = Path("/proc")  # where not even root writes
    result, text, todo = machine.data_folder()
    assert (result, "/proc に書けません" in text, "chown -R portal:portal /proc" in todo) == ("fail", True, True)


def it_finds_that_static_files_were_not_collected(well, monkeypatch):
    monkeypatch.setattr(
        ready, "staticfiles_storage", ManifestStaticFilesStorage(location="/nowhere", base_url="/static/")
    )
    assert complaints() == lone("static_files")


def it_finds_a_font_that_is_gone(well, monkeypatch):
    kept = fonts.kept()
    gone = fonts.Kept([kept.faces[0]._replace(path=Path("/nowhere/a.ttf"))], [])
    monkeypatch.setattr(fonts, "kept", lambda: gone)
    assert complaints() == lone("font_files")


def it_finds_a_file_among_the_fonts_that_is_none(well, monkeypatch):
    monkeypatch.setattr(fonts, "kept", lambda: fonts.Kept([], ["odd.ttf"]))
    assert complaints() == lone("font_files", "warn")


def it_lays_a_pdf_out_in_its_own_fonts():
    assert machine.test_pdf()[0] == "ok"


def it_finds_that_no_pdf_can_be_made(monkeypatch):
    monkeypatch.setattr("weasyprint.HTML.write_pdf", lambda *_given, **_options: 1 / 0)
    assert machine.test_pdf()[:2] == ("fail", "PDFを作れません（ZeroDivisionError）")


def it_finds_that_a_pdf_has_not_its_own_fonts(monkeypatch):
    from weasyprint import CSS
    from weasyprint.text.fonts import FontConfiguration

    others = FontConfiguration(), CSS(string="body { font-family: serif }")
    monkeypatch.setattr("billing.documents.pdf.style", lambda _version: others)
    assert machine.test_pdf()[:2] == ("fail", "PDFに決まったフォントが使われません")


def it_finds_a_mail_server_that_does_not_answer(well, settings):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings.EMAIL_HOST, settings.EMAIL_PORT = taken.getsockname()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    assert complaints() == lone("mail_server")


def it_finds_nothing_wrong_with_a_mail_server_that_answers(well, sink):
    assert complaints() == {}


def it_finds_a_mail_server_that_takes_no_password(well, sink, settings):
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "portal", "wrong"
    assert complaints() == lone("mail_server")


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
