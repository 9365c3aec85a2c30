"""A mail server that does what a test tells it; an installation with which all is well."""

import contextlib
import time

import pytest
from aiosmtpd.controller import Controller
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from billing.doctor import database, machine
from billing.models import MonthRun
from portal import installation, months
from portal.db import catalogue
from portal.models import Installation, VendorRegistration
from tests import processes
from tests.commands.doctoring import complaints, sql

ADDRESS = {"PORTAL_URL": "https://portal.example.com", "HTTPS": True, "TRUSTED_PROXIES": 1}


class Sink:
    """Keeps what arrives; `script` maps an address to what RCPT answers, `data` to what DATA answers."""

    def __init__(self):
        self.taken, self.script, self.data, self.pause = [], {}, {}, 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.script:
            return self.script[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        time.sleep(self.pause)
        self.taken.append((envelope.rcpt_tos[0], envelope.content.decode()))
        answer = self.data.get(envelope.rcpt_tos[0], "250 OK")
        if answer == "reset":
            server.transport.abort()
        return answer if answer != "reset" else "250 OK"


@pytest.fixture
def sink(settings):
    handler = Sink()
    controller = Controller(handler, hostname="127.0.0.1", port=0)
    with contextlib.suppress(Exception):
        controller.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = controller.server.sockets[0].getsockname()
    settings.EMAIL_TIMEOUT = 2
    yield handler
    controller.stop()


@pytest.fixture
def well(cast, settings, tmp_path, monkeypatch):
    """An installation in production with which all is well; the tests' server itself is as fast as it is careless."""
    processes.empty_queue()
    settings.SECRET_KEY = "k3y-" * 4 + "0123456789abcdefghijklmnopqrstuvwxyz"
    settings.DATA = tmp_path
    tmp_path.chmod(0o700)
    settings.DATABASE_URL = "dbname=portal"
    if not settings.EMBEDDED:  # whose web has its role already
        settings.WEB_DATABASE = {"USER": "portal_login"}
        call_command("migrate", verbosity=0)
    for name, value in ADDRESS.items():
        setattr(settings, name, value)
    monkeypatch.setattr(machine, "first_answer", lambda _page: (200, ""))
    settings.DEFAULT_FROM_EMAIL = "noreply@example.com"
    settings.DEBUG = False
    VendorRegistration.objects.update(number="T1234567890123")
    monkeypatch.setitem(database.DURABLE, "fsync", "off")
    monkeypatch.setitem(database.DURABLE, "full_page_writes", "off")
    monkeypatch.setitem(database.DURABLE, "synchronous_commit", "off")
    real = database.ask
    monkeypatch.setattr(
        database, "ask", lambda sql, *given: (False, "owner") if "rolsuper, rolname" in sql else real(sql, *given)
    )
    sql("INSERT INTO procrastinate_workers DEFAULT VALUES")
    now = timezone.now()
    MonthRun.objects.create(
        month=months.month_of(months.today()), kind="open", as_of=months.today(), whole=True, finished_at=now
    )
    last = months.add_months(months.month_of(months.today()), -1)
    MonthRun.objects.create(month=last, kind="close", as_of=months.today(), whole=True, finished_at=now)
    installation.at_home()
    Installation.objects.update(backed_up_at=now)
    catalogue.keep(connection)
    assert complaints() == {}
    return cast
