"""A backup is one whole file, made while the portal works; restored elsewhere it is the same, and what is wrong with it is found."""

import io
import json
import os
import subprocess
import tarfile
from contextlib import contextmanager

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from billing.documents.rendering import render_waiting
from billing.management import backups
from billing.models import Invoice
from portal import installation
from portal.db import catalogue, embedded, ready, roles
from portal.models import Installation
from tests import databases, make, processes

# Roles are the whole server's, which all processes of a run share.
PROCESS = os.environ.get("PYTEST_XDIST_WORKER", "tests")
PLAIN, OWNER, LOGIN = f"portal_plain_of_{PROCESS}", f"portal_of_{PROCESS}", f"portal_login_of_guide_of_{PROCESS}"


@pytest.fixture
def portal(transactional_db, settings, tmp_path):
    """April is closed, with its PDFs."""
    settings.DATA = tmp_path
    cast = make.billed_cast()
    assert all(stored for _invoice, stored in render_waiting())
    installation.at_home()
    catalogue.keep(connection)
    yield cast
    processes.empty_queue()


@pytest.fixture
def elsewhere(portal):
    """A database without tables, which commands meet instead of the test's."""
    name = connection.settings_dict["NAME"]
    with connection.creation._nodb_cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name}_restored")
        cursor.execute(f"CREATE DATABASE {name}_restored TEMPLATE template0")

        def go():
            connection.close()
            connection.settings_dict["NAME"] = f"{name}_restored"

        yield go
        connection.close()
        connection.settings_dict["NAME"] = name
        cursor.execute(f"DROP DATABASE {name}_restored")


def it_comes_back_whole_elsewhere_and_sends_nothing_there(portal, elsewhere, tmp_path, capsys):
    file = tmp_path / "monday.tar"
    call_command("backup", file)
    assert Installation.objects.get().backed_up_at
    assert file.stat().st_mode & 0o077 == 0
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["monday.tar"]
    before = backups.contents()
    elsewhere()
    call_command("restore", file)
    assert "× " not in capsys.readouterr().out
    after = backups.contents()
    assert {name: count for name, count in after["rows"].items() if count != before["rows"].get(name)} == {}
    assert after == before
    assert (roles.differences(connection), catalogue.changed_triggers(connection)) == ([], [])
    assert not installation.at_home()
    with pytest.raises(CommandError, match="表があります") as refused:
        call_command("restore", file)
    assert refused.value.returncode == 2


def it_is_refused_before_anything_is_in_where_the_roles_cannot_be_made(
    portal, elsewhere, tmp_path, monkeypatch, settings
):
    """As into a database that an administrator made beside the old one, on a server where the owner makes no roles."""
    call_command("backup", tmp_path / "a.tar")
    elsewhere()
    name = connection.settings_dict["NAME"]
    settings.WEB_DATABASE = {"USER": "portal_login", "PASSWORD": "", "OPTIONS": {}}
    with as_a_role_that_makes_nothing():
        with pytest.raises(CommandError, match=rf"psql -d {name} -f deploy/roles\.sql .* restore を") as refused:
            call_command("restore", tmp_path / "a.tar")
        assert refused.value.returncode == 3
        assert ready.without_tables()


@contextmanager
def as_a_role_that_makes_nothing():
    """It may become the web's two, as the owner may, but makes and changes none."""
    own = connection.settings_dict["OPTIONS"]
    with psycopg.connect(**connection.get_connection_params(), autocommit=True) as owner:
        owner.execute(f"CREATE ROLE {PLAIN} IN ROLE portal_web, portal_desk; GRANT {PLAIN} TO CURRENT_USER")
        connection.close()
        connection.settings_dict["OPTIONS"] = {**own, "options": f"-c role={PLAIN}"}
        try:
            yield
        finally:
            connection.close()
            connection.settings_dict["OPTIONS"] = own
            owner.execute(f"DROP ROLE {PLAIN}")


def it_finds_nothing_wrong_with_a_good_one_and_leaves_nothing_behind(portal, tmp_path, capsys):
    call_command("backup", tmp_path / "a.tar")
    call_command("verify_backup", tmp_path / "a.tar")
    assert "異常なし" in capsys.readouterr().out
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_database WHERE datname LIKE '%%verify%%'")
        assert cursor.fetchone() == (0,)


