"""Takes contracts with their lines and prices in from a CSV file; orders follow at once, the drafts by the next job or run."""

from accounts.models import Customer
from billing.management.imports import ImportCommand
from billing.services import defer_catch_up
from orders.imports import CONTRACTS


class Command(ImportCommand):
    help = (
        "契約（明細・従量料金）をCSVから取り込みます。1行でも誤りがあれば何も取り込みません。注文はすぐに作られます。"
    )
    kind = CONTRACTS

    def add_arguments(self, parser):
        super().add_arguments(parser)
        parser.add_argument("--charge-past", action="store_true", help="締めた月の分も請求します（過去分も請求する）")

    def more(self, options):
        return {"charge_past": options["charge_past"]}

    def after(self, report, check_lock):
        """The provisional invoices of those concerned."""
        if report.owners:
            defer_catch_up(*Customer.objects.filter(number__in=report.owners).only("number"))
