"""`manage.py demo` where it must not start: it says why in one line, and leaves no process."""

import fcntl
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Customer
from accounts.wishes import wishes
from billing.demo import data, desk
from billing.models import Invoice
from contracts.models import Contract, Meter, MeterPrice, Service
from contracts.services import PriceTyped, save_meter
from portal import months
from portal.models import Inquiry, Mail, Notice, VendorRegistration
from tests import make, processes

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def demo(tmp_path):
    """Runs the demo on an empty data folder until it ends by itself."""

    def run(**environment):
        return subprocess.run(
            [sys.executable, "manage.py", "demo"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "PORTAL_DATA_DIR": str(tmp_path), "PORT": str(free_port()), **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def it_asks_for_a_secret_key_with_a_database_of_ones_own(demo):
    given = {**processes.GIVEN, "SECRET_KEY": ""}
    done = demo(DATABASE_URL="postgresql://127.0.0.1:1/portal", **given)
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "SECRET_KEY" in done.stderr


def it_says_that_the_given_database_does_not_answer(demo):
    done = demo(DATABASE_URL="postgresql://127.0.0.1:1/portal", **processes.GIVEN)
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1


def it_names_the_port_that_is_taken(demo):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = demo(PORT=str(port))
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert str(port) in done.stderr


def it_names_the_process_that_runs_on_the_same_folder(demo, tmp_path):
    with open(tmp_path / "demo.lock", "w") as lock:
        lock.write(str(os.getpid()))
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = demo()
    assert done.returncode == 75
    assert done.stderr.count("\n") == 1
    assert str(os.getpid()) in done.stderr


def it_makes_as_many_customers_as_asked_whose_last_month_can_be_closed(db):
    call_command("load_demo", "--customers", "7")
    assert Customer.objects.count() == 7
    last = months.add_months(months.month_of(months.today()), -1)
    call_command("close_month", months.format_month(last))
    assert Invoice.objects.filter(state="fixed", month=last).count() == 7


@pytest.mark.parametrize("arguments", [[], ["--customers", "3"]])
def it_leaves_a_database_with_other_customers_alone(db, arguments):
    make.make_vendor()
    VendorRegistration.objects.update(number="T1234567890123")
    make.make_customer("C0000077")
    with pytest.raises(CommandError, match="お客様"):
        call_command("load_demo", *arguments)


def it_starts_again_after_staff_metered_a_contract_that_has_ended(db):
    call_command("load_demo")
    ended = Contract.objects.exclude(cancel_on=None).earliest("cancel_on")
    traffic = Service.objects.get(code="traffic")
    meter = Meter(customer=ended.customer, contract=ended, service=traffic, item="転送量", unit="GB")
    save_meter(meter, [PriceTyped(MeterPrice(unit_price=1))])
    call_command("load_demo")
    assert not ended.meters.get().usages.exists()


def it_gives_the_desk_inquiries_in_each_state_a_change_to_take_over_and_notices_once(db):
    today = months.today()
    running = months.month_of(today)
    data.set_up_vendor(running)
    data.make_customers(running, today)
    for _start in range(2):
        desk.fill(today)
    asked = Inquiry.objects.order_by("number")
    assert [(each.get_state_display(), each.get_via_display(), each.user.email) for each in asked] == [
        ("完了", "電話", "hanako@example.com"),
        ("返信待ち", "電話", "taro@example.com"),
        ("返信待ち", "ポータル", "jiro@example.org"),
    ]
    assert asked[1].messages.get().kind == "memo"
    assert {
        wish.name: wish.now for wish in wishes(asked[2], asked[2].customer) if not wish.stale and not wish.done
    } == {
        "phone": "06-0000-0000",
        "billing_department": "経理部",
        "billing_person": "",
    }
    assert [each.on_sign_in for each in Notice.objects.showing()] == [True, False]
    assert Notice.objects.get(on_sign_in=True).ends_at.date() > today
    assert not Mail.objects.filter(user__email="hanako@example.com").exclude(kind="inquiry_answer").exists()
