"""Children of the supervisor end with it: when asked, when they won't listen, and when it is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from billing.demo import supervisor

ROOT = Path(__file__).resolve().parents[2]
PARENT = """
import os, sys
from billing.demo.supervisor import Children
children = Children(cwd=".", env=dict(os.environ), keep_open=2)
children.start("child", ["sleep", "60"])
print(children.running["child"].pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def children(tmp_path):
    with open(tmp_path / "lock", "w") as lock:
        kept = supervisor.Children(cwd=tmp_path, env=dict(os.environ), keep_open=lock.fileno())
        yield kept
        kept.end()


def wait_until(true):
    until = time.monotonic() + 20
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


def ended(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def it_names_the_child_that_died(children):
    children.start("sleeper", ["sleep", "60"])
    children.start("short", ["true"])
    wait_until(lambda: children.dead() == "short")


def it_kills_a_child_that_ignores_the_polite_signal_and_what_that_started(children, tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "GRACE_SECONDS", 0.2)
    report = tmp_path / "pid"
    children.start("deaf", ["sh", "-c", f"trap '' TERM; sleep 60 & echo $! > {report}; wait; sleep 60"])
    wait_until(lambda: report.exists() and report.read_text().endswith("\n"))
    deaf, grandchild = children.running["deaf"].pid, int(report.read_text())
    children.end()
    wait_until(lambda: ended(deaf) and ended(grandchild))


def it_keeps_ctrl_c_of_the_terminal_from_its_children(children):
    children.start("sleeper", ["sleep", "60"])
    assert os.getsid(children.running["sleeper"].pid) != os.getsid(0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def it_takes_its_children_along_when_it_is_killed():
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        child = int(parent.stdout.readline())
        parent.kill()
    wait_until(lambda: ended(child))


def it_only_notes_the_first_signal():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        signals = supervisor.Signals()
        signals.listen()
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        wait_until(lambda: signals.caught)
        assert signals.caught == signal.SIGTERM
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