def it_says_what_to_run_where_no_database_can_be_made_to_try_it_in_and_that_helps(
    portal, tmp_path, capsys, monkeypatch
):
    """As an owner of another name, for other tests make databases as the usual one at the same time."""
    if not settings.EMBEDDED:
        pytest.skip("needs the embedded server, of which the tests know the superuser")
    given = connection.get_connection_params()
    names = ["-v", f"owner={OWNER}", "-v", f"web={LOGIN}"]
    psql = [
        embedded.binaries() / "psql",
        "-Xq",
        *names,
        "-h",
        given["host"],
        "-U",
        embedded.ADMIN,
        "-d",
        given["dbname"],
    ]
    call_command("backup", tmp_path / "a.tar")
    subprocess.run([*psql, "-c", f"CREATE ROLE {OWNER} LOGIN IN ROLE {embedded.OWNER}"], check=True)
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "USER", OWNER)
    try:
        with pytest.raises(CommandError, match=r"-f deploy/roles\.sql .* verify_backup を") as refused:
            call_command("verify_backup", tmp_path / "a.tar")
        assert refused.value.returncode == 3
        with databases.one_at_a_time():
            subprocess.run([*psql, "-f", processes.ROOT / "deploy/roles.sql"], check=True)
        call_command("verify_backup", tmp_path / "a.tar")
        assert "異常なし" in capsys.readouterr().out
    finally:
        connection.close()
        monkeypatch.undo()
        back = f"ALTER DATABASE {given['dbname']} OWNER TO {embedded.OWNER}"
        for undo in (back, f"DROP ROLE {OWNER}", f"DROP ROLE IF EXISTS {LOGIN}"):
            subprocess.run([*psql, "-c", undo], check=True)


def changed(file, change):
    """The same backup, of which the facts say something else."""
    with tarfile.open(file) as tar:
        kept = {name: tar.extractfile(name).read() for name in tar.getnames()}
    facts = json.loads(kept[backups.FACTS])
    change(facts)
    kept[backups.FACTS] = json.dumps(facts).encode()
    with tarfile.open(file, "w") as tar:
        for name, content in kept.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def it_finds_what_is_missing_in_one(portal, tmp_path, capsys, settings):
    file = tmp_path / "a.tar"
    call_command("backup", file)
    changed(file, lambda facts: facts["sums"].update(documents=[9, 1]))
    changed(file, lambda facts: facts["guards"]["policies"].update(billing_invoice="other"))
    settings.SECRET_KEY = "another"
    with pytest.raises(SystemExit, match="1"):
        call_command("verify_backup", file)
    said = capsys.readouterr().out
    assert "× sums.documents: バックアップ [9, 1]、ここ [" in said
    assert "× policies: billing_invoice" in said
    assert "× SECRET_KEY がバックアップのときと違います" in said


def it_finds_a_pdf_whose_bytes_were_changed(portal):
    """Three locks have to be broken before there is one."""
    first = Invoice.objects.filter(state="fixed").earliest("pk")
    assert backups.odd_pdfs() == []
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            "ALTER TABLE billing_invoicepdf DROP CONSTRAINT pdf_is_what_was_hashed, DROP CONSTRAINT pdf_is_whole"
        )
        cursor.execute("UPDATE billing_invoicepdf SET content = 'x' WHERE invoice_id = %s", [first.pk])
        assert backups.odd_pdfs() == [first.number]
        transaction.set_rollback(True)


@pytest.mark.parametrize("part", [0.0, 0.5, 0.98])
def it_takes_no_file_that_was_cut_off(portal, tmp_path, part):
    file = tmp_path / "a.tar"
    call_command("backup", file)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(CommandError, match="バックアップとして読めません") as refused:
        call_command("verify_backup", file)
    assert refused.value.returncode == 2


def it_leaves_the_last_good_one_when_it_cannot_write(portal, tmp_path, monkeypatch):
    file = tmp_path / "a.tar"
    call_command("backup", file)
    before = file.read_bytes()
    monkeypatch.setattr(backups, "run", lambda *_given, **_options: raised(OSError(28, "No space left on device")))
    with pytest.raises(CommandError, match="No space left"):
        call_command("backup", file)
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["a.tar"]


def raised(fault):
    raise fault
