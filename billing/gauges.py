"""What /metrics and `doctor` measure, read from the database, so that any number of processes says the same.

Each is one statement whose cost doesn't grow with the years.
"""

from datetime import timedelta

from django.db import connection
from django.db.models import Max, Q
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateWorker

from billing.documents import rendering
from billing.models import Invoice, MonthRun, Parked
from portal import mail, months
from portal.models import CalendarDay, Installation, Mail, Vendor

LANES = ("mail", rendering.QUEUE, "sweep")
NEVER = float("inf")
LATE = timedelta(minutes=15)  # a mail that is due waits for a sweep a minute, and for those before it
SILENT = timedelta(minutes=1)  # after which a worker counts as dead

# By the index of waiting jobs of a queue; a job that waits for its next try counts from then.
OLDEST = """
    SELECT lane, coalesce(extract(epoch FROM now() - (
        SELECT greatest(max(event.at), job.scheduled_at) FROM procrastinate_events event
        WHERE event.job_id = job.id AND event.type = 'deferred'
    )), 0)
    FROM unnest(%s::text[]) AS lane LEFT JOIN LATERAL (
        SELECT id, scheduled_at FROM procrastinate_jobs
        WHERE queue_name = lane AND status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= now())
        ORDER BY id LIMIT 1
    ) AS job ON true
"""


def oldest_jobs():
    """{lane: seconds that its oldest waiting job waits}; 0 where none does."""
    with connection.cursor() as cursor:
        cursor.execute(OLDEST, [list(LANES)])
        return {lane: max(0.0, float(seconds)) for lane, seconds in cursor.fetchall()}


def living_workers():
    """Workers that gave a sign of life lately."""
    return ProcrastinateWorker.objects.filter(last_heartbeat__gt=timezone.now() - SILENT).count()


def overdue_mails():
    """Mails that should have gone a quarter of an hour ago; those that wait for a recipient have a later time."""
    return Mail.objects.filter(state__in=mail.OPEN, due_at__lt=timezone.now() - LATE).count()


def missing_pdfs():
    """Fixed documents of the newest ones that have no PDF yet, those given up too; check_month looks at all of a month."""
    return Invoice.objects.without_pdf(after=Invoice.objects.newest_after()).count()


def parked():
    return Parked.objects.count()


def next_to_close():
    """The month that is to be closed next; None without vendor."""
    vendor = Vendor.objects.first()
    return vendor and max(vendor.first_month, months.add_months(MonthRun.objects.last_closed(), 1))


def days_to_deadline():
    """Days until 確定予定日 of the month that is to be closed next, negative once it is past; None without vendor."""
    month = next_to_close()
    if month is None:
        return None
    due = months.nth_business_day_after(month, **CalendarDay.objects.exceptions())
    return (due - months.today()).days


def since_daily_run():
    """Seconds since `open_month` last ended for all customers."""
    runs = MonthRun.objects.filter(Q(kind=MonthRun.Kind.OPEN), whole=True)
    return seconds_since(runs.aggregate(last=Max("finished_at"))["last"])


def since_backup():
    return seconds_since(Installation.objects.aggregate(last=Max("backed_up_at"))["last"])


def seconds_since(moment):
    return (timezone.now() - moment).total_seconds() if moment else NEVER


def exposition():
    """All of them in the text form of Prometheus."""
    lines = [f'portal_queue_oldest_seconds{{lane="{lane}"}} {told(age)}' for lane, age in oldest_jobs().items()]
    single = {
        "portal_mails_overdue": overdue_mails(),
        "portal_pdfs_missing": missing_pdfs(),
        "portal_parked": parked(),
        "portal_days_to_deadline": days_to_deadline(),
        "portal_last_daily_run_seconds": since_daily_run(),
        "portal_last_backup_seconds": since_backup(),
    }
    lines = ["# TYPE portal_queue_oldest_seconds gauge", *lines]
    for name, value in single.items():
        lines += [f"# TYPE {name} gauge", f"{name} {told(value)}"]
    return "\n".join(lines) + "\n"


def told(value):
    if value is None:
        return "NaN"
    return "+Inf" if value == NEVER else f"{value:.0f}"
