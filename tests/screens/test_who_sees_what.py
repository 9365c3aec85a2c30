"""Nobody sees another company's rows: every URL is walked by everybody, and each of the two locks holds without the other."""

import ast
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.urls import URLPattern, get_resolver

from accounts.models import Customer
from billing.documents.rendering import render_waiting
from billing.models import Decision, Discount, Invoice, NumberGone, Parked, Rendering
from contracts.models import Contract
from orders.models import Order, Pending
from portal.db import rls
from portal.db.schema import ROLE
from portal.scoping import Scoped
from tests import make

SIGN_IN, OPEN, BAD, MISSING, REFUSED = "to sign-in", 200, 400, 404, 405
# What each URL answers to: nobody, hanako (its owner), jiro of another company. A new URL without a row fails.
TABLE = {
    "home": (SIGN_IN, OPEN, OPEN),
    "faq": (SIGN_IN, OPEN, OPEN),
    "inquiry": (SIGN_IN, OPEN, OPEN),
    "inquiry_detail": (SIGN_IN, OPEN, MISSING),
    "healthz": (OPEN, OPEN, OPEN),
    "readyz": (OPEN, OPEN, OPEN),
    "metrics": (MISSING, MISSING, MISSING),
    "login": (OPEN, OPEN, OPEN),
    "second_step": (SIGN_IN, SIGN_IN, SIGN_IN),
    "logout": (SIGN_IN, REFUSED, REFUSED),
    "language": (REFUSED, REFUSED, REFUSED),
    "password_reset": (OPEN, OPEN, OPEN),
    "password_reset_confirm": (BAD, BAD, BAD),
    "password_change": (SIGN_IN, OPEN, OPEN),
    "account": (SIGN_IN, OPEN, OPEN),
    "account_change": (SIGN_IN, OPEN, OPEN),
    "user_list": (SIGN_IN, OPEN, OPEN),
    "user_create": (SIGN_IN, OPEN, OPEN),
    "user_detail": (SIGN_IN, OPEN, MISSING),
    "user_edit": (SIGN_IN, OPEN, MISSING),
    "user_delete": (SIGN_IN, OPEN, MISSING),
    "user_send": (SIGN_IN, REFUSED, REFUSED),
    "history_list": (SIGN_IN, OPEN, OPEN),
    "security": (SIGN_IN, OPEN, OPEN),
    "other_sessions_end": (SIGN_IN, REFUSED, REFUSED),
    "second_factor": (SIGN_IN, OPEN, OPEN),
    "second_factor_off": (SIGN_IN, REFUSED, REFUSED),
    "admin_login": (SIGN_IN, SIGN_IN, SIGN_IN),
    "admin_password": (SIGN_IN, "/password/change/", "/password/change/"),
    "contract_list": (SIGN_IN, OPEN, OPEN),
    "contract_detail": (SIGN_IN, OPEN, MISSING),
    "order_list": (SIGN_IN, OPEN, OPEN),
    "order_detail": (SIGN_IN, OPEN, MISSING),
    "invoice_list": (SIGN_IN, OPEN, OPEN),
    "invoice_detail": (SIGN_IN, OPEN, MISSING),
    "invoice_pdf": (SIGN_IN, OPEN, MISSING),
    "invoice_xml": (SIGN_IN, MISSING, MISSING),  # the cast has no 法人番号, so there is none
    "invoice_review": (SIGN_IN, REFUSED, REFUSED),
    "costs": (SIGN_IN, OPEN, OPEN),
    "invoice_archive": (SIGN_IN, OPEN, OPEN),
}
# Pages of staff's that are under an address of their own; test_imports.py says which of the staff may open them.
IMPORTS = {
    "admin_import": "",
    "admin_import_template": "template.csv",
    "admin_import_export": "export.csv",
    "admin_upload": "1/",
    "admin_upload_errors": "1/errors.csv",
}
TABLE |= {
    name: (SIGN_IN, *[f"/admin/login/?next=/admin/import/customers/{path}"] * 2) for name, path in IMPORTS.items()
}
TABLE["admin_search"] = (SIGN_IN, *["/admin/login/?next=/admin/search/"] * 2)  # test_search.py says what staff find
TABLE["admin_confirm"] = (SIGN_IN, *["/admin/login/?next=/admin/confirm/"] * 2)  # test_fresh.py says who is asked
TABLE["admin_check"] = (SIGN_IN, *["/admin/login/?next=/admin/check/2026-04/"] * 2)  # test_admin_matrix.py says who may
# test_see_as.py says who of the staff may look at a customer's pages.
SEE_AS = {"admin_see_as": "C0000001/", "admin_see_as_end": "end/"}
TABLE |= {name: (SIGN_IN, *[f"/admin/login/?next=/admin/see-as/{path}"] * 2) for name, path in SEE_AS.items()}
# test_books.py says who of the staff may search the vendor's books, and take them away.
BOOKS = {"admin_books": "", "admin_books_archive": "archive/", "admin_books_csv": "csv/"}
TABLE |= {name: (SIGN_IN, *[f"/admin/login/?next=/admin/books/{path}"] * 2) for name, path in BOOKS.items()}
FREE = {"healthz", "logout"}
FOR_STAFF = {
    "password_change", "security", "other_sessions_end", "second_factor", "second_factor_off", "admin_login", "admin_password",
    *IMPORTS, "admin_search", "admin_check", "admin_confirm", *SEE_AS, *BOOKS,
}  # fmt: skip


