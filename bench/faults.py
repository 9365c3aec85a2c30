"""Kill sweep: a month's work, killed before and after every statement, commit and delivery, then run again.

Used quantities, a 一括値引き, a price that its order follows, the close with PDFs, a decided credit and its take-up, the job
that follows a new tax rate, mails.

Each run has to end in the state of an undisturbed one, with every mail delivered, and at most once more than kills.
`.venv/bin/python bench/faults.py` takes 40 spread points; `--points N` as many; `--full` all of them and 200 random double
kills. Uses the test database's server.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django

django.setup()

import time_machine
from django.conf import settings
from django.core.mail.backends.base import BaseEmailBackend
from django.core.management import call_command
from django.db import ProgrammingError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from accounts.models import User
from billing import settled
from billing.models import Discount, Invoice, MonthRun
from billing.month import checks
from billing.month.open_months import redraft
from billing.proposals import decide, proposals
from billing.services import adjust_invoice
from billing.tasks import catch_up
from contracts.models import ContractLine, Service
from orders.services import start_contract
from portal.models import TaxClass
from tests import make

NAME = f"faults_{os.getpid()}"
MONTH = "2026-04"
NOW = datetime(2026, 5, 8, 3, tzinfo=UTC)
PAUSE = timedelta(minutes=11)  # longer than the claim that a killed sender leaves on its mail


def draft():
    """April's drafts, as long as nothing of April is fixed."""
    if MonthRun.objects.last_closed() < make.APRIL:
        call_command("open_month", MONTH)


def discount():
    """A 一括値引き on a draft."""
    if not Discount.objects.exists():
        draft = Invoice.objects.drafts().get(customer__number="C0000001", month=make.APRIL)
        adjust_invoice(draft, [], discounts=[Discount(item="お値引き", amount=50)], by=None)


def reprice():
    """Another price of a line that isn't billed: its order and draft follow at once (D23)."""
    line = ContractLine.objects.filter(contract__customer__number="C0000002").order_by("pk")[0]
    if line.unit_price != 2500:
        line.unit_price = 2500
        contract = start_contract(line.contract, [line], today=make.IN_MAY)
        redraft(contract.customer, today=make.IN_MAY)


def credit():
    """A billed line that ended in the middle of April, and what of it is given back (D27)."""
    line = ContractLine.objects.filter(contract__customer__number="C0000003").order_by("pk")[0]
    if line.charge_to is None:
        line.charge_to = date(2026, 4, 15)
        start_contract(line.contract, [line], today=make.IN_MAY)
    for proposal in proposals():
        decide([proposal], "credit", "利用終了", by=None)


def new_rate():
    """12 % from May on, and the job in which drafts follow (D34)."""
    if not TaxClass.objects.filter(rate="0.12").exists():
        settled.introduce_rate(TaxClass(kind="standard", rate=Decimal("0.12"), valid_from=make.MAY))
    catch_up(numbers=None)


STEPS = [
    f"renew_contracts --month {MONTH}",
    "import_usage {usage}",
    draft,
    discount,
    reprice,
    f"close_month {MONTH} --wait",
    credit,
    "open_month 2026-05",
    new_rate,
    "send_mail",
]
USAGE = """contract,service,period,quantity
K0000001,traffic,2026-04,620.5
K0000003,traffic,2026-04,90
"""
STATE = {
    "terms": "SELECT k.number, t.sequence, t.starts_on, t.ends_on FROM contracts_term t JOIN contracts_contract k ON k.id = t.contract_id",
    "orders": "SELECT number, kind, month, amount, reversed_on FROM orders_order",
    "order_lines": "SELECT o.number, l.position, l.item, l.amount FROM orders_orderline l JOIN orders_order o ON o.id = l.order_id",
    "usage": "SELECT m.item, u.month, u.quantity, c.position, c.quantity, c.amount, c.dropped_on FROM orders_usage u JOIN contracts_meter m ON m.id = u.meter_id JOIN orders_usagecharge c ON c.usage_id = u.id",
    "files": "SELECT name, rows FROM orders_usagefile",
    "invoices": "SELECT number, kind, state, month, net, tax, total, due_on, fixed_on, addressee, issuer FROM billing_invoice",
    "lines": "SELECT i.number, l.position, l.origin, l.item, l.amount, l.is_order_head FROM billing_invoiceline l JOIN billing_invoice i ON i.id = l.invoice_id",
    "discounts": "SELECT i.number, d.amount FROM billing_discount d JOIN billing_invoice i ON i.id = d.invoice_id",
    "decisions": "SELECT choice, amount FROM billing_decision",
    "credits": "SELECT c.source, c.amount, i.number, i.state, l.amount AS taken FROM billing_credit c LEFT JOIN billing_invoiceline l ON l.credit_id = c.id LEFT JOIN billing_invoice i ON i.id = l.invoice_id",
    "pending": "SELECT customer_id FROM orders_pending",
    "history": "SELECT action, subject, data FROM portal_historyevent",
    "totals": "SELECT i.number, t.kind, t.rate, t.base, t.tax FROM billing_taxtotal t JOIN billing_invoice i ON i.id = t.invoice_id",
    "pdfs": "SELECT i.number, p.size > 1000 FROM billing_invoicepdf p JOIN billing_invoice i ON i.id = p.invoice_id",
    "mails": "SELECT key, kind, state, sent_to FROM portal_mail",
    "parked": "SELECT c.number, p.month, p.reason FROM billing_parked p JOIN accounts_customer c ON c.id = p.customer_id",
}


