"""Tries a backup out in a database of its own, which goes again: rows, sums, guards, files' hashes, and whether the key fits."""

import os
import tempfile
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError
from django.db import ProgrammingError, connection

from billing.management import backups
from billing.management.base import CONFIGURATION, INCOMPLETE, OperatorCommand
from portal.db import roles


class Command(OperatorCommand):
    help = "バックアップを一時的なデータベースに戻して確かめます（CREATEDB の権限が必要です）。"

    def add_arguments(self, parser):
        parser.add_argument("file", type=Path)

    def work(self, **options):
        with tempfile.TemporaryDirectory(dir=settings.DATA) as folder, backups.opened(options["file"], folder) as found:
            facts, dumped, key = found
            told = self.tried(facts, dumped)
        if facts["key"] != backups.key_hash() and not key:
            told.append("SECRET_KEY がバックアップのときと違います")
        for line in told:
            self.say(f"× {line}")
        documents, total = facts["sums"]["documents"]
        self.say(
            f"{options['file']}: 請求 {documents:,} 件（合計 {total:,}円）、{'違い ' + str(len(told)) + ' 件' if told else '異常なし'}"
        )
        return INCOMPLETE if told else None

    def tried(self, facts, dumped):
        """What is otherwise than the backup says, each in a line."""
        name = connection.settings_dict["NAME"]
        scratch = f"{name}_verify_{os.getpid()}"
        with connection.creation._nodb_cursor() as cursor:  # type: ignore[attr-defined]
            try:
                cursor.execute(f'CREATE DATABASE "{scratch}" TEMPLATE template0')
            except ProgrammingError as error:
                if getattr(error.__cause__, "sqlstate", None) != roles.NOT_ALLOWED:
                    raise
                raise CommandError(
                    "確かめるための一時的なデータベースを作る権限がありません。PostgreSQLのスーパーユーザで"
                    f" psql -d {name} -f deploy/roles.sql を実行してから、もう一度 verify_backup を実行してください。",
                    returncode=CONFIGURATION,
                ) from None
            connection.close()
            connection.settings_dict["NAME"] = scratch
            try:
                backups.run("pg_restore", "--single-transaction", "--exit-on-error", "--no-owner", str(dumped))
                odd = [f"{number}: PDFのハッシュが違います" for number in backups.odd_pdfs()]
                return backups.differences(facts) + odd
            finally:
                connection.close()
                connection.settings_dict["NAME"] = name
                cursor.execute(f'DROP DATABASE "{scratch}"')
