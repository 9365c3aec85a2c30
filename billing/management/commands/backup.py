"""Writes a backup of the whole portal into one file, while it goes on working; `bin/backup FILE` is this."""

from pathlib import Path

from django.core.management import call_command

from billing.management import backups
from billing.management.base import OperatorCommand


class Command(OperatorCommand):
    help = "データベースと、データフォルダの SECRET_KEY を、1つのファイルに写します。"

    def add_arguments(self, parser):
        parser.add_argument("file", type=Path)

    def work(self, **options):
        facts = backups.write(options["file"])
        call_command("note_backup", stdout=self.stdout)
        documents, total = facts["sums"]["documents"]
        self.say(f"{options['file']}: 請求 {documents:,} 件（合計 {total:,}円）、表 {len(facts['rows'])} 個")
