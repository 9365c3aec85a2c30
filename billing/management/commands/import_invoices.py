"""Takes in the invoices that an old system sent, with their PDFs."""

from pathlib import Path

from billing.documents import given
from billing.imports import INVOICES
from billing.management.base import WrongUsage, readable
from billing.management.imports import ImportCommand


class Command(ImportCommand):
    help = (
        "過去の請求書を、invoices.csv とPDFの入ったフォルダかZIPから取り込みます。1件でも誤りがあれば何も取り込みません。"
        "PDFはそのまま保存し、メールは送りません。"
    )
    kind = INVOICES

    def add_arguments(self, parser):
        super().add_arguments(parser)
        next(each for each in parser._actions if each.dest == "file").metavar = "FOLDER_OR_ZIP"

    def work(self, **options):
        path = Path(options["file"]).resolve()
        try:
            with given.opened(path) as self.documents:
                return super().work(**{**options, "file": path})
        except given.Unusable as unusable:
            raise WrongUsage(f"{readable(str(path))}: {unusable}") from None

    def content(self, path):
        return self.documents.table

    def more(self, options):
        return {"documents": self.documents}
