"""What an outage costs: commands, workers and the web killed, PostgreSQL stopped, its disk filled, SMTP away, a copy made.

`.venv/bin/python bench/outage.py` takes 2,000 customers (`--customers N`) in batches of 500 on an embedded server of its own and real
processes. Each outage says how long it took until all went on, and has to end in the documents and mails of a month that nobody
disturbed. Only root mounts the small disk of one of them. Prints how many ended as promised last.
"""

import argparse
import contextlib
import os
import re
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

import psycopg
from aiosmtpd.controller import Controller

from portal import months
from portal.db import embedded
from tests import processes
from tests.servers import Portal, children_of, disk, fill, web

MONTH = months.format_month(months.add_months(months.month_of(months.today()), -1))
IN_BATCHES = "from billing.month import batches; batches.CUSTOMERS_A_BATCH = 500"
KILLS = 8
MAILS = 60  # customers whose documents are rendered and mailed
ASKING = 4  # at the same time
AWAY_SECONDS = 3
SMTP_AWAY_SECONDS = 30
WATCH_SECONDS = 8  # that a copy is given to do something
WAIT_SECONDS = 400
PAUSE_SECONDS = 0.02
FIXED = f"SELECT count(*) FROM billing_invoice WHERE month = '{MONTH}-01' AND state = 'fixed'"
HASH = f"""
    SELECT count(*) || ' documents, ' || sum(total) || ' yen, ' || md5(string_agg(number || customer_id || total, ',' ORDER BY number))
    FROM billing_invoice WHERE month = '{MONTH}-01' AND state = 'fixed'
"""
HOLD = """
    SELECT 1 FROM accounts_customer
    WHERE id = (SELECT id FROM accounts_customer ORDER BY id OFFSET (SELECT count(*) / 2 FROM accounts_customer) LIMIT 1) FOR UPDATE
"""
PDFS = "SELECT count(*) FROM billing_invoicepdf"
SENT = "SELECT count(*) FROM portal_mail WHERE state = 'sent'"


class Sink:
    """Keeps the Message-ID of each mail that arrives."""

    def __init__(self):
        self.taken = []

    async def handle_DATA(self, server, session, envelope):
        self.taken.append(message_from_bytes(envelope.content)["Message-ID"])
        return "250 OK"


class Place:
    """An embedded server with one loaded month, which nobody closed yet."""

    def __init__(self, folder, customers):
        folder.chmod(0o755)
        self.server = embedded.Server(folder / "pg")
        self.server.ensure()
        self.copies = 0
        self.loaded = Portal(self.server, "portal")
        for command in (["migrate", "-v0"], ["load_demo", "--customers", str(customers)], ["release_instance"]):
            finished(self.loaded, *command)

    def __enter__(self):
        return self

    def __exit__(self, *_fault):
        self.server.release()

    def copy(self):
        self.server.start_again()
        self.copies += 1
        made = Portal(self.server, f"copy{self.copies}")
        other = Portal(self.server, "postgres")
        other.ask(f"CREATE DATABASE {made.name} TEMPLATE {self.loaded.name}")
        # Or a server that is stopped would write the copy once more, and lose what the copy's sequences gave since.
        other.ask("CHECKPOINT")
        return made

    def fresh(self):
        """A copy that belongs here, so that its jobs are done."""
        made = self.copy()
        finished(made, "release_instance")
        return made


def finished(portal, *command):
    """How many seconds it took; ends the script unless it ended well."""
    begun = time.monotonic()
    code, _said, complained = portal.run(*command, patch=IN_BATCHES)
    if code:
        sys.exit(f"{command} ended with {code}: {complained}")
    return time.monotonic() - begun


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


@contextlib.contextmanager
def held_in_the_middle(portal):
    """A close that has committed its first batches and waits for a customer; yields it, and lets go of the customer by the end."""
    with contextlib.suppress(psycopg.OperationalError), portal.connect() as connection, connection.transaction():
        connection.execute(HOLD)
        running = portal.start("close_month", MONTH, patch=IN_BATCHES)
        seconds_until(portal.waits_for_lock)
        yield running


def seconds_until(true, most=WAIT_SECONDS):
    begun = time.monotonic()
    while not true():
        if time.monotonic() - begun > most:
            sys.exit("waited in vain")
        time.sleep(PAUSE_SECONDS)
    return time.monotonic() - begun


def told(complained):
    """How many lines a command complained in, and what they said; where the socket lies is of no interest."""
    said = re.sub(r' on socket "[^"]*"', "", complained.strip())
    return f"{len(said.splitlines())} line: {said}"


