"""`import_contracts` with 100,000 lines, as real commands: new, the same again, and every price changed; at most 60 s and 200 MB each.

Runs on an embedded server of its own: `.venv/bin/python bench/import_contracts.py`; `--lines N` takes as many, three a contract and
three contracts a customer; `--metered` makes all of them prices of metered services. The command and its server wait for each
other, so that the CPU seconds of both together are what it takes on a quiet machine. Prints the most of them as a share of those 60 s last.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from bench.close import manage

LONGEST, MOST = 60, 200  # seconds, MB
HEADING = (
    "契約番号,お客様番号,契約名,サービス,契約形態,契約開始日,更新区分,行,品目,数量,単位,単価,税抜・税込,税区分,備考\r\n"
)
METERED = "契約番号,お客様番号,契約名,サービス,契約開始日,品目,単位,単価,従量,従量サービス,段階料金\r\n"
SERVICES = ("cloud", "line", "monitor")
TICKS = os.sysconf("SC_CLK_TCK")


def write(path, lines, today, *, dearer=0):
    """Contracts under way since the years before, their rows as an old system writes them."""
    with path.open("w", encoding="cp932", newline="") as file:
        file.write(HEADING)
        for place in range(lines):
            contract, line = divmod(place, 3)
            form = ("月額", "月額", "年額")[contract % 3]
            start = f"{today.year - 1 - contract % 9}/{contract % 12 + 1}/{contract % 28 + 1}"
            file.write(
                f"X-{contract:06},Ｃ－{contract // 3:06},契約{contract}号,cloud,{form},{start},自動更新,{line + 1},利用料{contract % 50},"
                f'{line + 1},式,"{1000 + contract % 97 + dearer:,}",税抜,標準税率,旧契約{contract}\r\n'
            )


def write_metered(path, lines, today, *, dearer=0):
    """Contracts of three metered services each."""
    with path.open("w", encoding="cp932", newline="") as file:
        file.write(METERED)
        for place in range(lines):
            contract, line = divmod(place, 3)
            price = 10 + contract % 7 + dearer
            file.write(
                f"X-{contract:06},Ｃ－{contract // 3:06},契約{contract}号,cloud,{today.year - 1}/4/1,転送量,GB,{price},○,{SERVICES[line]},500:{price - 1}\r\n"
            )


def measured(postmaster, *arguments):
    """(seconds, CPU seconds of the command, of its server, peak memory of the command in MB)"""
    begin, before = time.monotonic(), used_by_children(postmaster)
    process = subprocess.Popen([sys.executable, "manage.py", *arguments], cwd=ROOT, stdout=subprocess.DEVNULL)
    _pid, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{arguments} ended with {os.waitstatus_to_exitcode(status)}")
    seconds = time.monotonic() - begin
    time.sleep(1)  # until the server has seen its backend end
    own = usage.ru_utime + usage.ru_stime
    return seconds, own, used_by_children(postmaster) - before, usage.ru_maxrss // 1024


def used_by_children(process):
    """CPU seconds of the children of a process that have ended."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / TICKS


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--lines", type=int, default=100_000)
    arguments.add_argument("--metered", action="store_true")
    options = arguments.parse_args()
    wrote = write_metered if options.metered else write
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        os.environ["PORTAL_DATA_DIR"] = folder
        os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
        os.environ.pop("DATABASE_URL", None)
        import django

        django.setup()
        from django.conf import settings
        from django.db import connection

        from accounts.models import Customer
        from billing.demo import data
        from contracts.models import ContractLine, MeterPrice
        from orders.models import OrderLine
        from portal import months

        manage("migrate", "-v0")
        today = months.today()
        data.set_up_vendor(months.month_of(today))
        Customer.objects.bulk_create(
            Customer(number=f"C-{number:06}", name=f"会社{number}") for number in range(options.lines // 9 + 1)
        )
        first, changed = Path(folder) / "contracts.csv", Path(folder) / "changed.csv"
        wrote(first, options.lines, today)
        wrote(changed, options.lines, today, dearer=5)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_read_file('postmaster.pid')")
            postmaster = int(cursor.fetchone()[0].split()[0])
        most = 0
        for words, path in (("new", first), ("the same again", first), ("every price changed", changed)):
            seconds, own, server, memory = measured(postmaster, "import_contracts", str(path))
            cpu = f"CPU {own:.1f} s and {server:.1f} s of the server's"
            print(
                f"{options.lines} lines, {words}: {seconds:.1f} s, {cpu}, {memory} MB (at most {LONGEST} s, {MOST} MB)"
            )
            most = max(most, own + server)
        assert (MeterPrice if options.metered else ContractLine).objects.count() == options.lines
        print(f"{OrderLine.objects.count()} order lines")
        print(f"import_contracts ratio: {most / LONGEST:.2f}")
        settings.EMBEDDED.release()


if __name__ == "__main__":
    main()
