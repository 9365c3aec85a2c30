"""What an outage costs: commands, workers and the web killed, PostgreSQL stopped, its disk filled, SMTP away, a copy made.

`.venv/bin/python bench/outage.py` takes 6,000 customers, three batches (`--customers N`) on an embedded server of its own and real processes. Each
outage says how long it took until all went on, and has to end in the rows, documents and mails of a month that nobody disturbed.
Only root mounts the small disk of one of them. Prints how many ended as they should last.
"""

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from email import message_from_bytes
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django

django.setup()

from aiosmtpd.controller import Controller

from portal import months
from portal.db import embedded
from tests import processes
from tests.servers import Portal, children_of, disk, fill, web

MONTH = months.format_month(months.add_months(months.month_of(months.today()), -1))
KILLS = 10
MAILS = 100  # customers whose documents are rendered and mailed
AWAY_SECONDS = 3
SMTP_AWAY_SECONDS = 30
WATCH_SECONDS = 8  # that a copy is given to do something
PAUSE_SECONDS = 0.02
FIXED = f"SELECT count(*) FROM billing_invoice WHERE month = '{MONTH}-01' AND state = 'fixed'"
HASH = f"""
    SELECT count(*) || ' documents, ' || sum(total) || ' yen, ' || md5(string_agg(number || customer_id || total, ',' ORDER BY number))
    FROM billing_invoice WHERE month = '{MONTH}-01' AND state = 'fixed'
"""
SENT = "SELECT count(*) FROM portal_mail WHERE state = 'sent'"


class Sink:
    """Keeps the Message-ID of each mail that arrives."""

    def __init__(self):
        self.taken = []

    async def handle_DATA(self, server, session, envelope):
        self.taken.append(message_from_bytes(envelope.content)["Message-ID"])
        return "250 OK"


class Place:
    """An embedded server with one loaded month, of which each outage gets a copy."""

    def __init__(self, folder, customers):
        folder.chmod(0o755)
        self.server = embedded.Server(folder / "pg")
        self.server.ensure()
        self.copies = 0
        loaded = Portal(self.server, "portal")
        for command in (["migrate", "-v0"], ["load_demo", "--customers", str(customers)]):
            finished(loaded, *command)

    def fresh(self, name="portal"):
        """A copy of that database, or of another one that nobody uses."""
        self.server.start_again()
        self.copies += 1
        made = Portal(self.server, f"copy{self.copies}")
        Portal(self.server, "postgres").ask(f"CREATE DATABASE {made.name} TEMPLATE {name}")
        return made


def finished(portal, *command, ends=(0,)):
    """(seconds, exit code, the last line of complaint); ends the script unless it ends with one of these codes."""
    begun = time.monotonic()
    code, _said, complained = portal.run(*command, patch="")
    if code not in ends:
        sys.exit(f"{command} ended with {code}: {complained}")
    return time.monotonic() - begun, code, complained.strip().rpartition("\n")[2]


@contextlib.contextmanager
def worker(portal, **environment):
    given = portal.environment() | environment
    started = processes.start("procrastinate", "worker", **given)
    # Whatever it logs has to go somewhere, or it would wait for a reader.
    readers = [threading.Thread(target=pipe.read, daemon=True) for pipe in (started.stdout, started.stderr)]
    for reader in readers:
        reader.start()
    try:
        yield started
    finally:
        started.terminate()
        started.wait()


def seconds_until(true, most=processes.WAIT_SECONDS):
    begun = time.monotonic()
    while not true():
        if time.monotonic() - begun > most:
            sys.exit("waited in vain")
        time.sleep(PAUSE_SECONDS)
    return time.monotonic() - begun


