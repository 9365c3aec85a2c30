"""Adds the terms and orders that should exist; safe to run daily and after any pause."""

from accounts.models import Customer
from billing.management.base import INCOMPLETE, OperatorCommand, month, need_vendor
from billing.month import batches
from billing.month.close import Refused, refresh
from orders import services
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
        last = months.last_day(until)
        customers = list(Customer.objects.order_by("pk").values_list("pk", flat=True))
        bad, made = {}, []
        for batch in batches.split(customers):
            made += batches.attempt(batch, lambda part: renew(part, last), lambda part, why: bad.update({part[0]: why}))
        refresh("ANALYZE")
        terms, orders = (sum(column) for column in zip(*made, strict=True)) if made else (0, 0)
        self.say(f"{months.format_month(until)} まで更新しました: 契約期間 {terms} 件、注文 {orders} 件を追加")
        for customer in Customer.objects.filter(pk__in=bad).order_by("number"):
            self.say(f"  更新できません {customer.number}: {bad[customer.pk]}")
        return INCOMPLETE if bad else None


def renew(batch, last):
    """(terms, orders) that were added."""
    batches.limit_waiting()
    Customer.objects.lock(batch)
    done = services.renew(batch, until=last, today=months.today())
    return done.terms, done.orders
