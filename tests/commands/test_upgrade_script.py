"""`bin/upgrade`: an installed portal becomes the next version and goes back, and what fails leaves the old one working."""

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection
from psycopg.conninfo import make_conninfo

from billing.month import lock
from portal.db import embedded
from tests import make, processes

ROOT = processes.ROOT
MORE = """
from django.db import migrations

class Migration(migrations.Migration):
    dependencies = [("portal", "{before}")]
    operations = [migrations.RunSQL("{sql}")]
"""
pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="an installed portal is upgraded by root"),
    pytest.mark.skipif(not shutil.which("git"), reason="versions are git's, and it isn't installed here"),
]


def git(folder, *arguments):
    done = subprocess.run(
        ["git", "-c", "user.name=x", "-c", "user.email=x@example.net", "-C", folder, *arguments],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def release(repository, tag, sql):
    """One more version, with one more migration."""
    folder = repository / "portal/migrations"
    before = sorted(folder.glob("[0-9]*.py"))[-1].stem
    (folder / f"{int(before[:4]) + 1:04}_{tag}.py").write_text(MORE.format(before=before, sql=sql))
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", tag)
    git(repository, "tag", tag)


class Installed:
    """A portal as docs/install.md leaves it, in a folder of the test and on a copy of its database."""

    def __init__(self, folder):
        self.folder, self.portal, self.backups = folder, folder / "portal", folder / "backups"
        self.repository = folder / "repository"
        for name in git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard").splitlines():
            if (ROOT / name).exists():
                (self.repository / name).parent.mkdir(parents=True, exist_ok=True)
                os.link(ROOT / name, self.repository / name)
        git(self.repository, "init", "-q", "-b", "main")
        git(self.repository, "add", "-A")
        git(self.repository, "commit", "-qm", "v1")
        git(folder, "clone", "-q", self.repository, self.portal)
        (self.portal / ".venv").symlink_to(sys.prefix)
        for made in (self.backups, self.portal / "var"):
            made.mkdir(mode=0o700)
        given = connection.get_connection_params()
        known = {name: given[name] for name in ("user", "password", "host", "port") if given.get(name)}
        settings = processes.here(self.portal / "var") | {"DATABASE_URL": make_conninfo(dbname="upgraded", **known)}
        self.settings = folder / "portal.env"
        self.settings.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))

    def upgrade(self, *arguments):
        """(exit code, all that was said)"""
        programs = f"{embedded.binaries()}:{os.environ['PATH']}"  # pg_dump of the server's version
        environment = {"PATH": programs, "PORTAL_ENV": str(self.settings), "PORTAL_BACKUPS": str(self.backups)}
        done = subprocess.run(
            [self.portal / "bin/upgrade", *arguments], env=environment, cwd="/", check=False, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        return done.returncode, done.stdout

    def version(self):
        return git(self.portal, "rev-parse", "HEAD")

    @contextmanager
    def database(self):
        """Lead this process to the portal's database."""
        former, connection.settings_dict["NAME"] = connection.settings_dict["NAME"], "upgraded"
        try:
            yield
        finally:
            connection.close()
            connection.settings_dict["NAME"] = former

    def ask(self, sql):
        with self.database(), connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchone()[0]


@pytest.fixture
def installed(transactional_db, tmp_path):
    make.cast()
    former = connection.settings_dict["NAME"]
    connection.close()
    with connection.creation._nodb_cursor() as cursor:
        cursor.execute("DROP DATABASE IF EXISTS upgraded")
        cursor.execute(f"CREATE DATABASE upgraded TEMPLATE {former}")
    yield Installed(tmp_path)
    with connection.creation._nodb_cursor() as cursor:
        cursor.execute("DROP DATABASE upgraded WITH (FORCE)")


@pytest.mark.nightly
def it_becomes_the_next_version_and_goes_back(installed):
    release(installed.repository, "v2", "CREATE TABLE of_v2 (id integer)")
    (installed.portal / "var/mine").touch()
    old = installed.version()

    code, said = installed.upgrade("v2")
    assert "切り替えは済みました" in said, said  # doctor misses workers, and whoever sets the portal up
    assert (code, "× の → に従ってください" in said) == (1, True)
    assert installed.version() == git(installed.repository, "rev-parse", "v2")
    assert (installed.portal / "var/mine").exists()
    assert any((installed.portal / "var/static").iterdir())
    assert installed.ask("SELECT count(*) FROM of_v2") == 0
    assert installed.ask("SELECT count(*) FROM accounts_customer") == 2
    assert [path.name for path in installed.backups.iterdir()] == [f"before-{installed.version()[:7]}.tar"]

    code, said = installed.upgrade("--back")
    assert "に戻しました" in said, said
    assert (installed.version(), (installed.portal / "var/mine").exists()) == (old, True)
    assert installed.ask("SELECT count(*) FROM of_v2") == 0


def it_changes_nothing_where_it_refuses_or_fails(installed):
    for arguments, told in {(): "使い方", ("v2",): "版 v2 はありません", ("--back",): "前の版"}.items():
        code, said = installed.upgrade(*arguments)
        assert (code, said.count("\n"), told in said) == (2, 1, True), said

    old = installed.version()
    release(installed.repository, "v2", "CREATE TABLE accounts_customer (id integer)")
    with installed.database(), lock.alone():
        code, said = installed.upgrade("v2")
    assert (code, "別の月次処理が実行中です" in said) == (75, True)
    assert (list(installed.backups.iterdir()), Path(f"{installed.portal}.next").exists()) == ([], False)

    code, said = installed.upgrade("v2")
    assert (code, "「移行」に失敗しました。今までの版がそのまま動いています" in said) == (3, True), said
    assert "Traceback" not in said
    assert (installed.version(), (installed.portal / "var").is_dir()) == (old, True)

    (installed.portal / "README.md").write_text("mine")
    code, said = installed.upgrade("v2")
    assert (code, said.count("\n"), "手で直したファイル" in said) == (2, 1, True), said
    git(installed.portal, "checkout", "-q", "README.md")
    git(installed.repository, "tag", "-f", "v2", "v2~1")
    code, said = installed.upgrade("v2")
    assert "would clobber existing tag" in said, said
    assert (code, "「版 v2 の取得」に失敗しました" in said) == (1, True)