def close_killed(place):
    """kill -9 of close_month, ten times."""
    portal = place.fresh()
    whole, *_rest = finished(portal, "close_month", MONTH)
    expected = portal.ask(HASH)
    portal, begun, kills = place.fresh(), time.monotonic(), 0
    for number in range(1, KILLS + 1):
        running = portal.start("close_month", MONTH, patch="")
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.communicate(timeout=whole * (0.3 + 0.6 * number / KILLS))
        if running.returncode is None:
            running.kill()
            kills += 1
        running.communicate()
    done = portal.ask(FIXED)
    last, *_rest = finished(portal, "close_month", MONTH)
    print(f"close_month undisturbed {whole:.1f} s: {expected}")
    print(
        f"  killed {kills} times within {time.monotonic() - begun - last:.1f} s, {done:,} documents fixed meanwhile, the rest in {last:.1f} s"
    )
    return portal.ask(HASH) == expected


def server_stopped_under_close(place, expected):
    """PostgreSQL stopped at once in the middle of the close."""
    portal = place.fresh()
    running = portal.start("close_month", MONTH, patch="")
    seconds_until(lambda: portal.ask(FIXED))
    portal.stop()
    code, _said, complained = processes.finish(running)
    portal.server.start_again()
    done = portal.ask(FIXED)
    rest, *_rest = finished(portal, "close_month", MONTH)
    print(
        f"PostgreSQL stopped under the close: exit {code}, {len(complained.strip().splitlines())} line: {complained.strip()[:120]}"
    )
    print(f"  {done:,} documents kept, the rest in {rest:.1f} s")
    return code == 3 and portal.ask(HASH) == expected


def server_stopped_under_web(place):
    """PostgreSQL away for three seconds under a web that is asked all the time."""
    portal, answers = place.fresh(), []
    with web(portal) as ask:
        ends = threading.Event()

        def go_on():
            while not ends.is_set():
                answers.append((time.monotonic(), ask()))
                time.sleep(PAUSE_SECONDS)

        asking = threading.Thread(target=go_on)
        asking.start()
        time.sleep(1)
        gone = time.monotonic()
        portal.stop()
        time.sleep(AWAY_SECONDS)
        portal.server.start_again()
        back = time.monotonic()
        seconds_until(lambda: [code for at, code in answers[-5:] if at > back] == [200] * 5)
        before = len(answers)
        os.kill(children_of(ask.process)[0], signal.SIGKILL)
        killed = time.monotonic()
        seconds_until(lambda: len(answers) > before + 10 and [code for _at, code in answers[-5:]] == [200] * 5)
        ends.set()
        asking.join()
    codes = [code for at, code in answers if gone <= at < killed]
    first = next(at for at, code in answers if at > back and code == 200)
    again = next(at for at, code in answers if at > killed and code == 200)
    lost = sum(code != 200 for at, code in answers if at >= killed)
    print(
        f"PostgreSQL away for {back - gone:.1f} s under the web: {codes.count(503)} answers 503 with the portal's page, {codes.count(200)} times 200,"
        f" {len(codes) - codes.count(503) - codes.count(200)} others; 200 again {first - back:.2f} s after it was back, without a restart"
    )
    print(f"a web worker killed with kill -9: {lost} of the next requests lost, 200 again after {again - killed:.2f} s")
    return set(codes) <= {200, 503}


