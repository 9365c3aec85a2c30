"""What the operators' commands share: one clear line and an exit code for everything that can be foreseen."""

import os
import signal
import sys
import time
from datetime import date, timedelta

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import Error, connection
from procrastinate.exceptions import ConnectorException

from accounts.models import Customer
from billing.models import Parked
from billing.month.close import Refused
from billing.month.lock import Busy
from portal import months, reading, trace
from portal.db.ready import what_to_run
from portal.db.schema import ROLE
from portal.models import Vendor

BAR = 24
FIRST_MONTH, LAST_MONTH = date(2000, 1, 1), date(2999, 12, 1)  # beyond them the calendar's arithmetic may fail
DONE, INCOMPLETE, USAGE, CONFIGURATION, BUSY = 0, 1, 2, 3, 75


class WrongUsage(CommandError):
    """What was typed can't be meant, or a file can't be read; the text says what would do."""

    def __init__(self, text):
        super().__init__(text, returncode=USAGE)


class Stopped(BaseException):
    """SIGTERM: the batch in hand is rolled back, what was committed stays. No `except Exception` takes it for a fault."""


class OperatorCommand(BaseCommand):
    """A command that runs as the owner of the tables. `work` returns an exit code (None is done).

    The checks of the whole project, which load every page, are for `migrate` and the tests.
    """

    requires_system_checks = []
    needs_tables = True

    def run_from_argv(self, argv):
        """From a shell: a refusal is one line, without an error's name in front; `--traceback` shows where it was raised."""
        try:
            super().run_from_argv([*argv[:2], "--traceback", *argv[2:]])
        except CommandError as refused:
            if "--traceback" in argv:
                raise
            self.stderr.write(str(refused))
            sys.exit(refused.returncode)

    def create_parser(self, prog_name, subcommand, **kwargs):
        """Arguments that can't be meant are told in one line too, instead of the whole usage."""
        parser = super().create_parser(prog_name, subcommand, **kwargs)

        def error(message):
            raise WrongUsage(f"引数を確認してください（manage.py {subcommand} --help）: {readable(message)}")

        parser.error = error  # type: ignore[method-assign]
        return parser

    def handle(self, *args, **options):
        signal.signal(signal.SIGTERM, self.stop)
        try:
            if self.needs_tables:
                check_role()
            with trace.working(trace.new()):
                code = self.work(**options)
        except Refused as refused:
            raise CommandError(str(refused), returncode=USAGE) from None
        except Busy as busy:
            raise CommandError(str(busy), returncode=BUSY) from None
        except ValidationError as invalid:
            raise CommandError(" ".join(invalid.messages), returncode=USAGE) from None
        except (Error, ConnectorException) as error:
            reason = error.__cause__ if isinstance(error, ConnectorException) and error.__cause__ else error
            raise CommandError(
                f"データベースのエラーです: {str(reason).strip().splitlines()[0]}", returncode=CONFIGURATION
            ) from None
        except KeyboardInterrupt:
            raise CommandError("中断しました。もう一度実行すれば続きから進みます。", returncode=130) from None
        except Stopped:
            raise CommandError("停止しました。もう一度実行すれば続きから進みます。", returncode=143) from None
        if code:
            sys.exit(code)

    def work(self, **options):
        raise NotImplementedError

    @staticmethod
    def stop(signum, frame):
        raise Stopped

    def say(self, text, ending="\n"):
        """What nobody reads any more, as `| head` has closed the pipe, is left unsaid; the work goes on."""
        try:
            self.stdout.write(text, ending=ending)
            self.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def say_parked(self, parked):
        """`parked` as `parked_customers` gives it."""
        for number, reason in parked.items():
            self.say(f"  保留 {number}: {reason}")

    def progress(self, month):
        """What to tell of a run: a bar that moves on a terminal, plain lines elsewhere."""
        begun, live = time.monotonic(), self.stdout.isatty()

        def tell(done, total):
            rate = done / max(time.monotonic() - begun, 0.001)
            left = timedelta(seconds=int((total - done) / rate))
            parked = Parked.objects.filter(month=month).count()
            text = f"{done:,}/{total:,}件  保留 {parked}  {rate:,.0f}件/秒  残り {left}"
            bar = "█" * (BAR * done // total)
            self.say(
                f"\r{bar:░<{BAR}} {text}\033[K" if live else text, ending="\n" if not live or done == total else ""
            )

        return tell


def check_direct():
    """Raises CommandError (3) behind a pooler, which would keep a run's lock when the run is over: it numbers connections itself."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        if cursor.fetchone()[0] != connection.connection.info.backend_pid:
            raise CommandError(
                "PgBouncerなどを通して接続しています。コマンドとワーカーの DATABASE_URL はPostgreSQLへ直接向けてください。",
                returncode=CONFIGURATION,
            )


def check_role():
    """Raises CommandError (3) unless this role sees every customer's rows and the tables are there, without a pooler in between."""
    check_direct()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_user = %s, pg_has_role(relowner, 'USAGE') FROM pg_class WHERE relname = 'billing_invoice'",
            [ROLE],
        )
        found = cursor.fetchone()
    if found is None:
        raise CommandError(what_to_run(), returncode=CONFIGURATION)
    if found[0] or not found[1]:
        raise CommandError(
            "表の所有者ロールで実行してください（Webのロールではできません）。", returncode=CONFIGURATION
        )


def readable(text):
    """What a person typed, or a file's name, with a mark for each byte that is no UTF-8: such bytes can't be printed or stored."""
    return text.encode(errors="surrogateescape").decode(errors="replace")


def month(text):
    """A month typed by a person. Raises WrongUsage."""
    try:
        given = reading.month(text)
    except ValidationError:
        given = None
    if given is None or not FIRST_MONTH <= given <= LAST_MONTH:
        first, last = months.format_month(FIRST_MONTH), months.format_month(LAST_MONTH)
        raise WrongUsage(
            f"月は YYYY-MM の形で、{first} から {last} までで指定してください（例 2026-04）: {readable(text)}"
        )
    return given


def known_customers(numbers):
    """Customers' numbers typed by a person; None, for all of them, stays None. Raises WrongUsage naming those that nobody has."""
    if numbers is None:
        return None
    numbers = [readable(number) for number in numbers]
    known = set(Customer.objects.filter(number__in=numbers).values_list("number", flat=True))
    if unknown := [f"「{number}」" for number in numbers if number not in known]:
        raise WrongUsage(f"お客様番号がありません: {' '.join(unknown)}")
    return numbers


def parked_customers(months, numbers=None):
    """{number of a customer parked in one of these months: why}; of several months the earliest tells."""
    parked = Parked.objects.filter(month__in=months)
    if numbers is not None:
        parked = parked.filter(customer__number__in=numbers)
    return dict(parked.order_by("customer__number", "-month").values_list("customer__number", "reason"))


def need_vendor():
    """Raises CommandError (3) while the vendor's settings are missing."""
    if not Vendor.objects.exists():
        raise CommandError(
            "ベンダー設定がありません。管理画面の「ベンダー設定」で登録してください。", returncode=CONFIGURATION
        )
