"""Accounts for one go-live day (D38): registered without a mail, sent later, to each person once; notices wait until then."""

from io import StringIO

import pytest
from django.core.management import call_command

from accounts import credentials, services, tokens
from accounts.models import User
from billing.models import MonthRun
from billing.month import checks, close
from portal import mail
from portal.models import Mail
from tests import make


@pytest.fixture
def people(cast):
    """Two more people of company A and one of C, registered for later; C has nobody else."""
    third = make.make_customer("C0000003")
    made = []
    for customer, name in ((cast.a, "goro"), (cast.a, "rokuro"), (third, "nana")):
        user = User(customer=customer, name=name, email=f"{name}@example.com")
        made.append(services.create_user(user, later=True, by=cast.staff))
    return made


def send(*arguments):
    said = StringIO()
    call_command("send_account_data", *arguments, stdout=said)
    return said.getvalue()


def sent_to():
    return sorted(Mail.objects.filter(kind=Mail.Kind.ACCOUNT_CREATED).values_list("user__name", flat=True))


def it_sends_from_a_shell_where_no_test_holds_a_transaction(transactional_db):
    cast = make.cast()
    services.create_user(User(customer=cast.a, name="goro", email="goro@example.com"), later=True, by=cast.staff)
    assert "1名分を送信待ちにしました" in send()
    assert sent_to() == ["goro"]


def it_sends_to_each_person_once_however_often_it_is_run(people, settings):
    assert not Mail.objects.exists()
    told = send("--dry-run")
    assert "未送付 3名のうち 3名" in told
    assert "goro@example.com" in told
    assert f"ログインのアドレス {settings.PORTAL_URL}/login/、差出人 {settings.DEFAULT_FROM_EMAIL}" in told
    assert sent_to() == []
    send("--customer", "C0000003")
    assert sent_to() == ["nana"]
    send("--limit", "1")
    send("--per-minute", "60000")
    send()
    assert sent_to() == ["goro", "nana", "rokuro"]


def it_tells_a_customers_number_that_nobody_has(people):
    with pytest.raises(Exception, match="C9999999"):
        send("--customer", "C9999999")


def it_lets_notices_wait_until_the_recipient_knows_of_the_account(people, cast):
    _goro, _rokuro, nana = people
    mail.queue(Mail.Kind.INVOICE_VOID, key="x", customer=nana.customer, number="B1")
    waiting = Mail.objects.get(key="x")
    with pytest.raises(mail.NobodyToWriteTo):
        mail.reader_of(waiting)
    send()
    waiting = Mail.objects.get(key="x")
    assert mail.reader_of(waiting) == nana


def it_counts_in_the_check_of_a_month_whom_notices_wait_for(cast):
    User.objects.filter(pk=cast.hanako.pk).update(is_recipient=True, account_pending=True, last_login=None)
    close.run(make.APRIL, kind=MonthRun.Kind.OPEN, today=make.IN_MAY)
    rows = {finding.code: finding.items for finding in checks.check(make.APRIL, today=make.IN_MAY)}
    assert [item.customer for item in rows["account_pending"]] == [cast.a.number]


def it_knows_that_whoever_came_by_the_mail_of_a_reset_knows_of_the_account(people):
    _prefix, _reset, uid, token, _end = tokens.path(people[0], "reset").rsplit("/", 4)
    assert credentials.reset_password(uid, token, address="10.0.0.1")
    assert not User.objects.get(pk=people[0].pk).account_pending
    assert Mail.objects.filter(kind=Mail.Kind.RESET_PASSWORD, user=people[0]).exists()


def it_writes_to_nobody_whose_account_waits(people, cast):
    goro = User.objects.get(pk=people[0].pk)
    goro.email = "five@example.com"
    services.change_user(goro, by=cast.staff)
    goro.is_recipient = True
    services.change_user(goro, by=cast.staff)
    assert not Mail.objects.filter(user=goro).exists()


def it_takes_the_tick_and_no_password_beside_it(client, cast):
    client.force_login(cast.staff)
    given = {"customer": cast.a.pk, "name": "八", "email": "hachi@example.com", "language": "ja", "later": "on"}
    refused = client.post("/admin/accounts/user/add/", {**given, "initial_password": "Portal-2024!"})
    assert "初期パスワードを空に" in refused.content.decode()
    client.post("/admin/accounts/user/add/", given)
    assert User.objects.get(email="hachi@example.com").waits_for_account_data
    assert not Mail.objects.exists()