def server_stopped_under_worker(place):
    """PostgreSQL away under a worker that renders and mails."""
    portal = place.fresh("closed")
    with worker(portal):
        seconds_until(lambda: portal.ask("SELECT count(*) FROM billing_invoicepdf") >= MAILS // 4)
        portal.stop()
        time.sleep(AWAY_SECONDS)
        portal.server.start_again()
        rest = seconds_until(lambda: portal.ask(SENT) == MAILS)
    stored, twice = portal.ask("SELECT count(*) FROM billing_invoicepdf"), portal.ask(f"{SENT} AND tries > 1")
    print(
        f"PostgreSQL away under a worker: {stored} PDFs and {MAILS} mails {rest:.1f} s after it was back, {twice} tried twice"
    )
    return stored == MAILS


def disk_full(place, customers, expected):
    """The whole server's disk full in the middle of the close, with no place for its log either."""
    with tempfile.TemporaryDirectory() as name, disk(Path(name) / "disk", "900m") as folder:
        other = Place(folder, customers)
        portal = Portal(other.server, "portal")
        running = portal.start("close_month", MONTH, patch="")
        seconds_until(lambda: portal.ask(FIXED))
        fill(folder / "filler")
        code, _said, complained = processes.finish(running)
        (folder / "filler").unlink()
        back = seconds_until(lambda: other.server.start_again() or other.server.alive())
        done = portal.ask(FIXED)
        rest, *_rest = finished(portal, "close_month", MONTH)
        found = portal.ask(HASH)
        other.server.release()
    print(
        f"disk full under the close: exit {code}, {len(complained.strip().splitlines())} line: {complained.strip()[:120]}"
    )
    print(f"  with space again up after {back:.1f} s, {done:,} documents kept, the rest in {rest:.1f} s")
    return code == 3 and found == expected


def smtp_down(place):
    """No mail server for half a minute, while a worker wants to send."""
    portal, sink = place.fresh("closed"), Sink()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with worker(portal, EMAIL_URL=f"smtp://127.0.0.1:{port}"):
        seconds_until(lambda: portal.ask("SELECT count(*) FROM portal_mail WHERE tries > 0"))
        time.sleep(SMTP_AWAY_SECONDS)
        tried = portal.ask("SELECT count(*) FROM portal_mail WHERE tries > 0")
        controller = Controller(sink, hostname="127.0.0.1", port=port)
        controller.start()
        rest = seconds_until(lambda: portal.ask(SENT) == MAILS, most=600)
    controller.stop()
    print(
        f"SMTP away for {SMTP_AWAY_SECONDS} s, {tried} mails tried in vain: {len(sink.taken)} arrived within {rest:.0f} s after it was back, {len(sink.taken) - len(set(sink.taken))} twice"
    )
    return len(sink.taken) == len(set(sink.taken)) == MAILS


def copied(place):
    """A copy on another port with all its mails and jobs waiting."""
    original = place.fresh("closed")
    finished(original, "release_instance")  # as its web or a worker would have said by starting
    portal = place.fresh(original.name)
    with tempfile.TemporaryDirectory() as name:
        elsewhere = {"PORTAL_URL": "http://127.0.0.1:8099", "PORTAL_DATA_DIR": name}
        with worker(portal, **elsewhere):
            time.sleep(WATCH_SECONDS)
            before = portal.ask("SELECT count(*) FROM billing_invoicepdf") + portal.ask(SENT)
            released = processes.run("release_instance", **(portal.environment() | elsewhere))
            rest = seconds_until(lambda: portal.ask(SENT) == MAILS)
        files = len(list((Path(name) / "mail").glob("*.eml")))
    print(
        f"a copy with {MAILS} documents to render and mail: {before} done by its worker in {WATCH_SECONDS} s; after release_instance {files} mails within {rest:.0f} s"
    )
    return before == 0 and released[0] == 0 and files == MAILS


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--customers", type=int, default=6_000)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryDirectory() as small:
        for folder in (name, small):
            os.chmod(folder, 0o755)
        (Path(name) / "data").mkdir()
        (Path(small) / "data").mkdir()
        place, few = Place(Path(name) / "data", options.customers), Place(Path(small) / "data", MAILS)
        closed = Portal(few.server, "portal")
        finished(closed, "close_month", MONTH)
        Portal(few.server, "postgres").ask("ALTER DATABASE portal RENAME TO closed")
        portal = place.fresh()
        finished(portal, "close_month", MONTH)
        expected = portal.ask(HASH)
        well = [
            close_killed(place),
            server_stopped_under_close(place, expected),
            server_stopped_under_web(place),
            server_stopped_under_worker(few),
            smtp_down(few),
            copied(few),
        ]
        with contextlib.suppress(PermissionError):
            well.append(disk_full(place, options.customers, expected))
        for each in (place, few):
            each.server.release()
    print(f"outage: {sum(well)} of {len(well)} ended as they should")
    return 0 if all(well) else 1


if __name__ == "__main__":
    sys.exit(main())
