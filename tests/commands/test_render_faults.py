"""An invoice that takes its renderer down, or never ends: parked after three tries, while all others get their PDF."""

import os
import signal
import time

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, OperationalError, connection, transaction

from billing.demo import supervisor
from billing.documents import pdf, rendering
from billing.management.commands.demo import Command
from billing.models import Invoice, InvoicePdf, Rendering
from portal.models import Mail
from portal.tasks import retry_stalled_jobs
from tests import make, processes


@pytest.fixture
def closed(transactional_db):
    """A closed month of two customers; the first one's invoice is the poison."""
    processes.empty_queue()
    cast = make.cast()
    make.close_month()
    return cast


def of(customer):
    return Invoice.objects.get(customer=customer)


def poison(monkeypatch, customer, act):
    original = pdf.render

    def render(invoice):
        return act() if invoice.customer_id == customer.pk else original(invoice)

    monkeypatch.setattr(pdf, "render", render)


def render_all():
    rendering.render(list(Invoice.objects.values_list("pk", flat=True)))


def it_parks_an_invoice_that_kills_its_renderer_three_times(closed, monkeypatch):
    """SIGKILL is what the kernel sends when memory runs out (F18)."""
    poison(monkeypatch, closed.a, lambda: os.kill(os.getpid(), signal.SIGKILL))
    assert processes.in_child(render_all) == -signal.SIGKILL
    begun = Rendering.objects.get()
    assert (begun.tries, begun.error, begun.parked_at, str(begun)) == (1, "", None, "作成中")

    assert processes.in_child(render_all) == -signal.SIGKILL
    assert [stored.customer_id for stored in InvoicePdf.objects.all()] == [closed.b.pk]
    assert processes.in_child(render_all) == -signal.SIGKILL
    assert processes.in_child(render_all) == 0
    parked = Rendering.objects.get()
    assert (parked.tries, parked.error) == (3, rendering.DIED)
    assert parked.parked_at is not None
    assert Mail.objects.count() == 1
    with pytest.raises(SystemExit):
        call_command("check_month", "2026-04")

    monkeypatch.undo()
    call_command("render_invoices")
    assert InvoicePdf.objects.count() == 2
    assert not Rendering.objects.exists()


def it_renders_no_imported_invoice(closed):
    make.import_invoice(of(closed.a))
    render_all()
    assert not Rendering.objects.exists()
    assert set(InvoicePdf.objects.values_list("invoice__number", flat=True)) == {"B202604-000001", "B202604-000002"}


def it_parks_an_invoice_for_which_memory_does_not_suffice(closed, monkeypatch):
    def refused():
        raise MemoryError

    poison(monkeypatch, closed.a, refused)
    for _try in range(3):
        render_all()
    assert "MemoryError" in Rendering.objects.get(parked_at__isnull=False).error
    assert InvoicePdf.objects.count() == 1


def it_ends_a_worker_whose_layout_never_ends_and_parks_the_invoice(closed, tmp_path):
    """A real worker, started again after each death as systemd does; the sweep takes its job back."""
    patch = f"""
from billing.documents import pdf, rendering
from billing.models import Invoice
rendering.RENDER_SECONDS, original = 1.5, pdf.render
import weasyprint
pdf.style("v1")
def render(invoice):
    while invoice.customer_id == {closed.a.pk}:
        pass
    return original(invoice)
pdf.render = render
"""
    worker = ["procrastinate", "worker", "--one-shot"]
    deaths = 0
    while deaths < 6:
        code, _said, complained = processes.run(*worker, patch=patch, **processes.here(tmp_path))
        if code == 0:
            break
        # Written while the layout goes on, its own traceback may be the worker's end too; it ends either way.
        assert code in (1, -signal.SIGSEGV), complained
        assert "Timeout" in complained
        deaths += 1
        retry_stalled_jobs(0)
    assert 3 <= deaths < 6
    assert Rendering.objects.get().parked_at is not None
    assert [stored.customer_id for stored in InvoicePdf.objects.all()] == [closed.b.pk]


def it_has_no_time_limit_by_hand(closed, monkeypatch):
    monkeypatch.setattr(rendering, "RENDER_SECONDS", 0.2)
    original = pdf.render
    monkeypatch.setattr(pdf, "render", lambda invoice: (time.sleep(0.4), original(invoice))[1])
    call_command("render_invoices")
    assert InvoicePdf.objects.count() == 2


@pytest.mark.parametrize("before", [0, 1, 3])
def it_does_not_count_a_try_that_somebody_stopped(closed, monkeypatch, before):
    def failing():
        raise ValueError("a glyph that is in no font")

    poison(monkeypatch, closed.a, failing)
    for _try in range(before):
        render_all()
    kept = list(Rendering.objects.values())
    kept_handler = signal.getsignal(signal.SIGTERM)
    poison(monkeypatch, closed.a, lambda: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(CommandError) as stopped:
        call_command("render_invoices")
    signal.signal(signal.SIGTERM, kept_handler)
    assert stopped.value.returncode == 143
    assert list(Rendering.objects.values()) == kept


def it_does_not_count_a_try_that_the_database_spoilt(closed, monkeypatch):
    def broken(*given):
        raise OperationalError("the connection broke")

    monkeypatch.setattr(rendering, "store", broken)
    with pytest.raises(OperationalError):
        render_all()
    assert not Rendering.objects.exists()
    assert not InvoicePdf.objects.exists()


def it_stores_no_bytes_that_differ_from_their_hash(closed):
    """Whatever is lost or damaged on the way, the database refuses a PDF that isn't the one that was hashed (F19)."""
    invoice = of(closed.a)
    with pytest.raises(IntegrityError, match="pdf_is_what_was_hashed"), transaction.atomic():
        InvoicePdf.objects.create(invoice=invoice, customer=closed.a, content=b"%PDF-1.7 cut", sha256="0" * 64, size=12)


def it_starts_a_dead_worker_again_but_not_for_ever(tmp_path, monkeypatch):
    """The demo's supervisor; under systemd it is Restart=always."""
    with open(tmp_path / "lock", "w") as lock:
        demo = Command()
        demo.deaths = []
        demo.children = supervisor.Children(cwd=tmp_path, env=dict(os.environ), keep_open=lock.fileno())
        begun = []

        def start_worker():
            begun.append(1)
            demo.children.start("ワーカー", ["true"])

        monkeypatch.setattr(demo, "start_worker", start_worker)
        monkeypatch.setattr(demo, "say", lambda text: None)
        start_worker()
        with pytest.raises(CommandError, match="ワーカーが終了した"):
            processes.wait_until(demo.check_children)
        assert len(begun) == 3
    connection.close()
