"""Adds the terms and orders that should exist; safe to run daily and after any pause."""

from collections import Counter

from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection, transaction

from accounts.models import Customer
from billing.close import BATCH, SERVER_TROUBLE, Refused, refresh
from billing.management.operator import INCOMPLETE, OperatorCommand, month, need_vendor
from contracts.services import add_terms
from orders.services import add_orders
from portal import months


class Command(OperatorCommand):
    help = "契約を更新し、不足している契約期間と注文を作ります（何度実行しても同じ結果です）。"

    def add_arguments(self, parser):
        parser.add_argument("--month", help="この月まで（YYYY-MM、既定は当月）")

    def work(self, **options):
        need_vendor()
        running = months.month_of(months.today())
        until = month(options["month"]) if options["month"] is not None else running
        if until > running:
            raise Refused(f"{months.format_month(until)} はまだ始まっていません。")
        # Up to today in the running month: a contract that starts later this month gets its order on its first day.
        last = months.today() if until == running else months.last_day(until)
        customers = list(Customer.objects.order_by("pk").values_list("pk", flat=True))
        made, bad = Counter(), {}
        for start in range(0, len(customers), BATCH):
            renew(customers[start : start + BATCH], last, made, bad)
        refresh("ANALYZE")
        self.say(
            f"{months.format_month(until)} まで更新しました: 契約期間 {made['terms']} 件、注文 {made['orders']} 件を追加"
        )
        for customer in Customer.objects.filter(pk__in=bad).order_by("number"):
            self.say(f"  更新できません {customer.number}: {bad[customer.pk]}")
        return INCOMPLETE if bad else None


def renew(batch, last, made, bad):
    """One transaction for the batch; if it fails, its halves, down to the one customer that goes to `bad` with its error.

    `made` counts what was added. A database that is full or gone is nobody's fault, and ends the run.
    """
    try:
        with transaction.atomic():
            Customer.objects.lock(batch)
            added = {"terms": add_terms(batch, until=last), "orders": add_orders(batch)}
            connection.check_constraints()
    except (ValidationError, DatabaseError, ValueError, ArithmeticError, LookupError) as error:
        state = getattr(error.__cause__, "sqlstate", None) or ""
        if isinstance(error, DatabaseError) and (state[:2] in SERVER_TROUBLE or not connection.is_usable()):
            raise
        if len(batch) > 1:
            middle = len(batch) // 2
            renew(batch[:middle], last, made, bad)
            renew(batch[middle:], last, made, bad)
        else:
            bad[batch[0]] = " ".join(error.messages) if isinstance(error, ValidationError) else str(error).strip()
    else:
        made.update(added)