def routes(patterns, prefix=""):
    for entry in patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLPattern):
            yield entry.name, route
        elif entry.app_name != "admin":
            yield from routes(entry.url_patterns, route)


ROUTES = dict(routes(get_resolver().url_patterns))


@pytest.fixture
def addresses(cast):
    """Every URL with keys of company A in it."""
    make.close_month()
    list(render_waiting(Invoice.objects.filter(customer=cast.a)))
    numbers = {
        "contract": Contract.objects.get(customer=cast.a).number,
        "order": Order.objects.get(customer=cast.a).number,
        "invoice": Invoice.objects.get(customer=cast.a).number,
        "inquiry": make.make_inquiry(cast.hanako).number,
    }
    made = {}
    for name, route in ROUTES.items():
        key = "C0000001" if name in SEE_AS else numbers.get(name.split("_")[0], "")
        made[name] = "/" + route.replace("<str:number>", key).replace("<int:pk>", str(cast.hanako.pk))
        made[name] = (
            made[name].replace("<str:kind>", "customers").replace("<int:upload>", "1").replace("<str:month>", "2026-04")
        )
    return made


def outcome(response):
    if response.status_code == 302 and response.url.startswith("/login/"):
        return SIGN_IN
    return response.url if response.status_code == 302 else response.status_code


def it_has_a_row_for_every_url():
    assert set(ROUTES) == set(TABLE)


def walk(web, addresses):
    """{name: what each URL answers}, and the names of the pages that show company A."""
    answers = {name: web.get(address) for name, address in addresses.items()}
    shown = {name for name, answer in answers.items() if "会社C0000001" in answer.getvalue().decode(errors="replace")}
    return {name: outcome(answer) for name, answer in answers.items()}, shown


def it_answers_each_person_as_the_table_says(addresses, cast, web):
    for place, person in enumerate((None, cast.hanako, cast.jiro)):
        if person:
            web.force_login(person)
        answers, shown = walk(web, addresses)
        assert answers == {name: row[place] for name, row in TABLE.items()}, person
        assert bool(shown) == (person == cast.hanako), shown


def it_lets_a_person_with_an_initial_password_go_nowhere_else(addresses, cast, web):
    cast.taro.must_change_password = True
    cast.taro.save()
    web.force_login(cast.taro)
    answers, _shown = walk(web, addresses)
    assert {name for name, answer in answers.items() if answer != "/password/change/"} == FREE | {"password_change"}


def it_sends_staff_to_the_admin(addresses, cast, web):
    web.force_login(cast.staff)
    answers, _shown = walk(web, addresses)
    assert {name for name, answer in answers.items() if answer != "/admin/"} == FREE | FOR_STAFF


@pytest.mark.parametrize("name", ["contract_list", "order_list", "invoice_list", "user_list"])
def it_exports_own_rows_only(name, addresses, cast, sign_in):
    body = b"".join(sign_in(cast.jiro).get(addresses[name] + "?export=csv")).decode()
    own = {
        "contract_list": "K0000002",
        "order_list": "O202604-000002",
        "invoice_list": "B202604-000002",
        "user_list": "jiro",
    }
    foreign = {
        "contract_list": "K0000001",
        "order_list": "O202604-000001",
        "invoice_list": "B202604-000001",
        "user_list": "taro",
    }
    assert own[name] in body
    assert foreign[name] not in body


def everybody(self, user):
    return self.all()


GUARDED = {
    "contract_detail": "contracts_contract",
    "order_detail": "orders_order",
    "invoice_detail": "billing_invoice",
    "inquiry_detail": "portal_inquiry",
}


@pytest.mark.parametrize("name", GUARDED)
def it_still_hides_rows_when_the_filter_is_gone(name, addresses, sign_in, cast, monkeypatch):
    monkeypatch.setattr(Scoped, "for_user", everybody)
    assert sign_in(cast.jiro).get(addresses[name]).status_code == 404


