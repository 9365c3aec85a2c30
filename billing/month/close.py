"""The month-end close (月末締め), and the same run without fixing: what is done with each batch of customers."""

from collections import defaultdict
from collections.abc import Callable
from contextlib import nullcontext
from datetime import date
from functools import partial
from typing import Any

from django.db import OperationalError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Customer
from billing.documents import rendering
from billing.models import FIXED_SQL, OF_MONTH, OF_MONTH_SQL, Invoice, MonthRun, Parked
from billing.month import batches, drafts, due, parking, required
from billing.month.kept import FREEZE, frozen, settings_of
from billing.month.lock import CheckLock
from orders.services import renew
from orders.usage import recharge_other_rates
from portal import months
from portal.db.ids import Ids
from portal.models import Vendor

Numbers = list[str] | None  # of customers; None: of all
Progress = Callable[[int, int], None]

SIZEABLE_CUSTOMERS = 500  # what fewer of them add doesn't make the planner's view wrong
WRITTEN = [
    "contracts_term",
    "orders_order",
    "orders_orderline",
    "billing_invoice",
    "billing_invoiceline",
    "billing_taxtotal",
]

NEGATIVE = "EXISTS (SELECT FROM billing_taxtotal t WHERE t.invoice_id = i.id AND t.base < 0)"


class Refused(Exception):
    """This month can't be run; the text says why and what to do."""


class Undo(Exception):
    """Ends a dry run."""


def check_closable(month: date, today: date) -> None:
    """Raises Refused unless the month is over (Asia/Tokyo), not before 運用開始年月, and its predecessor was run (D22)."""
    first = Vendor.objects.settings().first_month
    name = months.format_month(month)
    if not months.is_over(month, today):
        raise Refused(_("%(month)s はまだ終わっていません。翌月1日以降に実行してください。") % {"month": name})
    if month < first:
        raise Refused(
            _("%(month)s は運用開始年月 %(first)s より前です。") % {"month": name, "first": months.format_month(first)}
        )
    before = months.add_months(month, -1)
    if month > first and MonthRun.objects.last_closed() < before:
        raise Refused(
            _("前月 %(before)s の締めがまだです。先に close_month %(before)s を実行してください。")
            % {"before": months.format_month(before)}
        )


def run(
    month: date,
    *,
    kind: str,
    today: date,
    numbers: Numbers = None,
    retry_failed: bool = False,
    dry_run: bool = False,
    jobs: int = 1,
    progress: Progress = lambda done, total: None,
    check_lock: CheckLock = lambda: None,
) -> MonthRun:
    """Draft (`MonthRun.Kind.OPEN`) or fix (`CLOSE`) the month for all customers, or those given; returns the MonthRun.

    What is done already stays as it is, so a run can be repeated after anything. A dry run does the same, by one job, and
    rolls all of it back. `jobs` batches at a time, each after `check_lock`; `progress` is told how many customers are
    through. Raises Refused.
    """
    fix = kind == MonthRun.Kind.CLOSE
    if fix:
        check_closable(month, today)
    whole = numbers is None and not retry_failed
    made = MonthRun(month=month, kind=kind, as_of=today, whole=whole, settings=settings_of(month))
    try:
        with transaction.atomic() if dry_run else nullcontext():
            if fix or whole:
                made.save()
            parking.carry_over(month)
            todo = customers_to_run(month, numbers, retry_failed, fix)
            closed = MonthRun.objects.last_closed()
            act = partial(run_batch, month=month, closed=closed, today=today, fix=fix, check_lock=check_lock)
            run_batches(todo, act, jobs=1 if dry_run else jobs, progress=progress)
            count_results(made, numbers)
            # A part of the customers closes nothing: the next month may begin only after a run over all of them.
            made.finished_at = timezone.now() if whole or not fix else None
            if made.pk:
                made.save()
            if dry_run:
                raise Undo
    except Undo:
        made.pk = None
    if len(todo) >= SIZEABLE_CUSTOMERS and not connection.in_atomic_block:
        # A dry run leaves as many dead rows as it made; otherwise only the planner's view is out of date.
        refresh("VACUUM (ANALYZE)" if dry_run else "ANALYZE")
    return made


def run_batches(customers: list[int], act: Callable[[list[int]], Any], *, jobs: int, progress: Progress) -> None:
    """`act` on all these customers (ids), `jobs` batches at a time; `progress` is told how many are through, of how many."""
    through = 0
    for place, size in enumerate(batches.side_by_side(batches.split(customers), jobs, act), 1):
        through += size
        progress(through, len(customers))
        # After 1, 2, 4, 8 … batches: tables that grow make old plans wrong.
        if place & (place - 1) == 0 and len(customers) >= SIZEABLE_CUSTOMERS:
            refresh("ANALYZE")


