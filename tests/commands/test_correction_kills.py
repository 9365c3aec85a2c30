"""修正, 返還 and 取消して再請求 killed with SIGKILL in the middle: all of it is there or nothing, and trying again does it once (F34)."""

import signal
from datetime import date

import pytest
from django.core.exceptions import ValidationError
from procrastinate.contrib.django.models import ProcrastinateJob

from bench.faults import killer, watch
from billing.corrections.giving_back import give_back
from billing.corrections.reissue import reissue
from billing.corrections.voiding import void
from billing.documents.rendering import TASK
from billing.models import Correction, Invoice
from billing.month import checks
from portal.models import HistoryEvent, Mail
from tests import make, processes

LATER = date(2026, 5, 20)
ACTS = {
    "reissue": lambda invoice, told: reissue(invoice, {invoice.lines.first().pk: {"amount": 1}}, **told),
    "return": lambda invoice, told: give_back(invoice, None, **told),
    "rebill": lambda invoice, told: void(invoice, rebill=True, **told),
}


def shape(customer):
    """What there is of a customer's month, without what differs from one company to another."""
    invoices = Invoice.objects.filter(customer=customer)
    return {
        "documents": sorted(invoices.values_list("month", "kind", "state")),
        "lines": sorted(invoices.values_list("lines__origin", "kind", "state")),
        "corrections": sorted(Correction.objects.filter(customer=customer).values_list("what", flat=True)),
        "history": HistoryEvent.objects.filter(customer=customer).count(),
        "mails": sorted(Mail.objects.filter(customer=customer).values_list("kind", flat=True)),
    }


def broken():
    found = [each for month in (make.APRIL, make.MAY) for each in checks.check(month, today=LATER)]
    return [each.code for each in found if each.kind == "broken" and each.rows and each.code != "pdf_missing"]


def survive(name, step, folder):
    """Undisturbed for one company; for another one killed at every step-th moment and all around the commit, until it is done."""
    staff = make.cast().staff
    customers = [make.make_customer(f"C10000{number:02}") for number in (1, 2)]
    for customer in customers:
        make.make_contract(customer, (3000, 2), (500,))
    make.close_month()
    make.open_month(make.MAY, today=LATER)
    told = {"reason": "間違い", "by": staff, "today": LATER}
    undisturbed, killed = (Invoice.objects.get(customer=customer, month=make.APRIL) for customer in customers)
    jobs = ProcrastinateJob.objects.filter(task_name=TASK)

    def at(moment, invoice):
        def act():
            killer.seen, killer.at = 0, moment
            watch()
            ACTS[name](invoice, told)
            (folder / "moments").write_text(str(killer.seen))

        return processes.in_child(act)

    before, queued = shape(customers[1]), jobs.count()
    assert at(None, undisturbed) == 0
    whole, more = shape(customers[0]), jobs.count() - queued
    moments = int((folder / "moments").read_text())
    seen = []
    for moment in sorted({*range(1, moments + 1, step), *range(moments - 5, moments + 1)}):
        assert at(moment, killed) == -signal.SIGKILL
        assert broken() == []
        found = shape(customers[1])
        assert found in (before, whole), f"half of it, killed at {moment} of {moments}"
        seen.append(found == whole)
        if seen[-1]:
            break
    assert seen == [False] * (len(seen) - 1) + [True]  # the last moment is after the commit
    with pytest.raises(ValidationError):
        ACTS[name](killed, told)
    assert (shape(customers[1]), jobs.count() - queued) == (whole, 2 * more)


@pytest.mark.parametrize("name", ACTS)
def it_corrects_all_or_nothing(transactional_db, tmp_path, name):
    survive(name, 40, tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize("name", ACTS)
def it_corrects_all_or_nothing_whenever_it_is_killed(transactional_db, tmp_path, name):
    survive(name, 1, tmp_path)
