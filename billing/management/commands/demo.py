"""The whole portal with demo data on this machine: database, data, worker and web, until it is stopped."""

import fcntl
import hashlib
import http.client
import os
import signal
import socket
import sys
import time
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection

from billing.demo.data import PASSWORD
from billing.demo.supervisor import Children, Signals
from billing.management.base import BUSY, CONFIGURATION, INCOMPLETE
from billing.models import Invoice, MonthCheck
from billing.month.checked import check_and_keep, months_to_check
from portal import installation, months
from portal.db.embedded import Unavailable
from portal.secret import own_folder
from portal.tasks import retry_stalled_jobs

PREDECESSOR_SECONDS = 10.0  # a killed demo's children need a moment to end
WEB_SECONDS = 60.0
PAUSE_SECONDS = 0.1
WORKER = "ワーカー"
MOST_DEATHS = 3  # within a minute
SIGN_IN = """
{url}/

  お客様      hanako@example.com   管理者ユーザ、メール送信先（C0000001）
              taro@example.com     一般ユーザ（C0000001）
              jiro@example.org     管理者ユーザ（C0000002）
              saburo@example.jp    初回にパスワードの変更が必要（C0000003）
  担当者      staff@example.net    {url}/admin/
  パスワード  {password}（全員共通）
  メール      {mail}

Ctrl-C で停止します。
"""


class Stop(Exception):
    """Somebody asked for the end."""


class Command(BaseCommand):
    help = "デモデータ入りのポータルを起動します（Ctrl-C で停止）。何度でも実行できます。"
    requires_system_checks = ()

    def handle(self, *args, **options):
        self.deaths = []
        self.signals = Signals()
        self.signals.listen()
        own_folder(settings.DATA)
        with open(settings.DATA / "demo.lock", "a+") as lock:
            self.be_alone(lock)
            check_port()
            self.children = Children(
                cwd=settings.BASE_DIR,
                env={
                    "LOG_LEVEL": "WARNING",
                    **os.environ,
                    "PORTAL_DATA_DIR": str(settings.DATA),
                    "PYTHONUNBUFFERED": "1",
                },
                keep_open=lock.fileno(),
            )
            try:
                self.start()
                self.watch()
            except Stop:
                pass
            finally:
                self.end()
        self.say("停止しました")
        sys.exit(128 + self.signals.caught)

    def say(self, text):
        self.stdout.write(text)
        self.stdout.flush()

    def be_alone(self, lock):
        """One demo per data folder. The lock is held by the children too, so it shows those of a killed demo."""
        until = time.monotonic() + PREDECESSOR_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                lock.seek(0)
                pid = lock.read().strip()
                if time.monotonic() > until or (pid and Path("/proc", pid).exists()):
                    raise CommandError(
                        f"{settings.DATA} のデモは起動中です（プロセス {pid}）。", returncode=BUSY
                    ) from None
                self.pause()
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()

    def start(self):
        """Everything up to the first page, one line a step."""
        self.prepare_database()
        if not settings.DEBUG:
            self.say("静的ファイルを用意しています")
            collect_static()
        self.say("デモデータを用意しています")
        self.command("load_demo")
        installation.release()  # demo data may move to another port as they like
        self.say("ワーカーを起動しています")
        if settings.EMBEDDED:
            retry_stalled_jobs(0)  # this demo is alone here: whatever a killed one left, nobody is at work on
        self.start_worker()
        self.await_pdfs()
        self.check_months()
        self.say("Webサーバを起動しています")
        self.children.start("Webサーバ", [
            sys.executable, "-m", "gunicorn", "portal.wsgi", "--bind", f"127.0.0.1:{settings.PORT}", "--workers", "2",
            "--worker-class", "gthread", "--threads", "4", "--graceful-timeout", "3", "--no-control-socket", "--log-level", "warning",
            *(["--reload", "--access-logfile", "-"] if settings.DEBUG else []),
        ])  # fmt: skip
        self.await_web()
        mail = settings.EMAIL_FILES if settings.EMAIL_BACKEND == "portal.mail.FileBackend" else settings.EMAIL_HOST
        self.say(SIGN_IN.format(url=settings.PORTAL_URL, password=PASSWORD, mail=mail))

    def prepare_database(self):
        where = f"組み込みPostgreSQL、{settings.EMBEDDED.data}" if settings.EMBEDDED else "DATABASE_URL"
        self.say(f"データベースを用意しています（{where}）")
        try:
            connection.ensure_connection()
        except (Unavailable, DatabaseError) as error:
            raise CommandError(str(error).strip().splitlines()[0], returncode=CONFIGURATION) from None
        self.command("migrate", verbosity=0, interactive=False)

    def command(self, name, **options):
        """Run one command here. It may take the signals for itself; whatever ended it by signal ends us."""
        self.check_signals()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            call_command(name, stdout=self.stdout, **options)
        except (CommandError, KeyboardInterrupt) as end:
            code = getattr(end, "returncode", 128 + signal.SIGINT)
            if code <= 128:
                raise
            self.signals.caught = self.signals.caught or code - 128
        finally:
            self.signals.listen()
        self.check_signals()

    def check_signals(self):
        if self.signals.caught:
            raise Stop

    def pause(self):
        time.sleep(PAUSE_SECONDS)
        self.check_signals()

    def start_worker(self):
        self.children.start(WORKER, [sys.executable, "manage.py", "procrastinate", "worker"])

    def check_children(self):
        """A worker that died is started again, unless it dies time and again; without its web the demo ends."""
        name = self.children.dead()
        if name == WORKER:
            now = time.monotonic()
            self.deaths = [at for at in self.deaths if now - at < 60] + [now]
            if len(self.deaths) < MOST_DEATHS:
                self.say("ワーカーが終了したため、もう一度起動します")
                self.start_worker()
                return
        if name:
            raise CommandError(f"{name}が終了したため、停止します。", returncode=INCOMPLETE)

    def await_pdfs(self):
        """The portal opens when every fixed invoice has its PDF, or was parked because it can't have one."""
        waiting = Invoice.objects.renderable()
        if left := waiting.count():
            self.say(f"請求書PDFを作成しています（残り {left} 件）")
        while waiting.exists():
            self.check_children()
            self.pause()
        connection.close()

    def check_months(self):
        """Once, so that the board shows what a check tells; with the PDFs nothing is missing."""
        if not MonthCheck.objects.exists():
            today = months.today()
            for month in months_to_check(today):
                check_and_keep(month, today=today)
        connection.close()

    def await_web(self):
        until = time.monotonic() + WEB_SECONDS
        while not web_answers():
            self.check_children()
            if time.monotonic() > until:
                raise CommandError("Webサーバが応答しません。", returncode=INCOMPLETE)
            self.pause()

    def watch(self):
        while True:
            self.check_children()
            self.pause()

    def end(self):
        """Children first, then the database, which stops with its last user."""
        self.signals.listen()
        if self.children.running:
            self.say("停止しています")
        self.children.end()
        connection.close()
        if settings.EMBEDDED:
            settings.EMBEDDED.release()