def run_batch(batch: list[int], *, month: date, closed: date, today: date, fix: bool, check_lock: CheckLock) -> None:
    """The month of one batch; whoever can't be run is parked. Raises Lost before it begins, if the lock is gone.

    A draft of a closed month is of somebody who is parked in it, and stays so with the reason that the close gave.
    """
    check_lock()
    batches.attempt(
        batch,
        lambda part: work(Ids(part), month, closed, today, fix),
        lambda part, reason: park_within_patience(part, month, reason) if fix or month > closed else None,
    )


def retry_parked(
    today: date, numbers: Numbers = None, decided: bool = False, check_lock: CheckLock = lambda: None
) -> list[str]:
    """Close again what is parked in months that were run, of these customers or of all, earlier months first.

    What waits for a person's decision (D9) only if somebody `decided`. Returns the numbers of the customers concerned.
    """
    parked = Parked.objects.filter(month__lte=MonthRun.objects.last_closed())
    if not decided:
        parked = parked.exclude(customer__in=Parked.objects.filter(by_person=True).values("customer"))
    if numbers is not None:
        parked = parked.filter(customer__number__in=numbers)
    found = list(parked.order_by("month").values_list("month", "customer__number"))
    concerned = sorted({number for _month, number in found})
    for month in dict.fromkeys(month for month, _number in found):
        run(
            month,
            kind=MonthRun.Kind.CLOSE,
            today=today,
            numbers=concerned,
            retry_failed=True,
            check_lock=check_lock,
        )
    return concerned


def draft_unclosed_months(
    today: date,
    numbers: Numbers = None,
    tell: Callable[[MonthRun], Any] = lambda made: None,
    check_lock: CheckLock = lambda: None,
) -> int:
    """Draft every month from the one after the last close to the running one; returns how many stay parked.

    What is parked in closed months is drafted too, so that whoever decides sees what the month comes to by now.
    """
    first, closed = Vendor.objects.settings().first_month, MonthRun.objects.last_closed()
    for month, concerned in waiting_months(closed, numbers):
        run(month, kind=MonthRun.Kind.OPEN, today=today, numbers=concerned, check_lock=check_lock)
    parked = 0
    for month in months.months_between(max(first, months.add_months(closed, 1)), months.month_of(today)):
        made = run(month, kind=MonthRun.Kind.OPEN, today=today, numbers=numbers, check_lock=check_lock)
        parked += made.parked
        tell(made)
    return parked


def waiting_months(closed: date, numbers: Numbers) -> list[tuple[date, list[str]]]:
    """(month, numbers of the customers) of closed months that wait for some customers, earlier months first."""
    parked = Parked.objects.filter(month__lte=closed)
    drafted = Invoice.objects.drafts().filter(month__lte=closed, kind__in=OF_MONTH)
    if numbers is not None:
        parked, drafted = (rows.filter(customer__number__in=numbers) for rows in (parked, drafted))
    found = defaultdict(list)
    for month, number in sorted(
        {*parked.values_list("month", "customer__number"), *drafted.values_list("month", "customer__number")}
    ):
        found[month].append(number)
    return list(found.items())


def customers_to_run(month: date, numbers: Numbers, retry_failed: bool, fix: bool) -> list[int]:
    """Ids of the customers without a finished invoice for the month, in order; nobody's is fixed before a parked earlier one."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT c.id FROM accounts_customer c
            WHERE NOT EXISTS (
                SELECT FROM billing_invoice i WHERE i.customer_id = c.id AND i.month = %(month)s AND {FIXED_SQL}
            )
            AND NOT (%(fix)s AND EXISTS (SELECT FROM billing_parked p WHERE p.customer_id = c.id AND p.month < %(month)s))
            AND (%(numbers)s::text[] IS NULL OR c.number = ANY(%(numbers)s))
            AND (NOT %(parked)s OR EXISTS (SELECT FROM billing_parked p WHERE p.customer_id = c.id AND p.month = %(month)s))
            ORDER BY c.id
            """,
            {"month": month, "numbers": numbers, "parked": retry_failed, "fix": fix},
        )
        return [row[0] for row in cursor.fetchall()]


def park_within_patience(customers: list[int], month: date, reason: str) -> None:
    """Who is held so tightly that not even the note can be written stays open; the count at the end tells (exit 1)."""
    try:
        with transaction.atomic():
            batches.limit_waiting()
            parking.park(customers, month, reason)
            connection.check_constraints()
    except OperationalError:
        if not connection.is_usable():
            raise


