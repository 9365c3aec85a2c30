"""A database that was restored or copied sends nothing, does no job, and says so, until `release_instance`."""

import pytest
from django.core import mail as outbox
from django.core.management import CommandError, call_command
from django.db import connection
from procrastinate.contrib.django.models import ProcrastinateJob

from billing.models import InvoicePdf
from portal import installation, tasks
from portal.models import Installation, Mail
from tests import make, processes

COPIES = ("system", "database", "table", "address")


@pytest.fixture
def waiting(cast, web):
    """Somebody waits for a mail in a database that was marked."""
    web.post("/password/reset/", {"email": "taro@example.com"})
    assert installation.at_home()
    return Mail.objects.get()


def copied(of="database"):
    """As a copy has it: what it brought along names another place."""
    found = Installation.objects.get()
    found.mark[of] = "elsewhere"
    found.save()


def it_marks_a_new_database_at_the_first_look(cast, settings):
    assert not Installation.objects.exists()
    assert installation.at_home()
    assert Installation.objects.get().mark["address"] == settings.PORTAL_URL
    assert installation.at_home()


@pytest.mark.parametrize("of", COPIES)
def it_sends_nothing_from_a_copy(waiting, of):
    copied(of)
    tasks.deliver.func(waiting.pk)
    tasks.sweep.func()
    assert tasks.send_due() == 1
    waiting.refresh_from_db()
    assert (waiting.state, waiting.tries, outbox.outbox) == ("waiting", 0, [])


def it_sends_nothing_under_another_address(waiting, settings):
    settings.PORTAL_URL = "https://try-out.example.com"
    tasks.deliver.func(waiting.pk)
    assert outbox.outbox == []


def it_gives_no_jobs_that_would_do_nothing(waiting, empty_queue):
    copied()
    tasks.sweep.func()
    assert not empty_queue.exists()


@pytest.fixture
def empty_queue(waiting):
    processes.empty_queue()
    return ProcrastinateJob.objects.filter(task_name="portal.deliver")


def it_does_no_job_in_a_copy_before_it_is_released(transactional_db, tmp_path):
    """Real workers: one that only looks ends at once, the other waits, and begins when an operator says so."""
    make.cast()
    make.close_month()
    environment = processes.here(tmp_path)
    assert processes.run("release_instance", **environment)[0] == 0
    copied()
    code, _said, complained = processes.run("procrastinate", "worker", "--one-shot", **environment)
    assert (code, "no job is done before release_instance" in complained) == (0, True)
    worker = processes.start("procrastinate", "worker", **environment)
    try:
        processes.wait_until(lambda: "no job is done" in worker.stderr.readline())
        assert (InvoicePdf.objects.count(), ProcrastinateJob.objects.filter(status="todo").exists()) == (0, True)
        assert processes.run("release_instance", **environment)[0] == 0
        processes.wait_until(lambda: InvoicePdf.objects.count() == 2)
    finally:
        worker.terminate()
        processes.finish(worker)
        processes.empty_queue()


def it_refuses_send_mail_and_says_what_to_do(waiting):
    copied()
    with pytest.raises(CommandError, match="release_instance") as refused:
        call_command("send_mail")
    assert refused.value.returncode == 3
    assert outbox.outbox == []


def it_sends_again_once_it_was_released(waiting, empty_queue, capsys, settings):
    copied()
    call_command("release_instance")
    assert f"{settings.PORTAL_URL} のものとして登録しました。送信待ちのメール 1 件" in capsys.readouterr().out
    tasks.sweep.func()
    assert empty_queue.count() == 1
    call_command("send_mail")
    assert [mail.to for mail in outbox.outbox] == [["taro@example.com"]]


def it_changes_nothing_at_home(waiting, capsys):
    before = Installation.objects.get().mark
    call_command("release_instance")
    assert capsys.readouterr().out == "このデータベースは、すでにこの場所のものです。\n"
    assert Installation.objects.get().mark == before


def it_withholds_notices_from_before_the_restore_when_told_so(waiting, capsys):
    Mail.objects.create(key="notice", kind="invoice_fixed", customer=waiting.customer, due_at=waiting.due_at)
    copied()
    call_command("release_instance", "--no-mail-before", "2999-01-01T00:00")
    assert Mail.objects.get(key="notice").state == "failed"
    assert Mail.objects.get(pk=waiting.pk).state == "waiting"


def it_gives_a_real_copy_another_mark(transactional_db, cast):
    """CREATE DATABASE … TEMPLATE and a dump into the same database: what differs is the database's, or the table's, number."""
    mine = installation.mark_here()
    name = connection.settings_dict["NAME"]
    with connection.creation._nodb_cursor() as cursor:
        connection.close()
        cursor.execute(f"DROP DATABASE IF EXISTS {name}_copy")
        cursor.execute(f"CREATE DATABASE {name}_copy TEMPLATE {name}")
        connection.settings_dict["NAME"] = f"{name}_copy"
        try:
            copy = installation.mark_here()
            connection.cursor().execute("ALTER TABLE portal_installation RENAME TO old")
            connection.cursor().execute("CREATE TABLE portal_installation (LIKE old)")
            restored = installation.mark_here()
        finally:
            connection.close()
            connection.settings_dict["NAME"] = name
            cursor.execute(f"DROP DATABASE {name}_copy")
    assert {part for part in COPIES if mine[part] != copy[part]} == {"database"}
    assert {part for part in COPIES if copy[part] != restored[part]} == {"table"}


def it_can_be_asked_by_an_owner_who_is_no_superuser(db):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT proacl IS NULL OR has_function_privilege('public', oid, 'EXECUTE') FROM pg_proc WHERE proname = 'pg_control_system'"
        )
        assert cursor.fetchone() == (True,)


def it_tells_staff_on_every_page(cast, client, monkeypatch):
    client.force_login(cast.staff)
    said = "ほかの場所から復元または複製されたものです"
    assert said not in client.get("/admin/").content.decode()
    installation.at_home()
    copied()
    monkeypatch.setattr(installation, "watched", {})
    assert installation.watch() is False
    for page in ("/admin/", "/admin/accounts/customer/"):
        assert said in client.get(page).content.decode()
    assert said not in client.get("/login/").content.decode()