def check_port():
    """Raises CommandError (3) if the port is taken: else another program's answer would pass for the portal's."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", settings.PORT))
        except OSError as error:
            raise CommandError(
                f"ポート {settings.PORT} は使えません（{error.strerror}）。例: PORT={settings.PORT + 1} bin/demo",
                returncode=CONFIGURATION,
            ) from None


def web_answers():
    """Whether /healthz says 200, asked as the reverse proxy of PORTAL_URL would ask."""
    headers = {"Host": settings.ALLOWED_HOSTS[0], "X-Forwarded-Proto": "https" if settings.HTTPS else "http"}
    asked = http.client.HTTPConnection("127.0.0.1", settings.PORT, timeout=5)
    try:
        asked.request("GET", "/healthz", headers=headers)
        return asked.getresponse().status == 200
    except OSError:
        return False
    finally:
        asked.close()


def collect_static():
    """collectstatic, unless nothing changed since the last time. Fonts stay out: PDFs use them, pages don't."""
    seen = hashlib.sha256()
    for finder in finders.get_finders():
        for path, storage in finder.list(["fonts"]):
            facts = os.stat(storage.path(path))
            seen.update(f"{path} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    stamp = settings.DATA / "static.stamp"
    made = stamp.exists() and settings.STATIC_ROOT.exists() and (settings.DATA / "staticfiles.json").exists()
    if not made or stamp.read_text() != seen.hexdigest():
        call_command("collectstatic", interactive=False, clear=True, verbosity=0, ignore_patterns=["fonts"])
        stamp.write_text(seen.hexdigest())
