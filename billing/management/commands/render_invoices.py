"""Renders, here and now, the PDFs that are missing; parked ones get another try."""

from billing.documents.rendering import render_waiting
from billing.management.base import INCOMPLETE, OperatorCommand


class Command(OperatorCommand):
    help = "未作成の請求書PDFを作成します（保留のものも再試行します）。"

    def work(self, **options):
        done = failed = 0
        for invoice, stored in render_waiting():
            done += stored
            failed += not stored
            if not stored:
                self.say(f"  作成できません {invoice.number}: {invoice.rendering.error}")
        self.say(f"PDF {done} 件を作成、{failed} 件は失敗")
        return INCOMPLETE if failed else None