def close_killed(place, expected, whole):
    """kill -9 of close_month at moments spread over its work, each in a month that nobody closed yet, and run again."""
    kept, seconds, equal = [], 0.0, 0
    for number in range(KILLS):
        portal = place.copy()
        running = portal.start("close_month", MONTH, patch=IN_BATCHES)
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.communicate(timeout=whole * (0.3 + 0.6 * number / KILLS))
        if running.returncode is None:
            running.kill()
            running.communicate()
            kept.append(portal.ask(FIXED))
        rerun = finished(portal, "close_month", MONTH)
        seconds += rerun
        equal += portal.ask(HASH) == expected
    print(
        f"close_month killed with kill -9 {len(kept)} of {KILLS} times before its end, documents kept {kept}: run again in {seconds:.1f} s in sum,"
        f" {equal} of {KILLS} in the documents of the undisturbed run"
    )
    return equal == KILLS


def server_stopped_under_close(place, expected):
    """PostgreSQL stopped at once in the middle of the close."""
    portal = place.copy()
    with held_in_the_middle(portal) as running:
        portal.stop()
        code, _said, complained = processes.finish(running)
    back = seconds_until(lambda: portal.server.start_again() or portal.server.alive())
    done = portal.ask(FIXED)
    rest = finished(portal, "close_month", MONTH)
    print(f"PostgreSQL stopped under the close: exit {code}, {told(complained)}")
    print(f"  up again after {back:.1f} s, {done:,} documents kept, the rest in {rest:.1f} s")
    return code == 3 and portal.ask(HASH) == expected


class Asked:
    """Asks a web all the time, several at once; `answers` has (asked, answered, status) of each."""

    def __init__(self, ask):
        self.ask, self.answers, self.ends = ask, [], threading.Event()
        self.threads = [threading.Thread(target=self.go_on, daemon=True) for _each in range(ASKING)]
        for thread in self.threads:
            thread.start()

    def go_on(self):
        while not self.ends.is_set():
            asked = time.monotonic()
            status = self.ask()
            self.answers.append((asked, time.monotonic(), status))
            time.sleep(PAUSE_SECONDS)

    def statuses(self, begin, end):
        """Of what was answered, or given up, in that time."""
        return [status for _asked, answered, status in self.answers if begin <= answered < end]

    def well_again(self, since):
        """Seconds until somebody who asked since then got 200, awaited with twenty of them on end."""
        seconds_until(
            lambda: [status for asked, _answered, status in self.answers if asked > since][-20:] == [200] * 20
        )
        return min(answered for asked, answered, status in self.answers if asked > since and status == 200) - since

    def end(self):
        self.ends.set()
        for thread in self.threads:
            thread.join()


def web_disturbed(place):
    """PostgreSQL away for some seconds under a web that is asked all the time, then the web's worker killed."""
    portal = place.copy()
    with web(portal) as ask:
        asked = Asked(ask)
        try:
            time.sleep(1)
            gone = time.monotonic()
            portal.stop()
            time.sleep(AWAY_SECONDS)
            portal.server.start_again()
            back = time.monotonic()
            again = asked.well_again(back)
            found = asked.statuses(gone, time.monotonic())
            [serving] = children_of(ask.process)
            killed = time.monotonic()
            os.kill(serving, signal.SIGKILL)
            new = asked.well_again(killed)
            after = asked.statuses(killed, time.monotonic())
        finally:
            asked.end()
    others = [status for status in found if status not in (200, 503)]
    print(
        f"PostgreSQL away for {back - gone:.1f} s under the web, {ASKING} asking: of {len(found)} answers {found.count(503)} were 503 with the"
        f" portal's page, {len(others)} neither that nor 200; 200 again {again:.2f} s after it was back, without a restart"
    )
    lost = len(after) - after.count(200)
    print(
        f"the only web worker killed with kill -9, {ASKING} asking: {lost} requests lost, 200 again after {new:.2f} s"
    )
    return [not others and 503 in found, lost <= ASKING]


