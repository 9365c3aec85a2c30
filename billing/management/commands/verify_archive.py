"""Compares all stored documents with what was stored and with their rows; changes nothing."""

from billing.documents.verification import verify
from billing.management.base import INCOMPLETE, OperatorCommand
from billing.models import Invoice

TOLD_EACH = 1000  # documents


class Command(OperatorCommand):
    help = "保存した請求書のPDFとXMLをすべて照合します（SHA-256、ファイル自身の請求番号、日付、合計、税区分ごとの金額）。相違や欠落があれば終了コード1です。"

    def work(self, **options):
        checked = wrong = unread = xml = 0
        for found in verify():
            checked += 1
            wrong += bool(found.faults)
            unread += not found.read
            xml += found.is_xml
            if found.faults:
                self.say(f"  × {found.number}（{found.customer}）: {'、'.join(found.faults)}")
            if checked % TOLD_EACH == 0:
                self.say(f"  {checked:,}件を照合")
        missing = 0
        for number in Invoice.objects.without_pdf().order_by("number").values_list("number", flat=True).iterator():
            missing += 1
            self.say(f"  × {number}: 確定していますが、PDFがありません")
        files = f"PDF {checked - xml:,}件" + (f"とXML {xml:,}件" if xml else "")
        self.say(f"{files}を照合: 一致 {checked - wrong:,}件、相違 {wrong:,}件、PDFのない書類 {missing:,}件")
        if unread:
            self.say(f"移行した{unread:,}件は、SHA-256だけを照合しました。")
        return INCOMPLETE if wrong or missing else None
