"""Deploys, migrations, restores and jumping clocks in the middle of a month's close."""

import os
import re
import signal
import subprocess
from datetime import timedelta

import pytest
import time_machine
from django.core import mail as outbox
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, connections, migrations, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from bench.faults import rows
from billing.documents import pdf
from billing.models import Invoice, MonthRun
from billing.month import batches, close, lock
from portal.db import embedded
from portal.models import Mail
from tests import make
from tests.acting import act

TABLES = ["accounts_customer", *close.WRITTEN]


@pytest.fixture
def clock():
    with time_machine.travel("2026-05-08T03:00Z") as traveller:
        yield traveller


@pytest.fixture(autouse=True)
def own_signals():
    kept = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, kept)


def undisturbed():
    """What the close leaves when nothing happens."""
    with transaction.atomic():
        call_command("close_month", "2026-04")
        found = rows()
        transaction.set_rollback(True)
    return found


def at_second_batch(monkeypatch, act):
    """`act` when the second of two batches has done its work, before its commit."""
    monkeypatch.setattr(batches, "CUSTOMERS_A_BATCH", 1)
    original, seen = close.work, []

    def work(*given):
        original(*given)
        seen.append(given)
        if len(seen) == 2:
            act()

    monkeypatch.setattr(close, "work", work)


def it_goes_on_with_new_columns_after_a_deploy_in_the_middle(cast, clock, monkeypatch):
    golden = undisturbed()
    at_second_batch(monkeypatch, lambda: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(CommandError) as stopped:
        call_command("close_month", "2026-04")
    assert stopped.value.returncode == 143
    assert Invoice.objects.filter(state="fixed").count() == 1
    monkeypatch.undo()
    connection.check_constraints()
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"ALTER TABLE {table} ADD COLUMN of_the_new_version text NULL")
    call_command("close_month", "2026-04")
    assert rows() == golden


def it_renders_a_fixed_invoice_with_the_template_of_its_day(cast, tmp_path, settings, monkeypatch):
    make.close_month()
    invoice = Invoice.objects.get(customer=cast.a)
    before = pdf.render(invoice)
    new = tmp_path / "billing" / "invoice_pdf" / "v99"
    new.mkdir(parents=True)
    (new / "invoice.html").write_text("<p>{{ invoice.number }}</p>")
    (new / "invoice.css").write_text("@page { size: A4 }")
    settings.TEMPLATES = [settings.TEMPLATES[0] | {"DIRS": [tmp_path, *settings.TEMPLATES[0]["DIRS"]]}]
    monkeypatch.setattr("billing.month.kept.LAYOUT", "v99")
    invoice = Invoice.objects.get(customer=cast.a)
    assert pdf.render(invoice) == before
    invoice.template = "v99"
    assert pdf.render(invoice) != before
    with pytest.raises(DatabaseError), transaction.atomic():
        invoice.save()


@pytest.fixture
def unapplied(db, monkeypatch):
    """A migration that is still to be applied: it changes a table that a run and every list read."""
    load = MigrationLoader.load_disk

    def load_one_more(loader):
        load(loader)
        one_more = migrations.Migration("9999_one_more", "billing")
        one_more.dependencies = [max(key for key in loader.disk_migrations if key[0] == "billing")]
        one_more.operations = [migrations.RunSQL("ALTER TABLE billing_invoice ADD COLUMN one_more integer")]
        loader.disk_migrations["billing", one_more.name] = one_more

    monkeypatch.setattr(MigrationLoader, "load_disk", load_one_more)


def it_does_not_migrate_while_a_run_is_active(unapplied):
    with lock.alone(), pytest.raises(CommandError) as refused:
        call_command("migrate", verbosity=0)
    assert refused.value.returncode == 75
    assert "実行中" in str(refused.value)


def it_has_nothing_against_a_run_when_there_is_nothing_to_migrate(db):
    with lock.alone():
        call_command("migrate", verbosity=0)


def it_does_not_begin_a_run_while_somebody_migrates(cast, unapplied, monkeypatch):
    seen = []

    def run(*given, **options):
        with pytest.raises(CommandError) as busy:
            call_command("close_month", "2026-04")
        seen.append(busy.value.returncode)

    monkeypatch.setattr("django.core.management.commands.migrate.Command.handle", run)
    call_command("migrate", verbosity=0)
    assert seen == [75]


