"""Two operators at once, servers in other time zones, the moment a month ends: it is closed once, and the same everywhere."""

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import transaction

from bench.faults import rows
from billing.models import Invoice
from tests import make, processes

MONTHS = ["2026-04", "2026-05", "2026-06"]


@pytest.fixture
def cast(transactional_db):
    processes.empty_queue()
    yield make.cast()
    processes.empty_queue()


def it_closes_each_month_once_when_two_operators_start_at_the_same_moment(cast, tmp_path):
    for count, month in enumerate(MONTHS, start=1):
        both = [processes.start("close_month", month, **processes.here(tmp_path)) for _operator in range(2)]
        ends = sorted(processes.finish(each) for each in both)
        assert [code for code, _said, _complained in ends] in ([0, 0], [0, 75]), ends
        if ends[1][0] == 75:
            assert "別の月次処理が実行中です" in ends[1][2]
        assert Invoice.objects.filter(state="fixed").count() == 2 * count
    for invoice in Invoice.objects.all():
        assert invoice.net == sum(line.amount for line in invoice.lines.all())


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Pacific/Auckland"])
def it_closes_the_same_month_on_a_server_of_another_time_zone(cast, tmp_path, zone):
    with transaction.atomic():
        call_command("close_month", "2026-04")
        golden = rows()
        transaction.set_rollback(True)
    code, _said, complained = processes.run("close_month", "2026-04", TZ=zone, PGTZ=zone, **processes.here(tmp_path))
    assert (code, complained) == (0, "")
    assert rows() == golden


def it_counts_the_month_as_over_when_it_is_over_in_japan(cast):
    with time_machine.travel("2026-04-30T14:59:59Z"), pytest.raises(CommandError, match="まだ終わっていません"):
        call_command("close_month", "2026-04")
    with time_machine.travel("2026-04-30T15:00:01Z"):
        call_command("close_month", "2026-04")
    assert set(Invoice.objects.values_list("fixed_on", flat=True)) == {make.MAY}