class Killer:
    """Counts what happens in this process, and ends it at the moment `at`."""

    def __init__(self):
        self.seen, self.at = 0, None

    def moment(self):
        self.seen += 1
        if self.seen == self.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, call):
        self.moment()
        result = call()
        self.moment()
        return result


killer = Killer()


def count(execute, *given):
    return killer.around(lambda: execute(*given))


def count_on(connection, **_more):
    if count not in connection.execute_wrappers:  # a connection keeps its wrappers when it is opened again
        connection.execute_wrappers.append(count)


def watch():
    """Count statements on every connection, and commits."""
    connection_created.connect(count_on)
    commit = BaseDatabaseWrapper._commit
    BaseDatabaseWrapper._commit = lambda self: killer.around(lambda: commit(self))


class Deliveries(BaseEmailBackend):
    """A mailbox that only remembers what came, across kills."""

    file = None

    def send_messages(self, messages):
        for message in messages:
            killer.around(lambda message=message: self.deliver(message))
        return len(messages)

    def deliver(self, message):
        with open(self.file, "a") as file:
            file.write(message.extra_headers["Message-ID"] + "\n")


def sql(text, database="postgres"):
    """One statement outside any transaction, on another database."""
    use(database)
    with connection.cursor() as cursor:
        cursor.execute(text)
    connection.close()


