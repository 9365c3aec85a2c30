"""Mail over real SMTP (aiosmtpd with scripted faults): nothing is lost, nothing goes twice, a bad address stops nobody."""

import pytest
import time_machine
from django.core.management import call_command
from procrastinate.contrib.django.models import ProcrastinateJob

from billing.documents.rendering import render_waiting
from billing.models import Invoice
from portal import mail as mails
from portal.models import Mail
from portal.tasks import send_due
from tests import make
from tests.acting import act

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def closed(cast):
    make.close_month()
    list(render_waiting())
    assert Mail.objects.filter(state="waiting").count() == 2
    return cast


def states():
    return dict(Mail.objects.values_list("customer__number", "state"))


def it_delivers_each_mail_once(sink, closed):
    send_due()
    send_due()
    assert sorted(address for address, _text in sink.taken) == ["hanako@example.com", "jiro@example.org"]
    assert set(states().values()) == {"sent"}


def it_goes_on_when_an_address_is_refused_for_good_and_says_so(sink, closed, sign_in):
    sink.script["hanako@example.com"] = "550 no such user"
    send_due()
    assert states() == {"C0000001": "failed", "C0000002": "sent"}
    closed.hanako.refresh_from_db()
    assert "550" in closed.hanako.bounced
    browser = sign_in(closed.taro)
    assert "不達" in browser.get("/account/users/").content.decode()
    assert "届きませんでした" in browser.get(f"/account/users/{closed.hanako.pk}/").content.decode()

    del sink.script["hanako@example.com"]
    browser.force_login(closed.staff)
    act(browser, "/admin/portal/mail/", "send_again", Mail.objects.get(state="failed"))
    send_due()
    assert states() == {"C0000001": "sent", "C0000002": "sent"}
    closed.hanako.refresh_from_db()
    assert closed.hanako.bounced == ""


def it_tries_again_later_when_an_address_is_busy(sink, closed):
    sink.script["hanako@example.com"] = "450 try later"
    with time_machine.travel("2026-05-08T10:00Z", tick=False) as clock:
        Mail.objects.update(due_at="2026-05-08T10:00Z")
        send_due()
        assert states() == {"C0000001": "waiting", "C0000002": "sent"}
        send_due()
        assert len(sink.taken) == 1
        sink.script.clear()
        clock.shift(61)
        send_due()
    assert states() == {"C0000001": "sent", "C0000002": "sent"}


def it_loses_nothing_while_the_server_is_down_all_night(sink, closed, settings):
    port, settings.EMAIL_PORT = settings.EMAIL_PORT, 1
    with time_machine.travel("2026-05-08T10:00Z", tick=False) as clock:
        Mail.objects.update(due_at="2026-05-08T10:00Z")
        for _minute in range(12 * 60):
            send_due()
            clock.shift(60)
        tries = Mail.objects.first().tries
        assert 10 < tries < 20  # pauses of 1, 2, 5, 15, then 60 minutes
        settings.EMAIL_PORT = port
        clock.shift(3600)
        send_due()
    assert set(states().values()) == {"sent"}
    assert len(sink.taken) == 2


def it_says_so_when_the_server_is_down(sink, closed, settings, capsys):
    settings.EMAIL_PORT = 1
    with pytest.raises(SystemExit) as ended:
        call_command("send_mail")
    assert ended.value.code == 1
    assert "再送待ち 2 件" in capsys.readouterr().out


def it_counts_a_mail_as_sent_once_the_server_took_it(sink, closed):
    """The connection breaks after DATA: the same mail may come twice, with one Message-ID, and never not at all."""
    sink.data["hanako@example.com"] = "reset"
    with time_machine.travel("2026-05-08T10:00Z", tick=False) as clock:
        Mail.objects.update(due_at="2026-05-08T10:00Z")
        send_due()
        sink.data.clear()
        clock.shift(3600)
        send_due()
    assert set(states().values()) == {"sent"}
    texts = [text for address, text in sink.taken if address == "hanako@example.com"]
    ids = {line for text in texts for line in text.splitlines() if line.startswith("Message-ID")}
    assert 1 <= len(texts) <= 2
    assert len(ids) == 1


def it_sends_the_rest_when_one_mail_cannot_be_written(sink, closed, monkeypatch):
    original = mails.write

    def write(mail):
        if mail.customer_id == closed.a.pk:
            raise KeyError("a fault in the template")
        return original(mail)

    monkeypatch.setattr(mails, "write", write)
    send_due()
    assert states() == {"C0000001": "failed", "C0000002": "sent"}


def it_waits_for_a_recipient_and_writes_to_whoever_it_is_then(sink, closed):
    Mail.objects.filter(customer=closed.a).update(due_at="2026-05-08T10:00Z")
    closed.hanako.is_recipient, closed.taro.is_recipient = False, True
    closed.hanako.save()
    closed.taro.save()
    send_due()
    assert "taro@example.com" in [address for address, _text in sink.taken]


def it_is_sent_by_the_command_too(sink, closed):
    call_command("send_mail")
    assert len(sink.taken) == 2
    assert Invoice.objects.count() == 2


def it_lets_a_reset_overtake_the_notices_of_invoices(closed, web):
    """Jobs are taken by priority: what somebody waits for comes first."""
    web.post("/password/reset/", {"email": "hanako@example.com"})
    jobs = ProcrastinateJob.objects.filter(task_name="portal.deliver").order_by("-priority", "id")
    first = Mail.objects.get(pk=jobs[0].args["mail_id"])
    assert (jobs.count(), first.kind) == (3, "reset_confirm")
