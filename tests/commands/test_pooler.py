"""Behind a real PgBouncer in transaction mode: the web keeps customers apart on one connection of the server, commands refuse."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, connections
from psycopg.conninfo import make_conninfo

from accounts.models import User
from portal.db import embedded, web
from portal.db.schema import ROLE
from tests import make, processes
from tests.conftest import WebClient

POOLER = shutil.which("pgbouncer", path=os.defpath + ":/usr/sbin")
CONFIGURATION = """
[databases]
* = host={host} port={port} pool_size=1
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
logfile = {folder}/log
ignore_startup_parameters = {ignored}
"""

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(POOLER is None, reason="needs pgbouncer (Debian package pgbouncer)"),
    pytest.mark.skipif(settings.EMBEDDED is None, reason="needs the embedded server, whose roles have no passwords"),
]


@pytest.fixture
def pooler():
    """A function that starts a pooler with one connection to the server for each role, and returns its port."""
    begun, folders = [], []

    def start(ignored=""):
        folder = Path(tempfile.mkdtemp())  # where another user may come to: it refuses to run as root
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            listen = free.getsockname()[1]
        given = connection.get_connection_params()
        (folder / "users").write_text(f'"{embedded.OWNER}" ""\n"{embedded.WEB}" ""\n')
        text = CONFIGURATION.format(host=given["host"], port=5432, listen=listen, folder=folder, ignored=ignored)
        (folder / "ini").write_text(text)
        if os.geteuid() == 0:
            for path in (folder, *folder.iterdir()):
                os.chown(path, pwd.getpwnam(embedded.SERVER_USER).pw_uid, -1)
        folders.append(folder)
        begun.append(
            subprocess.Popen([*embedded.server_user_prefix(), POOLER, "-q", folder / "ini"], stderr=subprocess.DEVNULL)
        )
        until = time.monotonic() + processes.WAIT_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", listen)).close()
                return listen
            except OSError:
                assert time.monotonic() < until and begun[-1].poll() is None
                time.sleep(0.05)

    yield start
    connection.close()
    for each in begun:
        each.terminate()
        each.wait(processes.WAIT_SECONDS)
    for folder in folders:
        shutil.rmtree(folder)


@pytest.fixture
def through(pooler, monkeypatch):
    """The web's connections lead through the pooler, as `web.connect` makes them, in whichever thread."""
    cast = make.cast()
    make.close_month()
    browsers = {name: WebClient() for name in ("hanako@example.com", "jiro@example.org", "staff@example.net")}
    for name, browser in browsers.items():
        browser.force_login(User.objects.get(email=name))
    former = dict(connections.settings["default"])
    connection.close()
    database = connections.settings["default"]
    database |= {"HOST": "127.0.0.1", "PORT": str(pooler()), "USER": embedded.WEB, "OPTIONS": {}, "CHECK": web.check}
    monkeypatch.setattr(settings, "EMBEDDED", None)
    yield cast, *browsers.values()
    connection.close()
    database.clear()
    database.update(former)


def it_keeps_two_customers_and_staff_apart_on_one_connection(through):
    cast, hanako, jiro, staff = through
    pages = ("/", "/invoices/", "/contracts/", "/orders/", "/account/", "/invoices/?export=csv")

    def body(browser, page):
        response = browser.get(page)
        assert response.status_code == 200, page
        content = b"".join(response.streaming_content) if response.streaming else response.content
        return content.decode(errors="replace")

    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second, ThreadPoolExecutor(1) as third:
        for page in pages:
            mine, other = first.submit(body, hanako, page), second.submit(body, jiro, page)
            desk = third.submit(body, staff, "/admin/accounts/customer/")
            assert cast.b.number not in mine.result() and cast.b.name not in mine.result()
            assert cast.a.number not in other.result() and cast.a.name not in other.result()
            assert cast.a.number in desk.result() and cast.b.number in desk.result()
        for each in (first, second, third):
            each.submit(lambda: connection.close()).result()


def it_leaves_nothing_of_a_request_in_the_pool(through):
    _cast, hanako, _jiro, staff = through
    staff.get("/admin/")
    hanako.get("/invoices/")
    begun = psycopg.connect(
        host="127.0.0.1",
        port=connection.settings_dict["PORT"],
        user=embedded.WEB,
        dbname=connection.settings_dict["NAME"],
    )
    with begun:
        web.check(begun)
        assert begun.execute("SELECT current_user, current_setting('portal.customer', true)").fetchone() in [
            (ROLE, ""),
            (ROLE, None),
        ]
        with pytest.raises(psycopg.Error):
            begun.execute("SELECT * FROM billing_invoice")


@pytest.mark.parametrize("ignored", ["", "options"])
def it_refuses_a_web_that_logs_in_as_the_owner(pooler, tmp_path, ignored):
    """Whether the pooler takes no start-up options, or, as it is often told to, drops them in silence."""
    given = {
        "host": "127.0.0.1",
        "port": pooler(ignored),
        "user": embedded.OWNER,
        "dbname": connection.settings_dict["NAME"],
    }
    ended = processes.start(
        "help", patch="import portal.wsgi", **processes.here(tmp_path) | {"DATABASE_URL": make_conninfo(**given)}
    )
    said, told = ended.communicate(timeout=processes.WAIT_SECONDS)
    assert (ended.returncode, said) == (3, "")
    assert told.splitlines() == [web.NOT_THROUGH_POOLER]


@pytest.mark.parametrize("command", [["open_month"], ["migrate"], ["procrastinate", "worker"], ["send_mail"]])
def it_refuses_a_command_whose_locks_the_pool_would_keep(pooler, command, monkeypatch):
    connection.close()
    monkeypatch.setattr(settings, "EMBEDDED", None)
    for name, value in {"HOST": "127.0.0.1", "PORT": str(pooler()), "OPTIONS": {}}.items():
        monkeypatch.setitem(connections.settings["default"], name, value)
    with pytest.raises(CommandError, match=r"PgBouncerなどを通して接続しています。.*DATABASE_URL") as refused:
        call_command(*command)
    connection.close()
    assert refused.value.returncode == 3


def it_knows_through_the_pool_whether_the_web_and_the_commands_share_a_database(pooler, monkeypatch, tmp_path):
    own = processes.here(tmp_path)["DATABASE_URL"]
    monkeypatch.setattr(settings, "DATABASE_URL", own)
    given = {"host": "127.0.0.1", "port": pooler(), "user": embedded.WEB}
    told = []
    for name in (connection.settings_dict["NAME"], "postgres"):
        monkeypatch.setattr(settings, "WEB_DATABASE_URL", make_conninfo(**given, dbname=name))
        told.append(web.apart())
    assert told[0] == ""
    assert told[1].startswith(f"WEB_DATABASE_URL は postgres（127.0.0.1:{given['port']}）、DATABASE_URL は ")
