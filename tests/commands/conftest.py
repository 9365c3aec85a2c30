"""A mail server that does what a test tells it."""

import contextlib
import time

import pytest
from aiosmtpd.controller import Controller


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
