"""Each import killed with SIGKILL in the middle and near its end: nothing of the file is stored, and afterwards it comes in whole."""

import json
import signal
from io import StringIO

import time_machine
from django.core.management import call_command

from bench.faults import killer, watch
from tests import make, processes
from tests.old_system import OldSystem
from tests.stored import differing, digests

USAGE = "契約番号,サービスコード,対象年月,数量\nD00001,line,2026-04,1234.5\n"


def it_stores_nothing_of_a_file_whose_import_is_killed(transactional_db, tmp_path):
    make.make_vendor()
    old = OldSystem(tmp_path / "old", customers=3, go_live=make.APRIL, first_invoice=make.APRIL.replace(month=2))
    old.write()
    (old.folder / "usage.csv").write_text(USAGE)
    with time_machine.travel("2026-05-08T03:00Z"):
        for kind in ("customers", "users", "contracts", "invoices", "usage"):
            survive(kind, old.folder / ("invoices" if kind == "invoices" else f"{kind}.csv"), tmp_path / "told")


def survive(kind, path, told):
    def at(moment, *options):
        def act():
            killer.seen, killer.at, said = 0, moment, StringIO()
            watch()
            call_command(f"import_{kind}", str(path), "--json", *options, stdout=said)
            told.write_text(json.dumps({"moments": killer.seen, **json.loads(said.getvalue())}))

        return processes.in_child(act)

    assert at(None, "--dry-run") == 0
    tried, before = json.loads(told.read_text()), digests()
    for moment in (tried["moments"] // 2, tried["moments"] - 2):
        assert at(moment) == -signal.SIGKILL
        assert differing(before, digests()) == set(), (kind, moment)
    assert at(None) == 0
    taken = json.loads(told.read_text())
    assert (taken["added"], taken["errors"]) == (tried["added"], [])
    assert taken["added"] > 0
