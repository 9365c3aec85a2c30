"""What stops a close, or one invoice of it, and what is there afterwards."""

import signal
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command

from billing.documents import pdf
from billing.models import Invoice, InvoicePdf, MonthRun, Rendering
from billing.month import close
from portal.db import rls
from portal.db.schema import ROLE
from portal.models import Mail


@pytest.fixture(autouse=True)
def in_may():
    with time_machine.travel("2026-05-08T03:00Z"):
        yield


@pytest.fixture(autouse=True)
def own_signals():
    """Commands install a handler, and a shell's background job ignores SIGINT; the tests' own handlers come back."""
    kept = signal.getsignal(signal.SIGTERM), signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGTERM, kept[0])
    signal.signal(signal.SIGINT, kept[1])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def it_stops_cleanly_and_goes_on_when_run_again(cast, monkeypatch, number, code):
    original = close.fix_drafts

    def interrupted(*given):
        original(*given)
        signal.raise_signal(number)

    monkeypatch.setattr(close, "fix_drafts", interrupted)
    with pytest.raises(CommandError) as stopped:
        call_command("close_month", "2026-04")
    assert stopped.value.returncode == code
    assert not Invoice.objects.filter(state="fixed").exists()
    monkeypatch.undo()
    call_command("close_month", "2026-04")
    assert Invoice.objects.filter(state="fixed").count() == 2


def it_refuses_the_webs_role_before_it_writes_anything(cast):
    with rls.scope(ROLE, cast.a.pk), pytest.raises(CommandError) as refused:
        call_command("close_month", "2026-04")
    assert refused.value.returncode == 3
    assert not MonthRun.objects.exists()


def it_parks_an_invoice_that_cannot_be_rendered_and_renders_the_others(cast, monkeypatch):
    original = pdf.render

    def render(invoice):
        if invoice.customer_id == cast.a.pk:
            raise ValueError("a glyph that is in no font")
        return original(invoice)

    monkeypatch.setattr(pdf, "render", render)
    with pytest.raises(SystemExit) as ended:
        call_command("close_month", "2026-04", "--wait")
    assert ended.value.code == 1
    for _try in range(2):
        with pytest.raises(SystemExit):
            call_command("render_invoices")
    failed = Rendering.objects.get()
    assert (failed.invoice.customer, failed.tries) == (cast.a, 3)
    assert failed.parked_at is not None
    assert "a glyph that is in no font" in failed.error
    assert [stored.customer_id for stored in InvoicePdf.objects.all()] == [cast.b.pk]
    assert Mail.objects.filter(kind="invoice_fixed").count() == 1
    with pytest.raises(SystemExit):
        call_command("check_month", "2026-04")
    said = StringIO()
    with pytest.raises(SystemExit):
        call_command("close_month", "2026-04", stdout=said)
    assert f"PDF保留 {failed.invoice.number}: ValueError: a glyph" in said.getvalue()

    monkeypatch.undo()
    call_command("close_month", "2026-04", "--retry-failed", "--wait")
    assert InvoicePdf.objects.count() == 2
    assert not Rendering.objects.exists()
    call_command("check_month", "2026-04")
