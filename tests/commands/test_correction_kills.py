"""修正, 返還, 取消, also of a chain, and 取消して再請求 killed with SIGKILL in the middle: all of it is there or nothing, and trying again does it once (F34)."""

import signal
from datetime import date

import pytest
from django.core.exceptions import ValidationError
from procrastinate.contrib.django.models import ProcrastinateJob

from bench.faults import killer, watch
from billing.corrections.giving_back import give_back
from billing.corrections.reissue import reissue
from billing.corrections.voiding import void
from billing.credits import give_credit
from billing.documents.rendering import TASK
from billing.models import Correction, Invoice
from billing.month import checks
from portal.models import HistoryEvent, Mail
from tests import make, processes

LATER = date(2026, 6, 20)
ACTS = {
    "reissue": lambda invoice, told: reissue(invoice, {invoice.lines.first().pk: {"amount": 1}}, **told),
    "return": lambda invoice, told: give_back(invoice, None, **told),
    "void": lambda invoice, told: void(invoice, **told),
    "chain": lambda invoice, told: void(invoice, chain=True, **told),
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
    found = [each for month in (make.APRIL, make.MAY, make.JUNE) for each in checks.check(month, today=LATER)]
    return [each.code for each in found if each.kind == "broken" and each.rows and each.code != "pdf_missing"]


def world(names):
    """{act: (a company undisturbed, one to be killed at)}; with the chain's, a 返還 and May's invoice rest on what is void."""
    staff = make.cast().staff
    found = {name: [make.make_customer(f"C1{place:05}{each}") for each in (1, 2)] for place, name in enumerate(names)}
    for customer in [each for both in found.values() for each in both]:
        make.make_contract(customer, (3000, 2), (500,))
    make.close_month()
    for customer in found.get("chain", []):
        invoice = april_of(customer)
        give_credit(invoice.lines.get(position=2), 300, "値引き", by=staff)
        give_back(invoice, {invoice.lines.get(position=1).pk: 1000}, reason="値引き", by=staff, today=make.IN_MAY)
    make.close_month(make.MAY, today=make.JUNE)
    make.open_month(make.JUNE, today=LATER)
    return staff, found


def april_of(customer):
    return Invoice.objects.get(customer=customer, month=make.APRIL, kind="invoice")


def survive(names, folder, moments_of):
    """Each act is done undisturbed for one company; for another one it is killed at `moments_of(how many there are)` until it is done."""
    staff, customers = world(names)
    told = {"reason": "間違い", "by": staff, "today": LATER}
    jobs = ProcrastinateJob.objects.filter(task_name=TASK)

    def at(moment, name, invoice):
        def act():
            killer.seen, killer.at = 0, moment
            watch()
            ACTS[name](invoice, told)
            (folder / "moments").write_text(str(killer.seen))

        return processes.in_child(act)

    for name, both in customers.items():
        undisturbed, killed = map(april_of, both)
        before, queued = shape(both[1]), jobs.count()
        assert at(None, name, undisturbed) == 0
        whole, more = shape(both[0]), jobs.count() - queued
        moments = int((folder / "moments").read_text())
        seen = []
        for moment in moments_of(moments):
            assert at(moment, name, killed) == -signal.SIGKILL
            assert broken() == []
            found = shape(both[1])
            assert found in (before, whole), f"half of {name}, killed at {moment} of {moments}"
            seen.append(found == whole)
            if seen[-1]:
                break
        assert seen == [False] * (len(seen) - 1) + [True], name  # the last moment is after the commit
        with pytest.raises(ValidationError):
            ACTS[name](killed, told)
        assert (shape(both[1]), jobs.count() - queued) == (whole, 2 * more)


def it_corrects_all_or_nothing(transactional_db, tmp_path):
    """A 取消 alone, of which the last two are made, is killed nightly, and the others at every moment."""
    survive(
        ["reissue", "return", "chain", "rebill"],
        tmp_path,
        lambda moments: [moments // 2, moments - 1, moments],
    )


@pytest.mark.nightly
@pytest.mark.parametrize("name", ACTS)
def it_corrects_all_or_nothing_whenever_it_is_killed(transactional_db, tmp_path, name):
    survive([name], tmp_path, lambda moments: range(1, moments + 1))
