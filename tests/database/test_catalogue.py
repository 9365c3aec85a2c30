"""What stands in PostgreSQL's own tables: no function can be led astray, and the web's role can make nothing of its own."""

import json

import pytest
from django.core.management import call_command
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from accounts.models import User
from portal import mail
from portal.db import rls
from portal.db.schema import ROLE, SEARCH_PATH
from portal.models import Action, ColumnChoice, HistoryEvent, Inquiry, Mail, Message, SentForm
from tests import make

UNSAFE = """
    SELECT p.oid::regprocedure::text FROM pg_proc p
    WHERE p.pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
        AND NOT coalesce(%s = ANY (p.proconfig), false)
    ORDER BY 1
"""


def ask(sql, *values):
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return [row[0] for row in cursor.fetchall()]


def unsafe_functions():
    return ask(UNSAFE, f"search_path={SEARCH_PATH}")


def it_gives_every_function_a_search_path_that_ends_with_temporary_tables(db):
    assert len(ask("SELECT 1 FROM pg_proc WHERE pronamespace = 'public'::regnamespace")) > 5
    assert unsafe_functions() == []


def it_mends_a_function_without_one_at_the_next_migrate(db):
    connection.cursor().execute("CREATE FUNCTION led_astray() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    assert unsafe_functions() == ["led_astray()"]
    call_command("migrate", verbosity=0)
    assert unsafe_functions() == []


def it_lets_nobody_but_the_owner_make_temporary_tables(db):
    assert ask("SELECT has_database_privilege('public', current_database(), 'TEMPORARY')") == [False]
    assert ask("SELECT has_database_privilege(%s, current_database(), 'TEMPORARY')", ROLE) == [False]
    assert ask("SELECT has_database_privilege(current_database(), 'TEMPORARY')") == [True]


def it_lets_the_webs_role_make_nothing_of_its_own(cast):
    for sql in ("CREATE TEMP TABLE billing_invoice (id int)", "CREATE TABLE mine (id int)"):
        with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic(), rls.scope(ROLE, cast.a.pk):
            connection.cursor().execute(sql)


def it_gives_the_webs_role_no_attribute_that_passes_the_policies(db):
    attributes = "rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolcanlogin OR rolreplication"
    assert ask(f"SELECT {attributes} FROM pg_roles WHERE rolname = %s", ROLE) == [False]
    assert ask("SELECT relname FROM pg_class WHERE pg_get_userbyid(relowner) = %s", ROLE) == []


ROWS = {
    "mail": lambda **own: Mail(key="x", kind=Mail.Kind.RESET_CONFIRM, due_at=timezone.now(), **own),
    "inquiry": lambda **own: Inquiry(number="Q202604-000001", subject="x", body="x", **own),
    "message": lambda customer, user: Message(
        customer=customer,
        author=user,
        author_name="x",
        body="x",
        kind="customer",
        inquiry=Inquiry.objects.filter(customer=customer).first()
        or make.make_inquiry(User.objects.get(email="hanako@example.com")),
    ),
    "columns": lambda **own: ColumnChoice(list_name="x", **own),
    "forms": lambda **own: SentForm(key="x", **own),
    "history": lambda customer, user: HistoryEvent(
        customer=customer, actor=user, action=Action.USER_CHANGED, subject="x"
    ),
}


@pytest.mark.parametrize("table", ROWS)
@pytest.mark.parametrize("whose", ["jiro", "staff"])
def it_refuses_the_webs_role_a_row_that_names_anybody_elses_user(table, whose, cast):
    with pytest.raises(IntegrityError), transaction.atomic(), rls.scope(ROLE, cast.a.pk):
        ROWS[table](customer=cast.a, user=getattr(cast, whose)).save()
        connection.check_constraints()


@pytest.mark.parametrize("table", ROWS)
def it_takes_the_same_row_for_ones_own_user(table, cast):
    with rls.scope(ROLE, cast.a.pk):
        ROWS[table](customer=cast.a, user=cast.taro).save()
        connection.check_constraints()


def it_lets_staff_be_the_actor_in_a_companys_history_but_no_stranger(cast):
    HistoryEvent.objects.create(customer=cast.a, actor=cast.staff, action="user_changed", subject="x")
    with pytest.raises(IntegrityError, match="is not one of"), transaction.atomic():
        HistoryEvent.objects.create(customer=cast.a, actor=cast.jiro, action="user_changed", subject="x")


def it_ties_a_mail_to_its_reader_for_the_owner_too(cast):
    Mail.objects.create(key="x", kind="reset_confirm", customer=cast.a, user=cast.jiro, due_at=timezone.now())
    with pytest.raises(IntegrityError), transaction.atomic():
        connection.check_constraints()
    Mail.objects.filter(key="x").update(user=User.objects.get(pk=cast.taro.pk))


COUNTING = {
    "ahead": "UPDATE portal_counter SET value = value + 1000",
    "back": "UPDATE portal_counter SET value = 0",
    "another month": "UPDATE portal_counter SET series = 'Q209901-', value = value + 1",
    "from the middle": "INSERT INTO portal_counter (series, value) VALUES ('Q209901-', 500)",
}


@pytest.mark.parametrize("what", COUNTING)
def it_lets_the_webs_role_count_inquiries_one_by_one_only(what, cast):
    make.make_inquiry(cast.hanako)
    with pytest.raises(DatabaseError, match="one by one"), transaction.atomic(), rls.scope(ROLE, cast.a.pk):
        connection.cursor().execute(COUNTING[what])
    with rls.scope(ROLE, cast.a.pk):
        first, second = make.make_inquiry(cast.hanako), make.make_inquiry(cast.hanako)
    assert int(second.number[-6:]) == int(first.number[-6:]) + 1 == 3


JOB = "INSERT INTO procrastinate_jobs (queue_name, task_name, args) VALUES (%s, %s, %s)"


@pytest.mark.parametrize(
    ("queue", "task", "whose"),
    [
        ("render", "billing.catch_up", "taro"),
        ("sweep", "accounts.tidy", "taro"),
        ("sweep", "portal.deliver", "taro"),
        ("mail", "portal.deliver", "jiro"),
        ("mail", "portal.deliver", None),
    ],
)
def it_lets_the_webs_role_queue_nothing_but_the_delivery_of_its_companys_mails(queue, task, whose, cast):
    args = {}
    if whose:
        reader = getattr(cast, whose)
        given = {"kind": "password_set", "customer": reader.customer, "user": reader, "due_at": timezone.now()}
        args = {"mail_id": Mail.objects.create(key="x", **given).pk}
    with pytest.raises(DatabaseError, match="row-level security"), transaction.atomic(), rls.scope(ROLE, cast.a.pk):
        connection.cursor().execute(JOB, [queue, task, json.dumps(args)])


def it_lets_the_webs_role_queue_the_delivery_of_an_own_mail_but_read_no_other_job(cast):
    for customer, user in ((cast.b, cast.jiro), (cast.a, cast.taro)):
        with rls.scope(ROLE, customer.pk):
            mail.queue(Mail.Kind.PASSWORD_CHANGED, key=user.email, customer=customer, user=user)
    assert ask("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'portal.deliver'") == [2]