@pytest.mark.parametrize("name", GUARDED)
def it_still_hides_rows_when_the_policy_is_gone(name, addresses, sign_in, cast):
    open_all_tables()
    assert sign_in(cast.jiro).get(addresses[name]).status_code == 404


@pytest.mark.parametrize("name", GUARDED)
def it_would_show_rows_without_both_locks(name, addresses, sign_in, cast, monkeypatch):
    """The proof that the two tests above would notice."""
    monkeypatch.setattr(Scoped, "for_user", everybody)
    open_all_tables()
    assert sign_in(cast.jiro).get(addresses[name]).status_code == 200


def open_all_tables():
    connection.check_constraints()
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT tablename FROM pg_policies WHERE policyname = 'own_customer'")
        for (table,) in cursor.fetchall():
            cursor.execute(f"CREATE POLICY all_open ON {table} TO {ROLE} USING (true)")


def belongs(model):
    """Whether the rows of this model are those of one customer each."""
    return any(field.name == "customer" for field in model._meta.fields)


OURS = [
    model
    for app in ("portal", "accounts", "contracts", "orders", "billing")
    for model in apps.get_app_config(app).get_models()
]
TABLES = [Customer, *filter(belongs, OURS)]
# What staff and programs alone look at: the web reads no row of it, whoever asks.
CLOSED = {Rendering, Parked, Pending, Decision, Discount, NumberGone}


@pytest.mark.parametrize("model", TABLES)
def it_fails_loudly_without_a_customer(model, cast):
    with pytest.raises(DatabaseError), transaction.atomic(), rls.scope(ROLE):
        model.objects.count()


@pytest.mark.parametrize("model", TABLES)
def it_has_a_policy_on_every_table_that_belongs_to_customers(model, db):
    table = model._meta.db_table
    assert ask("SELECT relrowsecurity FROM pg_class WHERE oid = %s::regclass", table) == [True]
    policies = ask(
        "SELECT qual FROM pg_policies WHERE tablename = %s AND %s = ANY (roles) AND permissive = 'PERMISSIVE'",
        table,
        ROLE,
    )
    if model in CLOSED:
        assert policies == []
        return
    column = "id" if model is Customer else "customer_id"
    assert policies == [f"({column} = (current_setting('portal.customer'::text))::bigint)"]


KEYS = [
    (model, field)
    for model in TABLES
    for field in model._meta.concrete_fields
    if field.is_relation and field.related_model is not Customer and belongs(field.related_model)
]


@pytest.mark.parametrize(("model", "field"), KEYS, ids=lambda each: getattr(each, "column", None) or each.__name__)
def it_ties_every_row_to_a_parent_of_the_same_customer(model, field, db):
    """A key of two columns, or (for actors, who may be staff) a trigger that asks."""
    ours, theirs = model._meta.db_table, field.related_model._meta.db_table
    keys = ask(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f' AND conrelid = %s::regclass", ours
    )
    key = f"FOREIGN KEY (customer_id, {field.column}) REFERENCES {theirs}(customer_id, {field.target_field.column})"
    asks = ask(
        "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND tgname = %s", ours, f"{field.name}_is_own"
    )
    assert asks or any(each.startswith(key) for each in keys)


def ask(sql, *values):
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return [row[0] for row in cursor.fetchall()]


def it_shows_the_web_role_one_customer_only(cast):
    with rls.scope(ROLE, cast.b.pk):
        assert [customer.number for customer in Customer.objects.all()] == ["C0000002"]


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE billing_invoice SET total = 1",
        "INSERT INTO contracts_term (customer_id) VALUES (1)",
        "DELETE FROM orders_order",
        "UPDATE accounts_user SET is_superuser = true",
        "SELECT * FROM billing_parked",
    ],
)
def it_refuses_the_web_to_write_money_or_rights(sql, cast):
    with (
        pytest.raises(DatabaseError),
        transaction.atomic(),
        rls.scope(ROLE, cast.a.pk),
        connection.cursor() as cursor,
    ):
        cursor.execute(sql)
        if sql.startswith("SELECT") and not cursor.fetchall():
            raise DatabaseError("nothing to see")


def sources():
    yield from sorted(Path(settings.BASE_DIR, "portal", "lists").glob("*.py"))
    for app in ("accounts", "contracts", "orders", "billing", "portal"):
        for name in ("views.py", "views/*.py", "filters.py"):
            yield from sorted(Path(settings.BASE_DIR, app).glob(name))


@pytest.mark.parametrize("path", list(sources()), ids=str)
def it_starts_every_customer_query_at_for_user(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr == "objects":
            assert node.attr == "for_user", f"{path.name}:{node.lineno}"