def it_does_not_wait_for_ever_for_a_table_that_somebody_uses(transactional_db, unapplied, monkeypatch):
    monkeypatch.setattr("billing.management.commands.migrate.LOCK_SECONDS", 0.2)
    other = connections.create_connection("default")
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:  # as somebody who reads
            cursor.execute("LOCK TABLE billing_invoice IN ACCESS SHARE MODE")
        with pytest.raises(CommandError, match="lock timeout") as refused:
            call_command("migrate", verbosity=0)
        assert refused.value.returncode == 3
    finally:
        other.close()
    assert ("billing", "9999_one_more") not in MigrationRecorder(connection).applied_migrations()


@pytest.mark.parametrize("jump", [timedelta(hours=-1), timedelta(days=1)])
def it_is_one_run_with_one_date_when_the_clock_jumps(cast, clock, monkeypatch, jump):
    golden = undisturbed()
    at_second_batch(monkeypatch, lambda: clock.shift(jump))
    call_command("close_month", "2026-04")
    monkeypatch.undo()
    call_command("close_month", "2026-04")
    assert rows() == golden
    assert set(Invoice.objects.values_list("fixed_on", flat=True)) == {make.IN_MAY}


@pytest.fixture
def restored(transactional_db):
    """Takes a backup by pg_dump when called; `use` then leads this process to a database restored from it."""
    given = connection.get_connection_params()
    flags = {"host": "host", "port": "port", "username": "user"}
    where = [f"--{flag}={given[name]}" for flag, name in flags.items() if given.get(name)]
    environment = {**os.environ, "PGPASSWORD": given.get("password", "")}
    original, copy = connection.settings_dict["NAME"], connection.settings_dict["NAME"] + "_restored"

    def program(name, *arguments, **options):
        return subprocess.run(
            [embedded.binaries() / name, *where, *arguments],
            check=True,
            stdout=subprocess.PIPE,
            env=environment,
            **options,
        ).stdout

    class Backup:
        def take(self):
            # An older server than the one that pg_dump came with doesn't know this setting.
            self.content = re.sub(rb"(?m)^SET transaction_timeout.*$", b"", program("pg_dump", original))

        def use(self):
            connection.close()
            program("createdb", copy)
            program("psql", "--quiet", "--set=ON_ERROR_STOP=1", copy, input=self.content)
            connection.settings_dict["NAME"] = copy

    yield Backup()
    connection.close()
    connection.settings_dict["NAME"] = original
    program("dropdb", "--if-exists", "--force", copy)


def sent():
    return sorted(message.extra_headers["Message-ID"] for message in outbox.outbox)


def it_converges_from_a_backup_taken_in_the_middle(restored, clock, monkeypatch):
    """The backup knows the first customer's invoice only; all mails went out after it, so one may come twice."""
    make.cast()
    at_second_batch(monkeypatch, restored.take)
    call_command("close_month", "2026-04", "--wait")
    call_command("send_mail")
    monkeypatch.undo()
    golden, first = rows(), sent()
    assert len(first) == 2

    restored.use()
    assert Invoice.objects.filter(state="fixed").count() == 1
    assert MonthRun.objects.get().finished_at is None
    call_command("close_month", "2026-04", "--wait")
    call_command("send_mail")
    assert rows() == golden
    assert sent() == sorted(first * 2)


def it_sends_no_notice_from_before_the_restore_when_told_so(cast, clock, web, sign_in):
    call_command("close_month", "2026-04", "--wait")
    web.post("/password/reset/", {"email": "hanako@example.com"})
    clock.shift(60)
    with pytest.raises(SystemExit) as ended:
        call_command("send_mail", "--no-mail-before", "2026-05-08T12:00:30")
    assert ended.value.code == 1
    assert [message.subject for message in outbox.outbox] == ["パスワードリセット確認のお知らせ"]
    notices = Mail.objects.filter(kind="invoice_fixed")
    assert set(notices.values_list("state", "error")) == {("failed", "復元前に作成されたため送信しませんでした")}

    act(sign_in(cast.staff), "/admin/portal/mail/", "send_again", *notices)
    call_command("send_mail", "--no-mail-before", (timezone.now() - timedelta(days=1)).isoformat())
    assert len(outbox.outbox) == 3


def it_refuses_a_moment_that_is_none(cast):
    with pytest.raises(CommandError, match=re.escape("2026-05-08T10:00")) as refused:
        call_command("send_mail", "--no-mail-before", "yesterday")
    assert refused.value.returncode == 2
