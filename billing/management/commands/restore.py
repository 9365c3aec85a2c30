"""Brings a backup back into a database without tables; `bin/restore FILE` is this. No mail goes out and no job is done before `release_instance`."""

import tempfile
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connection

from billing.management import backups
from billing.management.base import INCOMPLETE, OperatorCommand, WrongUsage
from portal.db import ready, roles
from portal.environment import env


class Command(OperatorCommand):
    help = "バックアップを、表のない空のデータベースに戻します。"
    needs_tables = False

    def add_arguments(self, parser):
        parser.add_argument("file", type=Path)

    def work(self, **options):
        if not ready.without_tables():
            raise WrongUsage("このデータベースには表があります。空のデータベースに戻してください。")
        with tempfile.TemporaryDirectory(dir=settings.DATA) as folder, backups.opened(options["file"], folder) as found:
            facts, dumped, key = found
            # Before the policies and grants that name them, and before anything is in.
            with roles.allowed(connection, "restore"):
                roles.prepare(connection)
            backups.run("pg_restore", "--single-transaction", "--exit-on-error", "--no-owner", str(dumped))
        told = backups.differences(facts)
        call_command("migrate", verbosity=0)
        if key and not env("SECRET_KEY"):
            backups.keep_key(key)
        elif facts["key"] != backups.key_hash():
            told.append(
                "SECRET_KEY がバックアップのときと違います（全員のログインと、送った再設定のURLが無効になります）"
            )
        now = backups.fingerprint()
        for name in sorted(now):
            if facts["settings"].get(name) != now[name]:
                self.say(f"  設定の違い {name}: バックアップ {facts['settings'].get(name)}、ここ {now[name]}")
        for line in told:
            self.say(f"× {line}")
        self.say(
            "戻しました。manage.py doctor で確かめ、ここを本番にするなら manage.py release_instance を実行してください。"
        )
        return INCOMPLETE if told else None
