"""`import_contracts` with 100,000 lines, as real commands: new, the same again, and every price changed; at most 60 s and 200 MB each.

Runs on an embedded server of its own: `.venv/bin/python bench/import_contracts.py`; `--lines N` takes as many, three a contract and
three contracts a customer. Prints the slowest as a share of those 60 s last.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench.close import manage

LONGEST, MOST = 60, 200  # seconds, MB
HEADING = (
    "契約番号,お客様番号,契約名,サービス,契約形態,契約開始日,更新区分,行,品目,数量,単位,単価,税抜・税込,税区分,備考\r\n"
)


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


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--lines", type=int, default=100_000)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        os.environ["PORTAL_DATA_DIR"] = folder
        os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
        os.environ.pop("DATABASE_URL", None)
        import django

        django.setup()
        from django.conf import settings

        from accounts.models import Customer
        from billing.demo import data
        from contracts.models import ContractLine
        from orders.models import OrderLine
        from portal import months

        manage("migrate", "-v0")
        today = months.today()
        data.set_up_vendor(months.month_of(today))
        Customer.objects.bulk_create(
            Customer(number=f"C-{number:06}", name=f"会社{number}") for number in range(options.lines // 9 + 1)
        )
        first, changed = Path(folder) / "contracts.csv", Path(folder) / "changed.csv"
        write(first, options.lines, today)
        write(changed, options.lines, today, dearer=5)
        slowest = 0
        for words, path in (("new", first), ("the same again", first), ("every price changed", changed)):
            seconds, memory = manage("import_contracts", str(path))
            print(f"{options.lines} lines, {words}: {seconds:.1f} s, {memory} MB (at most {LONGEST} s, {MOST} MB)")
            slowest = max(slowest, seconds)
        assert ContractLine.objects.count() == options.lines
        print(f"{OrderLine.objects.count()} order lines")
        print(f"import_contracts ratio: {slowest / LONGEST:.2f}")
        settings.EMBEDDED.release()


if __name__ == "__main__":
    main()
