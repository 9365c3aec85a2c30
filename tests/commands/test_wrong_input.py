"""What operators may mistype: each command says it in one line, ends with 2 and has done nothing."""

from datetime import date

import pytest
import time_machine
from django.core.management import CommandError, call_command, load_command_class

from billing.models import Invoice, MonthRun
from portal.models import Mail
from tests import make


@pytest.fixture(autouse=True)
def in_may():
    with time_machine.travel("2026-05-08T03:00Z"):
        yield


def refused(*arguments):
    """What the command says as it refuses."""
    with pytest.raises(CommandError) as ended:
        call_command(*arguments)
    assert ended.value.returncode == 2
    assert len(str(ended.value).splitlines()) == 1
    return str(ended.value)


@pytest.mark.parametrize("command", [["close_month"], ["open_month"], ["check_month"], ["renew_contracts", "--month"]])
@pytest.mark.parametrize(
    ("month", "words"),
    [
        ("9999-12", "2000-01 から 2999-12 まで"),
        ("3000-01", "2000-01 から 2999-12 まで"),
        ("1999-12", "2000-01 から 2999-12 まで"),
        ("0001-01", "2000-01 から 2999-12 まで"),
        ("2026-13", "YYYY-MM"),
        ("", "YYYY-MM"),
        ("\udc8e", "YYYY-MM"),
    ],
)
def it_refuses_what_is_no_month(cast, command, month, words):
    said = refused(*command, month)
    assert words in said
    said.encode()
    assert not MonthRun.objects.exists()


def it_checks_any_month_that_has_begun_and_no_other(cast):
    """Of one to come nothing could be wrong, whatever month was meant."""
    for month in (make.APRIL, make.MAY):
        make.open_month(month)
    for month in ("2000-01", "2026-05"):
        call_command("check_month", month)
    for month in ("2026-06", "2999-12"):
        assert f"{month} はまだ始まっていません" in refused("check_month", month)


@pytest.mark.parametrize(
    ("numbers", "unknown"),
    [
        (["C9999999"], "「C9999999」"),
        ([""], "「」"),
        (["C0000001", "C9999999", "c0000002"], "「C9999999」 「c0000002」"),
        (["\udc8e"], "「\N{REPLACEMENT CHARACTER}」"),
    ],
)
def it_names_the_customers_that_do_not_exist(cast, numbers, unknown):
    given = [word for number in numbers for word in ("--customer", number)]
    assert refused("close_month", "2026-04", *given) == f"お客様番号がありません: {unknown}"
    assert not MonthRun.objects.exists()


def it_drafts_no_month_that_is_closed_or_before_the_first(cast):
    make.close_month()
    assert "2026-04 は締め済みです" in refused("open_month", "2026-04")
    assert "2026-03 は運用開始年月 2026-04 より前です" in refused("open_month", "2026-03")
    assert "2026-06 はまだ始まっていません" in refused("open_month", "2026-06")
    call_command("open_month", "2026-05")
    assert (
        sorted(Invoice.objects.values_list("month", "state")) == [(make.APRIL, "fixed")] * 2 + [(make.MAY, "draft")] * 2
    )


@pytest.mark.parametrize("moment", ["", "yesterday", "2026-05-08T25:00"])
def it_sends_nothing_when_the_moment_of_the_restore_is_none(cast, moment):
    make.close_month(today=date(2026, 5, 8))
    before = list(Mail.objects.values())
    assert "日時は YYYY-MM-DDTHH:MM" in refused("send_mail", "--no-mail-before", moment)
    assert list(Mail.objects.values()) == before


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("close_month", "引数を確認してください（manage.py close_month --help）"),
        ("close_month 2026-04 --bogus", "--bogus"),
        ("close_month 2026-04 --jobs x", "--jobs"),
        ("close_month 2026-04 --jobs", "--jobs"),
        ("check_month 2026-04 --jump -5", "0以上"),
        ("check_month 2026-13", "月は YYYY-MM"),
        ("import_usage", "引数を確認してください"),
        ("import_usage /no/such/file.csv", "/no/such/file.csv を読めません: その名前のファイルがありません。"),
        ("import_customers /tmp", "/tmp を読めません: フォルダです。"),
        ("import_invoices /no/such/folder", "読めません: その名前の"),
        ("render_invoices now", "now"),
        ("send_mail --no-mail-before", "--no-mail-before"),
    ],
)
def it_says_it_in_a_shell_in_one_line_too(cast, capsys, typed, words):
    argv = ["manage.py", *typed.split()]
    with pytest.raises(SystemExit) as ended:
        load_command_class("billing", argv[1]).run_from_argv(argv)
    told = capsys.readouterr()
    assert ended.value.code == 2
    assert told.out == ""
    assert len(told.err.splitlines()) == 1
    assert words in told.err
    assert "WrongUsage" not in told.err
    assert "CommandError" not in told.err