def work(batch: Ids, month: date, closed: date, today: date, fix: bool) -> None:
    """Lock, renew, order, draft, and fix when asked."""
    batches.limit_waiting()
    batches.plan_for_a_batch()
    Customer.objects.lock(batch)
    renew(batch, until=months.last_day(month), today=today)
    recharge_other_rates(batch, today=today)
    drafts.rebuild(batch, month, closed)
    if fix:
        fix_drafts(batch, month, today)
    elif month > closed:
        earlier = Parked.objects.filter(customer__in=batch, month__lt=month).values_list("customer", flat=True)
        parking.unpark(batch, month, but=list(earlier))


def fix_drafts(batch: Ids, month: date, today: date) -> None:
    """Freeze the batch's drafts with addressee, issuer and 支払期日 (D36) as of today, and defer their rendering.

    Where contract lines leave a tax class below 0, nothing is fixed: the customer is parked for a decision (D9). So is who would get
    a 適格請求書 that lacks something; whoever completes it runs the month again.
    """
    given: dict[str, Any] = {"customers": batch, "month": month} | frozen(month, today)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT i.customer_id FROM {drafts.DRAFTS} AND {NEGATIVE}", given)
        negative = [row[0] for row in cursor.fetchall()]
        lacking = required.lacking(cursor, drafts.OF_BATCH, given)
        cursor.execute(
            f"""
            UPDATE billing_invoice i SET {FREEZE}, due_on = d.due_on
            FROM accounts_customer c JOIN {due.DUE} WHERE c.id = i.customer_id
                AND {drafts.OF_BATCH} AND NOT {NEGATIVE} AND i.customer_id <> ALL(%(lacking)s)
            RETURNING i.id
            """,
            given | due.days_due(cursor, given, fixed_on=today) | {"lacking": list(lacking)},
        )
        fixed = sorted(row[0] for row in cursor.fetchall())
    parking.unpark(batch, month, but=[*negative, *lacking])
    rendering.defer(fixed)
    for customer, missing in lacking.items():
        parking.park([customer], month, required.refused(missing))
    if negative:
        parking.park(negative, month, _("請求金額がマイナスです。調整または返還を決めてください。"), by_person=True)


def count_results(made: MonthRun, numbers: Numbers = None) -> None:
    """Count from the rows, not from what the run believes: customers = fixed + skipped + parked, or it doesn't add up.

    With `numbers` those customers only.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT count(*), count(*) FILTER (WHERE done), count(*) FILTER (WHERE parked AND done IS NOT TRUE),
                count(*) FILTER (WHERE done IS NULL AND NOT parked AND NOT owing)
            FROM (
                SELECT i.done,
                    EXISTS (SELECT FROM billing_parked p WHERE p.customer_id = c.id AND p.month = %(month)s) AS parked,
                    EXISTS (SELECT FROM orders_order o WHERE o.customer_id = c.id AND o.month = %(month)s
                        AND o.reversed_on IS NULL AND NOT EXISTS (
                            SELECT FROM billing_invoiceline l WHERE l.order_id = o.id))
                        OR EXISTS (SELECT FROM orders_usage u JOIN orders_usagecharge k ON k.usage_id = u.id
                            WHERE u.customer_id = c.id AND u.month = %(month)s AND k.dropped_on IS NULL AND NOT EXISTS (
                                SELECT FROM billing_invoiceline l WHERE l.usage_charge_id = k.id AND l.origin = 'usage'))
                        AS owing
                FROM accounts_customer c LEFT JOIN (
                    SELECT i.customer_id, bool_or({FIXED_SQL}) AS done FROM billing_invoice i
                    WHERE i.month = %(month)s AND {OF_MONTH_SQL} GROUP BY 1
                ) i ON i.customer_id = c.id
                WHERE %(numbers)s::text[] IS NULL OR c.number = ANY(%(numbers)s)
            ) x
            """,
            {"month": made.month, "numbers": numbers},
        )
        made.expected, made.fixed, made.parked, made.skipped = cursor.fetchone()


def adds_up(made: MonthRun) -> bool:
    return made.expected == made.fixed + made.skipped + made.parked


def refresh(command: str) -> None:
    """Run ANALYZE, or VACUUM (ANALYZE), over the tables that runs write; a small sample is quick and near enough."""
    with connection.cursor() as cursor:
        cursor.execute("SET default_statistics_target = 10")
        cursor.execute(f"{command} {', '.join(WRITTEN)}")
        cursor.execute("RESET default_statistics_target")