def worker_disturbed(place):
    """PostgreSQL away under a worker that renders and mails; then one killed, and another started as systemd would."""
    results = []
    for disturb in ("PostgreSQL stopped under a worker", "a worker killed with kill -9"):
        portal = place.fresh()
        with contextlib.ExitStack() as stack, tempfile.TemporaryDirectory() as name:
            first = stack.enter_context(worker(portal, PORTAL_DATA_DIR=name))
            seconds_until(lambda portal=portal: portal.ask(PDFS) >= MAILS // 4)
            had = portal.ask(PDFS)
            begun = time.monotonic()
            if "killed" in disturb:
                first.kill()
                stack.enter_context(worker(portal, PORTAL_DATA_DIR=name))
            else:
                portal.stop()
                time.sleep(AWAY_SECONDS)
                portal.server.start_again()
            seconds_until(lambda portal=portal: portal.ask(SENT) == MAILS)
            rest = time.monotonic() - begun
            files = len(list((Path(name) / "mail").glob("*.eml")))
        stored, twice = portal.ask(PDFS), portal.ask(f"{SENT} AND tries > 1")
        print(
            f"{disturb}, {had} of {MAILS} PDFs made: the rest in {rest:.0f} s, {stored} PDFs, {files} mails, {twice} tried twice"
        )
        results.append(stored == files == MAILS and not twice)
    return results


def disk_full(customers, expected):
    """The whole server's disk full in the middle of the close, with no place for its log either."""
    with tempfile.TemporaryDirectory() as name, disk(Path(name) / "disk", "900m") as folder:
        os.chmod(name, 0o755)
        with Place(folder, customers) as place:
            portal = place.loaded
            with held_in_the_middle(portal) as running:
                fill(folder / "filler")
                while portal.server.alive():  # until a new piece of the log finds no place
                    portal.administer("SELECT pg_switch_wal()")
                    portal.administer("SELECT pg_logical_emit_message(false, 'fault', repeat('x', 100000))")
            code, _said, complained = processes.finish(running)
            (folder / "filler").unlink()
            back = seconds_until(lambda: portal.server.start_again() or portal.server.alive())
            done = portal.ask(FIXED)
            rest = finished(portal, "close_month", MONTH)
            found = portal.ask(HASH)
    print(f"disk full under the close: exit {code}, {told(complained)}")
    print(f"  with space again up after {back:.1f} s, {done:,} documents kept, the rest in {rest:.1f} s")
    return code == 3 and found == expected


def smtp_down(place):
    """No mail server for half a minute, while a worker wants to send."""
    portal, sink = place.fresh(), Sink()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with worker(portal, EMAIL_URL=f"smtp://127.0.0.1:{port}"):
        seconds_until(lambda: portal.ask("SELECT count(*) FROM portal_mail WHERE tries > 0"))
        time.sleep(SMTP_AWAY_SECONDS)
        tried = portal.ask("SELECT count(*) FROM portal_mail WHERE tries > 0")
        controller = Controller(sink, hostname="127.0.0.1", port=port)
        controller.start()
        rest = seconds_until(lambda: portal.ask(SENT) == MAILS)
    controller.stop()
    print(
        f"SMTP away for {SMTP_AWAY_SECONDS} s, {tried} mails tried in vain: {len(sink.taken)} arrived within {rest:.0f} s after it was back, {len(sink.taken) - len(set(sink.taken))} twice"
    )
    return len(sink.taken) == len(set(sink.taken)) == MAILS


def copied(place):
    """A copy on another port with all its mails and jobs waiting."""
    portal = place.copy()
    with tempfile.TemporaryDirectory() as name:
        elsewhere = {"PORTAL_URL": "http://127.0.0.1:8099", "PORTAL_DATA_DIR": name}
        with worker(portal, **elsewhere):
            time.sleep(WATCH_SECONDS)
            before = portal.ask(PDFS) + portal.ask(SENT)
            released = processes.run("release_instance", **(portal.environment() | elsewhere))
            rest = seconds_until(lambda: portal.ask(SENT) == MAILS)
            files = len(list((Path(name) / "mail").glob("*.eml")))
    print(
        f"a copy with {MAILS} documents to render and mail: {before} done by its worker in {WATCH_SECONDS} s; after release_instance {files} mails within {rest:.0f} s"
    )
    return before == 0 and released[0] == 0 and files == MAILS


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--customers", type=int, default=2_000)
    options = arguments.parse_args()
    with contextlib.ExitStack() as stack:
        place, few = (
            stack.enter_context(Place(Path(stack.enter_context(tempfile.TemporaryDirectory())), customers))
            for customers in (options.customers, MAILS)
        )
        finished(few.loaded, "close_month", MONTH)
        portal = place.copy()
        whole = finished(portal, "close_month", MONTH)
        expected = portal.ask(HASH)
        print(f"close_month undisturbed {whole:.1f} s: {expected}")
        well = [
            close_killed(place, expected, whole),
            server_stopped_under_close(place, expected),
            *web_disturbed(place),
            *worker_disturbed(few),
            smtp_down(few),
            copied(few),
        ]
        with contextlib.suppress(PermissionError):
            well.append(disk_full(options.customers, expected))
    print(f"outage: {sum(well)} of {len(well)} as promised")
    return 0 if all(well) else 1


if __name__ == "__main__":
    sys.exit(main())
