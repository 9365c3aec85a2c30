"""Mails beside each other and beside other work: what is urgent overtakes, and nobody sends what somebody is sending."""

import threading
from datetime import date, timedelta

import pytest
import time_machine
from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from billing.models import InvoicePdf
from portal import mail as mails
from portal.models import Mail
from portal.tasks import send_due, sweep
from tests import make, processes

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
NOTICES = 100
IN_JUNE = date(2026, 6, 5)


@pytest.fixture
def waiting(transactional_db):
    """A hundred notices to hanako wait for a worker."""
    cast = make.cast()
    make.close_month()
    processes.empty_queue()
    for number in range(NOTICES):
        mails.queue(Mail.Kind.INVOICE_FIXED, key=f"notice:{number}", customer=cast.a, number="B202604-000001")
    return cast


def jobs():
    return ProcrastinateJob.objects.filter(task_name="portal.deliver", status="todo")


def it_is_not_held_up_by_a_slow_mail_server(waiting, web, sink, settings, tmp_path):
    """A real worker, a server that takes its time: a reset overtakes the notices, and so do the PDFs (F21)."""
    sink.pause = 0.2
    server = f"smtp://127.0.0.1:{settings.EMAIL_PORT}"
    worker = processes.start("procrastinate", "worker", **processes.here(tmp_path) | {"EMAIL_URL": server})
    try:
        processes.wait_until(lambda: len(sink.taken) >= 3)
        web.post("/password/reset/", {"email": "jiro@example.org"})
        make.close_month(make.MAY, today=IN_JUNE)
        asked_at = len(sink.taken)
        processes.wait_until(lambda: InvoicePdf.objects.filter(invoice__month=make.MAY).count() == 2)
        receivers = [address for address, _text in sink.taken]
        assert receivers.index("jiro@example.org") <= asked_at + 2
        assert len(receivers) < NOTICES / 2
    finally:
        worker.terminate()
        processes.finish(worker)


def it_gives_a_job_to_what_is_due_without_one_and_sends_nothing_itself(waiting, sink):
    sweep.func()
    assert jobs().count() == NOTICES
    first = list(Mail.objects.order_by("pk").values_list("pk", flat=True)[:3])
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs WHERE (args->>'mail_id')::bigint = ANY(%s)", [first])
    Mail.objects.filter(pk=first[0]).update(due_at=timezone.now() + timedelta(minutes=5))
    sweep.func()
    assert jobs().count() == NOTICES - 1
    sweep.func()
    assert jobs().count() == NOTICES - 1
    assert sink.taken == []


@pytest.mark.parametrize("jump", [timedelta(days=1), timedelta(hours=-1)])
def it_leaves_a_mail_alone_that_somebody_is_sending_whatever_the_clock_says(waiting, sink, monkeypatch, jump):
    """A claim lasts ten minutes by the clock, and as long as its holder lives by PostgreSQL (F31)."""
    chosen = Mail.objects.order_by("pk").first().pk
    talking, go_on = threading.Event(), threading.Event()
    original = mails.write

    def write(mail):
        talking.set()
        go_on.wait(processes.WAIT_SECONDS)
        return original(mail)

    monkeypatch.setattr(mails, "write", write)

    def send():
        mails.deliver(chosen)
        connection.close()

    sending = threading.Thread(target=send)
    sending.start()
    try:
        assert talking.wait(processes.WAIT_SECONDS)
        with time_machine.travel(timezone.now() + jump):
            mails.deliver(chosen)
            assert Mail.objects.get(pk=chosen).tries == 1
    finally:
        go_on.set()
        sending.join()
    mail = Mail.objects.get(pk=chosen)
    assert (mail.state, mail.tries, len(sink.taken)) == ("sent", 1, 1)


def it_keeps_the_pace_whatever_the_number_of_workers(waiting, web, sink, settings):
    settings.MAIL_PER_MINUTE = 3
    processes.empty_queue()
    web.post("/password/reset/", {"email": "taro@example.com"})
    assert jobs().count() == 1  # credentials don't wait for a minute to begin
    for _sweep in range(2):
        sweep.func()
        assert jobs().count() == 3  # what a slow server hasn't taken yet counts too
    mails.queue(Mail.Kind.INVOICE_FIXED, key="one more", customer=waiting.a, number="B202604-000001")
    assert jobs().count() == 3
    for job in jobs():
        mails.deliver(job.args["mail_id"])
    processes.empty_queue()
    assert [address for address, _text in sink.taken].count("taro@example.com") == 1
    assert len(sink.taken) == 3
    sweep.func()
    assert (jobs().count(), send_due()) == (0, 0)  # this minute is used up
    with time_machine.travel(timezone.now() + timedelta(seconds=61)):
        sweep.func()
    assert jobs().count() == 3
