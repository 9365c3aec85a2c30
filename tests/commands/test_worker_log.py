"""What workers and commands log: a line for each job, under the id of what left it, and nobody's own data."""

import json

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob

from billing.models import InvoicePdf
from portal import trace
from portal.models import Mail
from tests import make, processes

ORDERED = "closing-0001"


@pytest.fixture
def left(transactional_db):
    """A close's jobs, and a mail that can't be written, at a company whose every word would be noticed."""
    processes.empty_queue()
    cast = make.cast()
    cast.a.name, cast.a.address, cast.a.contact_name = "機密商事株式会社", "機密県機密市1-2-3", "機密次郎"
    cast.a.save()
    cast.hanako.name, cast.hanako.email = "機密華子", "canary@example.com"
    cast.hanako.save()
    with trace.working(ORDERED):
        make.close_month()
        Mail.objects.create(key="odd", kind="invoice_fixed", customer=cast.a, due_at="2026-05-08T00:00Z", data={})
    yield cast
    processes.empty_queue()


def run(tmp_path, *arguments, **environment):
    code, said, complained = processes.run(
        *arguments, **processes.here(tmp_path) | {"LOG_FORMAT": "json", "SECRET_KEY": "canary-key"} | environment
    )
    return code, said, complained


def it_writes_a_line_a_job_and_nobodys_data(left, tmp_path):
    code, _said, complained = run(tmp_path, "procrastinate", "worker", "--one-shot")
    assert code == 0, complained
    lines = [json.loads(line) for line in complained.splitlines()]
    jobs = [line for line in lines if line["logger"] == "portal.jobs"]
    (rendering,) = [line for line in jobs if line["task"] == "billing.render"]
    assert rendering["message"] == f"billing.render {rendering['job_id']} done"
    assert (rendering["level"], rendering["request"]) == ("INFO", ORDERED)
    assert rendering["ms"] > 0
    assert [line["message"] for line in lines if line["logger"] == "portal.worker"][-1] == "stopped"
    assert InvoicePdf.objects.count() == 2
    assert set(Mail.objects.values_list("request", flat=True)) == {ORDERED}
    (fault,) = [line for line in lines if line["level"] == "ERROR"]
    assert (fault["logger"], fault["request"]) == ("portal.mail", ORDERED)
    assert [canary for canary in ("機密", "canary", "C0000001", "example.com", "portal@") if canary in complained] == []


def it_writes_nobodys_data_from_commands(left, tmp_path):
    ProcrastinateJob.objects.all().delete()
    for command in (
        ["close_month", "2026-04"],
        ["check_month", "2026-04"],
        ["render_invoices"],
        ["send_mail"],
        ["open_month"],
    ):
        _code, said, complained = run(tmp_path, *command)
        assert [canary for canary in ("機密", "canary", "example.com") if canary in complained + said] == [], command
    assert Mail.objects.filter(state="sent").exists()


def it_says_in_one_line_that_a_worker_may_not_run(left, tmp_path):
    here = processes.here(tmp_path)
    code, said, complained = run(
        tmp_path,
        "procrastinate",
        "worker",
        "--one-shot",
        DATABASE_URL=here["DATABASE_URL"] + " options='-c role=portal_web'",
    )
    assert (code, said, complained.count("\n")) == (3, "", 1)
