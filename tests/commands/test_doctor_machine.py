"""`manage.py doctor` on the machine it runs on: settings, the address, clock, disk, files, fonts, the mail server."""

import shutil
import socket
import ssl
import subprocess
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage

from billing.doctor import machine
from portal import fonts
from portal.db import ready
from tests.commands.doctoring import complaints, lone, sql


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("SECRET_KEY", "short", {"secret_key": "fail"}),
        ("SECRET_KEY", "a" * 60, {"secret_key": "fail"}),
        ("DEBUG", True, {"debug": "fail"}),
        ("TRUSTED_PROXIES", 0, {"proxies": "fail"}),
        ("DEFAULT_FROM_EMAIL", "noreply@localhost", {"mail_from": "fail"}),
        ("EMAIL_BACKEND", "portal.mail.FileBackend", {"mail_server": "warn"}),
    ],
)
def it_finds_an_odd_setting(well, settings, name, value, found):
    setattr(settings, name, value)
    assert complaints() == found


def it_finds_an_address_without_tls(well, settings):
    settings.PORTAL_URL, settings.HTTPS = "http://portal.example.com", False
    sql("UPDATE portal_installation SET mark = jsonb_set(mark, '{address}', '\"http://portal.example.com\"')")
    assert complaints() == lone("address")


@pytest.fixture
def front(settings):
    """A server at PORTAL_URL; `front.answers` is the status and the Location of what it says to everything."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            status, location = server.answers
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.end_headers()

        def log_message(self, *_given):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        settings.PORTAL_URL = f"http://127.0.0.1:{server.server_port}"
        yield server
        server.shutdown()


def it_opens_the_sign_in_page_and_tells_what_a_browser_would_meet(front, settings):
    page = f"{settings.PORTAL_URL}/login/"
    said = {}
    for answers in [(200, ""), (301, page), (302, "/login/"), (302, "https://elsewhere.example.com/"), (404, "")]:
        front.answers = answers
        said[answers] = machine.site()
    assert [result for result, _text, _todo in said.values()] == ["ok", "warn", "warn", "warn", "warn"]
    for answers in [(301, page), (302, "/login/")]:
        assert "リダイレクトを繰り返します" in said[answers][1]
        assert "X-Forwarded-Proto" in said[answers][2]
    assert said[302, "https://elsewhere.example.com/"][1] == f"{page} が 302 を返します"
    settings.PORTAL_URL = settings.PORTAL_URL.replace("http:", "https:")
    assert machine.site()[:2] == (
        "warn",
        f"{settings.PORTAL_URL}/login/ を、このマシンからは開けません（SSLError）",
    )


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl isn't installed here")
def it_tells_of_a_certificate_that_browsers_do_not_trust(front, settings, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    names = ["-subj", "/CN=127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run([*made, *names], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    front.socket = context.wrap_socket(front.socket, server_side=True)
    settings.PORTAL_URL = settings.PORTAL_URL.replace("http:", "https:")
    result, text, _todo = machine.site()
    assert (result, "/login/ の証明書を信頼できません（" in text) == ("warn", True)


def it_only_warns_where_nobody_answers_at_the_address(settings):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings.PORTAL_URL = f"http://127.0.0.1:{taken.getsockname()[1]}"
    result, text, _todo = machine.site()
    assert (result, "開けません（ConnectionRefusedError）" in text) == ("warn", True)


@pytest.mark.parametrize(("apart", "result"), [(300, "fail"), (20, "warn")])
def it_finds_a_clock_that_is_wrong(well, monkeypatch, apart, result):
    real = time.time
    monkeypatch.setattr(machine.time, "time", lambda: real() + apart)
    assert complaints() == lone("clock", result)


@pytest.mark.parametrize(("free", "result"), [(100, "fail"), (2 * 1024**3, "warn")])
def it_finds_a_disk_that_is_nearly_full(well, monkeypatch, free, result):
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _path: SimpleNamespace(free=free))
    assert complaints() == lone("disk", result)


def it_finds_a_data_folder_that_others_can_read(well, tmp_path):
    tmp_path.chmod(0o755)
    assert complaints() == lone("data_folder")


def it_finds_a_data_folder_that_cannot_be_written(settings):
    settings.DATA = Path("/proc")  # where not even root writes
    result, text, todo = machine.data_folder()
    assert (result, "/proc に書けません" in text, "chown -R portal:portal /proc" in todo) == ("fail", True, True)


def it_finds_that_static_files_were_not_collected(well, monkeypatch):
    monkeypatch.setattr(
        ready, "staticfiles_storage", ManifestStaticFilesStorage(location="/nowhere", base_url="/static/")
    )
    assert complaints() == lone("static_files")


def it_finds_a_font_that_is_gone(well, monkeypatch):
    kept = fonts.kept()
    gone = fonts.Kept([kept.faces[0]._replace(path=Path("/nowhere/a.ttf"))], [])
    monkeypatch.setattr(fonts, "kept", lambda: gone)
    assert complaints() == lone("font_files")


def it_finds_a_file_among_the_fonts_that_is_none(well, monkeypatch):
    monkeypatch.setattr(fonts, "kept", lambda: fonts.Kept([], ["odd.ttf"]))
    assert complaints() == lone("font_files", "warn")


def it_lays_a_pdf_out_in_its_own_fonts():
    assert machine.test_pdf()[0] == "ok"


def it_finds_that_no_pdf_can_be_made(monkeypatch):
    monkeypatch.setattr("weasyprint.HTML.write_pdf", lambda *_given, **_options: 1 / 0)
    assert machine.test_pdf()[:2] == ("fail", "PDFを作れません（ZeroDivisionError）")


def it_finds_that_a_pdf_has_not_its_own_fonts(monkeypatch):
    from weasyprint import CSS
    from weasyprint.text.fonts import FontConfiguration

    others = FontConfiguration(), CSS(string="body { font-family: serif }")
    monkeypatch.setattr("billing.documents.pdf.style", lambda _version: others)
    assert machine.test_pdf()[:2] == ("fail", "PDFに決まったフォントが使われません")


def it_finds_a_mail_server_that_does_not_answer(well, settings):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings.EMAIL_HOST, settings.EMAIL_PORT = taken.getsockname()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    assert complaints() == lone("mail_server")


def it_finds_nothing_wrong_with_a_mail_server_that_answers(well, sink):
    assert complaints() == {}


def it_finds_a_mail_server_that_takes_no_password(well, sink, settings):
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "portal", "wrong"
    assert complaints() == lone("mail_server")
