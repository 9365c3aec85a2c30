"""What the commands that take files in share: how a file is read, and what is told of it."""

import json
from pathlib import Path

from billing.management.base import USAGE, OperatorCommand, WrongUsage, need_vendor, readable
from billing.month import lock
from billing.uploads.kinds import warn_of_other_kind
from portal import months
from portal.imports.faults import together
from portal.imports.sheets import why_not
from portal.imports.taking import Kind, take_in

SHOWN = 50
ERRORS_END = ".errors.csv"


class ImportCommand(OperatorCommand):
    """`kind` is what the file holds; `after` is done once it is in. All of a file or nothing, and no mail."""

    kind: Kind

    def add_arguments(self, parser):
        parser.add_argument("file", metavar="FILE.csv")
        parser.add_argument("--dry-run", action="store_true", help="取り込まずに、結果だけを表示します")
        parser.add_argument("--json", action="store_true", help="結果をJSONで出力します")

    def work(self, **options):
        need_vendor()
        path = Path(options["file"])
        content = self.content(path)
        code = None
        with lock.alone() as check_lock:
            report = take_in(
                self.kind, readable(path.name), content, today=months.today(), dry_run=options["dry_run"],
                **self.more(options),
            )  # fmt: skip
            warn_of_other_kind(self.kind, report)
            if not report.errors and not report.dry_run:
                code = self.after(report, check_lock)
        mended = path.with_name(path.name + ERRORS_END)
        if report.errors:
            self.keep_errors(report, mended)
        else:
            mended.unlink(missing_ok=True)
        if options["json"]:
            self.say(json.dumps(self.as_json(report), ensure_ascii=False))
        else:
            self.tell(report, mended)
        return USAGE if report.errors else code

    def content(self, path):
        """The bytes of the file. Raises WrongUsage."""
        return read_bytes(path)

    def more(self, options):
        """What else the kind wants to know."""
        return {}

    def after(self, report, check_lock):
        """What follows once the file is in, while no other run is active; returns the command's exit code."""

    def as_json(self, report):
        return report.as_json()

    def keep_errors(self, report, path):
        try:
            path.write_bytes(report.errors_csv())
        except OSError as error:
            self.stderr.write(f"{readable(str(path))} に書き込めません: {why_not(error)}")

    def tell(self, report, mended):
        if report.unknown:
            self.say(f"{report.file}: 読まなかった列 {'、'.join(report.unknown)}")
        for warning in report.warnings:
            self.say(f"  注意 {warning}")
        if not report.errors:
            dry = "（--dry-run: 取り込んでいません）" if report.dry_run else ""
            counts = f"追加 {report.added:,} 件、変更 {report.changed:,} 件、変更なし {report.unchanged:,} 件"
            self.say(f"{report.file}（{report.encoding}）: {counts}{dry}")
            return
        self.stderr.write(f"{report.file}: {len(report.errors)}件の誤りがあります。何も取り込みませんでした。")
        tell_faults(report, self.stderr)
        if report.bad:
            self.stderr.write(f"誤りのある行: {readable(str(mended))}")


def tell_faults(report, out):
    """One line for each, and for what is the same in many rows; the first ones of many."""
    found = list(together(report.errors))
    for same in found[:SHOWN]:
        fault = same.fault
        shown = f"「{fault.value}」" if fault.value else ""
        where = f"{fault.heading}{shown}: " if fault.heading else ""
        rows = f"{same.rows}行目" + (f"など{len(same.lines):,}行" if same.is_cut else "")
        out.write(f"  {rows} {fault.code} {where}{fault.text}")
    if left := sum(len(same.lines) for same in found[SHOWN:]):
        out.write(f"  ほか {left}件（--json で全件）")


def read_bytes(path):
    """Raises WrongUsage."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise WrongUsage(f"{readable(str(path))} を読めません: {why_not(error)}") from None
