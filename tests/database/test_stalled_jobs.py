"""What dead workers left: each job goes on by itself, and once its work is done no trace of the failure stays."""

import json
from datetime import timedelta

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from billing import tasks as billing_tasks
from billing.documents.rendering import render_waiting
from billing.models import Invoice, InvoicePdf, Rendering
from portal import tasks
from portal.models import Mail
from tests import make, processes


@pytest.fixture(autouse=True)
def empty_queue(db):
    processes.empty_queue()


def leave(task, status, queueing_lock=None, **arguments):
    """A job as a dead worker leaves it (doing), or as one that raised (failed)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, status, queueing_lock, args)"
            " VALUES ('sweep', %s, %s, %s, %s) RETURNING id",
            [task, status, queueing_lock, json.dumps(arguments)],
        )
        return cursor.fetchone()[0]


def states(task):
    return sorted(ProcrastinateJob.objects.filter(task_name=task).values_list("status", flat=True))


def it_puts_back_what_stands_behind_two_sweeps_of_one_lock():
    for _each in range(2):
        leave("billing.sweep", "doing", "billing.sweep")
    leave("billing.catch_up", "doing", numbers=["C0000001"])
    tasks.retry_stalled_jobs()
    assert states("billing.sweep") == ["todo"]
    assert states("billing.catch_up") == ["todo"]


def it_puts_back_what_stands_behind_a_sweep_that_waits_already():
    leave("portal.sweep", "todo", "portal.sweep")
    leave("portal.sweep", "doing", "portal.sweep")
    leave("billing.catch_up", "doing", numbers=["C0000001"])
    tasks.retry_stalled_jobs()
    assert states("portal.sweep") == ["todo"]
    assert states("billing.catch_up") == ["todo"]


def it_forgets_that_a_mail_failed_once_nobody_need_send_it(cast):
    sent = Mail.objects.create(key="sent", kind="inquiry", state="sent", due_at=timezone.now())
    waiting = Mail.objects.create(
        key="waiting", kind="inquiry", state="waiting", due_at=timezone.now() + timedelta(days=1)
    )
    for mail in (sent, waiting):
        leave("portal.deliver", "failed", mail_id=mail.pk)
    leave("portal.sweep", "failed", "portal.sweep", timestamp=1)
    tasks.sweep.func()
    left = ProcrastinateJob.objects.filter(status="failed").values_list("task_name", "args")
    assert list(left) == [("portal.deliver", {"mail_id": waiting.pk})]


def it_forgets_that_a_rendering_failed_once_every_pdf_is_there_or_parked(cast):
    make.close_month()
    processes.empty_queue()
    first, second = Invoice.objects.order_by("pk")
    leave("billing.render", "failed", invoices=[first.pk, second.pk])
    billing_tasks.forget_failed_renderings()
    assert states("billing.render") == ["failed"]
    list(render_waiting(Invoice.objects.filter(pk=first.pk)))
    Rendering.objects.create(invoice=second, customer=second.customer, tries=3, error="x", parked_at=timezone.now())
    leave("billing.sweep", "failed", "billing.sweep", timestamp=1)
    billing_tasks.sweep.func()
    assert states("billing.render") == states("billing.sweep") == []


def it_forgets_that_catching_up_failed_once_it_went_through(transactional_db):
    processes.empty_queue()
    make.cast()
    leave("billing.catch_up", "failed", numbers=["C0000001"])
    leave("billing.catch_up", "failed", numbers=["C0000002"], decided=True)
    leave("billing.catch_up", "failed", numbers=None)
    billing_tasks.catch_up.func(numbers=["C0000001", "C0000002"])
    left = ProcrastinateJob.objects.filter(task_name="billing.catch_up", status="failed").values_list("args", flat=True)
    assert sorted(map(str, left)) == sorted(map(str, [{"numbers": None}, {"decided": True, "numbers": ["C0000002"]}]))
    billing_tasks.catch_up.func(numbers=["C0000002"], decided=True)
    billing_tasks.catch_up.func(numbers=None)
    assert states("billing.catch_up") == []


@time_machine.travel("2026-05-08T03:00Z")
def it_forgets_that_catching_up_failed_once_the_daily_run_drafted_everybody(cast):
    leave("billing.catch_up", "failed", numbers=["C0000001"])
    call_command("open_month", "2026-05")  # one month only
    assert states("billing.catch_up") == ["failed"]
    call_command("open_month")
    assert states("billing.catch_up") == []


def it_looks_for_left_over_renderings_among_the_newest_each_minute_and_among_all_each_hour(cast, monkeypatch):
    monkeypatch.setattr("billing.models.invoices.NEWEST", 1)
    make.close_month()
    processes.empty_queue()
    older, newest = Invoice.objects.order_by("pk")
    billing_tasks.sweep.func()
    assert list(InvoicePdf.objects.values_list("invoice", flat=True)) == [newest.pk]
    billing_tasks.sweep_all.func()
    assert InvoicePdf.objects.filter(invoice=older).exists()


def it_reads_neither_documents_nor_pdfs_of_before_for_the_newest(db):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")  # it would tell the same condition twice
    plan = Invoice.objects.renderable(after=70).explain()
    assert plan.count("> 70)") == 2 and "Seq Scan on billing_invoice" not in plan, plan