def drop(database):
    """FORCE may not end a worker of autovacuum, which no role but a superuser ends; it goes by itself within seconds."""
    for patience in range(60, -1, -1):
        try:
            return sql(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        except ProgrammingError:
            if not patience:
                raise
            time.sleep(0.5)


def use(database):
    connection.close()
    connection.settings_dict["NAME"] = database


def prepare(template):
    """The database that every run starts from, and fonts that every child inherits warm."""
    sql(f"CREATE DATABASE {NAME} TEMPLATE {template}")
    use(NAME)
    call_command("migrate", verbosity=0)
    make.make_vendor()
    Service.objects.filter(code="cloud").update(prorate=True)
    for number in (1, 2, 3):
        customer = make.make_customer(f"C{number:07}", address="東京都")
        make.make_user(customer, f"user{number}@example.com", is_recipient=True, is_manager=True)
        contract = make.make_contract(customer, (1000 * number, 2), (999,), start_on=make.APRIL, today=make.APRIL)
        if number != 3:
            make.make_meter(contract, 10, (500, "7.5"), service="traffic", free_quantity=100)
        make.make_contract(customer, (333,), service="line", start_on=make.APRIL, today=make.APRIL)
    User.objects.filter(customer=None).delete()
    with connection.cursor() as cursor:  # the close has to make terms and orders again
        cursor.execute("DELETE FROM orders_orderline; DELETE FROM orders_order; DELETE FROM contracts_term")
        cursor.execute("UPDATE portal_counter SET value = 0 WHERE series LIKE 'order%%'")
    use("postgres")


def play(at, now):
    """The month's work in a child process, killed at moment `at`. Returns (exit status, moments seen)."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        killer.seen, killer.at, code = 0, at, 0
        try:
            with time_machine.travel(now), open(os.devnull, "w") as nowhere:
                sys.stdout = nowhere
                for step in STEPS:
                    if callable(step):
                        step()
                    else:
                        call_command(*step.format(usage=f"{Deliveries.file}.csv").split())
        except SystemExit as ended:
            code = ended.code or 0
        except BaseException as fault:
            sys.stderr.write(f"{type(fault).__name__}: {fault}\n")
            code = 70
        os.write(write, str(killer.seen).encode())
        os._exit(code)
    os.close(write)
    _pid, status = os.waitpid(pid, 0)
    seen = os.read(read, 20).decode()
    os.close(read)
    return os.waitstatus_to_exitcode(status), int(seen or 0)


def wait_for_backends(database):
    """Until the server has noticed that a killed process is gone."""
    use("postgres")
    while True:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", [database])
            if not cursor.fetchone()[0]:
                break
        time.sleep(0.01)
    connection.close()


def rows():
    """What a month left in the database that this process is connected to, without ids and times."""
    found = {}
    with connection.cursor() as cursor:
        for name, text in STATE.items():
            cursor.execute(f"SELECT row_to_json(x)::text FROM ({text}) x ORDER BY 1")
            found[name] = [row for (row,) in cursor.fetchall()]
    return found


def state(database):
    use(database)
    found = rows()
    with time_machine.travel(NOW):
        found["broken"] = [
            each.code for each in checks.check(make.APRIL, today=make.IN_MAY) if each.kind == "broken" and each.rows
        ]
    use("postgres")
    return found


def survive(kills, golden):
    """Run on a fresh copy, killed at each of the moments in turn, then undisturbed. Returns what is wrong, or ''."""
    database = f"{NAME}_run"
    drop(database)
    sql(f"CREATE DATABASE {database} TEMPLATE {NAME}")
    Path(Deliveries.file).write_text("")
    use(database)
    for turn, at in enumerate((*kills, None)):
        wait_for_backends(database)
        use(database)
        code, seen = play(at, NOW + turn * PAUSE)
        if at is None and code != 0:
            return f"exit {code}"
        if [at] == kills[:1] and code != -signal.SIGKILL:
            return f"not killed (exit {code})"
    wait_for_backends(database)
    found = state(database)
    if golden is None:
        return found, seen
    if found != golden:
        return "; ".join(f"{name}: {found[name]}" for name in found if found[name] != golden[name])[:500]
    sent = Path(Deliveries.file).read_text().split()
    if len(set(sent)) != 3 or len(sent) > 3 + len(kills):
        return f"deliveries: {sent}"
    return ""


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--points", type=int, default=40)
    arguments.add_argument("--full", action="store_true")
    arguments.add_argument(
        "--template", default="template1", help="a database that is migrated already, with nobody in it"
    )
    options = arguments.parse_args()
    if settings.EMBEDDED:
        settings.EMBEDDED.ensure()
    with tempfile.TemporaryDirectory() as folder:
        Deliveries.file = f"{folder}/deliveries"
        settings.EMAIL_BACKEND = f"{__name__}.Deliveries"
        Path(f"{Deliveries.file}.csv").write_text(USAGE)
        prepare(options.template)
        watch()
        try:
            golden, moments = survive([], None)
            whole = golden["broken"] == golden["pending"] == [] and len(golden["pdfs"]) == 3
            assert whole and len(golden["credits"]) == 1, json.dumps(golden, ensure_ascii=False)
            if options.full:
                chance = random.Random(20160501)
                plans = [[at] for at in range(1, moments + 1)]
                plans += [[chance.randint(1, moments), chance.randint(1, moments)] for _each in range(200)]
            else:
                step = moments / options.points
                plans = [[1 + int(step * place)] for place in range(options.points)]
            survived = 0
            for kills in plans:
                wrong = survive(kills, golden)
                survived += not wrong
                if wrong:
                    print(f"killed at {kills}: {wrong}")
        finally:
            drop(f"{NAME}_run")
            drop(NAME)
    print(f"faults: {survived} of {len(plans)} survived ({moments} moments)")
    return 0 if survived == len(plans) else 1


if __name__ == "__main__":
    sys.exit(main())
